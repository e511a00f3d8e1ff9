//! Up: it serves, until it ends, is asked to, or gives no sign of life.

use serde::{Deserialize, Serialize};

use super::start::main_outcome;
use super::{Cx, Instance, Main, Run, State, place, task_name};
use crate::because::Because;
use crate::event::{Do, Fact, Health, How, Notify, RunEvent, Target, Task, Wish};
use crate::quantity::{Duration, End, ExitCode, Instant};
use crate::restart::Outcome;
use crate::spec::{HealthAction, Kind, Moment, Pause, Reload, Spec};

/// A run that serves.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Up {
    pub run: Run,
    pub since: Instant,
    pub mode: Mode,
    /// The interval owed, and when the next sign of life is due.
    pub watchdog: Option<(Duration, Instant)>,
    pub max_until: Option<Instant>,
    /// Health probes failed in a row.
    pub failures: u32,
}

/// What else is going on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Mode {
    Serving,
    /// Reading its settings again: by this command, or on its own until it says it is ready.
    Reloading {
        command: Option<u16>,
        until: Option<Instant>,
    },
    Pausing {
        until: Option<Instant>,
    },
    Paused,
    Continuing {
        until: Option<Instant>,
    },
}

impl Up {
    pub(super) fn wakes_at(&self) -> Option<Instant> {
        let mode = match self.mode {
            Mode::Serving => None,
            // Nothing is owed by what we hold ourselves.
            Mode::Paused => return None,
            Mode::Pausing { until } | Mode::Continuing { until } => {
                return earliest(until, self.max_until);
            }
            Mode::Reloading { until, .. } => until,
        };
        let watchdog = self.watchdog.map(|(_, due)| due);
        [mode, watchdog, self.max_until].into_iter().flatten().min()
    }
}

fn earliest(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    [one, other].into_iter().flatten().min()
}

/// The next sign of life owed, where one is: no interval means none.
fn owed(interval: Duration, now: Instant) -> Option<(Duration, Instant)> {
    (interval > Duration::ZERO).then(|| (interval, now + interval))
}

impl Instance {
    /// The start is done.
    pub(super) fn come_up(
        &mut self,
        spec: &Spec,
        run: Run,
        watchdog: Option<Duration>,
        cx: &mut Cx<'_>,
    ) {
        self.state = State::Up(Up {
            run,
            since: cx.now,
            mode: Mode::Serving,
            watchdog: watchdog.and_then(|interval| owed(interval, cx.now)),
            max_until: spec.max_run_time.map(|span| cx.now + span),
            failures: 0,
        });
        cx.because = Some(Because::Ready);
        if spec.health.is_some() {
            cx.act(run.id, Do::WatchHealth);
        }
        if stands_by_its_tree(spec, run) {
            // Nobody to wait for but the tree itself.
            cx.act(run.id, Do::WatchTree);
        }
    }

    pub(super) fn up_on(&mut self, spec: &Spec, what: RunEvent, cx: &mut Cx<'_>) {
        let State::Up(up) = &mut self.state else {
            return;
        };
        match what {
            RunEvent::Ended(Task::Main(_), end) => self.main_ended(spec, end, cx),
            RunEvent::Ended(task, end) => self.up_command_ended(spec, task, end, cx),
            RunEvent::SpawnFailed(task, _) if reload_ignores(spec, task) => {
                self.up_command_ended(spec, task, End::Code(ExitCode(0)), cx)
            }
            RunEvent::SpawnFailed(task, why) => {
                self.up_command_failed(spec, task, Because::SpawnFailed(why), cx)
            }
            RunEvent::TreeEmpty => {
                if stands_by_its_tree(spec, up.run) {
                    let end = End::Unknown;
                    self.end_run(
                        spec,
                        Outcome::Clean(Some(end)),
                        Because::Ended(end),
                        How::Plan,
                        cx,
                    );
                }
            }
            RunEvent::MainFound => up.run.main = Main::Alive,
            RunEvent::Health(health) => self.health(spec, health, cx),
            RunEvent::Notify(notify) => self.up_notified(spec, notify, cx),
            RunEvent::Frozen(outcome) => self.paused(spec, outcome.map_err(Because::Protocol), cx),
            RunEvent::Thawed(outcome) => {
                self.continued(spec, outcome.map_err(Because::Protocol), cx)
            }
            RunEvent::Spawned(_)
            | RunEvent::Conditions(_)
            | RunEvent::MainNotFound(_)
            | RunEvent::Ready
            | RunEvent::ReadyImpossible(_)
            | RunEvent::Explained
            | RunEvent::Unheard(_) => {}
        }
    }

    fn main_ended(&mut self, spec: &Spec, end: End, cx: &mut Cx<'_>) {
        let State::Up(up) = &mut self.state else {
            return;
        };
        up.run.main = Main::Gone(end);
        let run = up.run.id;
        cx.tell(Some(run), Fact::Exited(end));
        cx.tell(Some(run), Fact::Moment(Moment::Exit));
        let outcome = main_outcome(spec, end);
        if matches!(outcome, Outcome::Clean(_)) && spec.exit.remain_after_exit {
            return;
        }
        self.end_run(spec, outcome, Because::Ended(end), How::Plan, cx);
    }

    /// Reload, pause or continue, as far as it can be done now. Told as a fact where it cannot.
    pub(crate) fn up_wish(&mut self, spec: &Spec, wish: Wish, cx: &mut Cx<'_>) {
        let State::Up(up) = &mut self.state else {
            return cx.tell(
                None,
                Fact::Refused {
                    wish,
                    why: "it is not running",
                },
            );
        };
        let run = up.run.id;
        let refused = match (wish, &up.mode) {
            (Wish::Reload, Mode::Serving) => return self.reload(spec, cx),
            (Wish::Pause, Mode::Serving) => return self.pause(spec, cx),
            (Wish::Continue, Mode::Paused) => return self.resume(spec, cx),
            (Wish::Reload, Mode::Reloading { .. }) => "it is reloading already",
            (Wish::Pause, Mode::Pausing { .. } | Mode::Paused) => return,
            (Wish::Continue, Mode::Continuing { .. } | Mode::Serving) => return,
            (_, Mode::Paused | Mode::Pausing { .. }) => "it is paused",
            (_, Mode::Continuing { .. }) => "it is about to continue",
            (_, Mode::Reloading { .. }) => "it is reloading",
            (_, Mode::Serving) => return,
        };
        cx.tell(Some(run), Fact::Refused { wish, why: refused });
    }

    fn reload(&mut self, spec: &Spec, cx: &mut Cx<'_>) {
        let State::Up(up) = &mut self.state else {
            return;
        };
        let run = up.run.id;
        let until = spec.start_timeout.map(|patience| cx.now + patience);
        let signals = matches!(spec.reload, Reload::Signal(_) | Reload::Notify(_));
        if signals && up.run.main != Main::Alive {
            let why = "it has no main process to signal";
            let wish = Wish::Reload;
            return cx.tell(Some(run), Fact::Refused { wish, why });
        }
        match &spec.reload {
            Reload::Impossible => {
                cx.tell(
                    Some(run),
                    Fact::Refused {
                        wish: Wish::Reload,
                        why: "its definition says not how",
                    },
                );
            }
            Reload::Commands(commands) if commands.is_empty() => cx.tell(Some(run), Fact::Reloaded),
            Reload::Commands(_) => {
                up.mode = Mode::Reloading {
                    command: Some(0),
                    until,
                };
                cx.act(run, Do::Spawn(Task::Reload(0)));
            }
            Reload::Signal(signal) => {
                cx.act(run, Do::Signal(*signal, Target::Main));
                cx.tell(Some(run), Fact::Reloaded);
            }
            Reload::Notify(signal) => {
                up.mode = Mode::Reloading {
                    command: None,
                    until,
                };
                cx.act(run, Do::Signal(*signal, Target::Main));
            }
        }
    }

    fn pause(&mut self, spec: &Spec, cx: &mut Cx<'_>) {
        let State::Up(up) = &mut self.state else {
            return;
        };
        let until = spec.start_timeout.map(|patience| cx.now + patience);
        up.mode = Mode::Pausing { until };
        let act = match spec.pause {
            Pause::Freeze => Do::Freeze,
            Pause::Commands { .. } => Do::Spawn(Task::Pause),
        };
        let run = up.run.id;
        cx.because = Some(Because::Asked);
        cx.act(run, act);
    }

    fn resume(&mut self, spec: &Spec, cx: &mut Cx<'_>) {
        let State::Up(up) = &mut self.state else {
            return;
        };
        let until = spec.start_timeout.map(|patience| cx.now + patience);
        up.mode = Mode::Continuing { until };
        let act = match spec.pause {
            Pause::Freeze => Do::Thaw,
            Pause::Commands { .. } => Do::Spawn(Task::Continue),
        };
        let run = up.run.id;
        cx.because = Some(Because::Asked);
        cx.act(run, act);
    }

    fn paused(&mut self, spec: &Spec, outcome: Result<(), Because>, cx: &mut Cx<'_>) {
        let State::Up(up) = &mut self.state else {
            return;
        };
        let Mode::Pausing { .. } = up.mode else {
            return;
        };
        let run = up.run.id;
        match outcome {
            Ok(()) => {
                up.mode = Mode::Paused;
                if spec.health.is_some() {
                    cx.act(run, Do::StopWatchingHealth);
                }
            }
            Err(because) => {
                up.mode = Mode::Serving;
                up.watchdog = up.watchdog.and_then(|(interval, _)| owed(interval, cx.now));
                cx.tell(
                    Some(run),
                    Fact::CommandFailed {
                        task: Task::Pause,
                        because,
                    },
                );
            }
        }
        cx.because = Some(Because::Asked);
    }

    fn continued(&mut self, spec: &Spec, outcome: Result<(), Because>, cx: &mut Cx<'_>) {
        let State::Up(up) = &mut self.state else {
            return;
        };
        let Mode::Continuing { .. } = up.mode else {
            return;
        };
        let run = up.run.id;
        match outcome {
            Ok(()) => {
                up.mode = Mode::Serving;
                // The time it was held does not count against it.
                up.watchdog = up.watchdog.and_then(|(interval, _)| owed(interval, cx.now));
                if spec.health.is_some() {
                    cx.act(run, Do::WatchHealth);
                }
            }
            Err(because) => {
                up.mode = Mode::Paused;
                cx.tell(
                    Some(run),
                    Fact::CommandFailed {
                        task: Task::Continue,
                        because,
                    },
                );
            }
        }
        cx.because = Some(Because::Asked);
    }

    fn up_command_ended(&mut self, spec: &Spec, task: Task, end: End, cx: &mut Cx<'_>) {
        if end != End::Code(ExitCode(0)) && !reload_ignores(spec, task) {
            return self.up_command_failed(
                spec,
                task,
                Because::CommandFailed {
                    what: task_name(task),
                    end,
                },
                cx,
            );
        }
        let State::Up(up) = &mut self.state else {
            return;
        };
        let run = up.run.id;
        match (&mut up.mode, task) {
            (
                Mode::Reloading {
                    command: Some(at), ..
                },
                Task::Reload(done),
            ) if *at == done => {
                let Reload::Commands(commands) = &spec.reload else {
                    return;
                };
                if usize::from(done) + 1 < commands.len() {
                    *at = done + 1;
                    let next = Task::Reload(place(usize::from(done) + 1));
                    cx.act(run, Do::Spawn(next));
                } else {
                    up.mode = Mode::Serving;
                    cx.tell(Some(run), Fact::Reloaded);
                }
            }
            (Mode::Pausing { .. }, Task::Pause) => self.paused(spec, Ok(()), cx),
            (Mode::Continuing { .. }, Task::Continue) => self.continued(spec, Ok(()), cx),
            (
                Mode::Serving
                | Mode::Reloading { .. }
                | Mode::Pausing { .. }
                | Mode::Paused
                | Mode::Continuing { .. },
                _,
            ) => {}
        }
    }

    fn up_command_failed(&mut self, spec: &Spec, task: Task, because: Because, cx: &mut Cx<'_>) {
        let State::Up(up) = &mut self.state else {
            return;
        };
        let run = up.run.id;
        match (&up.mode, task) {
            (Mode::Reloading { .. }, Task::Reload(_)) => {
                up.mode = Mode::Serving;
                cx.tell(Some(run), Fact::ReloadFailed(because));
            }
            (Mode::Pausing { .. }, Task::Pause) => self.paused(spec, Err(because), cx),
            (Mode::Continuing { .. }, Task::Continue) => self.continued(spec, Err(because), cx),
            (
                Mode::Serving
                | Mode::Reloading { .. }
                | Mode::Pausing { .. }
                | Mode::Paused
                | Mode::Continuing { .. },
                _,
            ) => {}
        }
    }

    fn up_notified(&mut self, spec: &Spec, notify: Notify, cx: &mut Cx<'_>) {
        let State::Up(up) = &mut self.state else {
            return;
        };
        let run = up.run.id;
        match notify {
            Notify::Watchdog => {
                up.watchdog = up.watchdog.and_then(|(interval, _)| owed(interval, cx.now));
            }
            Notify::WatchdogInterval(interval) => up.watchdog = owed(interval, cx.now),
            Notify::WatchdogTrigger => self.watchdog(spec, Duration::ZERO, cx),
            Notify::Status(says) => cx.tell(Some(run), Fact::Says(says)),
            Notify::ExtendTimeout(by) => {
                let later = cx.now + by;
                up.max_until = up.max_until.map(|until| until.max(later));
                if let Mode::Reloading {
                    until: Some(until), ..
                } = &mut up.mode
                {
                    *until = later.max(*until);
                }
            }
            Notify::Ready => {
                if let Mode::Reloading { command: None, .. } = up.mode {
                    up.mode = Mode::Serving;
                    cx.tell(Some(run), Fact::Reloaded);
                }
            }
            Notify::Reloading => {
                if up.mode == Mode::Serving {
                    let until = spec.start_timeout.map(|patience| cx.now + patience);
                    up.mode = Mode::Reloading {
                        command: None,
                        until,
                    };
                }
            }
            Notify::Stopping => self.stops_itself(spec, cx),
        }
    }

    fn health(&mut self, spec: &Spec, health: Health, cx: &mut Cx<'_>) {
        let State::Up(up) = &mut self.state else {
            return;
        };
        let Some(policy) = &spec.health else { return };
        let run = up.run.id;
        let was_unhealthy = up.failures >= policy.threshold;
        match health {
            Health::Good => {
                if up.failures > 0 {
                    up.failures = 0;
                    cx.tell(
                        Some(run),
                        Fact::Health {
                            failures: 0,
                            unhealthy: false,
                        },
                    );
                }
            }
            Health::Bad => {
                up.failures = up.failures.saturating_add(1);
                let failures = up.failures;
                let unhealthy = failures >= policy.threshold;
                cx.tell(
                    Some(run),
                    Fact::Health {
                        failures,
                        unhealthy,
                    },
                );
                if unhealthy && !was_unhealthy {
                    cx.tell(Some(run), Fact::Moment(Moment::Unhealthy));
                    if policy.then == HealthAction::Restart {
                        self.end_run(
                            spec,
                            Outcome::Broken,
                            Because::Unhealthy { failures },
                            How::Plan,
                            cx,
                        );
                    }
                }
            }
        }
    }

    fn watchdog(&mut self, spec: &Spec, interval: Duration, cx: &mut Cx<'_>) {
        let State::Up(up) = &self.state else { return };
        cx.tell(Some(up.run.id), Fact::Watchdog);
        self.end_run(
            spec,
            Outcome::Watchdog,
            Because::WatchdogExpired(interval),
            How::Plan,
            cx,
        );
    }

    pub(super) fn up_on_time(&mut self, spec: &Spec, cx: &mut Cx<'_>) {
        let State::Up(up) = &mut self.state else {
            return;
        };
        let owes = matches!(up.mode, Mode::Serving | Mode::Reloading { .. });
        if let Some((interval, due)) = up.watchdog.filter(|_| owes)
            && due <= cx.now
        {
            return self.watchdog(spec, interval, cx);
        }
        if up.max_until.is_some_and(|until| until <= cx.now) {
            let span = spec.max_run_time.unwrap_or_default();
            return self.end_run(
                spec,
                Outcome::Timeout,
                Because::MaxRunTime(span),
                How::Plan,
                cx,
            );
        }
        let run = up.run.id;
        let (task, by_command) = match up.mode {
            Mode::Serving | Mode::Paused => return,
            Mode::Reloading { command, .. } => {
                (Task::Reload(command.unwrap_or(0)), command.is_some())
            }
            Mode::Pausing { .. } => (Task::Pause, matches!(spec.pause, Pause::Commands { .. })),
            Mode::Continuing { .. } => {
                (Task::Continue, matches!(spec.pause, Pause::Commands { .. }))
            }
        };
        if by_command {
            cx.act(run, Do::Abandon(task));
        } else if task == Task::Pause {
            // It may yet freeze, and nobody would know.
            cx.act(run, Do::Thaw);
        }
        self.up_command_failed(
            spec,
            task,
            Because::CommandTimeout {
                what: task_name(task),
            },
            cx,
        );
    }
}

/// A run without a main process that anybody knows lives as long as its tree does.
pub(super) fn stands_by_its_tree(spec: &Spec, run: Run) -> bool {
    run.main == Main::None
        && matches!(spec.kind, Kind::Forking { .. })
        && !spec.exit.remain_after_exit
}

fn reload_ignores(spec: &Spec, task: Task) -> bool {
    let (Reload::Commands(commands), Task::Reload(at)) = (&spec.reload, task) else {
        return false;
    };
    commands
        .get(usize::from(at))
        .is_some_and(|command| command.ignore_failure)
}
