//! The fake world's book-keeping: its clock, its agenda, its processes and trees.
//!
//! Time passes only when everybody waits. Whatever is to happen stands in the agenda; waiting goes to its next entry.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use aplomb_core::{End, Instant, Signal};

use super::channel::Channels;
use super::random::Random;
use super::script::{Act, DefaultAction, Reaction, Script, default_action};
use super::stream::Streams;
use super::{Delivered, Disturbances, Launched};
use crate::{Happened, HostSignal, Notification, ProcessId, SpawnError, StreamId, TreeId};

/// The first number a process gets; numbers are used again as soon as they are free, to catch who confuses them.
const FIRST_PID: u32 = 100;

#[derive(Debug)]
pub(super) struct State {
    pub(super) now: Instant,
    /// Wall clock minus monotonic clock, in nanoseconds.
    pub(super) wall_offset: i128,
    pub(super) random: Random,
    pub(super) disturbances: Disturbances,
    agenda: BTreeMap<(Instant, u64), Due>,
    entries: u64,
    /// Happened, and not yet told.
    pub(super) untold: VecDeque<Happened>,
    pub(super) programs: BTreeMap<String, Script>,
    pub(super) failing: BTreeMap<String, VecDeque<SpawnError>>,
    pub(super) processes: BTreeMap<u32, FakeProcess>,
    names: u64,
    pub(super) trees: BTreeMap<TreeId, FakeTree>,
    pub(super) last_tree: u64,
    pub(super) delivered: Vec<Delivered>,
    pub(super) launched: Vec<Launched>,
    pub(super) channels: Channels,
    pub(super) streams: Streams,
    pub(super) sockets: BTreeSet<u64>,
    pub(super) last_socket: u64,
    pub(super) limits_work: bool,
}

#[derive(Debug)]
pub(super) struct FakeProcess {
    pub(super) tree: TreeId,
    pub(super) parent: u32,
    pub(super) program: String,
    /// What the engine calls it, if it spawned or adopted it.
    pub(super) known: Option<ProcessId>,
    /// Tells this life from others of the same number.
    life: u64,
    script: Script,
    stopped: bool,
    pub(super) stdout: Option<StreamId>,
    pub(super) stderr: Option<StreamId>,
    pub(super) ready_fd: bool,
    held: Vec<Due>,
    blocked_signals: Vec<Signal>,
}

#[derive(Debug)]
pub(super) struct FakeTree {
    pub(super) name: String,
    pub(super) frozen: bool,
    pub(super) watch: Watch,
}

/// Whether the engine waits for a tree's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Watch {
    No,
    Waiting,
    Told,
}

/// An entry of the agenda.
#[derive(Debug, Clone)]
pub(super) enum Due {
    Act { pid: u32, life: u64, act: Act },
    Host(HostSignal),
    WallJump { nanos: i128 },
    SignalTo { program: String, signal: Signal },
    Connected { channel: u64 },
}

/// What a new process is made of.
#[derive(Debug)]
pub(super) struct Newborn {
    pub(super) tree: TreeId,
    pub(super) parent: u32,
    pub(super) program: String,
    pub(super) script: Script,
    pub(super) stdout: Option<StreamId>,
    pub(super) stderr: Option<StreamId>,
    pub(super) ready_fd: bool,
}

impl State {
    pub(super) fn new(seed: u64) -> State {
        State {
            now: Instant::from_nanos(1),
            // 2026-01-01, so that wall times look like some.
            wall_offset: 1_767_225_600_000_000_000,
            random: Random::new(seed),
            disturbances: Disturbances::default(),
            agenda: BTreeMap::new(),
            entries: 0,
            untold: VecDeque::new(),
            programs: BTreeMap::new(),
            failing: BTreeMap::new(),
            processes: BTreeMap::new(),
            names: 0,
            trees: BTreeMap::new(),
            last_tree: 0,
            delivered: Vec::new(),
            launched: Vec::new(),
            channels: Channels::default(),
            streams: Streams::default(),
            sockets: BTreeSet::new(),
            last_socket: 0,
            limits_work: true,
        }
    }

    pub(super) fn schedule(&mut self, after: Duration, due: Due) {
        self.entries += 1;
        self.agenda.insert((self.now + after, self.entries), due);
    }

    /// When something is to happen next.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.agenda.keys().next().map(|(at, _)| *at)
    }

    /// Goes to `moment`, and does everything due up to then.
    pub(super) fn advance(&mut self, moment: Instant) {
        self.now = self.now.max(moment);
        while let Some(entry) = self.agenda.first_entry() {
            if entry.key().0 > self.now {
                return;
            }
            let due = entry.remove();
            self.carry_out(due);
        }
    }

    fn carry_out(&mut self, due: Due) {
        match due {
            Due::Act { pid, life, .. } if !self.is_alive(pid, life) => {}
            Due::Act { pid, .. } if self.is_paused(pid) => {
                if let Some(process) = self.processes.get_mut(&pid) {
                    process.held.push(due);
                }
            }
            Due::Act { pid, act, .. } => self.act(pid, act),
            Due::Host(signal) => self.untold.push_back(Happened::Host(signal)),
            Due::WallJump { nanos } => self.wall_offset += nanos,
            Due::SignalTo { program, signal } => {
                let living = self.processes.iter();
                let hit: Vec<u32> = living
                    .filter(|(_, process)| process.program == program)
                    .map(|(pid, _)| *pid)
                    .collect();
                for pid in hit {
                    self.deliver(pid, signal);
                }
            }
            Due::Connected { channel } => self.untold.extend(self.channels.answer(channel)),
        }
    }

    fn is_alive(&self, pid: u32, life: u64) -> bool {
        self.processes
            .get(&pid)
            .is_some_and(|process| process.life == life)
    }

    fn is_paused(&self, pid: u32) -> bool {
        self.processes.get(&pid).is_some_and(|process| {
            process.stopped
                || self
                    .trees
                    .get(&process.tree)
                    .is_some_and(|tree| tree.frozen)
        })
    }

    fn act(&mut self, pid: u32, act: Act) {
        let Some(process) = self.processes.get_mut(&pid) else {
            return;
        };
        match act {
            Act::End(end) => self.end(pid, end),
            Act::Notify(text) => {
                let tree = process.tree;
                self.untold
                    .push_back(Happened::Notified(Notification { tree, pid, text }));
            }
            Act::ReadyLine => {
                if std::mem::take(&mut process.ready_fd) {
                    let tree = process.tree;
                    self.untold.push_back(Happened::ReadyLine { tree });
                }
            }
            Act::Print(text) => self.streams.print(process.stdout, &text),
            Act::PrintError(text) => self.streams.print(process.stderr, &text),
            Act::Fork(script) => {
                let newborn = Newborn {
                    tree: process.tree,
                    parent: pid,
                    program: process.program.clone(),
                    script,
                    stdout: process.stdout,
                    stderr: process.stderr,
                    ready_fd: false,
                };
                self.bear(newborn);
            }
            Act::Listen { address, answer } => self.channels.serve(pid, address, answer),
            Act::ReleaseOutput => {
                let streams = [process.stdout.take(), process.stderr.take()];
                self.release(streams);
            }
        }
    }

    /// A process begins; its number is the lowest that is free.
    pub(super) fn bear(&mut self, newborn: Newborn) -> u32 {
        let mut pid = FIRST_PID;
        while self.processes.contains_key(&pid) {
            pid += 1;
        }
        self.entries += 1;
        let life = self.entries;
        for (after, act) in newborn.script.acts.clone() {
            self.schedule(after, Due::Act { pid, life, act });
        }
        let process = FakeProcess {
            tree: newborn.tree,
            parent: newborn.parent,
            program: newborn.program,
            known: None,
            life,
            script: newborn.script,
            stopped: false,
            stdout: newborn.stdout,
            stderr: newborn.stderr,
            ready_fd: newborn.ready_fd,
            held: Vec::new(),
            blocked_signals: Vec::new(),
        };
        self.processes.insert(pid, process);
        pid
    }

    /// Gives a process the name the engine knows it by.
    pub(super) fn name(&mut self, pid: u32) -> ProcessId {
        self.names += 1;
        let name = ProcessId(self.names);
        if let Some(process) = self.processes.get_mut(&pid) {
            process.known = Some(name);
        }
        name
    }

    pub(super) fn known(&self, id: ProcessId) -> Option<u32> {
        let mut living = self.processes.iter();
        living
            .find(|(_, process)| process.known == Some(id))
            .map(|(pid, _)| *pid)
    }

    /// Who is in a tree that somebody has planted and not uprooted.
    pub(super) fn members(&self, tree: TreeId) -> Vec<u32> {
        if !self.trees.contains_key(&tree) {
            return Vec::new();
        }
        let living = self.processes.iter();
        living
            .filter(|(_, process)| process.tree == tree)
            .map(|(pid, _)| *pid)
            .collect()
    }

    /// A signal arrives.
    pub(super) fn deliver(&mut self, pid: u32, signal: Signal) {
        let Some(process) = self.processes.get_mut(&pid) else {
            return;
        };
        self.delivered.push(Delivered {
            at: self.now,
            pid,
            program: process.program.clone(),
            signal,
        });
        self.take_signal(pid, signal);
    }

    fn take_signal(&mut self, pid: u32, signal: Signal) {
        let Some(process) = self.processes.get_mut(&pid) else {
            return;
        };
        let frozen = self
            .trees
            .get(&process.tree)
            .is_some_and(|tree| tree.frozen);
        let reaction = process.script.reaction(signal);
        let at_once = matches!(signal, Signal::KILL | Signal::CONT);
        // A default action kills even who is frozen; a handler has to wait for the thaw, as on Linux.
        if !at_once && (process.stopped || frozen && reaction.is_some()) {
            process.blocked_signals.push(signal);
            return;
        }
        let overruled = matches!(signal, Signal::KILL | Signal::STOP);
        match reaction.filter(|_| !overruled) {
            Some(Reaction::Ignore) => {}
            Some(Reaction::End { after, end }) => {
                let life = process.life;
                let act = Act::End(end);
                self.schedule(after, Due::Act { pid, life, act });
            }
            None => self.act_by_default(pid, signal),
        }
    }

    fn act_by_default(&mut self, pid: u32, signal: Signal) {
        match default_action(signal) {
            DefaultAction::Nothing => {}
            DefaultAction::End { core_dumped } => {
                let end = End::Signal {
                    signal,
                    core_dumped,
                };
                self.end(pid, end);
            }
            DefaultAction::Stop => {
                if let Some(process) = self.processes.get_mut(&pid) {
                    process.stopped = true;
                }
            }
            DefaultAction::Continue => {
                if let Some(process) = self.processes.get_mut(&pid) {
                    process.stopped = false;
                }
                self.resume(pid);
            }
        }
    }

    pub(super) fn is_stopped(&self, pid: u32) -> bool {
        self.processes
            .get(&pid)
            .is_some_and(|process| process.stopped)
    }

    /// What came due, and what was sent, while a process could not act.
    pub(super) fn resume(&mut self, pid: u32) {
        if self.is_paused(pid) {
            return;
        }
        let Some(process) = self.processes.get_mut(&pid) else {
            return;
        };
        let held = std::mem::take(&mut process.held);
        let signals = std::mem::take(&mut process.blocked_signals);
        for signal in signals {
            self.take_signal(pid, signal);
        }
        for due in held {
            self.carry_out(due);
        }
    }

    /// A process is no more. Its children go on without it.
    pub(super) fn end(&mut self, pid: u32, end: End) {
        let Some(process) = self.processes.remove(&pid) else {
            return;
        };
        for child in self.processes.values_mut() {
            if child.parent == pid {
                child.parent = 1;
            }
        }
        self.channels.close_port_of(pid);
        self.release([process.stdout, process.stderr]);
        if let Some(process) = process.known {
            self.untold.push_back(Happened::Ended { process, end });
        }
        self.tell_if_empty(process.tree);
    }

    /// Streams whose last writer has let go come to their end.
    pub(super) fn release(&mut self, streams: [Option<StreamId>; 2]) {
        for stream in streams.into_iter().flatten() {
            let mut writers = self.processes.values();
            let still = writers
                .any(|process| process.stdout == Some(stream) || process.stderr == Some(stream));
            if !still {
                self.streams.end(stream);
            }
        }
    }

    pub(super) fn tell_if_empty(&mut self, id: TreeId) {
        let empty = self.members(id).is_empty();
        if let Some(tree) = self.trees.get_mut(&id)
            && tree.watch == Watch::Waiting
            && empty
        {
            tree.watch = Watch::Told;
            self.untold.push_back(Happened::TreeEmpty { tree: id });
        }
    }
}
