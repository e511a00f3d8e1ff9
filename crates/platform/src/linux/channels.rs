//! Connections: control clients and probes. None of them ever blocks the loop.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use super::poller::{Poller, Source};
use crate::{ChannelId, Happened};

#[derive(Debug, Default)]
pub(crate) struct Channels {
    open: BTreeMap<u64, Channel>,
    last: u64,
}

#[derive(Debug)]
struct Channel {
    socket: OwnedFd,
    state: State,
    /// A write did not fit: its owner waits to be told that there is room.
    owes_writable: bool,
}

#[derive(Debug)]
enum State {
    /// Under way; where else to try, if this is refused.
    Connecting {
        others: Vec<SocketAddr>,
    },
    Connected,
}

impl Channels {
    /// Takes a socket that is connected already.
    pub(crate) fn take(&mut self, poller: &Poller, socket: OwnedFd) -> io::Result<ChannelId> {
        self.insert(poller, socket, State::Connected)
    }

    pub(crate) fn connect(&mut self, poller: &Poller, address: &str) -> io::Result<ChannelId> {
        let mut others = addresses(address)?;
        let first = others.remove(0);
        let socket = begin(first)?;
        self.insert(poller, socket, State::Connecting { others })
    }

    fn insert(&mut self, poller: &Poller, socket: OwnedFd, state: State) -> io::Result<ChannelId> {
        self.last += 1;
        let id = self.last;
        // Edges, not levels: who does not read is not asked again and again.
        poller.add(&socket, Source::Channel(id), EDGES)?;
        let channel = Channel {
            socket,
            state,
            owes_writable: false,
        };
        self.open.insert(id, channel);
        Ok(ChannelId(id))
    }

    pub(crate) fn read(&mut self, id: ChannelId, into: &mut [u8]) -> io::Result<usize> {
        let channel = self.get(id)?;
        let (count, _) = retry(|| net::recv(&channel.socket, &mut *into, RecvFlags::empty()))?;
        Ok(count)
    }

    pub(crate) fn write(&mut self, id: ChannelId, bytes: &[u8]) -> io::Result<usize> {
        let channel = self.get(id)?;
        let written = retry(|| net::send(&channel.socket, bytes, SendFlags::NOSIGNAL));
        let fitted = written.as_ref().is_ok_and(|count| *count == bytes.len());
        channel.owes_writable = !fitted;
        Ok(written?)
    }

    pub(crate) fn close(&mut self, id: ChannelId) {
        self.open.remove(&id.0);
    }

    fn get(&mut self, id: ChannelId) -> io::Result<&mut Channel> {
        let missing = || io::Error::new(io::ErrorKind::NotFound, "no such channel");
        self.open.get_mut(&id.0).ok_or_else(missing)
    }

    /// Something happened on a channel's socket.
    pub(crate) fn on(
        &mut self,
        poller: &Poller,
        id: u64,
        flags: EventFlags,
        into: &mut Vec<Happened>,
    ) {
        let Some(channel) = self.open.get_mut(&id) else {
            return;
        };
        let name = ChannelId(id);
        if let State::Connecting { others } = &mut channel.state {
            if !flags.intersects(EventFlags::OUT | EventFlags::ERR | EventFlags::HUP) {
                return;
            }
            let failure = match net::sockopt::socket_error(&channel.socket) {
                Ok(Ok(())) => None,
                Ok(Err(error)) | Err(error) => Some(io::Error::from(error).kind()),
            };
            if failure.is_some()
                && let Some(next) = others.pop()
                && let Ok(socket) = begin(next)
                && poller.add(&socket, Source::Channel(id), EDGES).is_ok()
            {
                channel.socket = socket;
                return;
            }
            channel.state = State::Connected;
            into.push(Happened::Connected {
                channel: name,
                failure,
            });
            if failure.is_some() {
                return;
            }
        }
        if flags.intersects(EventFlags::IN | EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR)
        {
            into.push(Happened::Readable { channel: name });
        }
        if channel.owes_writable && flags.intersects(EventFlags::OUT | EventFlags::ERR) {
            channel.owes_writable = false;
            into.push(Happened::Writable { channel: name });
        }
    }
}

const EDGES: EventFlags = EventFlags::IN
    .union(EventFlags::OUT)
    .union(EventFlags::RDHUP)
    .union(EventFlags::ET);

/// Begins a connection that goes on by itself.
fn begin(address: SocketAddr) -> io::Result<OwnedFd> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = net::socket_with(family, SocketType::STREAM, flags, None)?;
    match net::connect(&socket, &address) {
        // Refused at once on some systems: told as any other refusal, because the socket keeps the reason.
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(error) => Err(error.into()),
    }
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

fn retry<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> rustix::io::Result<T> {
    rustix::io::retry_on_intr(&mut call)
}
