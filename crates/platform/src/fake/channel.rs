//! Connections of the fake world: control clients played by the test, servers played by scripts.

use std::collections::{BTreeMap, VecDeque};
use std::io;

use crate::{ChannelId, Happened, Peer};

/// As much as one direction holds before a writer has to wait.
const CAPACITY: usize = 64 * 1024;

#[derive(Debug, Default)]
pub(super) struct Channels {
    open: BTreeMap<u64, Channel>,
    last: u64,
    ports: BTreeMap<String, Port>,
    /// Where the control endpoint is, once it is open.
    pub(super) control: Option<String>,
    /// Addresses at which another engine answers.
    pub(super) taken: Vec<String>,
}

/// One connection, seen from the engine.
#[derive(Debug, Default)]
struct Channel {
    incoming: VecDeque<u8>,
    outgoing: VecDeque<u8>,
    other_end: OtherEnd,
    /// The engine has seen the end, or been told to come again.
    owes_readable: bool,
    owes_writable: bool,
    capacity: usize,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum OtherEnd {
    /// The test's hand, or a script's.
    #[default]
    Open,
    Closed,
    /// A server of the fake world under this address, not yet reached.
    Connecting(String),
    /// One that says this as soon as it has been told something.
    Server(Vec<u8>),
}

#[derive(Debug)]
struct Port {
    owner: u32,
    answer: Vec<u8>,
}

impl Channels {
    fn add(&mut self, other_end: OtherEnd) -> u64 {
        self.last += 1;
        let channel = Channel {
            other_end,
            owes_readable: true,
            capacity: CAPACITY,
            ..Channel::default()
        };
        self.open.insert(self.last, channel);
        self.last
    }

    /// A control client of the test's connects.
    pub(super) fn accept(&mut self, peer: Peer) -> (u64, Happened) {
        let id = self.add(OtherEnd::Open);
        let channel = ChannelId(id);
        (id, Happened::Accepted { channel, peer })
    }

    /// The engine begins a connection; [`Channels::answer`] tells what became of it.
    pub(super) fn connect(&mut self, address: &str) -> u64 {
        let address = address.replace("localhost", "127.0.0.1");
        self.add(OtherEnd::Connecting(address))
    }

    pub(super) fn answer(&mut self, id: u64) -> Option<Happened> {
        let channel = self.open.get_mut(&id)?;
        let OtherEnd::Connecting(address) = &channel.other_end else {
            return None;
        };
        let (other_end, failure) = match self.ports.get(address) {
            Some(port) => (OtherEnd::Server(port.answer.clone()), None),
            None => (OtherEnd::Closed, Some(io::ErrorKind::ConnectionRefused)),
        };
        channel.other_end = other_end;
        let channel = ChannelId(id);
        Some(Happened::Connected { channel, failure })
    }

    /// A process accepts connections from now on.
    pub(super) fn serve(&mut self, owner: u32, address: String, answer: Vec<u8>) {
        self.ports.insert(address, Port { owner, answer });
    }

    pub(super) fn close_port_of(&mut self, pid: u32) {
        self.ports.retain(|_, port| port.owner != pid);
    }

    pub(super) fn read(&mut self, id: ChannelId, into: &mut [u8]) -> io::Result<usize> {
        let channel = self.open.get_mut(&id.0).ok_or_else(missing)?;
        let count = into.len().min(channel.incoming.len());
        for (place, byte) in into.iter_mut().zip(channel.incoming.drain(..count)) {
            *place = byte;
        }
        if count > 0 || channel.other_end == OtherEnd::Closed {
            return Ok(count);
        }
        channel.owes_readable = true;
        Err(io::ErrorKind::WouldBlock.into())
    }

    /// Takes at most `most` bytes; what that makes happen is to be told.
    pub(super) fn write(
        &mut self,
        id: ChannelId,
        bytes: &[u8],
        most: usize,
    ) -> io::Result<(usize, Option<Happened>)> {
        let channel = self.open.get_mut(&id.0).ok_or_else(missing)?;
        if channel.other_end == OtherEnd::Closed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let room = channel.capacity.saturating_sub(channel.outgoing.len());
        let count = bytes.len().min(room).min(most);
        channel.outgoing.extend(&bytes[..count]);
        channel.owes_writable = count < bytes.len();
        if count == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut told = None;
        if let OtherEnd::Server(answer) = &mut channel.other_end {
            channel.incoming.extend(std::mem::take(answer));
            channel.other_end = OtherEnd::Closed;
            told = Some(Happened::Readable { channel: id });
        }
        // There may be room at once: a short write was chance, not want of room.
        if channel.owes_writable && channel.outgoing.len() < channel.capacity && told.is_none() {
            channel.owes_writable = false;
            told = Some(Happened::Writable { channel: id });
        }
        Ok((count, told))
    }

    pub(super) fn close(&mut self, id: ChannelId) {
        self.open.remove(&id.0);
    }

    /// The test's client says something.
    pub(super) fn client_sends(&mut self, id: u64, bytes: &[u8]) -> Option<Happened> {
        let channel = self.open.get_mut(&id)?;
        channel.incoming.extend(bytes);
        std::mem::take(&mut channel.owes_readable).then_some(Happened::Readable {
            channel: ChannelId(id),
        })
    }

    /// The test's client takes what it was told; that may make room.
    pub(super) fn client_receives(&mut self, id: u64) -> (Vec<u8>, Option<Happened>) {
        let Some(channel) = self.open.get_mut(&id) else {
            return (Vec::new(), None);
        };
        let received = channel.outgoing.drain(..).collect();
        let told = std::mem::take(&mut channel.owes_writable).then_some(Happened::Writable {
            channel: ChannelId(id),
        });
        (received, told)
    }

    /// The test's client goes away.
    pub(super) fn client_closes(&mut self, id: u64) -> Option<Happened> {
        let channel = self.open.get_mut(&id)?;
        channel.other_end = OtherEnd::Closed;
        Some(Happened::Readable {
            channel: ChannelId(id),
        })
    }

    /// How much the channel takes before its reader has to take something.
    pub(super) fn narrow(&mut self, id: u64, capacity: usize) {
        if let Some(channel) = self.open.get_mut(&id) {
            channel.capacity = capacity;
        }
    }

    pub(super) fn is_open(&self, id: u64) -> bool {
        self.open.contains_key(&id)
    }
}

fn missing() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "no such channel")
}
