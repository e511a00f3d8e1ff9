//! `aplomb events`: what happened, and what happens as it happens.

use std::io;

use aplomb_protocol::{Ask, Event, EventKind};
use clap::Args;
use jiff::tz::TimeZone;

use super::{Context, with_nearest};
use crate::client::Heard;
use crate::failure::{Exit, Failure};
use crate::paint::{Paint, Tone, harmless, tone_of};
use crate::ui::Form;
use crate::{story, words};

/// Show what happened to services, and what happens
///
/// Without options: the events the engine still remembers, oldest first, one a line.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aplomb events web                what happened to web
  aplomb events -f                 what happens from now on, until Ctrl+C
  aplomb events -f --replay        both
  aplomb events -f --json | jq .   one JSON object a line")]
pub(crate) struct Events {
    /// Only of these services
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// What happens from now on, until Ctrl+C or until the engine ends
    #[arg(short, long)]
    follow: bool,
    /// With `--follow`: first what the engine still remembers
    #[arg(long, requires = "follow")]
    replay: bool,
}

impl Events {
    pub(crate) fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let mut client = context.connect()?;
        client.hear_interrupts();
        let ask = Ask::Events {
            names: self.names.clone(),
            replay: self.replay || !self.follow,
        };
        let asked = client.ask(ask);
        asked.map_err(|failure| with_nearest(&mut client, failure, &self.names))?;
        let zone = TimeZone::system();
        // Answers come in order: when this one is there, all that is remembered has come before it.
        let mark = if self.follow {
            None
        } else {
            Some(client.send(Ask::Hello)?)
        };
        let mut expected = None;
        let mut ending = false;
        loop {
            let heard = match client.hear(None) {
                // It said so before it went.
                Err(_) if ending => return Ok(Exit::Done),
                heard => heard?,
            };
            let event = match heard {
                Heard::Event(event) => event,
                Heard::Interrupt => return Ok(Exit::Done),
                Heard::Answer(id, _) | Heard::Fault(id, _) if Some(id) == mark => {
                    return Ok(Exit::Done);
                }
                Heard::Answer(..) | Heard::Fault(..) | Heard::Nothing => continue,
            };
            // Filtered events leave gaps of their own.
            if self.names.is_empty() && expected.is_some_and(|expected| event.seq > expected) {
                context
                    .ui
                    .note("(some events were dropped: they came faster than they were read)");
            }
            expected = Some(event.seq + 1);
            ending |= event.kind == EventKind::EngineStopping;
            match context.ui.form {
                Form::People => {
                    let line = line(&event, &zone, context.ui.paint);
                    context.ui.answer(&line)?;
                }
                Form::Json => context.ui.answer_bytes(&json_line(&event)?)?,
            }
        }
    }
}

fn json_line(event: &Event) -> Result<Vec<u8>, Failure> {
    let line = serde_json::to_vec(event).map_err(io::Error::from);
    let mut line = line.map_err(|error| Failure::writing(&error))?;
    line.push(b'\n');
    Ok(line)
}

/// `14:03:22.517 web            start-pending → running: port 80 accepts`.
fn line(event: &Event, zone: &TimeZone, paint: Paint) -> String {
    let service = if event.service.is_empty() {
        "(engine)"
    } else {
        &event.service
    };
    let tone = tone(event);
    let what = paint.paint(tone, &harmless(&story::what(&event.kind)));
    let because = match event.because.as_str() {
        "" => String::new(),
        because => format!(": {}", harmless(because)),
    };
    format!(
        "{} {} {what}{because}",
        paint.faint(&words::time_of_day(event.at, zone)),
        paint.strong(&crate::paint::padded(&harmless(service), 15)),
    )
}

fn tone(event: &Event) -> Tone {
    use EventKind as Kind;
    match &event.kind {
        Kind::State { to, .. } => tone_of(*to),
        Kind::Ready => Tone::Good,
        Kind::Failed | Kind::Killed { .. } | Kind::CommandFailed { .. } | Kind::Watchdog => {
            Tone::Bad
        }
        Kind::RestartPlanned { .. }
        | Kind::StopStep { .. }
        | Kind::StillStopping { .. }
        | Kind::Leftovers { .. }
        | Kind::Explained { .. }
        | Kind::Health { .. }
        | Kind::Skipped
        | Kind::Log => Tone::Busy,
        Kind::Waiting { .. }
        | Kind::Spawned { .. }
        | Kind::Says
        | Kind::Exited { .. }
        | Kind::Rotated { .. }
        | Kind::Loaded
        | Kind::Unloaded
        | Kind::EngineStarted { .. }
        | Kind::EngineStopping
        | Kind::Remark => Tone::Faint,
    }
}

#[cfg(test)]
mod tests {
    use aplomb_protocol::State;

    use super::*;

    #[test]
    fn an_event_is_one_line_with_its_reason() {
        let event = Event {
            seq: 1,
            at: 1_517_000_000,
            mono: 0,
            service: "web".into(),
            run: Some(3),
            kind: EventKind::State {
                from: State::StartPending,
                to: State::Running,
            },
            because: "port 80 accepts\n".into(),
        };
        assert_eq!(
            line(&event, &TimeZone::UTC, Paint::Plain),
            "00:00:01.517 web             start-pending → running: port 80 accepts\u{fffd}"
        );
    }
}
