//! Gates: whether a job may begin, and whom it waits for until then.
//!
//! A start waits for what comes before it, a stop for what came after; one at a time waits for whoever is under way.

use alloc::vec::Vec;

use super::node::{Job, Node, StateKind};
use super::{Shutdown, World};
use crate::because::Because;
use crate::event::{Action, How, InstanceId};
use crate::instance::State;
use crate::quantity::{Instant, RunId};
use crate::restart::Outcome;

/// With more names than this to wait for, one of them stands for all: who waits is looked at again when that one no
/// longer holds it up, or when one of the others fails. So a service that needs thousands costs each of them nothing.
const MANY: usize = 16;
/// Whether a gate is open.
enum Gate {
    Open,
    Wait(Vec<InstanceId>),
    /// Nothing but this one's being at rest is waited for.
    Rest(InstanceId),
    Refuse(Because),
}

impl World {
    /// Looks at everybody whose gate may have opened, until nothing changes any more.
    pub(super) fn settle(&mut self, now: Instant, actions: &mut Vec<Action>) {
        loop {
            while let Some(id) = self.dirty.pop_first() {
                self.look_at(id, now, actions);
            }
            let Some(id) = self.patient.iter().copied().find(|id| !self.must_rest(*id)) else {
                break;
            };
            self.dirty.insert(id);
        }
        if self.shutdown == Shutdown::UnderWay && self.standing == 0 {
            self.shutdown = Shutdown::Told;
            actions.push(Action::Finished);
        }
    }

    /// Somebody else is under way, and this one is to wait for that.
    fn must_rest(&self, id: InstanceId) -> bool {
        self.in_the_way(id).is_some()
    }

    /// Who else is under way. A stop waits for stops only, so that every stop ends.
    fn in_the_way(&self, id: InstanceId) -> Option<InstanceId> {
        let node = self.nodes.get(&id)?;
        let stops = matches!(node.job, Some(Job::Stop(_) | Job::Restart));
        let patient = self.sequential || (!stops && node.idle_until.is_some());
        let blocks = |other: &&InstanceId| {
            let stopping = self
                .nodes
                .get(*other)
                .is_some_and(|node| node.is_stopping());
            **other != id && (!stops || stopping)
        };
        self.moving.iter().find(blocks).copied().filter(|_| patient)
    }

    fn look_at(&mut self, id: InstanceId, now: Instant, actions: &mut Vec<Action>) {
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        if node.job.is_none() && node.instance.is_due(now) {
            node.asked = node.because.clone();
            self.set_job(id, Some(Job::Start));
        } else if node.job == Some(Job::Restart) && node.is_down() {
            self.set_job(id, Some(Job::Start));
        }
        self.dirty.remove(&id);
        self.patient.remove(&id);
        let Some(node) = self.nodes.get(&id) else {
            return;
        };
        if node.held_by.is_some_and(|peer| self.holds(peer, node)) {
            return;
        }
        match node.job {
            None => self.tell_state(id, None, now, actions),
            Some(Job::Start) => self.look_at_start(id, now, actions),
            Some(Job::Stop(how)) => self.look_at_stop(id, how, now, actions),
            Some(Job::Restart) => self.look_at_stop(id, How::Plan, now, actions),
        }
    }

    fn look_at_start(&mut self, id: InstanceId, now: Instant, actions: &mut Vec<Action>) {
        let Some(node) = self.nodes.get(&id) else {
            return;
        };
        match &node.instance.state {
            State::Up(_) | State::Starting(_) => {
                self.take_job(id);
                return self.tell_state(id, None, now, actions);
            }
            State::Stopping(_) => return,
            State::Down(_) | State::Backoff { .. } => {}
        }
        match self.gate(id, node) {
            Gate::Open => self.begin_start(id, now, actions),
            Gate::Wait(on) => {
                self.tell_waits(id, &on, now, actions);
                self.stop_conflicts(id, now, actions);
            }
            Gate::Rest(other) => {
                self.patient.insert(id);
                self.tell_waits(id, &[other], now, actions);
            }
            Gate::Refuse(because) => {
                self.take_job(id);
                self.change(id, now, actions, |instance, _, cx| {
                    instance.fail(because, cx)
                });
            }
        }
    }

    /// Whether this peer alone is enough to keep that one waiting.
    fn holds(&self, peer: InstanceId, node: &Node) -> bool {
        let Some(other) = self.nodes.get(&peer) else {
            return false;
        };
        let goes = !other.is_beyond_stopping() && other.is_going_down();
        if node.edges.before.binary_search(&peer).is_ok() && goes {
            return true;
        }
        let required = node.edges.requires.binary_search(&peer).is_ok();
        let follows = node.edges.after.binary_search(&peer).is_ok();
        node.job == Some(Job::Start) && follows && other.holds_up(required)
    }

    /// Those in conflict with a start go down for it, also where nobody knew of the conflict when it was wished.
    fn stop_conflicts(&mut self, id: InstanceId, now: Instant, actions: &mut Vec<Action>) {
        let Some(node) = self.nodes.get(&id) else {
            return;
        };
        let because = Because::Conflicts(node.name.clone());
        let peers = node.edges.conflicts.iter().copied();
        let stays = |peer: &InstanceId| {
            let peer = self.nodes.get(peer);
            peer.is_some_and(|peer| !peer.is_down() && !peer.is_going_down())
        };
        for peer in peers.filter(stays).collect::<Vec<_>>() {
            self.want_stop(peer, How::Plan, because.clone(), now, actions);
        }
    }

    fn tell_waits(
        &mut self,
        id: InstanceId,
        on: &[InstanceId],
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        let peers = on.iter().filter_map(|id| self.nodes.get(id));
        let names: Vec<_> = peers.map(|node| node.name.clone()).collect();
        if let Some(node) = self.nodes.get_mut(&id) {
            node.held_by = on.last().copied().filter(|_| on.len() > MANY);
        }
        self.tell_state(id, Some(Because::WaitsFor(names.into())), now, actions);
    }

    fn begin_start(&mut self, id: InstanceId, now: Instant, actions: &mut Vec<Action>) {
        let run = RunId(self.next_run);
        self.next_run += 1;
        self.take_job(id);
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        if let Some(spec) = node.next_spec.take() {
            node.spec = spec;
        }
        let because = node.asked.clone();
        self.change(id, now, actions, |instance, spec, cx| {
            if instance.may_start(spec, &because, cx) {
                instance.begin_start(spec, run, because, cx);
            }
        });
    }

    fn look_at_stop(&mut self, id: InstanceId, how: How, now: Instant, actions: &mut Vec<Action>) {
        let Some(node) = self.nodes.get(&id) else {
            return;
        };
        if node.is_down() {
            self.take_job(id);
            return self.tell_state(id, None, now, actions);
        }
        if node.is_stopping() {
            return;
        }
        if how == How::Plan {
            let waits = self.stop_waits_for(node);
            if !waits.is_empty() {
                return self.tell_waits(id, &waits, now, actions);
            }
            if let Some(other) = self.in_the_way(id) {
                self.patient.insert(id);
                return self.tell_waits(id, &[other], now, actions);
            }
        }
        let because = node.asked.clone();
        self.change(id, now, actions, |instance, spec, cx| {
            instance.end_run(spec, Outcome::Wanted, because, how, cx);
        });
        self.dirty.insert(id);
    }

    /// Those that must be down before this one may stop: started after it, and on their way down themselves.
    fn stop_waits_for(&self, node: &Node) -> Vec<InstanceId> {
        let goes = |id: &InstanceId| {
            let peer = self.nodes.get(id);
            peer.is_some_and(|peer| !peer.is_beyond_stopping() && peer.is_going_down())
        };
        node.edges.before.iter().copied().filter(goes).collect()
    }

    /// Whether this one may start now.
    fn gate(&self, id: InstanceId, node: &Node) -> Gate {
        if let Some(name) = &node.edges.missing {
            return Gate::Refuse(Because::DependencyFailed(name.clone()));
        }
        if let Some(names) = &node.edges.cycle {
            return Gate::Refuse(Because::OrderCycle(names.clone()));
        }
        let peer = |id: &InstanceId| self.nodes.get(id);
        let edges = &node.edges;
        let mut wait = Vec::new();
        for id in &edges.after {
            let required = edges.requires.binary_search(id).is_ok();
            if peer(id).is_some_and(|peer| peer.holds_up(required)) {
                wait.push(*id);
            }
        }
        for id in &edges.requires {
            let ordered = edges.after.binary_search(id).is_ok();
            if wait.binary_search(id).is_err()
                && let Some(peer) = peer(id)
                && (peer.has_given_up() || (ordered && !peer.has_arrived()))
            {
                return Gate::Refuse(Because::DependencyFailed(peer.name.clone()));
            }
        }
        for id in &edges.requisite {
            let Some(peer) = peer(id) else { continue };
            if peer.kind_of_state() == StateKind::Starting {
                wait.push(*id);
            } else if !peer.is_up() {
                return Gate::Refuse(Because::DependencyFailed(peer.name.clone()));
            }
        }
        wait.extend(self.stop_waits_for(node));
        let stands = |id: &&InstanceId| peer(id).is_some_and(|peer| !peer.is_down());
        wait.extend(edges.conflicts.iter().filter(stands));
        wait.sort_unstable();
        wait.dedup();
        if !wait.is_empty() {
            return Gate::Wait(wait);
        }
        match self.in_the_way(id) {
            Some(other) => Gate::Rest(other),
            None => Gate::Open,
        }
    }

    fn take_job(&mut self, id: InstanceId) {
        self.set_job(id, None);
        if let Some(node) = self.nodes.get_mut(&id) {
            node.idle_until = None;
        }
    }
}
