//! The way down: hooks and the pre-stop command, the steps of the plan, the kill, commands after.
//!
//! Every stop ends: each phase has its moment of expiry, grace periods are cut so that the kill margin stays inside the
//! budget, and what even the kill does not end is said aloud and killed again, never waited for in silence.
//!
//! Here are the phases and the way from the wish to the end; `plan` is the polite part, `explaining` the question before
//! force, `heard` what happens meanwhile.

mod explaining;
mod heard;
mod plan;

use serde::{Deserialize, Serialize};

use self::explaining::{patience, question_of};
use super::start::hook_from;
use super::{Cx, Instance, Main, Mode, Over, Overruled, Run, State, place};
use crate::because::Because;
use crate::event::{Do, Fact, How, Question, Target, Task};
use crate::quantity::{Duration, Instant};
use crate::restart::Outcome;
use crate::signal::Signal;
use crate::spec::{Moment, Pause, Request, Spec, Whom};

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

fn has_command(spec: &Spec) -> bool {
    let is_command = |request| matches!(request, &Request::Command(_) | &Request::CommandOnly(_));
    spec.stop.plan.iter().any(|step| is_command(&step.request))
}

/// Something is to be done before the first request.
fn prepares(spec: &Spec) -> bool {
    spec.stop.pre.is_some() || hook_from(spec, Moment::StopPre, 0).is_some()
}
