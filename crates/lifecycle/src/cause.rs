//! Why the program is stopping, and who asked.
//!
//! The kernel tells more than a signal number: a terminal, a sender's process id, or nothing at all when the sender lives
//! outside our PID namespace. Turning a signal record into these words is `unix`'s work; this file only holds them.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// Why the application stops.
///
/// ```
/// use aplomb_lifecycle::{Cause, CauseKind, Sender};
/// let sender = Sender::Process { pid: 2704, uid: 0, name: Some("bash".into()) };
/// let cause = Cause { kind: CauseKind::Signal, signal: Some("SIGTERM".into()), sender: Some(sender) };
/// assert_eq!(cause.to_string(), "SIGTERM from bash (pid 2704, uid 0)");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// The sort of request.
    pub kind: CauseKind,
    /// The signal's name, when it was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<Cow<'static, str>>,
    /// Who sent it, as far as the system tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender: Option<Sender>,
}

/// The sorts of stop request.
///
/// ```
/// use aplomb_lifecycle::{CauseKind, Notice, app};
/// app("once").observe(|notice| {
///     if let Notice::Stopping { cause, .. } = notice {
///         assert_eq!(cause.kind, CauseKind::Finished);
///     }
/// }).run_sync(|_| Ok(()));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CauseKind {
    /// A signal that asks to end (SIGTERM, SIGINT sent by a process, a custom one).
    Signal,
    /// A person at a terminal: Ctrl+C, Ctrl+\, Ctrl+Break, or the terminal went away.
    Terminal,
    /// The console window was closed (Windows).
    ConsoleClose,
    /// The service control manager asked (Windows).
    ServiceControl,
    /// The system shuts down (Windows).
    SystemShutdown,
    /// The program itself asked, through [`crate::App::stop`].
    Program,
    /// A component failed or panicked.
    Component,
    /// Nothing is left to run.
    Finished,
    /// The application this one is nested in stops.
    Parent,
}

/// Who sent a signal.
///
/// ```
/// use aplomb_lifecycle::Sender;
/// assert_eq!(Sender::OutsidePidNamespace.to_string(), "from outside the PID namespace (container runtime?)");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sender {
    /// The kernel, for the controlling terminal.
    Terminal,
    /// A process; its name is missing when it was already gone.
    Process {
        /// Process id.
        pid: i32,
        /// Real user id.
        uid: u32,
        /// The name the kernel keeps for it (at most 15 bytes).
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    /// Our parent, which has ended.
    ParentEnded,
    /// A process that our PID namespace cannot see, as a container runtime is.
    OutsidePidNamespace,
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Terminal => f.write_str("terminal"),
            Self::Process {
                pid,
                uid,
                name: Some(name),
            } => write!(f, "{name} (pid {pid}, uid {uid})"),
            Self::Process {
                pid,
                uid,
                name: None,
            } => write!(f, "pid {pid} (already gone), uid {uid}"),
            Self::ParentEnded => f.write_str("parent ended"),
            Self::OutsidePidNamespace => {
                f.write_str("from outside the PID namespace (container runtime?)")
            }
        }
    }
}

impl Cause {
    pub(crate) fn plain(kind: CauseKind) -> Self {
        Self {
            kind,
            signal: None,
            sender: None,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what: &str = match (&self.signal, self.kind) {
            (Some(signal), _) => signal,
            (None, CauseKind::Signal) => "a signal",
            (None, CauseKind::Terminal) => "the terminal",
            (None, CauseKind::ConsoleClose) => "the console was closed",
            (None, CauseKind::ServiceControl) => "the service control manager",
            (None, CauseKind::SystemShutdown) => "the system shuts down",
            (None, CauseKind::Program) => "the program itself",
            (None, CauseKind::Component) => "a component failed",
            (None, CauseKind::Finished) => "nothing is left to run",
            (None, CauseKind::Parent) => "the parent application stops",
        };
        f.write_str(what)?;
        match &self.sender {
            Some(sender) => write!(f, " from {sender}"),
            None => Ok(()),
        }
    }
}

/// How strongly an end is asked for. The machine decides what a repetition means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// SIGTERM and its kin: stop; doubles are dropped, later ones escalate.
    Stop,
    /// Stop without a lame duck; repetitions count as for [`Urgency::Stop`].
    StopAtOnce,
    /// A person at a terminal: the second time forces.
    Interrupt,
    /// SIGQUIT: say what is waited for, then stop; the second time forces.
    Quit,
    /// The platform ends us after this time, come what may.
    Within(Duration),
    /// Finish quicker.
    Hurry,
    /// End now.
    Force,
}

/// A request to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) cause: Cause,
    pub(crate) urgency: Urgency,
}
