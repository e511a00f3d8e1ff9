//! Sockets within this host as the kernel tells of them.

use super::netlink::{attributes, number32};

/// One socket.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct UnixSocket {
    pub(crate) inode: u64,
    /// Bytes in a stream; otherwise whole messages, nobody owes an answer to.
    pub(crate) is_stream: bool,
    pub(crate) is_listening: bool,
    /// Where it is bound; abstract names begin with `@`.
    pub(crate) path: Option<String>,
    /// The other end; none while that has not been accepted.
    pub(crate) peer: Option<u64>,
    /// Of a listening socket: the other ends of the connections nobody has accepted yet.
    pub(crate) unaccepted: Vec<u64>,
    /// Unread bytes; of a listening socket, connections to be accepted.
    pub(crate) receive_queue: u64,
    /// Bytes the other side has not read; of a listening socket, how many connections may wait.
    pub(crate) send_queue: u64,
}

const NAME: u16 = 0;
const PEER: u16 = 2;
const UNACCEPTED: u16 = 3;
const QUEUES: u16 = 4;
const LISTEN: u8 = 10;
const STREAM: u8 = 1;
const SEQUENCE: u8 = 5;
const UNIX: u8 = 1;

/// The question for all of them.
pub(super) fn request() -> Vec<u8> {
    let show: u32 = [NAME, PEER, UNACCEPTED, QUEUES]
        .iter()
        .map(|attribute| 1 << attribute)
        .sum();
    let mut request = vec![UNIX, 0, 0, 0];
    request.extend(u32::MAX.to_ne_bytes());
    request.extend(0_u32.to_ne_bytes());
    request.extend(show.to_ne_bytes());
    request.extend([0; 8]);
    request
}

impl UnixSocket {
    pub(super) fn parse(body: &[u8]) -> Option<UnixSocket> {
        let fixed = body.get(..16)?;
        let mut socket = UnixSocket {
            inode: u64::from(number32(fixed, 4)?),
            is_stream: fixed[1] == STREAM || fixed[1] == SEQUENCE,
            is_listening: fixed[2] == LISTEN,
            ..UnixSocket::default()
        };
        for (kind, value) in attributes(&body[16..]) {
            match kind {
                NAME => socket.path = path(value),
                PEER => socket.peer = number32(value, 0).filter(|peer| *peer != 0).map(u64::from),
                UNACCEPTED => {
                    let words = value.chunks_exact(4);
                    socket.unaccepted = words
                        .filter_map(|word| number32(word, 0))
                        .map(u64::from)
                        .collect();
                }
                QUEUES => {
                    socket.receive_queue = number32(value, 0).map_or(0, u64::from);
                    socket.send_queue = number32(value, 4).map_or(0, u64::from);
                }
                _ => {}
            }
        }
        Some(socket)
    }
}

fn path(bytes: &[u8]) -> Option<String> {
    let (mark, bytes) = match bytes {
        [] => return None,
        [0, rest @ ..] => ("@", rest),
        _ => ("", bytes),
    };
    let text = String::from_utf8_lossy(bytes);
    Some(format!("{mark}{}", text.trim_end_matches('\0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = ((4 + value.len()) as u16).to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(value);
        bytes.resize((bytes.len() + 3) & !3, 0);
        bytes
    }

    #[test]
    fn a_listening_socket_tells_who_waits_at_it() {
        let mut body = vec![UNIX, STREAM, LISTEN, 0];
        body.extend(50_u32.to_ne_bytes());
        body.extend([0; 8]);
        body.extend(attribute(NAME, b"/run/db.sock\0"));
        body.extend(attribute(UNACCEPTED, &[7, 0, 0, 0, 9, 0, 0, 0]));
        body.extend(attribute(QUEUES, &[2, 0, 0, 0, 5, 0, 0, 0]));
        let socket = UnixSocket::parse(&body).expect("a socket");
        assert!(socket.is_listening && socket.is_stream);
        assert_eq!(socket.path.as_deref(), Some("/run/db.sock"));
        assert_eq!(socket.unaccepted, [7, 9]);
        assert_eq!((socket.receive_queue, socket.send_queue), (2, 5));
    }

    #[test]
    fn abstract_names_are_marked() {
        assert_eq!(path(b"\0bus"), Some("@bus".into()));
        assert_eq!(path(b""), None);
    }
}
