//! The way down: hooks and the pre-stop command, the steps of the plan, the kill, commands after.
//!
//! Every stop ends: each phase has its moment of expiry, grace periods are cut so that the kill margin stays inside the
//! budget, and what even the kill does not end is said aloud and killed again, never waited for in silence.

use alloc::string::ToString;

use serde::{Deserialize, Serialize};

use super::start::{hook_from, main_outcome};
use super::{Cx, Instance, Main, Mode, Over, Overruled, Run, State, place, task_name};
use crate::because::Because;
use crate::event::{Do, Fact, How, Notify, Question, RunEvent, Target, Task};
use crate::quantity::{Duration, End, ExitCode, Instant};
use crate::restart::Outcome;
use crate::signal::Signal;
use crate::spec::{Moment, Pause, Request, Spec, StopStep, Whom};

/// A stop under way.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Stopping {
    pub run: Run,
    pub phase: StopPhase,
    /// When this phase ends at the latest.
    pub until: Option<Instant>,
    /// When the polite part ends at the latest: the budget's end, less the kill margin.
    pub polite_until: Option<Instant>,
    pub outcome: Outcome,
    pub cause: Because,
    /// When it had come up, if it had.
    pub up_since: Option<Instant>,
    /// A new run is wanted afterwards.
    pub restarting: bool,
}

/// What the stop waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum StopPhase {
    Hook(u16),
    PreStop,
    /// The main process is gone by itself: a moment for the tree to be found empty.
    Settling,
    /// The program to stop of its own accord, as it said it does.
    ByItself,
    /// A request of the plan to take effect.
    Step(u16),
    /// A command of the plan to end.
    Command(u16),
    /// Its hang to be explained, before force destroys the evidence.
    Explaining(Then),
    Kill,
    /// What the kill did not end.
    Unkillable,
    Post(u16),
}

/// What follows an explanation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Then {
    /// The stop of a run that broke a rule.
    Plan,
    Kill,
}

/// What an explanation may take, and never more than half of the kill margin.
const EXPLAINING: Duration = Duration::from_secs(1);
/// How long an empty tree may take to be noticed after its main process ended.
const SETTLING: Duration = Duration::from_millis(10);
/// How often what cannot be killed is killed again.
const AGAIN: Duration = Duration::from_secs(5);
/// What a command after the stop may take where no budget is set.
const POST_PATIENCE: Duration = Duration::from_secs(90);

impl Instance {
    /// The run under way is to end: by wish, by itself, or because it broke a rule.
    pub(crate) fn end_run(
        &mut self,
        spec: &Spec,
        outcome: Outcome,
        cause: Because,
        how: How,
        cx: &mut Cx<'_>,
    ) {
        let (run, up_since) = match &self.state {
            State::Down(_) => return,
            State::Backoff { .. } => {
                self.state = State::Down(super::Down::Stopped);
                cx.because = Some(cause);
                return;
            }
            State::Starting(starting) => (starting.run, None),
            State::Up(up) => (up.run, Some(up.since)),
            State::Stopping(_) => return self.stop_again(spec, outcome, cause, how, cx),
        };
        self.let_go(spec, run, cx);
        let polite = spec
            .stop
            .budget
            .map(|budget| cx.now + budget.saturating_sub(spec.stop.kill_margin));
        cx.because = Some(cause.clone());
        self.state = State::Stopping(Stopping {
            run,
            phase: StopPhase::Settling,
            until: None,
            polite_until: polite,
            outcome,
            cause,
            up_since,
            restarting: cx.overruled == Some(Overruled::ByRestart),
        });
        self.first_phase(spec, how, cx);
    }

    /// Ends what went on beside the run itself: proofs, probes, commands, a pause.
    fn let_go(&mut self, spec: &Spec, run: Run, cx: &mut Cx<'_>) {
        match &self.state {
            State::Starting(starting) => match starting.stage {
                super::Stage::Proving { delay: None } => cx.act(run.id, Do::StopProving),
                super::Stage::Command(task) if !matches!(task, Task::Main(_)) => {
                    cx.act(run.id, Do::Abandon(task))
                }
                super::Stage::Command(_)
                | super::Stage::Between
                | super::Stage::Checking
                | super::Stage::FindingMain
                | super::Stage::Proving { delay: Some(_) } => {}
            },
            State::Up(up) => {
                let held = matches!(up.mode, Mode::Paused | Mode::Continuing { .. });
                if spec.health.is_some() && !held {
                    cx.act(run.id, Do::StopWatchingHealth);
                }
                match (&up.mode, &spec.pause) {
                    (Mode::Serving | Mode::Reloading { command: None, .. }, _)
                    | (Mode::Continuing { .. }, Pause::Freeze)
                    | (Mode::Paused, Pause::Commands { .. }) => {}
                    (
                        Mode::Reloading {
                            command: Some(at), ..
                        },
                        _,
                    ) => cx.act(run.id, Do::Abandon(Task::Reload(*at))),
                    (Mode::Pausing { .. } | Mode::Paused, Pause::Freeze) => {
                        cx.act(run.id, Do::Thaw)
                    }
                    (Mode::Pausing { .. }, Pause::Commands { .. }) => {
                        cx.act(run.id, Do::Abandon(Task::Pause))
                    }
                    (Mode::Continuing { .. }, Pause::Commands { .. }) => {
                        cx.act(run.id, Do::Abandon(Task::Continue))
                    }
                }
            }
            State::Down(_) | State::Backoff { .. } | State::Stopping(_) => {}
        }
    }

    fn first_phase(&mut self, spec: &Spec, how: How, cx: &mut Cx<'_>) {
        let State::Stopping(stopping) = &mut self.state else {
            return;
        };
        let up = stopping.up_since.is_some();
        if !(stopping.run.planted || (up && (has_command(spec) || prepares(spec)))) {
            // Nothing was executed: there is nothing to end, and after a start that never was nothing to clean up.
            return self.post_from(spec, if up { 0 } else { place(spec.stop.post.len()) }, cx);
        }
        if how == How::Force {
            return self.kill(spec, how, cx);
        }
        match question_of(stopping) {
            Some(question) if stopping.run.main == Main::Alive => {
                self.explain(spec, Then::Plan, question, cx)
            }
            Some(_) | None => self.begin_plan(spec, cx),
        }
    }

    /// Waits until it is known why the run hangs, or for as long as that may take.
    fn explain(&mut self, spec: &Spec, then: Then, question: Question, cx: &mut Cx<'_>) {
        let State::Stopping(stopping) = &mut self.state else {
            return;
        };
        stopping.phase = StopPhase::Explaining(then);
        stopping.until = Some(cx.now + patience(spec));
        cx.act(stopping.run.id, Do::Explain(question));
    }

    /// Asks again what an engine before this one asked.
    pub(super) fn explain_again(&mut self, then: Then, cx: &mut Cx<'_>) {
        if let State::Stopping(stopping) = &self.state {
            let question = match then {
                Then::Plan => question_of(stopping).unwrap_or(Question::Stop),
                Then::Kill => Question::Stop,
            };
            cx.act(stopping.run.id, Do::Explain(question));
        }
    }

    /// It is explained, or cannot be.
    fn after_explaining(&mut self, spec: &Spec, then: Then, cx: &mut Cx<'_>) {
        match then {
            Then::Plan => self.begin_plan(spec, cx),
            Then::Kill => self.kill(spec, How::Plan, cx),
        }
    }

    fn begin_plan(&mut self, spec: &Spec, cx: &mut Cx<'_>) {
        let State::Stopping(stopping) = &mut self.state else {
            return;
        };
        let up = stopping.up_since.is_some();
        let run = stopping.run;
        match (run.main, stopping.outcome) {
            (Main::Alive | Main::None, Outcome::Wanted) => self.hook_from_place(spec, 0, cx),
            (Main::Alive, Outcome::Timeout | Outcome::Broken) if up => {
                self.hook_from_place(spec, 0, cx)
            }
            (Main::Alive, _) => self.step_from(spec, 0, cx),
            (Main::None, _) if up => self.step_from(spec, 0, cx),
            (Main::Gone(_), _) if up && has_command(spec) => self.step_from(spec, 0, cx),
            // What is left, if anything, is no program that could be asked: look first.
            (Main::Gone(_) | Main::None, _) => {
                stopping.phase = StopPhase::Settling;
                stopping.until = Some(cx.now + SETTLING);
                cx.act(run.id, Do::WatchTree);
            }
        }
    }

    /// Another wish for the end of a run that is ending.
    fn stop_again(
        &mut self,
        spec: &Spec,
        outcome: Outcome,
        cause: Because,
        how: How,
        cx: &mut Cx<'_>,
    ) {
        let State::Stopping(stopping) = &mut self.state else {
            return;
        };
        if outcome == Outcome::Wanted {
            stopping.outcome = outcome;
            stopping.cause = cause.clone();
            cx.because = Some(cause);
        }
        if how == How::Force {
            match stopping.phase {
                StopPhase::Kill if spec.stop.kill != Some(Signal::KILL) => self.kill(spec, how, cx),
                StopPhase::Kill | StopPhase::Unkillable => {}
                StopPhase::Post(_) => {
                    self.abandon_command(cx);
                    self.post_from(spec, place(spec.stop.post.len()), cx);
                }
                StopPhase::Hook(_)
                | StopPhase::PreStop
                | StopPhase::Settling
                | StopPhase::ByItself
                | StopPhase::Step(_)
                | StopPhase::Command(_)
                | StopPhase::Explaining(_) => {
                    self.abandon_command(cx);
                    self.kill(spec, how, cx);
                }
            }
        }
    }

    fn abandon_command(&mut self, cx: &mut Cx<'_>) {
        let State::Stopping(stopping) = &self.state else {
            return;
        };
        if let Some(task) = command_of(stopping.phase) {
            cx.act(stopping.run.id, Do::Abandon(task));
        }
    }

    fn hook_from_place(&mut self, spec: &Spec, from: u16, cx: &mut Cx<'_>) {
        let State::Stopping(stopping) = &mut self.state else {
            return;
        };
        let Some(at) = hook_from(spec, Moment::StopPre, from) else {
            return self.pre_stop(spec, cx);
        };
        let patience = spec
            .hooks
            .get(usize::from(at))
            .map_or(Duration::ZERO, |hook| hook.timeout);
        stopping.phase = StopPhase::Hook(at);
        stopping.until = earliest(Some(cx.now + patience), stopping.polite_until);
        let run = stopping.run.id;
        cx.act(run, Do::Spawn(Task::Hook(at)));
    }

    fn pre_stop(&mut self, spec: &Spec, cx: &mut Cx<'_>) {
        let State::Stopping(stopping) = &mut self.state else {
            return;
        };
        let Some(pre) = &spec.stop.pre else {
            return self.step_from(spec, 0, cx);
        };
        stopping.phase = StopPhase::PreStop;
        stopping.until = earliest(Some(cx.now + pre.grace), stopping.polite_until);
        let run = stopping.run.id;
        cx.tell(
            Some(run),
            Fact::StopStep {
                step: "pre-stop command".to_string(),
                grace: Some(pre.grace),
            },
        );
        cx.act(run, Do::Spawn(Task::PreStop));
    }

    /// Takes the first step of the plan at or after `from` that there is any sense in.
    pub(super) fn step_from(&mut self, spec: &Spec, from: u16, cx: &mut Cx<'_>) {
        let State::Stopping(stopping) = &mut self.state else {
            return;
        };
        if stopping.outcome == Outcome::Watchdog {
            return if from == 0 && !reaches_nobody(stopping.run, spec.stop.whom) {
                self.signal_step(spec, 0, spec.stop.watchdog_signal, None, cx)
            } else {
                self.kill(spec, How::Plan, cx)
            };
        }
        let started = stopping.up_since.is_some();
        for (at, step) in spec.stop.plan.iter().enumerate().skip(usize::from(from)) {
            let at = place(at);
            match &step.request {
                Request::Signal(signal) => {
                    if reaches_nobody(stopping.run, spec.stop.whom) {
                        continue;
                    }
                    let signal = match spec.stop.restart_signal {
                        Some(other) if stopping.restarting && at == first_signal(spec) => other,
                        _ => *signal,
                    };
                    return self.signal_step(spec, at, signal, step.grace, cx);
                }
                Request::Command(_) | Request::CommandOnly(_) => {
                    if started {
                        return self.command_step(spec, at, step.grace, cx);
                    }
                }
                Request::CtrlC
                | Request::CtrlBreak
                | Request::CloseWindows
                | Request::QuitThreads => {
                    if reaches_nobody(stopping.run, spec.stop.whom) {
                        continue;
                    }
                    return self.request_step(at, step, cx);
                }
            }
        }
        self.kill(spec, How::Plan, cx);
    }

    fn signal_step(
        &mut self,
        spec: &Spec,
        at: u16,
        signal: Signal,
        grace: Option<Duration>,
        cx: &mut Cx<'_>,
    ) {
        let State::Stopping(stopping) = &mut self.state else {
            return;
        };
        let run = stopping.run.id;
        let to = match spec.stop.whom {
            Whom::Tree => Target::Tree,
            Whom::Mixed | Whom::Main | Whom::Nobody => Target::Main,
        };
        let grace = stopping.take_step(StopPhase::Step(at), grace, cx.now);
        cx.tell(
            Some(run),
            Fact::StopStep {
                step: signal.to_string(),
                grace,
            },
        );
        cx.act(run, Do::Signal(signal, to));
        if spec.stop.also_hup && signal != Signal::HUP {
            cx.act(run, Do::Signal(Signal::HUP, to));
        }
        // A stopped process takes no signal but this one (systemd.kill(5)).
        if signal != Signal::KILL && signal != Signal::CONT {
            cx.act(run, Do::Signal(Signal::CONT, to));
        }
        cx.act(run, Do::WatchTree);
    }

    fn command_step(&mut self, spec: &Spec, at: u16, grace: Option<Duration>, cx: &mut Cx<'_>) {
        let State::Stopping(stopping) = &mut self.state else {
            return;
        };
        let run = stopping.run.id;
        // Without a time of its own a command gets what the budget leaves, and never more than for ever would be sane.
        let grace = stopping.take_step(StopPhase::Command(at), grace.or(spec.stop.budget), cx.now);
        cx.tell(
            Some(run),
            Fact::StopStep {
                step: task_name(Task::StopStep(at)).to_string(),
                grace,
            },
        );
        cx.act(run, Do::Spawn(Task::StopStep(at)));
    }

    fn request_step(&mut self, at: u16, step: &StopStep, cx: &mut Cx<'_>) {
        let State::Stopping(stopping) = &mut self.state else {
            return;
        };
        let run = stopping.run.id;
        let grace = stopping.take_step(StopPhase::Step(at), step.grace, cx.now);
        cx.tell(
            Some(run),
            Fact::StopStep {
                step: request_name(&step.request).into(),
                grace,
            },
        );
        cx.act(run, Do::Request(at));
        cx.act(run, Do::WatchTree);
    }

    /// The program says it stops by itself: it has the budget for it, then the plan follows.
    pub(super) fn stops_itself(&mut self, spec: &Spec, cx: &mut Cx<'_>) {
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

    pub(super) fn kill(&mut self, spec: &Spec, how: How, cx: &mut Cx<'_>) {
        let State::Stopping(stopping) = &mut self.state else {
            return;
        };
        let run = stopping.run;
        // Who asks for force has asked for the one that cannot be refused.
        let signal = match how {
            How::Plan => spec.stop.kill,
            How::Force => Some(Signal::KILL),
        };
        let Some(signal) = signal.filter(|_| spec.stop.whom != Whom::Nobody) else {
            return self.post_from(spec, 0, cx);
        };
        if run.main != Main::Alive && spec.stop.whom == Whom::Main {
            return self.post_from(spec, 0, cx);
        }
        let target = if spec.stop.whom == Whom::Main {
            Target::Main
        } else {
            Target::Tree
        };
        let margin = spec.stop.kill_margin.max(SETTLING);
        let until = match (stopping.phase, stopping.until) {
            // Whoever asks for force has no time for questions.
            _ if how == How::Force => cx.now + margin,
            // What explaining was given counts.
            (StopPhase::Explaining(Then::Kill), Some(until)) => {
                (until + margin.saturating_sub(patience(spec))).max(cx.now + SETTLING)
            }
            _ => return self.explain(spec, Then::Kill, Question::Stop, cx),
        };
        stopping.phase = StopPhase::Kill;
        stopping.until = Some(until);
        let because = stopping.cause.clone();
        cx.tell(Some(run.id), Fact::Killing { because });
        cx.tell(Some(run.id), Fact::Moment(Moment::Kill));
        cx.act(
            run.id,
            if signal == Signal::KILL {
                Do::Kill(target)
            } else {
                Do::Signal(signal, target)
            },
        );
        cx.act(run.id, Do::WatchTree);
    }

    /// Runs the commands after the stop from place `at` on, then the run is over.
    fn post_from(&mut self, spec: &Spec, at: u16, cx: &mut Cx<'_>) {
        let State::Stopping(stopping) = &mut self.state else {
            return;
        };
        if usize::from(at) < spec.stop.post.len() {
            stopping.phase = StopPhase::Post(at);
            stopping.until = Some(cx.now + spec.stop.budget.unwrap_or(POST_PATIENCE));
            stopping.run.planted = true;
            let run = stopping.run.id;
            return cx.act(run, Do::Spawn(Task::StopPost(at)));
        }
        let over = Over {
            outcome: stopping.outcome,
            cause: stopping.cause.clone(),
            up_since: stopping.up_since,
        };
        let run = stopping.run.id;
        cx.tell(Some(run), Fact::Moment(Moment::Stopped));
        cx.act(run, Do::Uproot);
        self.after_run(spec, over, cx);
    }

    pub(super) fn stopping_on(&mut self, spec: &Spec, what: RunEvent, cx: &mut Cx<'_>) {
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

    pub(super) fn stopping_on_time(&mut self, spec: &Spec, cx: &mut Cx<'_>) {
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

impl Stopping {
    /// Enters a phase of the plan; tells what it is really given, cut to the budget.
    fn take_step(
        &mut self,
        phase: StopPhase,
        grace: Option<Duration>,
        now: Instant,
    ) -> Option<Duration> {
        self.phase = phase;
        self.until = earliest(grace.map(|grace| now + grace), self.polite_until);
        self.until.map(|until| until.since(now))
    }

    /// The program asks for more time: for the phase it is in, and for the polite part as a whole.
    fn extend(&mut self, to: Instant) {
        match self.phase {
            StopPhase::Explaining(_)
            | StopPhase::Kill
            | StopPhase::Unkillable
            | StopPhase::Settling => {}
            StopPhase::Hook(_)
            | StopPhase::PreStop
            | StopPhase::ByItself
            | StopPhase::Step(_)
            | StopPhase::Command(_)
            | StopPhase::Post(_) => {
                self.until = self.until.map(|until| until.max(to));
                self.polite_until = self.polite_until.map(|until| until.max(to));
            }
        }
    }
}

fn earliest(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    [one, other].into_iter().flatten().min()
}

/// The command of ours whose end this phase waits for.
pub(super) fn command_of(phase: StopPhase) -> Option<Task> {
    match phase {
        StopPhase::Hook(at) => Some(Task::Hook(at)),
        StopPhase::PreStop => Some(Task::PreStop),
        StopPhase::Command(at) => Some(Task::StopStep(at)),
        StopPhase::Post(at) => Some(Task::StopPost(at)),
        StopPhase::Settling
        | StopPhase::ByItself
        | StopPhase::Step(_)
        | StopPhase::Explaining(_)
        | StopPhase::Kill
        | StopPhase::Unkillable => None,
    }
}

/// What is to be found out about a run that broke a rule while it lived.
fn question_of(stopping: &Stopping) -> Option<Question> {
    match stopping.outcome {
        Outcome::Timeout if stopping.up_since.is_none() => Some(Question::Start),
        Outcome::Watchdog => Some(Question::Hang),
        Outcome::Broken if matches!(stopping.cause, Because::Unhealthy { .. }) => {
            Some(Question::Health)
        }
        Outcome::Timeout
        | Outcome::Broken
        | Outcome::Wanted
        | Outcome::Clean(_)
        | Outcome::Unclean(_)
        | Outcome::Signalled(_)
        | Outcome::Skipped => None,
    }
}

fn patience(spec: &Spec) -> Duration {
    EXPLAINING.min(spec.stop.kill_margin / 2)
}

fn is_signal(request: &Request) -> bool {
    matches!(request, Request::Signal(_))
}

/// A request that is neither signal nor command, as people know it.
fn request_name(request: &Request) -> &'static str {
    match request {
        Request::CtrlC => "Ctrl+C",
        Request::CtrlBreak => "Ctrl+Break",
        Request::CloseWindows => "WM_CLOSE",
        Request::QuitThreads => "WM_QUIT",
        Request::Signal(_) => "signal",
        Request::Command(_) | Request::CommandOnly(_) => "command",
    }
}

fn has_command(spec: &Spec) -> bool {
    let is_command = |request| matches!(request, &Request::Command(_) | &Request::CommandOnly(_));
    spec.stop.plan.iter().any(|step| is_command(&step.request))
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

/// Something is to be done before the first request.
fn prepares(spec: &Spec) -> bool {
    spec.stop.pre.is_some() || hook_from(spec, Moment::StopPre, 0).is_some()
}

/// Requests would reach nobody: they are for the main process, and there is none.
fn reaches_nobody(run: Run, whom: Whom) -> bool {
    match whom {
        Whom::Tree => false,
        Whom::Mixed | Whom::Main => run.main != Main::Alive,
        Whom::Nobody => true,
    }
}

fn first_signal(spec: &Spec) -> u16 {
    place(
        spec.stop
            .plan
            .iter()
            .position(|step| is_signal(&step.request))
            .unwrap_or(0),
    )
}
