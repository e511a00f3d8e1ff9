//! One way of bytes towards us, read ahead: the system fills our buffer while nobody asks.

use std::io;
use std::sync::Arc;

use super::sys::transfer::{Transfer, Wire};

/// The reading side of a wire.
#[derive(Debug)]
pub(crate) struct Inflow {
    transfer: Transfer,
    room: u32,
    /// Of what was read last, this much has been taken.
    taken: usize,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing is there, nothing asked for.
    Idle,
    /// The system has our buffer.
    Reading,
    /// Bytes wait to be taken.
    Full,
    /// The other side is gone.
    Ended,
    /// The wire is broken for this reason.
    Broken(io::ErrorKind),
}

impl Inflow {
    /// `room`: the most that is read at once.
    pub(crate) fn new(room: u32) -> io::Result<Inflow> {
        Ok(Inflow {
            transfer: Transfer::new()?,
            room,
            taken: 0,
            state: State::Idle,
        })
    }

    /// Whether a packet is about this side of the wire.
    pub(crate) fn is_of(&self, operation: usize) -> bool {
        self.transfer.token() == operation
    }

    /// There is something to take: bytes, the end, or an error.
    pub(crate) fn has_something(&self) -> bool {
        !matches!(self.state, State::Idle | State::Reading)
    }

    /// Asks the system for more, where nothing waits to be taken.
    pub(crate) fn fill(&mut self, wire: &Arc<Wire>) {
        if self.state != State::Idle {
            return;
        }
        self.taken = 0;
        self.state = match self.transfer.read(wire, self.room) {
            Ok(()) => State::Reading,
            Err(error) => ended_or_broken(&error),
        };
    }

    /// A packet about it has arrived.
    pub(crate) fn filled(&mut self, wire: &Wire) {
        if self.state != State::Reading {
            return;
        }
        self.state = match (self.transfer.finish(), wire) {
            // A pipe's writer may write nothing, which means nothing.
            (Ok(0), Wire::Pipe(_)) => State::Idle,
            (Ok(0), Wire::Socket(_)) => State::Ended,
            (Ok(_), _) => State::Full,
            (Err(error), _) => ended_or_broken(&error),
        };
    }

    /// Takes what is there, and asks for more once all is taken.
    pub(crate) fn take(&mut self, wire: &Arc<Wire>, into: &mut [u8]) -> io::Result<usize> {
        match self.state {
            State::Idle => {
                self.fill(wire);
                if self.state == State::Reading {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                self.take(wire, into)
            }
            State::Reading => Err(io::ErrorKind::WouldBlock.into()),
            State::Ended => Ok(0),
            State::Broken(kind) => Err(kind.into()),
            State::Full => {
                let left = &self.transfer.bytes()[self.taken..];
                let count = left.len().min(into.len());
                into[..count].copy_from_slice(&left[..count]);
                self.taken += count;
                if self.taken == self.transfer.bytes().len() {
                    self.state = State::Idle;
                    self.fill(wire);
                }
                Ok(count)
            }
        }
    }
}

/// Whether an error says that the other side has closed.
fn ended_or_broken(error: &io::Error) -> State {
    /// No process is at the other end of the pipe.
    const ERROR_PIPE_NOT_CONNECTED: i32 = 233;
    let kind = error.kind();
    if kind == io::ErrorKind::BrokenPipe || error.raw_os_error() == Some(ERROR_PIPE_NOT_CONNECTED) {
        State::Ended
    } else {
        State::Broken(kind)
    }
}
