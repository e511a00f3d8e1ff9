//! Follows waits from a thread to whatever is at their end.
//!
//! What a thing is waited for decides what the end means: a holder that sleeps makes a held lock, a child that sleeps a
//! wait for a child. What is found deeper replaces what was found on the way, so that the cause is told and not its
//! shadow.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use super::circle::Circles;
use super::dead;
use super::finding::{End, Found, Step};
use super::whole;
use crate::graph::{self, Graph, Node};
use crate::scene::{
    Database, Doing, Event, Holder, Lock, Pace, Process, Question, Scene, Source, Thread, Turn,
    Wait,
};
use crate::verdict::{Evidence, Strength, VerdictKind};

/// A sleep this long is no pause between two tries.
const LONG_SLEEP: Duration = Duration::from_secs(60);
/// So many at one lock are a queue.
const QUEUE: usize = 3;
/// As many nodes as are looked at for one thread, and as far from it as that.
const MOST_STEPS: usize = 2_000;
const FARTHEST: usize = 64;

/// Follows waits.
pub(super) struct Follower<'a> {
    pub(super) scene: &'a Scene,
    pub(super) graph: &'a Graph,
    circles: Circles,
    /// What processes were found to be kept by, whoever asks.
    known: HashMap<usize, Found>,
    /// A node was met again on its own way: what was found depends on where one came from.
    is_turned_back: bool,
    dead: BTreeMap<u32, BTreeSet<u32>>,
    path: Vec<usize>,
    left: usize,
}

impl<'a> Follower<'a> {
    pub(super) fn new(scene: &'a Scene, graph: &'a Graph) -> Follower<'a> {
        let processes = scene.processes.values();
        Follower {
            scene,
            graph,
            circles: Circles::of(scene, graph),
            known: HashMap::new(),
            is_turned_back: false,
            dead: processes
                .map(|process| (process.pid, dead::dead(process)))
                .collect(),
            path: Vec::new(),
            left: MOST_STEPS,
        }
    }

    /// What is at the end of a thread's waits.
    pub(super) fn thread(&mut self, pid: u32, tid: u32) -> Found {
        let who = Node::Thread { pid, tid };
        let Some(place) = self.graph.place(&who) else {
            return Found::end(who, End::Unclear, Strength::Weak);
        };
        self.left = MOST_STEPS;
        self.node(place)
    }

    fn node(&mut self, place: usize) -> Found {
        let who = self.graph.at(place).clone();
        let is_far = self.path.len() >= FARTHEST;
        if is_far || self.left == 0 || self.path.contains(&place) {
            self.is_turned_back = true;
            return Found::end(who, End::Unclear, Strength::Weak);
        }
        self.left -= 1;
        self.path.push(place);
        let found = match &who {
            Node::Thread { pid, tid } => self.at_thread(place, *pid, *tid),
            Node::Process { pid } => self.at_process(place, *pid),
            Node::Outside { .. } => {
                Found::end(who, End::Cause(VerdictKind::NetWait), Strength::Certain)
            }
            Node::Lock { .. }
            | Node::Event { .. }
            | Node::Connection { .. }
            | Node::Pipe { .. }
            | Node::File { .. } => self.at_thing(place),
        };
        self.path.pop();
        found
    }

    fn at_thread(&mut self, place: usize, pid: u32, tid: u32) -> Found {
        let who = Node::Thread { pid, tid };
        let Some(process) = self.scene.processes.get(&pid) else {
            return Found::end(who, End::Unclear, Strength::Weak);
        };
        if let Some(frozen) = &process.frozen {
            let found = Found::end(who, End::Cause(VerdictKind::Frozen), Strength::Certain);
            return found.with([frozen.clone()]);
        }
        let Some(thread) = self.scene.thread(pid, tid) else {
            return Found::end(
                who,
                End::Cause(VerdictKind::OrphanedLock),
                Strength::Certain,
            );
        };
        if let Some(found) = self.circles.found(self.scene, place) {
            return found;
        }
        let mut ways: Vec<Found> = Vec::new();
        let edges: Vec<graph::Edge> = self.graph.from(place).copied().collect();
        for edge in edges {
            let thing = self.graph.at(edge.to).clone();
            let inner = self.node(edge.to);
            let through = thing.actor().is_none().then_some(thing);
            ways.push(self.over(process, thread, &through, edge, inner));
        }
        let best = ways
            .into_iter()
            .min_by_key(|found| (found.end.order(), u32::MAX - found.strength as u32));
        match best {
            // A condition, a semaphore, a lock that names nobody: an edge to a thing nobody is known to have.
            Some(found) if found.chain.len() > 1 || !found.evidence.is_empty() => found,
            Some(_) | None => self.alone(process, thread, who),
        }
    }

    /// One step more: `inner` is what the thread waits for.
    fn over(
        &self,
        process: &Process,
        thread: &Thread,
        through: &Option<Node>,
        edge: graph::Edge,
        mut inner: Found,
    ) -> Found {
        let is_bare = inner.chain.is_empty();
        let arrived = inner.end;
        let strength = match self.hop(edge) {
            Some(hop) => edge.strength.min(hop),
            None => edge.strength,
        };
        let (end, limit, alternatives) = self.means(process, thread, &inner, through);
        // Nothing is wrong behind it: then what it waits for is of no interest, and it is the one who waits.
        if end == End::Awaits {
            let who = Node::Thread {
                pid: process.pid,
                tid: thread.tid,
            };
            return Found::end(who, end, limit).with(thread.evidence.iter().cloned());
        }
        inner.end = end;
        inner.strength = inner.strength.min(strength).min(limit);
        if arrived != end || inner.alternatives.is_empty() {
            inner.alternatives.extend(alternatives);
        }
        if inner.since.is_none() {
            inner.since = self.since(through);
        }
        let mut evidence = thread.evidence.clone();
        evidence.extend(whole::told(self.scene, through.as_ref()));
        evidence.append(&mut inner.evidence);
        inner.evidence = evidence;
        if is_bare {
            inner.evidence.clear();
        }
        let step = Step {
            who: Node::Thread {
                pid: process.pid,
                tid: thread.tid,
            },
            through: through.clone(),
            strength,
        };
        inner.chain.insert(0, step);
        inner
    }

    /// The strongest edge that leaves the thing an edge leads to.
    fn hop(&self, edge: graph::Edge) -> Option<Strength> {
        let is_thing = self.graph.at(edge.to).actor().is_none();
        let hops = self.graph.from(edge.to).map(|hop| hop.strength);
        hops.max().filter(|_| is_thing)
    }

    fn since(&self, through: &Option<Node>) -> Option<Duration> {
        match through {
            Some(Node::Connection { id }) => self.scene.connections.get(id)?.since,
            Some(
                Node::Thread { .. }
                | Node::Process { .. }
                | Node::Lock { .. }
                | Node::Event { .. }
                | Node::Pipe { .. }
                | Node::File { .. }
                | Node::Outside { .. },
            )
            | None => None,
        }
    }

    /// What the end of a chain means to a thread that waits for it in this way; at most how sure that is.
    fn means(
        &self,
        process: &Process,
        thread: &Thread,
        inner: &Found,
        through: &Option<Node>,
    ) -> (End, Strength, Vec<&'static str>) {
        use Strength::{Certain, Strong, Weak};
        use VerdictKind as V;
        let end = inner.end;
        if process.database() == Database::Waiting && through.is_none() {
            return match end {
                End::Cause(kind) if kind < V::DbLock => (end, Certain, Vec::new()),
                End::Cause(_)
                | End::Busy
                | End::Circling
                | End::Asleep(_)
                | End::Working
                | End::Awaits
                | End::Unclear => (
                    End::Cause(V::DbLock),
                    Strong,
                    vec!["another transaction of the same database has the lock"],
                ),
            };
        }
        if process.database() == Database::InTransaction {
            return (end, Certain, Vec::new());
        }
        // What is found deeper is the cause, unless it is only another way to wait for others.
        if let End::Cause(kind) = end
            && kind <= V::LockConvoy
        {
            return (end, Certain, Vec::new());
        }
        match &thread.wait {
            Wait::Lock(lock) if self.holder_moves(inner) => match self.is_queue(process, lock) {
                true => (End::Cause(V::LockConvoy), Strong, Vec::new()),
                false => (
                    End::Cause(V::LockHeld),
                    Strong,
                    vec!["its holder gives it back and takes it again"],
                ),
            },
            Wait::Lock(_) => match end {
                End::Busy | End::Circling => (End::Cause(V::CpuSpin), Strong, Vec::new()),
                End::Awaits if self.takes_turns(thread, inner) => (End::Awaits, Strong, Vec::new()),
                End::Awaits => (
                    End::Cause(V::LockHeld),
                    Strong,
                    vec!["its holder waits for work on behalf of all who want the lock"],
                ),
                End::Cause(_) | End::Asleep(_) | End::Working | End::Unclear => {
                    (End::Cause(V::LockHeld), Certain, Vec::new())
                }
            },
            Wait::Join { .. } => match end {
                End::Asleep(length) if is_long(length) || self.scene.question == Question::Stop => {
                    (End::Cause(V::ThreadJoin), Strong, Vec::new())
                }
                End::Cause(_)
                | End::Busy
                | End::Circling
                | End::Asleep(_)
                | End::Working
                | End::Awaits
                | End::Unclear => (end, Certain, Vec::new()),
            },
            Wait::Child { .. } => match end {
                End::Awaits if self.serves(inner) => (End::Awaits, Certain, Vec::new()),
                End::Asleep(length) if length.is_some_and(|length| length < LONG_SLEEP) => {
                    (End::Awaits, Strong, Vec::new())
                }
                End::Cause(_) => (end, Certain, Vec::new()),
                End::Working | End::Busy => (End::Awaits, Strong, Vec::new()),
                End::Circling => (End::Cause(V::ChildWait), Strong, Vec::new()),
                End::Asleep(_) | End::Awaits | End::Unclear => (
                    End::Cause(V::ChildWait),
                    Strong,
                    vec!["the child does what it is there for"],
                ),
            },
            Wait::FileLock { .. } => match end {
                End::Awaits if self.takes_turns(thread, inner) => (End::Awaits, Strong, Vec::new()),
                End::Cause(_)
                | End::Busy
                | End::Circling
                | End::Asleep(_)
                | End::Working
                | End::Awaits
                | End::Unclear => (End::Cause(V::FileLock), Certain, Vec::new()),
            },
            Wait::Pipe {
                doing: Doing::Send, ..
            } => (End::Cause(V::PipeFull), Certain, Vec::new()),
            Wait::Pipe { pipe, .. } => self.reading(process, *pipe, inner),
            Wait::Socket { .. } => self.asking(through, inner),
            Wait::Any { sources, .. } => match through {
                Some(Node::Pipe { .. }) => match self.is_full(through) {
                    true => (End::Cause(V::PipeFull), Strong, Vec::new()),
                    false => (End::Awaits, Strong, Vec::new()),
                },
                _ if sources.len() > 1 => {
                    let (end, limit, others) = self.asking(through, inner);
                    (end, limit.min(Strong), others)
                }
                _ => self.asking(through, inner),
            },
            Wait::Event(_) => (end, Weak, Vec::new()),
            Wait::Nothing
            | Wait::Stopped
            | Wait::Sleep { .. }
            | Wait::Disk { .. }
            | Wait::Signal
            | Wait::Device { .. }
            | Wait::Other { .. } => (end, Certain, Vec::new()),
        }
    }

    /// Whether who has a lock ran between the snapshots: it may have given the lock back and taken it again.
    fn holder_moves(&self, inner: &Found) -> bool {
        let holder = inner.chain.first().and_then(|step| step.who.actor());
        let thread = holder.and_then(|(pid, tid)| self.scene.thread(pid, tid?));
        thread.is_some_and(|thread| thread.pace == Pace::Moving)
    }

    /// Whether many wait for a lock, and some of them were let through meanwhile.
    fn is_queue(&self, process: &Process, lock: &Lock) -> bool {
        let waits = |thread: &&Thread| matches!(&thread.wait, Wait::Lock(other) if other.address == lock.address);
        let waiting: Vec<&Thread> = process.threads.iter().filter(waits).collect();
        waiting.len() >= QUEUE && waiting.iter().any(|thread| thread.pace != Pace::Still)
    }

    /// Workers that wait for work one after the other: who has the lock waits for work where the next would do the same.
    fn takes_turns(&self, thread: &Thread, inner: &Found) -> bool {
        let Some(Node::Thread { pid, tid }) = inner.chain.last().map(|step| &step.who) else {
            return false;
        };
        let holder = self.scene.thread(*pid, *tid).and_then(Thread::function);
        holder.is_some() && holder == thread.function()
    }

    /// What somebody who owes an answer does instead.
    fn asking(&self, through: &Option<Node>, inner: &Found) -> (End, Strength, Vec<&'static str>) {
        use VerdictKind as V;
        let connection = match through {
            Some(Node::Connection { id }) => self.scene.connections.get(id),
            Some(_) | None => None,
        };
        let is_queued = connection.and_then(|one| one.waits_at);
        if let Some(listener) = is_queued
            && self.is_overrun(listener)
        {
            return (End::Cause(V::BacklogFull), Strength::Certain, Vec::new());
        }
        let is_known =
            connection.is_some_and(|one| one.turn != Turn::Unknown || one.waits_at.is_some());
        match inner.end {
            End::Awaits if !is_known => (End::Awaits, Strength::Weak, Vec::new()),
            End::Awaits => (
                End::Cause(V::NetWait),
                Strength::Weak,
                vec![
                    "the peer keeps the answer back on purpose (a long poll, a queue without work)",
                    "the peer has lost the question",
                ],
            ),
            End::Unclear => (End::Cause(V::NetWait), Strength::Strong, Vec::new()),
            End::Cause(_) | End::Busy | End::Circling | End::Asleep(_) | End::Working => {
                (End::Cause(V::DownstreamSlow), Strength::Certain, Vec::new())
            }
        }
    }

    /// What an empty pipe means, given what its writer does.
    fn reading(
        &self,
        process: &Process,
        id: u64,
        inner: &Found,
    ) -> (End, Strength, Vec<&'static str>) {
        use VerdictKind as V;
        let Some(pipe) = self.scene.pipes.get(&id) else {
            return (End::Awaits, Strength::Weak, Vec::new());
        };
        let strays = pipe
            .writers
            .iter()
            .all(|end| self.is_stray(end.pid, process));
        match (strays, pipe.is_complete) {
            (true, true) => (
                End::Cause(V::PipeHeldOpen),
                Strength::Strong,
                vec!["the one who keeps it open means to write later"],
            ),
            (true, false) | (false, _) => match inner.end {
                End::Cause(_) => (inner.end, Strength::Certain, Vec::new()),
                End::Busy
                | End::Circling
                | End::Asleep(_)
                | End::Working
                | End::Awaits
                | End::Unclear => (End::Awaits, Strength::Strong, Vec::new()),
            },
        }
    }

    /// Whether a process has left the family of another: it is not below it, nor has the same parent.
    fn is_stray(&self, pid: u32, reader: &Process) -> bool {
        if pid == reader.pid {
            return false;
        }
        let mut at = pid;
        for _ in 0..64 {
            let Some(process) = self.scene.processes.get(&at) else {
                return self.scene.processes.contains_key(&pid) && at <= 1;
            };
            if process.parent == reader.pid
                || (process.parent == reader.parent && process.parent > 1)
            {
                return false;
            }
            at = process.parent;
        }
        false
    }

    fn is_full(&self, through: &Option<Node>) -> bool {
        let Some(Node::Pipe { id }) = through else {
            return false;
        };
        let pipe = self.scene.pipes.get(id);
        let level = pipe.and_then(|pipe| pipe.filled.zip(pipe.room));
        // A writer that polls is told of room only when a whole page is free.
        level.is_some_and(|(filled, room)| filled + 4096 > room)
    }

    fn is_overrun(&self, listener: u64) -> bool {
        let all = self.scene.processes.values();
        let mut listeners = all.flat_map(|process| &process.listeners);
        listeners.any(|one| one.id == listener && one.waiting > one.room)
    }

    /// Whether the process at the end of a chain takes connections, or waits for any of several things.
    fn serves(&self, inner: &Found) -> bool {
        let Some(Node::Thread { pid, tid }) = inner.chain.last().map(|step| &step.who) else {
            return false;
        };
        let process = self.scene.processes.get(pid);
        let listens = process.is_some_and(|process| !process.listeners.is_empty());
        let loops = self
            .scene
            .thread(*pid, *tid)
            .is_some_and(|thread| match &thread.wait {
                Wait::Any { .. } | Wait::Socket { .. } | Wait::Event(_) | Wait::Device { .. } => {
                    true
                }
                Wait::Nothing
                | Wait::Stopped
                | Wait::Lock(_)
                | Wait::Join { .. }
                | Wait::Pipe { .. }
                | Wait::Sleep { .. }
                | Wait::Child { .. }
                | Wait::FileLock { .. }
                | Wait::Disk { .. }
                | Wait::Signal
                | Wait::Other { .. } => false,
            });
        listens || loops
    }

    fn at_process(&mut self, place: usize, pid: u32) -> Found {
        if let Some(known) = self.known.get(&place) {
            return known.clone();
        }
        let before = std::mem::take(&mut self.is_turned_back);
        let found = self.through_process(place, pid);
        if !self.is_turned_back {
            self.known.insert(place, found.clone());
        }
        self.is_turned_back |= before;
        found
    }

    fn through_process(&mut self, place: usize, pid: u32) -> Found {
        let who = Node::Process { pid };
        let edges: Vec<graph::Edge> = self.graph.from(place).copied().collect();
        let mut ways: Vec<(Found, Strength)> = Vec::new();
        for edge in edges {
            let found = self.node(edge.to);
            ways.push((found, edge.strength));
        }
        let tells = |found: &Found| found.end != End::Awaits && found.end != End::Working;
        // Of several threads only one has something to tell: it is more than a guess.
        let guess = match ways.iter().filter(|(found, _)| tells(found)).count() {
            1 => Strength::Strong,
            _ => Strength::Weak,
        };
        let best = ways.into_iter().min_by_key(|(found, _)| found.end.order());
        let Some((mut best, sure)) = best else {
            return Found::end(who, End::Unclear, Strength::Weak);
        };
        best.strength = best.strength.min(sure.max(guess));
        best
    }

    fn at_thing(&mut self, place: usize) -> Found {
        let who = self.graph.at(place).clone();
        let edges: Vec<graph::Edge> = self.graph.from(place).copied().collect();
        let ways = edges.iter().map(|edge| {
            let mut found = self.node(edge.to);
            found.strength = found.strength.min(edge.strength);
            found
        });
        let best = ways.min_by_key(|found| found.end.order());
        best.unwrap_or_else(|| {
            let mut nobody = Found::end(who, End::Unclear, Strength::Weak);
            nobody.chain.clear();
            nobody
        })
    }

    /// A thread that waits for nobody in particular.
    fn alone(&self, process: &Process, thread: &Thread, who: Node) -> Found {
        use VerdictKind as V;
        let (end, strength) = match &thread.wait {
            Wait::Nothing => (running(thread.pace), Strength::Certain),
            Wait::Stopped => (End::Cause(V::Stopped), Strength::Certain),
            Wait::Lock(lock) => match &lock.holder {
                Holder::Changing { last } => return self.queue(process, thread, *last, who),
                Holder::Recorded { .. }
                | Holder::Gone { .. }
                | Holder::Inferred { .. }
                | Holder::Unrecorded => self.unnamed(process, thread),
            },
            Wait::Event(event) => self.event(process, thread, *event),
            Wait::Sleep { length } => (End::Asleep(*length), Strength::Certain),
            Wait::Disk { .. } if thread.pace == Pace::Still => {
                (End::Cause(V::DiskWait), Strength::Strong)
            }
            Wait::Disk { .. } => (End::Working, Strength::Strong),
            Wait::FileLock { .. } => (End::Cause(V::FileLock), Strength::Weak),
            Wait::Pipe {
                doing: Doing::Send, ..
            } => (End::Cause(V::PipeFull), Strength::Weak),
            Wait::Child { .. } | Wait::Other { .. } if thread.pace == Pace::Still => {
                (End::Unclear, Strength::Weak)
            }
            Wait::Child { .. } | Wait::Other { .. } => (End::Working, Strength::Strong),
            Wait::Any { sources, .. } if sources.contains(&Source::Other) => {
                (End::Awaits, Strength::Strong)
            }
            Wait::Any { .. }
            | Wait::Socket { .. }
            | Wait::Pipe { .. }
            | Wait::Signal
            | Wait::Device { .. } => (End::Awaits, Strength::Certain),
            Wait::Join { .. } => (End::Unclear, Strength::Weak),
        };
        Found::end(who, end, strength).with(thread.evidence.iter().cloned())
    }

    /// A lock that names nobody: if only this thread is left, or nobody that lives, it will not come back.
    fn unnamed(&self, process: &Process, thread: &Thread) -> (End, Strength) {
        if thread.pace != Pace::Still {
            return (End::Working, Strength::Strong);
        }
        if process.threads.len() == 1 && process.is_open {
            return (End::Cause(VerdictKind::SelfDeadlock), Strength::Strong);
        }
        let is_dead = self
            .dead
            .get(&process.pid)
            .is_some_and(|dead| dead.contains(&thread.tid));
        match is_dead {
            true => (End::Cause(VerdictKind::Deadlock), Strength::Weak),
            false => (End::Cause(VerdictKind::LockHeld), Strength::Weak),
        }
    }

    /// A lock that changes hands: a queue at it, or nothing to speak of.
    fn queue(&self, process: &Process, thread: &Thread, last: Option<u32>, who: Node) -> Found {
        let Wait::Lock(lock) = &thread.wait else {
            return Found::end(who, End::Working, Strength::Weak);
        };
        let node = Node::Lock {
            pid: process.pid,
            address: lock.address,
        };
        let waiting = self
            .graph
            .place(&node)
            .map_or(0, |place| self.graph.waiting(place));
        if waiting < QUEUE {
            return Found::end(who, End::Working, Strength::Strong);
        }
        let end = End::Cause(VerdictKind::LockConvoy);
        let holder = last.map_or_else(
            || who.clone(),
            |tid| Node::Thread {
                pid: process.pid,
                tid,
            },
        );
        let mut found = Found::end(holder.clone(), end, Strength::Strong);
        if holder != who {
            let step = Step {
                who,
                through: Some(node),
                strength: Strength::Strong,
            };
            found.chain.insert(0, step);
        }
        found.with([Evidence {
            source: format!("memory of {}", process.pid),
            text: format!(
                "{waiting} threads wait for the lock at {:#x}, whose owner changed meanwhile",
                lock.address
            ),
            strength: Strength::Strong,
        }])
    }

    fn event(&self, process: &Process, thread: &Thread, event: Event) -> (End, Strength) {
        let dead = self.dead.get(&process.pid);
        let is_dead =
            dead.is_some_and(|dead| dead.contains(&thread.tid)) && thread.pace == Pace::Still;
        match (is_dead, dead::handles_signals(process), event) {
            (true, false, _) => (End::Cause(VerdictKind::WaitForEvent), Strength::Strong),
            (true, true, _) => (End::Awaits, Strength::Weak),
            (false, _, _) => (End::Awaits, Strength::Strong),
        }
    }
}

fn running(pace: Pace) -> End {
    match pace {
        Pace::Busy => End::Busy,
        Pace::Circling => End::Circling,
        Pace::Still | Pace::Moving => End::Working,
    }
}

fn is_long(length: Option<Duration>) -> bool {
    length.is_some_and(|length| length >= LONG_SLEEP)
}
