//! What the life thread sleeps on: messages from other threads and records from the signal handler, woken by one pipe.

use std::io::{self, PipeReader, PipeWriter, Read};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

use super::sys::{self, RECORD, Record};

/// The sending end; clones share it.
#[derive(Debug)]
pub(crate) struct Post<T> {
    sender: Sender<T>,
    bell: Arc<PipeWriter>,
}

impl<T> Clone for Post<T> {
    fn clone(&self) -> Self {
        Self {
            sender: self.sender.clone(),
            bell: Arc::clone(&self.bell),
        }
    }
}

impl<T> Post<T> {
    /// Never blocks; a message to a life that is over goes nowhere.
    pub(crate) fn send(&self, message: T) {
        if self.sender.send(message).is_ok() {
            sys::write_record(self.bell.as_raw_fd(), Record::default());
        }
    }

    pub(crate) fn raw_fd(&self) -> RawFd {
        self.bell.as_raw_fd()
    }
}

/// The receiving end.
#[derive(Debug)]
pub(crate) struct Inbox<T> {
    receiver: Receiver<T>,
    pipe: PipeReader,
    // Keeps the writing end open for the signal handler even when every Post is gone.
    _bell: Arc<PipeWriter>,
}

/// What came out of the inbox.
#[derive(Debug)]
pub(crate) enum Received<T> {
    Message(T),
    Interruption(Record),
    Nothing,
}

pub(crate) fn mailbox<T>() -> io::Result<(Post<T>, Inbox<T>)> {
    let (pipe, bell) = io::pipe()?;
    sys::set_nonblocking(pipe.as_fd())?;
    sys::set_nonblocking(bell.as_fd())?;
    let (sender, receiver) = channel();
    let bell = Arc::new(bell);
    Ok((
        Post {
            sender,
            bell: Arc::clone(&bell),
        },
        Inbox {
            receiver,
            pipe,
            _bell: bell,
        },
    ))
}

impl<T> Inbox<T> {
    /// Waits for the next thing, but not past `until`. Signals come before messages.
    pub(crate) fn receive(&mut self, until: Option<Instant>) -> Received<T> {
        loop {
            if let Some(record) = self.next_signal() {
                return Received::Interruption(record);
            }
            if let Ok(message) = self.receiver.try_recv() {
                return Received::Message(message);
            }
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Received::Nothing;
            }
            sys::wait_readable(self.pipe.as_fd(), left);
        }
    }

    /// Empties the pipe up to the next signal. The pipe is read before the channel, so a wake-up cannot be lost: its
    /// message was sent before its record.
    fn next_signal(&mut self) -> Option<Record> {
        let mut bytes = [0; RECORD];
        while let Ok(RECORD) = self.pipe.read(&mut bytes) {
            let record = Record::parse(&bytes);
            if record.signal != 0 {
                return Some(record);
            }
        }
        None
    }
}
