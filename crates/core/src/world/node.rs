//! One instance as the world sees it: its machine, its job, its relations, and what others may conclude from them.

use alloc::rc::Rc;

use serde::{Deserialize, Serialize};

use super::{Next, Wanted};
use crate::because::Because;
use crate::event::{How, InstanceId, Shown};
use crate::graph::Edges;
use crate::instance::{Down, Instance, Mode, Stage, State, StopPhase};
use crate::quantity::Instant;
use crate::spec::{Shared, Spec, StartMode};

#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) name: Rc<str>,
    pub(super) spec: Rc<Spec>,
    /// A newer definition, in force from the next start on.
    pub(super) next_spec: Option<Rc<Spec>>,
    pub(super) instance: Instance,
    pub(super) edges: Shared<Edges>,
    pub(super) wanted: Wanted,
    pub(super) job: Option<Job>,
    /// Why the job is wanted; what it waits for meanwhile is in `because`.
    pub(super) asked: Because,
    pub(super) because: Because,
    pub(super) since: Instant,
    pub(super) shown: Shown,
    pub(super) wakes: Option<Instant>,
    pub(super) idle_until: Option<Instant>,
    /// The one that stands for the many it waits for.
    pub(super) held_by: Option<InstanceId>,
}

/// A wish on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) enum Job {
    Start,
    Stop(How),
    /// Stop, then start.
    Restart,
}

/// States as far as others care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StateKind {
    Stopped,
    Done,
    Skipped,
    Failed,
    Backoff,
    Starting,
    Up,
    Stopping,
    Unkillable,
}

impl StateKind {
    /// Starting or stopping this very moment.
    pub(super) fn is_in_motion(self) -> bool {
        matches!(self, StateKind::Starting | StateKind::Stopping)
    }

    /// Neither down nor beyond any power to bring down.
    pub(super) fn is_standing(self) -> bool {
        match self {
            StateKind::Backoff | StateKind::Starting | StateKind::Up | StateKind::Stopping => true,
            StateKind::Stopped
            | StateKind::Done
            | StateKind::Skipped
            | StateKind::Failed
            | StateKind::Unkillable => false,
        }
    }
}

impl Node {
    pub(super) fn new(name: Rc<str>, spec: Rc<Spec>, now: Instant) -> Node {
        Node {
            name,
            spec,
            next_spec: None,
            instance: Instance::new(),
            edges: Shared::default(),
            wanted: Wanted::Down,
            job: None,
            asked: Because::NeverStarted,
            because: Because::NeverStarted,
            since: now,
            shown: Shown::Stopped,
            wakes: None,
            idle_until: None,
            held_by: None,
        }
    }

    pub(super) fn take_spec(&mut self, spec: Rc<Spec>) {
        if self.is_down() {
            self.spec = spec;
            self.next_spec = None;
        } else {
            self.next_spec = Some(spec);
        }
    }

    pub(super) fn newest_spec(&self) -> &Rc<Spec> {
        self.next_spec.as_ref().unwrap_or(&self.spec)
    }

    /// Wanted up, and nothing else is under way.
    pub(super) fn is_left_alone(&self) -> bool {
        self.wanted == Wanted::Up && self.job.is_none()
    }

    pub(super) fn is_disabled(&self) -> bool {
        self.newest_spec().start_mode == StartMode::Disabled
    }

    pub(super) fn kind_of_state(&self) -> StateKind {
        match &self.instance.state {
            State::Down(Down::Stopped) => StateKind::Stopped,
            State::Down(Down::Done) => StateKind::Done,
            State::Down(Down::Skipped) => StateKind::Skipped,
            State::Down(Down::Failed) => StateKind::Failed,
            State::Backoff { .. } => StateKind::Backoff,
            State::Starting(_) => StateKind::Starting,
            State::Up(_) => StateKind::Up,
            State::Stopping(stopping) if stopping.phase == StopPhase::Unkillable => {
                StateKind::Unkillable
            }
            State::Stopping(_) => StateKind::Stopping,
        }
    }

    /// What people see: a job that waits shows as what it will be.
    pub(super) fn shown_now(&self) -> Shown {
        match (self.job, self.instance.shown()) {
            (Some(Job::Start), Shown::Stopped | Shown::Failed) => Shown::StartPending,
            (
                Some(Job::Stop(_) | Job::Restart),
                Shown::Running | Shown::Paused | Shown::StartPending,
            ) => Shown::StopPending,
            (_, shown) => shown,
        }
    }

    pub(super) fn is_down(&self) -> bool {
        matches!(self.instance.state, State::Down(_))
    }

    pub(super) fn is_up(&self) -> bool {
        matches!(self.instance.state, State::Up(_))
    }

    pub(super) fn is_stopping(&self) -> bool {
        matches!(self.instance.state, State::Stopping(_))
    }

    /// A delay that is over wakes nobody: its job has begun, and waits for others.
    pub(super) fn wakes_at(&self) -> Option<Instant> {
        let overtaken = self.job.is_some() && matches!(self.instance.state, State::Backoff { .. });
        let own = self.instance.wakes_at().filter(|_| !overtaken);
        [own, self.idle_until].into_iter().flatten().min()
    }

    /// The job it has after the wish to be up; `None` where there is nothing to do for it.
    pub(super) fn job_for_start(&self) -> Option<Option<Job>> {
        match (&self.instance.state, self.job) {
            (State::Up(_) | State::Starting(_), None | Some(Job::Start)) => None,
            // A stop that has not begun is taken back; a restart goes on.
            (State::Up(_) | State::Starting(_), Some(Job::Stop(_))) => Some(None),
            (State::Up(_) | State::Starting(_), Some(Job::Restart)) | (State::Stopping(_), _) => {
                Some(Some(Job::Restart))
            }
            (State::Down(_) | State::Backoff { .. }, _) => Some(Some(Job::Start)),
        }
    }

    pub(super) fn is_going_down(&self) -> bool {
        self.is_stopping() || matches!(self.job, Some(Job::Stop(_) | Job::Restart))
    }

    /// Down, or as near to it as anything can bring it.
    pub(super) fn is_beyond_stopping(&self) -> bool {
        !self.kind_of_state().is_standing()
    }

    pub(super) fn has_arrived(&self) -> bool {
        let kind = self.kind_of_state();
        matches!(kind, StateKind::Up | StateKind::Done | StateKind::Skipped)
    }

    /// Not there, and not on its way.
    pub(super) fn has_given_up(&self) -> bool {
        let down = matches!(self.kind_of_state(), StateKind::Failed | StateKind::Stopped);
        down && self.job.is_none()
    }

    /// Whether one that starts after this one must still wait. One that merely comes after does not wait for restarts.
    pub(super) fn holds_up(&self, required: bool) -> bool {
        match self.kind_of_state() {
            StateKind::Starting | StateKind::Stopping => true,
            StateKind::Backoff => required,
            StateKind::Up => matches!(self.job, Some(Job::Stop(_) | Job::Restart)),
            StateKind::Stopped | StateKind::Done | StateKind::Skipped | StateKind::Failed => {
                self.job.is_some()
            }
            StateKind::Unkillable => false,
        }
    }

    pub(super) fn is_settled(&self) -> bool {
        let quiet = match &self.instance.state {
            State::Down(_) => true,
            State::Up(up) => matches!(up.mode, Mode::Serving | Mode::Paused),
            State::Backoff { .. } | State::Starting(_) => false,
            State::Stopping(stopping) => stopping.phase == StopPhase::Unkillable,
        };
        quiet && (self.job.is_none() || self.kind_of_state() == StateKind::Unkillable)
    }

    pub(super) fn next(&self) -> Option<(Next, Instant)> {
        let at = self.instance.wakes_at()?;
        let what = match &self.instance.state {
            State::Down(_) => return None,
            State::Backoff { .. } => Next::Restart,
            State::Starting(starting) => match starting.stage {
                Stage::Proving { delay: Some(_) } => return None,
                Stage::Proving { delay: None }
                | Stage::Checking
                | Stage::Between
                | Stage::Command(_)
                | Stage::FindingMain => Next::StartTimeout,
            },
            State::Up(up) if up.max_until == Some(at) => Next::MaxRunTime,
            State::Up(_) => Next::Watchdog,
            State::Stopping(stopping) if stopping.polite_until == Some(at) => Next::Kill,
            State::Stopping(_) => Next::NextStopStep,
        };
        Some((what, at))
    }
}
