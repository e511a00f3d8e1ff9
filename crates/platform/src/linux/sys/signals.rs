//! Signals to ourselves: blocked, and read from a descriptor together with who sent them.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use aplomb_core::Signal;
use linux_raw_sys::general as nr;

use super::call::{checked, syscall};

/// A set of signals, bit N-1 for signal N, as the kernel wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct SignalSet(pub(crate) u64);

/// A signal that came, and from whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arrived {
    pub(crate) signal: Signal,
    /// The sender, if it was a process that we can see.
    pub(crate) pid: Option<u32>,
    pub(crate) uid: Option<u32>,
}

/// What a process does with a signal it has no handler for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disposition {
    Default,
    Ignore,
}

impl SignalSet {
    pub(crate) fn of(signals: impl IntoIterator<Item = Signal>) -> SignalSet {
        let bits = signals.into_iter().map(SignalSet::bit);
        SignalSet(bits.fold(0, |all, bit| all | bit))
    }

    pub(crate) const ALL: SignalSet = SignalSet(u64::MAX);

    pub(crate) fn without(self, other: SignalSet) -> SignalSet {
        SignalSet(self.0 & !other.0)
    }

    fn bit(signal: Signal) -> u64 {
        1 << (signal.number() - 1)
    }
}

impl Disposition {
    /// The kernel's `struct sigaction`: handler, flags, restorer, mask.
    pub(super) fn words(self) -> [u64; 4] {
        let handler = match self {
            Disposition::Default => 0,
            Disposition::Ignore => 1,
        };
        [handler, 0, 0, 0]
    }
}

/// Replaces the set of signals blocked in this thread (those it starts inherit it); returns the former set.
pub(crate) fn block(set: SignalSet) -> io::Result<SignalSet> {
    let mut former = SignalSet::default();
    let args = [
        nr::SIG_SETMASK as usize,
        &raw const set.0 as usize,
        &raw mut former.0 as usize,
        size_of::<u64>(),
        0,
        0,
    ];
    // SAFETY: both sets are eight bytes, as the fourth argument says, and live over the call.
    let result = unsafe { syscall(nr::__NR_rt_sigprocmask, args) };
    checked(result).map(|_| former)
}

/// Whether this process ignores `signal`.
pub(crate) fn is_ignored(signal: Signal) -> io::Result<bool> {
    number_is_ignored(signal.number())
}

/// Lets every signal but this one do what it does by default, if it was ignored.
pub(crate) fn ignore_nothing_but(kept: Signal) -> io::Result<()> {
    // The two between 31 and 34 have no names; C libraries use them, and people's shells pass them on ignored.
    for number in (1..=64).filter(|number| *number != kept.number()) {
        if number_is_ignored(number)? {
            default_disposition(number)?;
        }
    }
    Ok(())
}

fn number_is_ignored(number: u8) -> io::Result<bool> {
    let mut action = [0_u64; 4];
    let args = [
        usize::from(number),
        0,
        action.as_mut_ptr() as usize,
        size_of::<u64>(),
        0,
        0,
    ];
    // SAFETY: the old action is written to four words, the size of the kernel's structure; the new one may be null.
    let result = unsafe { syscall(nr::__NR_rt_sigaction, args) };
    checked(result).map(|_| action[0] == Disposition::Ignore.words()[0])
}

fn default_disposition(number: u8) -> io::Result<()> {
    let action = Disposition::Default.words();
    let args = [
        usize::from(number),
        action.as_ptr() as usize,
        0,
        size_of::<u64>(),
        0,
        0,
    ];
    // SAFETY: the new action is four words, the size of the kernel's structure, and needs no restorer.
    let result = unsafe { syscall(nr::__NR_rt_sigaction, args) };
    checked(result).map(drop)
}

/// A descriptor from which blocked signals of `set` are read.
pub(crate) fn open(set: SignalSet) -> io::Result<OwnedFd> {
    let flags = nr::O_CLOEXEC | nr::O_NONBLOCK;
    let args = [
        usize::MAX,
        &raw const set.0 as usize,
        size_of::<u64>(),
        flags as usize,
        0,
        0,
    ];
    // SAFETY: the set is eight bytes, as said; -1 asks for a new descriptor.
    let result = unsafe { syscall(nr::__NR_signalfd4, args) };
    let fd = checked(result)?;
    // SAFETY: the kernel has just given it to us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Reads what has come, a few at a time; empty when there is nothing more.
pub(crate) fn drain(fd: impl AsFd) -> io::Result<Vec<Arrived>> {
    let mut records = [MaybeUninit::<Record>::uninit(); 8];
    let args = [
        fd.as_fd().as_raw_fd() as usize,
        records.as_mut_ptr() as usize,
        size_of_val(&records),
        0,
        0,
        0,
    ];
    // SAFETY: the kernel writes at most the size given.
    let result = unsafe { syscall(nr::__NR_read, args) };
    let count = match checked(result) {
        Ok(bytes) => bytes / size_of::<Record>(),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
        Err(error) => return Err(error),
    };
    let filled = records[..count].iter().map(|record| {
        // SAFETY: signalfd(2) writes whole records, and any bytes make one.
        unsafe { record.assume_init() }
    });
    Ok(filled.filter_map(Record::arrived).collect())
}

/// `struct signalfd_siginfo`, as far as we read it.
#[derive(Clone, Copy)]
#[repr(C)]
struct Record {
    number: u32,
    _errno: i32,
    code: i32,
    pid: u32,
    uid: u32,
    _rest: [u8; 108],
}

const _: () = assert!(size_of::<Record>() == 128);

impl Record {
    fn arrived(self) -> Option<Arrived> {
        // Above zero: sent by the kernel (a key of the terminal, a child's end), which is nobody.
        let by_a_process = self.code <= 0;
        let signal = Signal::from_number(u8::try_from(self.number).ok()?)?;
        Some(Arrived {
            signal,
            pid: (by_a_process && self.pid != 0).then_some(self.pid),
            uid: by_a_process.then_some(self.uid),
        })
    }
}
