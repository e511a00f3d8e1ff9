//! The seam to whoever walks stacks: registers and memory in, frames out.
//!
//! A trait, because a scene can be had without stacks (no right to read memory, a machine nobody has taught us) and
//! because tests give frames of their own.

use crate::memory::{Mapping, Memory};
use crate::scene::Frame;

/// What is known of a thread's registers without stopping it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registers {
    /// The next instruction.
    pub pc: u64,
    /// The top of the stack.
    pub sp: u64,
    /// The arguments of the system call it is in, if it is in one.
    pub arguments: Option<[u64; 6]>,
}

/// Walks stacks.
pub trait Stacks {
    /// Gets to know a process; its threads are asked for next.
    fn enter(&mut self, pid: u32, maps: &[Mapping], memory: &dyn Memory);

    /// The frames of one of its threads, innermost first; empty if nothing can be said.
    fn frames(&mut self, registers: Registers, memory: &dyn Memory) -> Vec<Frame>;
}

/// Knows no stacks.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoStacks;

impl Stacks for NoStacks {
    fn enter(&mut self, _pid: u32, _maps: &[Mapping], _memory: &dyn Memory) {}

    fn frames(&mut self, _registers: Registers, _memory: &dyn Memory) -> Vec<Frame> {
        Vec::new()
    }
}
