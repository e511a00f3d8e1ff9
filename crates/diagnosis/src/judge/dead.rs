//! Threads nobody can wake any more: those that wait for what only threads can do that wait themselves.
//!
//! A thread is taken to be dead until somebody is found who could wake it; who is found alive may wake others. Signal
//! handlers can wake too, so that a process that handles signals is only thought dead, not known to be.

use std::collections::BTreeSet;

use crate::scene::{Holder, Process, Thread, Wait};

/// Signals that handlers of runtimes are for: illegal instruction, abort, bus error, arithmetic, access, and those the
/// C library keeps for itself.
const OF_RUNTIMES: u64 = bit(4) | bit(6) | bit(7) | bit(8) | bit(11) | bit(32) | bit(33) | bit(34);

const fn bit(signal: u32) -> u64 {
    1 << (signal - 1)
}

/// Whether the handlers of a process could wake its threads.
pub(super) fn handles_signals(process: &Process) -> bool {
    process.signals.caught & !OF_RUNTIMES != 0
}

/// The threads of a process that nobody within it can wake.
pub(super) fn dead(process: &Process) -> BTreeSet<u32> {
    let threads = &process.threads;
    let mut alive: BTreeSet<u32> = threads
        .iter()
        .filter(|thread| is_woken_from_outside(process, thread))
        .map(|thread| thread.tid)
        .collect();
    loop {
        let woken: Vec<u32> = threads
            .iter()
            .filter(|thread| !alive.contains(&thread.tid) && is_woken_by(thread, &alive))
            .map(|thread| thread.tid)
            .collect();
        if woken.is_empty() {
            break;
        }
        alive.extend(woken);
    }
    let all = threads.iter().map(|thread| thread.tid);
    all.filter(|tid| !alive.contains(tid)).collect()
}

/// Whether it runs, or something other than a thread of its process can make it run.
fn is_woken_from_outside(process: &Process, thread: &Thread) -> bool {
    match &thread.wait {
        Wait::Event(event) => event.is_timed() || event.is_shared(),
        Wait::Lock(lock) => {
            let elsewhere = match &lock.holder {
                Holder::Recorded { pid, .. } => *pid != process.pid,
                Holder::Changing { .. } => true,
                Holder::Gone { .. } | Holder::Inferred { .. } | Holder::Unrecorded => false,
            };
            lock.is_timed || elsewhere
        }
        Wait::Join { tid } => process.thread(*tid).is_none(),
        Wait::Nothing
        | Wait::Stopped
        | Wait::Socket { .. }
        | Wait::Pipe { .. }
        | Wait::Any { .. }
        | Wait::Sleep { .. }
        | Wait::Child { .. }
        | Wait::FileLock { .. }
        | Wait::Disk { .. }
        | Wait::Signal
        | Wait::Device { .. }
        | Wait::Other { .. } => true,
    }
}

fn is_woken_by(thread: &Thread, alive: &BTreeSet<u32>) -> bool {
    match &thread.wait {
        Wait::Join { tid } => alive.contains(tid),
        Wait::Lock(lock) => match &lock.holder {
            Holder::Recorded { tid, .. } | Holder::Inferred { tid, .. } => alive.contains(tid),
            Holder::Gone { .. } => false,
            Holder::Unrecorded | Holder::Changing { .. } => !alive.is_empty(),
        },
        Wait::Event(_)
        | Wait::Nothing
        | Wait::Stopped
        | Wait::Socket { .. }
        | Wait::Pipe { .. }
        | Wait::Any { .. }
        | Wait::Sleep { .. }
        | Wait::Child { .. }
        | Wait::FileLock { .. }
        | Wait::Disk { .. }
        | Wait::Signal
        | Wait::Device { .. }
        | Wait::Other { .. } => !alive.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::Event;

    fn thread(tid: u32, wait: Wait) -> Thread {
        Thread {
            tid,
            wait,
            ..Thread::default()
        }
    }

    fn condition(is_timed: bool) -> Wait {
        Wait::Event(Event::Condition {
            address: 0x10,
            is_timed,
        })
    }

    fn process(threads: Vec<Thread>) -> Process {
        Process {
            pid: 1,
            threads,
            ..Process::default()
        }
    }

    #[test]
    fn who_only_waits_for_the_dead_is_dead() {
        let threads = vec![
            thread(1, Wait::Join { tid: 2 }),
            thread(2, condition(false)),
        ];
        assert_eq!(dead(&process(threads)), BTreeSet::from([1, 2]));
    }

    #[test]
    fn one_that_listens_outside_keeps_all_alive() {
        let outside = Wait::Any {
            sources: Vec::new(),
            is_timed: false,
        };
        let threads = vec![
            thread(1, outside),
            thread(2, condition(false)),
            thread(3, Wait::Join { tid: 2 }),
        ];
        assert!(dead(&process(threads)).is_empty());
        assert!(dead(&process(vec![thread(2, condition(true))])).is_empty());
    }

    #[test]
    fn handlers_of_runtimes_wake_nobody() {
        let mut process = process(Vec::new());
        process.signals.caught = bit(11) | bit(33);
        assert!(!handles_signals(&process));
        process.signals.caught |= bit(15);
        assert!(handles_signals(&process));
    }
}
