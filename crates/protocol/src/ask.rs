//! What a client may ask.

use serde::{Deserialize, Serialize};

/// One request; the answer carries the same `id`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The protocol version the client speaks.
    pub v: u32,
    /// Chosen by the client, unique on its connection.
    pub id: u64,
    #[serde(flatten)]
    pub ask: Ask,
}

/// What is asked. Names of services may be unique prefixes and may hold `*` and `?`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum Ask {
    /// Who are you? Answered by [`crate::Answer::Hello`].
    Hello,
    /// Read these unit files and take their services in. All or nothing: with any refused diagnostic nothing is
    /// taken, and the answer lists every fault. Services already known by the same definition are left alone.
    Load {
        files: Vec<LoadFile>,
        /// What a system cannot carry out is a warning instead of a refusal.
        #[serde(default)]
        lenient: bool,
        /// Start those with start mode `auto`, and those they need.
        #[serde(default)]
        start: bool,
    },
    /// Answered when all named have arrived: ready, or failed.
    Start {
        names: Vec<String>,
    },
    /// Answered when all named are down, their trees empty.
    Stop {
        names: Vec<String>,
        #[serde(default)]
        how: StopHow,
    },
    Restart {
        names: Vec<String>,
    },
    Reload {
        names: Vec<String>,
    },
    Pause {
        names: Vec<String>,
    },
    Continue {
        names: Vec<String>,
    },
    /// Forget a failure and its restart counts, so that the next start begins afresh.
    ResetFailed {
        names: Vec<String>,
    },
    /// Stop these and forget their definitions.
    Unload {
        names: Vec<String>,
    },
    /// Begin new log files now.
    Rotate {
        names: Vec<String>,
    },
    /// One line each, or all that is known of each.
    Status {
        /// Empty: all.
        #[serde(default)]
        names: Vec<String>,
        /// Members of the tree and resource usage as well.
        #[serde(default)]
        detail: bool,
    },
    /// Every event from now on, until the connection ends; with `replay` first those the engine still remembers.
    Events {
        #[serde(default)]
        names: Vec<String>,
        #[serde(default)]
        replay: bool,
    },
    /// The definition in force, as TOML text; with `defaults` every setting.
    Show {
        name: String,
        #[serde(default)]
        defaults: bool,
    },
    /// Stop everything in reverse order and end the engine. A second one with `Force` hurries.
    Shutdown {
        #[serde(default)]
        how: StopHow,
    },
    /// Another program is to go on as the engine, with the same services. Answered before it does; then this connection
    /// ends.
    Upgrade {
        /// Absolute.
        program: String,
    },
    /// From now on the engine lives only as long as this connection: when it ends, everything is shut down.
    Lifeline,
}

/// A unit file to load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadFile {
    /// Absolute.
    pub path: String,
}

/// How firmly to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopHow {
    /// By each service's stop plan.
    #[default]
    Plan,
    /// Skip to the kill at once.
    Force,
}
