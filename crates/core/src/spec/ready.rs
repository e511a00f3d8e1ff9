//! Proof that a run serves, and that it goes on serving.

use alloc::boxed::Box;
use alloc::string::String;

use super::Command;
use crate::quantity::Duration;

/// What makes a started run *ready*.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Ready {
    /// The program was executed; for a oneshot, its last command has succeeded. Up without further proof.
    #[default]
    Started,
    /// `READY=1` on the notify socket (sd_notify(3)).
    Notify(NotifyFrom),
    /// A newline on this file descriptor (s6's notification-fd).
    Fd(u32),
    /// The check holds; asked every `interval`, each try given up after `timeout`.
    Probe {
        check: Check,
        interval: Duration,
        timeout: Duration,
    },
    /// A line of its output matches this regular expression.
    LogLine(String),
    /// This much time has passed and it still runs.
    Delay(Duration),
}

impl Ready {
    pub const INTERVAL: Duration = Duration::from_millis(100);
    pub const TIMEOUT: Duration = Duration::from_secs(3);
}

/// Whose notify messages count (systemd's `NotifyAccess=`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NotifyFrom {
    /// Only the main process.
    #[default]
    Main,
    /// The main process and our own commands of this service.
    Exec,
    /// Every process of the tree.
    All,
    /// Nobody (messages are ignored).
    Nobody,
}

/// Something that can be asked from outside, again and again.
#[derive(Debug, Clone, PartialEq)]
pub enum Check {
    /// A TCP connection to `host:port` is accepted.
    Port(String),
    /// A GET of `http://host:port/path` is answered.
    Http {
        url: String,
        /// Accepted status codes, both ends included. Default 200 to 399.
        status: (u16, u16),
        /// Must match the body's first 64 KiB.
        body: Option<String>,
    },
    /// The file exists. The path is absolute or relative to the service's directory.
    File(String),
    /// The command ends with code 0.
    Command(Box<Command>),
}

/// A check that goes on while the service runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Health {
    pub check: Check,
    /// Default 10 s.
    pub interval: Duration,
    /// Default 3 s.
    pub timeout: Duration,
    /// Failures in a row that make it unhealthy. Default 3.
    pub threshold: u32,
    pub then: HealthAction,
}

impl Health {
    pub const INTERVAL: Duration = Duration::from_secs(10);
    pub const TIMEOUT: Duration = Duration::from_secs(3);
    pub const THRESHOLD: u32 = 3;
}

/// What an unhealthy service gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HealthAction {
    /// A remark in status and events.
    Nothing,
    /// The stop plan, then a new run, counted as a failure.
    #[default]
    Restart,
}
