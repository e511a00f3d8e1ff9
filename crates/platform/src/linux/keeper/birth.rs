//! What an engine is born with: the keeper's descriptors, and word of the one before it.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::path::PathBuf;

use aplomb_core::{End, Instant};

use super::errand::Errand;
use super::estate::{END_BYTES, Estate, Place, all_open};
use crate::linux::processes::end_of;
use crate::linux::sys::keeping;

/// An engine's side of its keeper.
#[derive(Debug)]
pub struct Birth {
    keeper: u32,
    estate: Estate,
    predecessor: Option<Predecessor>,
    failed: Option<String>,
    /// The keeper's alone.
    spared: Option<RawFd>,
}

/// The engine before this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Predecessor {
    pub pid: u32,
    pub why: Why,
}

/// Why there is another one now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    Died(End),
    /// It made room for another program.
    Upgrade,
}

/// The end of an orphan, as the keeper saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OrphanEnd {
    pub(crate) pid: u32,
    pub(crate) end: End,
    pub(crate) at: Instant,
}

impl Birth {
    pub(super) fn new(
        estate: Estate,
        predecessor: Option<Predecessor>,
        failed: Option<String>,
        spared: Option<RawFd>,
    ) -> Birth {
        let keeper = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get() as u32);
        Birth {
            keeper,
            estate,
            predecessor,
            failed,
            spared,
        }
    }

    /// The keeper's number.
    pub fn keeper(&self) -> u32 {
        self.keeper
    }

    /// The engine before this one, whose descriptors are open in this process.
    pub fn predecessor(&self) -> Option<Predecessor> {
        self.predecessor
    }

    /// What came of an upgrade that did not succeed.
    pub fn failed_upgrade(&self) -> Option<&str> {
        self.failed.as_deref()
    }

    /// Memory that outlives us, for what would else be written to the state directory.
    pub fn record(&self) -> io::Result<ManuallyDrop<File>> {
        self.file(Place::Record)
    }

    /// Memory that outlives us, for the texts of definitions.
    pub fn texts(&self) -> io::Result<ManuallyDrop<File>> {
        self.file(Place::Texts)
    }

    /// Memory that outlives us, for what the pump has in hand.
    pub(crate) fn hold(&self) -> BorrowedFd<'static> {
        keeping::for_good(self.estate.get(Place::Hold))
    }

    /// Readable when an orphan has ended.
    pub(crate) fn ends(&self) -> BorrowedFd<'_> {
        self.estate.get(Place::EndsRead)
    }

    /// The next end, if there is one.
    pub(crate) fn next_end(&self) -> Option<OrphanEnd> {
        let mut record = [0; END_BYTES];
        let read = rustix::io::read(self.ends(), &mut record).ok()?;
        let (pid, rest) = record[..read].split_first_chunk::<4>()?;
        let (status, rest) = rest.split_first_chunk::<4>()?;
        let (at, _) = rest.split_first_chunk::<8>()?;
        Some(OrphanEnd {
            pid: u32::from_le_bytes(*pid),
            end: end_of(i32::from_le_bytes(*status)),
            at: Instant::from_nanos(u64::from_le_bytes(*at)),
        })
    }

    /// Closes what the engine before us had open, except these. To be called before anything else is opened.
    pub fn close_all_but(&self, kept: &BTreeSet<RawFd>) {
        let own = self.estate.numbers();
        for number in all_open() {
            let is_kept = kept.contains(&number) || own.contains(&number);
            if !is_kept && self.spared != Some(number) {
                keeping::close_abandoned(number);
            }
        }
    }

    /// We carry what was left to us: from now on our program is the one to go on with.
    ///
    /// Errors: the memory for it is gone.
    pub fn settled(&self) -> io::Result<()> {
        Errand::Settled.leave(&self.estate)
    }

    /// When we end in good order, this program is to go on.
    ///
    /// Errors: it is not a path.
    pub fn hand_over_to(&self, program: PathBuf) -> io::Result<()> {
        Errand::Upgrade(program).leave(&self.estate)
    }

    /// A file whose descriptor is everybody's: it must stay open, whatever becomes of the value.
    fn file(&self, place: Place) -> io::Result<ManuallyDrop<File>> {
        let number = self.estate.get(place).as_raw_fd();
        let taken = keeping::take_abandoned(number).ok_or(io::ErrorKind::NotFound)?;
        Ok(ManuallyDrop::new(taken.into()))
    }
}
