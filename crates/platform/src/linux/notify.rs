//! The socket programs send sd_notify(3) messages to.
//!
//! The kernel says who sent a message: by number, and where it can by pidfd, which names the sender even when he is gone
//! already. A descriptor that comes with a message is closed once the message is told: that is all that `BARRIER=1`
//! waits for, and storing descriptors for a service is refused by whoever reads the message.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::event::epoll::EventFlags;
use rustix::fs::Mode;
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::control::bind_by_path;
use super::poller::{Poller, Source};
use super::succession::take;
use super::sys::{Received, pass_pidfd, receive};
use crate::Descriptor;

/// The longest message systemd takes; the rest of a longer one is lost.
const LONGEST: usize = 4096;

/// Several platforms may live in one process.
static NUMBER: AtomicU32 = AtomicU32::new(0);

#[derive(Debug)]
pub(crate) struct NotifySocket {
    socket: OwnedFd,
    address: String,
    path: Option<PathBuf>,
}

impl NotifySocket {
    pub(crate) fn open(poller: &Poller) -> io::Result<NotifySocket> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = net::socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)?;
        let path = bind(&socket)?;
        let address = address_of(&socket, path.as_ref())?;
        net::sockopt::set_socket_passcred(&socket, true)?;
        pass_pidfd(&socket);
        poller.add(&socket, Source::Notify, EventFlags::IN)?;
        Ok(NotifySocket {
            socket,
            address,
            path,
        })
    }

    /// The socket an earlier engine opened; what came meanwhile is in it.
    pub(crate) fn take_up(
        poller: &Poller,
        socket: Descriptor,
        address: String,
    ) -> io::Result<NotifySocket> {
        let socket = take(socket)?;
        poller.add(&socket, Source::Notify, EventFlags::IN)?;
        let path = (!address.starts_with('@')).then(|| PathBuf::from(&address));
        Ok(NotifySocket {
            socket,
            address,
            path,
        })
    }

    pub(crate) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// As `NOTIFY_SOCKET` wants it.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The next message, if there is one.
    pub(crate) fn receive(&self) -> io::Result<Option<(Received, Vec<u8>)>> {
        let mut text = vec![0; LONGEST];
        match receive(&self.socket, &mut text) {
            Ok(received) => {
                text.truncate(received.bytes);
                Ok(Some((received, text)))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Drop for NotifySocket {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // Whoever comes first, we or a cleaner of old files.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Binds to a path where we have a place for one, else in the abstract space. A path is seen from every network name
/// space, an abstract name from every root directory; private networks are the commoner of the two.
fn bind(socket: &OwnedFd) -> io::Result<Option<PathBuf>> {
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("aplomb-notify-{}-{number}", std::process::id());
    if let Some(path) = runtime_directory().map(|directory| directory.join(&name)) {
        // Left by a dead engine who had our number.
        let _ = std::fs::remove_file(&path);
        if bind_by_path(socket, &path).is_ok() {
            // Services run as other users.
            rustix::fs::chmod(&path, Mode::from_raw_mode(0o666))?;
            return Ok(Some(path));
        }
    }
    net::bind(socket, &SocketAddrUnix::new_abstract_name(name.as_bytes())?)?;
    Ok(None)
}

fn runtime_directory() -> Option<PathBuf> {
    if rustix::process::geteuid().is_root() {
        return Some("/run".into());
    }
    std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from)
}

fn address_of(socket: &OwnedFd, path: Option<&PathBuf>) -> io::Result<String> {
    if let Some(path) = path {
        return Ok(path.display().to_string());
    }
    let address = SocketAddrUnix::try_from(net::getsockname(socket)?)?;
    let name = address.abstract_name().unwrap_or_default();
    Ok(format!("@{}", String::from_utf8_lossy(name)))
}
