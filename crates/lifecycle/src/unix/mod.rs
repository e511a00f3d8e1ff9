//! The Unix side: signals into a pipe, the mailbox the life thread sleeps on, who sent a signal, and sd_notify.
//!
//! Signals are caught by a handler, never blocked: a blocked mask would be inherited by every child the program starts.
//! All `unsafe` is in `sys.rs` (and `raw.rs` behind the feature); this file and its neighbours are plain Rust.

mod mailbox;
pub(crate) mod notify;
#[cfg(feature = "raw-signals")]
mod raw;
mod sender;
pub(crate) mod signals;
mod sys;
mod threads;

pub(crate) use mailbox::{Inbox, Post, mailbox};
pub(crate) use sender::{origin, remember_parent};
#[cfg(feature = "http")]
pub(crate) use sys::close_backlog;
pub(crate) use sys::{exit_now, monotonic_usec, raise_default};
pub(crate) use threads::{thread_state, threads_named};

/// How many queued connections are taken before a listener closes: all, as the backlog is closed before.
#[cfg(feature = "http")]
pub(crate) const QUEUE: usize = usize::MAX;

pub(crate) use mailbox::Received;

/// What the inbox may bring besides messages: a signal, as the handler wrote it down.
pub(crate) type Interruption = sys::Record;
