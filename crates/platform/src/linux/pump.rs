//! The pump's side: pipes whose reading ends another loop watches.
//!
//! The engine makes a pipe, hands its reading end over a queue, and registers it with the pump's own epoll instance. The
//! writing end is kept for the launches that name it, until the stream is sealed. Pipes keep the kernel's size of 64 KiB: a larger one was measured to
//! gain nothing, and a thousand of them would be over the pages one user may hold.

use std::collections::BTreeMap;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType};
use rustix::pipe::{PipeFlags, pipe_with};

use super::control::address_of;
use super::poller::{empty, ring};
use super::succession::{describe, take};
use super::sys::keeping::SharedMemory;
use crate::{
    Descriptor, Lasting, LastingMemory, Pump, PumpEvent, PumpPort, StreamId, StreamKeepsake,
};

const EVENTS: usize = 128;
/// What notes may take at most; memory nobody has written to takes none.
const NOTES: usize = 32 << 20;
/// No stream has this name: it is the bell's.
const BELL: u64 = u64::MAX;

/// Writing ends of the streams launches may name; shared with the platform.
pub(crate) type Writers = std::rc::Rc<std::cell::RefCell<BTreeMap<StreamId, OwnedFd>>>;

#[derive(Debug)]
struct LinuxPump {
    epoll: Arc<OwnedFd>,
    bell: OwnedFd,
    handed_over: Sender<(StreamId, OwnedFd)>,
    writers: Writers,
    /// Numbers of the reading ends, which are the port's.
    readers: BTreeMap<StreamId, Descriptor>,
}

#[derive(Debug)]
struct LinuxPort {
    epoll: Arc<OwnedFd>,
    bell: OwnedFd,
    engine: OwnedFd,
    handed_over: Receiver<(StreamId, OwnedFd)>,
    streams: BTreeMap<u64, OwnedFd>,
    datagrams: Option<OwnedFd>,
    /// Where memory that outlives us comes from.
    hold: Option<BorrowedFd<'static>>,
}

/// Makes both halves. `engine` is the bell of the engine's own loop.
pub(crate) fn open(
    engine: OwnedFd,
    writers: Writers,
    hold: Option<BorrowedFd<'static>>,
) -> io::Result<(Box<dyn Pump>, Box<dyn PumpPort>)> {
    let epoll = Arc::new(epoll::create(epoll::CreateFlags::CLOEXEC)?);
    let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    epoll::add(
        &*epoll,
        &bell,
        epoll::EventData::new_u64(BELL),
        epoll::EventFlags::IN,
    )?;
    let (sender, receiver) = channel();
    let port = LinuxPort {
        epoll: Arc::clone(&epoll),
        bell: bell.try_clone()?,
        engine,
        handed_over: receiver,
        streams: BTreeMap::new(),
        datagrams: None,
        hold,
    };
    let pump = LinuxPump {
        epoll,
        bell,
        handed_over: sender,
        writers,
        readers: BTreeMap::new(),
    };
    Ok((Box::new(pump), Box::new(port)))
}

impl Pump for LinuxPump {
    fn attach(&mut self, stream: StreamId) -> io::Result<()> {
        if self.writers.borrow().contains_key(&stream) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
        // Only our end: a program that finds its own output non-blocking loses lines.
        rustix::fs::fcntl_setfl(&reader, OFlags::NONBLOCK)?;
        self.hand_over(stream, reader, writer)
    }

    fn keepsake(&mut self, stream: StreamId) -> Option<StreamKeepsake> {
        Some(StreamKeepsake {
            reads: *self.readers.get(&stream)?,
            writes: describe(self.writers.borrow().get(&stream)?.as_fd())?,
        })
    }

    fn find(&mut self, stream: StreamId, keepsake: &StreamKeepsake) -> io::Result<()> {
        let (reader, writer) = (take(keepsake.reads)?, take(keepsake.writes)?);
        self.hand_over(stream, reader, writer)
    }

    fn seal(&mut self, stream: StreamId) {
        self.readers.remove(&stream);
        self.writers.borrow_mut().remove(&stream);
    }

    fn wake(&mut self) {
        ring(&self.bell);
    }
}

impl LinuxPump {
    fn hand_over(&mut self, stream: StreamId, reader: OwnedFd, writer: OwnedFd) -> io::Result<()> {
        self.readers
            .extend(describe(reader.as_fd()).map(|reads| (stream, reads)));
        let data = epoll::EventData::new_u64(stream.0);
        // Nothing can come before the other side knows it: the writing end is still ours, and silent.
        epoll::add(&*self.epoll, &reader, data, epoll::EventFlags::IN)?;
        self.handed_over
            .send((stream, reader))
            .map_err(|_| io::ErrorKind::BrokenPipe)?;
        self.writers.borrow_mut().insert(stream, writer);
        Ok(())
    }
}

impl PumpPort for LinuxPort {
    fn wait(&mut self, until: Option<Duration>, into: &mut Vec<PumpEvent>) -> io::Result<()> {
        let timeout = until.map(|left| Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        });
        let mut room = [const { MaybeUninit::<epoll::Event>::uninit() }; EVENTS];
        let (events, _) = match epoll::wait(&*self.epoll, &mut room[..], timeout.as_ref()) {
            Ok(events) => events,
            Err(Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        for event in events {
            if event.data.u64() == BELL {
                empty(&self.bell);
                into.push(PumpEvent::Woken);
            } else {
                into.push(PumpEvent::Readable(StreamId(event.data.u64())));
            }
        }
        Ok(())
    }

    fn read(&mut self, stream: StreamId, into: &mut [u8]) -> io::Result<usize> {
        let fd = self.stream(stream)?;
        Ok(rustix::io::retry_on_intr(|| {
            rustix::io::read(fd, &mut *into)
        })?)
    }

    fn detach(&mut self, stream: StreamId) {
        self.take_over();
        // Closing it takes it out of the epoll instance: nobody else has this reading end.
        self.streams.remove(&stream.0);
    }

    fn waiting(&mut self, stream: StreamId) -> io::Result<usize> {
        let waiting = rustix::io::ioctl_fionread(self.stream(stream)?)?;
        Ok(usize::try_from(waiting).unwrap_or(usize::MAX))
    }

    fn identity(&mut self, stream: StreamId) -> Option<u64> {
        let fd = self.stream(stream).ok()?;
        describe(fd).map(|descriptor| descriptor.inode)
    }

    fn lasting(&mut self, which: Lasting, length: usize) -> Option<Box<dyn LastingMemory>> {
        let hold = self.hold?;
        let (offset, size) = match which {
            Lasting::Notes => (0, NOTES),
            Lasting::Chunk => (NOTES, length),
        };
        let all = (offset + size) as u64;
        if rustix::fs::fstat(hold).ok()?.st_size.unsigned_abs() < all {
            rustix::fs::ftruncate(hold, all).ok()?;
        }
        let memory = SharedMemory::map(hold, offset, length.min(size)).ok()?;
        Some(Box::new(memory))
    }

    fn send_datagram(&mut self, address: &str, bytes: &[u8]) -> io::Result<()> {
        let socket = match self.datagrams.take() {
            Some(socket) => socket,
            None => net::socket_with(
                AddressFamily::UNIX,
                SocketType::DGRAM,
                SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
                None,
            )?,
        };
        let socket = self.datagrams.insert(socket);
        let (to, _directory) = local_address(address)?;
        net::sendto(socket, bytes, SendFlags::NOSIGNAL, &to)?;
        Ok(())
    }

    fn wake_engine(&mut self) {
        ring(&self.engine);
    }
}

impl LastingMemory for SharedMemory {
    fn bytes(&mut self) -> &mut [u8] {
        SharedMemory::bytes(self)
    }

    fn word(&self) -> &std::sync::atomic::AtomicU64 {
        SharedMemory::word(self, 0)
    }
}

impl LinuxPort {
    fn stream(&mut self, stream: StreamId) -> io::Result<BorrowedFd<'_>> {
        if !self.streams.contains_key(&stream.0) {
            self.take_over();
        }
        let missing = || io::Error::new(io::ErrorKind::NotFound, "no such stream");
        self.streams
            .get(&stream.0)
            .map(AsFd::as_fd)
            .ok_or_else(missing)
    }

    fn take_over(&mut self) {
        let new = self.handed_over.try_iter();
        self.streams.extend(new.map(|(stream, fd)| (stream.0, fd)));
    }
}

/// A path, or `@name` in the abstract space.
fn local_address(address: &str) -> io::Result<(SocketAddrUnix, Option<OwnedFd>)> {
    match address.strip_prefix('@') {
        Some(name) => Ok((SocketAddrUnix::new_abstract_name(name.as_bytes())?, None)),
        None => address_of(Path::new(address)),
    }
}
