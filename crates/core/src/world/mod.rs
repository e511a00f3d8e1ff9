//! All instances together: who is wanted, who must wait for whom, and what one's fate does to others.
//!
//! A wish becomes a *job* on every instance it touches; a job waits until its gate opens. Whenever an instance changes,
//! those related to it are looked at again, and nobody else. Time is asked for in one place, `wakes_at`.

mod gate;
mod node;
mod succession;
mod wish;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::rc::Rc;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use self::node::{Job, Node, StateKind};
pub use self::succession::{Carried, Underway};
use crate::because::Because;
use crate::event::{Action, Event, Fact, InstanceId, RunEvent, Shown, Wish};
use crate::graph::{self, Edges};
use crate::instance::{Cx, Instance, Overruled};
use crate::quantity::{Instant, RunId};
use crate::spec::{Common, Shared, Spec, Usual};

/// Everything there is.
#[derive(Debug, Clone)]
pub struct World {
    nodes: BTreeMap<InstanceId, Box<Node>>,
    names: BTreeMap<Rc<str>, InstanceId>,
    timers: BTreeSet<(Instant, InstanceId)>,
    /// Those whose job waits for nobody in particular, only for others to be at rest.
    patient: BTreeSet<InstanceId>,
    /// Those that must be looked at again.
    dirty: BTreeSet<InstanceId>,
    next_instance: u32,
    next_run: u64,
    chance: u64,
    sequential: bool,
    shutdown: Shutdown,
    common: Common,
    usual_edges: Usual<Edges>,
    /// Instances that are starting or stopping this very moment.
    moving: BTreeSet<InstanceId>,
    /// Instances that are not down, nor beyond any power to bring down.
    standing: usize,
    /// Instances of which anything may have changed since it was last asked.
    changed: BTreeSet<InstanceId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shutdown {
    No,
    UnderWay,
    Told,
}

/// What the operator wants of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Wanted {
    Up,
    Down,
}

/// How an instance stands, for status.
#[derive(Debug, Clone)]
pub struct Standing<'a> {
    pub name: &'a Rc<str>,
    pub spec: &'a Rc<Spec>,
    pub shown: Shown,
    pub wanted: Wanted,
    pub because: &'a Because,
    pub since: Instant,
    pub run: Option<RunId>,
    pub restarts: u32,
    /// No job and no transition: it stays as it is until something happens.
    pub settled: bool,
    /// It is up, or its work is done.
    pub arrived: bool,
    pub next: Option<(Next, Instant)>,
}

/// What happens next by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    Restart,
    StartTimeout,
    Watchdog,
    MaxRunTime,
    NextStopStep,
    Kill,
}

impl World {
    /// An empty world. `seed` is where chance (the jitter of restarts) begins; `first_run` the first run's number.
    pub fn new(seed: u64, first_run: RunId) -> World {
        World {
            nodes: BTreeMap::new(),
            names: BTreeMap::new(),
            timers: BTreeSet::new(),
            patient: BTreeSet::new(),
            dirty: BTreeSet::new(),
            next_instance: 0,
            next_run: first_run.0,
            chance: seed | 1,
            sequential: false,
            shutdown: Shutdown::No,
            common: Common::default(),
            usual_edges: Usual::default(),
            moving: BTreeSet::new(),
            standing: 0,
            changed: BTreeSet::new(),
        }
    }

    /// One start or stop at a time, for comparison with doing all that is independent at once.
    pub fn one_at_a_time(&mut self) {
        self.sequential = true;
    }

    /// Takes in definitions: new ones, or newer ones of names already known, in force from their next start on.
    pub fn load(&mut self, specs: impl IntoIterator<Item = Spec>, now: Instant) -> Vec<InstanceId> {
        let ids = specs
            .into_iter()
            .map(|spec| self.load_one(spec, now))
            .collect();
        self.relink();
        // What a job waits for may have changed with the definitions.
        let jobs = self.nodes.iter().filter(|(_, node)| node.job.is_some());
        self.dirty.extend(jobs.map(|(id, _)| *id));
        ids
    }

    fn load_one(&mut self, mut spec: Spec, now: Instant) -> InstanceId {
        self.common.unite(&mut spec);
        let spec = Rc::new(spec);
        let name: Rc<str> = spec.name.as_str().into();
        if let Some(id) = self.names.get(&name) {
            if let Some(node) = self.nodes.get_mut(id) {
                node.take_spec(spec);
                self.changed.insert(*id);
            }
            return *id;
        }
        let id = InstanceId(self.next_instance);
        self.next_instance += 1;
        self.names.insert(name.clone(), id);
        self.nodes.insert(id, Box::new(Node::new(name, spec, now)));
        self.changed.insert(id);
        id
    }

    /// Forgets a definition. Only of an instance that is down; told by `false`.
    pub fn unload(&mut self, id: InstanceId) -> bool {
        let Some(node) = self.nodes.get(&id) else {
            return true;
        };
        if !node.is_down() || node.job.is_some() {
            return false;
        }
        self.names.remove(&node.name);
        if let Some(at) = node.wakes {
            self.timers.remove(&(at, id));
        }
        self.nodes.remove(&id);
        self.relink();
        true
    }

    fn relink(&mut self) {
        let specs: Vec<_> = self
            .nodes
            .iter()
            .map(|(id, node)| (*id, node.newest_spec().clone()))
            .collect();
        for (id, edges) in graph::link(&specs) {
            let mut edges = Shared::from(edges);
            self.usual_edges.unite(&mut edges);
            if let Some(node) = self.nodes.get_mut(&id) {
                node.edges = edges;
                node.held_by = None;
            }
        }
    }

    /// The instance of this full name.
    pub fn find(&self, name: &str) -> Option<InstanceId> {
        self.names.get(name).copied()
    }

    /// Every instance, in the order they came.
    pub fn instances(&self) -> impl Iterator<Item = InstanceId> + '_ {
        self.nodes.keys().copied()
    }

    /// These, and all that a start of them starts.
    pub fn with_needed(&self, ids: &[InstanceId]) -> Vec<InstanceId> {
        let mut found: BTreeSet<_> = ids.iter().copied().collect();
        let mut todo = ids.to_vec();
        while let Some(id) = todo.pop() {
            let Some(node) = self.nodes.get(&id) else {
                continue;
            };
            let pulled = node.edges.requires.iter().chain(&node.edges.wants).copied();
            todo.extend(pulled.filter(|id| found.insert(*id)));
        }
        found.into_iter().collect()
    }

    /// How an instance stands.
    pub fn standing(&self, id: InstanceId) -> Option<Standing<'_>> {
        let node = self.nodes.get(&id)?;
        Some(Standing {
            name: &node.name,
            spec: &node.spec,
            shown: node.shown,
            wanted: node.wanted,
            because: &node.because,
            since: node.since,
            run: node.instance.run(),
            restarts: node.instance.restarts,
            settled: node.is_settled(),
            arrived: node.has_arrived(),
            next: node.next(),
        })
    }

    /// When something is due by itself; a moment in the past means at once, as after `load`.
    pub fn wakes_at(&self) -> Option<Instant> {
        if !self.dirty.is_empty() {
            return Some(Instant::ORIGIN);
        }
        self.timers.first().map(|(at, _)| *at)
    }

    /// One instance from the inside: itself, its job, and how long it is patient.
    #[cfg(test)]
    pub(crate) fn inside(
        &self,
        id: InstanceId,
    ) -> Option<(
        &Instance,
        Option<impl core::hash::Hash + use<>>,
        Option<Instant>,
    )> {
        let node = self.nodes.get(&id)?;
        Some((&node.instance, node.job, node.idle_until))
    }

    /// The timer of one instance.
    #[cfg(test)]
    pub(crate) fn timer_of(&self, id: InstanceId) -> Option<Instant> {
        self.nodes.get(&id).and_then(|node| node.wakes)
    }

    /// Something happened.
    pub fn on(&mut self, event: Event, now: Instant, actions: &mut Vec<Action>) {
        match event {
            Event::Time => self.on_time(now, actions),
            Event::Wish {
                instance,
                wish,
                because,
            } => self.wish(instance, wish, because, now, actions),
            Event::Shutdown { how } => self.begin_shutdown(how, now, actions),
            Event::Run {
                instance,
                run,
                what,
            } => self.on_run(instance, run, what, now, actions),
        }
        self.settle(now, actions);
    }

    fn on_time(&mut self, now: Instant, actions: &mut Vec<Action>) {
        // All that is due first, so that a deadline set anew for this very moment waits for its own turn.
        let mut due = Vec::new();
        while let Some((at, id)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.timers.remove(&(at, id));
            due.push(id);
        }
        for id in due {
            if let Some(node) = self.nodes.get_mut(&id) {
                node.wakes = None;
                node.idle_until = node.idle_until.filter(|until| *until > now);
            }
            self.change(id, now, actions, |instance, spec, cx| {
                instance.on_time(spec, cx)
            });
            self.dirty.insert(id);
        }
    }

    fn on_run(
        &mut self,
        id: InstanceId,
        run: RunId,
        what: RunEvent,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        if self.nodes.get(&id).and_then(|node| node.instance.run()) == Some(run) {
            self.change(id, now, actions, |instance, spec, cx| {
                instance.on_run(spec, what, cx)
            });
        }
    }

    fn wish(
        &mut self,
        id: InstanceId,
        wish: Wish,
        because: Because,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        match wish {
            Wish::Start => self.want_start(id, because, now, actions),
            Wish::Stop(how) => self.want_stop(id, how, because, now, actions),
            Wish::Restart => self.want_restart(id, because, now, actions),
            Wish::Reload | Wish::Pause | Wish::Continue => {
                self.change(id, now, actions, |instance, spec, cx| {
                    instance.up_wish(spec, wish, cx)
                });
            }
            Wish::Forget => {
                self.change(id, now, actions, |instance, _, cx| {
                    if instance.forget() {
                        cx.because = Some(Because::Asked);
                    }
                });
            }
        }
    }

    /// Lets the instance decide, and carries what follows from it: told state, timer, effect on others.
    fn change(
        &mut self,
        id: InstanceId,
        now: Instant,
        actions: &mut Vec<Action>,
        decide: impl FnOnce(&mut Instance, &Spec, &mut Cx<'_>),
    ) {
        let chance = self.next_chance();
        self.changed.insert(id);
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        let before = node.kind_of_state();
        let spec = node.spec.clone();
        let mut cx = Cx {
            now,
            id,
            chance,
            overruled: match node.job {
                Some(Job::Stop(_)) => Some(Overruled::ByStop),
                Some(Job::Restart) => Some(Overruled::ByRestart),
                None | Some(Job::Start) => None,
            },
            actions,
            because: None,
        };
        decide(&mut node.instance, &spec, &mut cx);
        let because = cx.because.take();
        let after = node.kind_of_state();
        self.tell_state(id, because, now, actions);
        if before != after {
            if after.is_in_motion() {
                self.moving.insert(id);
            } else {
                self.moving.remove(&id);
            }
            self.standing = self.standing + usize::from(after.is_standing())
                - usize::from(before.is_standing());
            self.spread(id, after, now, actions);
        }
    }

    fn next_chance(&mut self) -> u64 {
        // xorshift64*: chance for jitter needs no more.
        self.chance ^= self.chance >> 12;
        self.chance ^= self.chance << 25;
        self.chance ^= self.chance >> 27;
        self.chance.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Writes down why and since when, tells it if it is news, and sets the timer.
    fn tell_state(
        &mut self,
        id: InstanceId,
        because: Option<Because>,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        self.changed.insert(id);
        let from = node.shown;
        let to = node.shown_now();
        let news = because
            .as_ref()
            .is_some_and(|because| *because != node.because);
        if let Some(because) = because {
            node.because = because;
        }
        if from != to {
            node.since = now;
            node.shown = to;
        }
        if from != to || news {
            let fact = Fact::State {
                from,
                to,
                because: node.because.clone(),
            };
            actions.push(Action::Tell {
                instance: id,
                run: node.instance.run(),
                fact,
            });
        }
        let wakes = node.wakes_at();
        if wakes != node.wakes {
            if let Some(at) = node.wakes {
                self.timers.remove(&(at, id));
            }
            if let Some(at) = wakes {
                self.timers.insert((at, id));
            }
            node.wakes = wakes;
        }
    }

    /// What one's new state does to those related to it.
    fn spread(
        &mut self,
        id: InstanceId,
        state: StateKind,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        let Some(node) = self.nodes.get(&id) else {
            return;
        };
        let name = node.name.clone();
        let (bound, by_itself) = (node.edges.bound.clone(), node.is_left_alone());
        let (on_failure, on_success) =
            (node.edges.on_failure.clone(), node.edges.on_success.clone());
        self.dirty.insert(id);
        self.tell_watchers(id, node.is_down());
        match state {
            StateKind::Failed => {
                // Those that have not begun learn it at their gate.
                let because = Because::DependencyFailed(name.clone());
                self.stop_standing(&bound, &because, now, actions);
                if self.shutdown == Shutdown::No {
                    for other in on_failure {
                        self.want_start(other, Because::Needed(name.clone()), now, actions);
                    }
                }
            }
            StateKind::Done => {
                let because = Because::DependencyStopped(name.clone());
                self.stop_standing(&bound, &because, now, actions);
                if self.shutdown == Shutdown::No {
                    for other in on_success {
                        self.want_start(other, Because::Needed(name.clone()), now, actions);
                    }
                }
            }
            StateKind::Skipped => {
                let because = Because::DependencyStopped(name);
                self.stop_standing(&bound, &because, now, actions);
            }
            StateKind::Backoff | StateKind::Stopped if by_itself => {
                let because = Because::DependencyStopped(name);
                self.stop_standing(&bound, &because, now, actions);
            }
            StateKind::Backoff
            | StateKind::Stopped
            | StateKind::Starting
            | StateKind::Up
            | StateKind::Stopping
            | StateKind::Unkillable => {}
        }
    }
}
