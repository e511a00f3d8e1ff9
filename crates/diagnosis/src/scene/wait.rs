//! What a thread waits for, freed of how its system says so.

use std::time::Duration;

/// Why a thread does not run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Wait {
    /// It runs, or would if there were a free processor.
    #[default]
    Nothing,
    /// A signal or a debugger stopped it.
    Stopped,
    /// A lock within memory.
    Lock(Lock),
    /// Something another thread has to say.
    Event(Event),
    /// The end of a thread of the same process.
    Join {
        /// That thread.
        tid: u32,
    },
    /// A connection, by its identity.
    Socket {
        /// What it would do.
        doing: Doing,
        /// The connection or listening socket.
        socket: u64,
        /// It gives up by itself.
        is_timed: bool,
    },
    /// A pipe, by its identity.
    Pipe {
        /// What it would do.
        doing: Doing,
        /// The pipe.
        pipe: u64,
    },
    /// Any of several sources.
    Any {
        /// Those known.
        sources: Vec<Source>,
        /// It goes on after a while even if nothing comes.
        is_timed: bool,
    },
    /// Time to pass.
    Sleep {
        /// As much as it asked for, if that could be read.
        length: Option<Duration>,
    },
    /// The end of a child process; of any, if none is named.
    Child {
        /// That child.
        pid: Option<u32>,
    },
    /// A lock on a file: the index into the scene's list, if the lock was found there.
    FileLock {
        /// The place in the scene's list.
        lock: Option<usize>,
    },
    /// Something within the system that no signal interrupts.
    Disk {
        /// The name the system gives the place.
        place: String,
    },
    /// A signal.
    Signal,
    /// A terminal or another device.
    Device {
        /// Its path.
        path: String,
    },
    /// Something else.
    Other {
        /// The system call, by name or number, and where within the system it waits.
        what: String,
    },
}

impl Wait {
    /// Whether it ends by itself after a while.
    pub fn is_timed(&self) -> bool {
        match self {
            Wait::Lock(lock) => lock.is_timed,
            Wait::Socket { is_timed, .. } | Wait::Any { is_timed, .. } => *is_timed,
            Wait::Event(event) => event.is_timed(),
            Wait::Sleep { .. } => true,
            Wait::Nothing
            | Wait::Stopped
            | Wait::Join { .. }
            | Wait::Pipe { .. }
            | Wait::Child { .. }
            | Wait::FileLock { .. }
            | Wait::Disk { .. }
            | Wait::Signal
            | Wait::Device { .. }
            | Wait::Other { .. } => false,
        }
    }
}

/// What a thread would do with a connection or pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// Take what comes.
    Receive,
    /// Hand over more.
    Send,
    /// Open a connection.
    Connect,
    /// Take a new connection.
    Accept,
}

/// A lock within the memory of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// Where it stands.
    pub address: u64,
    /// What sort of lock.
    pub kind: LockKind,
    /// Who has it.
    pub holder: Holder,
    /// The waiting thread gives up by itself.
    pub is_timed: bool,
}

/// What sort of lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockKind {
    /// One thread at a time.
    Mutex,
    /// Many readers or one writer; wanted for reading.
    Read,
    /// The same; wanted for writing.
    Write,
    /// The lock of a stream of the C library.
    Stream,
    /// One of those a library keeps for itself.
    Internal,
}

impl LockKind {
    /// As a person says it.
    pub fn name(self) -> &'static str {
        match self {
            LockKind::Mutex => "mutex",
            LockKind::Read => "read lock",
            LockKind::Write => "write lock",
            LockKind::Stream => "stream lock",
            LockKind::Internal => "internal lock",
        }
    }
}

/// Who has a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// The lock names this thread, and it lives.
    Recorded {
        /// The process of that thread.
        pid: u32,
        /// That thread.
        tid: u32,
    },
    /// The lock names this thread, which has ended.
    Gone {
        /// That thread.
        tid: u32,
    },
    /// The lock names nobody; the stacks say it is this one.
    Inferred {
        /// That thread.
        tid: u32,
        /// Why it is believed.
        why: String,
    },
    /// Several readers, or a lock that names nobody and of which nothing else could be learned.
    Unrecorded,
    /// It goes from hand to hand.
    Changing {
        /// Who had it last, if that was seen.
        last: Option<u32>,
    },
}

/// Something another thread, or process, has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A condition variable is signalled.
    Condition {
        /// Where it stands.
        address: u64,
        /// The waiting thread goes on by itself after a while.
        is_timed: bool,
    },
    /// A semaphore is given back.
    Semaphore {
        /// Where it stands.
        address: u64,
        /// The waiting thread goes on by itself after a while.
        is_timed: bool,
    },
    /// The others arrive at a barrier.
    Barrier {
        /// Where it stands.
        address: u64,
    },
    /// Another thread ends an initialisation.
    Once {
        /// Where it stands.
        address: u64,
    },
    /// A word of memory changes, for a purpose that was not recognised.
    Word {
        /// Where it stands.
        address: u64,
        /// The waiting thread goes on by itself after a while.
        is_timed: bool,
        /// Another process may change it.
        is_shared: bool,
    },
}

impl Event {
    /// Where in memory it stands.
    pub fn address(self) -> u64 {
        match self {
            Event::Condition { address, .. }
            | Event::Semaphore { address, .. }
            | Event::Barrier { address }
            | Event::Once { address }
            | Event::Word { address, .. } => address,
        }
    }

    /// Whether the waiting thread goes on by itself.
    pub fn is_timed(self) -> bool {
        match self {
            Event::Condition { is_timed, .. }
            | Event::Semaphore { is_timed, .. }
            | Event::Word { is_timed, .. } => is_timed,
            Event::Barrier { .. } | Event::Once { .. } => false,
        }
    }

    /// Whether another process could bring it about.
    pub fn is_shared(self) -> bool {
        match self {
            Event::Word { is_shared, .. } => is_shared,
            Event::Condition { .. }
            | Event::Semaphore { .. }
            | Event::Barrier { .. }
            | Event::Once { .. } => false,
        }
    }

    /// As a person says it.
    pub fn name(self) -> &'static str {
        match self {
            Event::Condition { .. } => "condition variable",
            Event::Semaphore { .. } => "semaphore",
            Event::Barrier { .. } => "barrier",
            Event::Once { .. } => "one-time initialisation",
            Event::Word { .. } => "word of memory",
        }
    }
}

/// One of the things a thread waits for at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A connection or listening socket, by identity.
    Socket {
        /// What it would do.
        doing: Doing,
        /// The socket.
        socket: u64,
    },
    /// A pipe, by identity.
    Pipe {
        /// What it would do.
        doing: Doing,
        /// The pipe.
        pipe: u64,
    },
    /// A timer, event counter, signal descriptor, watch on files: ways of being woken.
    Waker,
    /// Something else.
    Other,
}
