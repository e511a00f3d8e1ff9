//! `aplomb man`: manual pages out of the command line itself, one for `aplomb` and one for each verb.

use std::fs;
use std::path::PathBuf;

use aplomb_units::toml::manual;
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
    pages.push(("aplomb-unit.5".to_owned(), unit_page().into_bytes()));
    Ok(pages)
}

/// The TOML dialect: an introduction by hand, the keys from their table.
fn unit_page() -> String {
    format!("{UNIT_HEAD}{}{UNIT_TAIL}", manual::roff())
}

const UNIT_HEAD: &str = r#".TH aplomb-unit 5
.SH NAME
aplomb\-unit \- services as aplomb(1) reads them
.SH DESCRIPTION
A unit file in TOML holds one or many services, each a table
.BR [service.NAME] .
Settings in
.B [default]
hold for every service of the file that does not say otherwise.
Nothing but
.B command
has to be said.
Relative paths are seen from the directory of the file, and no text is ever given to a shell.
.PP
Durations have units (500ms, 10s, 1m30s), sizes too (64KiB, 1GiB).
Files in systemd's own dialect (*.service, *.socket, *.target) are read as they are.
.SH EXAMPLE
.nf
[service.store]
command = "store --data /var/lib/store"
ready = "port 5000"

[service.web]
command = ["web", "--port", "80"]
requires = ["store"]
restart = { when = "always", delay = "1s" }
stop.plan = ["SIGINT 5s", "SIGTERM 20s"]
.fi
.SH KEYS
"#;
const UNIT_TAIL: &str = r#".SH SEE ALSO
.BR aplomb (1),
.BR aplomb\-check (1),
.BR aplomb\-convert (1)
"#;

fn page(command: Command) -> std::io::Result<Vec<u8>> {
    let mut page = Vec::new();
    // Without a date: the same program writes the same pages.
    Man::new(command).date("").render(&mut page)?;
    Ok(page)
}
