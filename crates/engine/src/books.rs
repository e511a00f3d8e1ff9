//! What is kept about services for people: milestones, the last run, the latest events.

use std::collections::{BTreeMap, VecDeque};

use aplomb_core::{Because, End, Fact, InstanceId, Instant, RunId, Shown, Task, Wall, seconds};
use aplomb_platform::StreamId;
use aplomb_protocol::{Event, EventKind, Explanation, LastRun, Milestones, State};
use serde::{Deserialize, Serialize};

/// How many events are remembered for `events --replay`.
const REMEMBERED: usize = 1024;

/// What is kept about one instance.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Book {
    pub milestones: Milestones,
    pub last_run: Option<Box<LastRun>>,
    /// Why it hung, when that was last asked.
    pub why: Option<Box<Explanation>>,
    /// The program's own words.
    pub says: Option<String>,
    pub ready: bool,
    pub unhealthy: bool,
    /// Lines lost in troubles that are over.
    pub dropped_lines: u64,
    /// Lines lost so far in troubles that go on.
    #[serde(skip)]
    pub dropping: BTreeMap<StreamId, u64>,
    /// How the main process of the run under way ended.
    pub end: Option<End>,
    /// Who sent the signal that ended it, where known.
    pub spawned_at: Option<Instant>,
}

/// All books, and the latest events of all.
#[derive(Debug)]
pub(crate) struct Books {
    books: BTreeMap<InstanceId, Box<Book>>,
    latest: VecDeque<Event>,
    next_seq: u64,
}

/// When something happened, on both clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct When {
    pub mono: Instant,
    pub wall: Wall,
}

impl Books {
    pub(crate) fn new() -> Books {
        Books {
            books: BTreeMap::new(),
            latest: VecDeque::new(),
            next_seq: 1,
        }
    }

    pub(crate) fn of(&mut self, instance: InstanceId) -> &mut Book {
        self.books.entry(instance).or_default()
    }

    pub(crate) fn get(&self, instance: InstanceId) -> Option<&Book> {
        self.books.get(&instance).map(|book| &**book)
    }

    pub(crate) fn forget(&mut self, instance: InstanceId) {
        self.books.remove(&instance);
    }

    /// The events still remembered, oldest first.
    pub(crate) fn latest(&self) -> impl Iterator<Item = &Event> {
        self.latest.iter()
    }

    /// Numbers an event and remembers it.
    pub(crate) fn note(
        &mut self,
        service: &str,
        run: Option<RunId>,
        kind: EventKind,
        because: String,
        when: When,
    ) -> &Event {
        let event = Event {
            seq: self.next_seq,
            at: when.wall.0,
            mono: when.mono.as_nanos(),
            service: service.to_owned(),
            run: run.map(|run| run.0),
            kind,
            because,
        };
        self.next_seq += 1;
        if self.latest.len() == REMEMBERED {
            self.latest.pop_front();
        }
        self.latest.push_back_mut(event)
    }

    /// Keeps what a fact says about an instance.
    pub(crate) fn keep(
        &mut self,
        instance: InstanceId,
        run: Option<RunId>,
        fact: &Fact,
        when: When,
    ) {
        let book = self.of(instance);
        let now = Some(when.mono.as_nanos());
        match fact {
            Fact::State { from, to, because } => book.passes(*from, *to, because, now),
            Fact::Spawned => {
                book.milestones.spawned = now;
                book.spawned_at = Some(when.mono);
                book.end = None;
            }
            Fact::Ready => {
                book.milestones.ready = now;
                book.ready = true;
            }
            Fact::Says(says) => book.says = Some(says.clone()),
            Fact::Exited(end) => book.ended(run, *end, when),
            Fact::Health { unhealthy, .. } => book.unhealthy = *unhealthy,
            Fact::StopStep { .. } => {
                book.milestones
                    .stop_begun
                    .get_or_insert(when.mono.as_nanos());
            }
            Fact::RestartPlanned { .. }
            | Fact::Killing { .. }
            | Fact::Watchdog
            | Fact::Reloaded
            | Fact::ReloadFailed(_)
            | Fact::Refused { .. }
            | Fact::Failed(_)
            | Fact::Skipped(_)
            | Fact::CommandFailed { .. }
            | Fact::Moment(_) => {}
        }
    }
}

impl Book {
    fn passes(&mut self, from: Shown, to: Shown, because: &Because, now: Option<u64>) {
        let waits = matches!(because, Because::WaitsFor(_));
        match to {
            Shown::StartPending => {
                if from != Shown::StartPending {
                    self.milestones = Milestones {
                        asked: now,
                        ..Milestones::default()
                    };
                    self.ready = false;
                }
                if !waits {
                    self.milestones.begun = now;
                }
            }
            Shown::StopPending => {
                if from != Shown::StopPending {
                    self.milestones.stop_asked = now;
                    self.milestones.stop_begun = None;
                    self.milestones.stopped = None;
                }
                if !waits {
                    self.milestones.stop_begun = now;
                }
            }
            Shown::Stopped | Shown::Failed => {
                self.ready = false;
                self.unhealthy = false;
                self.says = None;
                if self.milestones.stop_asked.is_some() && self.milestones.stopped.is_none() {
                    self.milestones.stopped = now;
                }
            }
            Shown::Running | Shown::PausePending | Shown::Paused | Shown::ContinuePending => {}
        }
    }

    fn ended(&mut self, run: Option<RunId>, end: End, when: When) {
        self.end = Some(end);
        self.ready = false;
        let lasted = self
            .spawned_at
            .map_or(0, |at| when.mono.since(at).as_millis());
        self.last_run = Some(Box::new(LastRun {
            run: run.map_or(0, |run| run.0),
            ended: when.wall.0,
            lasted_ms: u64::try_from(lasted).unwrap_or(u64::MAX),
            end: end.to_string(),
        }));
    }
}

/// A state in the words of the protocol.
pub(crate) fn state(shown: Shown) -> State {
    match shown {
        Shown::Stopped => State::Stopped,
        Shown::StartPending => State::StartPending,
        Shown::Running => State::Running,
        Shown::PausePending => State::PausePending,
        Shown::Paused => State::Paused,
        Shown::ContinuePending => State::ContinuePending,
        Shown::StopPending => State::StopPending,
        Shown::Failed => State::Failed,
    }
}

/// A fact as an event for people; `None` for those that only hooks care about.
pub(crate) fn event_of(fact: Fact, pid: Option<u32>) -> Option<(EventKind, String)> {
    let told = match fact {
        Fact::State {
            from,
            to,
            because: Because::WaitsFor(names),
        } => {
            if from == to {
                let because = Because::WaitsFor(names.clone()).to_string();
                let on = names.iter().map(ToString::to_string).collect();
                return Some((EventKind::Waiting { on }, because));
            }
            (
                EventKind::State {
                    from: state(from),
                    to: state(to),
                },
                Because::WaitsFor(names).to_string(),
            )
        }
        Fact::State { from, to, because } => (
            EventKind::State {
                from: state(from),
                to: state(to),
            },
            because.to_string(),
        ),
        Fact::Spawned => (
            EventKind::Spawned {
                pid: pid.unwrap_or(0),
            },
            "the program runs".to_owned(),
        ),
        Fact::Ready => (EventKind::Ready, "ready".to_owned()),
        Fact::Says(says) => (EventKind::Says, says),
        Fact::Exited(end) => (exited(end), format!("the main process ended with {end}")),
        Fact::RestartPlanned {
            delay,
            count,
            because,
        } => {
            let in_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
            (
                EventKind::RestartPlanned { in_ms, count },
                format!("next run in {}; {because}", seconds(delay)),
            )
        }
        Fact::StopStep { step, grace } => {
            let grace_ms = grace.map(|grace| u64::try_from(grace.as_millis()).unwrap_or(u64::MAX));
            let because = String::new();
            (EventKind::StopStep { step, grace_ms }, because)
        }
        Fact::Killing { because } => (EventKind::Killed { processes: 0 }, because.to_string()),
        Fact::Health {
            failures,
            unhealthy,
        } => {
            let words = if failures == 0 {
                "healthy again".to_owned()
            } else {
                format!("health probe failed, {failures} in a row")
            };
            (
                EventKind::Health {
                    failures,
                    unhealthy,
                },
                words,
            )
        }
        Fact::Watchdog => (EventKind::Watchdog, "no sign of life in time".to_owned()),
        Fact::Reloaded => (EventKind::Remark, "reloaded".to_owned()),
        Fact::ReloadFailed(because) => (
            EventKind::CommandFailed {
                what: "reload".to_owned(),
            },
            because.to_string(),
        ),
        Fact::Refused { why, .. } => (EventKind::Remark, format!("not done: {why}")),
        Fact::Failed(because) => (EventKind::Failed, because.to_string()),
        Fact::Skipped(because) => (EventKind::Skipped, because.to_string()),
        Fact::CommandFailed { task, because } => (
            EventKind::CommandFailed {
                what: task_words(task).to_owned(),
            },
            because.to_string(),
        ),
        Fact::Moment(_) => return None,
    };
    Some(told)
}

fn exited(end: End) -> EventKind {
    match end {
        End::Code(code) => EventKind::Exited {
            code: Some(code.0),
            signal: None,
        },
        End::Signal { signal, .. } => EventKind::Exited {
            code: None,
            signal: Some(signal.to_string()),
        },
        End::Unknown | End::Unattended => EventKind::Exited {
            code: None,
            signal: None,
        },
    }
}

/// A task's name in events and in `APLOMB_TASK`.
pub(crate) fn task_words(task: Task) -> &'static str {
    match task {
        Task::Condition(_) => "start-condition",
        Task::Hook(_) => "hook",
        Task::StartPre(_) => "start-pre",
        Task::Main(_) => "main",
        Task::StartPost(_) => "start-post",
        Task::Reload(_) => "reload",
        Task::Pause => "pause",
        Task::Continue => "continue",
        Task::PreStop => "pre-stop",
        Task::StopStep(_) => "stop",
        Task::StopPost(_) => "stop-post",
    }
}
