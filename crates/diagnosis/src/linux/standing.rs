//! What is known of a process as a whole: signals, limits, control groups, children, the sockets it serves.

use std::fs;

use super::between::{Behind, Between};
use super::groups::{self, Groups};
use super::proc::{self, Descriptor, Status};
use super::target::Target;
use crate::memory::Mapping;
use crate::scene::{Database, Limit, Limited, Listener, Process, Scene, Signals, Thread, Turn};
use crate::verdict::{Evidence, Strength};

/// As many sockets of one process as are looked at.
const MOST_SOCKETS: usize = 4096;
const SIGTERM: u64 = 1 << 14;
/// Of an address space that may not grow, how much counts as all of it: an allocator asks in large pieces.
const FULL_PERCENT: u64 = 95;
/// Above this nobody is near the limit, and counting a user's threads is not worth the reading.
const COUNTED_THREADS: u64 = 8192;

/// What is mapped where.
pub(super) fn maps(pid: u32) -> Vec<Mapping> {
    let text = proc::read(format!("/proc/{pid}/maps")).unwrap_or_default();
    proc::mappings(&text)
}

/// All that is known of a process, given its threads.
pub(super) fn process(target: &Target, threads: Vec<Thread>, between: &mut Between<'_>) -> Process {
    let (children, zombies) = between.host.kin().children(target.pid);
    let groups = Groups::of(target.pid);
    let mut process = Process {
        pid: target.pid,
        parent: target.stat.parent,
        started: target.stat.started,
        name: target.stat.name.clone(),
        title: title(target.pid),
        signals: signals(target),
        limits: limits(target, &groups),
        frozen: groups.frozen(),
        zombies,
        children,
        listeners: Vec::new(),
        connections: Vec::new(),
        is_open: target.is_open(),
        threads,
    };
    sockets(target, &mut process, between);
    database(&process, between);
    process
}

/// Of a database's process that waits for a lock, the others of the same server; of one with an open transaction, its
/// client.
fn database(process: &Process, between: &mut Between<'_>) {
    match process.database() {
        Database::None => {}
        Database::Waiting => {
            let (siblings, _) = between.host.kin().children(process.parent);
            let in_transaction =
                |pid: &u32| title(*pid).is_some_and(|title| title.contains("idle in transaction"));
            between
                .met
                .extend(siblings.into_iter().filter(in_transaction));
        }
        Database::InTransaction => {
            for id in &process.connections {
                between.follow_connection(*id);
            }
        }
    }
}

/// What can be said only once all processes are known: connections somebody was found to owe an answer on are
/// followed to their other end.
pub(super) fn complete(scene: &mut Scene, between: &mut Between<'_>) {
    for process in scene.processes.values() {
        for id in &process.connections {
            let connection = &between.connections[id];
            if matches!(connection.turn, Turn::Theirs | Turn::TheirsProven) {
                between.follow_connection(*id);
            }
        }
    }
}

fn sockets(target: &Target, process: &mut Process, between: &mut Between<'_>) {
    let inodes = target
        .descriptors
        .values()
        .filter_map(|descriptor| match descriptor {
            Descriptor::Socket(inode) => Some(*inode),
            Descriptor::Pipe(_) | Descriptor::Anonymous(_) | Descriptor::Path(_) => None,
        });
    for inode in inodes.take(MOST_SOCKETS) {
        match between.socket(inode) {
            Behind::Connection(id) => process.connections.push(id),
            Behind::Listener(id) => {
                let listener: Listener = between.listeners[&id].clone();
                process.listeners.push(listener);
            }
            Behind::Pipe(_) | Behind::Waker | Behind::Epoll | Behind::Device(_) | Behind::Other => {
            }
        }
    }
    process.connections.sort_unstable();
    process.connections.dedup();
}

/// Database servers write into their title what they do; nobody else's arguments are looked at.
fn title(pid: u32) -> Option<String> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let first = line.split(|byte| *byte == 0).next()?;
    let title = String::from_utf8_lossy(first);
    title
        .starts_with("postgres: ")
        .then(|| title.trim_end().to_owned())
}

fn signals(target: &Target) -> Signals {
    let status = &target.status;
    let mut blocked = status.blocked;
    let mut pending = status.pending;
    // Most processes block nothing that matters, and then no other thread need be asked.
    if blocked & SIGTERM != 0 {
        for thread in &target.threads {
            let text = proc::read(format!("/proc/{}/task/{}/status", target.pid, thread.tid));
            if let Ok(text) = text {
                let status = Status::parse(&text);
                blocked &= status.blocked;
                pending |= status.thread_pending;
            }
        }
    }
    Signals {
        pending: pending | status.thread_pending,
        blocked,
        ignored: status.ignored,
        caught: status.caught,
        is_first: status.is_first(),
    }
}

fn limits(target: &Target, groups: &Groups) -> Vec<Limit> {
    let text = proc::read(format!("/proc/{}/limits", target.pid)).unwrap_or_default();
    let soft = proc::soft_limits(&text);
    let mut limits = Vec::new();
    let source = format!("/proc/{}/limits", target.pid);
    if let Some(allowed) = soft.files {
        let used = target.descriptors.len() as u64;
        let text = format!("{used} of {allowed} open files");
        limits.push(limit(Limited::Files, used, allowed, &source, text));
    }
    if let Some(allowed) = soft.processes.filter(|allowed| *allowed <= COUNTED_THREADS) {
        limits.extend(user_threads(target, allowed, &source));
    }
    if let Some(allowed) = soft.address_space {
        let used = address_space(target.pid);
        let text = format!("{used} of {allowed} bytes of address space");
        let full = allowed / 100 * FULL_PERCENT;
        limits.push(limit(Limited::Memory, used, full.max(1), &source, text));
    }
    limits.extend(groups.limits());
    limits
}

pub(super) fn limit(of: Limited, used: u64, allowed: u64, source: &str, text: String) -> Limit {
    Limit {
        of,
        used,
        allowed,
        evidence: Evidence {
            source: source.to_owned(),
            text,
            strength: Strength::Certain,
        },
    }
}

/// The threads of the process's user; the system's own user is not held to this limit.
fn user_threads(target: &Target, allowed: u64, source: &str) -> Option<Limit> {
    let user = target.status.user.filter(|user| *user != 0)?;
    let mut used = 0;
    for pid in proc::numbers("/proc").ok()? {
        let Ok(text) = proc::read(format!("/proc/{pid}/status")) else {
            continue;
        };
        if Status::parse(&text).user == Some(user) {
            let threads = text.lines().find_map(|line| line.strip_prefix("Threads:"));
            used += threads
                .and_then(|number| number.trim().parse().ok())
                .unwrap_or(1);
        }
    }
    let text = format!("{used} of {allowed} threads and processes of user {user}");
    Some(limit(Limited::Threads, used, allowed, source, text))
}

fn address_space(pid: u32) -> u64 {
    let text = proc::read(format!("/proc/{pid}/statm")).unwrap_or_default();
    let pages = text
        .split_ascii_whitespace()
        .next()
        .and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0).saturating_mul(groups::page())
}
