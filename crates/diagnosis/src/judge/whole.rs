//! What can be wrong with a process as a whole: its limits, its queues, its children, what it does with signals.

use std::time::Duration;

use super::finding::{Finding, Step};
use crate::graph::Node;
use crate::scene::{
    Connection, Doing, Limit, Limited, Listener, Pace, Pipe, Process, Question, Role, Scene,
    Source, Thread, Turn, Wait,
};
use crate::verdict::{Evidence, Strength, VerdictKind};

const SIGTERM: u64 = 1 << 14;
/// Longer than this nobody should wait for a server that is merely busy.
const OVERLOAD: Duration = Duration::from_secs(5);
/// An answer that takes longer than this is owed; before, it is on its way.
const OWED: Duration = Duration::from_secs(1);
/// So many children that have ended are not an accident of the moment.
const MANY_ZOMBIES: usize = 3;

/// Everything that is wrong with a process as a whole.
pub(super) fn findings(scene: &Scene, process: &Process) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    findings.extend(signals(scene.question, process));
    findings.extend(
        process
            .limits
            .iter()
            .filter_map(|limit| reached(process, limit)),
    );
    let listeners = process.listeners.iter();
    let overrun: Vec<Finding> = listeners.filter_map(|one| overrun(process, one)).collect();
    // A queue that is full says the same as connections nobody takes, and more.
    if overrun.is_empty() {
        findings.extend(unserved(scene, process));
    }
    findings.extend(overrun);
    findings.extend(zombies(process));
    findings
}

/// A finding whose chain is one process, or the thread of it that matters.
fn finding(process: &Process, tid: Option<u32>, kind: VerdictKind, strength: Strength) -> Finding {
    let pid = process.pid;
    let who = match tid {
        Some(tid) => Node::Thread { pid, tid },
        None => Node::Process { pid },
    };
    Finding {
        kind,
        strength,
        chain: vec![Step {
            who,
            through: None,
            strength,
        }],
        cycle: Vec::new(),
        harmed: process.threads.len(),
        since: None,
        evidence: Vec::new(),
        alternatives: Vec::new(),
    }
}

fn first(process: &Process) -> Option<&Thread> {
    process.threads.first()
}

fn proof(source: String, text: String) -> Evidence {
    Evidence {
        source,
        text,
        strength: Strength::Certain,
    }
}

/// Why the signal that asks a process to end does not end it.
fn signals(question: Question, process: &Process) -> Option<Finding> {
    let signals = &process.signals;
    let has = |mask: u64| mask & SIGTERM != 0;
    let is_asked = question == Question::Stop || has(signals.pending);
    let certainly = match is_asked {
        true => Strength::Certain,
        false => Strength::Weak,
    };
    let (kind, text) = if has(signals.blocked) && has(signals.pending) {
        (
            VerdictKind::SignalBlocked,
            "SIGTERM is pending and every thread blocks it",
        )
    } else if has(signals.ignored) {
        (VerdictKind::SignalIgnored, "SIGTERM is ignored")
    } else if signals.is_first && !has(signals.caught) && !has(signals.blocked) {
        (
            VerdictKind::Pid1Signal,
            "first process of its namespace, no handler for SIGTERM",
        )
    } else {
        return None;
    };
    let tid = first(process).map(|thread| thread.tid);
    let mut finding = finding(process, tid, kind, certainly);
    finding.evidence.push(proof(
        format!("/proc/{}/status", process.pid),
        text.to_owned(),
    ));
    if !is_asked {
        finding
            .alternatives
            .push("nobody has asked it to end, and nothing is wrong");
    }
    Some(finding)
}

fn reached(process: &Process, limit: &Limit) -> Option<Finding> {
    if !limit.is_reached() {
        return None;
    }
    let kind = match limit.of {
        Limited::Files => VerdictKind::FdExhausted,
        Limited::Threads => VerdictKind::ThreadExhausted,
        Limited::Memory => VerdictKind::MemoryExhausted,
    };
    let tid = first(process).map(|thread| thread.tid);
    let mut finding = finding(process, tid, kind, Strength::Certain);
    finding.evidence.push(limit.evidence.clone());
    Some(finding)
}

fn overrun(process: &Process, listener: &Listener) -> Option<Finding> {
    if listener.waiting <= listener.room || listener.waiting == 0 {
        return None;
    }
    let tid = server(process).map(|thread| thread.tid);
    let mut finding = finding(process, tid, VerdictKind::BacklogFull, Strength::Certain);
    let text = format!(
        "{} connections wait at {}, room is for {}",
        listener.waiting, listener.address, listener.room
    );
    finding.evidence.push(proof("sock_diag".into(), text));
    Some(finding)
}

/// Connections nobody accepts and questions nobody reads, in a process that has no thread for them.
fn unserved(scene: &Scene, process: &Process) -> Option<Finding> {
    let asked = asked(scene, process);
    let waiting: u64 = process
        .listeners
        .iter()
        .map(|listener| listener.waiting)
        .sum();
    if asked.is_empty() && waiting == 0 {
        return None;
    }
    if process
        .threads
        .iter()
        .any(|thread| takes(thread, process, &asked))
    {
        return None;
    }
    let thread = server(process)?;
    let is_old = asked
        .iter()
        .any(|one| one.since.is_some_and(|since| since >= OVERLOAD));
    let kind = match thread.pace {
        Pace::Still => VerdictKind::EventLoopBlocked,
        Pace::Circling => VerdictKind::CpuSpin,
        Pace::Busy if is_old => VerdictKind::CpuSpin,
        // A server with much to do always has somebody waiting.
        Pace::Busy | Pace::Moving => return None,
    };
    let others = process
        .threads
        .iter()
        .filter(|other| other.tid != thread.tid);
    let is_alone = others
        .into_iter()
        .all(|other| matches!(other.wait, Wait::Event(_)));
    // One of the others may be meant to take them, unless it only waits for its like.
    let strength = match is_alone {
        true => Strength::Strong,
        false => Strength::Weak,
    };
    let mut finding = finding(process, Some(thread.tid), kind, strength);
    let text = format!(
        "{} connections with unread questions, {waiting} not accepted, and no thread waits for either",
        asked.len()
    );
    finding.evidence.push(proof("sock_diag".into(), text));
    finding.evidence.extend(thread.evidence.iter().cloned());
    Some(finding)
}

/// The accepted connections on which something has come that was not read.
fn asked<'a>(scene: &'a Scene, process: &Process) -> Vec<&'a Connection> {
    let all = process
        .connections
        .iter()
        .filter_map(|id| scene.connections.get(id));
    all.filter(|connection| connection.role == Role::Server && connection.unread > 0)
        .collect()
}

/// Connections on which this process was asked something a while ago and has not answered.
pub(super) fn owed<'a>(scene: &'a Scene, process: &Process) -> Vec<&'a Connection> {
    let all = process
        .connections
        .iter()
        .filter_map(|id| scene.connections.get(id));
    let is_late = |one: &&Connection| one.since.is_some_and(|since| since >= OWED);
    all.filter(|connection| connection.role == Role::Server && connection.turn == Turn::Ours)
        .filter(is_late)
        .collect()
}

/// Whether somebody has waited for an answer for so long that being busy is no excuse.
pub(super) fn is_missed(scene: &Scene, process: &Process) -> bool {
    let owed = owed(scene, process);
    owed.iter()
        .any(|one| one.since.is_some_and(|since| since >= OVERLOAD))
}

/// Whether a thread waits for what has come already: then it is about to take it.
fn takes(thread: &Thread, process: &Process, asked: &[&Connection]) -> bool {
    let is_meant = |socket: &u64| {
        asked.iter().any(|connection| connection.id == *socket)
            || process
                .listeners
                .iter()
                .any(|listener| listener.id == *socket)
    };
    match &thread.wait {
        Wait::Socket {
            doing: Doing::Receive | Doing::Accept,
            socket,
            ..
        } => is_meant(socket),
        Wait::Any { sources, .. } => sources.iter().any(|source| match source {
            Source::Socket { socket, .. } => is_meant(socket),
            Source::Pipe { .. } | Source::Waker | Source::Other => false,
        }),
        Wait::Socket { .. }
        | Wait::Nothing
        | Wait::Stopped
        | Wait::Lock(_)
        | Wait::Event(_)
        | Wait::Join { .. }
        | Wait::Pipe { .. }
        | Wait::Sleep { .. }
        | Wait::Child { .. }
        | Wait::FileLock { .. }
        | Wait::Disk { .. }
        | Wait::Signal
        | Wait::Device { .. }
        | Wait::Other { .. } => false,
    }
}

/// The thread that should serve: one that is busy, else the first.
fn server(process: &Process) -> Option<&Thread> {
    let mut threads = process.threads.iter();
    let busy = threads.find(|thread| matches!(thread.pace, Pace::Busy | Pace::Circling));
    busy.or_else(|| first(process))
}

fn zombies(process: &Process) -> Option<Finding> {
    let number = process.zombies.len();
    let reaps = process
        .threads
        .iter()
        .any(|thread| matches!(thread.wait, Wait::Child { .. }));
    if number < MANY_ZOMBIES || reaps {
        return None;
    }
    let tid = first(process).map(|thread| thread.tid);
    let mut finding = finding(process, tid, VerdictKind::ChildNotReaped, Strength::Certain);
    let some: Vec<String> = process.zombies.iter().take(5).map(u32::to_string).collect();
    let text = format!(
        "{number} children have ended and were not reaped: {} …",
        some.join(", ")
    );
    finding.evidence.push(proof("/proc".into(), text));
    Some(finding)
}

/// What the system says of the thing between two steps of a chain.
pub(super) fn told(scene: &Scene, through: Option<&Node>) -> Option<Evidence> {
    let (source, text) = match through? {
        Node::Connection { id } => ("sock_diag", scene.connections.get(id)?.told.clone()),
        Node::Pipe { id } => ("pipe", pipe(scene.pipes.get(id)?)),
        Node::File { at } => ("/proc/locks", scene.file_locks.get(*at)?.told.clone()),
        Node::Thread { .. }
        | Node::Process { .. }
        | Node::Lock { .. }
        | Node::Event { .. }
        | Node::Outside { .. } => return None,
    };
    Some(proof(source.to_owned(), text))
}

/// A pipe in words.
fn pipe(pipe: &Pipe) -> String {
    let level = match (pipe.filled, pipe.room) {
        (Some(filled), Some(room)) => format!("{filled} of {room} bytes in it"),
        (Some(_) | None, Some(_) | None) => "fill unknown".to_owned(),
    };
    let pids = |ends: &[crate::scene::End]| {
        let mut pids: Vec<u32> = ends.iter().map(|end| end.pid).collect();
        pids.sort_unstable();
        pids.dedup();
        let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
        match pids.is_empty() {
            true => "nobody seen".to_owned(),
            false => pids.join(", "),
        }
    };
    format!(
        "pipe {}: {level}; readers {}; writers {}",
        pipe.id,
        pids(&pipe.readers),
        pids(&pipe.writers)
    )
}
