//! Output of the fake world's programs, on its way to the pump.

use std::collections::{BTreeMap, VecDeque};
use std::io;

use aplomb_core::Instant;

use crate::{PumpEvent, StreamId};

#[derive(Debug, Default)]
pub(super) struct Streams {
    open: BTreeMap<StreamId, Stream>,
    pub(super) port: PortState,
    pub(super) rung: bool,
    /// What was sent to each local address.
    pub(super) datagrams: Vec<(String, Vec<u8>)>,
    /// Local addresses nobody listens on.
    pub(super) deaf: Vec<String>,
}

#[derive(Debug, Default)]
struct Stream {
    bytes: VecDeque<u8>,
    ended: bool,
    sealed: bool,
}

/// What the pump's loop is doing.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum PortState {
    /// There is none, or it shares the engine's thread: nobody has to wait for it.
    #[default]
    Absent,
    /// Made, and on its way to a thread of its own, or not.
    New,
    /// In a thread of its own, at work.
    Busy,
    /// In a thread of its own, waiting, if it must until then.
    Asleep(Option<Instant>),
}

impl Streams {
    pub(super) fn attach(&mut self, stream: StreamId) -> io::Result<()> {
        if self.open.contains_key(&stream) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.open.insert(stream, Stream::default());
        Ok(())
    }

    /// Whether launches may name it.
    pub(super) fn is_open(&self, stream: StreamId) -> bool {
        self.open.get(&stream).is_some_and(|stream| !stream.sealed)
    }

    pub(super) fn seal(&mut self, stream: StreamId) {
        if let Some(stream) = self.open.get_mut(&stream) {
            stream.sealed = true;
        }
    }

    pub(super) fn print(&mut self, stream: Option<StreamId>, text: &[u8]) {
        if let Some(stream) = stream.and_then(|stream| self.open.get_mut(&stream)) {
            stream.bytes.extend(text);
        }
    }

    /// The last program that held it is gone: it is over if there can be no other.
    pub(super) fn end(&mut self, stream: StreamId) {
        if let Some(stream) = self.open.get_mut(&stream) {
            stream.ended = stream.sealed;
        }
    }

    pub(super) fn detach(&mut self, stream: StreamId) {
        self.open.remove(&stream);
    }

    pub(super) fn read(&mut self, stream: StreamId, into: &mut [u8]) -> io::Result<usize> {
        let missing = || io::Error::new(io::ErrorKind::NotFound, "no such stream");
        let stream = self.open.get_mut(&stream).ok_or_else(missing)?;
        let count = into.len().min(stream.bytes.len());
        for (place, byte) in into.iter_mut().zip(stream.bytes.drain(..count)) {
            *place = byte;
        }
        if count == 0 && !stream.ended {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(count)
    }

    /// What a pump that waits is to be told.
    pub(super) fn events(&mut self) -> Vec<PumpEvent> {
        let readable = self.open.iter();
        let mut events: Vec<_> = readable
            .filter(|(_, stream)| !stream.bytes.is_empty() || stream.ended)
            .map(|(id, _)| PumpEvent::Readable(*id))
            .collect();
        if std::mem::take(&mut self.rung) {
            events.push(PumpEvent::Woken);
        }
        events
    }

    pub(super) fn has_events(&self) -> bool {
        let mut open = self.open.values();
        self.rung || open.any(|stream| !stream.bytes.is_empty() || stream.ended)
    }
}
