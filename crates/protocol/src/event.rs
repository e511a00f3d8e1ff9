//! What happened, as told to whoever subscribed, written to the event log, and handed to hooks.

use serde::{Deserialize, Serialize};

use crate::{State, WallNanos};

/// One thing that happened to one service, or to the engine itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Counts up without a gap from the engine's start; a gap means events were dropped for this subscriber.
    pub seq: u64,
    pub at: WallNanos,
    /// Nanoseconds on the engine's monotonic clock; for durations between events.
    pub mono: u64,
    /// Empty for the engine itself.
    pub service: String,
    pub run: Option<u64>,
    #[serde(flatten)]
    pub kind: EventKind,
    /// A sentence for people: why it happened, or what it means.
    pub because: String,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum EventKind {
    /// The state changed.
    State {
        from: State,
        to: State,
    },
    /// A start was asked for and waits for these.
    Waiting {
        on: Vec<String>,
    },
    /// The main process has been spawned.
    Spawned {
        pid: u32,
    },
    /// It proved that it serves.
    Ready,
    /// Its own words (`STATUS=` of sd_notify).
    Says,
    /// The main process ended: with a code, or by a signal.
    Exited {
        code: Option<u32>,
        signal: Option<String>,
    },
    /// A new run will begin in this many milliseconds.
    RestartPlanned {
        in_ms: u64,
        count: u32,
    },
    /// A stop step was taken.
    StopStep {
        step: String,
        grace_ms: Option<u64>,
    },
    /// What is being waited for while stopping.
    StillStopping {
        left_ms: Option<u64>,
        processes: u32,
    },
    /// Processes of the tree that outlived the main process.
    Leftovers {
        names: Vec<String>,
    },
    /// Something was killed by force.
    Killed {
        processes: u32,
    },
    /// A health probe failed, or holds again.
    Health {
        failures: u32,
        unhealthy: bool,
    },
    /// The watchdog called.
    Watchdog,
    /// Given up.
    Failed,
    /// Skipped: a condition does not hold.
    Skipped,
    /// A command of the service or a hook ended badly.
    CommandFailed {
        what: String,
    },
    /// A log file was rotated.
    Rotated {
        file: String,
    },
    /// Output was dropped, or a log could not be written, or can be again.
    Log,
    /// Why it hangs; `because` is the sentence, the file holds the report.
    Explained {
        verdict: String,
        confidence: String,
        file: String,
    },
    /// Definitions were taken in or dropped.
    Loaded,
    Unloaded,
    /// The engine began, or is about to end.
    EngineStarted {
        pid: u32,
        version: String,
    },
    EngineStopping,
    /// Something worth a remark that has no kind of its own.
    Remark,
}
