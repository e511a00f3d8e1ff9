//! Low numbers of descriptors, kept for what a child takes along.
//!
//! A child begins with a table of all our descriptors below the highest one it uses, and the kernel keeps for it a table
//! of that size even after its exec. So a few of the lowest numbers are ours from the start: open on the null device,
//! lent to one launch at a time, back on the null device after it. Who else opens descriptors, on whatever thread (logs,
//! clients, pipes of thousands of services), cannot push a child's up. A launch that needs more than these gets higher
//! ones, and a larger table.

use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::slice;

use crate::linux::sys;

/// With them a table stays within the 64 places the kernel gives to every process.
const COUNT: usize = 32;

/// The numbers, lowest first; each is open on the null device as long as it is not lent.
#[derive(Debug)]
pub(crate) struct LowDescriptors {
    null: OwnedFd,
    spare: Vec<OwnedFd>,
}

impl LowDescriptors {
    /// Takes the lowest numbers there are, so to be called before others take them; fewer where the limit on open files
    /// is as low as that.
    ///
    /// Errors: there is no null device, or no descriptor left for it.
    pub(crate) fn take() -> io::Result<LowDescriptors> {
        let null = super::open_null()?;
        let copies = std::iter::from_fn(|| sys::duplicate_from(null.as_raw_fd(), 3).ok());
        Ok(LowDescriptors {
            spare: copies.take(COUNT).collect(),
            null,
        })
    }

    /// The device that swallows everything and gives nothing.
    pub(super) fn null(&self) -> RawFd {
        self.null.as_raw_fd()
    }

    /// Above all of them.
    pub(super) fn end(&self) -> RawFd {
        self.spare.last().unwrap_or(&self.null).as_raw_fd() + 1
    }

    /// Lends them to a launch that can use descriptors as they are if they lie in `fit`.
    pub(super) fn lend(&self, fit: Range<RawFd>) -> Loan<'_> {
        Loan {
            null: self.null.as_fd(),
            spare: self.spare.iter(),
            fit,
            brought: Vec::new(),
            filled: Vec::new(),
            lifted: Vec::new(),
        }
    }
}

/// What one launch has borrowed. Copies in it are gone when it is dropped: a pipe must end with those who write to it.
#[derive(Debug)]
pub(super) struct Loan<'a> {
    null: BorrowedFd<'a>,
    spare: slice::Iter<'a, OwnedFd>,
    fit: Range<RawFd>,
    /// From where, and to where.
    brought: Vec<(RawFd, RawFd)>,
    filled: Vec<BorrowedFd<'a>>,
    /// Those for which none of the low numbers was left.
    lifted: Vec<OwnedFd>,
}

impl Loan<'_> {
    /// Where the child finds this descriptor: where it is, or at a copy.
    ///
    /// Errors: it is not open; no descriptors left.
    pub(super) fn bring(&mut self, from: RawFd) -> io::Result<RawFd> {
        if self.fit.contains(&from) {
            return Ok(from);
        }
        if let Some((_, to)) = self.brought.iter().find(|(before, _)| *before == from) {
            return Ok(*to);
        }
        let to = self.copy(from)?;
        self.brought.push((from, to));
        Ok(to)
    }

    fn copy(&mut self, from: RawFd) -> io::Result<RawFd> {
        let floor = self.fit.start;
        let Some(place) = self.spare.find(|place| place.as_raw_fd() >= floor) else {
            let copy = sys::duplicate_from(from, floor)?;
            let number = copy.as_raw_fd();
            self.lifted.push(copy);
            return Ok(number);
        };
        // All of them are open on the null device already.
        if from != self.null.as_raw_fd() {
            sys::replace(place.as_fd(), from)?;
            self.filled.push(place.as_fd());
        }
        Ok(place.as_raw_fd())
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        for place in &self.filled {
            // Both are open, which is all it needs.
            let back = sys::replace(*place, self.null.as_raw_fd());
            debug_assert!(back.is_ok(), "{back:?}");
        }
    }
}
