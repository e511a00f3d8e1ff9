//! One instance: the state machine of a service's life.
//!
//! Deadlines live inside the state they belong to, so that none fires late and none is cancelled. The states an
//! operator sees ([`Shown`]) are derived; inside, a state knows exactly what it waits for. Waiting for other services
//! is not here: [`crate::World`] says when a start or a stop may begin.

mod start;
mod stop;
mod succession;
mod up;

use alloc::rc::Rc;

use serde::{Deserialize, Serialize};

pub(crate) use start::{Stage, Starting};
pub(crate) use stop::{StopPhase, Stopping};
pub(crate) use up::{Mode, Up};

use crate::because::Because;
use crate::event::{Action, Do, Fact, InstanceId, RunEvent, Shown, Task};
use crate::quantity::{End, Instant, RunId};
use crate::restart::{self, Next, Outcome, Starts};
use crate::spec::{GiveUp, Moment, Spec};

/// What a decision is made with, and where its actions go.
pub(crate) struct Cx<'a> {
    pub now: Instant,
    pub id: InstanceId,
    /// A number nobody can foresee, for jitter.
    pub chance: u64,
    /// What is wanted of it already, whatever its restart policy says.
    pub overruled: Option<Overruled>,
    pub actions: &'a mut alloc::vec::Vec<Action>,
    /// Why the instance now stands where it does, where that has changed.
    pub because: Option<Because>,
}

/// A wish on its way that has the last word on what follows the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overruled {
    ByStop,
    ByRestart,
}

impl Cx<'_> {
    pub(crate) fn act(&mut self, run: RunId, act: Do) {
        self.actions.push(Action::Run {
            instance: self.id,
            run,
            act,
        });
    }

    pub(crate) fn tell(&mut self, run: Option<RunId>, fact: Fact) {
        self.actions.push(Action::Tell {
            instance: self.id,
            run,
            fact,
        });
    }
}

/// A place where a service runs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Instance {
    pub state: State,
    /// Restarts since the last start that was asked for, or since it was last healthy for long.
    pub restarts: u32,
    pub starts: Starts,
}

/// Where it stands, and what it waits for there.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum State {
    Down(Down),
    /// Ended, and the next run begins when the delay is over.
    Backoff {
        until: Instant,
    },
    Starting(Starting),
    Up(Up),
    Stopping(Stopping),
}

/// In what way it is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Down {
    Stopped,
    /// Its work is done: whoever needs it may start.
    Done,
    /// A condition did not hold: whoever needs it may start.
    Skipped,
    Failed,
}

/// What is known of the run under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Run {
    pub id: RunId,
    pub main: Main,
    /// A program was spawned in it: there is a tree.
    pub planted: bool,
}

/// The main process of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Main {
    None,
    Alive,
    Gone(End),
}

impl Instance {
    pub(crate) fn new() -> Instance {
        Instance {
            state: State::Down(Down::Stopped),
            restarts: 0,
            starts: Starts::default(),
        }
    }

    pub(crate) fn shown(&self) -> Shown {
        match &self.state {
            State::Down(Down::Stopped | Down::Done | Down::Skipped) => Shown::Stopped,
            State::Down(Down::Failed) => Shown::Failed,
            State::Backoff { .. } | State::Starting(_) => Shown::StartPending,
            State::Up(up) => match up.mode {
                Mode::Serving | Mode::Reloading { .. } => Shown::Running,
                Mode::Pausing { .. } => Shown::PausePending,
                Mode::Paused => Shown::Paused,
                Mode::Continuing { .. } => Shown::ContinuePending,
            },
            State::Stopping(_) => Shown::StopPending,
        }
    }

    /// The run under way.
    pub(crate) fn run(&self) -> Option<RunId> {
        match &self.state {
            State::Down(_) | State::Backoff { .. } => None,
            State::Starting(starting) => Some(starting.run.id),
            State::Up(up) => Some(up.run.id),
            State::Stopping(stopping) => Some(stopping.run.id),
        }
    }

    /// When something is due by itself.
    pub(crate) fn wakes_at(&self) -> Option<Instant> {
        match &self.state {
            State::Down(_) => None,
            State::Backoff { until } => Some(*until),
            State::Starting(starting) => starting.wakes_at(),
            State::Up(up) => up.wakes_at(),
            State::Stopping(stopping) => stopping.until,
        }
    }

    /// The delay before the next run is over: the world may begin it.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        match &self.state {
            State::Backoff { until } => *until <= now,
            State::Down(_) | State::Starting(_) | State::Up(_) | State::Stopping(_) => false,
        }
    }

    /// Time has passed.
    pub(crate) fn on_time(&mut self, spec: &Spec, cx: &mut Cx<'_>) {
        if self.wakes_at().is_none_or(|at| at > cx.now) {
            return;
        }
        match &self.state {
            State::Down(_) | State::Backoff { .. } => {}
            State::Starting(_) => self.starting_on_time(spec, cx),
            State::Up(_) => self.up_on_time(spec, cx),
            State::Stopping(_) => self.stopping_on_time(spec, cx),
        }
    }

    /// Something happened to the run under way.
    pub(crate) fn on_run(&mut self, spec: &Spec, what: RunEvent, cx: &mut Cx<'_>) {
        match &self.state {
            State::Down(_) | State::Backoff { .. } => {}
            State::Starting(_) => self.starting_on(spec, what, cx),
            State::Up(_) => self.up_on(spec, what, cx),
            State::Stopping(_) => self.stopping_on(spec, what, cx),
        }
    }

    /// Whether another start fits the limit; if not, it has been given up, put off or handed on.
    pub(crate) fn may_start(&mut self, spec: &Spec, last: &Because, cx: &mut Cx<'_>) -> bool {
        let Some(limit) = spec.restart.limit else {
            return true;
        };
        if self.starts.allow(limit, cx.now) {
            return true;
        }
        let because = Because::StartLimit {
            starts: limit.starts,
            window: limit.window,
            last: last.clone().last(),
        };
        match spec.restart.then {
            GiveUp::Fail => self.fail(because, cx),
            GiveUp::KeepTrying { every } => self.back_off(every, because, cx),
            GiveUp::Shutdown => {
                let code = last_code(&because).unwrap_or(1);
                self.fail(because, cx);
                cx.actions.push(Action::Shutdown {
                    code,
                    instance: cx.id,
                });
            }
        }
        false
    }

    /// An operator's word: what went before does not count against the next start.
    pub(crate) fn forget_counts(&mut self) {
        self.starts.forget();
        self.restarts = 0;
    }

    /// As `forget_counts`, and a failure is forgotten too; told by `true`.
    pub(crate) fn forget(&mut self) -> bool {
        self.forget_counts();
        let failed = self.state == State::Down(Down::Failed);
        if failed {
            self.state = State::Down(Down::Stopped);
        }
        failed
    }

    pub(crate) fn fail(&mut self, because: Because, cx: &mut Cx<'_>) {
        self.state = State::Down(Down::Failed);
        cx.because = Some(because.clone());
        cx.tell(None, Fact::Failed(because));
        cx.tell(None, Fact::Moment(Moment::Failed));
    }

    pub(crate) fn back_off(&mut self, delay: crate::Duration, because: Because, cx: &mut Cx<'_>) {
        self.state = State::Backoff {
            until: cx.now + delay,
        };
        cx.because = Some(because.clone());
        cx.tell(
            None,
            Fact::RestartPlanned {
                delay,
                count: self.restarts,
                because,
            },
        );
        cx.tell(None, Fact::Moment(Moment::Restart));
    }

    /// A run is over, its tree empty: what follows.
    pub(crate) fn after_run(&mut self, spec: &Spec, over: Over, cx: &mut Cx<'_>) {
        let Over {
            outcome,
            cause,
            up_since,
        } = over;
        if spec
            .restart
            .healthy_after
            .zip(up_since)
            .is_some_and(|(span, since)| cx.now.since(since) >= span)
        {
            self.restarts = 0;
        }
        match restart::next(spec, outcome) {
            Next::Stopped => {
                self.state = State::Down(match outcome {
                    Outcome::Clean(_) => Down::Done,
                    Outcome::Skipped => {
                        cx.tell(None, Fact::Skipped(cause.clone()));
                        Down::Skipped
                    }
                    Outcome::Wanted
                    | Outcome::Unclean(_)
                    | Outcome::Signalled(_)
                    | Outcome::Timeout
                    | Outcome::Watchdog
                    | Outcome::Broken => Down::Stopped,
                });
                cx.because = Some(cause);
            }
            Next::Failed => self.fail(cause, cx),
            Next::Shutdown(code) => {
                self.fail(cause, cx);
                cx.actions.push(Action::Shutdown {
                    code,
                    instance: cx.id,
                });
            }
            // A stop that is wanted already forbids it, a restart needs no delay (systemd.service(5), `Restart=`).
            Next::Restart if cx.overruled.is_some() => {
                self.state = State::Down(Down::Stopped);
                cx.because = Some(cause);
            }
            Next::Restart => {
                self.restarts = self.restarts.saturating_add(1);
                let delay = restart::delay(&spec.restart, self.restarts, cx.chance);
                self.back_off(
                    delay,
                    Because::Restarting {
                        count: self.restarts,
                        last: cause.last(),
                    },
                    cx,
                );
            }
        }
    }
}

/// How a run came out, once nothing of it is left.
#[derive(Debug, Clone)]
pub(crate) struct Over {
    pub outcome: Outcome,
    pub cause: Because,
    pub up_since: Option<Instant>,
}

fn last_code(because: &Because) -> Option<u32> {
    if let Because::StartLimit { last, .. } | Because::Restarting { last, .. } = because {
        return last_code(last);
    }
    let Because::Ended(end) = because else {
        return None;
    };
    match end {
        End::Code(code) => Some(code.0),
        End::Signal { signal, .. } => Some(128 + u32::from(signal.number())),
        End::Unknown | End::Unattended => None,
    }
}

/// The words for a task in sentences: "`start-pre` command 2".
pub(crate) fn task_name(task: Task) -> Rc<str> {
    let (list, at) = match task {
        Task::Condition(at) => ("start condition", Some(at)),
        Task::Hook(at) => ("hook", Some(at)),
        Task::StartPre(at) => ("command before the start", Some(at)),
        Task::Main(at) => ("command", Some(at)),
        Task::StartPost(at) => ("command after the start", Some(at)),
        Task::Reload(at) => ("reload command", Some(at)),
        Task::Pause => ("pause command", None),
        Task::Continue => ("continue command", None),
        Task::PreStop => ("pre-stop command", None),
        Task::StopStep(at) => ("stop command", Some(at)),
        Task::StopPost(at) => ("command after the stop", Some(at)),
    };
    match at {
        Some(at) => alloc::format!("{list} {}", at + 1).into(),
        None => list.into(),
    }
}

/// A list index as it travels in a task.
pub(crate) fn place(at: usize) -> u16 {
    u16::try_from(at).unwrap_or(u16::MAX)
}
