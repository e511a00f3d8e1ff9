//! The notify protocol of systemd, which Aplomb's engine speaks too: datagrams to `$NOTIFY_SOCKET`.
//!
//! Sent from the life thread only, so order is ours. A manager that went away must never hold up a stop: the socket does
//! not block, and errors are dropped.

use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The manager that started us, if it asked to be told.
#[derive(Debug)]
pub(crate) struct Notify {
    socket: UnixDatagram,
    address: SocketAddr,
}

impl Notify {
    /// Reads `NOTIFY_SOCKET`: a path, or `@name` for an abstract address (Linux).
    pub(crate) fn from_env() -> Option<Self> {
        let name = std::env::var_os("NOTIFY_SOCKET")?;
        let address = address(&name)?;
        let socket = UnixDatagram::unbound().ok()?;
        socket.set_nonblocking(true).ok()?;
        Some(Self { socket, address })
    }

    pub(crate) fn send(&self, message: &str) {
        drop(self.socket.send_to_addr(message.as_bytes(), &self.address));
    }
}

fn address(name: &std::ffi::OsStr) -> Option<SocketAddr> {
    use std::os::unix::ffi::OsStrExt;
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

/// How often the manager wants a sign of life: half of `WATCHDOG_USEC`, if it is meant for this process.
pub(crate) fn watchdog_from_env() -> Option<Duration> {
    let usec: u64 = std::env::var("WATCHDOG_USEC").ok()?.parse().ok()?;
    let for_us =
        std::env::var("WATCHDOG_PID").map_or(true, |pid| pid.parse() == Ok(std::process::id()));
    (for_us && usec > 0).then(|| Duration::from_micros(usec / 2))
}
