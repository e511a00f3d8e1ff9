//! The names of what can be wrong, how sure one can be of it, and what the judgement rests on.
//!
//! The enum is the table: names on the wire, order of precedence and words for people derive from it. How a verdict is
//! reached is `judge`'s business, how it is told that of `words`.

use serde::Serialize;

/// What keeps a process from going on, or that nothing does.
///
/// The order is the order of precedence within one chain of waits: of two causes the one named earlier is the deeper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum VerdictKind {
    /// The process's control group is frozen.
    Frozen,
    /// A signal, or a debugger, has stopped it.
    Stopped,
    /// It was asked to end and blocks the signal that asks.
    SignalBlocked,
    /// It was asked to end and ignores the signal that asks.
    SignalIgnored,
    /// It is the first process of its namespace, and the system drops signals such a process has no handler for.
    Pid1Signal,
    /// A circle of waits: each member waits for the next.
    Deadlock,
    /// A thread waits for a lock it holds itself.
    SelfDeadlock,
    /// A lock whose owner has ended without giving it back.
    OrphanedLock,
    /// A thread waits within the system for a disk, or something like it, and cannot be interrupted.
    DiskWait,
    /// A thread runs without a pause while somebody waits for it.
    CpuSpin,
    /// The one thread that serves all connections does something else.
    EventLoopBlocked,
    /// A lock inside a database, held by another of its clients.
    DbLock,
    /// A lock on a file, held by another process.
    FileLock,
    /// A pipe or socket is full and its reader does not read.
    PipeFull,
    /// The end of a pipe's data never comes, because somebody keeps its other end open.
    PipeHeldOpen,
    /// Another process on this host owes an answer and does not give it.
    DownstreamSlow,
    /// A peer owes an answer; why it does not give it cannot be seen from here.
    NetWait,
    /// No more files can be opened.
    FdExhausted,
    /// No more threads or processes can be started.
    ThreadExhausted,
    /// No more memory can be had.
    MemoryExhausted,
    /// As many connections wait to be accepted as the queue can hold.
    BacklogFull,
    /// A lock is held by a thread that sleeps, works, or waits for something else.
    LockHeld,
    /// Many threads queue for one lock that does change hands.
    LockConvoy,
    /// It waits for a child process.
    ChildWait,
    /// Children that have ended are not reaped.
    ChildNotReaped,
    /// It waits for a signal from another thread that will not come.
    WaitForEvent,
    /// It waits for another thread to end.
    ThreadJoin,
    /// It was asked to end and is on its way.
    CleanupRunning,
    /// Nothing is wrong that could be seen: it waits for work, or works.
    Idle,
    /// What was seen fits nothing known; the facts are told as they are.
    Unknown,
}

impl VerdictKind {
    /// All of them, in order of precedence.
    pub const ALL: &[VerdictKind] = &[
        VerdictKind::Frozen,
        VerdictKind::Stopped,
        VerdictKind::SignalBlocked,
        VerdictKind::SignalIgnored,
        VerdictKind::Pid1Signal,
        VerdictKind::Deadlock,
        VerdictKind::SelfDeadlock,
        VerdictKind::OrphanedLock,
        VerdictKind::DiskWait,
        VerdictKind::CpuSpin,
        VerdictKind::EventLoopBlocked,
        VerdictKind::DbLock,
        VerdictKind::FileLock,
        VerdictKind::PipeFull,
        VerdictKind::PipeHeldOpen,
        VerdictKind::DownstreamSlow,
        VerdictKind::NetWait,
        VerdictKind::FdExhausted,
        VerdictKind::ThreadExhausted,
        VerdictKind::MemoryExhausted,
        VerdictKind::BacklogFull,
        VerdictKind::LockHeld,
        VerdictKind::LockConvoy,
        VerdictKind::ChildWait,
        VerdictKind::ChildNotReaped,
        VerdictKind::WaitForEvent,
        VerdictKind::ThreadJoin,
        VerdictKind::CleanupRunning,
        VerdictKind::Idle,
        VerdictKind::Unknown,
    ];

    /// The name programs read, as in the JSON.
    pub fn name(self) -> &'static str {
        match self {
            VerdictKind::Frozen => "frozen",
            VerdictKind::Stopped => "stopped",
            VerdictKind::SignalBlocked => "signal-blocked",
            VerdictKind::SignalIgnored => "signal-ignored",
            VerdictKind::Pid1Signal => "pid1-signal",
            VerdictKind::Deadlock => "deadlock",
            VerdictKind::SelfDeadlock => "self-deadlock",
            VerdictKind::OrphanedLock => "orphaned-lock",
            VerdictKind::DiskWait => "disk-wait",
            VerdictKind::CpuSpin => "cpu-spin",
            VerdictKind::EventLoopBlocked => "event-loop-blocked",
            VerdictKind::DbLock => "db-lock",
            VerdictKind::FileLock => "file-lock",
            VerdictKind::PipeFull => "pipe-full",
            VerdictKind::PipeHeldOpen => "pipe-held-open",
            VerdictKind::DownstreamSlow => "downstream-slow",
            VerdictKind::NetWait => "net-wait",
            VerdictKind::FdExhausted => "fd-exhausted",
            VerdictKind::ThreadExhausted => "thread-exhausted",
            VerdictKind::MemoryExhausted => "memory-exhausted",
            VerdictKind::BacklogFull => "backlog-full",
            VerdictKind::LockHeld => "lock-held",
            VerdictKind::LockConvoy => "lock-convoy",
            VerdictKind::ChildWait => "child-wait",
            VerdictKind::ChildNotReaped => "child-not-reaped",
            VerdictKind::WaitForEvent => "wait-for-event",
            VerdictKind::ThreadJoin => "thread-join",
            VerdictKind::CleanupRunning => "cleanup-running",
            VerdictKind::Idle => "idle",
            VerdictKind::Unknown => "unknown",
        }
    }

    /// Whether it says that something keeps the process from going on.
    pub fn is_stuck(self) -> bool {
        self != VerdictKind::Idle && self != VerdictKind::Unknown
    }
}

/// How much a piece of evidence proves. The strength of a chain is that of its weakest link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strength {
    /// It fits, and so do other explanations, which are named.
    Weak,
    /// Inferred from several facts that seldom agree by chance.
    Strong,
    /// Recorded by the system or the program itself.
    Certain,
}

impl Strength {
    /// The name programs read, as in the JSON.
    pub fn name(self) -> &'static str {
        match self {
            Strength::Weak => "weak",
            Strength::Strong => "strong",
            Strength::Certain => "certain",
        }
    }
}

/// One thing that was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// Where it was read: `/proc/12/task/13/syscall`, `sock_diag`, `memory`.
    pub source: String,
    /// What stood there, in words short enough for a line. No contents of memory or messages.
    pub text: String,
    /// How much it proves.
    pub strength: Strength,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_whole_and_in_the_order_of_precedence() {
        assert!(VerdictKind::ALL.is_sorted());
        assert_eq!(VerdictKind::ALL.last(), Some(&VerdictKind::Unknown));
        assert_eq!(VerdictKind::ALL.len(), VerdictKind::Unknown as usize + 1);
    }

    #[test]
    fn names_on_the_wire_are_those_for_people() {
        for kind in VerdictKind::ALL {
            let wire = serde_json::to_value(kind).expect("a name");
            assert_eq!(wire, kind.name());
        }
    }

    #[test]
    fn a_chain_is_as_strong_as_its_weakest_link() {
        let links = [Strength::Certain, Strength::Weak, Strength::Strong];
        assert_eq!(links.iter().min(), Some(&Strength::Weak));
    }
}
