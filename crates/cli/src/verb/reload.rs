//! `aplomb reload`: running programs read their settings again, each in its own way.

use aplomb_protocol::Ask;
use clap::Args;

use super::Context;
use crate::args::Names;
use crate::failure::{Exit, Failure};

/// Have running services read their settings again
///
/// How is said by `reload` in the definition; a service without it is refused.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aplomb reload web")]
pub(crate) struct Reload {
    #[command(flatten)]
    names: Names,
}

impl Reload {
    pub(crate) fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let names = self.names.names;
        let ask = Ask::Reload {
            names: names.clone(),
        };
        context.outcomes(ask, &names)
    }
}
