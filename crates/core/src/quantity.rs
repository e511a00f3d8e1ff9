//! Quantities as types, so that a number never says only "number".
//!
//! `Instant` is told to the core by whoever holds the clock; it counts from an arbitrary origin and never goes back.

use core::fmt;
use core::ops::{Add, Sub};

pub use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Signal;

/// A moment on a monotonic clock, in nanoseconds since an arbitrary origin of this engine's life.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Instant(u64);

impl Instant {
    /// The origin itself; what a simulated clock starts with.
    pub const ORIGIN: Instant = Instant(0);

    /// A moment `nanos` nanoseconds after the origin.
    pub const fn from_nanos(nanos: u64) -> Instant {
        Instant(nanos)
    }

    /// Nanoseconds since the origin.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub fn since(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    /// Saturates at the end of time (584 years), so that "infinitely later" stays later.
    fn add(self, by: Duration) -> Instant {
        let nanos = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        Instant(self.0.saturating_add(nanos))
    }
}

impl Sub<Instant> for Instant {
    type Output = Duration;

    fn sub(self, earlier: Instant) -> Duration {
        self.since(earlier)
    }
}

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bytes(pub u64);

/// What a process handed to the system when it ended by itself. 0 to 255 on Linux, any 32 bits on Windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ExitCode(pub u32);

impl ExitCode {
    /// What Windows ends a program with that is told Ctrl+C and does nothing about it (STATUS_CONTROL_C_EXIT).
    pub const CTRL_C: ExitCode = ExitCode(0xc000_013a);

    /// Windows ended it for a fault of its own: an NTSTATUS of the severities warning and error, Ctrl+C excepted. Codes
    /// of Linux are never among them.
    pub fn is_crash(self) -> bool {
        const WARNING: u32 = 0x8000_0000;
        const FATAL_APP_EXIT: u32 = 0x4000_0015;
        let is_status = (WARNING..0xd000_0000).contains(&self.0);
        self != ExitCode::CTRL_C && (is_status || self.0 == FATAL_APP_EXIT)
    }
}

impl fmt::Display for ExitCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One life of an instance, from spawn to empty tree. Never reused while a state directory lives; pids are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RunId(pub u64);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum End {
    /// It called exit, or returned from main.
    Code(ExitCode),
    /// A signal ended it.
    Signal { signal: Signal, core_dumped: bool },
    /// It is gone, and nobody could tell us how.
    Unknown,
    /// It went while no engine was there to see it. Counts as a failure: what is not known to be a success is none.
    Unattended,
}

/// A moment on the wall clock, in nanoseconds since 1970-01-01 UTC. It may jump; decisions never rest on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Wall(pub u64);
