//! How the notify protocol travels on Windows: `NOTIFY_SOCKET` names a pipe (`\\.\pipe\…`), and each message is one write
//! into it, which a pipe of message type delivers as one message. The text is the same as on Unix; there are no descriptors
//! to pass. The manager knows the sender by `GetNamedPipeClientProcessId`.
//!
//! Writing into a pipe nobody reads blocks, so a thread of its own writes. The life thread only queues, at most
//! [`QUEUE`] messages; what does not fit is lost.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// Messages that may wait for the manager to read.
const QUEUE: usize = 64;
/// All ends of the pipe are taken: the manager makes another soon.
const ERROR_PIPE_BUSY: i32 = 231;
/// How long that may last before the message counts as lost, and how often to look.
const BUSY: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// The way to the manager.
#[derive(Debug)]
pub(crate) struct Line(SyncSender<String>);

impl Line {
    /// `name` is a pipe's: `\\.\pipe\NAME`. Anything else is no line.
    pub(crate) fn open(name: &OsStr) -> Option<Self> {
        if !name.to_string_lossy().starts_with(r"\\.\pipe\") {
            return None;
        }
        let (queue, messages) = sync_channel(QUEUE);
        let name = name.to_owned();
        std::thread::Builder::new()
            .name("aplomb-notify".into())
            .spawn(move || write_all(&name, &messages))
            .ok()?;
        Some(Self(queue))
    }

    pub(crate) fn send(&self, message: &str) {
        drop(self.0.try_send(message.to_owned()));
    }
}

/// Writes until the life thread is gone. A pipe that broke is opened anew: the manager may have been restarted.
fn write_all(name: &OsString, messages: &Receiver<String>) {
    let mut pipe: Option<File> = None;
    for message in messages {
        let written = match &mut pipe {
            Some(pipe) => pipe.write_all(message.as_bytes()),
            None => Err(io::ErrorKind::NotConnected.into()),
        };
        if written.is_ok() {
            continue;
        }
        pipe = open(name)
            .and_then(|mut pipe| pipe.write_all(message.as_bytes()).map(|()| pipe))
            .ok();
    }
}

fn open(name: &OsString) -> io::Result<File> {
    let begun = Instant::now();
    loop {
        match OpenOptions::new().write(true).open(name) {
            Err(error)
                if error.raw_os_error() == Some(ERROR_PIPE_BUSY) && begun.elapsed() < BUSY =>
            {
                std::thread::sleep(LOOK_AGAIN);
            }
            opened => return opened,
        }
    }
}
