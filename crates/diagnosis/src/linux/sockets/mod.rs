//! All sockets of our network namespace, asked for once, and joined: each end with its other one.
//!
//! Not here: which process has a socket (`holders`).

mod netlink;
mod tcp;
mod unix;

use std::collections::HashMap;
use std::net::SocketAddr;

use crate::scene::{Connection, Listener, Role, SocketKind, Turn};
use tcp::TcpSocket;
use unix::UnixSocket;

const IPV4: u8 = 2;
const IPV6: u8 = 10;

/// The sockets there are.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    tcp: HashMap<u64, TcpSocket>,
    unix: HashMap<u64, UnixSocket>,
    /// Ends of TCP connections by their addresses; an inode of 0 has not been accepted.
    by_addresses: HashMap<(SocketAddr, SocketAddr), TcpSocket>,
    listening: HashMap<u16, Vec<(SocketAddr, u64)>>,
    /// From the opening end to the listening socket it waits at.
    waits_at: HashMap<u64, u64>,
    /// What could not be asked.
    pub(super) unseen: Vec<String>,
}

impl Sockets {
    /// Asks the system.
    pub(super) fn read() -> Sockets {
        let mut tcp = Vec::new();
        let mut unix = Vec::new();
        let mut unseen = Vec::new();
        for family in [IPV4, IPV6] {
            let asked = netlink::ask(&tcp::request(family), |body| {
                tcp.extend(TcpSocket::parse(body));
            });
            // A host without IPv6 has no such table; only the first is a loss.
            if let (Err(error), IPV4) = (asked, family) {
                unseen.push(format!("TCP sockets could not be listed: {error}"));
            }
        }
        let asked = netlink::ask(&unix::request(), |body| {
            unix.extend(UnixSocket::parse(body))
        });
        if let Err(error) = asked {
            unseen.push(format!("Unix sockets could not be listed: {error}"));
        }
        Sockets::join(tcp, unix, unseen)
    }

    fn join(tcp: Vec<TcpSocket>, unix: Vec<UnixSocket>, unseen: Vec<String>) -> Sockets {
        let mut sockets = Sockets {
            unseen,
            ..Sockets::default()
        };
        for socket in tcp {
            if socket.is_listening {
                let at = sockets.listening.entry(socket.local.port()).or_default();
                at.push((socket.local, socket.inode));
            } else {
                let addresses = (socket.local, socket.remote);
                sockets.by_addresses.insert(addresses, socket.clone());
            }
            if socket.inode != 0 {
                sockets.tcp.insert(socket.inode, socket);
            }
        }
        for socket in unix {
            for waiting in &socket.unaccepted {
                sockets.waits_at.insert(*waiting, socket.inode);
            }
            sockets.unix.insert(socket.inode, socket);
        }
        sockets
    }

    /// A connection by the identity of one of its ends. No holders are named yet.
    pub(super) fn connection(&self, inode: u64) -> Option<Connection> {
        if let Some(socket) = self.tcp.get(&inode) {
            return (!socket.is_listening).then(|| self.tcp_connection(socket));
        }
        let socket = self.unix.get(&inode)?;
        (!socket.is_listening).then(|| self.unix_connection(socket))
    }

    /// A listening socket by its identity.
    pub(super) fn listener(&self, inode: u64) -> Option<Listener> {
        if let Some(socket) = self.tcp.get(&inode).filter(|socket| socket.is_listening) {
            return Some(Listener {
                id: inode,
                address: socket.local.to_string(),
                waiting: socket.receive_queue,
                room: socket.send_queue,
            });
        }
        let socket = self.unix.get(&inode).filter(|socket| socket.is_listening)?;
        Some(Listener {
            id: inode,
            address: socket.path.clone().unwrap_or_default(),
            waiting: socket.receive_queue,
            room: socket.send_queue,
        })
    }

    fn tcp_connection(&self, socket: &TcpSocket) -> Connection {
        let other = self.by_addresses.get(&(socket.remote, socket.local));
        let other = other.filter(|_| socket.local != socket.remote);
        let listener = self.listening_at(socket.remote);
        let role = self.role(socket);
        let peer_unread = other.map_or(0, |other| other.receive_queue);
        let turn = match &socket.traffic {
            Some(traffic) => tcp::turn(traffic, role, socket.receive_queue, peer_unread),
            None => Turn::Unknown,
        };
        let is_unaccepted = match other {
            Some(other) => other.inode == 0 && role == Role::Client,
            None => socket.is_connecting,
        };
        Connection {
            id: socket.inode,
            kind: SocketKind::Tcp,
            local: socket.local.to_string(),
            remote: socket.remote.to_string(),
            role,
            unread: socket.receive_queue,
            unsent: socket.send_queue,
            turn,
            since: socket.traffic.map(|traffic| traffic.since(turn)),
            peer: other.map(|other| other.inode).filter(|inode| *inode != 0),
            waits_at: listener.filter(|_| is_unaccepted),
            across: Vec::new(),
            told: told(socket, peer_unread),
            is_local: other.is_some() || listener.is_some(),
        }
    }

    /// Both may look alike; who has a listening socket at its own port was asked.
    fn role(&self, socket: &TcpSocket) -> Role {
        let (ours, theirs) = (
            self.listening_at(socket.local),
            self.listening_at(socket.remote),
        );
        match (ours, theirs) {
            (Some(_), None) => Role::Server,
            (None, Some(_)) => Role::Client,
            (Some(_), Some(_)) => Role::Unknown,
            (None, None) if socket.is_connecting => Role::Client,
            // The higher port is the one nobody chose.
            (None, None) if socket.local.port() > socket.remote.port() => Role::Client,
            (None, None) => Role::Unknown,
        }
    }

    fn listening_at(&self, address: SocketAddr) -> Option<u64> {
        let at = self.listening.get(&address.port())?;
        let is_here = |listening: &SocketAddr| {
            listening.ip() == address.ip()
                || (listening.ip().is_unspecified() && self.is_ours(address))
        };
        at.iter()
            .find(|(listening, _)| is_here(listening))
            .map(|(_, inode)| *inode)
    }

    /// Whether an address is one of this host's, as far as its connections show.
    fn is_ours(&self, address: SocketAddr) -> bool {
        address.ip().is_loopback()
            || self
                .by_addresses
                .keys()
                .any(|(local, _)| local.ip() == address.ip())
    }

    fn unix_connection(&self, socket: &UnixSocket) -> Connection {
        let other = socket.peer.and_then(|peer| self.unix.get(&peer));
        let name = |socket: Option<&UnixSocket>| socket.and_then(|socket| socket.path.clone());
        let waits_at = self.waits_at.get(&socket.inode).copied();
        let listener = waits_at.and_then(|inode| self.unix.get(&inode));
        // An accepted end carries the name it was accepted under; the end that opened has none, as a rule.
        let role = match (&socket.path, name(other).or_else(|| name(listener))) {
            (None, Some(_)) => Role::Client,
            (Some(_), None) => Role::Server,
            (Some(_), Some(_)) | (None, None) => Role::Unknown,
        };
        let peer_unread = other.map_or(0, |other| other.receive_queue);
        let turn = match (socket.receive_queue > 0, peer_unread > 0) {
            (true, _) => Turn::Ours,
            (false, true) => Turn::TheirsProven,
            (false, false) => Turn::Unknown,
        };
        let kind = match socket.is_stream {
            true => SocketKind::Unix,
            false => SocketKind::Other,
        };
        let remote = name(other).or_else(|| name(listener)).unwrap_or_default();
        Connection {
            id: socket.inode,
            kind,
            local: socket.path.clone().unwrap_or_default(),
            told: format!(
                "unix socket {} to {}, {} bytes unread here, {peer_unread} there",
                socket.inode,
                socket
                    .peer
                    .map_or_else(|| "nobody".into(), |peer| peer.to_string()),
                socket.receive_queue,
            ),
            remote,
            role,
            unread: socket.receive_queue,
            unsent: socket.send_queue,
            turn,
            since: None,
            peer: socket.peer,
            waits_at,
            across: Vec::new(),
            is_local: true,
        }
    }
}

fn told(socket: &TcpSocket, peer_unread: u64) -> String {
    let mut text = format!("tcp {} -> {}", socket.local, socket.remote);
    if socket.is_connecting {
        text.push_str(": not connected yet");
        return text;
    }
    if let Some(traffic) = socket.traffic {
        text.push_str(&format!(
            ": sent {} bytes, last {} ms ago; received {}, last {} ms ago",
            traffic.sent, traffic.last_sent, traffic.received, traffic.last_received
        ));
    }
    if socket.receive_queue > 0 {
        text.push_str(&format!("; {} bytes unread here", socket.receive_queue));
    }
    if peer_unread > 0 {
        text.push_str(&format!("; {peer_unread} bytes unread there"));
    }
    text
}
