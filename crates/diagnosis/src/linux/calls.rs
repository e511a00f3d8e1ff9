//! System calls by number: which wait, for what, and what they are called.
//!
//! Numbers come from the kernel's own headers for the machine we are built for; calls only older machines have are
//! missing on newer ones.

use linux_raw_sys::general as nr;

/// What a call that waits waits for, and in which argument that stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waits {
    Futex,
    /// The descriptor is argument 0.
    Read,
    Write,
    Accept,
    Connect,
    /// `splice`, `sendfile`: from and to, by argument.
    Move {
        from: usize,
        to: usize,
    },
    /// An array of descriptors; the argument that is a limit of time, and how it says "none".
    Poll {
        limit: usize,
        none: NoLimit,
    },
    Select {
        limit: usize,
    },
    Epoll {
        limit: usize,
        none: NoLimit,
    },
    /// The argument that points to how long.
    Sleep {
        length: usize,
    },
    /// The child is argument 0 of `wait4`, argument 1 of `waitid`.
    Wait4,
    WaitId,
    FileControl,
    FileLock,
    Signal,
    /// A birth whose parent waits until the child runs its own program.
    Birth,
    /// Data being brought to a disk.
    Sync,
    Ring,
    /// Semaphores and message queues of System V, message queues of POSIX.
    Ipc,
    Open,
    Restart,
}

/// How a limit of time says that there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoLimit {
    /// A number below zero.
    Negative,
    /// No address.
    Null,
}

impl NoLimit {
    /// Whether an argument says so.
    pub(super) fn is(self, argument: u64) -> bool {
        match self {
            NoLimit::Negative => (argument as u32 as i32) < 0,
            NoLimit::Null => argument == 0,
        }
    }
}

/// Number, name and kind of every call that is understood.
const CALLS: &[(u32, &str, Waits)] = &[
    (nr::__NR_futex, "futex", Waits::Futex),
    (nr::__NR_read, "read", Waits::Read),
    (nr::__NR_readv, "readv", Waits::Read),
    (nr::__NR_pread64, "pread64", Waits::Read),
    (nr::__NR_recvfrom, "recvfrom", Waits::Read),
    (nr::__NR_recvmsg, "recvmsg", Waits::Read),
    (nr::__NR_recvmmsg, "recvmmsg", Waits::Read),
    (nr::__NR_write, "write", Waits::Write),
    (nr::__NR_writev, "writev", Waits::Write),
    (nr::__NR_pwrite64, "pwrite64", Waits::Write),
    (nr::__NR_sendto, "sendto", Waits::Write),
    (nr::__NR_sendmsg, "sendmsg", Waits::Write),
    (nr::__NR_sendmmsg, "sendmmsg", Waits::Write),
    (nr::__NR_vmsplice, "vmsplice", Waits::Write),
    (nr::__NR_accept, "accept", Waits::Accept),
    (nr::__NR_accept4, "accept4", Waits::Accept),
    (nr::__NR_connect, "connect", Waits::Connect),
    (nr::__NR_splice, "splice", Waits::Move { from: 0, to: 2 }),
    (nr::__NR_tee, "tee", Waits::Move { from: 0, to: 1 }),
    (
        nr::__NR_sendfile,
        "sendfile",
        Waits::Move { from: 1, to: 0 },
    ),
    (
        nr::__NR_ppoll,
        "ppoll",
        Waits::Poll {
            limit: 2,
            none: NoLimit::Null,
        },
    ),
    (nr::__NR_pselect6, "pselect6", Waits::Select { limit: 4 }),
    (
        nr::__NR_epoll_pwait,
        "epoll_pwait",
        Waits::Epoll {
            limit: 3,
            none: NoLimit::Negative,
        },
    ),
    (
        nr::__NR_epoll_pwait2,
        "epoll_pwait2",
        Waits::Epoll {
            limit: 3,
            none: NoLimit::Null,
        },
    ),
    (nr::__NR_nanosleep, "nanosleep", Waits::Sleep { length: 0 }),
    (
        nr::__NR_clock_nanosleep,
        "clock_nanosleep",
        Waits::Sleep { length: 2 },
    ),
    (nr::__NR_wait4, "wait4", Waits::Wait4),
    (nr::__NR_waitid, "waitid", Waits::WaitId),
    (nr::__NR_fcntl, "fcntl", Waits::FileControl),
    (nr::__NR_flock, "flock", Waits::FileLock),
    (nr::__NR_rt_sigtimedwait, "rt_sigtimedwait", Waits::Signal),
    (nr::__NR_rt_sigsuspend, "rt_sigsuspend", Waits::Signal),
    (nr::__NR_clone, "clone", Waits::Birth),
    (nr::__NR_clone3, "clone3", Waits::Birth),
    (nr::__NR_fsync, "fsync", Waits::Sync),
    (nr::__NR_fdatasync, "fdatasync", Waits::Sync),
    (nr::__NR_sync, "sync", Waits::Sync),
    (nr::__NR_syncfs, "syncfs", Waits::Sync),
    (nr::__NR_msync, "msync", Waits::Sync),
    (nr::__NR_io_uring_enter, "io_uring_enter", Waits::Ring),
    (nr::__NR_io_getevents, "io_getevents", Waits::Ring),
    (nr::__NR_semop, "semop", Waits::Ipc),
    (nr::__NR_semtimedop, "semtimedop", Waits::Ipc),
    (nr::__NR_msgrcv, "msgrcv", Waits::Ipc),
    (nr::__NR_msgsnd, "msgsnd", Waits::Ipc),
    (nr::__NR_mq_timedreceive, "mq_timedreceive", Waits::Ipc),
    (nr::__NR_mq_timedsend, "mq_timedsend", Waits::Ipc),
    (nr::__NR_openat, "openat", Waits::Open),
    (nr::__NR_restart_syscall, "restart_syscall", Waits::Restart),
];

/// Calls that newer machines were never given.
#[cfg(target_arch = "x86_64")]
const OLD_CALLS: &[(u32, &str, Waits)] = &[
    (
        nr::__NR_poll,
        "poll",
        Waits::Poll {
            limit: 2,
            none: NoLimit::Negative,
        },
    ),
    (nr::__NR_select, "select", Waits::Select { limit: 4 }),
    (
        nr::__NR_epoll_wait,
        "epoll_wait",
        Waits::Epoll {
            limit: 3,
            none: NoLimit::Negative,
        },
    ),
    (nr::__NR_pause, "pause", Waits::Signal),
    (nr::__NR_vfork, "vfork", Waits::Birth),
    (nr::__NR_open, "open", Waits::Open),
];
#[cfg(not(target_arch = "x86_64"))]
const OLD_CALLS: &[(u32, &str, Waits)] = &[];

/// What the call of this number waits for, if it is one that is understood.
pub(super) fn waits(number: u32) -> Option<Waits> {
    entry(number).map(|(_, _, waits)| *waits)
}

/// Its name; the number, if it has none here.
pub(super) fn name(number: u32) -> String {
    entry(number).map_or_else(
        || format!("system call {number}"),
        |(_, name, _)| (*name).to_owned(),
    )
}

fn entry(number: u32) -> Option<&'static (u32, &'static str, Waits)> {
    let mut all = CALLS.iter().chain(OLD_CALLS);
    all.find(|(known, _, _)| *known == number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_call_stands_twice() {
        let mut numbers: Vec<u32> = CALLS.iter().chain(OLD_CALLS).map(|call| call.0).collect();
        let all = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), all);
    }

    #[test]
    fn no_limit_is_told_from_a_long_one() {
        assert!(NoLimit::Negative.is(u64::from(u32::MAX)));
        assert!(NoLimit::Negative.is(u64::MAX));
        assert!(!NoLimit::Negative.is(60_000));
        assert!(NoLimit::Null.is(0));
        assert!(!NoLimit::Null.is(0x7ffc_0000));
    }

    #[test]
    fn unknown_calls_are_told_by_number() {
        assert_eq!(waits(9999), None);
        assert_eq!(name(9999), "system call 9999");
        assert_eq!(name(nr::__NR_wait4), "wait4");
    }
}
