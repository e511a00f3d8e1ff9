//! What lies between processes: connections, pipes, locks on files.

use std::time::Duration;

/// One end of a connection, seen from the process that has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Its identity.
    pub id: u64,
    /// What sort.
    pub kind: SocketKind,
    /// Our address, as people write it.
    pub local: String,
    /// The other one's.
    pub remote: String,
    /// Who opened it.
    pub role: Role,
    /// Bytes that have come and were not read.
    pub unread: u64,
    /// Bytes written that the other side has not taken.
    pub unsent: u64,
    /// Whose turn it is.
    pub turn: Turn,
    /// Since when it has been like that, if the system keeps it.
    pub since: Option<Duration>,
    /// The identity of the other end, if it is on this host.
    pub peer: Option<u64>,
    /// The other end is on this host and no program has accepted it yet: the listening socket it waits at.
    pub waits_at: Option<u64>,
    /// Who has the other end; while it was not accepted, who has the listening socket.
    pub across: Vec<End>,
    /// What the system says of it, in words for a line of evidence.
    pub told: String,
    /// The other end is on this host, whether or not its holder could be seen.
    pub is_local: bool,
}

/// A process that has one end of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// The process.
    pub pid: u32,
    /// Its descriptor.
    pub fd: u32,
}

/// What sort of socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketKind {
    /// TCP, of either family.
    Tcp,
    /// Within this host.
    Unix,
    /// Datagrams and others nobody owes an answer on.
    Other,
}

/// Who opened a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// This end did.
    Client,
    /// This end was accepted.
    Server,
    /// It cannot be told.
    Unknown,
}

/// Whose turn it is on a connection of questions and answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The other side's, and it has never said anything: proven.
    TheirsProven,
    /// The other side's, by the order of the last messages.
    Theirs,
    /// Ours.
    Ours,
    /// It cannot be told.
    Unknown,
}

/// A socket that takes connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Its identity.
    pub id: u64,
    /// Its address.
    pub address: String,
    /// Connections that wait to be accepted.
    pub waiting: u64,
    /// How many may.
    pub room: u64,
}

/// A pipe, with who has which end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pipe {
    /// Its identity.
    pub id: u64,
    /// Who can read from it.
    pub readers: Vec<End>,
    /// Who can write to it.
    pub writers: Vec<End>,
    /// Bytes in it, if that could be asked.
    pub filled: Option<u64>,
    /// Bytes it can hold, if that could be asked.
    pub room: Option<u64>,
    /// All processes were looked through, so that nobody else has an end.
    pub is_complete: bool,
}

/// A lock on a file that somebody waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileLock {
    /// The file: its path where that is known, else device and inode.
    pub file: String,
    /// Who has it.
    pub holders: Vec<Holding>,
    /// The line of the system's table.
    pub told: String,
}

/// Who has a lock on a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holding {
    /// The process.
    pub pid: u32,
    /// The system's table names it; otherwise it is one of those that have the descriptor the lock belongs to.
    pub is_recorded: bool,
}
