//! `aplomb rotate`: new log files begin at a time of the operator's choosing.

use aplomb_protocol::Ask;
use clap::Args;

use super::Context;
use crate::args::Names;
use crate::failure::{Exit, Failure};

/// Begin new log files now
///
/// The current file gets its time into its name; no line is lost or split.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aplomb rotate web
  aplomb rotate '*'")]
pub(crate) struct Rotate {
    #[command(flatten)]
    names: Names,
}

impl Rotate {
    pub(crate) fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let names = self.names.names;
        let ask = Ask::Rotate {
            names: names.clone(),
        };
        context.outcomes(ask, &names)
    }
}
