//! Stories on simulated time: a world of components that take as long as they are told to, and promises about every stop.
//!
//! The world is here; `starting.rs`, `stopping.rs` and `asking.rs` tell one story each, `seeded.rs` a thousand.

mod asking;
mod seeded;
mod starting;
mod stopping;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::*;
use crate::cause::Sender;

/// How a component of the simulated world behaves, in ms.
#[derive(Debug, Clone, Default)]
struct Script {
    /// Until it is up; `None` never comes up.
    up_after: Option<u64>,
    /// How many attempts fail before one succeeds.
    failures: u32,
    /// From being told to stop until it ends; `None` never ends by itself.
    stops_after: Option<u64>,
    /// Ends this long after being aborted, as a future does; `None` is a thread.
    drops: bool,
    panics_on_stop: bool,
    /// Reports progress every so often while stopping.
    progress_every: Option<u64>,
}

struct World {
    machine: Machine,
    begun: Instant,
    now: Instant,
    scripts: BTreeMap<PartId, Script>,
    pending: Vec<(Instant, Event)>,
    seen: Vec<(u64, Action)>,
    failures: BTreeMap<PartId, u32>,
}

impl World {
    fn new(settings: Settings) -> Self {
        let begun = Instant::now();
        let scripts = BTreeMap::new();
        let failures = BTreeMap::new();
        Self {
            machine: Machine::new(settings),
            begun,
            now: begun,
            scripts,
            pending: Vec::new(),
            seen: Vec::new(),
            failures,
        }
    }

    fn declare(&mut self, part: Part, script: Script) -> PartId {
        let id = PartId(u32::try_from(self.scripts.len()).unwrap());
        self.scripts.insert(id, script);
        self.give(Event::Declared(id, Box::new(part)));
        id
    }

    fn ms(&self) -> u64 {
        u64::try_from((self.now - self.begun).as_millis()).unwrap()
    }

    fn later(&mut self, ms: u64, event: Event) {
        self.pending
            .push((self.now + Duration::from_millis(ms), event));
    }

    fn give(&mut self, event: Event) {
        let mut actions = Vec::new();
        self.machine.on(event, self.now, &mut actions);
        for action in actions {
            self.play(&action);
            self.seen.push((self.ms(), action));
        }
    }

    fn play(&mut self, action: &Action) {
        match action {
            Action::Start { id, run } => {
                let script = self.scripts[id].clone();
                let failed = self.failures.entry(*id).or_default();
                let Some(after) = script.up_after else { return };
                let event = if *failed < script.failures {
                    *failed += 1;
                    Event::Ended(*id, *run, Ending::Failed("refused".into()))
                } else {
                    Event::Up(*id, *run)
                };
                self.later(after, event);
            }
            Action::Cancel { id, run } => self.later(0, Event::Ended(*id, *run, Ending::Dropped)),
            Action::Tell { id, level, .. } => self.told(*id, *level),
            Action::GaveUp { .. }
            | Action::Ready
            | Action::StillStarting { .. }
            | Action::Unready { .. }
            | Action::StageBegan { .. } => {}
            Action::Extend { .. } | Action::StillWaiting | Action::Dump | Action::Failed { .. } => {
            }
            Action::Forced | Action::Finish { .. } | Action::Kill { .. } => {}
        }
    }

    fn told(&mut self, id: PartId, level: Level) {
        let script = self.scripts[&id].clone();
        let run = self.machine.entries()[&id].run;
        let first = !self
            .seen
            .iter()
            .any(|(_, seen)| matches!(seen, Action::Tell { id: other, .. } if *other == id));
        if level < Level::Abort && first {
            let ending = if script.panics_on_stop {
                Ending::Panicked("oops".into())
            } else {
                Ending::Done
            };
            if let Some(after) = script.stops_after {
                self.later(after, Event::Ended(id, run, ending));
            }
            for step in 1..60 {
                if let Some(every) = script.progress_every {
                    self.later(every * step, Event::Progress(id));
                }
            }
        }
        if level == Level::Abort && script.drops {
            self.later(0, Event::Ended(id, run, Ending::Dropped));
        }
    }

    fn ask(&mut self, urgency: Urgency) {
        let cause = Cause {
            kind: CauseKind::Signal,
            signal: Some("SIGTERM".into()),
            sender: Some(Sender::Terminal),
        };
        self.give(Event::Asked(Ask { cause, urgency }));
    }

    /// Lets time pass up to `ms`, giving every event at its moment.
    fn run_to(&mut self, ms: u64) {
        let end = self.begun + Duration::from_millis(ms);
        loop {
            let event = self.pending.iter().map(|(at, _)| *at).min();
            let next = [event, self.machine.wakes_at()].into_iter().flatten().min();
            let Some(at) = next.filter(|at| *at <= end) else {
                break;
            };
            self.now = self.now.max(at);
            match self.pending.iter().position(|(when, _)| *when <= self.now) {
                Some(index) => {
                    let (_, event) = self.pending.remove(index);
                    self.give(event);
                }
                None => self.give(Event::Time),
            }
        }
        self.now = end;
    }

    fn finished(&self) -> Option<(u64, u8)> {
        self.seen.iter().find_map(|(at, action)| {
            if let Action::Finish { code } = action {
                Some((*at, *code))
            } else {
                None
            }
        })
    }

    fn told_at(&self, id: PartId, level: Level) -> Option<u64> {
        let told = |action: &Action| matches!(action, Action::Tell { id: other, level: told, .. } if *other == id && *told == level);
        self.seen
            .iter()
            .find(|(_, action)| told(action))
            .map(|(at, _)| *at)
    }

    fn count(&self, wanted: impl Fn(&Action) -> bool) -> usize {
        self.seen
            .iter()
            .filter(|(_, action)| wanted(action))
            .count()
    }

    fn outcome(&self, id: PartId) -> Option<Outcome> {
        if let State::Over(outcome) = self.machine.entries()[&id].state {
            Some(outcome)
        } else {
            None
        }
    }
}

fn quick() -> Script {
    Script {
        up_after: Some(10),
        stops_after: Some(10),
        drops: true,
        ..Script::default()
    }
}

fn stuck() -> Script {
    Script {
        stops_after: None,
        ..quick()
    }
}

fn settings() -> Settings {
    Settings {
        ends_when_idle: false,
        ..Settings::default()
    }
}
