//! The system calls rustix does not wrap, and the one place of the Linux half where `unsafe` is written.
//!
//! [`script`] is what a child does between its birth and its program's: a list of system calls, prepared by the parent.
//! [`call`] issues them. Everything else here is a safe function around one call. Constants come from `linux-raw-sys`,
//! which rustix brings along; the C library is never asked, because its wrappers write `errno` into memory that a child
//! born with `CLONE_VM` shares with us.

mod birth;
mod call;
pub(crate) mod calls;
pub(crate) mod heap;
pub(crate) mod keeping;
mod pidfd;
mod receive;
pub(crate) mod script;
pub(crate) mod signals;

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use aplomb_core::Signal;
use linux_raw_sys::general as nr;

pub(crate) use birth::Nursery;
pub(crate) use pidfd::{end_of, group_of};
pub(crate) use receive::{Received, pass_pidfd, receive};

use call::{checked, syscall};

/// Sends a signal to the process that has this number now; pid 0 and negative numbers (groups) are refused.
pub(crate) fn kill(pid: u32, signal: Signal) -> io::Result<()> {
    let pid = i32::try_from(pid)
        .ok()
        .filter(|pid| *pid > 0)
        .ok_or(io::ErrorKind::InvalidInput)?;
    // SAFETY: kill takes two numbers and no memory.
    let result = unsafe {
        syscall(
            nr::__NR_kill,
            [pid as usize, usize::from(signal.number()), 0, 0, 0, 0],
        )
    };
    checked(result).map(drop)
}

/// Sends a signal to the process behind a pidfd, whoever has its number by now.
pub(crate) fn kill_pidfd(pidfd: BorrowedFd<'_>, signal: Signal) -> io::Result<()> {
    let args = [
        pidfd.as_raw_fd() as usize,
        usize::from(signal.number()),
        0,
        0,
        0,
        0,
    ];
    // SAFETY: the third argument, a pointer to siginfo, may be null; the others are numbers.
    let result = unsafe { syscall(nr::__NR_pidfd_send_signal, args) };
    checked(result).map(drop)
}

/// A copy of a descriptor, which may be a standard one nobody owns, at `floor` or above; closed at an exec.
pub(crate) fn duplicate_from(from: RawFd, floor: RawFd) -> io::Result<OwnedFd> {
    let args = [
        from as usize,
        nr::F_DUPFD_CLOEXEC as usize,
        floor as usize,
        0,
        0,
        0,
    ];
    // SAFETY: fcntl takes numbers only for this command; a number that is not open is refused.
    let result = unsafe { syscall(nr::__NR_fcntl, args) };
    let fd = checked(result)?;
    // SAFETY: the kernel has just given it to us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// The number of `place` becomes a copy of `from`, which may be a standard one nobody owns; closed at an exec.
pub(crate) fn replace(place: BorrowedFd<'_>, from: RawFd) -> io::Result<()> {
    let args = [
        from as usize,
        place.as_raw_fd() as usize,
        nr::O_CLOEXEC as usize,
        0,
        0,
        0,
    ];
    // SAFETY: dup3 takes numbers only, and the number it replaces stays open.
    let result = unsafe { syscall(nr::__NR_dup3, args) };
    checked(result).map(drop)
}
