//! Console events: Ctrl+C, Ctrl+Break, close, logoff, shutdown.

use std::io;
use std::sync::{Mutex, PoisonError};

use super::{Control, HostEvent, Post, sys};
use crate::life::{GroupId, Message, ROOT};

/// Unix's number; Windows has none that is never delivered.
pub(crate) const SIGSTOP: i32 = 19;

/// No further signals have names here.
pub(crate) fn name(_: i32) -> Option<&'static str> {
    None
}

static POST: Mutex<Option<Post<(GroupId, Message)>>> = Mutex::new(None);

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
    /// Another application of this library in the same process holds the console.
    #[error("console events of this process are already handled by another application")]
    Taken,
    /// The system refused.
    #[error("cannot handle console events")]
    Refused {
        /// What the system said.
        source: io::Error,
    },
}

/// The handler in place; dropping removes it.
#[derive(Debug)]
pub(crate) struct Installed;

/// Catches console events into the mailbox of `post`. Signals are Unix's; declarations for them never fire here.
pub(crate) fn install(
    _: &[i32],
    _: &[i32],
    post: &Post<(GroupId, Message)>,
) -> Result<Installed, SignalError> {
    let mut holder = POST.lock().unwrap_or_else(PoisonError::into_inner);
    if holder.is_some() {
        return Err(SignalError::Taken);
    }
    *holder = Some(post.clone());
    drop(holder);
    sys::catch_console().map_err(|source| {
        *POST.lock().unwrap_or_else(PoisonError::into_inner) = None;
        SignalError::Refused { source }
    })?;
    Ok(Installed)
}

impl Drop for Installed {
    fn drop(&mut self) {
        sys::release_console();
        *POST.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Called from a system thread. False when nobody listens any more.
pub(super) fn post(control: Control) -> bool {
    let holder = POST.lock().unwrap_or_else(PoisonError::into_inner);
    match &*holder {
        Some(post) => {
            post.send((ROOT, Message::Host(HostEvent::Control(control))));
            true
        }
        None => false,
    }
}
