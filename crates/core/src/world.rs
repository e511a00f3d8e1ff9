//! All instances together: who is wanted, who must wait for whom, and what one's fate does to others.
//!
//! A wish becomes a *job* on every instance it touches; a job waits until its gate opens. Whenever an instance changes,
//! those related to it are looked at again, and nobody else. Time is asked for in one place, `wakes_at`.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::rc::Rc;
use alloc::vec::Vec;

use crate::because::Because;
use crate::event::{Action, Event, Fact, How, InstanceId, RunEvent, Shown, Wish};
use crate::graph::{self, Edges};
use crate::instance::{Cx, Down, Instance, Mode, Overruled, Stage, State, StopPhase};
use crate::quantity::{Duration, Instant, RunId};
use crate::restart::Outcome;
use crate::spec::{Kind, Spec, StartMode};

/// How long a service of kind `idle` waits at the most until nobody else is starting (systemd.service(5), `Type=idle`).
const IDLE_PATIENCE: Duration = Duration::from_secs(5);

/// With more names than this to wait for, one of them stands for all: who waits is looked at again when that one no
/// longer holds it up, or when one of the others fails. So a service that needs thousands costs each of them nothing.
const MANY: usize = 16;

/// Everything there is.
#[derive(Debug, Clone)]
pub struct World {
    nodes: BTreeMap<InstanceId, Node>,
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
    /// Instances that are starting or stopping this very moment.
    moving: BTreeSet<InstanceId>,
    /// Instances that are not down, nor beyond any power to bring down.
    standing: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shutdown {
    No,
    UnderWay,
    Told,
}

#[derive(Debug, Clone)]
struct Node {
    name: Rc<str>,
    spec: Rc<Spec>,
    /// A newer definition, in force from the next start on.
    next_spec: Option<Rc<Spec>>,
    instance: Instance,
    edges: Edges,
    wanted: Wanted,
    job: Option<Job>,
    /// Why the job is wanted; what it waits for meanwhile is in `because`.
    asked: Because,
    because: Because,
    since: Instant,
    shown: Shown,
    wakes: Option<Instant>,
    idle_until: Option<Instant>,
    /// The one that stands for the many it waits for.
    held_by: Option<InstanceId>,
}

/// What the operator wants of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wanted {
    Up,
    Down,
}

/// A wish on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Job {
    Start,
    Stop(How),
    /// Stop, then start.
    Restart,
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

/// Whether a gate is open.
enum Gate {
    Open,
    Wait(Vec<InstanceId>),
    /// Nothing but this one's being at rest is waited for.
    Rest(InstanceId),
    Refuse(Because),
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
            moving: BTreeSet::new(),
            standing: 0,
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
            .map(|spec| self.load_one(Rc::new(spec), now))
            .collect();
        self.relink();
        // What a job waits for may have changed with the definitions.
        let jobs = self.nodes.iter().filter(|(_, node)| node.job.is_some());
        self.dirty.extend(jobs.map(|(id, _)| *id));
        ids
    }

    fn load_one(&mut self, spec: Rc<Spec>, now: Instant) -> InstanceId {
        let name: Rc<str> = spec.name.as_str().into();
        if let Some(id) = self.names.get(&name) {
            if let Some(node) = self.nodes.get_mut(id) {
                node.take_spec(spec);
            }
            return *id;
        }
        let id = InstanceId(self.next_instance);
        self.next_instance += 1;
        self.names.insert(name.clone(), id);
        self.nodes.insert(id, Node::new(name, spec, now));
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
        while let Some(node) = todo.pop().and_then(|id| self.nodes.get(&id)) {
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

    /// When something is due by itself.
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

    /// This one up, and all it needs.
    fn want_start(
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
    fn want_stop(
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
    fn set_job(&mut self, id: InstanceId, job: Option<Job>) {
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        self.dirty.insert(id);
        if node.job != job {
            node.job = job;
            node.held_by = None;
            let gone = node.is_down() && job.is_none();
            self.tell_watchers(id, gone);
        }
    }

    /// Those that look at this one look again; where it is `gone`, even if another one holds them up.
    fn tell_watchers(&mut self, id: InstanceId, gone: bool) {
        let watchers = self.nodes.get(&id).map(|node| node.edges.watchers.clone());
        for watcher in watchers.into_iter().flatten() {
            self.dirty.insert(watcher);
            if let Some(node) = self.nodes.get_mut(&watcher).filter(|_| gone) {
                node.held_by = None;
            }
        }
    }

    /// This one down and up again, and with it all that follow it and are up.
    fn want_restart(
        &mut self,
        id: InstanceId,
        because: Because,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        if self.shutdown != Shutdown::No {
            return actions.push(refused(id, Wish::Restart, "everything is being shut down"));
        }
        if self.nodes.get(&id).is_none_or(Node::is_down) {
            return self.want_start(id, because, now, actions);
        }
        if self.nodes.get(&id).is_some_and(Node::is_disabled) {
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

    fn begin_shutdown(&mut self, how: How, now: Instant, actions: &mut Vec<Action>) {
        if self.shutdown == Shutdown::No {
            self.shutdown = Shutdown::UnderWay;
        }
        let all: Vec<_> = self.nodes.keys().copied().collect();
        for id in all {
            self.want_down(id, how, Because::Shutdown, now, actions);
        }
    }

    /// Looks at everybody whose gate may have opened, until nothing changes any more.
    fn settle(&mut self, now: Instant, actions: &mut Vec<Action>) {
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
            let stopping = self.nodes.get(*other).is_some_and(Node::is_stopping);
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

    /// Lets the instance decide, and carries what follows from it: told state, timer, effect on others.
    fn change(
        &mut self,
        id: InstanceId,
        now: Instant,
        actions: &mut Vec<Action>,
        decide: impl FnOnce(&mut Instance, &Spec, &mut Cx<'_>),
    ) {
        let chance = self.next_chance();
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

    fn stop_standing(
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

/// States as far as others care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StateKind {
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
    fn is_in_motion(self) -> bool {
        matches!(self, StateKind::Starting | StateKind::Stopping)
    }

    /// Neither down nor beyond any power to bring down.
    fn is_standing(self) -> bool {
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
    fn new(name: Rc<str>, spec: Rc<Spec>, now: Instant) -> Node {
        Node {
            name,
            spec,
            next_spec: None,
            instance: Instance::new(),
            edges: Edges::default(),
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

    fn take_spec(&mut self, spec: Rc<Spec>) {
        if self.is_down() {
            self.spec = spec;
            self.next_spec = None;
        } else {
            self.next_spec = Some(spec);
        }
    }

    fn newest_spec(&self) -> &Rc<Spec> {
        self.next_spec.as_ref().unwrap_or(&self.spec)
    }

    /// Wanted up, and nothing else is under way.
    fn is_left_alone(&self) -> bool {
        self.wanted == Wanted::Up && self.job.is_none()
    }

    fn is_disabled(&self) -> bool {
        self.newest_spec().start_mode == StartMode::Disabled
    }

    fn kind_of_state(&self) -> StateKind {
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
    fn shown_now(&self) -> Shown {
        match (self.job, self.instance.shown()) {
            (Some(Job::Start), Shown::Stopped | Shown::Failed) => Shown::StartPending,
            (
                Some(Job::Stop(_) | Job::Restart),
                Shown::Running | Shown::Paused | Shown::StartPending,
            ) => Shown::StopPending,
            (_, shown) => shown,
        }
    }

    fn is_down(&self) -> bool {
        matches!(self.instance.state, State::Down(_))
    }

    fn is_up(&self) -> bool {
        matches!(self.instance.state, State::Up(_))
    }

    fn is_stopping(&self) -> bool {
        matches!(self.instance.state, State::Stopping(_))
    }

    /// A delay that is over wakes nobody: its job has begun, and waits for others.
    fn wakes_at(&self) -> Option<Instant> {
        let overtaken = self.job.is_some() && matches!(self.instance.state, State::Backoff { .. });
        let own = self.instance.wakes_at().filter(|_| !overtaken);
        [own, self.idle_until].into_iter().flatten().min()
    }

    /// The job it has after the wish to be up; `None` where there is nothing to do for it.
    fn job_for_start(&self) -> Option<Option<Job>> {
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

    fn is_going_down(&self) -> bool {
        self.is_stopping() || matches!(self.job, Some(Job::Stop(_) | Job::Restart))
    }

    /// Down, or as near to it as anything can bring it.
    fn is_beyond_stopping(&self) -> bool {
        !self.kind_of_state().is_standing()
    }

    fn has_arrived(&self) -> bool {
        let kind = self.kind_of_state();
        matches!(kind, StateKind::Up | StateKind::Done | StateKind::Skipped)
    }

    /// Not there, and not on its way.
    fn has_given_up(&self) -> bool {
        let down = matches!(self.kind_of_state(), StateKind::Failed | StateKind::Stopped);
        down && self.job.is_none()
    }

    /// Whether one that starts after this one must still wait. One that merely comes after does not wait for restarts.
    fn holds_up(&self, required: bool) -> bool {
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

    fn is_settled(&self) -> bool {
        let quiet = match &self.instance.state {
            State::Down(_) => true,
            State::Up(up) => matches!(up.mode, Mode::Serving | Mode::Paused),
            State::Backoff { .. } | State::Starting(_) => false,
            State::Stopping(stopping) => stopping.phase == StopPhase::Unkillable,
        };
        quiet && (self.job.is_none() || self.kind_of_state() == StateKind::Unkillable)
    }

    fn next(&self) -> Option<(Next, Instant)> {
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

fn refused(instance: InstanceId, wish: Wish, why: &'static str) -> Action {
    Action::Tell {
        instance,
        run: None,
        fact: Fact::Refused { wish, why },
    }
}
