//! `aplomb start`: asks for services to be up, and for all they need.

use aplomb_protocol::Ask;
use clap::Args;

use super::Context;
use crate::args::Names;
use crate::failure::{Exit, Failure};
use crate::host;
use crate::host::endpoint::EndpointError;
use crate::progress::Aim;

/// Start services, and what they need first
///
/// Returns when all of them are ready, or have failed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aplomb start web
  aplomb start 'worker@*'      every instance of worker")]
pub(crate) struct Start {
    #[command(flatten)]
    names: Names,
}

impl Start {
    pub(crate) fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let names = self.names.names;
        if let [name] = names.as_slice()
            && !context.endpoint_named
            && matches!(
                context.endpoint.connect(),
                Err(EndpointError::NobodyThere { .. })
            )
            && let Some(started) = host::start_installed(name)
        {
            return started.map(|()| Exit::Done);
        }
        let ask = Ask::Start {
            names: names.clone(),
        };
        context.moves(ask, Aim::Up, &names)
    }
}
