//! `aplomb check`: everything wrong with unit files, at once, without an engine.

use std::path::PathBuf;

use aplomb_units::render::{Located, Texts};
use clap::Args;
use serde::Serialize;

use super::Context;
use crate::failure::{Exit, Failure};
use crate::files::{self, Read};
use crate::ui::Form;
use crate::words;

/// Check unit files, and tell every fault at once
///
/// Each with its line and one thing to do. Programs, users and directories are looked for on this machine. Exit code 1
/// if anything would be refused.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aplomb check shop.toml
  aplomb check ./units/ /etc/systemd/system/nginx.service
  aplomb check --json shop.toml        for editors")]
pub(crate) struct Check {
    /// Unit files, or directories of them
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// What cannot be carried out here is a warning instead of a refusal
    #[arg(long)]
    lenient: bool,
}

/// What is answered as JSON.
#[derive(Debug, Serialize)]
struct Report<'a> {
    services: Vec<&'a str>,
    diagnostics: Vec<Located<'a>>,
}

impl Check {
    pub(crate) fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let files = files::expand(&self.files)?;
        let sources = files.iter().map(|file| files::source(file));
        let sources = sources.collect::<Result<Vec<_>, Failure>>()?;
        let read = files::check(sources, self.lenient);
        match context.ui.form {
            Form::Json => context.ui.answer_json(&report(&read))?,
            Form::People => {
                for diagnostic in read.rendered(context.ui.paint) {
                    context.ui.answer(&format!("{diagnostic}\n\n"))?;
                }
            }
        }
        let services = words::count(read.loaded.len() as u64, "service", "services");
        if read.is_refused() {
            let faults = words::count(read.faults() as u64, "fault", "faults");
            return Err(Failure::failed(format!(
                "{faults}; nothing of this would be started"
            )));
        }
        if context.ui.form == Form::People {
            let remarks = match read.diagnostics.len() as u64 {
                0 => String::new(),
                remarks => format!(", {}", words::count(remarks, "remark", "remarks")),
            };
            context
                .ui
                .answer(&format!("{services}, no faults{remarks}\n"))?;
        }
        Ok(Exit::Done)
    }
}

fn report(read: &Read) -> Report<'_> {
    let texts = Texts::new(&read.sources);
    let services = read.loaded.iter().map(|loaded| loaded.spec.name.as_str());
    let diagnostics = read.diagnostics.iter();
    Report {
        services: services.collect(),
        diagnostics: diagnostics.map(|one| texts.locate(one)).collect(),
    }
}
