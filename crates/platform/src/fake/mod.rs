//! A world that is only told: simulated time, scripted programs, chosen misfortunes. For tests of whoever uses a
//! [`Platform`].
//!
//! A [`World`] is the test's hand on it: it says what programs exist and what they do, plays clients, sends signals, and
//! looks at what is left. [`World::platform`] is what the engine gets. Time passes only while the engine waits, and goes
//! straight to whatever happens next; where nothing can happen any more, waiting for ever is an error, so no test hangs.
//! The same world twice is the same story.

mod channel;
mod platform;
mod pump;
mod random;
mod script;
mod state;
mod stream;
mod world;

pub use platform::Fake;
pub use script::Script;
pub use world::{Client, Living, World};

use aplomb_core::{Instant, Signal};

/// A signal some process got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    pub at: Instant,
    pub pid: u32,
    pub program: String,
    pub signal: Signal,
}

/// A program that was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launched {
    pub at: Instant,
    pub pid: u32,
    pub program: String,
    pub argv: Vec<String>,
    pub env: Vec<(String, String)>,
}

/// Misfortunes by chance: each strikes once in so many times, zero is never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Disturbances {
    /// A spawn finds no room for another process.
    pub spawn_fails: u32,
    /// A write takes only a part.
    pub short_writes: u32,
    /// The wall clock jumps, an hour to either side, while the engine waits.
    pub wall_jumps: u32,
}
