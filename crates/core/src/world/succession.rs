//! From one engine to the next: what an instance is, written down, and an instance gone on with.
//!
//! Everything the core knows of an instance travels, deadlines and counts included, except its definition, which the
//! engine keeps in its own dialect. The clock must be the same one: deadlines are moments on it.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::node::Job;
use super::{Wanted, World};
use crate::because::Because;
use crate::event::{Action, How, InstanceId, Task};
use crate::instance::Instance;
use crate::quantity::{Instant, RunId};

/// An instance as one engine leaves it to the next.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Carried {
    instance: Instance,
    wanted: Wanted,
    job: Option<Job>,
    asked: Because,
    because: Because,
    since: Instant,
    idle_until: Option<Instant>,
}

impl Carried {
    /// Whether it is as it was loaded: never wanted, never run.
    pub fn is_untouched(&self) -> bool {
        self.because == Because::NeverStarted && self.job.is_none()
    }

    /// The run under way when it was written down.
    pub fn run(&self) -> Option<RunId> {
        self.instance.run()
    }
}

/// What a run waits for, for whoever must find out what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Underway {
    pub run: RunId,
    /// The main process was alive when last heard of.
    pub main_lives: bool,
    /// The command of ours whose end, or birth, is waited for; the main program itself while a oneshot or a program
    /// that forks is starting.
    pub awaited: Option<Task>,
}

impl World {
    /// The instance as the next engine has to know it.
    pub fn carried(&self, id: InstanceId) -> Option<Carried> {
        let node = self.nodes.get(&id)?;
        Some(Carried {
            instance: node.instance.clone(),
            wanted: node.wanted,
            job: node.job,
            asked: node.asked.clone(),
            because: node.because.clone(),
            since: node.since,
            idle_until: node.idle_until,
        })
    }

    /// Instances of which anything that travels may have changed since this was last asked.
    pub fn take_changed(&mut self) -> BTreeSet<InstanceId> {
        core::mem::take(&mut self.changed)
    }

    /// A newer definition waits for the next start.
    pub fn has_newer_definition(&self, id: InstanceId) -> bool {
        let node = self.nodes.get(&id);
        node.is_some_and(|node| node.next_spec.is_some())
    }

    /// The run under way and what it waits for.
    pub fn underway(&self, id: InstanceId) -> Option<Underway> {
        let node = self.nodes.get(&id)?;
        let run = node.instance.run_under_way()?;
        Some(Underway {
            run: run.id,
            main_lives: run.main_lives(),
            awaited: node.instance.awaited(&node.spec),
        })
    }

    /// Goes on with an instance that was loaded just now and never touched, as engine `from` left it. `pending`: the
    /// last orders of that engine may not have been carried out. What became of its programs is told by events.
    pub fn resume(
        &mut self,
        id: InstanceId,
        carried: Carried,
        (from, pending): (u32, bool),
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        let Carried {
            instance,
            wanted,
            job,
            asked,
            because,
            since,
            idle_until,
        } = carried;
        node.instance = instance;
        node.instance.be_patient(now);
        node.wanted = wanted;
        node.job = job;
        node.asked = asked;
        node.because = because;
        node.since = since;
        node.idle_until = idle_until;
        node.shown = node.shown_now();
        let kind = node.kind_of_state();
        let runs = node.instance.run().is_some();
        if kind.is_in_motion() {
            self.moving.insert(id);
        }
        self.standing += usize::from(kind.is_standing());
        self.dirty.insert(id);
        self.change(id, now, actions, |instance, spec, cx| {
            if runs {
                cx.because = Some(Because::TakenOver { engine: from });
            }
            instance.go_on(spec, pending, cx);
        });
    }

    /// The engine before this one was shutting everything down: so does this one.
    pub fn resume_shutdown(&mut self, how: How, now: Instant, actions: &mut Vec<Action>) {
        self.begin_shutdown(how, now, actions);
    }
}
