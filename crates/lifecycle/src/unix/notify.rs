//! How the notify protocol travels on Unix: one datagram per message to the socket in `NOTIFY_SOCKET`.
//!
//! The socket does not block, and errors are dropped: a manager that went away must never hold up a stop.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The way to the manager.
#[derive(Debug)]
pub(crate) struct Line {
    socket: UnixDatagram,
    address: SocketAddr,
}

impl Line {
    /// `name` is a path, or `@name` for an abstract address (Linux).
    pub(crate) fn open(name: &OsStr) -> Option<Self> {
        let address = address(name)?;
        let socket = UnixDatagram::unbound().ok()?;
        socket.set_nonblocking(true).ok()?;
        Some(Self { socket, address })
    }

    pub(crate) fn send(&self, message: &str) {
        drop(self.socket.send_to_addr(message.as_bytes(), &self.address));
    }
}

fn address(name: &OsStr) -> Option<SocketAddr> {
    match name.as_bytes().strip_prefix(b"@") {
        None => SocketAddr::from_pathname(name).ok(),
        #[cfg(target_os = "linux")]
        Some(rest) => {
            <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(rest).ok()
        }
        #[cfg(not(target_os = "linux"))]
        Some(_) => None,
    }
}
