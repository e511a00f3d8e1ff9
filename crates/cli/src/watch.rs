//! Waiting for an answer that takes as long as services do, and showing meanwhile how they come along.

use std::time::{Duration, Instant};

use aplomb_protocol::{Answer, Ask, Event, Outcome, StopHow};

use crate::client::{Client, Heard, unexpected};
use crate::failure::{Exit, Failure};
use crate::progress::{self, Aim, Progress};
use crate::ui::{Form, Ui};
use crate::words;

/// How often the picture is drawn anew when nothing happens, so that times go on.
const FRAME: Duration = Duration::from_millis(100);

/// Whether changes are told line by line where no picture can be drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Telling {
    Lines,
    PictureOnly,
}

/// A wait under way.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) progress: Progress,
    aim: Aim,
    telling: Telling,
    begun: Instant,
    drawn: Option<Instant>,
}

impl Watch {
    pub(crate) fn new(aim: Aim, telling: Telling) -> Watch {
        Watch {
            progress: Progress::new(aim),
            aim,
            telling,
            begun: Instant::now(),
            drawn: None,
        }
    }

    /// The other way from now on.
    pub(crate) fn turn(&mut self, aim: Aim) {
        self.aim = aim;
        self.begun = Instant::now();
        self.progress.turn(aim);
    }

    /// Something happened.
    pub(crate) fn on(&mut self, event: &Event, ui: &mut Ui) {
        self.progress.on(event, self.begun.elapsed());
        if self.telling == Telling::Lines
            && ui.form == Form::People
            && !ui.redraws()
            && let Some(news) = progress::news(event, self.aim)
        {
            ui.note(&news);
        }
    }

    /// Draws the picture if it is due; returns when it will be due again, `None` where none is drawn.
    pub(crate) fn draw(&mut self, ui: &mut Ui) -> Option<Instant> {
        if ui.form == Form::Json || !ui.redraws() {
            return None;
        }
        let now = Instant::now();
        match self.drawn.map(|drawn| drawn + FRAME) {
            Some(due) if due > now => return Some(due),
            Some(_) | None => {}
        }
        let (_, rows) = ui.size();
        // Half the screen at most: what stands above it shall stay in sight.
        let lines = self
            .progress
            .lines(self.begun.elapsed(), rows / 2, ui.aside);
        ui.region(lines);
        self.drawn = Some(now);
        Some(now + FRAME)
    }

    /// The picture as it is now, left on the screen.
    pub(crate) fn finish(&mut self, ui: &mut Ui) {
        self.drawn = None;
        self.draw(ui);
        ui.settle();
    }
}

/// Asks for something that moves services and shows them moving until the answer is there.
///
/// An interrupt leaves the engine to it: what was asked goes on.
pub(crate) fn ask(
    client: &mut Client,
    ui: &mut Ui,
    ask: Ask,
    aim: Aim,
) -> Result<Vec<Outcome>, Failure> {
    let pictured = ui.form == Form::People && ui.redraws();
    if pictured {
        subscribe(client)?;
        client.hear_interrupts();
    }
    let mut watch = Watch::new(aim, Telling::PictureOnly);
    let id = client.send(ask)?;
    loop {
        let until = watch.draw(ui);
        match client.hear(until)? {
            Heard::Answer(answered, answer) if answered == id => {
                ui.clear();
                return outcomes(answer);
            }
            Heard::Fault(answered, fault) if answered == id => {
                ui.clear();
                return Err(fault.into());
            }
            Heard::Event(event) => watch.on(&event, ui),
            Heard::Interrupt => {
                watch.finish(ui);
                return Err(
                    Failure::failed("stopped waiting; the engine goes on with it")
                        .action("aplomb status"),
                );
            }
            Heard::Answer(..) | Heard::Fault(..) | Heard::Nothing => {}
        }
    }
}

/// Every event from now on.
pub(crate) fn subscribe(client: &mut Client) -> Result<(), Failure> {
    let names = Vec::new();
    client.ask(Ask::Events {
        names,
        replay: false,
    })?;
    Ok(())
}

fn outcomes(answer: Answer) -> Result<Vec<Outcome>, Failure> {
    match answer {
        Answer::Outcomes { outcomes } => Ok(outcomes),
        Answer::Done => Ok(Vec::new()),
        Answer::Hello { .. }
        | Answer::Loaded { .. }
        | Answer::Status { .. }
        | Answer::Text { .. } => Err(unexpected("what became of services")),
    }
}

/// Tells what became of each service; fails if any did not arrive.
pub(crate) fn tell(ui: &mut Ui, outcomes: &[Outcome]) -> Result<Exit, Failure> {
    match ui.form {
        Form::Json => ui.answer_json(&outcomes)?,
        Form::People => {
            let lines: Vec<String> = outcomes.iter().map(|outcome| line(outcome, ui)).collect();
            ui.answer(&lines.join("\n"))?;
        }
    }
    verdict(outcomes)
}

/// Done if all arrived; else a failure that names those that did not.
pub(crate) fn verdict(outcomes: &[Outcome]) -> Result<Exit, Failure> {
    let missing: Vec<String> = outcomes
        .iter()
        .filter(|outcome| !outcome.arrived)
        .map(|outcome| format!("`{}`", outcome.service))
        .collect();
    let Some(first) = outcomes.iter().find(|outcome| !outcome.arrived) else {
        return Ok(Exit::Done);
    };
    let what = format!("{} did not get there", shortened(&missing));
    Err(Failure::failed(what).action(format!("aplomb status {}", quoted(&first.service))))
}

/// A few names, and how many more.
fn shortened(names: &[String]) -> String {
    const SHOWN: usize = 5;
    if names.len() <= SHOWN {
        return words::list(names);
    }
    format!(
        "{} and {} more",
        names[..SHOWN].join(", "),
        names.len() - SHOWN
    )
}

/// A name as one would have to type it in a shell.
pub(crate) fn quoted(name: &str) -> String {
    let plain = |character: char| character.is_alphanumeric() || "-_.@+:/=,%".contains(character);
    if !name.is_empty() && name.chars().all(plain) {
        return name.to_owned();
    }
    format!("'{}'", name.replace('\'', r"'\''"))
}

fn line(outcome: &Outcome, ui: &Ui) -> String {
    let state = if outcome.arrived {
        ui.paint.state(outcome.state)
    } else {
        ui.paint.bad(outcome.state.name())
    };
    let because = crate::paint::harmless(&outcome.because);
    let name = ui.paint.strong(&crate::paint::harmless(&outcome.service));
    if because.is_empty() {
        return format!("{name}: {state}");
    }
    format!("{name}: {state}, {because}")
}

/// The words for how firmly to stop.
pub(crate) fn how(force: bool) -> StopHow {
    if force { StopHow::Force } else { StopHow::Plan }
}

#[cfg(test)]
mod tests {
    use aplomb_protocol::State;

    use super::*;

    fn outcome(service: &str, arrived: bool) -> Outcome {
        Outcome {
            service: service.into(),
            state: State::Failed,
            arrived,
            because: String::new(),
        }
    }

    #[test]
    fn a_failure_names_those_that_did_not_arrive() {
        assert_eq!(verdict(&[outcome("web", true)]), Ok(Exit::Done));
        let failure = verdict(&[outcome("web", true), outcome("größe x", false)]);
        let failure = failure.expect_err("one did not arrive");
        assert_eq!(failure.message, "`größe x` did not get there");
        assert_eq!(failure.action.as_deref(), Some("aplomb status 'größe x'"));
    }

    #[test]
    fn a_thousand_failures_are_one_line() {
        let outcomes: Vec<Outcome> = (0..1000).map(|n| outcome(&n.to_string(), false)).collect();
        let failure = verdict(&outcomes).expect_err("none arrived");
        assert_eq!(
            failure.message,
            "`0`, `1`, `2`, `3`, `4` and 995 more did not get there"
        );
    }
}
