//! `aplomb upgrade`: another program goes on with the same services, none of which is restarted.

use std::env;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use aplomb_protocol::{Ask, Event, EventKind};
use clap::Args;

use super::Context;
use crate::client::{Client, Heard};
use crate::failure::{Exit, Failure};

/// Let a newer program go on as the engine
///
/// Services keep running with the same processes, sockets and logs. A program that cannot take over is not used, and the
/// engine goes on as it was.
#[derive(Debug, Args)]
#[command(
    visible_alias = "reexec",
    after_help = "\
Examples:
  aplomb upgrade
  aplomb upgrade /usr/local/bin/aplomb"
)]
pub(crate) struct Upgrade {
    /// The program that goes on; this one, if none is named
    program: Option<PathBuf>,
}

/// The keeper asks the new program, executes it, and lets it prove itself.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(10);

impl Upgrade {
    pub(crate) fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let program = match self.program {
            Some(program) => std::path::absolute(&program).unwrap_or(program),
            None => env::current_exe()
                .map_err(|why| Failure::failed("cannot tell where `aplomb` lies").because(why))?,
        };
        let Some(path) = program.to_str() else {
            let words = format!("the path `{}` is not UTF-8", program.display());
            return Err(Failure::usage(words));
        };
        let mut client = context.connect()?;
        let before = client.greeting.pid;
        client.ask(Ask::Upgrade {
            program: path.to_owned(),
        })?;
        drop(client);
        let mut client = next_engine(context, before)?;
        let failed = said_to_have_failed(&mut client)?;
        if let Some(words) = failed {
            return Err(
                Failure::failed(words).action("the old program goes on; nothing was restarted")
            );
        }
        let greeting = &client.greeting;
        context.ui.answer(&format!(
            "the engine is `{path}`, version {}, pid {} (before: {before})\n",
            greeting.version, greeting.pid
        ))?;
        Ok(Exit::Done)
    }
}

/// Whoever answers next; who knocks before waits.
fn next_engine(context: &Context, before: u32) -> Result<Client, Failure> {
    let begun = Instant::now();
    loop {
        match context.connect() {
            Ok(client) if client.greeting.pid != before => return Ok(client),
            Ok(_) | Err(_) if begun.elapsed() < PATIENCE => thread::sleep(PAUSE),
            Ok(_) => {
                return Err(Failure::failed(
                    "the engine did not make room for another one",
                ));
            }
            Err(why) => return Err(why),
        }
    }
}

/// Why the old program goes on, if it does.
fn said_to_have_failed(client: &mut Client) -> Result<Option<String>, Failure> {
    client.ask(Ask::Events {
        names: Vec::new(),
        replay: true,
    })?;
    let until = Instant::now() + Duration::from_millis(500);
    loop {
        match client.hear(Some(until))? {
            Heard::Event(event) if is_failure(&event) => return Ok(Some(event.because)),
            // Told after what failed, if something did.
            Heard::Event(event) if event.because.starts_with("took over from engine") => {
                return Ok(None);
            }
            Heard::Nothing => return Ok(None),
            Heard::Event(_) | Heard::Answer(..) | Heard::Fault(..) | Heard::Interrupt => {}
        }
    }
}

fn is_failure(event: &Event) -> bool {
    event.kind == EventKind::Remark && event.because.starts_with("the upgrade failed")
}
