//! Puts a judgement into words: one sentence, a page for people, a report for programs, a graph for drawing.
//!
//! The wording keeps a rule: *because* is said only of what is certain, *probably* of what is strong, and what is weak
//! is told with its alternatives. Nothing of what a program keeps in memory or sends is ever repeated, only names of
//! functions, addresses and sizes.

mod advice;
mod clause;
mod dot;
mod page;
mod sentence;

pub(crate) use advice::advice;
pub(crate) use dot::dot;
pub(crate) use page::{page, raw};
pub(crate) use sentence::sentence;

use std::time::Duration;

use crate::graph::Node;
use crate::scene::Scene;

/// A thread, process or somebody outside, as a person says it.
pub(crate) fn who(scene: &Scene, node: &Node) -> String {
    match node {
        Node::Thread { pid, tid } => thread(scene, *pid, *tid),
        Node::Process { pid } => process(scene, *pid),
        Node::Outside { address } => address.clone(),
        Node::Lock { address, .. } => format!("the lock at {address:#x}"),
        Node::Event { address, .. } => format!("the event at {address:#x}"),
        Node::Connection { id } => connection(scene, *id),
        Node::Pipe { id } => format!("pipe {id}"),
        Node::File { at } => file(scene, *at),
    }
}

/// A process by the name of its program.
pub(crate) fn process(scene: &Scene, pid: u32) -> String {
    match scene.processes.get(&pid) {
        Some(process) => format!("`{}` (pid {pid})", plain(&process.name)),
        None => format!("process {pid}"),
    }
}

/// A thread; the only one of its process is that process.
fn thread(scene: &Scene, pid: u32, tid: u32) -> String {
    let Some(known) = scene.processes.get(&pid) else {
        return format!("thread {tid} of process {pid}");
    };
    if known.threads.len() == 1 && tid == pid {
        return process(scene, pid);
    }
    let of = match scene.asked.contains(&pid) {
        true => String::new(),
        false => format!(" of {}", process(scene, pid)),
    };
    match scene.thread(pid, tid) {
        Some(thread) if tid == pid && thread.name == known.name && !of.is_empty() => {
            format!("main thread{of}")
        }
        Some(thread) if tid == pid => {
            format!("main thread `{}` (tid {tid}){of}", plain(&thread.name))
        }
        Some(thread) => format!("thread `{}` (tid {tid}){of}", plain(&thread.name)),
        None => format!("thread {tid}{of}"),
    }
}

fn connection(scene: &Scene, id: u64) -> String {
    match scene.connections.get(&id) {
        Some(connection) if !connection.remote.is_empty() => {
            format!("the connection to {}", plain(&connection.remote))
        }
        Some(_) | None => format!("socket {id}"),
    }
}

fn file(scene: &Scene, at: usize) -> String {
    match scene.file_locks.get(at) {
        Some(lock) => format!("the lock on `{}`", plain(&lock.file)),
        None => "a lock on a file".into(),
    }
}

/// Without what could change how a terminal looks, or a quotation.
pub(crate) fn plain(text: &str) -> String {
    let harmless = |c: char| match c {
        '`' => '\'',
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    text.chars().map(harmless).collect()
}

/// Two units at most.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{} ms", duration.as_millis()),
        1..=59 => format!("{seconds} s"),
        60..=3599 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..=86_399 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// `one`, `one and two`, `one, two and three`; long lists end with a number.
pub(crate) fn list(items: &[String]) -> String {
    const SHOWN: usize = 4;
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] if items.len() <= SHOWN => format!("{} and {last}", first.join(", ")),
        _ => format!(
            "{} and {} more",
            items[..SHOWN].join(", "),
            items.len() - SHOWN
        ),
    }
}

/// A number with its noun.
pub(crate) fn count(number: usize, one: &str, many: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        number => format!("{number} {many}"),
    }
}
