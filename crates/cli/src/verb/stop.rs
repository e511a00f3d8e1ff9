//! `aplomb stop`: asks for services to be down, by their stop plans or by force.

use aplomb_protocol::Ask;
use clap::Args;

use super::Context;
use crate::args::Names;
use crate::failure::{Exit, Failure};
use crate::progress::Aim;
use crate::watch::how;

/// Stop services, after those that need them
///
/// Each is stopped by its plan, inside its budget. Returns when their process trees are empty.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aplomb stop web
  aplomb stop '*'              all services; the engine stays (see `aplomb down`)
  aplomb stop --force web      kill at once what does not end")]
pub(crate) struct Stop {
    #[command(flatten)]
    names: Names,
    /// Skip the plan and kill at once
    #[arg(short, long)]
    force: bool,
}

impl Stop {
    pub(crate) fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let names = self.names.names;
        let ask = Ask::Stop {
            names: names.clone(),
            how: how(self.force),
        };
        context.moves(ask, Aim::Down, &names)
    }
}
