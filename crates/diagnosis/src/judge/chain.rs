//! Follows waits from a thread to whatever is at their end.
//!
//! What the end of a chain means to who waits for it is decided in `meaning`, what a thread does that waits for nobody
//! in particular in `alone`. Nothing is followed without a limit: the graph is as large as a hostile target wants it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use super::circle::Circles;
use super::dead;
use super::finding::{End, Found, Step};
use super::whole;
use crate::graph::{self, Graph, Node};
use crate::scene::{Holder, Lock, Process, Scene, Thread, Wait};
use crate::verdict::{Strength, VerdictKind};

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
    pub(super) dead: BTreeMap<u32, BTreeSet<u32>>,
    /// Threads that locks name and that have ended.
    gone: BTreeSet<(u32, u32)>,
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
            gone: gone(scene),
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
            // Not seen need not be gone: it may have been born just now, or left out.
            return match self.gone.contains(&(pid, tid)) {
                true => Found::end(
                    who,
                    End::Cause(VerdictKind::OrphanedLock),
                    Strength::Certain,
                ),
                false => Found::end(who, End::Unclear, Strength::Weak),
            };
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
}

fn gone(scene: &Scene) -> BTreeSet<(u32, u32)> {
    let threads = scene.processes.values();
    let threads =
        threads.flat_map(|process| process.threads.iter().map(|thread| (process.pid, thread)));
    let gone = threads.filter_map(|(pid, thread)| match &thread.wait {
        Wait::Lock(Lock {
            holder: Holder::Gone { tid },
            ..
        }) => Some((pid, *tid)),
        Wait::Lock(_)
        | Wait::Nothing
        | Wait::Stopped
        | Wait::Event(_)
        | Wait::Join { .. }
        | Wait::Socket { .. }
        | Wait::Pipe { .. }
        | Wait::Any { .. }
        | Wait::Sleep { .. }
        | Wait::Child { .. }
        | Wait::FileLock { .. }
        | Wait::Disk { .. }
        | Wait::Signal
        | Wait::Device { .. }
        | Wait::Other { .. } => None,
    });
    gone.collect()
}
