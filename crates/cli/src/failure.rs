//! What goes wrong for a person: what failed, for which service, why, and one thing to do.
//!
//! Every error of the client ends here, whatever it was before, because this is where exit codes and sentences are
//! decided. How it looks on a terminal is `ui`'s business.

use std::io;

use aplomb_protocol::{Fault, FaultKind};
use serde::Serialize;

use crate::host::scm::installation::InstallationError;

/// How the program ends; the numbers are part of its interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Done = 0,
    Failed = 1,
    Usage = 2,
    NotRunning = 3,
    Unknown = 4,
    Unreachable = 69,
}

impl Exit {
    /// The number handed to the shell.
    pub(crate) fn code(self) -> u8 {
        self as u8
    }
}

/// Why a verb could not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Failure {
    #[serde(skip)]
    pub(crate) exit: Exit,
    /// One sentence without a full stop.
    pub(crate) message: String,
    /// What lies beneath, outermost first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) because: Vec<String>,
    /// Rendered diagnostics of unit files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) diagnostics: Vec<String>,
    /// One thing to do, as a command or an imperative sentence.
    pub(crate) action: Option<String>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Failure {
        Failure {
            exit,
            message: message.into(),
            because: Vec::new(),
            diagnostics: Vec::new(),
            action: None,
        }
    }

    /// It was tried and failed.
    pub(crate) fn failed(message: impl Into<String>) -> Failure {
        Failure::new(Exit::Failed, message)
    }

    /// The command line does not make sense.
    pub(crate) fn usage(message: impl Into<String>) -> Failure {
        Failure::new(Exit::Usage, message)
    }

    #[must_use]
    pub(crate) fn because(mut self, why: impl ToString) -> Failure {
        self.because.push(without_number(&why.to_string()).into());
        self
    }

    #[must_use]
    pub(crate) fn action(mut self, action: impl Into<String>) -> Failure {
        self.action = Some(action.into());
        self
    }

    /// The message and what lies beneath, as one sentence.
    pub(crate) fn sentence(&self) -> String {
        let mut sentence = self.message.clone();
        for why in &self.because {
            sentence.push_str(": ");
            sentence.push_str(why);
        }
        sentence
    }

    /// Nobody reads our answer any more: no failure in the eyes of who closed the pipe, and nothing to print.
    pub(crate) fn nobody_reads() -> Failure {
        Failure::new(Exit::Done, "nobody reads the answer")
    }

    /// Standard output did not take the answer.
    pub(crate) fn writing(error: &io::Error) -> Failure {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Failure::nobody_reads();
        }
        Failure::failed("cannot write the answer to standard output").because(error)
    }
}

/// A reason without the system's number for it: `(os error 2)` tells a person nothing the words did not.
fn without_number(why: &str) -> &str {
    why.rsplit_once(" (os error ")
        .map_or(why, |(words, _)| words)
}

impl From<InstallationError> for Failure {
    fn from(error: InstallationError) -> Failure {
        let action = match &error {
            InstallationError::Exists { .. } => {
                "choose another name; `aplomb adopt NAME` takes over NSSM's"
            }
            InstallationError::Marked { .. } => {
                "close the Services console and Task Manager, or restart the machine"
            }
            InstallationError::NotPermitted { .. } => "run it as administrator",
            InstallationError::Name { .. } => "use at most 256 characters, without `/` and `\\`",
            InstallationError::Password { .. } => {
                "install it without an account, then `sc config NAME obj= ACCOUNT password= PASSWORD`"
            }
            InstallationError::NotUp { .. } => {
                "look at its log, and at NAME.host.err beside it where it could not even begin"
            }
            InstallationError::Stubborn { .. } => "`aplomb why NAME` says what it waits for",
            InstallationError::Refused { .. } => "look at the service with `sc qc NAME`",
        };
        Failure::failed(error.to_string()).action(action)
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Failure {
        let exit = match fault.kind {
            FaultKind::BadRequest | FaultKind::Ambiguous => Exit::Usage,
            FaultKind::UnknownService => Exit::Unknown,
            FaultKind::NotRunning => Exit::NotRunning,
            FaultKind::Refused
            | FaultKind::BadUnit
            | FaultKind::NotPermitted
            | FaultKind::Failed => Exit::Failed,
        };
        Failure {
            exit,
            message: fault.message,
            because: Vec::new(),
            diagnostics: fault.diagnostics,
            action: fault.action,
        }
    }
}
