//! `aplomb reset-failed`: an operator has seen to it; count from zero.

use aplomb_protocol::Ask;
use clap::Args;

use super::Context;
use crate::args::Names;
use crate::failure::{Exit, Failure};

/// Forget that services failed
///
/// Clears *failed* and the count of restarts, so that the next start begins afresh. Starts nothing.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aplomb reset-failed web
  aplomb reset-failed '*'")]
pub(crate) struct ResetFailed {
    #[command(flatten)]
    names: Names,
}

impl ResetFailed {
    pub(crate) fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let names = self.names.names;
        let ask = Ask::ResetFailed {
            names: names.clone(),
        };
        context.outcomes(ask, &names)
    }
}
