//! The system's table of sockets, asked for over netlink: one question, many messages, an end.
//!
//! Messages come from the kernel alone, yet every length in them is checked: what does not fit is left out.

use std::io;

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, sendto,
    socket_with, sockopt,
};

/// The kind of message that asks for sockets, and of those that answer.
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_DUMP: u16 = 0x300;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const HEADER: usize = 16;
/// Room for one answer; the kernel fills up to 32 KiB at a time.
const ROOM: usize = 64 << 10;

/// Asks, and hands over the body of each message of the answer.
///
/// # Errors
/// As the system tells; `EPERM` and `ENOENT` where socket diagnostics are not built in or not allowed.
pub(super) fn ask(request: &[u8], mut each: impl FnMut(&[u8])) -> io::Result<()> {
    let socket = socket_with(
        AddressFamily::NETLINK,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        Some(netlink::SOCK_DIAG),
    )?;
    // The kernel answers while we ask; nothing here should ever take longer, and nothing may hang us.
    let patience = std::time::Duration::from_millis(500);
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(patience))?;
    let mut message = Vec::with_capacity(HEADER + request.len());
    let length = u32::try_from(HEADER + request.len()).map_err(io::Error::other)?;
    message.extend(length.to_ne_bytes());
    message.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    message.extend((NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    message.extend(1_u32.to_ne_bytes());
    message.extend(0_u32.to_ne_bytes());
    message.extend(request);
    let kernel = netlink::SocketAddrNetlink::new(0, 0);
    sendto(&socket, &message, SendFlags::empty(), &kernel)?;
    let mut room = vec![0; ROOM];
    loop {
        let (_, got) = recv(&socket, room.as_mut_slice(), RecvFlags::empty())?;
        if messages(&room[..got.min(ROOM)], &mut each)? {
            return Ok(());
        }
    }
}

/// Hands over the bodies of one datagram's messages; tells whether that was the end.
fn messages(mut rest: &[u8], each: &mut impl FnMut(&[u8])) -> io::Result<bool> {
    while let (Some(length), Some(kind)) = (number32(rest, 0), number16(rest, 4)) {
        let length = length as usize;
        if length < HEADER || length > rest.len() {
            return Ok(true);
        }
        let body = &rest[HEADER..length];
        match kind {
            NLMSG_DONE => return Ok(true),
            NLMSG_ERROR => {
                let code = number32(body, 0).unwrap_or(0) as i32;
                return match code {
                    0 => Ok(true),
                    code => Err(io::Error::from_raw_os_error(code.saturating_neg())),
                };
            }
            _ => each(body),
        }
        rest = rest.get(aligned(length)..).unwrap_or_default();
    }
    Ok(false)
}

/// The attributes after a fixed part: number and value of each.
pub(super) fn attributes(mut rest: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(number16(rest, 0)?);
        let kind = number16(rest, 2)?;
        let value = rest.get(4..length)?;
        rest = rest.get(aligned(length)..).unwrap_or_default();
        Some((kind, value))
    })
}

fn aligned(length: usize) -> usize {
    (length + 3) & !3
}

pub(super) fn number16(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at + 2)?;
    Some(u16::from_ne_bytes(bytes.try_into().ok()?))
}

pub(super) fn number32(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?;
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

pub(super) fn number64(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..at + 8)?;
    Some(u64::from_ne_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = ((HEADER + body.len()) as u32).to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend(body);
        bytes.resize(aligned(bytes.len()), 0);
        bytes
    }

    #[test]
    fn bodies_come_in_order_until_the_end() {
        let mut datagram = message(SOCK_DIAG_BY_FAMILY, b"one");
        datagram.extend(message(SOCK_DIAG_BY_FAMILY, b"three"));
        let mut seen: Vec<Vec<u8>> = Vec::new();
        let ended = messages(&datagram, &mut |body| seen.push(body.to_vec()));
        assert!(!ended.expect("no error"));
        datagram.extend(message(NLMSG_DONE, &[0; 4]));
        let ended = messages(&datagram, &mut |body| seen.push(body.to_vec()));
        assert!(ended.expect("no error"));
        assert_eq!(seen.len(), 4);
        assert_eq!(seen[1], b"three");
    }

    #[test]
    fn an_error_is_the_systems_own() {
        let datagram = message(NLMSG_ERROR, &(-1_i32).to_ne_bytes());
        let error = messages(&datagram, &mut |_| {}).expect_err("an error");
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    }

    #[test]
    fn lengths_that_lie_end_the_reading() {
        let mut lying = message(SOCK_DIAG_BY_FAMILY, b"body");
        lying[0] = 200;
        let mut seen = 0;
        assert!(messages(&lying, &mut |_| seen += 1).expect("no error"));
        assert_eq!(seen, 0);
        assert_eq!(attributes(&[3, 0, 1, 0]).count(), 0);
        assert_eq!(attributes(&[255, 0, 1, 0, 9]).count(), 0);
        assert_eq!(
            attributes(&[5, 0, 1, 0, 9]).collect::<Vec<_>>(),
            [(1, &[9][..])]
        );
    }
}
