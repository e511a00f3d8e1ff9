//! The processes we answer for, by our own number and by the system's.
//!
//! A child's number is not given to anyone else before we have reaped it, and only we reap: so no descriptor per child
//! is needed to signal it safely. Those we adopted may be somebody else's children; for them a pidfd stands in.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use aplomb_core::{End, ExitCode, Instant, Signal};
use rustix::process::{WaitId, WaitIdOptions, waitid};

use super::{proc, sys};
use crate::{ProcessId, Sent, TreeId};

#[derive(Debug, Default)]
pub(crate) struct Processes {
    living: BTreeMap<u64, Process>,
    by_pid: HashMap<u32, u64>,
    last: u64,
}

#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) tree: TreeId,
    /// Of one that may not be our child.
    pub(crate) pidfd: Option<OwnedFd>,
    /// Of one an earlier engine begot: a moment at which it had this number.
    pub(crate) found_at: Option<Instant>,
}

impl Processes {
    pub(crate) fn add(&mut self, process: Process) -> ProcessId {
        self.last += 1;
        self.by_pid.insert(process.pid, self.last);
        self.living.insert(self.last, process);
        ProcessId(self.last)
    }

    /// The name the next process will get.
    pub(crate) fn next(&self) -> ProcessId {
        ProcessId(self.last + 1)
    }

    pub(crate) fn get(&self, id: ProcessId) -> Option<&Process> {
        self.living.get(&id.0)
    }

    /// Whether this number is a child's of ours that nobody has laid to rest, and so nobody else's.
    pub(crate) fn is_child(&self, pid: u32) -> bool {
        let process = self.by_pid(pid).and_then(|id| self.get(id));
        process.is_some_and(|process| process.pidfd.is_none())
    }

    pub(crate) fn by_pid(&self, pid: u32) -> Option<ProcessId> {
        self.by_pid.get(&pid).copied().map(ProcessId)
    }

    pub(crate) fn remove(&mut self, id: ProcessId) -> Option<Process> {
        let process = self.living.remove(&id.0)?;
        self.by_pid.remove(&process.pid);
        Some(process)
    }

    /// A signal to one of ours; nobody is reached if it is gone.
    pub(crate) fn signal(&self, id: ProcessId, signal: Signal) -> io::Result<Sent> {
        let Some(process) = self.get(id) else {
            return Ok(Sent { reached: 0 });
        };
        let sent = match &process.pidfd {
            Some(pidfd) => sys::kill_pidfd(pidfd.as_fd(), signal),
            None => sys::kill(process.pid, signal),
        };
        reached(sent)
    }
}

/// One reached, or none because it is gone.
pub(crate) fn reached(sent: io::Result<()>) -> io::Result<Sent> {
    const ESRCH: i32 = linux_raw_sys::errno::ESRCH as i32;
    match sent {
        Ok(()) => Ok(Sent { reached: 1 }),
        Err(error) if error.raw_os_error() == Some(ESRCH) => Ok(Sent { reached: 0 }),
        Err(error) => Err(error),
    }
}

/// How it ended, from a status as wait(2) gives it.
pub(crate) fn end_of(status: i32) -> End {
    const CORE_DUMPED: i32 = 0x80;
    match status & 0x7f {
        0 => End::Code(ExitCode((status >> 8 & 0xff) as u32)),
        number => {
            let signal = u8::try_from(number).ok().and_then(Signal::from_number);
            signal.map_or(End::Unknown, |signal| End::Signal {
                signal,
                core_dumped: status & CORE_DUMPED != 0,
            })
        }
    }
}

/// How a process ended whose pidfd has told that it did. Our children are asked about by wait(2), which also lays them to
/// rest; of others the kernel remembers how they ended, or, as long as their parents have not asked, proc(5) knows.
pub(crate) fn end_of_adopted(pid: u32, pidfd: BorrowedFd<'_>) -> End {
    let child = waitid(
        WaitId::PidFd(pidfd),
        WaitIdOptions::EXITED | WaitIdOptions::NOHANG,
    );
    if let Ok(Some(status)) = child {
        if let Some(code) = status.exit_status() {
            return End::Code(ExitCode(code as u32));
        }
        let signal = status.terminating_signal().unwrap_or(0);
        let signal = u8::try_from(signal).ok().and_then(Signal::from_number);
        return signal.map_or(End::Unknown, |signal| End::Signal {
            signal,
            core_dumped: status.dumped(),
        });
    }
    // Twice: between the first two questions somebody may have laid it to rest.
    let status = sys::end_of(pidfd)
        .or_else(|| proc::exit_status(pid))
        .or_else(|| sys::end_of(pidfd));
    status.map_or(End::Unknown, end_of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_a_code_or_a_signal() {
        assert_eq!(end_of(42 << 8), End::Code(ExitCode(42)));
        let killed = End::Signal {
            signal: Signal::KILL,
            core_dumped: false,
        };
        assert_eq!(end_of(9), killed);
        let dumped = End::Signal {
            signal: Signal::SEGV,
            core_dumped: true,
        };
        assert_eq!(end_of(11 | 0x80), dumped);
    }
}
