//! What the end of a chain means to a thread that waits for it.
//!
//! A holder that sleeps makes a held lock, a child that sleeps a wait for a child. What is found deeper replaces what was
//! found on the way, so that the cause is told and not its shadow.

use std::time::Duration;

use super::alone::QUEUE;
use super::chain::Follower;
use super::finding::{End, Found};
use crate::graph::Node;
use crate::scene::{Database, Doing, Lock, Pace, Process, Question, Thread, Turn, Wait};
use crate::verdict::{Strength, VerdictKind};

/// A sleep this long is no pause between two tries.
const LONG_SLEEP: Duration = Duration::from_secs(60);

impl Follower<'_> {
    /// What the end of a chain means to a thread that waits for it in this way; at most how sure that is.
    pub(super) fn means(
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
}

fn is_long(length: Option<Duration>) -> bool {
    length.is_some_and(|length| length >= LONG_SLEEP)
}
