//! Decides: which component starts, stops, is hurried or cut, and when. It is told what happened and what time it is, and
//! answers with actions; it owns no clock, thread or signal, so every promise about a stop is tested on simulated time.
//!
//! An application goes Starting → Running → Stopping → Over and never back. A component is Dormant (lazy), Waiting (for
//! `after`), Starting, in BackOff, Up, Stopping, Cut (its time is over, its code may still run) or Over. A component may
//! restart, so its lives are numbered by `run`; news of an earlier life is ignored. `start.rs` holds the way up,
//! `ask.rs` the requests to end, `stop.rs` the way down, `hurry.rs` what happens when time runs short.

mod ask;
mod hurry;
mod start;
mod stop;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::cause::{Ask, Cause, CauseKind, Urgency};
use crate::part::{OnFailure, Part, PartId};
use crate::{Stage, StageTimes};

pub(crate) use stop::Stop;

/// How far a stop has gone for one component. Each level includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Nothing was asked.
    Run,
    /// Finish what you hold, take nothing new.
    Stop,
    /// Drop retries, break streams, answer 503: four fifths of the time are gone, or somebody asked again.
    Hurry,
    /// Time is over: async code is dropped at its next await, threads are left behind.
    Abort,
}

/// How a component ended, for the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It ended by itself or in good time after being asked.
    Closed,
    /// It ended, but only after being hurried.
    Late,
    /// Its time ran out and its future was dropped.
    Aborted,
    /// It panicked.
    Panicked,
    /// Its time ran out and it could not be dropped: a thread, or a future that never yields.
    Leaked,
    /// It returned an error.
    Failed,
    /// The stop came before it had started.
    NeverStarted,
}

/// The end of one life of a component, as its driver saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    Done,
    Failed(String),
    Panicked(String),
    /// Dropped at an await, because its run was cancelled or aborted.
    Dropped,
}

pub(crate) type Run = u32;

#[derive(Debug)]
pub(crate) enum Event {
    Declared(PartId, Box<Part>),
    /// First use of a lazy component.
    Wanted(PartId),
    Up(PartId, Run),
    Ended(PartId, Run, Ending),
    Progress(PartId),
    Asked(Ask),
    /// Time passed; nothing else.
    Time,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    Start {
        id: PartId,
        run: Run,
    },
    /// End this attempt to start; the component itself is not being stopped.
    Cancel {
        id: PartId,
        run: Run,
    },
    Tell {
        id: PartId,
        level: Level,
        until: Instant,
    },
    /// It will not come up: whoever waits for it shall know why.
    GaveUp {
        id: PartId,
        why: String,
    },
    Ready,
    /// The start goes on; what is still starting gives up after `within`.
    StillStarting {
        within: Duration,
    },
    /// The stop began.
    Unready {
        cause: Cause,
        within: Duration,
        press_again: bool,
    },
    StageBegan {
        stage: Stage,
        until: Instant,
    },
    /// The platform's limit must move to `now + remaining`.
    Extend {
        remaining: Duration,
    },
    StillWaiting,
    Dump,
    Failed {
        id: PartId,
        why: String,
    },
    Forced,
    Finish {
        code: u8,
    },
    /// No more waiting at all.
    Kill {
        code: u8,
    },
}

/// What a later SIGTERM does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Again {
    /// Nothing.
    Ignore,
    /// Components are told to hurry. The default.
    #[default]
    Hurry,
    /// The application is forced to end within 2 s.
    Force,
}

/// The numbers a stop follows.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) grace: Duration,
    pub(crate) kill_margin: Duration,
    pub(crate) lame_duck: Duration,
    pub(crate) start_deadline: Duration,
    pub(crate) again: Again,
    pub(crate) extends: bool,
    pub(crate) ends_when_idle: bool,
    pub(crate) times: BTreeMap<Stage, StageTimes>,
    pub(crate) seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            grace: Duration::from_secs(30),
            kill_margin: Duration::from_secs(2),
            lame_duck: Duration::from_secs(10),
            start_deadline: Duration::from_secs(30),
            again: Again::default(),
            extends: false,
            ends_when_idle: true,
            times: Stage::ALL
                .iter()
                .map(|stage| (*stage, stage.times()))
                .collect(),
            seed: 0,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    Dormant,
    Waiting {
        give_up: Instant,
    },
    Starting {
        attempt: u32,
        until: Option<Instant>,
        give_up: Instant,
        cancelled: bool,
    },
    BackOff {
        attempt: u32,
        until: Instant,
        give_up: Instant,
    },
    Up {
        attempt: u32,
    },
    Stopping {
        level: Level,
        until: Instant,
    },
    Cut,
    Over(Outcome),
}

/// All that is known of one component.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) part: Part,
    pub(crate) state: State,
    pub(crate) run: Run,
    pub(crate) declared: Instant,
    pub(crate) up: Option<Instant>,
    pub(crate) told: Option<Instant>,
    pub(crate) ended: Option<Instant>,
    pub(crate) progressed: Option<Instant>,
    pub(crate) attempts: u32,
    pub(crate) error: Option<String>,
}

impl Entry {
    /// Nothing more will come of it, or nothing more is waited for.
    pub(crate) fn gone(&self) -> bool {
        matches!(self.state, State::Over(_) | State::Cut)
    }
}

#[derive(Debug)]
enum Phase {
    Starting,
    Running,
    Stopping(Box<Stop>),
    Over,
}

/// The first thing that went wrong; it decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Failed,
    Panicked,
    NotStarted,
}

pub(crate) struct Machine {
    settings: Settings,
    parts: BTreeMap<PartId, Entry>,
    phase: Phase,
    fault: Option<Fault>,
    seed: u64,
    /// When the platform last heard that the start goes on.
    start_told: Option<Instant>,
    record: Option<Box<Stop>>,
}

impl Machine {
    pub(crate) fn new(settings: Settings) -> Self {
        let seed = settings.seed;
        Self {
            settings,
            parts: BTreeMap::new(),
            phase: Phase::Starting,
            fault: None,
            seed,
            start_told: None,
            record: None,
        }
    }

    /// Takes one event. Afterwards everything that is due at `now` has been done.
    pub(crate) fn on(&mut self, event: Event, now: Instant, out: &mut Vec<Action>) {
        if matches!(self.phase, Phase::Over) {
            self.after_the_end(event, now);
            return;
        }
        let goes_on = matches!(event, Event::Up(..) | Event::Progress(_));
        match event {
            Event::Declared(id, part) => self.declared(id, *part, now, out),
            Event::Wanted(id) => self.wanted(id, now, out),
            Event::Up(id, run) => self.came_up(id, run, now, out),
            Event::Ended(id, run, ending) => self.ended(id, run, ending, now, out),
            Event::Progress(id) => {
                if let Some(entry) = self.parts.get_mut(&id) {
                    entry.progressed = Some(now);
                }
            }
            Event::Asked(ask) => self.asked(ask, now, out),
            Event::Time => {}
        }
        self.settle(now, out);
        if goes_on {
            self.start_goes_on(now, out);
        }
    }

    /// The next moment at which [`Event::Time`] must be given, if nothing else happens before.
    pub(crate) fn wakes_at(&self) -> Option<Instant> {
        let parts = self.parts.values().filter_map(|entry| match &entry.state {
            State::Waiting { give_up } => Some(*give_up),
            State::Starting {
                cancelled: true, ..
            } => None,
            State::Starting { until, give_up, .. } => {
                Some(until.map_or(*give_up, |until| until.min(*give_up)))
            }
            State::BackOff { until, .. } => Some(*until),
            State::Stopping {
                level: Level::Abort,
                ..
            } => None,
            State::Stopping { until, .. } => Some(*until),
            State::Dormant | State::Up { .. } | State::Cut | State::Over(_) => None,
        });
        match &self.phase {
            Phase::Starting | Phase::Running => parts.min(),
            Phase::Stopping(stop) => parts.chain([stop.wakes_at()]).min(),
            Phase::Over => None,
        }
    }

    pub(crate) fn entries(&self) -> &BTreeMap<PartId, Entry> {
        &self.parts
    }

    /// The stop under way, or the one that ended.
    pub(crate) fn stop(&self) -> Option<&Stop> {
        match &self.phase {
            Phase::Stopping(stop) => Some(stop),
            Phase::Starting | Phase::Running | Phase::Over => self.record.as_deref(),
        }
    }

    /// Does what is due until nothing more is.
    fn settle(&mut self, now: Instant, out: &mut Vec<Action>) {
        self.starts_due(now, out);
        if matches!(self.phase, Phase::Stopping(_)) {
            self.stop_due(now, out);
        } else {
            self.grown_up(now, out);
        }
    }

    fn after_the_end(&mut self, event: Event, now: Instant) {
        if let Event::Ended(id, run, ending) = event
            && let Some(entry) = self.parts.get_mut(&id)
            && entry.run == run
            && entry.state == State::Cut
        {
            entry.state = State::Over(stop::outcome(&ending, Level::Abort));
            entry.ended = Some(now);
        }
    }

    /// One component failed: note it, tell it, and let its policy decide.
    fn failed(
        &mut self,
        id: PartId,
        fault: Fault,
        why: String,
        now: Instant,
        out: &mut Vec<Action>,
    ) {
        let Some(entry) = self.parts.get_mut(&id) else {
            return;
        };
        entry.error = Some(why.clone());
        out.push(Action::Failed { id, why });
        let stops = match fault {
            Fault::NotStarted => entry.part.required,
            Fault::Failed | Fault::Panicked => entry.part.on_failure != OnFailure::Ignore,
        };
        if stops {
            self.fault.get_or_insert(fault);
            let ask = Ask {
                cause: Cause::plain(CauseKind::Component),
                urgency: Urgency::Stop,
            };
            if !matches!(self.phase, Phase::Stopping(_)) {
                self.asked(ask, now, out);
            }
        }
    }

    /// A number in 0.5..1.5, the same for the same seed.
    fn jitter(&mut self) -> f64 {
        self.seed = self.seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.seed;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        0.5 + f64::from(u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap_or(0))
            / f64::from(u32::MAX)
    }
}
