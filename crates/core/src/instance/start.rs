//! The way up: conditions, commands before, the program, proof that it serves, commands after.

use alloc::format;

use serde::{Deserialize, Serialize};

use super::{Cx, Instance, Main, Run, State, place, task_name};
use crate::because::Because;
use crate::event::{Checked, Do, Fact, How, Notify, RunEvent, Task};
use crate::quantity::{Duration, End, ExitCode, Instant, RunId};
use crate::restart::{Outcome, outcome_of};
use crate::spec::{Hook, Kind, Moment, Ready, Spec};

/// A start under way.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Starting {
    pub run: Run,
    pub stage: Stage,
    /// When patience ends.
    pub until: Option<Instant>,
    /// When patience with the command under way ends, where it has a time of its own.
    pub command_until: Option<Instant>,
    /// How often a sign of life will be owed once it is up.
    pub watchdog: Option<Duration>,
}

/// What the start waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Stage {
    Checking,
    /// The end of this command; for the program itself, of the oneshot or of the parent that forks.
    Command(Task),
    /// Nothing any more: its command is over, and so is the start.
    Between,
    /// The engine to learn who the main process is.
    FindingMain,
    /// The proof that it serves, or that enough time has passed without a fall.
    Proving {
        delay: Option<Instant>,
    },
}

impl Starting {
    pub(super) fn wakes_at(&self) -> Option<Instant> {
        let delay = match self.stage {
            Stage::Proving { delay } => delay,
            Stage::Checking | Stage::Command(_) | Stage::Between | Stage::FindingMain => None,
        };
        [self.until, self.command_until, delay]
            .into_iter()
            .flatten()
            .min()
    }
}

impl Instance {
    /// A new run begins; whatever it had to wait for has come.
    pub(crate) fn begin_start(
        &mut self,
        spec: &Spec,
        run: RunId,
        because: Because,
        cx: &mut Cx<'_>,
    ) {
        let run = Run {
            id: run,
            main: Main::None,
            planted: false,
        };
        let until = spec.start_timeout.map(|patience| cx.now + patience);
        self.state = State::Starting(Starting {
            run,
            stage: Stage::Checking,
            until,
            command_until: None,
            watchdog: spec.watchdog,
        });
        cx.because = Some(because);
        if spec.conditions.is_empty() {
            self.command_from(spec, Task::Condition(0), cx);
        } else {
            cx.act(run.id, Do::CheckConditions);
        }
    }

    /// Goes to the first command of the start at or after `task` that the spec has.
    fn command_from(&mut self, spec: &Spec, task: Task, cx: &mut Cx<'_>) {
        let State::Starting(starting) = &mut self.state else {
            return;
        };
        let Some(task) = first_from(spec, task) else {
            return self.arrive(spec, cx);
        };
        if matches!(task, Task::Main(_)) && spec.start.is_empty() {
            return self.prove(spec, cx);
        }
        starting.run.planted = true;
        starting.stage = Stage::Command(task);
        starting.command_until = hook_at(spec, task).map(|hook| cx.now + hook.timeout);
        let run = starting.run.id;
        cx.act(run, Do::Spawn(task));
    }

    pub(super) fn starting_on(&mut self, spec: &Spec, what: RunEvent, cx: &mut Cx<'_>) {
        let State::Starting(starting) = &mut self.state else {
            return;
        };
        match starting.stage {
            Stage::Between => {}
            Stage::Checking => match what {
                RunEvent::Conditions(Checked::Hold) => {
                    self.command_from(spec, Task::Condition(0), cx)
                }
                RunEvent::Conditions(Checked::Skip(what)) => {
                    self.end_run(
                        spec,
                        Outcome::Skipped,
                        Because::ConditionFailed(what),
                        How::Plan,
                        cx,
                    );
                }
                RunEvent::Conditions(Checked::Fail(what)) => {
                    self.end_run(
                        spec,
                        Outcome::Broken,
                        Because::AssertFailed(what),
                        How::Plan,
                        cx,
                    );
                }
                RunEvent::Spawned(_)
                | RunEvent::SpawnFailed(..)
                | RunEvent::Ended(..)
                | RunEvent::MainFound
                | RunEvent::MainNotFound(_)
                | RunEvent::TreeEmpty
                | RunEvent::Ready
                | RunEvent::ReadyImpossible(_)
                | RunEvent::Health(_)
                | RunEvent::Notify(_)
                | RunEvent::Frozen(_)
                | RunEvent::Thawed(_)
                | RunEvent::Explained
                | RunEvent::Unheard(_) => {}
            },
            Stage::Command(task) => match what {
                RunEvent::Spawned(spawned) if spawned == task => self.spawned(spec, task, cx),
                RunEvent::SpawnFailed(failed, why) if failed == task => {
                    self.spawn_failed(spec, task, why, cx)
                }
                RunEvent::Ended(ended, end) if ended == task => {
                    self.command_ended(spec, task, end, cx)
                }
                RunEvent::Ended(Task::Main(_), end) if starting.run.main == Main::Alive => {
                    self.died_after_proof(spec, end, cx);
                }
                RunEvent::Notify(notify) => self.starting_notified(spec, notify, cx),
                RunEvent::Ready => {}
                RunEvent::Spawned(_)
                | RunEvent::SpawnFailed(..)
                | RunEvent::Ended(..)
                | RunEvent::Conditions(_)
                | RunEvent::MainFound
                | RunEvent::MainNotFound(_)
                | RunEvent::TreeEmpty
                | RunEvent::ReadyImpossible(_)
                | RunEvent::Health(_)
                | RunEvent::Frozen(_)
                | RunEvent::Thawed(_)
                | RunEvent::Explained
                | RunEvent::Unheard(_) => {}
            },
            Stage::FindingMain => match what {
                RunEvent::MainFound => {
                    starting.run.main = Main::Alive;
                    self.started(spec, cx);
                }
                // Without a file that names it, the tree stands for it (systemd.service(5), `GuessMainPID=`).
                RunEvent::MainNotFound(_) if spec.kind == (Kind::Forking { pid_file: None }) => {
                    self.started(spec, cx);
                }
                RunEvent::MainNotFound(why) => {
                    self.end_run(spec, Outcome::Broken, Because::Protocol(why), How::Plan, cx);
                }
                RunEvent::Notify(notify) => self.starting_notified(spec, notify, cx),
                RunEvent::Conditions(_)
                | RunEvent::Spawned(_)
                | RunEvent::SpawnFailed(..)
                | RunEvent::Ended(..)
                | RunEvent::TreeEmpty
                | RunEvent::Ready
                | RunEvent::ReadyImpossible(_)
                | RunEvent::Health(_)
                | RunEvent::Frozen(_)
                | RunEvent::Thawed(_)
                | RunEvent::Explained
                | RunEvent::Unheard(_) => {}
            },
            Stage::Proving { .. } => match what {
                RunEvent::Ready => self.proven(spec, cx),
                RunEvent::Notify(notify) => self.starting_notified(spec, notify, cx),
                RunEvent::Ended(Task::Main(_), end) => self.died_unproven(spec, end, cx),
                RunEvent::ReadyImpossible(why) => {
                    self.end_run(spec, Outcome::Broken, Because::Protocol(why), How::Plan, cx);
                }
                RunEvent::MainFound => starting.run.main = Main::Alive,
                RunEvent::Conditions(_)
                | RunEvent::Spawned(_)
                | RunEvent::SpawnFailed(..)
                | RunEvent::Ended(..)
                | RunEvent::MainNotFound(_)
                | RunEvent::TreeEmpty
                | RunEvent::Health(_)
                | RunEvent::Frozen(_)
                | RunEvent::Thawed(_)
                | RunEvent::Explained
                | RunEvent::Unheard(_) => {}
            },
        }
    }

    /// A command of the start runs. The program itself is then waited for in its kind's way.
    fn spawned(&mut self, spec: &Spec, task: Task, cx: &mut Cx<'_>) {
        let State::Starting(starting) = &mut self.state else {
            return;
        };
        let Task::Main(_) = task else { return };
        starting.run.main = Main::Alive;
        match spec.kind {
            Kind::Simple | Kind::Idle | Kind::Target => self.started(spec, cx),
            Kind::Oneshot if task == Task::Main(0) => self.tell_started(cx),
            Kind::Oneshot | Kind::Forking { .. } => {}
        }
    }

    /// The program runs: for those listening, and on to its proof.
    fn started(&mut self, spec: &Spec, cx: &mut Cx<'_>) {
        self.tell_started(cx);
        self.prove(spec, cx);
    }

    fn tell_started(&mut self, cx: &mut Cx<'_>) {
        let run = self.run();
        cx.tell(run, Fact::Spawned);
        cx.tell(run, Fact::Moment(Moment::Started));
    }

    fn spawn_failed(&mut self, spec: &Spec, task: Task, why: alloc::rc::Rc<str>, cx: &mut Cx<'_>) {
        self.nothing_runs();
        let is_program = matches!(task, Task::Main(_)) && spec.kind != Kind::Oneshot;
        match (ignores_failure(spec, task), is_program) {
            (true, false) => self.after_command(spec, task, cx),
            // A failure that is no matter, and no program to go on with.
            (true, true) => {
                self.end_start(spec, Outcome::Clean(None), Because::SpawnFailed(why), cx)
            }
            (false, _) => self.end_start(spec, Outcome::Broken, Because::SpawnFailed(why), cx),
        }
    }

    fn end_start(&mut self, spec: &Spec, outcome: Outcome, because: Because, cx: &mut Cx<'_>) {
        self.end_run(spec, outcome, because, How::Plan, cx);
    }

    /// The command of this stage is over: nobody need abandon it.
    fn nothing_runs(&mut self) {
        if let State::Starting(starting) = &mut self.state {
            starting.stage = Stage::Between;
            starting.command_until = None;
        }
    }

    fn command_ended(&mut self, spec: &Spec, task: Task, end: End, cx: &mut Cx<'_>) {
        let State::Starting(starting) = &mut self.state else {
            return;
        };
        let run = starting.run.id;
        if let Task::Main(_) = task {
            starting.run.main = Main::Gone(end);
            if !matches!(spec.kind, Kind::Forking { .. }) {
                cx.tell(Some(run), Fact::Exited(end));
                cx.tell(Some(run), Fact::Moment(Moment::Exit));
            }
        }
        self.nothing_runs();
        if end == End::Code(ExitCode(0)) || ignores_failure(spec, task) {
            return self.after_command(spec, task, cx);
        }
        match task {
            Task::Condition(_) => {
                let skip = matches!(end, End::Code(ExitCode(code)) if code < 255);
                let what = task_name(task);
                let outcome = if skip {
                    Outcome::Skipped
                } else {
                    Outcome::Broken
                };
                let because = if skip {
                    Because::ConditionFailed(what)
                } else {
                    Because::CommandFailed { what, end }
                };
                self.end_run(spec, outcome, because, How::Plan, cx);
            }
            Task::Main(_) if outcome_of(spec, end).is_clean() => self.after_command(spec, task, cx),
            Task::Main(_) => self.end_run(
                spec,
                outcome_of(spec, end),
                Because::Ended(end),
                How::Plan,
                cx,
            ),
            Task::Hook(_)
            | Task::StartPre(_)
            | Task::StartPost(_)
            | Task::Reload(_)
            | Task::Pause
            | Task::Continue
            | Task::PreStop
            | Task::StopStep(_)
            | Task::StopPost(_) => {
                let because = Because::CommandFailed {
                    what: task_name(task),
                    end,
                };
                let outcome = outcome_of(spec, end).never_clean();
                cx.tell(
                    Some(run),
                    Fact::CommandFailed {
                        task,
                        because: because.clone(),
                    },
                );
                self.end_run(spec, outcome, because, How::Plan, cx);
            }
        }
    }

    fn after_command(&mut self, spec: &Spec, task: Task, cx: &mut Cx<'_>) {
        let State::Starting(starting) = &mut self.state else {
            return;
        };
        match (&spec.kind, task) {
            (Kind::Forking { .. }, Task::Main(_)) => {
                starting.stage = Stage::FindingMain;
                starting.run.main = Main::None;
                let run = starting.run.id;
                cx.act(run, Do::FindMain);
            }
            (Kind::Oneshot, Task::Main(at)) if usize::from(at) + 1 >= spec.start.len() => {
                self.prove(spec, cx)
            }
            (Kind::Simple | Kind::Idle | Kind::Target, Task::Main(_)) => self.prove(spec, cx),
            (_, task) => self.command_from(spec, following(task), cx),
        }
    }

    /// The program runs (or there is none): now it must prove that it serves.
    fn prove(&mut self, spec: &Spec, cx: &mut Cx<'_>) {
        let State::Starting(starting) = &mut self.state else {
            return;
        };
        let run = starting.run.id;
        match &spec.ready {
            Ready::Started => self.proven(spec, cx),
            Ready::Delay(span) => {
                starting.stage = Stage::Proving {
                    delay: Some(cx.now + *span),
                }
            }
            Ready::Notify(_) | Ready::Fd(_) | Ready::Probe { .. } | Ready::LogLine(_) => {
                starting.stage = Stage::Proving { delay: None };
                cx.act(run, Do::Prove);
            }
        }
    }

    fn proven(&mut self, spec: &Spec, cx: &mut Cx<'_>) {
        let State::Starting(starting) = &mut self.state else {
            return;
        };
        if let Stage::Proving { delay: None } = starting.stage {
            let run = starting.run.id;
            cx.act(run, Do::StopProving);
        }
        self.command_from(spec, Task::StartPost(0), cx);
    }

    /// The program ended while a command of ours still runs beside it.
    fn died_after_proof(&mut self, spec: &Spec, end: End, cx: &mut Cx<'_>) {
        let outcome = main_outcome(spec, end);
        if !outcome.is_clean() {
            return self.died_unproven(spec, end, cx);
        }
        // It had proven itself and has done its work: so is the start, once the commands after it are.
        if let State::Starting(starting) = &mut self.state {
            starting.run.main = Main::Gone(end);
            let run = starting.run.id;
            cx.tell(Some(run), Fact::Exited(end));
            cx.tell(Some(run), Fact::Moment(Moment::Exit));
        }
    }

    fn died_unproven(&mut self, spec: &Spec, end: End, cx: &mut Cx<'_>) {
        let State::Starting(starting) = &mut self.state else {
            return;
        };
        starting.run.main = Main::Gone(end);
        let run = starting.run.id;
        cx.tell(Some(run), Fact::Exited(end));
        cx.tell(Some(run), Fact::Moment(Moment::Exit));
        // A clean end before the proof is a broken promise, not a success.
        let outcome = outcome_of(spec, end).never_clean();
        let because = if outcome == Outcome::Broken {
            Because::Protocol(format!("ended with {end} before it was ready").into())
        } else {
            Because::Ended(end)
        };
        self.end_run(spec, outcome, because, How::Plan, cx);
    }

    fn starting_notified(&mut self, spec: &Spec, notify: Notify, cx: &mut Cx<'_>) {
        let State::Starting(starting) = &mut self.state else {
            return;
        };
        let run = starting.run.id;
        match notify {
            Notify::Ready => {
                if matches!(spec.ready, Ready::Notify(_))
                    && matches!(starting.stage, Stage::Proving { .. })
                {
                    self.proven(spec, cx);
                }
            }
            Notify::Status(says) => cx.tell(Some(run), Fact::Says(says)),
            Notify::ExtendTimeout(by) => {
                starting.until = starting.until.map(|until| until.max(cx.now + by));
            }
            Notify::WatchdogInterval(interval) => starting.watchdog = Some(interval),
            Notify::Stopping | Notify::Reloading | Notify::Watchdog | Notify::WatchdogTrigger => {}
        }
    }

    pub(super) fn starting_on_time(&mut self, spec: &Spec, cx: &mut Cx<'_>) {
        let State::Starting(starting) = &mut self.state else {
            return;
        };
        if let Stage::Proving { delay: Some(at) } = starting.stage
            && at <= cx.now
        {
            starting.stage = Stage::Proving { delay: None };
            return self.command_from(spec, Task::StartPost(0), cx);
        }
        if let Stage::Command(task) = starting.stage
            && starting.command_until.is_some_and(|until| until <= cx.now)
        {
            return self.command_too_slow(spec, task, cx);
        }
        if starting.until.is_some_and(|until| until <= cx.now) {
            let patience = spec.start_timeout.unwrap_or_default();
            self.end_run(
                spec,
                Outcome::Timeout,
                Because::StartTimeout(patience),
                How::Plan,
                cx,
            );
        }
    }

    fn command_too_slow(&mut self, spec: &Spec, task: Task, cx: &mut Cx<'_>) {
        let State::Starting(starting) = &mut self.state else {
            return;
        };
        let run = starting.run.id;
        cx.act(run, Do::Abandon(task));
        let because = Because::CommandTimeout {
            what: task_name(task),
        };
        cx.tell(
            Some(run),
            Fact::CommandFailed {
                task,
                because: because.clone(),
            },
        );
        self.nothing_runs();
        if ignores_failure(spec, task) {
            return self.after_command(spec, task, cx);
        }
        self.end_run(spec, Outcome::Timeout, because, How::Plan, cx);
    }

    /// Everything the start consists of is done.
    fn arrive(&mut self, spec: &Spec, cx: &mut Cx<'_>) {
        let State::Starting(starting) = &mut self.state else {
            return;
        };
        let (run, watchdog) = (starting.run, starting.watchdog);
        cx.tell(Some(run.id), Fact::Ready);
        cx.tell(Some(run.id), Fact::Moment(Moment::Ready));
        self.come_up(spec, run, watchdog, cx);
        let over = match run.main {
            _ if spec.exit.remain_after_exit => None,
            // Whatever it ended with counted as success, or it had not come here.
            Main::Gone(end) => Some(Outcome::Clean(Some(end))),
            Main::None if spec.kind == Kind::Oneshot => Some(Outcome::Clean(None)),
            Main::None | Main::Alive => None,
        };
        if let Some(outcome) = over {
            self.end_run(spec, outcome, Because::Done, How::Plan, cx);
        }
    }
}

/// The command after this one in the order of a start; it may not exist in a given spec.
fn following(task: Task) -> Task {
    match task {
        Task::Condition(at) => Task::Condition(at + 1),
        Task::Hook(at) => Task::Hook(at + 1),
        Task::StartPre(at) => Task::StartPre(at + 1),
        Task::Main(at) => Task::Main(at + 1),
        Task::StartPost(at) => Task::StartPost(at + 1),
        other @ (Task::Reload(_)
        | Task::Pause
        | Task::Continue
        | Task::PreStop
        | Task::StopStep(_)
        | Task::StopPost(_)) => other,
    }
}

/// The first command of the start at or after `task` that this spec has. `Main(0)` is always there: the stage at which a
/// service without a program proves itself.
fn first_from(spec: &Spec, task: Task) -> Option<Task> {
    match task {
        Task::Condition(at) if usize::from(at) < spec.start_condition.len() => Some(task),
        Task::Condition(_) => first_from(spec, Task::Hook(0)),
        Task::Hook(at) => match hook_from(spec, Moment::StartPre, at) {
            Some(at) => Some(Task::Hook(at)),
            None => first_from(spec, Task::StartPre(0)),
        },
        Task::StartPre(at) if usize::from(at) < spec.start_pre.len() => Some(task),
        Task::StartPre(_) => Some(Task::Main(0)),
        Task::Main(at) if usize::from(at) < spec.start.len().max(1) => Some(task),
        Task::Main(_) => first_from(spec, Task::StartPost(0)),
        Task::StartPost(at) if usize::from(at) < spec.start_post.len() => Some(task),
        Task::StartPost(_)
        | Task::Reload(_)
        | Task::Pause
        | Task::Continue
        | Task::PreStop
        | Task::StopStep(_)
        | Task::StopPost(_) => None,
    }
}

/// The first hook of this moment at or after place `from`.
pub(super) fn hook_from(spec: &Spec, on: Moment, from: u16) -> Option<u16> {
    let from = usize::from(from);
    let at = spec
        .hooks
        .iter()
        .skip(from)
        .position(|hook| hook.on == on)?;
    Some(place(from + at))
}

fn hook_at(spec: &Spec, task: Task) -> Option<&Hook> {
    let Task::Hook(at) = task else { return None };
    spec.hooks.get(usize::from(at))
}

/// What the end of the program means, where its failures may be no matter.
pub(super) fn main_outcome(spec: &Spec, end: End) -> Outcome {
    if spec.kind != Kind::Oneshot && ignores_failure(spec, Task::Main(0)) {
        return Outcome::Clean(Some(end));
    }
    outcome_of(spec, end)
}

/// Whether a failure of this command of the start is no matter.
fn ignores_failure(spec: &Spec, task: Task) -> bool {
    let command = match task {
        Task::Condition(at) => spec.start_condition.get(usize::from(at)),
        Task::Hook(at) => spec.hooks.get(usize::from(at)).map(|hook| &hook.command),
        Task::StartPre(at) => spec.start_pre.get(usize::from(at)),
        Task::Main(at) => spec.start.get(usize::from(at)),
        Task::StartPost(at) => spec.start_post.get(usize::from(at)),
        Task::Reload(_)
        | Task::Pause
        | Task::Continue
        | Task::PreStop
        | Task::StopStep(_)
        | Task::StopPost(_) => None,
    };
    command.is_some_and(|command| command.ignore_failure)
}
