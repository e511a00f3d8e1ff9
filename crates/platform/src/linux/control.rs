//! The control endpoint: a socket in the file system that only our own user, and root, may connect to.
//!
//! A lock beside the socket is held as long as we live; only who holds it may call a socket stale. So two engines that
//! start at once never take each other's socket for a dead one's.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::event::epoll::EventFlags;
use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use rustix::process::geteuid;

use super::channels::Channels;
use super::poller::{Poller, Source};
use super::succession::take;
use crate::{Descriptor, Happened, Peer};

/// Connections that wait to be accepted.
const BACKLOG: i32 = 64;

#[derive(Debug)]
pub(crate) struct Control {
    socket: OwnedFd,
    path: PathBuf,
    lock: File,
}

impl Control {
    pub(crate) fn open(poller: &Poller, address: &str) -> io::Result<Control> {
        let path = PathBuf::from(address);
        let directory = path.parent().filter(|parent| parent.is_absolute());
        let directory = directory.ok_or_else(|| refused("the address is not an absolute path"))?;
        ensure_private(directory)?;
        let lock = take_lock(&path)?;
        remove_stale(&path)?;
        let socket = stream_socket()?;
        bind_by_path(&socket, &path)?;
        // Nobody can connect before `listen`, so there is no moment at which the mode is wrong.
        rustix::fs::chmod(&path, Mode::RUSR | Mode::WUSR)?;
        net::listen(&socket, BACKLOG)?;
        poller.add(&socket, Source::Control, EventFlags::IN)?;
        Ok(Control { socket, path, lock })
    }

    /// The endpoint an earlier engine opened: who knocked meanwhile still waits.
    pub(crate) fn take_up(
        poller: &Poller,
        address: &str,
        socket: Descriptor,
        lock: Descriptor,
    ) -> io::Result<Control> {
        let control = Control {
            socket: take(socket)?,
            path: PathBuf::from(address),
            lock: take(lock)?.into(),
        };
        poller.add(&control.socket, Source::Control, EventFlags::IN)?;
        Ok(control)
    }

    /// The socket and its lock.
    pub(crate) fn descriptors(&self) -> (BorrowedFd<'_>, BorrowedFd<'_>) {
        (self.socket.as_fd(), self.lock.as_fd())
    }

    /// Accepts whoever waits and may.
    pub(crate) fn accept(
        &self,
        poller: &Poller,
        channels: &mut Channels,
        into: &mut Vec<Happened>,
    ) {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        // As many as may wait; the rest have their turn after the others.
        for _ in 0..BACKLOG {
            let client = match net::accept_with(&self.socket, flags) {
                Ok(client) => client,
                Err(Errno::INTR | Errno::CONNABORTED) => continue,
                Err(_) => return,
            };
            let Some(peer) = allowed(&client) else {
                continue;
            };
            if let Ok(channel) = channels.take(poller, client) {
                into.push(Happened::Accepted { channel, peer });
            }
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // The lock file stays: removing it would let a third engine lock a file nobody can find any more.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Who it is, if he may talk to us.
fn allowed(client: &OwnedFd) -> Option<Peer> {
    let peer = net::sockopt::socket_peercred(client).ok()?;
    let may = peer.uid.is_root() || peer.uid == geteuid();
    may.then(|| Peer {
        pid: u32::try_from(peer.pid.as_raw_nonzero().get()).ok(),
        uid: Some(peer.uid.as_raw()),
    })
}

/// The directory is there, ours, and nobody else can write into it. Made, with mode 0700, where it is missing.
fn ensure_private(directory: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(directory) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    let found = std::fs::symlink_metadata(directory)?;
    if !found.is_dir() {
        return Err(refused("the directory of the socket is not a directory"));
    }
    let ours = found.uid() == geteuid().as_raw() || found.uid() == 0;
    // Others may write where the sticky bit keeps them from replacing what is ours.
    let safe = found.mode() & 0o022 == 0 || found.mode() & 0o1000 != 0;
    if ours && safe {
        Ok(())
    } else {
        Err(refused("others may write into the directory of the socket"))
    }
}

fn take_lock(socket: &Path) -> io::Result<File> {
    let mut name = socket.as_os_str().to_owned();
    name.push(".lock");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(OFlags::NOFOLLOW.bits() as i32)
        .open(name)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(Errno::WOULDBLOCK) => Err(in_use()),
        Err(error) => Err(error.into()),
    }
}

/// Removes a socket nobody listens on. Anything else in its place is left alone.
fn remove_stale(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::FileTypeExt;
    let found = match std::fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !found.file_type().is_socket() {
        return Err(refused(
            "there is something else in the place of the socket",
        ));
    }
    let probe = stream_socket()?;
    match net::connect(&probe, &address_of(path)?.0) {
        Err(Errno::CONNREFUSED) => std::fs::remove_file(path),
        Err(Errno::NOENT) => Ok(()),
        Ok(()) | Err(_) => Err(in_use()),
    }
}

fn stream_socket() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        flags,
        None,
    )?)
}

/// Binds a socket to a path of any length.
pub(crate) fn bind_by_path(socket: &OwnedFd, path: &Path) -> io::Result<()> {
    let (address, _directory) = address_of(path)?;
    Ok(net::bind(socket, &address)?)
}

/// The socket address of a path. One of more than 107 bytes is reached through its directory, opened as long as the
/// second half lives.
pub(crate) fn address_of(path: &Path) -> io::Result<(SocketAddrUnix, Option<OwnedFd>)> {
    use std::os::fd::AsRawFd;
    if let Ok(address) = SocketAddrUnix::new(path) {
        return Ok((address, None));
    }
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(refused("the address is not the path of a file"));
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::open(parent, flags, Mode::empty())?;
    let link = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd())).join(name);
    Ok((SocketAddrUnix::new(&link)?, Some(directory)))
}

fn refused(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, why)
}

fn in_use() -> io::Error {
    io::Error::new(io::ErrorKind::AddrInUse, "another engine answers there")
}
