//! What the engine answers.

use serde::{Deserialize, Serialize};

use crate::Event;

/// Nanoseconds since 1970-01-01 UTC.
pub type WallNanos = u64;

/// Everything the engine sends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Message {
    /// To the request with this id. Exactly one answer or fault per request, except `Events`, whose answer is followed
    /// by events.
    Answer {
        id: u64,
        answer: Answer,
    },
    Fault {
        id: u64,
        fault: Fault,
    },
    Event(Event),
}

/// A good answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Answer {
    Hello {
        v: u32,
        version: String,
        pid: u32,
        started: WallNanos,
        /// Where logs without a directory of their own go.
        log_directory: String,
        /// How process trees are held here, in words.
        holding: String,
        services: u64,
    },
    /// What became of each service named.
    Outcomes {
        outcomes: Vec<Outcome>,
    },
    Loaded {
        /// New or changed.
        services: Vec<String>,
        /// Those whose start was asked for by this, what they need included: a `Start` of the same names is answered
        /// when all have arrived. Empty unless `start` was set.
        #[serde(default)]
        starting: Vec<String>,
        /// Rendered diagnostics that did not refuse anything.
        remarks: Vec<String>,
    },
    Status {
        services: Vec<ServiceStatus>,
    },
    Text {
        text: String,
    },
    /// Done, nothing to tell.
    Done,
}

/// What became of one service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    pub service: String,
    pub state: State,
    /// It arrived where it was asked to go.
    pub arrived: bool,
    pub because: String,
}

/// A bad answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    pub kind: FaultKind,
    /// What failed, for which service, and why.
    pub message: String,
    /// One thing to do about it.
    pub action: Option<String>,
    /// Rendered diagnostics, for files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diagnostics: Vec<String>,
}

/// What sort of fault, for exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// The request itself is not understood.
    BadRequest,
    UnknownService,
    /// A prefix that several services share.
    Ambiguous,
    /// The definition says no: disabled, cannot be reloaded …
    Refused,
    /// Unit files with faults.
    BadUnit,
    NotRunning,
    NotPermitted,
    /// It was tried and failed.
    Failed,
}

/// Where an instance stands; the same names on every system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    Stopped,
    StartPending,
    Running,
    PausePending,
    Paused,
    ContinuePending,
    StopPending,
    Failed,
}

impl State {
    /// The name shown to people.
    pub fn name(self) -> &'static str {
        match self {
            State::Stopped => "stopped",
            State::StartPending => "start-pending",
            State::Running => "running",
            State::PausePending => "pause-pending",
            State::Paused => "paused",
            State::ContinuePending => "continue-pending",
            State::StopPending => "stop-pending",
            State::Failed => "failed",
        }
    }
}

/// All that is known of one service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServiceStatus {
    pub service: String,
    pub description: String,
    /// The unit file.
    pub source: Option<String>,
    pub state: State,
    pub since: WallNanos,
    /// Why it stands there.
    pub because: String,
    /// What the operator wants.
    pub wanted: Wanted,
    pub readiness: Readiness,
    /// The program's own words (`STATUS=`).
    pub says: Option<String>,
    pub run: Option<u64>,
    pub pid: Option<u32>,
    pub restarts: u32,
    /// What happens next by itself, and when: a restart, a kill, a timeout.
    pub next: Option<NextStep>,
    pub last_run: Option<LastRun>,
    /// Why it hung, when that was last asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Explanation>,
    pub unhealthy: bool,
    /// Lines or bytes of output that had to be dropped.
    pub log_dropped: u64,
    /// Files of its log; empty where it goes elsewhere.
    pub log_files: Vec<String>,
    pub requires: Vec<String>,
    pub after: Vec<String>,
    pub milestones: Milestones,
    /// Only when asked for in detail.
    pub members: Vec<Member>,
    pub usage: Usage,
}

/// Desired state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wanted {
    Up,
    Down,
}

/// Whether it serves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Readiness {
    pub ready: bool,
    /// How that is known: `notify`, `port 127.0.0.1:80`, `up without proof`.
    pub by: String,
}

/// What happens next by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NextStep {
    pub what: String,
    pub in_ms: u64,
}

/// Why a run hung, found out before it was ended by force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    pub run: u64,
    pub at: WallNanos,
    /// What it should have done: `stop`, `start`, `health` or `hang`.
    pub question: String,
    /// The verdict's name, as in `docs/why.md`.
    pub verdict: String,
    /// `certain`, `strong` or `weak`.
    pub confidence: String,
    /// The answer in one sentence.
    pub summary: String,
    /// Where the whole report lies.
    pub file: String,
}

/// How the run before this one ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LastRun {
    pub run: u64,
    pub ended: WallNanos,
    pub lasted_ms: u64,
    /// `code 3`, `SIGSEGV (invalid memory access)` …, with who sent it where known.
    pub end: String,
}

/// When the current (or last) start and stop passed their stations, on the engine's monotonic clock in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Milestones {
    /// The start was asked for.
    pub asked: Option<u64>,
    /// What it had to wait for had arrived; its own start began.
    pub begun: Option<u64>,
    pub spawned: Option<u64>,
    pub ready: Option<u64>,
    pub stop_asked: Option<u64>,
    pub stop_begun: Option<u64>,
    pub stopped: Option<u64>,
}

/// One process of the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    pub pid: u32,
    pub parent: u32,
    pub name: String,
    pub state: char,
    pub command_line: String,
}

/// What the tree uses; absent: not known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    pub processes: Option<u64>,
    pub threads: Option<u64>,
    pub memory_bytes: Option<u64>,
    pub cpu_ms: Option<u64>,
    pub open_files: Option<u64>,
}
