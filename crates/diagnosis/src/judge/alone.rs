//! What a thread does that waits for nobody in particular.

use super::chain::Follower;
use super::dead;
use super::finding::{End, Found, Step};
use crate::graph::Node;
use crate::scene::{Doing, Event, Holder, Pace, Process, Source, Thread, Wait};
use crate::verdict::{Evidence, Strength, VerdictKind};

/// So many at one lock are a queue.
pub(super) const QUEUE: usize = 3;

impl Follower<'_> {
    /// A thread that waits for nobody in particular.
    pub(super) fn alone(&self, process: &Process, thread: &Thread, who: Node) -> Found {
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
