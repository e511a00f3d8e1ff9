//! The descriptors a keeper holds for all engines to come, by number: both processes use one table.

use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use rustix::fs::MemfdFlags;
use rustix::pipe::{PipeFlags, pipe_with};

use crate::linux::poller;
use crate::linux::sys::{self, keeping};

/// Above the low numbers an engine keeps for its children.
const FLOOR: RawFd = 44;
/// One end of an orphan, as it travels through the pipe.
pub(crate) const END_BYTES: usize = 16;

/// Never closed: an engine that closed one would take it from the keeper too.
#[derive(Debug)]
pub(super) struct Estate {
    held: Vec<ManuallyDrop<OwnedFd>>,
}

/// What is held, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    EndsRead,
    EndsWrite,
    /// What is written down about services where no directory takes it.
    Record,
    /// Texts of definitions.
    Texts,
    /// What the pump has in hand.
    Hold,
    Errand,
}

/// Places; the lock of the state directory may follow, and is only held.
const COUNT: usize = 6;

impl Estate {
    pub(super) fn new(lock: Option<OwnedFd>) -> io::Result<Estate> {
        let flags = PipeFlags::CLOEXEC | PipeFlags::NONBLOCK;
        let (ends_read, ends_write) = pipe_with(flags)?;
        let mut given = vec![ends_read, ends_write];
        for name in [
            "aplomb-record",
            "aplomb-texts",
            "aplomb-hold",
            "aplomb-errand",
        ] {
            given.push(rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC)?);
        }
        if let Some(lock) = lock {
            given.push(lock);
        }
        let mut held = Vec::with_capacity(COUNT + 1);
        for fd in &given {
            held.push(ManuallyDrop::new(sys::duplicate_from(
                fd.as_raw_fd(),
                FLOOR,
            )?));
        }
        Ok(Estate { held })
    }

    /// Those of these numbers, held by this process before its exec.
    pub(super) fn taken_over(numbers: Vec<RawFd>) -> Option<Estate> {
        let held = numbers.into_iter().map(keeping::take_abandoned);
        let held: Option<Vec<_>> = held.map(|fd| fd.map(ManuallyDrop::new)).collect();
        held.filter(|held| held.len() >= COUNT)
            .map(|held| Estate { held })
    }

    pub(super) fn get(&self, place: Place) -> BorrowedFd<'_> {
        self.held[place as usize].as_fd()
    }

    pub(super) fn numbers(&self) -> Vec<RawFd> {
        self.held.iter().map(|fd| fd.as_raw_fd()).collect()
    }

    /// After an exec that left everything open: what is open now is closed at the next.
    pub(super) fn close_at_exec(&self) {
        for number in all_open() {
            let _closed_meanwhile = keeping::close_at_exec(number, true);
        }
    }

    /// Everything stays open over an exec.
    pub(super) fn survive_exec(&self) {
        for number in all_open() {
            let _closed_meanwhile = keeping::close_at_exec(number, false);
        }
    }

    /// Writes down how an orphan ended, and when. With nobody to read, thousands fit; of more, nothing is known.
    pub(super) fn write_end(&self, pid: u32, status: i32) {
        let mut record = [0; END_BYTES];
        record[..4].copy_from_slice(&pid.to_le_bytes());
        record[4..8].copy_from_slice(&status.to_le_bytes());
        record[8..].copy_from_slice(&poller::now().as_nanos().to_le_bytes());
        // Less than PIPE_BUF: all of it or nothing.
        let _full = rustix::io::write(self.get(Place::EndsWrite), &record);
    }
}

/// Every descriptor from 3 on. To be asked while nobody else uses the table.
pub(super) fn all_open() -> Vec<RawFd> {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else {
        return Vec::new();
    };
    let numbers = entries.flatten();
    let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.filter(|number| *number > 2).collect()
}
