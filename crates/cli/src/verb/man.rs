//! `aplomb man`: manual pages out of the command line itself, one for `aplomb` and one for each verb.

use std::fs;
use std::path::PathBuf;

use clap::{Args, Command, CommandFactory};
use clap_mangen::Man;

use super::Context;
use crate::args::Aplomb;
use crate::failure::{Exit, Failure};

/// Write manual pages into a directory
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aplomb man docs/man")]
pub(crate) struct Manual {
    /// The directory
    #[arg(value_name = "DIR", default_value = "docs/man")]
    directory: PathBuf,
}

impl Manual {
    pub(crate) fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let cannot = |error| {
            Failure::failed(format!("cannot write into `{}`", self.directory.display()))
                .because(error)
        };
        fs::create_dir_all(&self.directory).map_err(cannot)?;
        let pages = pages(&Aplomb::command()).map_err(cannot)?;
        for (name, page) in &pages {
            fs::write(self.directory.join(name), page).map_err(cannot)?;
        }
        let names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
        context.ui.answer(&names.join("\n"))?;
        Ok(Exit::Done)
    }
}

/// Names and texts of all pages.
fn pages(aplomb: &Command) -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let mut aplomb = aplomb.clone();
    aplomb.build();
    let shown = aplomb.get_subcommands().filter(|verb| !verb.is_hide_set());
    let verbs: Vec<Command> = shown.cloned().collect();
    let mut pages = vec![("aplomb.1".to_owned(), page(aplomb)?)];
    for verb in verbs {
        let name = format!("aplomb-{}", verb.get_name());
        pages.push((format!("{name}.1"), page(verb)?));
    }
    Ok(pages)
}

fn page(command: Command) -> std::io::Result<Vec<u8>> {
    let mut page = Vec::new();
    // Without a date: the same program writes the same pages.
    Man::new(command).date("").render(&mut page)?;
    Ok(page)
}
