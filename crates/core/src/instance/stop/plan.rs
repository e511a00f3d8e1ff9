//! The polite part of a stop: hooks and the pre-stop command, then one request after the other.

use alloc::string::ToString;

use super::{Instance, StopPhase, earliest};
use crate::event::{Do, Fact, How, Target, Task};
use crate::instance::start::hook_from;
use crate::instance::{Cx, Main, Run, State, place, task_name};
use crate::quantity::Duration;
use crate::restart::Outcome;
use crate::signal::Signal;
use crate::spec::{Moment, Request, Spec, StopStep, Whom};

impl Instance {
    pub(super) fn hook_from_place(&mut self, spec: &Spec, from: u16, cx: &mut Cx<'_>) {
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
    pub(in crate::instance) fn step_from(&mut self, spec: &Spec, from: u16, cx: &mut Cx<'_>) {
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
}

pub(super) fn is_signal(request: &Request) -> bool {
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
