//! Connections: control clients and probes. None of them ever blocks the loop.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use super::poller::{Poller, Source};
use super::streams::Inflow;
use super::sys::port::Packet;
use super::sys::socket;
use super::sys::transfer::{Transfer, Wire};
use crate::{ChannelId, Happened};

/// The most that is read at once.
const INFLOW: u32 = 16 << 10;
/// The most that is written at once.
const OUTFLOW: usize = 64 << 10;

#[derive(Debug, Default)]
pub(crate) struct Channels {
    open: BTreeMap<u64, Channel>,
    last: u64,
}

#[derive(Debug)]
struct Channel {
    wire: Arc<Wire>,
    inflow: Inflow,
    outflow: Transfer,
    state: State,
    /// A write did not fit: its owner waits to be told that there is room.
    owes_writable: bool,
    /// The last write failed, and nothing more can be written.
    broken: Option<io::ErrorKind>,
}

#[derive(Debug)]
enum State {
    /// Under way; where else to try, if this is refused.
    Connecting {
        others: Vec<SocketAddr>,
    },
    Connected,
    /// Its owner is gone; what he wrote is still on its way.
    Lingering,
}

impl Channels {
    /// A name for a wire that will be a channel.
    pub(crate) fn reserve(&mut self) -> Source {
        self.last += 1;
        Source::Channel(self.last)
    }

    /// Takes a wire that is connected, and known to the poller by this name.
    /// Tells whether there is something to read already.
    pub(crate) fn take(&mut self, id: u64, wire: Arc<Wire>) -> io::Result<bool> {
        let mut channel = Channel::new(wire, State::Connected)?;
        channel.inflow.fill(&channel.wire);
        let readable = channel.inflow.has_something();
        self.open.insert(id, channel);
        Ok(readable)
    }

    pub(crate) fn connect(
        &mut self,
        poller: &Poller,
        address: &str,
        into: &mut Vec<Happened>,
    ) -> io::Result<ChannelId> {
        let mut others = addresses(address)?;
        let first = others.remove(0);
        self.last += 1;
        let id = self.last;
        let wire = socket_for(poller, first, Source::Channel(id))?;
        let mut channel = Channel::new(wire, State::Connecting { others })?;
        if let Err(error) = channel.outflow.connect(&channel.wire, first) {
            into.extend(channel.refused(poller, id, &error));
        }
        self.open.insert(id, channel);
        Ok(ChannelId(id))
    }

    pub(crate) fn read(&mut self, id: ChannelId, into: &mut [u8]) -> io::Result<usize> {
        let channel = self.get(id)?;
        match channel.state {
            State::Connecting { .. } => Err(io::ErrorKind::WouldBlock.into()),
            State::Connected => channel.inflow.take(&channel.wire, into),
            State::Lingering => Err(missing()),
        }
    }

    pub(crate) fn write(&mut self, id: ChannelId, bytes: &[u8]) -> io::Result<usize> {
        let channel = self.get(id)?;
        if let Some(kind) = channel.broken {
            return Err(kind.into());
        }
        if channel.outflow.is_under_way() {
            channel.owes_writable = true;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = bytes.len().min(OUTFLOW);
        channel.outflow.write(&channel.wire, &bytes[..count])?;
        channel.owes_writable = count < bytes.len();
        Ok(count)
    }

    pub(crate) fn close(&mut self, id: ChannelId) {
        let Some(channel) = self.open.get_mut(&id.0) else {
            return;
        };
        let is_writing =
            matches!(channel.state, State::Connected) && channel.outflow.is_under_way();
        if is_writing {
            channel.state = State::Lingering;
        } else {
            self.open.remove(&id.0);
        }
    }

    fn get(&mut self, id: ChannelId) -> io::Result<&mut Channel> {
        self.open.get_mut(&id.0).ok_or_else(missing)
    }

    /// A transfer of a channel is over.
    pub(crate) fn on(
        &mut self,
        poller: &Poller,
        id: u64,
        packet: Packet,
        into: &mut Vec<Happened>,
    ) {
        let Some(channel) = self.open.get_mut(&id) else {
            return;
        };
        let name = ChannelId(id);
        if channel.inflow.is_of(packet.operation) {
            channel.inflow.filled(&channel.wire);
            channel.inflow.fill(&channel.wire);
            if channel.inflow.has_something() && matches!(channel.state, State::Connected) {
                into.push(Happened::Readable { channel: name });
            }
            return;
        }
        if channel.outflow.token() != packet.operation || !channel.outflow.is_under_way() {
            return;
        }
        let carried = channel.outflow.finish();
        match &channel.state {
            State::Connecting { .. } => match carried {
                Ok(_) => into.extend(channel.connected(name)),
                Err(error) => into.extend(channel.refused(poller, id, &error)),
            },
            State::Connected => {
                channel.broken = carried.err().map(|error| error.kind());
                if std::mem::take(&mut channel.owes_writable) {
                    into.push(Happened::Writable { channel: name });
                }
            }
            State::Lingering => drop(self.open.remove(&id)),
        }
    }
}

impl Channel {
    fn new(wire: Arc<Wire>, state: State) -> io::Result<Channel> {
        Ok(Channel {
            wire,
            inflow: Inflow::new(INFLOW)?,
            outflow: Transfer::new()?,
            state,
            owes_writable: false,
            broken: None,
        })
    }

    fn connected(&mut self, name: ChannelId) -> Vec<Happened> {
        if let Wire::Socket(socket) = &*self.wire {
            socket::connected(socket);
        }
        self.state = State::Connected;
        self.inflow.fill(&self.wire);
        let connected = Happened::Connected {
            channel: name,
            failure: None,
        };
        let readable = self.inflow.has_something();
        let readable = readable.then_some(Happened::Readable { channel: name });
        [connected].into_iter().chain(readable).collect()
    }

    /// Tries elsewhere, or tells that nobody is there.
    fn refused(&mut self, poller: &Poller, id: u64, error: &io::Error) -> Option<Happened> {
        let State::Connecting { others } = &mut self.state else {
            return None;
        };
        while let Some(next) = others.pop() {
            let Ok(wire) = socket_for(poller, next, Source::Channel(id)) else {
                continue;
            };
            self.wire = wire;
            if self.outflow.connect(&self.wire, next).is_ok() {
                return None;
            }
        }
        self.state = State::Connected;
        self.broken = Some(error.kind());
        Some(Happened::Connected {
            channel: ChannelId(id),
            failure: Some(error.kind()),
        })
    }
}

fn socket_for(poller: &Poller, to: SocketAddr, source: Source) -> io::Result<Arc<Wire>> {
    let wire = Arc::new(Wire::Socket(socket::open(to)?));
    poller.add(wire.raw(), source)?;
    Ok(wire)
}

/// Where `host:port` may be: the name `localhost` is two places.
fn addresses(text: &str) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = text.parse() {
        return Ok(vec![address]);
    }
    let port = text
        .strip_prefix("localhost:")
        .and_then(|port| port.parse().ok());
    let invalid = || {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a numeric address and port",
        )
    };
    let port = port.ok_or_else(invalid)?;
    let hosts = [
        IpAddr::from(Ipv4Addr::LOCALHOST),
        IpAddr::from(Ipv6Addr::LOCALHOST),
    ];
    Ok(hosts.map(|host| SocketAddr::new(host, port)).to_vec())
}

fn missing() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "no such channel")
}
