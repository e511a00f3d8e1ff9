//! `aplomb down`: stops everything in reverse order and ends the engine.

use aplomb_protocol::Ask;
use clap::Args;
use serde_json::json;

use super::Context;
use crate::client::{Client, Heard};
use crate::failure::{Exit, Failure};
use crate::progress::Aim;
use crate::ui::{Form, Ui};
use crate::watch::{self, Telling, Watch, how};

/// Stop all services in reverse order and end the engine
///
/// Each is stopped by its plan, inside its budget. Ctrl+C leaves the engine to it.
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
        shut_down(&mut client, &mut context.ui, self.force)?;
        match context.ui.form {
            Form::Json => context
                .ui
                .answer_json(&json!({ "ended": client.greeting.pid }))?,
            Form::People => context
                .ui
                .note("all services are stopped, and the engine has ended"),
        }
        Ok(Exit::Done)
    }
}

/// Waits until the engine has shut down, showing what it waits for.
fn shut_down(client: &mut Client, ui: &mut Ui, force: bool) -> Result<(), Failure> {
    let mut watch = Watch::new(Aim::Down, Telling::Lines);
    let id = client.send(Ask::Shutdown { how: how(force) })?;
    loop {
        let until = watch.draw(ui);
        match client.hear(until)? {
            Heard::Answer(answered, _) if answered == id => {
                watch.finish(ui);
                return client.farewell();
            }
            Heard::Fault(answered, fault) if answered == id => return Err(fault.into()),
            Heard::Event(event) => watch.on(&event, ui),
            Heard::Interrupt => {
                watch.finish(ui);
                let failure = Failure::failed("stopped waiting; the engine goes on shutting down");
                return Err(failure.action("`aplomb down --force` hurries it"));
            }
            Heard::Answer(..) | Heard::Fault(..) | Heard::Nothing => {}
        }
    }
}
