//! Who waits for whom: threads and processes, and between them what they wait for.
//!
//! A wait is two edges: from a thread to a thing, from the thing to who has it. Each edge has the strength of the
//! evidence it rests on. Not here: what a thread at the end of its chain means (`judge`).

mod build;
mod cycle;

use std::collections::HashMap;

use crate::verdict::Strength;

pub use build::build;
pub use cycle::cycles;

/// A thread, a process, or a thing one can wait for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Node {
    /// One thread.
    Thread {
        /// Its process.
        pid: u32,
        /// Its number.
        tid: u32,
    },
    /// A process as a whole: which of its threads would have to go on is not known yet.
    Process {
        /// Its number.
        pid: u32,
    },
    /// A lock in the memory of a process.
    Lock {
        /// That process.
        pid: u32,
        /// Where.
        address: u64,
    },
    /// A condition variable, semaphore or the like in the memory of a process.
    Event {
        /// That process.
        pid: u32,
        /// Where.
        address: u64,
    },
    /// A connection, by one of its ends.
    Connection {
        /// The identity of the end that waits.
        id: u64,
    },
    /// A pipe.
    Pipe {
        /// Its identity.
        id: u64,
    },
    /// A lock on a file, by its place in the scene.
    File {
        /// That place.
        at: usize,
    },
    /// Somebody who cannot be looked at from here.
    Outside {
        /// Where.
        address: String,
    },
}

impl Node {
    /// The process and thread, for nodes that can act; a process stands for itself.
    pub fn actor(&self) -> Option<(u32, Option<u32>)> {
        match self {
            Node::Thread { pid, tid } => Some((*pid, Some(*tid))),
            Node::Process { pid } => Some((*pid, None)),
            Node::Lock { .. }
            | Node::Event { .. }
            | Node::Connection { .. }
            | Node::Pipe { .. }
            | Node::File { .. }
            | Node::Outside { .. } => None,
        }
    }
}

/// What an edge means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Relation {
    /// A thread waits for a thing.
    WaitsFor,
    /// A lock, or a lock on a file, is held by somebody.
    HeldBy,
    /// A connection or pipe has somebody at its other end whose turn it is.
    ServedBy,
    /// A thread waits for another to end.
    Joins,
    /// A thread waits for a child process.
    ChildOf,
    /// A process does its work in this thread.
    WorksIn,
}

/// An edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// Who waits.
    pub from: usize,
    /// For whom or what.
    pub to: usize,
    /// How.
    pub relation: Relation,
    /// How sure that is.
    pub strength: Strength,
}

/// The graph.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    nodes: Vec<Node>,
    places: HashMap<Node, usize>,
    edges: Vec<Edge>,
    /// By node, the edges that leave it.
    leaving: Vec<Vec<usize>>,
    /// By node, how many wait for it.
    waiting: Vec<usize>,
}

impl Graph {
    /// The place of a node, which is added if it is new.
    pub fn node(&mut self, node: Node) -> usize {
        if let Some(place) = self.places.get(&node) {
            return *place;
        }
        let place = self.nodes.len();
        self.nodes.push(node.clone());
        self.leaving.push(Vec::new());
        self.waiting.push(0);
        self.places.insert(node, place);
        place
    }

    /// Adds an edge; the stronger of two that say the same is kept.
    pub fn edge(&mut self, from: Node, to: Node, relation: Relation, strength: Strength) {
        let (from, to) = (self.node(from), self.node(to));
        for at in &self.leaving[from] {
            let edge = &mut self.edges[*at];
            if edge.to == to && edge.relation == relation {
                edge.strength = edge.strength.max(strength);
                return;
            }
        }
        self.waiting[to] += usize::from(relation == Relation::WaitsFor);
        self.leaving[from].push(self.edges.len());
        self.edges.push(Edge {
            from,
            to,
            relation,
            strength,
        });
    }

    /// The place of a node, if there is one.
    pub fn place(&self, node: &Node) -> Option<usize> {
        self.places.get(node).copied()
    }

    /// The node at a place.
    pub fn at(&self, place: usize) -> &Node {
        &self.nodes[place]
    }

    /// All nodes, by place.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// All edges.
    pub fn edges(&self) -> &[Edge] {
        &self.edges
    }

    /// The edges that leave a node.
    pub fn from(&self, place: usize) -> impl Iterator<Item = &Edge> {
        self.leaving[place].iter().map(|at| &self.edges[*at])
    }

    /// How many wait for a node.
    pub fn waiting(&self, place: usize) -> usize {
        self.waiting[place]
    }
}
