//! TCP sockets as the kernel tells of them, and whose turn it is on a connection.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::netlink::{attributes, number32, number64};
use crate::scene::{Role, Turn};

/// One socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TcpSocket {
    pub(crate) inode: u64,
    pub(crate) is_listening: bool,
    /// It asked for a connection and has no answer yet.
    pub(crate) is_connecting: bool,
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    /// Unread bytes; of a listening socket, connections to be accepted.
    pub(crate) receive_queue: u64,
    /// Bytes not acknowledged; of a listening socket, how many connections may wait.
    pub(crate) send_queue: u64,
    pub(crate) traffic: Option<Traffic>,
}

/// What has gone over a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Traffic {
    pub(crate) sent: u64,
    pub(crate) received: u64,
    /// How long ago, in milliseconds.
    pub(crate) last_sent: u32,
    pub(crate) last_received: u32,
    pub(crate) last_acknowledged: u32,
}

const ESTABLISHED: u8 = 1;
const SYN_SENT: u8 = 2;
const LISTEN: u8 = 10;
const INFO: u16 = 2;
/// The kernel's clock for these times ticks at most this many milliseconds apart.
const TICK: u32 = 4;
/// An acknowledgement this long after the last message we got is the delayed one for our answerless question.
const DELAYED: std::ops::RangeInclusive<u32> = 20..=250;

/// The question for all sockets of a family (2 or 10) of TCP, with their traffic.
pub(super) fn request(family: u8) -> Vec<u8> {
    let mut request = vec![family, 6, 1 << (INFO - 1), 0];
    request.extend(u32::MAX.to_ne_bytes());
    request.resize(56, 0);
    request
}

impl TcpSocket {
    pub(super) fn parse(body: &[u8]) -> Option<TcpSocket> {
        let fixed = body.get(..72)?;
        let state = fixed[1];
        let address = |at: usize, port: usize| {
            let port = u16::from_be_bytes([fixed[port], fixed[port + 1]]);
            let bytes: [u8; 16] = fixed[at..at + 16].try_into().ok()?;
            let ip = match fixed[0] {
                2 => IpAddr::V4(Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3])),
                _ => Ipv6Addr::from(bytes).to_canonical(),
            };
            Some(SocketAddr::new(ip, port))
        };
        let traffic = attributes(&body[72..])
            .find(|(kind, _)| *kind == INFO)
            .and_then(|(_, info)| Traffic::parse(info));
        Some(TcpSocket {
            inode: u64::from(number32(fixed, 68)?),
            is_listening: state == LISTEN,
            is_connecting: state == SYN_SENT,
            local: address(8, 4)?,
            remote: address(24, 6)?,
            receive_queue: u64::from(number32(fixed, 56)?),
            send_queue: u64::from(number32(fixed, 60)?),
            traffic: traffic.filter(|_| state == ESTABLISHED || state > 3),
        })
    }
}

impl Traffic {
    fn parse(info: &[u8]) -> Option<Traffic> {
        // Older kernels count segments but not bytes sent: one segment is as good as any number of bytes here.
        let sent = number64(info, 200).or_else(|| number32(info, 156).map(u64::from))?;
        Some(Traffic {
            sent,
            received: number64(info, 128)?,
            last_sent: number32(info, 44)?,
            last_received: number32(info, 52)?,
            last_acknowledged: number32(info, 56)?,
        })
    }

    /// How long it has been the turn of whose turn it is.
    pub(crate) fn since(&self, turn: Turn) -> Duration {
        let ms = match turn {
            Turn::TheirsProven | Turn::Theirs => self.last_sent,
            Turn::Ours => self.last_received,
            // Whoever's turn it is, since then nothing was said.
            Turn::Unknown => self.last_sent.min(self.last_received),
        };
        Duration::from_millis(u64::from(ms))
    }
}

/// Whose turn it is at this end; `unread` and `peer_unread` are the bytes each end has not taken.
pub(crate) fn turn(traffic: &Traffic, role: Role, unread: u64, peer_unread: u64) -> Turn {
    if unread > 0 {
        return Turn::Ours;
    }
    if peer_unread > 0 {
        return Turn::TheirsProven;
    }
    match (traffic.sent > 0, traffic.received > 0) {
        (true, false) if role != Role::Server => Turn::TheirsProven,
        (true, false) => Turn::Theirs,
        (false, true) if role == Role::Server => Turn::Ours,
        (false, _) => Turn::Unknown,
        (true, true) => by_time(traffic),
    }
}

fn by_time(traffic: &Traffic) -> Turn {
    if traffic.last_sent + TICK < traffic.last_received {
        return Turn::Theirs;
    }
    if traffic.last_received + TICK < traffic.last_sent {
        return Turn::Ours;
    }
    let acknowledged_after = traffic.last_received.checked_sub(traffic.last_acknowledged);
    match acknowledged_after {
        Some(after) if DELAYED.contains(&after) => Turn::Theirs,
        Some(_) | None => Turn::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traffic(sent: u64, received: u64, last_sent: u32, last_received: u32) -> Traffic {
        Traffic {
            sent,
            received,
            last_sent,
            last_received,
            last_acknowledged: last_received,
        }
    }

    #[test]
    fn a_question_never_answered_is_proven() {
        let asked = traffic(84, 0, 700, 800);
        assert_eq!(turn(&asked, Role::Client, 0, 0), Turn::TheirsProven);
        assert_eq!(turn(&asked, Role::Client, 1, 0), Turn::Ours);
        assert_eq!(asked.since(Turn::Theirs), Duration::from_millis(700));
    }

    #[test]
    fn the_later_message_tells_whose_turn_it_is() {
        assert_eq!(
            turn(&traffic(9, 9, 10, 500), Role::Client, 0, 0),
            Turn::Theirs
        );
        assert_eq!(
            turn(&traffic(9, 9, 500, 10), Role::Client, 0, 0),
            Turn::Ours
        );
    }

    #[test]
    fn in_one_tick_a_late_acknowledgement_decides_and_nothing_else() {
        let mut tie = traffic(9, 9, 1000, 1000);
        assert_eq!(turn(&tie, Role::Client, 0, 0), Turn::Unknown);
        tie.last_acknowledged = 957;
        assert_eq!(turn(&tie, Role::Client, 0, 0), Turn::Theirs);
        tie.last_acknowledged = 100;
        assert_eq!(turn(&tie, Role::Client, 0, 0), Turn::Unknown);
    }

    #[test]
    fn a_stream_nobody_asked_for_is_nobodys_turn() {
        assert_eq!(
            turn(&traffic(0, 9, 0, 5), Role::Client, 0, 0),
            Turn::Unknown
        );
        assert_eq!(turn(&traffic(0, 9, 0, 5), Role::Server, 0, 0), Turn::Ours);
    }

    #[test]
    fn a_message_is_read_and_a_short_one_is_not() {
        let mut body = vec![0; 72];
        body[0] = 2;
        body[1] = LISTEN;
        body[4..6].copy_from_slice(&8080_u16.to_be_bytes());
        body[8..12].copy_from_slice(&[127, 0, 0, 1]);
        body[56..60].copy_from_slice(&6_u32.to_ne_bytes());
        body[60..64].copy_from_slice(&5_u32.to_ne_bytes());
        body[68..72].copy_from_slice(&77_u32.to_ne_bytes());
        let socket = TcpSocket::parse(&body).expect("a socket");
        assert!(socket.is_listening);
        assert_eq!(socket.local.to_string(), "127.0.0.1:8080");
        assert_eq!((socket.receive_queue, socket.send_queue), (6, 5));
        assert_eq!(socket.inode, 77);
        assert_eq!(TcpSocket::parse(&body[..71]), None);
    }

    #[test]
    fn mapped_addresses_are_those_they_stand_for() {
        let mut body = vec![0; 72];
        body[0] = 10;
        body[18..24].copy_from_slice(&[0xff, 0xff, 10, 0, 0, 7]);
        let socket = TcpSocket::parse(&body).expect("a socket");
        assert_eq!(socket.local.ip().to_string(), "10.0.0.7");
    }
}
