//! What the life thread sleeps on. System callbacks may take locks and allocate here, so a channel is all it takes.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

/// The sending end; clones share it.
#[derive(Debug)]
pub(crate) struct Post<T>(Sender<T>);

impl<T> Clone for Post<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Post<T> {
    /// Never blocks; a message to a life that is over goes nowhere.
    pub(crate) fn send(&self, message: T) {
        drop(self.0.send(message));
    }
}

/// The receiving end.
#[derive(Debug)]
pub(crate) struct Inbox<T>(Receiver<T>);

/// What came out of the inbox.
#[derive(Debug)]
pub(crate) enum Received<T> {
    Message(T),
    #[expect(dead_code, reason = "there is none here; see `Interruption`")]
    Interruption(super::Interruption),
    Nothing,
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the same signature as on Unix, where it can fail"
)]
pub(crate) fn mailbox<T>() -> io::Result<(Post<T>, Inbox<T>)> {
    let (sender, receiver) = channel();
    Ok((Post(sender), Inbox(receiver)))
}

impl<T> Inbox<T> {
    /// Waits for the next thing, but not past `until`.
    pub(crate) fn receive(&mut self, until: Option<Instant>) -> Received<T> {
        let received = match until {
            Some(until) => self
                .0
                .recv_timeout(until.saturating_duration_since(Instant::now()))
                .ok(),
            None => self.0.recv().ok(),
        };
        received.map_or(Received::Nothing, Received::Message)
    }
}
