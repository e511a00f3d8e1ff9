//! `aplomb pause`: services stand still without being stopped.

use aplomb_protocol::Ask;
use clap::Args;

use super::Context;
use crate::args::Names;
use crate::failure::{Exit, Failure};

/// Hold services where they are
///
/// The whole process tree is frozen, or the service's own pause command is run.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aplomb pause batch
  aplomb continue batch")]
pub(crate) struct Pause {
    #[command(flatten)]
    names: Names,
}

impl Pause {
    pub(crate) fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let names = self.names.names;
        let ask = Ask::Pause {
            names: names.clone(),
        };
        context.outcomes(ask, &names)
    }
}
