//! `aplomb down`: stops everything in reverse order and ends the engine.

use clap::Args;

use super::{Context, statuses};
use crate::failure::{Exit, Failure};
use crate::stack::Stack;
use crate::ui::Form;
use crate::watch::{self, how};

/// Stop all services in reverse order and end the engine
///
/// Each is stopped by its plan, inside its budget. Ctrl+C forces.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aplomb down
  aplomb down --force          kill at once what does not end; hurries a `down` under way, too")]
pub(crate) struct Down {
    /// Skip the plans and kill at once
    #[arg(short, long)]
    force: bool,
}

impl Down {
    pub(crate) fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let mut client = context.connect()?;
        watch::subscribe(&mut client)?;
        client.hear_interrupts();
        let services = statuses(&mut client, &[], false)?;
        Stack::of_all(client, &services).take_down(how(self.force), &mut context.ui)?;
        if context.ui.form == Form::People {
            context
                .ui
                .note("all services are stopped, and the engine has ended");
        }
        Ok(Exit::Done)
    }
}
