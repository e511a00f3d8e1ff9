//! The engine's side of the log pump: messages to its loop, and what it tells in return.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use aplomb_core::RunId;
use aplomb_logs::Settings;
use aplomb_platform::{Platform, Pump, StreamId, StreamKeepsake};

use crate::pump;

/// What the pump is told.
#[derive(Debug)]
pub(crate) enum ToPump {
    /// Output of this stream goes there from now on.
    Open {
        stream: StreamId,
        settings: Arc<Settings>,
    },
    /// Its pipe is one an earlier engine made: what that one had in hand is this one's.
    Found {
        stream: StreamId,
    },
    /// All pipes of an earlier engine have been found that are there.
    Begin,
    /// A run begins: a file that is emptied at each start is emptied.
    RunBegins {
        stream: StreamId,
    },
    /// A run has ended: what is in the pipe belongs to it, a partial last line is complete.
    RunEnded {
        stream: StreamId,
    },
    /// Tell when a line matches.
    Watch {
        stream: StreamId,
        run: RunId,
        pattern: Box<str>,
    },
    Unwatch {
        stream: StreamId,
    },
    Rotate {
        stream: StreamId,
    },
    Close {
        stream: StreamId,
    },
    /// Store what is there and end.
    Quit,
    /// End, and leave every pipe as it is: another engine goes on reading.
    Leave,
}

/// What the pump tells.
#[derive(Debug)]
pub(crate) enum FromPump {
    /// A line was the one watched for.
    Matched { stream: StreamId, run: RunId },
    /// What was to be watched for is no regular expression.
    BadPattern { stream: StreamId, why: String },
    /// A new log file was begun; this is the old one.
    Rotated { stream: StreamId, file: String },
    /// Output cannot be stored, and so many lines are lost since that is so.
    Dropping { stream: StreamId, lines: u64 },
    /// Output was dropped, or a log cannot be written, or can be again.
    Trouble {
        stream: StreamId,
        dropped_lines: u64,
        because: String,
    },
}

/// The pump, as the engine holds it.
#[derive(Debug)]
pub(crate) struct Outlet {
    handle: Box<dyn Pump>,
    to: Sender<ToPump>,
    from: Receiver<FromPump>,
    thread: Option<JoinHandle<()>>,
    /// Something was sent since the last wake.
    stale: bool,
}

impl Outlet {
    /// Starts the pump's loop on a thread of its own.
    pub(crate) fn start(platform: &mut impl Platform) -> std::io::Result<Outlet> {
        let (handle, port) = platform.pump()?;
        let (to, pump_inbox) = channel();
        let (pump_outbox, from) = channel();
        let thread = std::thread::Builder::new()
            .name("log pump".to_owned())
            .spawn(move || pump::run(port, &pump_inbox, pump_outbox))?;
        Ok(Outlet {
            handle,
            to,
            from,
            thread: Some(thread),
            stale: false,
        })
    }

    /// Makes the pipe of a stream and tells the pump where its output goes.
    pub(crate) fn open(
        &mut self,
        stream: StreamId,
        settings: Arc<Settings>,
    ) -> std::io::Result<()> {
        // The settings first: the pump must know the stream before it can be told to read it.
        self.tell(ToPump::Open { stream, settings });
        self.handle.attach(stream)
    }

    /// By what the next engine finds the stream's pipe again.
    pub(crate) fn keepsake(&mut self, stream: StreamId) -> Option<StreamKeepsake> {
        self.handle.keepsake(stream)
    }

    /// As `open`, with the pipe of an earlier engine.
    pub(crate) fn find(
        &mut self,
        stream: StreamId,
        settings: Arc<Settings>,
        keepsake: &StreamKeepsake,
    ) -> std::io::Result<()> {
        self.tell(ToPump::Open { stream, settings });
        let found = self.handle.find(stream, keepsake);
        self.tell(match found {
            Ok(()) => ToPump::Found { stream },
            Err(_) => ToPump::Close { stream },
        });
        found
    }

    /// The stream will not be named again.
    pub(crate) fn close(&mut self, stream: StreamId) {
        self.handle.seal(stream);
        self.tell(ToPump::Close { stream });
    }

    pub(crate) fn tell(&mut self, message: ToPump) {
        // A pump that is gone has said so in its last message; its absence is no reason to stop services.
        let _gone = self.to.send(message);
        self.stale = true;
    }

    /// One wake for all that was told since the last.
    pub(crate) fn flush(&mut self) {
        if std::mem::take(&mut self.stale) {
            self.handle.wake();
        }
    }

    pub(crate) fn next(&mut self) -> Option<FromPump> {
        self.from.try_recv().ok()
    }

    /// Has the pump end without closing a pipe, and waits until it has.
    pub(crate) fn leave(&mut self) {
        self.tell(ToPump::Leave);
        self.flush();
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }

    /// Lets the pump store what is in the pipes, and waits until it has.
    pub(crate) fn finish(&mut self) {
        self.tell(ToPump::Quit);
        self.flush();
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}
