//! From a scene to its graph: every wait becomes edges, as strong as what is known of it.

use std::time::Duration;

use super::{Graph, Node, Relation};
use crate::scene::{
    Connection, Database, Doing, Holder, Lock, Pace, Pipe, Process, Role, Scene, SocketKind,
    Source, Thread, Turn, Wait,
};
use crate::verdict::Strength;

/// The graph of a scene. Waits nobody in particular can end (a sleep, a listening socket) have no edges.
pub fn build(scene: &Scene) -> Graph {
    let mut builder = Builder {
        scene,
        graph: Graph::default(),
    };
    for process in scene.processes.values() {
        for thread in &process.threads {
            builder.thread(process, thread);
        }
    }
    builder.works();
    builder.graph
}

struct Builder<'a> {
    scene: &'a Scene,
    graph: Graph,
}

impl Builder<'_> {
    fn thread(&mut self, process: &Process, thread: &Thread) {
        let pid = process.pid;
        let from = Node::Thread {
            pid,
            tid: thread.tid,
        };
        self.graph.node(from.clone());
        match process.database() {
            Database::Waiting => return self.database(from, process),
            Database::InTransaction => return self.client(from, process),
            Database::None => {}
        }
        match &thread.wait {
            Wait::Lock(lock) => self.lock(from, pid, lock),
            Wait::Event(event) => {
                let event = Node::Event {
                    pid,
                    address: event.address(),
                };
                self.graph
                    .edge(from, event, Relation::WaitsFor, Strength::Certain);
            }
            Wait::Join { tid } => {
                let joined = Node::Thread { pid, tid: *tid };
                self.graph
                    .edge(from, joined, Relation::Joins, Strength::Certain);
            }
            Wait::Socket { doing, socket, .. } => self.socket(from, thread.pace, *doing, *socket),
            Wait::Pipe { doing, pipe } => self.pipe(from, process, *doing, *pipe),
            Wait::Any { sources, .. } => self.any(&from, process, thread.pace, sources),
            Wait::Child { pid: child } => self.child(from, process, *child),
            Wait::FileLock { lock } => self.file(from, *lock),
            Wait::Nothing
            | Wait::Stopped
            | Wait::Sleep { .. }
            | Wait::Disk { .. }
            | Wait::Signal
            | Wait::Device { .. }
            | Wait::Other { .. } => {}
        }
    }

    /// A lock inside the database: whoever has a transaction open there and does nothing may have it.
    fn database(&mut self, from: Node, process: &Process) {
        let has_it = |other: &&Process| {
            other.parent == process.parent
                && other.database() == Database::InTransaction
                && other.database_name() == process.database_name()
        };
        let holders: Vec<u32> = self
            .scene
            .processes
            .values()
            .filter(has_it)
            .map(|other| other.pid)
            .collect();
        let strength = match holders.len() {
            1 => Strength::Strong,
            _ => Strength::Weak,
        };
        for pid in holders {
            self.graph.edge(
                from.clone(),
                Node::Process { pid },
                Relation::HeldBy,
                strength,
            );
        }
    }

    /// The client of a database's process that has a transaction open.
    fn client(&mut self, from: Node, process: &Process) {
        let all = process
            .connections
            .iter()
            .filter_map(|id| self.scene.connections.get(id));
        // Its one accepted connection; what else it has is the server's own.
        let client = all
            .into_iter()
            .find(|one| one.role == Role::Server && one.kind != SocketKind::Other);
        if let Some(client) = client {
            self.connection(from, client, Strength::Strong);
        }
    }

    fn lock(&mut self, from: Node, pid: u32, lock: &Lock) {
        let node = Node::Lock {
            pid,
            address: lock.address,
        };
        self.graph
            .edge(from, node.clone(), Relation::WaitsFor, Strength::Certain);
        let (holder, strength) = match &lock.holder {
            Holder::Recorded { pid, tid } => (
                Node::Thread {
                    pid: *pid,
                    tid: *tid,
                },
                Strength::Certain,
            ),
            Holder::Gone { tid } => (Node::Thread { pid, tid: *tid }, Strength::Certain),
            Holder::Inferred { tid, .. } => (Node::Thread { pid, tid: *tid }, Strength::Strong),
            Holder::Unrecorded | Holder::Changing { .. } => return,
        };
        self.graph.edge(node, holder, Relation::HeldBy, strength);
    }

    fn socket(&mut self, from: Node, pace: Pace, doing: Doing, id: u64) {
        let Some(connection) = self.scene.connections.get(&id) else {
            return;
        };
        if let (true, Some(strength)) = (is_late(connection, pace), owed(connection, doing)) {
            self.connection(from, connection, strength);
        }
    }

    fn connection(&mut self, from: Node, connection: &Connection, strength: Strength) {
        let node = Node::Connection { id: connection.id };
        self.graph
            .edge(from, node.clone(), Relation::WaitsFor, Strength::Certain);
        if connection.across.is_empty() {
            let address = match connection.remote.as_str() {
                "" => "an unnamed socket".to_owned(),
                remote => remote.to_owned(),
            };
            self.graph.edge(
                node,
                Node::Outside { address },
                Relation::ServedBy,
                strength,
            );
            return;
        }
        // Several processes may have the other end: a server forks, and its children inherit.
        let several = connection
            .across
            .iter()
            .any(|end| end.pid != connection.across[0].pid);
        let strength = match several {
            true => strength.min(Strength::Strong),
            false => strength,
        };
        for end in &connection.across {
            let process = Node::Process { pid: end.pid };
            self.graph
                .edge(node.clone(), process, Relation::ServedBy, strength);
        }
    }

    fn any(&mut self, from: &Node, process: &Process, pace: Pace, sources: &[Source]) {
        for source in sources {
            match source {
                Source::Socket { doing, socket } => {
                    let Some(connection) = self.scene.connections.get(socket) else {
                        continue;
                    };
                    // Of a server's own connections its clients have to speak first.
                    let is_theirs = matches!(connection.turn, Turn::Theirs | Turn::TheirsProven);
                    if connection.role == Role::Client && is_theirs && is_late(connection, pace) {
                        let strength = owed(connection, *doing).unwrap_or(Strength::Weak);
                        self.connection(from.clone(), connection, strength);
                    }
                }
                Source::Pipe {
                    doing: Doing::Send,
                    pipe,
                } => self.pipe(from.clone(), process, Doing::Send, *pipe),
                Source::Pipe { .. } | Source::Waker | Source::Other => {}
            }
        }
    }

    fn pipe(&mut self, from: Node, process: &Process, doing: Doing, id: u64) {
        let Some(pipe) = self.scene.pipes.get(&id) else {
            return;
        };
        let node = Node::Pipe { id };
        self.graph
            .edge(from, node.clone(), Relation::WaitsFor, Strength::Certain);
        for (pid, strength) in across(pipe, doing, process) {
            self.graph.edge(
                node.clone(),
                Node::Process { pid },
                Relation::ServedBy,
                strength,
            );
        }
    }

    fn child(&mut self, from: Node, process: &Process, child: Option<u32>) {
        let children = match &child {
            Some(pid) => std::slice::from_ref(pid),
            None => process.children.as_slice(),
        };
        // Of several any would do; that it waits for this one is then only possible.
        let strength = match children.len() {
            1 => Strength::Certain,
            _ => Strength::Weak,
        };
        for pid in children {
            self.graph.edge(
                from.clone(),
                Node::Process { pid: *pid },
                Relation::ChildOf,
                strength,
            );
        }
    }

    fn file(&mut self, from: Node, at: Option<usize>) {
        let Some((at, lock)) = at.and_then(|at| Some((at, self.scene.file_locks.get(at)?))) else {
            return;
        };
        let node = Node::File { at };
        self.graph
            .edge(from, node.clone(), Relation::WaitsFor, Strength::Certain);
        for holder in &lock.holders {
            let strength = match holder.is_recorded {
                true => Strength::Certain,
                false => Strength::Weak,
            };
            self.graph.edge(
                node.clone(),
                Node::Process { pid: holder.pid },
                Relation::HeldBy,
                strength,
            );
        }
    }

    /// Processes others wait for do their work in threads: certain if there is but one, or if one waits for the very
    /// thing that is waited for.
    fn works(&mut self) {
        let processes: Vec<(usize, u32)> = self
            .graph
            .nodes()
            .iter()
            .enumerate()
            .filter_map(|(place, node)| match node {
                Node::Process { pid } => Some((place, *pid)),
                Node::Thread { .. }
                | Node::Lock { .. }
                | Node::Event { .. }
                | Node::Connection { .. }
                | Node::Pipe { .. }
                | Node::File { .. }
                | Node::Outside { .. } => None,
            })
            .collect();
        for (place, pid) in processes {
            let Some(process) = self.scene.processes.get(&pid) else {
                continue;
            };
            let readers = self.readers(place, process);
            for thread in &process.threads {
                let strength = match process.threads.len() {
                    1 => Strength::Certain,
                    _ if readers.contains(&thread.tid) => Strength::Certain,
                    _ if readers.is_empty() => Strength::Weak,
                    _ => continue,
                };
                let tid = thread.tid;
                self.graph.edge(
                    Node::Process { pid },
                    Node::Thread { pid, tid },
                    Relation::WorksIn,
                    strength,
                );
            }
        }
    }

    /// The threads of a process that wait at the other end of what somebody waits for it with.
    fn readers(&self, place: usize, process: &Process) -> Vec<u32> {
        let arriving = self.graph.edges().iter().filter(|edge| edge.to == place);
        let mut ends = Vec::new();
        for edge in arriving {
            match self.graph.at(edge.from) {
                Node::Connection { id } => {
                    ends.extend(self.scene.connections.get(id).and_then(|one| one.peer));
                }
                Node::Pipe { id } => ends.push(*id),
                Node::Thread { .. }
                | Node::Process { .. }
                | Node::Lock { .. }
                | Node::Event { .. }
                | Node::File { .. }
                | Node::Outside { .. } => {}
            }
        }
        let threads = process.threads.iter();
        let reading = threads.filter(|thread| match &thread.wait {
            Wait::Socket { socket, .. } => ends.contains(socket),
            Wait::Pipe { pipe, .. } => ends.contains(pipe),
            Wait::Any { sources, .. } => sources.iter().any(|source| match source {
                Source::Socket { socket, .. } => ends.contains(socket),
                Source::Pipe { pipe, .. } => ends.contains(pipe),
                Source::Waker | Source::Other => false,
            }),
            Wait::Nothing
            | Wait::Stopped
            | Wait::Lock(_)
            | Wait::Event(_)
            | Wait::Join { .. }
            | Wait::Sleep { .. }
            | Wait::Child { .. }
            | Wait::FileLock { .. }
            | Wait::Disk { .. }
            | Wait::Signal
            | Wait::Device { .. }
            | Wait::Other { .. } => false,
        });
        reading.map(|thread| thread.tid).collect()
    }
}

/// Whether an answer has been owed for longer than answers take. Who does other things meanwhile can wait longer.
fn is_late(connection: &Connection, pace: Pace) -> bool {
    let patience = match pace {
        Pace::Still => Duration::from_millis(300),
        Pace::Moving | Pace::Busy | Pace::Circling => Duration::from_secs(1),
    };
    connection.since.is_none_or(|since| since >= patience)
}

/// How sure it is that the other side of a connection owes what is waited for; none if it does not.
fn owed(connection: &Connection, doing: Doing) -> Option<Strength> {
    if connection.kind == SocketKind::Other {
        return None;
    }
    match doing {
        Doing::Accept => None,
        // A connection not yet accepted, a queue that is full: the other side has to move.
        Doing::Connect | Doing::Send => Some(Strength::Certain),
        Doing::Receive if connection.waits_at.is_some() => Some(Strength::Certain),
        Doing::Receive => match (connection.turn, connection.role) {
            (Turn::TheirsProven, Role::Client | Role::Unknown) => Some(Strength::Certain),
            (Turn::Theirs, Role::Client | Role::Unknown) => Some(Strength::Strong),
            (Turn::Unknown, Role::Client) => Some(Strength::Weak),
            (Turn::Unknown, Role::Unknown) => Some(Strength::Weak),
            (Turn::Ours, Role::Client | Role::Unknown) => None,
            // An accepted connection waits for its client's next question, however long that takes.
            (Turn::TheirsProven | Turn::Theirs | Turn::Ours | Turn::Unknown, Role::Server) => None,
        },
    }
}

/// Who is at the other end of a pipe. The waiting process itself counts only if nobody else is there.
fn across(pipe: &Pipe, doing: Doing, process: &Process) -> Vec<(u32, Strength)> {
    let ends = match doing {
        Doing::Send => &pipe.readers,
        Doing::Receive | Doing::Accept | Doing::Connect => &pipe.writers,
    };
    let mut pids: Vec<u32> = ends.iter().map(|end| end.pid).collect();
    pids.sort_unstable();
    pids.dedup();
    if pids.len() > 1 {
        pids.retain(|pid| *pid != process.pid);
    }
    let strength = match (pids.len(), pipe.is_complete) {
        (1, true) => Strength::Certain,
        (1, false) => Strength::Strong,
        _ => Strength::Weak,
    };
    pids.into_iter().map(|pid| (pid, strength)).collect()
}
