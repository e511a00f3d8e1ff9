//! The pump's side: pipes whose reading ends another loop watches.
//!
//! A pipe is a named one with a name nobody can guess, because only those can be read without waiting. Its reading end
//! is handed over a queue and joined to the pump's own port; the writing end is kept for the launches that name it,
//! until the stream is sealed. A program that outlives its service and still holds one keeps nobody waiting.

use std::collections::BTreeMap;
use std::io;
use std::os::windows::io::OwnedHandle;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use super::poller::Source;
use super::streams::Inflow;
use super::sys::pipe::{self, Carries, Instance};
use super::sys::port::{Packet, Port, Poster};
use super::sys::transfer::Wire;
use crate::{Pump, PumpEvent, PumpPort, StreamId};

/// What a pipe holds, and what is read at once. Under Wine a pipe of 64 KiB carries five times as much as one of the
/// usual 4.
const ROOM: u32 = 64 << 10;
/// No stream has this key: it is the bell's.
const BELL: usize = usize::MAX;

/// Writing ends of the streams launches may name; shared with the platform.
pub(crate) type Writers = std::rc::Rc<std::cell::RefCell<BTreeMap<StreamId, OwnedHandle>>>;

#[derive(Debug)]
struct WindowsPump {
    port: Arc<Port>,
    handed_over: Sender<Stream>,
    writers: Writers,
    last: usize,
}

#[derive(Debug)]
struct WindowsPort {
    port: Arc<Port>,
    engine: Poster,
    handed_over: Receiver<Stream>,
    /// By their keys at the port, which are never used again.
    streams: BTreeMap<usize, Stream>,
    room: Vec<Packet>,
}

#[derive(Debug)]
struct Stream {
    key: usize,
    name: StreamId,
    wire: Arc<Wire>,
    inflow: Inflow,
}

/// Makes both halves. `engine` wakes the engine's own loop.
pub(crate) fn open(
    engine: Poster,
    writers: Writers,
) -> io::Result<(Box<dyn Pump>, Box<dyn PumpPort>)> {
    let port = Arc::new(Port::new()?);
    let (sender, receiver) = channel();
    let reading = WindowsPort {
        port: Arc::clone(&port),
        engine,
        handed_over: receiver,
        streams: BTreeMap::new(),
        room: Vec::new(),
    };
    let pump = WindowsPump {
        port,
        handed_over: sender,
        writers,
        last: 0,
    };
    Ok((Box::new(pump), Box::new(reading)))
}

impl Pump for WindowsPump {
    fn attach(&mut self, stream: StreamId) -> io::Result<()> {
        if self.writers.borrow().contains_key(&stream) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let name = super::pipe_name("output");
        let end = pipe::serve(&name, Carries::Bytes, Instance::Only, ROOM, None)?;
        let wire = Arc::new(Wire::Pipe(end));
        self.last += 1;
        self.port.join(wire.raw(), self.last)?;
        let writer = pipe::writer(&name)?;
        let mut inflow = Inflow::new(ROOM)?;
        // Nothing comes before the other side knows it: the writing end is still ours, and silent.
        inflow.fill(&wire);
        let handed_over = Stream {
            key: self.last,
            name: stream,
            wire,
            inflow,
        };
        self.handed_over
            .send(handed_over)
            .map_err(|_| io::ErrorKind::BrokenPipe)?;
        self.writers.borrow_mut().insert(stream, writer);
        Ok(())
    }

    fn seal(&mut self, stream: StreamId) {
        self.writers.borrow_mut().remove(&stream);
    }

    fn wake(&mut self) {
        let packet = Packet {
            key: BELL,
            operation: 0,
            amount: 0,
        };
        // A port that is gone needs no waking.
        let _ = self.port.poster().post(packet);
    }
}

impl PumpPort for WindowsPort {
    fn wait(&mut self, until: Option<Duration>, into: &mut Vec<PumpEvent>) -> io::Result<()> {
        self.take_over();
        // What has not been taken yet is told again.
        let full = self.streams.values().any(|one| one.inflow.has_something());
        let time = if full { Some(Duration::ZERO) } else { until };
        self.port.wait(time, &mut self.room)?;
        self.take_over();
        for packet in self.room.drain(..) {
            if packet.key == BELL {
                into.push(PumpEvent::Woken);
            } else if let Some(stream) = self.streams.get_mut(&packet.key)
                && stream.inflow.is_of(packet.operation)
            {
                stream.inflow.filled(&stream.wire);
                stream.inflow.fill(&stream.wire);
            }
        }
        let full = self
            .streams
            .values()
            .filter(|one| one.inflow.has_something());
        into.extend(full.map(|stream| PumpEvent::Readable(stream.name)));
        Ok(())
    }

    fn read(&mut self, stream: StreamId, into: &mut [u8]) -> io::Result<usize> {
        self.take_over();
        let mut streams = self.streams.values_mut();
        let found = streams.find(|one| one.name == stream);
        let missing = || io::Error::new(io::ErrorKind::NotFound, "no such stream");
        let found = found.ok_or_else(missing)?;
        found.inflow.take(&found.wire, into)
    }

    fn detach(&mut self, stream: StreamId) {
        self.take_over();
        self.streams.retain(|_, one| one.name != stream);
    }

    fn send_datagram(&mut self, _address: &str, _bytes: &[u8]) -> io::Result<()> {
        let why = "Windows has no local datagrams";
        Err(io::Error::new(io::ErrorKind::Unsupported, why))
    }

    fn wake_engine(&mut self) {
        // An engine that is gone needs no waking.
        let _ = self.engine.post(Source::Bell.packet());
    }
}

impl WindowsPort {
    fn take_over(&mut self) {
        let new = self.handed_over.try_iter();
        self.streams.extend(new.map(|stream| (stream.key, stream)));
    }
}
