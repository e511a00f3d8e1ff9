//! What a stop under way hears: ends, answers, words of the program, the time.

use super::plan::is_signal;
use super::{AGAIN, Instance, SETTLING, StopPhase, Stopping, Then, command_of, earliest};
use crate::because::Because;
use crate::event::{Do, Fact, Notify, RunEvent, Target, Task};
use crate::instance::start::main_outcome;
use crate::instance::{Cx, Main, State, task_name};
use crate::quantity::{End, ExitCode};
use crate::restart::Outcome;
use crate::spec::{Moment, Request, Spec, Whom};

impl Instance {
    pub(in crate::instance) fn stopping_on(
        &mut self,
        spec: &Spec,
        what: RunEvent,
        cx: &mut Cx<'_>,
    ) {
        let State::Stopping(stopping) = &mut self.state else {
            return;
        };
        match what {
            RunEvent::Ended(Task::Main(_), end) => self.stopping_main_ended(spec, end, cx),
            RunEvent::Ended(task, end) => self.stopping_command_ended(spec, task, end, cx),
            RunEvent::SpawnFailed(task, why) => {
                if command_of(stopping.phase) == Some(task) {
                    let because = Because::SpawnFailed(why);
                    let run = stopping.run.id;
                    cx.tell(Some(run), Fact::CommandFailed { task, because });
                    self.after_stop_command(spec, cx);
                }
            }
            RunEvent::TreeEmpty => match stopping.phase {
                StopPhase::Settling
                | StopPhase::ByItself
                | StopPhase::Step(_)
                | StopPhase::Explaining(_)
                | StopPhase::Kill
                | StopPhase::Unkillable => self.post_from(spec, 0, cx),
                // Our own command is in the tree: the emptiness told is that of a moment before it.
                StopPhase::Hook(_)
                | StopPhase::PreStop
                | StopPhase::Command(_)
                | StopPhase::Post(_) => {}
            },
            RunEvent::Notify(Notify::ExtendTimeout(by)) => stopping.extend(cx.now + by),
            RunEvent::Notify(Notify::Status(says)) => {
                let run = stopping.run.id;
                cx.tell(Some(run), Fact::Says(says));
            }
            RunEvent::MainFound | RunEvent::Spawned(Task::Main(_)) => {
                stopping.run.main = Main::Alive
            }
            RunEvent::Notify(_)
            | RunEvent::Conditions(_)
            | RunEvent::Spawned(_)
            | RunEvent::MainNotFound(_)
            | RunEvent::Ready
            | RunEvent::ReadyImpossible(_)
            | RunEvent::Health(_)
            | RunEvent::Frozen(_)
            | RunEvent::Thawed(_) => {}
            RunEvent::Explained => {
                if let StopPhase::Explaining(then) = stopping.phase {
                    self.after_explaining(spec, then, cx);
                }
            }
            RunEvent::Unheard(request) => self.stopping_unheard(spec, request.as_ref(), cx),
        }
    }

    /// The program says it stops by itself: it has the budget for it, then the plan follows.
    pub(in crate::instance) fn stops_itself(&mut self, spec: &Spec, cx: &mut Cx<'_>) {
        let State::Up(up) = &self.state else { return };
        let (run, up_since) = (up.run, up.since);
        self.let_go(spec, run, cx);
        let polite = spec
            .stop
            .budget
            .map(|budget| cx.now + budget.saturating_sub(spec.stop.kill_margin));
        cx.because = Some(Because::StoppingItself);
        self.state = State::Stopping(Stopping {
            run,
            phase: StopPhase::ByItself,
            until: polite,
            polite_until: polite,
            // What it comes to is decided by how it ends.
            outcome: Outcome::Clean(None),
            cause: Because::StoppingItself,
            up_since: Some(up_since),
            restarting: false,
        });
    }

    /// Nobody heard a request: what time it has is better spent on the next step. One that was heard of too late, in
    /// the time of another step, changes nothing.
    fn stopping_unheard(&mut self, spec: &Spec, request: Option<&Request>, cx: &mut Cx<'_>) {
        let State::Stopping(stopping) = &self.state else {
            return;
        };
        let StopPhase::Step(at) = stopping.phase else {
            return;
        };
        let step = spec
            .stop
            .plan
            .get(usize::from(at))
            .map(|step| &step.request);
        let same = match request {
            None => step.is_some_and(is_signal),
            Some(_) => step == request,
        };
        if same {
            self.step_from(spec, at + 1, cx);
        }
    }

    fn stopping_main_ended(&mut self, spec: &Spec, end: End, cx: &mut Cx<'_>) {
        let State::Stopping(stopping) = &mut self.state else {
            return;
        };
        if matches!(stopping.run.main, Main::Gone(_)) {
            return;
        }
        stopping.run.main = Main::Gone(end);
        let run = stopping.run.id;
        cx.tell(Some(run), Fact::Exited(end));
        cx.tell(Some(run), Fact::Moment(Moment::Exit));
        match stopping.phase {
            StopPhase::ByItself => {
                // A wish for the end that came meanwhile has the last word.
                if stopping.outcome != Outcome::Wanted {
                    stopping.outcome = main_outcome(spec, end);
                    stopping.cause = Because::Ended(end);
                }
                stopping.phase = StopPhase::Settling;
                stopping.until = Some(cx.now + SETTLING);
                cx.act(run, Do::WatchTree);
            }
            StopPhase::Step(_)
            | StopPhase::Explaining(Then::Kill)
            | StopPhase::Kill
            | StopPhase::Unkillable
                if spec.stop.whom == Whom::Main =>
            {
                self.post_from(spec, 0, cx)
            }
            // The requests were for it alone: what it left behind gets the kill (systemd.kill(5), `mixed`).
            StopPhase::Step(_) if spec.stop.whom == Whom::Mixed => {
                stopping.until = earliest(stopping.until, Some(cx.now + SETTLING));
            }
            StopPhase::Step(_)
            | StopPhase::Explaining(_)
            | StopPhase::Kill
            | StopPhase::Unkillable
            | StopPhase::Hook(_)
            | StopPhase::PreStop
            | StopPhase::Settling
            | StopPhase::Command(_)
            | StopPhase::Post(_) => {}
        }
    }

    fn stopping_command_ended(&mut self, spec: &Spec, task: Task, end: End, cx: &mut Cx<'_>) {
        let State::Stopping(stopping) = &self.state else {
            return;
        };
        if command_of(stopping.phase) != Some(task) {
            return;
        }
        if end != End::Code(ExitCode(0)) && !ignores_failure(spec, task) {
            let because = Because::CommandFailed {
                what: task_name(task),
                end,
            };
            cx.tell(Some(stopping.run.id), Fact::CommandFailed { task, because });
        }
        self.after_stop_command(spec, cx);
    }

    /// Our own command of this phase is over, in whatever way.
    fn after_stop_command(&mut self, spec: &Spec, cx: &mut Cx<'_>) {
        let State::Stopping(stopping) = &mut self.state else {
            return;
        };
        match stopping.phase {
            StopPhase::Hook(at) => self.hook_from_place(spec, at + 1, cx),
            StopPhase::PreStop => self.step_from(spec, 0, cx),
            StopPhase::Post(at) => self.post_from(spec, at + 1, cx),
            StopPhase::Command(at) => {
                let request = |at| {
                    spec.stop
                        .plan
                        .get(usize::from(at))
                        .map(|step| &step.request)
                };
                let is_only = |at| matches!(request(at), Some(Request::CommandOnly(_)));
                // Each such command is run, whether or not the one before it has ended the program.
                if is_only(at) && (stopping.run.main == Main::Alive || is_only(at + 1)) {
                    return self.step_from(spec, at + 1, cx);
                }
                // The rest of its time is the program's, which it may have told to end.
                stopping.phase = StopPhase::Step(at);
                if stopping.run.main != Main::Alive {
                    stopping.until = Some(cx.now + SETTLING);
                }
                let run = stopping.run.id;
                cx.act(run, Do::WatchTree);
            }
            StopPhase::Settling
            | StopPhase::ByItself
            | StopPhase::Step(_)
            | StopPhase::Explaining(_)
            | StopPhase::Kill
            | StopPhase::Unkillable => {}
        }
    }

    pub(in crate::instance) fn stopping_on_time(&mut self, spec: &Spec, cx: &mut Cx<'_>) {
        let State::Stopping(stopping) = &mut self.state else {
            return;
        };
        let run = stopping.run.id;
        if let Some(task) = command_of(stopping.phase) {
            let because = Because::CommandTimeout {
                what: task_name(task),
            };
            cx.act(run, Do::Abandon(task));
            cx.tell(Some(run), Fact::CommandFailed { task, because });
        }
        match stopping.phase {
            StopPhase::Hook(at) => self.hook_from_place(spec, at + 1, cx),
            StopPhase::ByItself => {
                // It said it would and did not.
                if stopping.outcome != Outcome::Wanted {
                    stopping.outcome = Outcome::Timeout;
                }
                self.step_from(spec, 0, cx)
            }
            StopPhase::PreStop | StopPhase::Settling => self.step_from(spec, 0, cx),
            StopPhase::Step(at) | StopPhase::Command(at) => self.step_from(spec, at + 1, cx),
            StopPhase::Post(at) => self.post_from(spec, at + 1, cx),
            StopPhase::Explaining(then) => self.after_explaining(spec, then, cx),
            StopPhase::Kill => {
                stopping.phase = StopPhase::Unkillable;
                stopping.until = Some(cx.now + AGAIN);
                cx.because = Some(Because::Unkillable);
                cx.tell(Some(run), Fact::Failed(Because::Unkillable));
            }
            StopPhase::Unkillable => {
                stopping.until = Some(cx.now + AGAIN);
                let target = if spec.stop.whom == Whom::Main {
                    Target::Main
                } else {
                    Target::Tree
                };
                cx.act(run, Do::Kill(target));
            }
        }
    }
}

/// Whether a failure of this command of the stop is no matter.
fn ignores_failure(spec: &Spec, task: Task) -> bool {
    let command = match task {
        Task::Hook(at) => spec.hooks.get(usize::from(at)).map(|hook| &hook.command),
        Task::PreStop => spec.stop.pre.as_ref().map(|pre| &pre.command),
        Task::StopPost(at) => spec.stop.post.get(usize::from(at)),
        Task::StopStep(at) => {
            let step = spec.stop.plan.get(usize::from(at));
            step.and_then(|step| match &step.request {
                Request::Command(command) | Request::CommandOnly(command) => Some(command),
                Request::Signal(_)
                | Request::CtrlC
                | Request::CtrlBreak
                | Request::CloseWindows
                | Request::QuitThreads => None,
            })
        }
        Task::Condition(_)
        | Task::StartPre(_)
        | Task::Main(_)
        | Task::StartPost(_)
        | Task::Reload(_)
        | Task::Pause
        | Task::Continue => None,
    };
    command.is_some_and(|command| command.ignore_failure)
}
