//! What was seen at one moment, as plain values: the processes asked about, those they wait for, and what lies between.
//!
//! A scene is the border between reading and judging: a system's half fills it, everything else only looks at it, so
//! that a recorded scene is judged like a live one. Nothing here knows a system call or a file of `/proc`.

mod between;
mod wait;

use std::collections::BTreeMap;
use std::time::Duration;

pub use between::{Connection, End, FileLock, Holding, Listener, Pipe, Role, SocketKind, Turn};
pub use wait::{Doing, Event, Holder, Lock, LockKind, Source, Wait};

use crate::verdict::Evidence;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Question {
    /// Why does it not go on?
    #[default]
    Hang,
    /// It was asked to end: why does it not?
    Stop,
    /// It was started: why is it not ready?
    Start,
    /// It does not answer its health check: why?
    Health,
}

impl Question {
    /// The name programs read.
    pub fn name(self) -> &'static str {
        match self {
            Question::Hang => "hang",
            Question::Stop => "stop",
            Question::Start => "start",
            Question::Health => "health",
        }
    }
}

/// All that was seen.
#[derive(Debug, Clone, Default)]
pub struct Scene {
    /// What was asked.
    pub question: Question,
    /// The processes asked about, the most important first.
    pub asked: Vec<u32>,
    /// Those, and the ones they were found to wait for.
    pub processes: BTreeMap<u32, Process>,
    /// By the identity the system gives each end.
    pub connections: BTreeMap<u64, Connection>,
    /// By the same.
    pub pipes: BTreeMap<u64, Pipe>,
    /// Locks on files somebody waits for.
    pub file_locks: Vec<FileLock>,
    /// What could not be looked at, and why.
    pub unseen: Vec<String>,
    /// How long looking took.
    pub took: Duration,
    /// How many snapshots were taken of each thread.
    pub snapshots: u32,
}

/// One process.
#[derive(Debug, Clone, Default)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Its parent's.
    pub parent: u32,
    /// When it was started, in the system's own ticks: number and start together are never given twice.
    pub started: u64,
    /// The name of its program.
    pub name: String,
    /// What it calls itself, where that says what it does (`postgres: anna shop [local] idle in transaction`).
    pub title: Option<String>,
    /// Its threads: the first one, then the others in the order of their numbers.
    pub threads: Vec<Thread>,
    /// What it does with signals.
    pub signals: Signals,
    /// What it has of what it may have.
    pub limits: Vec<Limit>,
    /// Why its control group does not run, if so.
    pub frozen: Option<Evidence>,
    /// Children that have ended and were not reaped.
    pub zombies: Vec<u32>,
    /// Children that live.
    pub children: Vec<u32>,
    /// Sockets on which it accepts connections.
    pub listeners: Vec<Listener>,
    /// Connections it has, by identity.
    pub connections: Vec<u64>,
    /// Whether its memory and descriptors could be looked at.
    pub is_open: bool,
}

/// What a process does with the signal that asks it to end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signals {
    /// Waiting to be delivered to the process; bit 0 is signal 1.
    pub pending: u64,
    /// Blocked by every one of its threads.
    pub blocked: u64,
    /// Ignored.
    pub ignored: u64,
    /// Handled by the program.
    pub caught: u64,
    /// It is the first process of a namespace of its own.
    pub is_first: bool,
}

/// Something a process has a limited number of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// What.
    pub of: Limited,
    /// How much of it is used.
    pub used: u64,
    /// How much may be.
    pub allowed: u64,
    /// Where this was read.
    pub evidence: Evidence,
}

/// What there may be only so much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limited {
    /// Open files.
    Files,
    /// Threads and processes.
    Threads,
    /// Memory, in bytes.
    Memory,
}

/// One thread.
#[derive(Debug, Clone, Default)]
pub struct Thread {
    /// Its number; that of the process, for the first one.
    pub tid: u32,
    /// The name it gave itself.
    pub name: String,
    /// Whether it ran while it was looked at.
    pub pace: Pace,
    /// What it waits for.
    pub wait: Wait,
    /// Where in the program it is, innermost first; empty if that could not be had.
    pub frames: Vec<Frame>,
    /// What the above rests on.
    pub evidence: Vec<Evidence>,
}

/// How much a thread ran between two snapshots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pace {
    /// Not at all: everything read of it belongs to one moment.
    #[default]
    Still,
    /// A little: it lives.
    Moving,
    /// All the time it was let.
    Busy,
    /// All the time, and always in the same few instructions.
    Circling,
}

/// A place in a program.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frame {
    /// The instruction it will go on with.
    pub address: u64,
    /// The function, if a symbol names it.
    pub function: Option<String>,
    /// The file of the program or library.
    pub module: Option<String>,
    /// Where in the source, if the program carries that.
    pub line: Option<String>,
    /// It belongs to the system's own libraries, not to the program.
    pub is_system: bool,
}

impl Scene {
    /// A thread by its process and number.
    pub fn thread(&self, pid: u32, tid: u32) -> Option<&Thread> {
        self.processes.get(&pid)?.thread(tid)
    }

    /// How many threads were looked at.
    pub fn threads(&self) -> usize {
        self.processes
            .values()
            .map(|process| process.threads.len())
            .sum()
    }
}

/// What a process of a database server does, as it says itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Database {
    /// It is none, or does something else.
    None,
    /// It waits for a lock inside the database.
    Waiting,
    /// Its client has a transaction open and says nothing.
    InTransaction,
}

impl Process {
    /// What it does for a database.
    pub fn database(&self) -> Database {
        match self.title.as_deref() {
            Some(title) if title.ends_with(" waiting") => Database::Waiting,
            Some(title) if title.contains("idle in transaction") => Database::InTransaction,
            Some(_) | None => Database::None,
        }
    }

    /// The database its title names: `postgres: USER DATABASE CLIENT WHAT`.
    pub fn database_name(&self) -> Option<&str> {
        self.title.as_deref()?.split(' ').nth(2)
    }

    /// One of its threads.
    pub fn thread(&self, tid: u32) -> Option<&Thread> {
        let (first, others) = self.threads.split_first()?;
        if first.tid == tid {
            return Some(first);
        }
        let at = others
            .binary_search_by_key(&tid, |thread| thread.tid)
            .ok()?;
        others.get(at)
    }
}

impl Thread {
    /// The function of the program it is in: the innermost that is not the system's own.
    pub fn function(&self) -> Option<&str> {
        let own = self.frames.iter().find(|frame| !frame.is_system);
        own.and_then(|frame| frame.function.as_deref())
    }
}

impl Limit {
    /// Whether there is no more to be had.
    pub fn is_reached(&self) -> bool {
        self.allowed > 0 && self.used >= self.allowed
    }
}
