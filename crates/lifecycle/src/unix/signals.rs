//! Installing and removing the handlers of one application.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Post, sys};
use crate::signal::Signal;

/// The number no handler is ever called for.
pub(crate) const SIGSTOP: i32 = libc::SIGSTOP;

impl Signal {
    /// For the program's own use (Unix). Its number differs between systems.
    pub const USR1: Self = Self(libc::SIGUSR1);
    /// For the program's own use (Unix). Its number differs between systems.
    pub const USR2: Self = Self(libc::SIGUSR2);
}

/// Names of signals whose numbers differ between systems.
pub(crate) fn name(number: i32) -> Option<&'static str> {
    match number {
        libc::SIGUSR1 => Some("SIGUSR1"),
        libc::SIGUSR2 => Some("SIGUSR2"),
        _ => None,
    }
}

/// One set of handlers per process: signals are a property of the process, not of a thread or an object.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The handlers in place; dropping puts the earlier ones back.
#[derive(Debug)]
pub(crate) struct Installed {
    earlier: Vec<(i32, sys::Earlier)>,
}

/// Why the handlers could not be installed.
///
/// ```
/// use std::error::Error;
/// use aplomb_lifecycle::{BeginError, SignalError};
/// let error = BeginError::from(SignalError::Taken);
/// assert!(error.source().unwrap().to_string().ends_with("already handled by another application"));
/// ```
#[derive(Debug, thiserror::Error)]
pub enum SignalError {
    /// Another application of this library in the same process holds the signals.
    #[error("signals of this process are already handled by another application")]
    Taken,
    /// The system refused.
    #[error("cannot handle signal {signal}")]
    Refused {
        /// The signal's number.
        signal: i32,
        /// What the system said.
        source: io::Error,
    },
}

/// Catches `signals` into the mailbox of `post`. A signal that was ignored when we came (`nohup`, `cmd &`) and stands in
/// `keep_ignored` stays ignored.
pub(crate) fn install<T>(
    signals: &[i32],
    keep_ignored: &[i32],
    post: &Post<T>,
) -> Result<Installed, SignalError> {
    if TAKEN.swap(true, Ordering::SeqCst) {
        return Err(SignalError::Taken);
    }
    super::sender::remember_parent();
    sys::aim(Some(post.raw_fd()));
    let mut installed = Installed {
        earlier: Vec::new(),
    };
    for &signal in signals {
        let refused = |source| SignalError::Refused { signal, source };
        let before = sys::current(signal).map_err(refused)?;
        if before.is_ignore() && keep_ignored.contains(&signal) {
            continue;
        }
        // Known before ours is in place, so that a signal in between already finds it.
        before.remember(signal);
        installed
            .earlier
            .push((signal, sys::catch(signal).map_err(refused)?));
    }
    Ok(installed)
}

impl Drop for Installed {
    fn drop(&mut self) {
        for (signal, earlier) in self.earlier.drain(..) {
            // Cannot fail for a signal we could catch; and if it did, our handler would merely write nowhere.
            drop(sys::restore(signal, earlier));
        }
        sys::aim(None);
        TAKEN.store(false, Ordering::SeqCst);
    }
}
