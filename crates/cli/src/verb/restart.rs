//! `aplomb restart`: down by the stop plan, and up again.

use aplomb_protocol::Ask;
use clap::Args;

use super::Context;
use crate::args::Names;
use crate::failure::{Exit, Failure};
use crate::progress::Aim;

/// Stop services and start them again
///
/// A service that is down is started. Returns when all of them are ready, or have failed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aplomb restart web
  aplomb restart 'worker@*'")]
pub(crate) struct Restart {
    #[command(flatten)]
    names: Names,
}

impl Restart {
    pub(crate) fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let names = self.names.names;
        let ask = Ask::Restart {
            names: names.clone(),
        };
        context.moves(ask, Aim::Up, &names)
    }
}
