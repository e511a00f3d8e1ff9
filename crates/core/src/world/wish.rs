//! Wishes: whom each of them touches, and the job it leaves there.
//!
//! A start pulls in what it needs, a stop and a restart take along what follows; each instance is met once, so that a
//! circle of relations does no harm. Whether a job may begin is not asked here.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::node::Job;
use super::{Shutdown, Wanted, World};
use crate::because::Because;
use crate::event::{Action, Fact, How, InstanceId, Wish};
use crate::quantity::{Duration, Instant};
use crate::restart::Outcome;
use crate::spec::Kind;

/// How long a service of kind `idle` waits at the most until nobody else is starting (systemd.service(5), `Type=idle`).
const IDLE_PATIENCE: Duration = Duration::from_secs(5);
impl World {
    /// This one up, and all it needs.
    pub(super) fn want_start(
        &mut self,
        id: InstanceId,
        because: Because,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        if self.shutdown != Shutdown::No {
            return actions.push(refused(id, Wish::Start, "everything is being shut down"));
        }
        let by_operator = because == Because::Asked;
        let mut todo = alloc::vec![(id, because)];
        let mut seen = BTreeSet::from([id]);
        while let Some((id, because)) = todo.pop() {
            let Some(node) = self.nodes.get_mut(&id) else {
                continue;
            };
            if node.is_disabled() {
                actions.push(refused(id, Wish::Start, "it is disabled"));
                continue;
            }
            node.wanted = Wanted::Up;
            self.changed.insert(id);
            if by_operator {
                node.instance.forget_counts();
            }
            if let Some(job) = node.job_for_start() {
                let idle = node.is_down() && node.newest_spec().kind == Kind::Idle;
                node.idle_until = idle.then(|| now + IDLE_PATIENCE);
                node.asked = because;
                self.set_job(id, job);
            }
            let Some(node) = self.nodes.get(&id) else {
                continue;
            };
            let name = node.name.clone();
            let pulled: Vec<_> = node
                .edges
                .requires
                .iter()
                .chain(&node.edges.wants)
                .copied()
                .collect();
            let conflicts = node.edges.conflicts.clone();
            todo.extend(
                pulled
                    .into_iter()
                    .filter(|id| seen.insert(*id))
                    .map(|id| (id, Because::Needed(name.clone()))),
            );
            for other in conflicts {
                self.want_stop(
                    other,
                    How::Plan,
                    Because::Conflicts(name.clone()),
                    now,
                    actions,
                );
            }
        }
    }

    /// This one down, and all that cannot be without it.
    pub(super) fn want_stop(
        &mut self,
        id: InstanceId,
        how: How,
        because: Because,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        let mut todo = alloc::vec![(id, because)];
        let mut seen = BTreeSet::from([id]);
        while let Some((id, because)) = todo.pop() {
            self.want_down(id, how, because, now, actions);
            let Some(node) = self.nodes.get(&id) else {
                continue;
            };
            let because = Because::DependencyStopped(node.name.clone());
            let followers = node.edges.followers.iter().copied();
            todo.extend(
                followers
                    .filter(|id| seen.insert(*id))
                    .map(|id| (id, because.clone())),
            );
        }
    }

    /// This one down, whatever becomes of others.
    fn want_down(
        &mut self,
        id: InstanceId,
        how: How,
        because: Because,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        node.wanted = Wanted::Down;
        self.changed.insert(id);
        node.idle_until = None;
        if node.is_down() {
            if node.job.is_some() {
                self.set_job(id, None);
                self.tell_state(id, Some(because), now, actions);
            }
            return;
        }
        node.asked = because.clone();
        let stopping = node.is_stopping();
        self.set_job(id, Some(Job::Stop(how)));
        if stopping {
            // It ends already, perhaps for another reason: now it is wanted, and perhaps at once.
            self.change(id, now, actions, |instance, spec, cx| {
                instance.end_run(spec, Outcome::Wanted, because, how, cx);
            });
        }
    }

    /// A new job, or none: those that look at this one look again.
    pub(super) fn set_job(&mut self, id: InstanceId, job: Option<Job>) {
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        self.dirty.insert(id);
        self.changed.insert(id);
        if node.job != job {
            node.job = job;
            node.held_by = None;
            let gone = node.is_down() && job.is_none();
            self.tell_watchers(id, gone);
        }
    }

    /// Those that look at this one look again; where it is `gone`, even if another one holds them up.
    pub(super) fn tell_watchers(&mut self, id: InstanceId, gone: bool) {
        let watchers = self.nodes.get(&id).map(|node| node.edges.watchers.clone());
        for watcher in watchers.into_iter().flatten() {
            self.dirty.insert(watcher);
            if let Some(node) = self.nodes.get_mut(&watcher).filter(|_| gone) {
                node.held_by = None;
            }
        }
    }

    /// This one down and up again, and with it all that follow it and are up.
    pub(super) fn want_restart(
        &mut self,
        id: InstanceId,
        because: Because,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        if self.shutdown != Shutdown::No {
            return actions.push(refused(id, Wish::Restart, "everything is being shut down"));
        }
        if self.nodes.get(&id).is_none_or(|node| node.is_down()) {
            return self.want_start(id, because, now, actions);
        }
        if self.nodes.get(&id).is_some_and(|node| node.is_disabled()) {
            return actions.push(refused(id, Wish::Restart, "it is disabled"));
        }
        let mut pulled = Vec::new();
        let by_operator = because == Because::Asked;
        let mut todo = alloc::vec![(id, because)];
        let mut seen = BTreeSet::from([id]);
        while let Some((id, because)) = todo.pop() {
            let Some(node) = self.nodes.get_mut(&id) else {
                continue;
            };
            if node.is_down() {
                continue;
            }
            let disabled = node.is_disabled();
            node.wanted = if disabled { Wanted::Down } else { Wanted::Up };
            node.asked = because;
            if by_operator {
                node.instance.forget_counts();
            }
            let job = if disabled {
                Job::Stop(How::Plan)
            } else {
                let needs = node.edges.requires.iter().chain(&node.edges.wants);
                pulled.extend(needs.map(|peer| (*peer, node.name.clone())));
                Job::Restart
            };
            self.set_job(id, Some(job));
            let Some(node) = self.nodes.get(&id) else {
                continue;
            };
            let because = Because::DependencyRestarted(node.name.clone());
            let followers = node.edges.followers.clone();
            todo.extend(
                followers
                    .into_iter()
                    .filter(|id| seen.insert(*id))
                    .map(|id| (id, because.clone())),
            );
        }
        // A new start needs what every start needs.
        for (peer, name) in pulled {
            if self
                .nodes
                .get(&peer)
                .is_some_and(|node| node.is_down() && node.job.is_none())
            {
                self.want_start(peer, Because::Needed(name), now, actions);
            }
        }
    }

    pub(super) fn begin_shutdown(&mut self, how: How, now: Instant, actions: &mut Vec<Action>) {
        if self.shutdown == Shutdown::No {
            self.shutdown = Shutdown::UnderWay;
        }
        let all: Vec<_> = self.nodes.keys().copied().collect();
        for id in all {
            self.want_down(id, how, Because::Shutdown, now, actions);
        }
    }

    pub(super) fn stop_standing(
        &mut self,
        ids: &[InstanceId],
        because: &Because,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        for id in ids {
            if self.nodes.get(id).is_some_and(|node| !node.is_down()) {
                self.want_stop(*id, How::Plan, because.clone(), now, actions);
            }
        }
    }
}

fn refused(instance: InstanceId, wish: Wish, why: &'static str) -> Action {
    Action::Tell {
        instance,
        run: None,
        fact: Fact::Refused { wish, why },
    }
}
