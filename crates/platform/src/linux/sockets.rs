//! Sockets held for services: opened once, handed to every run, so that a restart refuses no connection.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use aplomb_core::spec::{Address, Listen};
use rustix::fs::{CWD, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};

use super::control::address_of;
use super::succession::{describe, take};
use super::users;
use crate::{SocketId, SocketKeepsake};

#[derive(Debug, Default)]
pub(crate) struct Sockets {
    open: BTreeMap<u64, Held>,
    last: u64,
}

#[derive(Debug)]
struct Held {
    fd: OwnedFd,
    /// What is to be removed from the file system when it is closed.
    path: Option<PathBuf>,
}

impl Sockets {
    pub(crate) fn open(&mut self, listen: &Listen) -> io::Result<SocketId> {
        let (fd, path) = match &listen.address {
            Address::Tcp(address) => (internet(listen, address, SocketType::STREAM)?, None),
            Address::Udp(address) => (internet(listen, address, SocketType::DGRAM)?, None),
            Address::UnixStream(address) => local(listen, address, SocketType::STREAM)?,
            Address::UnixDatagram(address) => local(listen, address, SocketType::DGRAM)?,
            Address::UnixSeqpacket(address) => local(listen, address, SocketType::SEQPACKET)?,
            Address::Fifo(path) => fifo(listen, Path::new(path))?,
        };
        self.last += 1;
        self.open.insert(self.last, Held { fd, path });
        Ok(SocketId(self.last))
    }

    pub(crate) fn get(&self, id: SocketId) -> Option<BorrowedFd<'_>> {
        self.open.get(&id.0).map(|held| held.fd.as_fd())
    }

    pub(crate) fn keepsake(&self, id: SocketId) -> Option<SocketKeepsake> {
        let held = self.open.get(&id.0)?;
        Some(SocketKeepsake {
            socket: describe(held.fd.as_fd())?,
            path: held.path.clone(),
        })
    }

    /// A socket an earlier engine held; who connected meanwhile still waits.
    pub(crate) fn take_up(&mut self, keepsake: &SocketKeepsake) -> io::Result<SocketId> {
        let held = Held {
            fd: take(keepsake.socket)?,
            path: keepsake.path.clone(),
        };
        self.last += 1;
        self.open.insert(self.last, held);
        Ok(SocketId(self.last))
    }

    pub(crate) fn close(&mut self, id: SocketId) {
        self.open.remove(&id.0);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // Gone already is as good.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// As services expect it: blocking, but closed at any exec that does not hand it over.
const FLAGS: SocketFlags = SocketFlags::CLOEXEC;

fn internet(listen: &Listen, address: &str, kind: SocketType) -> io::Result<OwnedFd> {
    let address = internet_address(address)?;
    let family = match address.ip() {
        IpAddr::V4(_) => AddressFamily::INET,
        IpAddr::V6(_) => AddressFamily::INET6,
    };
    let (socket, address) = match net::socket_with(family, kind, FLAGS, None) {
        // A system without IPv6: every address is every IPv4 address.
        Err(Errno::AFNOSUPPORT) if address.ip() == Ipv6Addr::UNSPECIFIED => {
            let socket = net::socket_with(AddressFamily::INET, kind, FLAGS, None)?;
            (socket, SocketAddr::new([0, 0, 0, 0].into(), address.port()))
        }
        opened => (opened?, address),
    };
    // A port whose last connections are still being laid to rest can be had again.
    sockopt::set_socket_reuseaddr(&socket, kind == SocketType::STREAM)?;
    if listen.reuse_port {
        sockopt::set_socket_reuseport(&socket, true)?;
    }
    if address.is_ipv6() {
        let only_v6 = address.ip() != Ipv6Addr::UNSPECIFIED;
        sockopt::set_ipv6_v6only(&socket, only_v6)?;
    }
    net::bind(&socket, &address)?;
    if kind == SocketType::STREAM {
        net::listen(&socket, backlog(listen))?;
    }
    Ok(socket)
}

/// `host:port`, or a bare port for every address there is.
fn internet_address(text: &str) -> io::Result<SocketAddr> {
    if let Ok(port) = text.parse() {
        return Ok(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port));
    }
    let local = text
        .strip_prefix("localhost:")
        .map(|port| format!("127.0.0.1:{port}"));
    let invalid = |_| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a numeric address and port",
        )
    };
    local.as_deref().unwrap_or(text).parse().map_err(invalid)
}

fn backlog(listen: &Listen) -> i32 {
    // The kernel cuts it to its own limit.
    i32::try_from(listen.backlog).unwrap_or(i32::MAX)
}

fn local(
    listen: &Listen,
    address: &str,
    kind: SocketType,
) -> io::Result<(OwnedFd, Option<PathBuf>)> {
    let socket = net::socket_with(AddressFamily::UNIX, kind, FLAGS, None)?;
    let path = match address.strip_prefix('@') {
        Some(name) => {
            net::bind(
                &socket,
                &SocketAddrUnix::new_abstract_name(name.as_bytes())?,
            )?;
            None
        }
        None => {
            let path = Path::new(address);
            bind_in_place_of_a_dead_one(&socket, path, kind)?;
            give(listen, path)?;
            Some(path.to_owned())
        }
    };
    if kind != SocketType::DGRAM {
        net::listen(&socket, backlog(listen))?;
    }
    Ok((socket, path))
}

/// Binds to a path; one where nobody answers any more is taken over.
fn bind_in_place_of_a_dead_one(socket: &OwnedFd, path: &Path, kind: SocketType) -> io::Result<()> {
    let (address, _directory) = address_of(path)?;
    match net::bind(socket, &address) {
        Err(Errno::ADDRINUSE) => {}
        bound => return Ok(bound?),
    }
    let is_socket = std::fs::symlink_metadata(path)?.file_type().is_socket();
    let probe = net::socket_with(
        AddressFamily::UNIX,
        kind,
        FLAGS | SocketFlags::NONBLOCK,
        None,
    )?;
    let dead = is_socket && net::connect(&probe, &address) == Err(Errno::CONNREFUSED);
    if !dead {
        return Err(Errno::ADDRINUSE.into());
    }
    std::fs::remove_file(path)?;
    Ok(net::bind(socket, &address)?)
}

fn fifo(listen: &Listen, path: &Path) -> io::Result<(OwnedFd, Option<PathBuf>)> {
    let mode = Mode::from_raw_mode(listen.mode);
    let made = match rustix::fs::mkfifoat(CWD, path, mode) {
        Ok(()) => true,
        Err(Errno::EXIST) => false,
        Err(error) => return Err(error.into()),
    };
    if !std::fs::symlink_metadata(path)?.file_type().is_fifo() {
        return Err(Errno::EXIST.into());
    }
    if made {
        give(listen, path)?;
    }
    // For both directions, so that it stays open when the last writer goes.
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let fd = rustix::fs::open(path, flags, Mode::empty())?;
    Ok((fd, made.then(|| path.to_owned())))
}

/// Mode and owner of a path, as the unit says.
fn give(listen: &Listen, path: &Path) -> io::Result<()> {
    let missing = |what: &str, name: &str| {
        io::Error::new(
            io::ErrorKind::NotFound,
            format!("there is no {what} `{name}`"),
        )
    };
    rustix::fs::chmod(path, Mode::from_raw_mode(listen.mode))?;
    let mut owner = None;
    let mut group = None;
    if let Some(name) = &listen.user {
        let user = users::user(name)?.ok_or_else(|| missing("user", name))?;
        owner = Some(user.uid);
        group = Some(user.gid);
    }
    if let Some(name) = &listen.group {
        group = Some(users::group(name)?.ok_or_else(|| missing("group", name))?);
    }
    if owner.is_some() || group.is_some() {
        let owner = owner.map(Uid::from_raw);
        rustix::fs::chown(path, owner, group.map(Gid::from_raw))?;
    }
    Ok(())
}
