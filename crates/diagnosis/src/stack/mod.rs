//! Stacks of threads that are not stopped, and the names of the functions on them.
//!
//! All a blocked thread shows is where its stack ends, where its code stands, and what it gave the kernel. The tables
//! for exceptions tell the rest, frame by frame; where they want a register nobody saved, the function's first
//! instructions or the call that led there stand in, and the frame says by which of these it was found.
//!
//! Pure: memory, mappings and module files are given. Not here: goroutines and other stacks that a runtime keeps
//! (`go`), and what a blocked thread waits for.

mod call;
mod cfi;
mod code;
mod copy;
mod demangle;
mod elf;
mod file;
mod image;
mod lines;
mod module;
mod pieces;
mod prologue;
mod registers;
mod search;
mod signal;
mod symbols;
mod unwinder;

use std::path::Path;
use std::sync::Arc;

pub use file::{ModuleFile, Modules};
pub use lines::Line;
pub use module::ModuleCache;
pub use registers::{Arch, Register};
pub use unwinder::{MAX_FRAMES, MAX_LINES, ProcessNotes, Unwinder};

/// Where a walk begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The next instruction.
    pub pc: u64,
    /// The stack pointer.
    pub sp: u64,
    /// The six argument registers of the system call the thread is in.
    pub args: Option<[u64; 6]>,
    /// Further registers, if there is a source that tells them.
    pub registers: Vec<(Register, u64)>,
}

impl Start {
    /// A thread in a system call, as `/proc/PID/task/TID/syscall` tells it.
    #[must_use]
    pub fn in_system_call(pc: u64, sp: u64, args: [u64; 6]) -> Self {
        Self {
            pc,
            sp,
            args: Some(args),
            registers: Vec::new(),
        }
    }
}

/// A thread's stack, innermost frame first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stack {
    /// At most [`MAX_FRAMES`].
    pub frames: Vec<Frame>,
    /// Why there are no more.
    pub end: End,
}

impl Stack {
    /// Whether the last frame is the one the thread began with.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.end == End::Outermost
    }
}

/// Why a walk ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Nobody called the last frame.
    Outermost,
    /// There may be more, but [`MAX_FRAMES`] is reached.
    TooMany,
    /// The last frame lies in code no module holds: made at run time, most likely.
    NotInModule,
    /// Nothing that could be the next frame was found.
    Lost,
}

/// One call that has not returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The next instruction of this function; behind a call in all frames but the innermost and interrupted ones.
    pub pc: u64,
    /// The lowest address of the frame's part of the stack.
    pub sp: u64,
    /// The address behind the frame's part of the stack; unknown for a last frame that is not the outermost.
    pub cfa: Option<u64>,
    /// Registers this function's caller wants back, as they are while this function runs, where they are known.
    /// What a lock guard or a `self` is kept in shows here.
    pub registers: Vec<(Register, u64)>,
    /// The function's name, demangled, without parameters.
    pub function: Option<Arc<str>>,
    /// How far behind the function's beginning `pc` is.
    pub offset: u64,
    /// The path of the program or library, as the system tells it.
    pub module: Option<Arc<Path>>,
    /// How this frame was found from the one before.
    pub how: How,
}

impl Frame {
    /// An address inside the instruction this frame stands at: a call, where `pc` lies behind one.
    #[must_use]
    pub fn instruction(&self) -> u64 {
        match self.how {
            How::Start | How::Signal => self.pc,
            How::Cfi | How::Prologue | How::CallSite | How::Search => self.pc.wrapping_sub(1),
        }
    }
}

/// By what a frame was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// It is where the thread stands.
    Start,
    /// The module's unwind table.
    Cfi,
    /// The first instructions of the function it called.
    Prologue,
    /// The call instruction before its return address, which leads to the function it called.
    CallSite,
    /// A return address behind a call whose target cannot be told; it fits, but proves little.
    Search,
    /// What the kernel kept when it delivered a signal.
    Signal,
}
