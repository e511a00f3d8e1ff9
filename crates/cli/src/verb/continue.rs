//! `aplomb continue`: the reverse of pause.

use aplomb_protocol::Ask;
use clap::Args;

use super::Context;
use crate::args::Names;
use crate::failure::{Exit, Failure};

/// Let paused services go on
///
/// The reverse of `aplomb pause`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aplomb continue batch")]
pub(crate) struct Continue {
    #[command(flatten)]
    names: Names,
}

impl Continue {
    pub(crate) fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let names = self.names.names;
        let ask = Ask::Continue {
            names: names.clone(),
        };
        context.outcomes(ask, &names)
    }
}
