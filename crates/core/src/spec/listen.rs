//! Sockets held by the engine, so that a restart refuses no connection (sd_listen_fds(3)).

use alloc::string::String;

/// One socket the engine opens before the first start and keeps until the service is removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    pub address: Address,
    /// Its name in `LISTEN_FDNAMES`; the service's own name where absent.
    pub name: Option<String>,
    /// Pending connections the kernel keeps. Default 4096, cut to the system's limit.
    pub backlog: u32,
    /// Mode of a path socket. Default 0o666, as systemd.socket(5).
    pub mode: u32,
    pub user: Option<String>,
    pub group: Option<String>,
    /// Several sockets may share the address (`SO_REUSEPORT`).
    pub reuse_port: bool,
}

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `host:port`; a bare port means every address, IPv6 and IPv4.
    Tcp(String),
    Udp(String),
    /// A path, or `@name` for Linux's abstract space.
    UnixStream(String),
    UnixDatagram(String),
    UnixSeqpacket(String),
    /// A named pipe in the file system.
    Fifo(String),
}

impl Listen {
    pub const BACKLOG: u32 = 4096;
    pub const MODE: u32 = 0o666;

    pub fn new(address: Address) -> Listen {
        Listen {
            address,
            name: None,
            backlog: Listen::BACKLOG,
            mode: Listen::MODE,
            user: None,
            group: None,
            reuse_port: false,
        }
    }
}
