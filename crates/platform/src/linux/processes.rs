//! The processes we answer for, by our own number and by the system's.
//!
//! A child's number is not given to anyone else before we have reaped it, and only we reap: so no descriptor per child
//! is needed to signal it safely. Those we adopted may be somebody else's children; for them a pidfd stands in.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use aplomb_core::{End, ExitCode, Signal};
use rustix::process::WaitStatus;

use super::sys;
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

    pub(crate) fn by_pid(&self, pid: u32) -> Option<ProcessId> {
        self.by_pid.get(&pid).copied().map(ProcessId)
    }

    pub(crate) fn remove(&mut self, id: ProcessId) -> Option<Process> {
        let process = self.living.remove(&id.0)?;
        self.by_pid.remove(&process.pid);
        Some(process)
    }

    pub(crate) fn in_tree(&self, tree: TreeId) -> impl Iterator<Item = &Process> {
        self.living
            .values()
            .filter(move |process| process.tree == tree)
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

/// How it ended, from the status of wait(2).
pub(crate) fn end_of(status: WaitStatus) -> End {
    const CORE_DUMPED: i32 = 0x80;
    if let Some(code) = status.exit_status() {
        return End::Code(ExitCode(code as u32));
    }
    let signal = status
        .terminating_signal()
        .and_then(|number| Signal::from_number(u8::try_from(number).ok()?));
    match signal {
        Some(signal) => End::Signal {
            signal,
            core_dumped: status.as_raw() & CORE_DUMPED != 0,
        },
        None => End::Unknown,
    }
}
