//! After another engine: its things are found again by their keepsakes, and how its orphans ended is asked of the keeper.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use aplomb_core::{End, Instant};
use rustix::event::epoll::EventFlags;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::keeper::{Birth, OrphanEnd};
use super::poller::{self, Source};
use super::processes::Process;
use super::sys::keeping;
use super::{Linux, proc};
use crate::{
    Descriptor, Found, Happened, PlatformKeepsake, ProcessId, ProcessKeepsake, Started, TreeId,
    TreeKeepsake,
};

/// The keeper behind this engine, and what it told of orphans that nobody has asked for yet.
#[derive(Debug)]
pub(super) struct Kept {
    birth: Birth,
    /// Told before those they concern were found. Kept until the takeover is over.
    early: Vec<OrphanEnd>,
}

impl Kept {
    pub(super) fn new(birth: Birth) -> Kept {
        Kept {
            birth,
            early: Vec::new(),
        }
    }

    pub(super) fn birth(&self) -> &Birth {
        &self.birth
    }

    fn drain(&mut self) {
        while let Some(end) = self.birth.next_end() {
            self.early.push(end);
        }
    }

    /// How a process ended that had this number at that moment.
    fn end_of(&mut self, pid: u32, alive_at: Instant) -> Option<End> {
        self.drain();
        let is_it = |end: &&OrphanEnd| end.pid == pid && end.at >= alive_at;
        self.early.iter().find(is_it).map(|found| found.end)
    }
}

impl Linux {
    /// What the keeper has to tell.
    pub(super) fn on_orphans(&mut self, into: &mut Vec<Happened>) {
        let Some(kept) = &mut self.kept else {
            return;
        };
        kept.drain();
        for OrphanEnd { pid, end, at } in std::mem::take(&mut kept.early) {
            let known = self.processes.by_pid(pid);
            let concerned = known.filter(|id| {
                let process = self.processes.get(*id);
                process.is_some_and(|process| process.found_at.is_some_and(|since| at >= since))
            });
            if let Some(id) = concerned {
                self.ended(id, end, into);
            }
        }
    }

    /// How an adopted process ended of which the kernel knows no more.
    pub(super) fn end_known_to_keeper(&mut self, id: ProcessId) -> Option<End> {
        let (pid, since) = {
            let process = self.processes.get(id)?;
            (process.pid, process.found_at?)
        };
        self.kept.as_mut()?.end_of(pid, since)
    }

    pub(super) fn leave(&mut self) -> Option<PlatformKeepsake> {
        Some(PlatformKeepsake {
            groups: self.trees.directory(),
            notify: self
                .notify
                .as_ref()
                .and_then(|notify| Some((describe(notify.socket())?, notify.address().to_owned()))),
            control: self.control.as_ref().and_then(|control| {
                let (socket, lock) = control.descriptors();
                Some((describe(socket)?, describe(lock)?))
            }),
        })
    }

    pub(super) fn leave_tree(&mut self, tree: TreeId) -> Option<TreeKeepsake> {
        let mut keepsake = self.trees.keepsake(tree)?;
        keepsake.ready = self.ready.of(tree).and_then(describe);
        Some(keepsake)
    }

    pub(super) fn leave_process(&mut self, process: ProcessId) -> Option<ProcessKeepsake> {
        let pid = self.processes.get(process)?.pid;
        Some(ProcessKeepsake {
            pid,
            alive_at: poller::now(),
        })
    }

    pub(super) fn take_up_tree(&mut self, keepsake: &TreeKeepsake) -> io::Result<TreeId> {
        let network = keepsake.network.and_then(|network| take(network).ok());
        let tree = self.trees.take_up(keepsake, network)?;
        if let Some(ready) = keepsake.ready
            && let Ok(reader) = take(ready)
        {
            self.ready.take_up(&self.poller, tree, reader)?;
        }
        Ok(tree)
    }

    pub(super) fn take_up_process(&mut self, tree: TreeId, keepsake: ProcessKeepsake) -> Found {
        let ProcessKeepsake { pid, alive_at } = keepsake;
        let told = |linux: &mut Linux| linux.kept.as_mut()?.end_of(pid, alive_at);
        if let Some(end) = told(self) {
            return Found::Ended(end);
        }
        match self.open_same(pid, alive_at) {
            Some((pidfd, stat)) => self.found(tree, keepsake, pidfd, &stat),
            // It may have ended this very moment.
            None => Found::Ended(told(self).unwrap_or(End::Unattended)),
        }
    }

    /// The process that had this number at that moment, if it is still there.
    fn open_same(&self, pid: u32, alive_at: Instant) -> Option<(OwnedFd, proc::Stat)> {
        let number = Pid::from_raw(i32::try_from(pid).ok()?)?;
        let pidfd = pidfd_open(number, PidfdFlags::empty()).ok()?;
        // Asked after it was opened: a number that was given away meanwhile shows a later beginning.
        let stat = proc::stat(pid)?;
        (proc::begun(&stat) <= alive_at).then_some((pidfd, stat))
    }

    fn found(
        &mut self,
        tree: TreeId,
        keepsake: ProcessKeepsake,
        pidfd: OwnedFd,
        stat: &proc::Stat,
    ) -> Found {
        let source = Source::Adopted(self.processes.next().0);
        if self.poller.add(&pidfd, source, EventFlags::IN).is_err() {
            return Found::Ended(End::Unknown);
        }
        let process = self.processes.add(Process {
            pid: keepsake.pid,
            tree,
            pidfd: Some(pidfd),
            found_at: Some(keepsake.alive_at),
        });
        self.trees.on_taken_up(tree, stat);
        Found::Living(Started {
            process,
            pid: keepsake.pid,
        })
    }

    /// Kills all below the keeper but us, until nobody is left: who loses his parents comes to the keeper.
    pub(super) fn end_orphans(&mut self) -> usize {
        const TURN: std::time::Duration = std::time::Duration::from_millis(1);
        const TURNS: usize = 2000;
        let Some(keeper) = self.kept.as_ref().map(|kept| kept.birth().keeper()) else {
            return 0;
        };
        let mut ended = std::collections::BTreeSet::new();
        for _ in 0..TURNS {
            let living = below(keeper);
            if living.is_empty() {
                break;
            }
            for stat in living {
                if let Some((pidfd, _)) = self.open_same(stat.pid, proc::begun(&stat)) {
                    let _gone = super::sys::kill_pidfd(pidfd.as_fd(), aplomb_core::Signal::KILL);
                    ended.insert((stat.pid, stat.start));
                }
            }
            // Nobody tells when all of them are gone, and there is nothing to be done before.
            std::thread::sleep(TURN);
        }
        ended.len()
    }

    /// Looks among those that came to the keeper.
    pub(super) fn look_for(&mut self, mark: &str) -> Option<(ProcessKeepsake, TreeKeepsake)> {
        let keeper = self.kept.as_ref()?.birth().keeper();
        let own = std::process::id();
        let orphans = proc::children(keeper).unwrap_or_else(|| {
            let all = proc::all().into_iter();
            let theirs = all.filter(|stat| stat.parent == keeper);
            theirs.map(|stat| stat.pid).collect()
        });
        let mut found: Vec<proc::Stat> = orphans
            .into_iter()
            .filter(|pid| *pid != own && proc::has_variable(*pid, mark))
            .filter_map(proc::stat)
            .collect();
        // Each program of ours leads a group; of several, the one begun last is the one nobody wrote down.
        found.retain(|stat| stat.group == stat.pid);
        found.sort_by_key(|stat| stat.start);
        let first = found.last()?;
        let process = ProcessKeepsake {
            pid: first.pid,
            alive_at: poller::now(),
        };
        let tree = TreeKeepsake {
            group: self.trees.group_of(first.pid),
            marks: vec![mark.to_owned()],
            ..TreeKeepsake::default()
        };
        Some((process, tree))
    }
}

/// Every living process below this one, but for ourselves.
fn below(ancestor: u32) -> Vec<proc::Stat> {
    let own = std::process::id();
    let all = proc::all();
    let mut found = Vec::new();
    let mut next = vec![ancestor];
    while let Some(parent) = next.pop() {
        let children = all
            .iter()
            .filter(|stat| stat.parent == parent && stat.pid != own);
        for child in children {
            next.push(child.pid);
            if !matches!(child.state, 'Z' | 'X') {
                found.push(child.clone());
            }
        }
    }
    found
}

/// A descriptor in words for another process.
pub(super) fn describe(fd: BorrowedFd<'_>) -> Option<Descriptor> {
    let inode = rustix::fs::fstat(fd).ok()?.st_ino;
    Some(Descriptor {
        number: fd.as_raw_fd(),
        inode,
    })
}

/// The descriptor a dead engine left, if it is still what it was.
pub(super) fn take(left: Descriptor) -> io::Result<OwnedFd> {
    let missing = || {
        io::Error::new(
            io::ErrorKind::NotFound,
            "the descriptor is not there any more",
        )
    };
    let fd = keeping::take_abandoned(left.number).ok_or_else(missing)?;
    if describe(fd.as_fd()) == Some(left) {
        return Ok(fd);
    }
    // Somebody else's by now, and not to be closed by us.
    std::mem::forget(fd);
    Err(missing())
}
