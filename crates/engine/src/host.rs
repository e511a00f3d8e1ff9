//! Who started us and wants to know how it goes: a service manager of the system, told after each turn.

use std::fmt;

use aplomb_core::spec::{Reload, StartMode};
use aplomb_core::{Because, Event, How, InstanceId, Instant, Shown, Wish};
use aplomb_platform::{Control, Platform};
use aplomb_protocol::EventKind;

use crate::carry::streams;
use crate::engine::{Engine, Phase};
use crate::outlet::ToPump;

/// A service manager that is told how things stand. Its reports never wait.
pub trait Host: fmt::Debug {
    /// How things stand after a turn.
    fn see(&mut self, overview: Overview, now: Instant);

    /// When it wants to see again, changed or not.
    fn wakes_at(&self) -> Option<Instant>;
}

/// All services as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overview {
    pub stage: Stage,
    /// When something happens by itself, at the latest: a start gives up, a stop takes its next step.
    pub until: Option<Instant>,
}

/// Where they stand together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Not all have been up yet.
    Starting,
    /// Up. A restart on the way does not change that.
    Running,
    Pausing,
    Paused,
    Continuing,
    Stopping,
}

/// Rotates the logs: NSSM's number for it.
const ROTATE: u8 = 128;

impl<P: Platform> Engine<P> {
    /// Where all stand together.
    pub(crate) fn overview(&mut self) -> Overview {
        let standings: Vec<_> = self
            .world
            .instances()
            .filter_map(|id| self.world.standing(id))
            .filter(|standing| standing.spec.start_mode == StartMode::Auto)
            .collect();
        let until = standings.iter().filter_map(|one| Some(one.next?.1)).max();
        let some = |shown| standings.iter().any(|one| one.shown == shown);
        let none_waits = standings
            .iter()
            .all(|one| one.settled || matches!(one.shown, Shown::Running | Shown::Paused));
        if none_waits && !standings.is_empty() && self.queue.is_empty() {
            self.have_been_up = true;
        }
        let stage = if self.ending != Phase::Serving {
            Stage::Stopping
        } else if some(Shown::PausePending) {
            Stage::Pausing
        } else if some(Shown::ContinuePending) {
            Stage::Continuing
        } else if some(Shown::Paused) {
            Stage::Paused
        } else if self.have_been_up {
            Stage::Running
        } else {
            Stage::Starting
        };
        Overview { stage, until }
    }

    /// The service manager wants something.
    pub(crate) fn controlled(&mut self, control: Control) {
        match control {
            Control::Stop => self.shut_down(How::Plan, 0, "the service manager asks for it"),
            Control::Shutdown => self.shut_down(How::Plan, 0, "the system goes down"),
            Control::Pause => self.wish_all(Wish::Pause),
            Control::Continue => self.wish_all(Wish::Continue),
            Control::Reload => self.wish_all(Wish::Reload),
            Control::User(ROTATE) => {
                let instances: Vec<_> = self.world.instances().collect();
                for stream in instances.into_iter().flat_map(streams) {
                    self.outlet.tell(ToPump::Rotate { stream });
                }
            }
            Control::User(number) => {
                let words = format!("control {number} means nothing to the engine");
                self.tell_engine(EventKind::Remark, words);
            }
        }
    }

    /// A wish for each to which it means something now.
    fn wish_all(&mut self, wish: Wish) {
        let concerns = |id: &InstanceId| {
            let standing = self.world.standing(*id);
            standing.is_some_and(|standing| match wish {
                Wish::Pause => standing.shown == Shown::Running,
                Wish::Continue => matches!(standing.shown, Shown::Paused | Shown::PausePending),
                Wish::Reload => {
                    standing.shown == Shown::Running && standing.spec.reload != Reload::Impossible
                }
                Wish::Start | Wish::Stop(_) | Wish::Restart | Wish::Forget => true,
            })
        };
        let concerned: Vec<_> = self.world.instances().filter(concerns).collect();
        for instance in concerned {
            self.queue.push_back(Event::Wish {
                instance,
                wish,
                because: Because::Asked,
            });
        }
        self.news = true;
    }
}
