//! Signals to the engine itself, read like any other event, with who sent them.
//!
//! They are blocked from the start to the end of the engine. That also serves process 1, to whom the kernel delivers
//! nothing it has neither a handler for nor blocked.

use std::io;
use std::os::fd::OwnedFd;

use aplomb_core::Signal;

use super::sys::signals::{self, Arrived, SignalSet};

/// What people, hosts and containers send. Absent on purpose: those whose default stops the terminal's job.
const ASKED: [u8; 8] = [1, 2, 3, 10, 12, 15, 30, 37];
/// Whoever started us with these ignored (nohup, a shell's background job) meant it.
const MAY_BE_IGNORED: [Signal; 3] = [Signal::HUP, Signal::INT, Signal::QUIT];

#[derive(Debug)]
pub(crate) struct HostSignals {
    fd: OwnedFd,
}

impl HostSignals {
    /// Blocks every signal in this thread, for good, and takes those meant for the engine.
    ///
    /// Errors: another thread runs already that does not block them; it would swallow what is meant for us.
    pub(crate) fn open() -> io::Result<HostSignals> {
        let mut taken: Vec<Signal> = ASKED
            .iter()
            .filter_map(|number| Signal::from_number(*number))
            .collect();
        for signal in MAY_BE_IGNORED {
            if signals::is_ignored(signal)? {
                taken.retain(|other| *other != signal);
            }
        }
        taken.push(Signal::CHLD);
        let set = SignalSet::of(taken.iter().copied());
        refuse_deaf_threads(set)?;
        // Whatever we were started with ignored would be ignored by every program we begin; and SIGCHLD, ignored, would
        // let them vanish without a word. SIGPIPE is Rust's own doing, and undone in each child.
        signals::ignore_nothing_but(Signal::PIPE)?;
        signals::block(SignalSet::ALL)?;
        Ok(HostSignals {
            fd: signals::open(set)?,
        })
    }

    pub(crate) fn fd(&self) -> &OwnedFd {
        &self.fd
    }

    pub(crate) fn drain(&self) -> io::Result<Vec<Arrived>> {
        signals::drain(&self.fd)
    }
}

/// A signal to a process goes to any of its threads that does not block it.
fn refuse_deaf_threads(set: SignalSet) -> io::Result<()> {
    let own = rustix::thread::gettid().as_raw_nonzero().get().to_string();
    for task in std::fs::read_dir("/proc/self/task")?.flatten() {
        if task.file_name().to_str() == Some(&own) {
            continue;
        }
        let blocked = std::fs::read_to_string(task.path().join("status"))
            .ok()
            .and_then(|status| blocked_of(&status));
        // A thread that has just ended has no status, and no ears.
        if blocked.is_some_and(|blocked| set.without(blocked) != SignalSet::default()) {
            return Err(io::Error::other(
                "the platform must be made before other threads are started",
            ));
        }
    }
    Ok(())
}

/// The blocked set in a proc_pid_status(5) file.
fn blocked_of(status: &str) -> Option<SignalSet> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("SigBlk:"))?;
    u64::from_str_radix(line.trim(), 16).ok().map(SignalSet)
}
