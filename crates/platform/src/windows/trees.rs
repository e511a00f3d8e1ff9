//! Process trees: a job object each.
//!
//! The job says who comes, who goes, and that nobody is left. What it says is a hint to look, never the truth itself:
//! the counts are asked for again, because packets may be late or, by the documentation, lost.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::windows::io::OwnedHandle;

use aplomb_core::spec::Resources;
use windows_sys::Win32::System::SystemServices::{
    JOB_OBJECT_MSG_ABNORMAL_EXIT_PROCESS, JOB_OBJECT_MSG_ACTIVE_PROCESS_ZERO,
    JOB_OBJECT_MSG_EXIT_PROCESS, JOB_OBJECT_MSG_NEW_PROCESS,
};

use super::limits;
use super::poller::{Poller, Source};
use super::processes::Ended;
use super::request::Wanted;
use super::sys::inspect;
use super::sys::job::{Job, Limits};
use super::sys::port::Packet;
use super::sys::process::{self, Right};
use super::{code_of, sys};
use crate::{Happened, Member, ProcessId, TreeId, Usage};

/// The file that carries consoles; it comes with a program and is none of the service's.
pub(crate) const CONSOLE_HOST: &str = "conhost.exe";
/// A tree that begets faster than this many looks is not frozen by looking on.
const LOOKS: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct Trees {
    trees: BTreeMap<TreeId, Tree>,
    /// The tree of each process a job has told us of.
    of_pid: BTreeMap<u32, TreeId>,
    last: u64,
}

#[derive(Debug)]
struct Tree {
    job: Job,
    limits: Limits,
    /// Those we watch whose end has not been told.
    watched: BTreeSet<ProcessId>,
    emptiness: Emptiness,
    /// Whoever is born is ended, until it is empty.
    killing: bool,
    frozen: Option<Frozen>,
}

/// Whether somebody waits to be told that nobody is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Emptiness {
    NotAsked,
    Asked,
    /// Said, once, for this life of the tree.
    Told,
}

/// What is held back while a tree is frozen.
#[derive(Debug, Default)]
struct Frozen {
    suspended: BTreeMap<u32, OwnedHandle>,
    /// Requests reach even a suspended process, so they wait here.
    kept: Vec<(Option<ProcessId>, Wanted)>,
}

impl Trees {
    pub(crate) fn plant(&mut self, poller: &Poller, resources: &Resources) -> io::Result<TreeId> {
        let limits = limits::of(resources)?;
        let job = Job::new()?;
        job.limit(&limits)?;
        self.last += 1;
        let id = TreeId(self.last);
        job.report_to(poller.port(), Source::Tree(id.0).pack())?;
        let tree = Tree {
            job,
            limits,
            watched: BTreeSet::new(),
            emptiness: Emptiness::NotAsked,
            killing: false,
            frozen: None,
        };
        self.trees.insert(id, tree);
        Ok(id)
    }

    pub(crate) fn job(&self, tree: TreeId) -> io::Result<&Job> {
        Ok(&self.get(tree)?.job)
    }

    fn get(&self, tree: TreeId) -> io::Result<&Tree> {
        self.trees.get(&tree).ok_or_else(missing)
    }

    fn get_mut(&mut self, tree: TreeId) -> io::Result<&mut Tree> {
        self.trees.get_mut(&tree).ok_or_else(missing)
    }

    /// From now on its processes run on these processors only.
    pub(crate) fn bind_to(&mut self, tree: TreeId, processors: &[u16]) -> io::Result<()> {
        let affinity = limits::affinity(processors)?;
        let tree = self.get_mut(tree)?;
        if tree.limits.affinity != affinity {
            tree.limits.affinity = affinity;
            tree.job.limit(&tree.limits)?;
        }
        Ok(())
    }

    /// A process was born into it and is watched.
    pub(crate) fn on_watched(&mut self, tree: TreeId, process: ProcessId) {
        if let Some(tree) = self.trees.get_mut(&tree) {
            tree.watched.insert(process);
        }
    }

    /// A birth is about to happen: the kill of a former life does not concern it.
    pub(crate) fn expect_birth(&mut self, tree: TreeId) -> io::Result<()> {
        let tree = self.get_mut(tree)?;
        tree.killing = false;
        if tree.emptiness == Emptiness::Told {
            tree.emptiness = Emptiness::NotAsked;
        }
        Ok(())
    }

    pub(crate) fn on_ended(&mut self, ended: &Ended) {
        if let Some(tree) = self.trees.get_mut(&ended.tree) {
            tree.watched.remove(&ended.process);
        }
    }

    /// The job of a tree said something.
    pub(crate) fn on_packet(&mut self, id: TreeId, packet: Packet, into: &mut Vec<Happened>) {
        let Some(tree) = self.trees.get_mut(&id) else {
            return;
        };
        let pid = u32::try_from(packet.operation).unwrap_or(0);
        match packet.amount {
            JOB_OBJECT_MSG_NEW_PROCESS => {
                self.of_pid.insert(pid, id);
                if tree.killing {
                    // Fails only where nobody is left, which is what was wanted.
                    let _ = tree.job.terminate(code_of(aplomb_core::Signal::KILL));
                }
            }
            JOB_OBJECT_MSG_EXIT_PROCESS | JOB_OBJECT_MSG_ABNORMAL_EXIT_PROCESS => {
                self.of_pid.retain(|known, of| *known != pid || *of != id);
            }
            JOB_OBJECT_MSG_ACTIVE_PROCESS_ZERO => self.tell_if_empty(id, into),
            _ => {}
        }
    }

    /// Tells that a tree is empty, where that is asked for and so.
    pub(crate) fn tell_if_empty(&mut self, id: TreeId, into: &mut Vec<Happened>) {
        let Some(tree) = self.trees.get_mut(&id) else {
            return;
        };
        // The ends of those we watch come first.
        if tree.emptiness != Emptiness::Asked || !tree.watched.is_empty() || !tree.is_empty() {
            return;
        }
        tree.emptiness = Emptiness::Told;
        tree.killing = false;
        tree.frozen = None;
        self.of_pid.retain(|_, of| *of != id);
        into.push(Happened::TreeEmpty { tree: id });
    }

    pub(crate) fn watch_empty(&mut self, id: TreeId, into: &mut Vec<Happened>) {
        let Some(tree) = self.trees.get_mut(&id) else {
            return;
        };
        if tree.emptiness == Emptiness::NotAsked {
            tree.emptiness = Emptiness::Asked;
            self.tell_if_empty(id, into);
        }
    }

    pub(crate) fn kill(&mut self, id: TreeId) -> io::Result<()> {
        let tree = self.get_mut(id)?;
        tree.killing = !tree.is_empty();
        tree.job.terminate(code_of(aplomb_core::Signal::KILL))
    }

    /// Which tree a process belongs to.
    pub(crate) fn of(&self, pid: u32) -> Option<TreeId> {
        if let Some(tree) = self.of_pid.get(&pid) {
            return Some(*tree);
        }
        let process = process::open(pid, Right::Look).ok()?;
        let mut trees = self.trees.iter();
        let found = trees.find(|(_, tree)| tree.job.holds(&process).unwrap_or(false))?;
        Some(*found.0)
    }

    /// The members' rows, without those that carry consoles.
    fn rows(&self, tree: TreeId) -> io::Result<Vec<inspect::Row>> {
        let pids = self.get(tree)?.job.pids()?;
        if pids.is_empty() {
            return Ok(Vec::new());
        }
        let mut rows = inspect::rows()?;
        rows.retain(|row| pids.contains(&row.pid) && !row.name.eq_ignore_ascii_case(CONSOLE_HOST));
        Ok(rows)
    }

    /// The numbers of the members.
    pub(crate) fn living(&self, tree: TreeId) -> io::Result<Vec<u32>> {
        Ok(self.rows(tree)?.iter().map(|row| row.pid).collect())
    }

    pub(crate) fn members(&self, tree: TreeId) -> Vec<Member> {
        let rows = self.rows(tree).unwrap_or_default();
        let frozen = self.trees.get(&tree).and_then(|tree| tree.frozen.as_ref());
        let member = |row: inspect::Row| {
            let suspended = frozen.is_some_and(|frozen| frozen.suspended.contains_key(&row.pid));
            let command_line = process::open(row.pid, Right::Look).and_then(|process| {
                inspect::command_line(&process).or_else(|_| inspect::image(&process))
            });
            Member {
                pid: row.pid,
                parent: row.parent,
                state: if suspended { 'T' } else { 'S' },
                command_line: command_line.unwrap_or_else(|_| row.name.clone()),
                name: row.name,
            }
        };
        rows.into_iter().map(member).collect()
    }

    pub(crate) fn usage(&self, tree: TreeId) -> Usage {
        let (Ok(rows), Ok(job)) = (self.rows(tree), self.job(tree)) else {
            return Usage::default();
        };
        let mut usage = Usage {
            processes: Some(rows.len() as u64),
            threads: Some(rows.iter().map(|row| u64::from(row.threads)).sum()),
            memory: Some(0),
            open_files: Some(0),
            cpu: job
                .accounts()
                .ok()
                .map(|accounts| std::time::Duration::from_nanos(accounts.cpu.saturating_mul(100))),
        };
        for row in rows {
            let Ok(process) = process::open(row.pid, Right::Look) else {
                continue;
            };
            usage.memory = sum(usage.memory, inspect::memory(&process));
            usage.open_files = sum(usage.open_files, inspect::handles(&process));
        }
        usage
    }

    /// Suspends every member; those as well that are born meanwhile.
    pub(crate) fn freeze(&mut self, id: TreeId) -> io::Result<()> {
        let tree = self.get_mut(id)?;
        let frozen = tree.frozen.get_or_insert_default();
        for _ in 0..LOOKS {
            let mut new = 0;
            for pid in tree.job.pids()? {
                if frozen.suspended.contains_key(&pid) {
                    continue;
                }
                // Gone already, or one that carries a console and is not ours to hold.
                let Ok(process) = process::open(pid, Right::Hold) else {
                    continue;
                };
                let is_console = inspect::image(&process)
                    .is_ok_and(|path| path.to_ascii_lowercase().ends_with(CONSOLE_HOST));
                if is_console || !tree.job.holds(&process).unwrap_or(false) {
                    continue;
                }
                if process::suspend(&process).is_ok() {
                    frozen.suspended.insert(pid, process);
                    new += 1;
                }
            }
            if new == 0 {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Resumes every member; tells the requests that waited for it.
    pub(crate) fn thaw(&mut self, id: TreeId) -> io::Result<Vec<(Option<ProcessId>, Wanted)>> {
        let Some(frozen) = self.get_mut(id)?.frozen.take() else {
            return Ok(Vec::new());
        };
        for process in frozen.suspended.values() {
            // One that has ended meanwhile needs no resuming.
            let _ = sys::process::resume(process);
        }
        Ok(frozen.kept)
    }

    /// Keeps a request for a frozen tree until the thaw; `false` where it is not frozen.
    pub(crate) fn keep_for_thaw(
        &mut self,
        tree: TreeId,
        process: Option<ProcessId>,
        wanted: Wanted,
    ) -> bool {
        let tree = self.trees.get_mut(&tree);
        let Some(frozen) = tree.and_then(|tree| tree.frozen.as_mut()) else {
            return false;
        };
        frozen.kept.push((process, wanted));
        true
    }

    pub(crate) fn uproot(&mut self, id: TreeId) {
        if let Some(tree) = self.trees.remove(&id) {
            // Who is left lives on; should that be refused, they die with the job, which is the safer of the two.
            let _ = tree.job.release();
            self.of_pid.retain(|_, of| *of != id);
        }
    }
}

impl Tree {
    fn is_empty(&self) -> bool {
        self.job.accounts().is_ok_and(|told| told.active == 0)
    }
}

fn sum(all: Option<u64>, one: Option<u64>) -> Option<u64> {
    Some(all?.saturating_add(one?))
}

fn missing() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "no such tree")
}
