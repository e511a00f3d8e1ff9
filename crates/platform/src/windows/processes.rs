//! The processes we watch: those we made, and those we adopted.

use std::collections::BTreeMap;
use std::os::windows::io::OwnedHandle;

use aplomb_core::{End, ExitCode, Signal};

use super::code_of;
use super::sys::process::{self, EndWatch};
use crate::{ProcessId, TreeId};

#[derive(Debug, Default)]
pub(crate) struct Processes {
    known: BTreeMap<ProcessId, Process>,
    last: u64,
}

/// One whose end has not been told. While the handle lives its number is nobody else's.
#[derive(Debug)]
pub(crate) struct Process {
    pub pid: u32,
    pub tree: TreeId,
    /// Before the handle, so that it is taken back first.
    pub _watch: EndWatch,
    pub handle: OwnedHandle,
    /// We have ended it, and this is the signal it counts as.
    pub killed: Option<Signal>,
}

/// One that is over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended {
    pub process: ProcessId,
    pub tree: TreeId,
    pub end: End,
}

impl Processes {
    /// The name of the next one.
    pub(crate) fn next(&self) -> ProcessId {
        ProcessId(self.last + 1)
    }

    pub(crate) fn add(&mut self, process: Process) {
        self.last += 1;
        self.known.insert(ProcessId(self.last), process);
    }

    pub(crate) fn get(&self, process: ProcessId) -> Option<&Process> {
        self.known.get(&process)
    }

    pub(crate) fn get_mut(&mut self, process: ProcessId) -> Option<&mut Process> {
        self.known.get_mut(&process)
    }

    pub(crate) fn by_pid(&self, pid: u32, tree: TreeId) -> Option<ProcessId> {
        let mut rows = self.known.iter();
        let found = rows.find(|(_, process)| process.pid == pid && process.tree == tree)?;
        Some(*found.0)
    }

    /// All of this tree are about to be ended by us.
    pub(crate) fn killed(&mut self, tree: TreeId, signal: Signal) {
        let members = self.known.values_mut().filter(|one| one.tree == tree);
        for member in members {
            member.killed = Some(signal);
        }
    }

    /// Its handle was told to be over.
    pub(crate) fn ended(&mut self, process: ProcessId) -> Option<Ended> {
        let known = self.known.remove(&process)?;
        Some(Ended {
            process,
            tree: known.tree,
            end: known.end(),
        })
    }
}

impl Process {
    /// Ends it; tells whether it was there to be ended.
    pub(crate) fn end_with(&mut self, signal: Signal) -> bool {
        if process::exit_code(&self.handle).is_some() {
            return false;
        }
        self.killed = Some(signal);
        process::terminate(&self.handle, code_of(signal)).is_ok()
    }

    fn end(&self) -> End {
        match (process::exit_code(&self.handle), self.killed) {
            // One that was quicker than our kill has a code of its own.
            (Some(code), Some(signal)) if code == code_of(signal) => End::Signal {
                signal,
                core_dumped: false,
            },
            (Some(code), _) => End::Code(ExitCode(code)),
            (None, _) => End::Unknown,
        }
    }
}
