//! Going on with an instance that another engine left behind: what it waited for is asked for again.
//!
//! The state itself came over unchanged. Orders the dead engine had given are repeated only where it may have died
//! before carrying them out, or where what they began (a proof, a watch) lived in the dead engine alone. Whether
//! programs still run is told afterwards, by the events of every other life.

use super::stop::command_of;
use super::up::stands_by_its_tree;
use super::{Cx, Instance, Main, Mode, Run, Stage, State, StopPhase};
use crate::event::{Do, How, Task};
use crate::quantity::{Duration, Instant};
use crate::spec::{Pause, Spec};

/// What expired meanwhile is given this long: a sign of life, or an end, may be waiting to be read.
const GRACE: Duration = Duration::from_secs(1);

impl Instance {
    /// Deadlines that passed while nobody looked pass a little later.
    pub(crate) fn be_patient(&mut self, now: Instant) {
        let soon = now + GRACE;
        let later = |until: &mut Option<Instant>| *until = until.map(|until| until.max(soon));
        match &mut self.state {
            State::Down(_) | State::Backoff { .. } => {}
            State::Starting(starting) => {
                later(&mut starting.until);
                later(&mut starting.command_until);
            }
            State::Up(up) => {
                if let Some((_, due)) = &mut up.watchdog {
                    *due = (*due).max(soon);
                }
                match &mut up.mode {
                    Mode::Reloading { until, .. }
                    | Mode::Pausing { until }
                    | Mode::Continuing { until } => later(until),
                    Mode::Serving | Mode::Paused => {}
                }
            }
            State::Stopping(stopping) => later(&mut stopping.until),
        }
    }

    /// The command of ours whose end, or birth, is waited for.
    pub(crate) fn awaited(&self, spec: &Spec) -> Option<Task> {
        match &self.state {
            State::Down(_) | State::Backoff { .. } => None,
            State::Starting(starting) => match starting.stage {
                Stage::Command(task) => Some(task),
                Stage::Checking | Stage::Between | Stage::FindingMain | Stage::Proving { .. } => {
                    None
                }
            },
            State::Up(up) => match (&up.mode, &spec.pause) {
                (Mode::Reloading { command, .. }, _) => command.map(Task::Reload),
                (Mode::Pausing { .. }, Pause::Commands { .. }) => Some(Task::Pause),
                (Mode::Continuing { .. }, Pause::Commands { .. }) => Some(Task::Continue),
                (Mode::Pausing { .. } | Mode::Continuing { .. }, Pause::Freeze)
                | (Mode::Serving | Mode::Paused, _) => None,
            },
            State::Stopping(stopping) => command_of(stopping.phase),
        }
    }

    /// The run under way, as far as the core knows it.
    pub(crate) fn run_under_way(&self) -> Option<Run> {
        match &self.state {
            State::Down(_) | State::Backoff { .. } => None,
            State::Starting(starting) => Some(starting.run),
            State::Up(up) => Some(up.run),
            State::Stopping(stopping) => Some(stopping.run),
        }
    }

    /// Asks again for what lived in the dead engine; `pending`: its last orders may not have been carried out.
    pub(crate) fn go_on(&mut self, spec: &Spec, pending: bool, cx: &mut Cx<'_>) {
        let Some(run) = self.run_under_way() else {
            return;
        };
        match &self.state {
            State::Down(_) | State::Backoff { .. } => {}
            State::Starting(starting) => match starting.stage {
                Stage::Checking => cx.act(run.id, Do::CheckConditions),
                Stage::FindingMain => cx.act(run.id, Do::FindMain),
                Stage::Proving { delay: None } => cx.act(run.id, Do::Prove),
                Stage::Command(_) | Stage::Between | Stage::Proving { delay: Some(_) } => {}
            },
            State::Up(up) => {
                let held = matches!(up.mode, Mode::Paused | Mode::Continuing { .. });
                if spec.health.is_some() && !held {
                    cx.act(run.id, Do::WatchHealth);
                }
                match (&up.mode, &spec.pause) {
                    (Mode::Pausing { .. }, Pause::Freeze) => cx.act(run.id, Do::Freeze),
                    (Mode::Continuing { .. }, Pause::Freeze) => cx.act(run.id, Do::Thaw),
                    (
                        Mode::Serving
                        | Mode::Paused
                        | Mode::Reloading { .. }
                        | Mode::Pausing { .. }
                        | Mode::Continuing { .. },
                        _,
                    ) => {}
                }
                if stands_by_its_tree(spec, run) {
                    cx.act(run.id, Do::WatchTree);
                }
            }
            State::Stopping(stopping) => match stopping.phase {
                StopPhase::Step(at) if pending => self.step_from(spec, at, cx),
                StopPhase::Kill if pending => self.kill(spec, How::Plan, cx),
                // The dead engine may have been looking.
                StopPhase::Explaining(then) => self.explain_again(then, cx),
                StopPhase::Settling
                | StopPhase::Step(_)
                | StopPhase::Kill
                | StopPhase::Unkillable => cx.act(run.id, Do::WatchTree),
                StopPhase::ByItself
                | StopPhase::Hook(_)
                | StopPhase::PreStop
                | StopPhase::Command(_)
                | StopPhase::Post(_) => {}
            },
        }
    }
}

impl Run {
    pub(crate) fn main_lives(&self) -> bool {
        self.main == Main::Alive
    }
}
