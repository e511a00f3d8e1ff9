//! The Unix side: signals into a pipe, the mailbox the life thread sleeps on, who sent a signal, and sd_notify.
//!
//! Signals are caught by a handler, never blocked: a blocked mask would be inherited by every child the program starts.
//! All `unsafe` is in `sys.rs` (and `raw.rs` behind the feature); this file and its neighbours are plain Rust.

mod bell;
mod host;
mod leftovers;
mod mailbox;
mod notify;
#[cfg(feature = "raw-signals")]
mod raw;
mod sender;
pub(crate) mod signals;
mod sys;
mod threads;

pub(crate) use bell::Bell;
pub(crate) use host::{Host, HostEvent, is_impatient, resignal};
pub(crate) use leftovers::{Opened, children};
pub(crate) use mailbox::{Inbox, Post, Received, mailbox};
pub(crate) use notify::Line;
#[cfg(feature = "http")]
pub(crate) use sys::close_backlog;
pub(crate) use sys::exit_now;
pub(crate) use threads::{thread_state, threads_named};

/// What the inbox may bring besides messages: a signal, as the handler wrote it down.
pub(crate) type Interruption = sys::Record;

/// How many queued connections are taken before a listener closes: all, as the backlog is closed before.
#[cfg(feature = "http")]
pub(crate) const QUEUE: usize = usize::MAX;

/// Runs the program; nobody hosts it in a way that would need us to know the name it is registered by.
pub(crate) fn hosted(_service: Option<String>, run: impl FnOnce() -> u8) -> u8 {
    run()
}
