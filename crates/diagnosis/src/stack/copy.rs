//! A copy of the used part of one thread's stack.
//!
//! Taken in few large reads, because each costs a system call, and no further than a walk asks for. Words outside it
//! (a signal's own stack, a coroutine's) are read one by one.

use crate::Memory;

/// The most that is copied of one stack.
pub(crate) const MAX_COPY: u64 = 256 << 10;
/// How much is read at once.
const STEP: u64 = 16 << 10;

/// The stack from `start` up, as far as it was needed.
pub(crate) struct StackCopy<'a> {
    memory: &'a dyn Memory,
    start: u64,
    /// The end of what may be copied.
    end: u64,
    bytes: Vec<u8>,
}

impl<'a> StackCopy<'a> {
    /// From `start` (a stack pointer) to the end of what is mapped there.
    pub(crate) fn new(memory: &'a dyn Memory, start: u64, mapping_end: u64) -> Self {
        Self {
            memory,
            start,
            end: mapping_end.min(start.saturating_add(MAX_COPY)),
            bytes: Vec::new(),
        }
    }

    /// The end of what a search may look at.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// The word at `address`, on this stack or anywhere else.
    pub(crate) fn word(&mut self, address: u64) -> Option<u64> {
        match self.place(address) {
            Some(place) => Some(u64::from_ne_bytes(*self.bytes.get(place..)?.first_chunk()?)),
            None => self.memory.u64(address).ok(),
        }
    }

    fn place(&mut self, address: u64) -> Option<usize> {
        let place = address.checked_sub(self.start)?;
        let after = place
            .checked_add(8)
            .filter(|after| *after <= self.end - self.start)?;
        while (self.bytes.len() as u64) < after {
            self.extend()?;
        }
        usize::try_from(place).ok()
    }

    fn extend(&mut self) -> Option<()> {
        let from = self.start + self.bytes.len() as u64;
        // Steps end at round addresses, so that an unreadable page costs only what lies behind it.
        let upto = self.end.min((from / STEP + 1) * STEP);
        let have = self.bytes.len();
        self.bytes
            .resize(have + usize::try_from(upto.checked_sub(from)?).ok()?, 0);
        if self.memory.read(from, &mut self.bytes[have..]).is_err() {
            self.bytes.truncate(have);
            self.end = from;
            return None;
        }
        Some(())
    }
}
