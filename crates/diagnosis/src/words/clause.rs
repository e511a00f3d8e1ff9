//! What is the matter, as half a sentence without any word of how sure it is.

use super::{count, duration, list, plain, process, who};
use crate::graph::Node;
use crate::judge::{Finding, Step};
use crate::scene::{Pace, Scene, Thread, Wait};
use crate::verdict::VerdictKind;

/// The cause in words.
pub(super) fn clause(scene: &Scene, finding: &Finding) -> String {
    let root = finding
        .root()
        .map_or_else(|| "nobody".to_owned(), |root| who(scene, root));
    let harmed = harmed(scene, finding);
    let evidence = finding
        .evidence
        .first()
        .map_or("", |evidence| evidence.text.as_str());
    match finding.kind {
        VerdictKind::Frozen => format!("the control group of {root} is frozen"),
        VerdictKind::Stopped => format!("{root} is stopped by a signal or a debugger"),
        VerdictKind::SignalBlocked => format!("{root} blocks SIGTERM, which is pending"),
        VerdictKind::SignalIgnored => format!("{root} ignores SIGTERM"),
        VerdictKind::Pid1Signal => format!(
            "{root} is the first process of its namespace and has no handler for SIGTERM, so that the system drops it"
        ),
        VerdictKind::Deadlock => circle(scene, finding),
        VerdictKind::SelfDeadlock => {
            format!("{root} waits for {} it holds itself", thing(scene, finding))
        }
        VerdictKind::OrphanedLock => format!(
            "{harmed} for {} that {root} held when it ended",
            thing(scene, finding)
        ),
        VerdictKind::DiskWait => format!(
            "{root} waits within the system, uninterruptibly{}",
            place(scene, finding)
        ),
        VerdictKind::CpuSpin => format!("{root} runs without a pause{}", function(scene, finding)),
        VerdictKind::EventLoopBlocked => {
            format!(
                "{root} should serve connections and {} instead",
                does(scene, finding)
            )
        }
        VerdictKind::DbLock => format!("{harmed} for a lock in the database that {root} holds"),
        VerdictKind::FileLock => format!("{harmed} for {}, held by {root}", thing(scene, finding)),
        VerdictKind::PipeFull => {
            format!(
                "{harmed} for room in {}, which {root} should read from",
                thing(scene, finding)
            )
        }
        VerdictKind::PipeHeldOpen => format!(
            "{harmed} for the end of {}, which {root} keeps open for writing",
            thing(scene, finding)
        ),
        VerdictKind::DownstreamSlow => format!(
            "{harmed} for an answer from {root}, which {}{}",
            does(scene, finding),
            since(finding)
        ),
        VerdictKind::NetWait => format!("{harmed} for an answer from {root}{}", since(finding)),
        VerdictKind::FdExhausted => format!("{root} can open no more files ({evidence})"),
        VerdictKind::ThreadExhausted => {
            format!("{root} can start no more threads or processes ({evidence})")
        }
        VerdictKind::MemoryExhausted => format!("{root} can have no more memory ({evidence})"),
        VerdictKind::BacklogFull => {
            format!("the queue of connections {root} should accept is full ({evidence})")
        }
        VerdictKind::LockHeld => format!(
            "{harmed} for {} held by {root}, which {}",
            thing(scene, finding),
            does(scene, finding)
        ),
        VerdictKind::LockConvoy => format!(
            "{harmed} in a queue for {}, which does change hands",
            thing(scene, finding)
        ),
        VerdictKind::ChildWait => format!(
            "{harmed} for its child {root}, which {}",
            does(scene, finding)
        ),
        VerdictKind::ChildNotReaped => format!("{root} does not reap its children ({evidence})"),
        VerdictKind::WaitForEvent => {
            format!(
                "{harmed} for {}, and no thread is left that could bring it about",
                event(scene, finding)
            )
        }
        VerdictKind::ThreadJoin => {
            format!(
                "{harmed} for the end of {root}, which {}",
                does(scene, finding)
            )
        }
        VerdictKind::CleanupRunning => "it was asked to end and is on its way".to_owned(),
        VerdictKind::Idle => "it waits for work, or works".to_owned(),
        VerdictKind::Unknown => format!("{root} {}", does(scene, finding)),
    }
}

/// Who waits, up to the verb.
fn harmed(scene: &Scene, finding: &Finding) -> String {
    let first = finding.chain.first().map(|step| &step.who);
    match (finding.harmed, first) {
        (0 | 1, Some(first)) => format!("{} waits", who(scene, first)),
        (0 | 1, None) => "it waits".to_owned(),
        (number, _) => {
            let asked = scene
                .asked
                .iter()
                .filter_map(|pid| scene.processes.get(pid));
            let all: usize = asked.map(|process| process.threads.len()).sum();
            format!("{number} of {} wait", count(all, "thread", "threads"))
        }
    }
}

fn circle(scene: &Scene, finding: &Finding) -> String {
    let members: Vec<String> = finding
        .cycle
        .iter()
        .map(|member| who(scene, member))
        .collect();
    match members.is_empty() {
        true => format!(
            "{} for {} that nobody alive gives back",
            harmed(scene, finding),
            thing(scene, finding)
        ),
        false => format!("{} wait for each other", list(&members)),
    }
}

/// The thing the last but one of the chain waits for.
fn thing(scene: &Scene, finding: &Finding) -> String {
    let step = finding
        .chain
        .iter()
        .rev()
        .find(|step| step.through.is_some());
    let Some(Step {
        who: waiter,
        through: Some(through),
        ..
    }) = step
    else {
        return own_thing(scene, finding).unwrap_or_else(|| "something".to_owned());
    };
    match through {
        Node::Lock { address, .. } => match thread_of(scene, waiter).map(|thread| &thread.wait) {
            Some(Wait::Lock(lock)) => format!("the {} at {address:#x}", lock.kind.name()),
            Some(_) | None => format!("the lock at {address:#x}"),
        },
        Node::Thread { .. }
        | Node::Process { .. }
        | Node::Event { .. }
        | Node::Connection { .. }
        | Node::Pipe { .. }
        | Node::File { .. }
        | Node::Outside { .. } => who(scene, through),
    }
}

/// What the root itself waits for, where nobody was found behind it.
fn own_thing(scene: &Scene, finding: &Finding) -> Option<String> {
    let wait = &thread_of(scene, finding.root()?)?.wait;
    if let Wait::Pipe { pipe, .. } = wait {
        return Some(format!("pipe {pipe}"));
    }
    if let Wait::FileLock { .. } = wait {
        return Some("a lock on a file".to_owned());
    }
    let Wait::Lock(lock) = wait else {
        return None;
    };
    Some(format!("the {} at {:#x}", lock.kind.name(), lock.address))
}

fn event(scene: &Scene, finding: &Finding) -> String {
    let root = finding.root().and_then(|root| thread_of(scene, root));
    match root.map(|thread| &thread.wait) {
        Some(Wait::Event(event)) => format!("the {} at {:#x}", event.name(), event.address()),
        Some(_) | None => "something another thread has to say".to_owned(),
    }
}

fn thread_of<'a>(scene: &'a Scene, node: &Node) -> Option<&'a Thread> {
    match node {
        Node::Thread { pid, tid } => scene.thread(*pid, *tid),
        Node::Process { pid } => scene.processes.get(pid)?.threads.first(),
        Node::Lock { .. }
        | Node::Event { .. }
        | Node::Connection { .. }
        | Node::Pipe { .. }
        | Node::File { .. }
        | Node::Outside { .. } => None,
    }
}

/// What the root does, as a verb.
fn does(scene: &Scene, finding: &Finding) -> String {
    let Some(thread) = finding.root().and_then(|root| thread_of(scene, root)) else {
        return "could not be looked at".to_owned();
    };
    format!("{}{}", doing(scene, thread), function(scene, finding))
}

/// What a thread does, as a verb.
pub(super) fn doing(scene: &Scene, thread: &Thread) -> String {
    let runs = matches!(thread.pace, Pace::Busy | Pace::Circling);
    match &thread.wait {
        _ if runs => "runs without a pause".to_owned(),
        Wait::Nothing => "runs".to_owned(),
        Wait::Stopped => "is stopped".to_owned(),
        Wait::Lock(lock) => format!("waits for the {} at {:#x}", lock.kind.name(), lock.address),
        Wait::Event(event) => format!("waits for the {} at {:#x}", event.name(), event.address()),
        Wait::Join { tid } => format!("waits for thread {tid} to end"),
        Wait::Socket { socket, .. } => match scene.connections.get(socket) {
            Some(connection) if !connection.remote.is_empty() => {
                format!("waits at the connection to {}", plain(&connection.remote))
            }
            Some(_) => format!("waits at socket {socket}"),
            None => "waits for connections".to_owned(),
        },
        Wait::Pipe { pipe, .. } => format!("waits at pipe {pipe}"),
        Wait::Any { sources, .. } => {
            format!(
                "waits for any of {}",
                count(sources.len(), "source", "sources")
            )
        }
        Wait::Sleep {
            length: Some(length),
        } => format!("sleeps for {}", duration(*length)),
        Wait::Sleep { length: None } => "sleeps".to_owned(),
        Wait::Child { pid: Some(pid) } => format!("waits for its child {}", process(scene, *pid)),
        Wait::Child { pid: None } => "waits for a child".to_owned(),
        Wait::FileLock { .. } => "waits for a lock on a file".to_owned(),
        Wait::Disk { place } => match place.as_str() {
            "" => "waits within the system".to_owned(),
            place => format!("waits within the system, in {}", plain(place)),
        },
        Wait::Signal => "waits for a signal".to_owned(),
        Wait::Device { path } => format!("waits at {}", plain(path)),
        Wait::Other { what } => format!("is in {}", plain(what)),
    }
}

fn function(scene: &Scene, finding: &Finding) -> String {
    let thread = finding.root().and_then(|root| thread_of(scene, root));
    match thread.and_then(Thread::function) {
        Some(function) => format!(" in `{}`", plain(function)),
        None => String::new(),
    }
}

fn place(scene: &Scene, finding: &Finding) -> String {
    let thread = finding.root().and_then(|root| thread_of(scene, root));
    match thread.map(|thread| &thread.wait) {
        Some(Wait::Disk { place }) if !place.is_empty() => format!(", in {}", plain(place)),
        Some(_) | None => String::new(),
    }
}

fn since(finding: &Finding) -> String {
    match finding.since {
        Some(since) => format!(", for {}", duration(since)),
        None => String::new(),
    }
}
