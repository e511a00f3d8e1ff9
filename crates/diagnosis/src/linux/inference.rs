//! Who has a lock that does not say so: Rust's locks, readers of a read-write lock, locks within libraries.
//!
//! Who holds a lock keeps a guard with its address in a live frame, or, where the address is a constant, stands behind
//! code that used it. Both can be left-overs; what is found here is never certain, and of several candidates the one
//! that closes a circle is taken.

use super::walk::Walked;
use crate::memory::Memory;
use crate::scene::{Event, Holder, Thread, Wait};

/// As much of one frame as is looked at, in bytes.
const LARGEST_FRAME: u64 = 64 << 10;
/// As much code of one function before the place it stands at.
const LONGEST_CODE: u64 = 64 << 10;

/// Names holders for locks that name none.
pub(super) fn infer(threads: &mut [Thread], stacks: &[Vec<Walked>], memory: &dyn Memory) {
    let unnamed: Vec<(usize, u64)> = threads
        .iter()
        .enumerate()
        .filter_map(|(nth, thread)| Some((nth, unnamed(&thread.wait)?)))
        .collect();
    if unnamed.is_empty() {
        return;
    }
    let search = Search {
        threads: threads.to_vec(),
        stacks,
        memory,
    };
    for (nth, address) in unnamed {
        let found = search.holder(nth, address);
        if let (Wait::Lock(lock), Some(holder)) = (&mut threads[nth].wait, found) {
            lock.holder = holder;
        }
    }
}

/// Where a lock begins of which nothing is known.
fn unnamed(wait: &Wait) -> Option<u64> {
    match wait {
        Wait::Lock(lock) if lock.holder == Holder::Unrecorded => Some(lock.address),
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
    }
}

struct Search<'a> {
    threads: Vec<Thread>,
    stacks: &'a [Vec<Walked>],
    memory: &'a dyn Memory,
}

/// One who may have a lock.
struct Candidate {
    tid: u32,
    why: String,
}

impl Search<'_> {
    fn holder(&self, waiter: usize, address: u64) -> Option<Holder> {
        let mut candidates: Vec<Candidate> = Vec::new();
        for (nth, thread) in self.threads.iter().enumerate() {
            let waits_for_it = unnamed(&thread.wait) == Some(address);
            if nth == waiter || waits_for_it || self.gave_it_back(nth, thread, address) {
                continue;
            }
            let why = self.guard(nth, address).or_else(|| self.code(nth, address));
            candidates.extend(why.map(|why| Candidate {
                tid: thread.tid,
                why,
            }));
        }
        let waits_for_us = |candidate: &Candidate| self.waits_for(candidate.tid, waiter);
        if let Some(closing) = candidates.iter().position(waits_for_us) {
            return Some(inferred(candidates.swap_remove(closing)));
        }
        match candidates.len() {
            1 => candidates.pop().map(inferred),
            0 => self.itself(waiter, address),
            _ => None,
        }
    }

    /// Nobody else can have it: it waits for itself, if its own outer frames know the lock.
    fn itself(&self, waiter: usize, address: u64) -> Option<Holder> {
        let others_are_known = self
            .stacks
            .iter()
            .enumerate()
            .all(|(nth, frames)| nth == waiter || !frames.is_empty());
        let waiters = self
            .threads
            .iter()
            .filter(|thread| unnamed(&thread.wait) == Some(address));
        let is_alone = waiters.count() == 1;
        let tid = self.threads[waiter].tid;
        (others_are_known && is_alone && !self.stacks.get(waiter)?.is_empty()).then(|| {
            Holder::Inferred {
                tid,
                why: "no other thread has it on its stack".to_owned(),
            }
        })
    }

    /// A thread in a condition variable has given back the lock it came with.
    fn gave_it_back(&self, nth: usize, thread: &Thread, address: u64) -> bool {
        let in_condition = matches!(&thread.wait, Wait::Event(Event::Condition { .. }))
            || self.stacks.get(nth).is_some_and(|frames| {
                let mut functions = frames
                    .iter()
                    .filter_map(|frame| frame.shown.function.as_deref());
                functions.any(|name| name.contains("Condvar") && name.contains("wait"))
            });
        in_condition && self.guard(nth, address).is_some()
    }

    /// The first of a program's own live frames with the address in its memory or in a register it keeps.
    fn guard(&self, nth: usize, address: u64) -> Option<String> {
        let frames = self.stacks.get(nth)?;
        let own = frames.iter().filter(|frame| !frame.shown.is_system);
        own.into_iter().find_map(|frame| {
            let in_register = frame
                .raw
                .registers
                .iter()
                .any(|(_, value)| *value == address);
            let found = in_register || self.frame_holds(frame, address);
            found.then(|| format!("its address is kept by {}", name(frame)))
        })
    }

    fn frame_holds(&self, frame: &Walked, address: u64) -> bool {
        let Some(end) = frame.raw.cfa else {
            return false;
        };
        let length = end.saturating_sub(frame.raw.sp).min(LARGEST_FRAME);
        let mut bytes = vec![0; length as usize];
        if self.memory.read(frame.raw.sp, &mut bytes).is_err() {
            return false;
        }
        let mut words = bytes.chunks_exact(8);
        words.any(|word| word == address.to_ne_bytes())
    }

    /// The first own frame that stands behind code with the address in it.
    fn code(&self, nth: usize, address: u64) -> Option<String> {
        let frames = self.stacks.get(nth)?;
        let own = frames.iter().filter(|frame| !frame.shown.is_system);
        own.into_iter().find_map(|frame| {
            let length = frame.raw.offset.min(LONGEST_CODE);
            let start = frame.raw.pc.checked_sub(length)?;
            let mut code = vec![0; length as usize];
            self.memory.read(start, &mut code).ok()?;
            let found = frame.shown.function.is_some() && refers(&code, start, address);
            found.then(|| format!("{} has used it and not returned", name(frame)))
        })
    }

    /// Whether a thread waits, over any number of locks, for another.
    fn waits_for(&self, tid: u32, wanted: usize) -> bool {
        let wanted = self.threads[wanted].tid;
        let mut at = tid;
        for _ in 0..self.threads.len() {
            let Some((nth, thread)) = self
                .threads
                .iter()
                .enumerate()
                .find(|(_, thread)| thread.tid == at)
            else {
                return false;
            };
            let next = match &thread.wait {
                Wait::Lock(lock) => match &lock.holder {
                    Holder::Recorded { tid, .. } | Holder::Inferred { tid, .. } => Some(*tid),
                    // One step of guessing is enough to see a circle of two.
                    Holder::Unrecorded => return self.keeps(wanted, nth, lock.address),
                    Holder::Gone { .. } | Holder::Changing { .. } => None,
                },
                Wait::Join { tid } => Some(*tid),
                Wait::Nothing
                | Wait::Stopped
                | Wait::Event(_)
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
            };
            match next {
                Some(next) if next == wanted => return true,
                Some(next) => at = next,
                None => return false,
            }
        }
        false
    }

    /// Whether a thread may have the lock another waits for.
    fn keeps(&self, tid: u32, waiter: usize, address: u64) -> bool {
        let nth = self.threads.iter().position(|thread| thread.tid == tid);
        nth.is_some_and(|nth| {
            nth != waiter
                && (self.guard(nth, address).is_some() || self.code(nth, address).is_some())
        })
    }
}

fn inferred(candidate: Candidate) -> Holder {
    Holder::Inferred {
        tid: candidate.tid,
        why: candidate.why,
    }
}

fn name(frame: &Walked) -> String {
    frame.shown.function.as_deref().map_or_else(
        || format!("the code at {:#x}", frame.raw.pc),
        |name| format!("`{name}`"),
    )
}

/// Whether code refers to an address relative to itself, or by a constant of four bytes.
fn refers(code: &[u8], start: u64, address: u64) -> bool {
    // Behind the distance an instruction may have a constant of its own.
    const BEHIND: [u64; 3] = [0, 1, 4];
    code.windows(4).enumerate().any(|(at, bytes)| {
        let word = i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        let next = start.wrapping_add(at as u64 + 4);
        let relative = BEHIND.iter().any(|behind| {
            next.wrapping_add(*behind)
                .wrapping_add_signed(i64::from(word))
                == address
        });
        relative || (address <= i32::MAX as u64 && i64::from(word) == address as i64)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_refers_by_distance_and_by_constant() {
        // lea rdi, [rip + 0x20]
        let relative = [0x48, 0x8d, 0x3d, 0x20, 0, 0, 0];
        assert!(refers(&relative, 0x1000, 0x1027));
        assert!(!refers(&relative, 0x1000, 0x1030));
        // mov edi, 0x404040
        let constant = [0xbf, 0x40, 0x40, 0x40, 0];
        assert!(refers(&constant, 0x40_1000, 0x40_4040));
        // cmp byte ptr [rip + 0x10], 1
        let with_constant = [0x80, 0x3d, 0x10, 0, 0, 0, 1];
        assert!(refers(&with_constant, 0x1000, 0x1017));
    }
}
