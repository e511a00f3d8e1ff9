//! The Windows side: console events and service controls into the mailbox, status reports to the service control manager.
//!
//! Both kinds of callback run on threads of the system and own nothing: they post to the life thread and return, save the
//! console's CLOSE and SHUTDOWN, whose return would be our end. All `unsafe` is in `sys.rs`.

mod host;
mod mailbox;
mod notify;
mod service;
pub(crate) mod signals;
mod sys;

pub(crate) use host::{Host, HostEvent, is_impatient, resignal};
pub(crate) use mailbox::{Inbox, Post, Received, mailbox};
pub(crate) use notify::Line;
pub(crate) use sys::exit_now;

/// There is nothing besides messages: system callbacks may send those themselves.
#[derive(Debug)]
pub(crate) enum Interruption {}

/// There is no descriptor that could ring.
#[derive(Debug)]
pub(crate) enum Bell {}

impl Bell {
    pub(crate) fn ring(&mut self) {
        match *self {}
    }
}

/// Runs the program, as the service `name` if it is one.
pub(crate) fn hosted(service: Option<String>, run: impl FnOnce() -> u8) -> u8 {
    match service {
        Some(name) => service::hosted(&name, run),
        None => run(),
    }
}

/// How many queued connections are taken before a listener closes. Windows ignores a second `listen`, so its queue cannot
/// be closed first, and emptying it might never end under load.
#[cfg(feature = "http")]
pub(crate) const QUEUE: usize = 1024;

/// Windows keeps the backlog as it was; see [`QUEUE`].
#[cfg(feature = "http")]
#[expect(
    clippy::unnecessary_wraps,
    reason = "the same signature as on Unix, where it can fail"
)]
pub(crate) fn close_backlog(_: &std::net::TcpListener) -> std::io::Result<()> {
    Ok(())
}

/// What the console or the service control manager said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Control {
    CtrlC,
    CtrlBreak,
    ConsoleClose,
    ConsoleShutdown,
    Stop,
    Shutdown,
    Preshutdown,
    Pause,
    Continue,
}

/// Windows names no wait of a thread without a debugger.
pub(crate) fn thread_state(_: &str) -> Option<String> {
    None
}

/// As above: threads have no names that could be listed cheaply.
pub(crate) fn threads_named<'a>(_: impl Iterator<Item = &'a str>) -> Vec<String> {
    Vec::new()
}

/// Windows lists neither its own handles nor its children without a debugger's rights; nothing is said of them.
#[derive(Debug)]
pub(crate) struct Opened;

impl Opened {
    pub(crate) fn now() -> Self {
        Self
    }

    pub(crate) fn since(&self) -> Vec<String> {
        Vec::new()
    }
}

/// As for [`Opened`].
pub(crate) fn children() -> Vec<String> {
    Vec::new()
}
