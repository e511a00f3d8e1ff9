//! The goroutines of a running Go program, read from its memory.
//!
//! The program is not asked, not stopped and not signalled. What its own runtime knows is read where the runtime keeps
//! it, in stripped programs too: each goroutine's state, why and on what it waits, its calls, who made it. From that
//! follows more than the runtime would tell: which goroutines nothing can ever wake, and who holds the locks.
//!
//! Pure: memory and mappings are given. Not here: what a thread that runs Go code does natively (`stack`).

mod awaited;
mod functions;
mod globals;
mod heap;
mod layout;
mod locks;
mod program;
mod reach;
mod reader;
mod stacks;
mod window;

use std::sync::Arc;

use crate::{Mapping, Memory};

pub use functions::GoFrame;

/// How much may be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GoBudget {
    /// The most goroutines that are read; the rest is only counted.
    pub goroutines: usize,
    /// The most bytes of the heap that are searched for ways to wake a goroutine.
    pub heap: u64,
}

impl Default for GoBudget {
    fn default() -> Self {
        Self {
            goroutines: 200_000,
            heap: 256 << 20,
        }
    }
}

/// A Go program at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoView {
    /// The version it was built with, without "go": `1.22.10`.
    pub version: String,
    /// All that live, in the order the runtime made them.
    pub goroutines: Vec<Goroutine>,
    /// Who holds the locks that goroutines wait for, as far as it can be inferred.
    pub holders: Vec<Holder>,
    /// What could not be seen, in words.
    pub unseen: Vec<String>,
}

/// One goroutine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Goroutine {
    /// The runtime's number for it.
    pub id: u64,
    /// What it does.
    pub state: GoState,
    /// The runtime's words for why it waits; empty if it does not.
    pub reason: Arc<str>,
    /// What it waits for; several for a `select`.
    pub waits_for: Vec<Awaited>,
    /// Since when the runtime has seen it wait, in nanoseconds of the monotonic clock. Noted at garbage collections
    /// only, so it may have begun before; `None` if none has come yet.
    pub since: Option<u64>,
    /// Its calls, innermost first; equal stacks are kept once. Empty while it runs.
    pub frames: Arc<[GoFrame]>,
    /// The function that made it, and where.
    pub created_by: Option<Arc<GoFrame>>,
    /// The number of the goroutine that made it, where the runtime notes that (since Go 1.21).
    pub parent: Option<u64>,
    /// The thread it is bound to at the moment.
    pub thread: Option<u32>,
    /// Whether it is one of the runtime's own.
    pub is_system: bool,
    /// Whether anything can wake it.
    pub waking: Waking,
}

/// What a goroutine does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GoState {
    /// Ready, and waiting for a processor.
    Runnable,
    /// Running Go code.
    Running,
    /// In a system call, or in C.
    InSystemCall,
    /// Waiting for something in the program.
    Waiting,
    /// Stopped for others to run.
    Preempted,
}

/// Something goroutines wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Awaited {
    /// What it is.
    pub kind: AwaitedKind,
    /// Where it is; 0 for a channel that is nil.
    pub address: u64,
}

/// Kinds of things goroutines wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AwaitedKind {
    /// A channel, to receive from it.
    Receive,
    /// A channel, to send to it.
    Send,
    /// A channel of a `select` whose direction could not be told.
    Channel,
    /// `sync.Mutex`.
    Mutex,
    /// `sync.RWMutex`, to write.
    Write,
    /// `sync.RWMutex`, to read.
    Read,
    /// `sync.WaitGroup`.
    WaitGroup,
    /// `sync.Cond`.
    Cond,
    /// Another semaphore of the runtime.
    Semaphore,
    /// A file or connection; its address is the descriptor's number.
    Descriptor,
}

/// Whether a goroutine that waits can be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waking {
    /// It does not wait, or what it waits for can be reached by goroutines that may run, or by the world outside.
    Possible,
    /// Nothing that may run knows what it waits for.
    Never,
    /// Nothing ever will, and that is its purpose: `select {}`, with which a program keeps itself from ending.
    Parked,
    /// It could not be told.
    Unknown,
}

/// An inference that a goroutine holds a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The lock.
    pub lock: Awaited,
    /// The goroutine.
    pub goroutine: u64,
    /// The function of it that locked.
    pub function: Arc<str>,
    /// What it rests on.
    pub clue: Clue,
}

/// What an inference of a holder rests on, the strongest first. None of them is certain: Go notes no owners.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Clue {
    /// The function has locked before the place it is at, knows this lock by its address, and its unlock is pending.
    Locked,
    /// The function has locked before the place it is at, and knows the object the lock is in.
    LockedNearby,
}

/// Why a Go program cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GoError {
    /// There is no Go program in the process, or one older than Go 1.18.
    #[error("this is not a program built with Go 1.18 or later")]
    NotGo,
    /// Its table of functions makes no sense.
    #[error("the function table of this program (go {version}) cannot be read")]
    Functions {
        /// The version.
        version: String,
    },
    /// No known layout of the runtime's records fits.
    #[error("the goroutines of this program (go {version}) are kept in a form not known here")]
    UnknownLayout {
        /// The version.
        version: String,
    },
}

/// Reads the Go program with these mappings (in order of their addresses) and this memory.
///
/// What runs meanwhile may be seen half before and half after; goroutines whose record changed while it was read are
/// read again, and left without frames if they do not rest.
///
/// # Errors
/// [`GoError`], if it is no Go program or one that cannot be understood.
pub fn read(
    memory: &dyn Memory,
    mappings: &[Mapping],
    budget: GoBudget,
) -> Result<GoView, GoError> {
    reader::Reader::open(memory, mappings)?.view(budget)
}

/// Whether the process has a Go program, cheaply.
#[must_use]
pub fn is_go(memory: &dyn Memory, mappings: &[Mapping]) -> bool {
    program::version_of(mappings, &mut window::Window::new(memory)).is_some()
}
