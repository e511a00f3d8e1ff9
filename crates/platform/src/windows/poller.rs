//! The completion port of the engine's loop, and who is known to it by which key.

use std::io;
use std::os::windows::io::RawHandle;
use std::time::Duration;

use super::sys::port::{Packet, Port, Poster};

/// Whom a packet is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Bell,
    Host,
    Ended(u64),
    Tree(u64),
    Asked(u64),
    Channel(u64),
    Notify(u64),
    Ready(u64),
}

#[derive(Debug)]
pub(crate) struct Poller {
    port: Port,
    room: Vec<Packet>,
}

impl Poller {
    pub(crate) fn new() -> io::Result<Poller> {
        Ok(Poller {
            port: Port::new()?,
            room: Vec::new(),
        })
    }

    pub(crate) fn add(&self, member: RawHandle, source: Source) -> io::Result<()> {
        self.port.join(member, source.pack())
    }

    pub(crate) fn port(&self) -> &Port {
        &self.port
    }

    pub(crate) fn poster(&self) -> Poster {
        self.port.poster()
    }

    /// Something to be looked at with the next wait, for a transfer that was over before it began.
    pub(crate) fn remind(&self, source: Source, token: usize) -> io::Result<()> {
        self.port.poster().post(Packet {
            key: source.pack(),
            operation: token,
            amount: 0,
        })
    }

    pub(crate) fn wait(
        &mut self,
        time: Option<Duration>,
        into: &mut Vec<(Source, Packet)>,
    ) -> io::Result<()> {
        self.port.wait(time, &mut self.room)?;
        let told = self.room.drain(..);
        into.extend(told.filter_map(|packet| Some((Source::unpack(packet.key)?, packet))));
        Ok(())
    }
}

impl Source {
    pub(crate) fn pack(self) -> usize {
        let (kind, id) = match self {
            Source::Bell => (0, 0),
            Source::Host => (1, 0),
            Source::Ended(id) => (2, id),
            Source::Tree(id) => (3, id),
            Source::Asked(id) => (4, id),
            Source::Channel(id) => (5, id),
            Source::Notify(id) => (6, id),
            Source::Ready(id) => (7, id),
        };
        (id as usize) << 4 | kind
    }

    fn unpack(key: usize) -> Option<Source> {
        let id = (key >> 4) as u64;
        match key & 0xf {
            0 => Some(Source::Bell),
            1 => Some(Source::Host),
            2 => Some(Source::Ended(id)),
            3 => Some(Source::Tree(id)),
            4 => Some(Source::Asked(id)),
            5 => Some(Source::Channel(id)),
            6 => Some(Source::Notify(id)),
            7 => Some(Source::Ready(id)),
            _ => None,
        }
    }

    pub(crate) fn packet(self) -> Packet {
        Packet {
            key: self.pack(),
            operation: 0,
            amount: 0,
        }
    }
}
