//! Connections, pipes and locks on files that threads were found to wait for, with who is at their other end.
//!
//! What is asked for once is kept, and every process met on the way is noted, to be looked at next.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use super::host::Host;
use super::proc::{Descriptor, FdInfo, FileId, LockLine};
use super::target::Target;
use super::{proc, sys};
use crate::scene::{Connection, End, FileLock, Holding, Listener, Pipe};

/// What lies between processes, as far as it was asked for.
#[derive(Debug)]
pub(super) struct Between<'a> {
    pub(super) host: &'a Host,
    pub(super) connections: BTreeMap<u64, Connection>,
    pub(super) listeners: BTreeMap<u64, Listener>,
    pub(super) pipes: BTreeMap<u64, Pipe>,
    pub(super) file_locks: Vec<FileLock>,
    /// Processes somebody waits for.
    pub(super) met: BTreeSet<u32>,
}

/// What is behind a descriptor, as far as one can wait for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Behind {
    /// A connection.
    Connection(u64),
    /// A listening socket.
    Listener(u64),
    /// A pipe, with a name or without.
    Pipe(u64),
    /// A way of being woken: timers, counters, signals, watches.
    Waker,
    /// An epoll set.
    Epoll,
    /// A terminal or another device.
    Device(String),
    /// A file, or nothing known.
    Other,
}

impl<'a> Between<'a> {
    pub(super) fn new(host: &'a Host) -> Between<'a> {
        Between {
            host,
            connections: BTreeMap::new(),
            listeners: BTreeMap::new(),
            pipes: BTreeMap::new(),
            file_locks: Vec::new(),
            met: BTreeSet::new(),
        }
    }

    /// What is behind a descriptor of a process.
    pub(super) fn behind(&mut self, target: &Target, fd: u32) -> Behind {
        match target.descriptors.get(&fd) {
            None => Behind::Other,
            Some(Descriptor::Socket(inode)) => self.socket(*inode),
            Some(Descriptor::Pipe(inode)) => Behind::Pipe(*inode),
            Some(Descriptor::Anonymous(kind)) => match kind.as_str() {
                "eventpoll" => Behind::Epoll,
                _ => Behind::Waker,
            },
            Some(Descriptor::Path(path)) => self.path(target, fd, path),
        }
    }

    /// A socket by its inode; one the tables do not list is nobody's business.
    pub(super) fn socket(&mut self, inode: u64) -> Behind {
        if self.connections.contains_key(&inode) {
            return Behind::Connection(inode);
        }
        let sockets = self.host.sockets();
        if let Some(connection) = sockets.connection(inode) {
            self.connections.insert(inode, connection);
            return Behind::Connection(inode);
        }
        match sockets.listener(inode) {
            Some(listener) => {
                self.listeners.insert(inode, listener);
                Behind::Listener(inode)
            }
            None => Behind::Other,
        }
    }

    fn path(&self, target: &Target, fd: u32, path: &str) -> Behind {
        let Ok(metadata) = fs::metadata(format!("/proc/{}/fd/{fd}", target.pid)) else {
            return Behind::Other;
        };
        let kind = metadata.file_type();
        if kind.is_fifo() {
            return Behind::Pipe(metadata.ino());
        }
        match kind.is_char_device() && path != "/dev/null" {
            true => Behind::Device(path.to_owned()),
            false => Behind::Other,
        }
    }

    /// Finds who is across a connection.
    pub(super) fn follow_connection(&mut self, id: u64) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let Some(other) = connection.peer.or(connection.waits_at) else {
            return;
        };
        if connection.across.is_empty() {
            connection.across = self.host.holders().of_socket(other).to_vec();
        }
        self.met.extend(connection.across.iter().map(|end| end.pid));
    }

    /// Finds who has the ends of a pipe, and how full it is.
    pub(super) fn follow_pipe(&mut self, target: &Target, fd: u32, id: u64) {
        if !self.pipes.contains_key(&id) {
            let pipe = self.pipe(target, fd, id);
            self.pipes.insert(id, pipe);
        }
        let pipe = &self.pipes[&id];
        let ends = pipe.readers.iter().chain(&pipe.writers);
        self.met.extend(ends.map(|end| end.pid));
    }

    fn pipe(&self, target: &Target, fd: u32, id: u64) -> Pipe {
        let holders = self.host.holders();
        let ends = match target.descriptors.get(&fd) {
            Some(Descriptor::Path(path)) => holders.of_path(path),
            Some(Descriptor::Pipe(_) | Descriptor::Socket(_) | Descriptor::Anonymous(_)) | None => {
                holders.of_pipe(id)
            }
        };
        let mut pipe = Pipe {
            id,
            is_complete: holders.is_complete,
            ..Pipe::default()
        };
        for end in ends {
            let Some(info) = info(*end) else {
                pipe.is_complete = false;
                continue;
            };
            if info.reads() {
                pipe.readers.push(*end);
            }
            if info.writes() {
                pipe.writers.push(*end);
            }
        }
        if let Ok(fill) = sys::pipe_fill(target.pid, fd) {
            pipe.filled = Some(fill.bytes);
            pipe.room = Some(fill.room);
        }
        pipe
    }

    /// Finds who has the lock on a file this process waits for; the place of the lock in the list.
    pub(super) fn follow_file_lock(&mut self, target: &Target, fd: u32) -> Option<usize> {
        let file = file_of(target.pid, fd)?;
        let lines = self.host.locks();
        let ours = |line: &&LockLine| line.waits && line.file == file;
        let waiting = lines
            .iter()
            .filter(ours)
            .find(|line| line.pid == Some(target.pid))
            .or_else(|| lines.iter().find(ours))?;
        let number = waiting.number;
        let holding = lines
            .iter()
            .find(|line| line.number == number && !line.waits)?;
        let path = match target.descriptors.get(&fd) {
            Some(Descriptor::Path(path)) => path.clone(),
            Some(Descriptor::Pipe(_) | Descriptor::Socket(_) | Descriptor::Anonymous(_)) | None => {
                format!("{}:{}", file.major, file.inode)
            }
        };
        let holders = self.lock_holders(holding, &path, target.pid);
        self.met.extend(holders.iter().map(|holder| holder.pid));
        let lock = FileLock {
            file: path,
            holders,
            told: format!("{}; waits: {}", holding.text, waiting.text),
        };
        if let Some(at) = self.file_locks.iter().position(|known| *known == lock) {
            return Some(at);
        }
        self.file_locks.push(lock);
        Some(self.file_locks.len() - 1)
    }

    /// The process the table names; if it names none, or one that has passed the lock on, whoever has the open file.
    fn lock_holders(&self, line: &LockLine, path: &str, waiter: u32) -> Vec<Holding> {
        let named = line.pid.filter(|_| line.kind == "POSIX");
        if let Some(pid) = named {
            return vec![Holding {
                pid,
                is_recorded: true,
            }];
        }
        let has_lock = |end: &End| {
            let info = info(*end)?;
            let found = info
                .locks
                .iter()
                .any(|lock| lock.file == line.file && lock.kind == line.kind);
            found.then_some(end.pid)
        };
        let ends = self.host.holders().of_path(path).iter();
        let mut pids: Vec<u32> = ends.filter_map(has_lock).collect();
        pids.dedup();
        if pids.len() > 1 {
            pids.retain(|pid| *pid != waiter);
        }
        let is_recorded = pids.len() == 1;
        let holding = |pid| Holding { pid, is_recorded };
        pids.into_iter().map(holding).collect()
    }
}

fn info(end: End) -> Option<FdInfo> {
    let text = proc::read(format!("/proc/{}/fdinfo/{}", end.pid, end.fd)).ok()?;
    Some(FdInfo::parse(&text))
}

fn file_of(pid: u32, fd: u32) -> Option<FileId> {
    let metadata = fs::metadata(format!("/proc/{pid}/fd/{fd}")).ok()?;
    let device = metadata.dev();
    Some(FileId {
        major: rustix::fs::major(device),
        minor: rustix::fs::minor(device),
        inode: metadata.ino(),
    })
}
