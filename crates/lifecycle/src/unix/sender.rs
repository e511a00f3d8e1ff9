//! Who sent a signal, from what the kernel wrote into it.

use std::sync::atomic::{AtomicI32, Ordering};

use super::sys::Record;
use crate::cause::Sender;

/// The kernel itself, on behalf of a terminal (or a fault).
const SI_KERNEL: i32 = 128;

static PARENT: AtomicI32 = AtomicI32::new(0);

/// Notes the parent while it surely lives, so that its death signal can be told from a kill by it.
pub(super) fn remember_parent() {
    PARENT.store(
        i32::try_from(std::os::unix::process::parent_id()).unwrap_or(0),
        Ordering::Relaxed,
    );
}

/// Reads the sender's name at once: it may be gone a moment later.
pub(super) fn origin(record: &Record) -> Sender {
    if record.code == SI_KERNEL {
        return Sender::Terminal;
    }
    if record.pid == 0 {
        return Sender::OutsidePidNamespace;
    }
    let name = std::fs::read_to_string(format!("/proc/{}/comm", record.pid)).ok();
    let parent = PARENT.load(Ordering::Relaxed);
    let orphaned = i32::try_from(std::os::unix::process::parent_id()) != Ok(parent);
    if record.pid == parent && orphaned && name.is_none() {
        return Sender::ParentEnded;
    }
    Sender::Process {
        pid: record.pid,
        uid: record.uid,
        name: name.map(|name| name.trim_end().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(code: i32, pid: i32) -> Record {
        Record {
            signal: libc::SIGTERM,
            code,
            pid,
            uid: 7,
        }
    }

    #[test]
    fn the_terminal_is_not_a_process() {
        assert_eq!(origin(&record(SI_KERNEL, 0)), Sender::Terminal);
    }

    #[test]
    fn pid_zero_is_somebody_we_cannot_see() {
        assert_eq!(origin(&record(0, 0)), Sender::OutsidePidNamespace);
    }

    #[test]
    fn a_living_sender_has_a_name() {
        let own = i32::try_from(std::process::id()).unwrap();
        let Sender::Process {
            pid,
            uid: 7,
            name: Some(name),
        } = origin(&record(0, own))
        else {
            panic!("no name")
        };
        assert_eq!(pid, own);
        assert!(!name.is_empty() && !name.ends_with('\n'));
    }
}
