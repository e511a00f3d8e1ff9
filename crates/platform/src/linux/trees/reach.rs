//! Signals to whole trees: requests, halts, and the kill.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use aplomb_core::Signal;

use super::groups::Groups;
use super::{Held, ROUNDS, Root, Trees, Watch, get, open_process};
use crate::linux::poller::Poller;
use crate::linux::processes::reached;
use crate::linux::sys;
use crate::{Happened, Sent, TreeId};

impl Trees {
    /// To every member, again and again until no new one turns up: a member born while we look has been begotten by one
    /// that may not have got its signal yet.
    pub(crate) fn signal(
        &mut self,
        id: TreeId,
        signal: Signal,
        is_child: impl Fn(u32) -> bool,
    ) -> io::Result<Sent> {
        get(&mut self.planted, id)?.was_asked = true;
        let mut seen = BTreeSet::<u32>::new();
        let mut count = 0;
        let mut list = None;
        for _ in 0..ROUNDS {
            let mut new = self.pids_again(id, &mut list)?;
            new.retain(|pid| !seen.contains(pid));
            if new.is_empty() {
                break;
            }
            let (children, others): (Vec<u32>, Vec<u32>) = new
                .into_iter()
                .partition(|pid| is_child(*pid) || self.bore(*pid));
            // The young first: whose parent is gone changes its place in the tree while it is being looked for. One not
            // found a second time is looked for again in the next round.
            let found = self.signal_safely(id, signal, others, &mut count)?;
            seen.extend(found);
            for pid in children {
                seen.insert(pid);
                count += reached(sys::kill(pid, signal))?.reached;
            }
        }
        Ok(Sent { reached: count })
    }

    /// Whether this number is a child's of ours that nobody has laid to rest.
    pub(super) fn bore(&self, pid: u32) -> bool {
        match &self.held {
            Held::ByGroups(_) => false,
            Held::ByDescent { born, .. } => born.contains_key(&pid),
        }
    }

    /// To members that are not our children, whose numbers may be somebody else's by now: each is opened first, and
    /// signalled if its number is still in the tree after that.
    fn signal_safely(
        &mut self,
        id: TreeId,
        signal: Signal,
        pids: Vec<u32>,
        count: &mut usize,
    ) -> io::Result<BTreeSet<u32>> {
        let opened: Vec<(u32, OwnedFd)> = pids
            .into_iter()
            .filter_map(|pid| Some((pid, open_process(pid)?)))
            .collect();
        if opened.is_empty() {
            return Ok(BTreeSet::new());
        }
        let still: BTreeSet<u32> = self.pids(id)?.into_iter().collect();
        for (_, process) in opened.iter().filter(|(pid, _)| still.contains(pid)) {
            *count += reached(sys::kill_pidfd(process.as_fd(), signal))?.reached;
        }
        let found = opened.iter().map(|(pid, _)| *pid);
        Ok(found.filter(|pid| still.contains(pid)).collect())
    }

    pub(crate) fn kill(
        &mut self,
        id: TreeId,
        poller: &Poller,
        into: &mut Vec<Happened>,
    ) -> io::Result<()> {
        let tree = get(&mut self.planted, id)?;
        tree.doomed = true;
        let awaited = matches!(tree.watch, Watch::Waiting { .. });
        match (&self.held, &mut tree.root) {
            (Held::ByGroups(groups), Root::Group(Some(group))) => {
                tree.was_killed = true;
                groups.kill(group)?;
            }
            (_, Root::Marks(_)) => {
                let members = self.pids(id)?;
                let alone = matches!(members[..], [pid] if self.bore(pid));
                if !alone {
                    // Who stands still begets nobody: first all of them, then none of them.
                    self.signal(id, Signal::STOP, |_| false)?;
                }
            }
            (Held::ByGroups(_) | Held::ByDescent { .. }, Root::Group(_)) => {}
        }
        if awaited {
            self.look(id, poller, into);
        } else {
            self.watch_empty(id, poller, into);
        }
        Ok(())
    }

    pub(crate) fn freeze(&mut self, id: TreeId) -> io::Result<()> {
        self.halt(id, Groups::freeze, Signal::STOP)
    }

    pub(crate) fn thaw(&mut self, id: TreeId) -> io::Result<()> {
        self.halt(id, Groups::thaw, Signal::CONT)
    }

    fn halt(
        &mut self,
        id: TreeId,
        by_group: fn(&Groups, &str) -> io::Result<()>,
        signal: Signal,
    ) -> io::Result<()> {
        let tree = get(&mut self.planted, id)?;
        match (&self.held, &tree.root) {
            (Held::ByGroups(groups), Root::Group(Some(group))) => {
                tree.is_worn = true;
                by_group(groups, group)
            }
            (_, Root::Marks(_)) => self.signal(id, signal, |_| false).map(drop),
            (Held::ByGroups(_) | Held::ByDescent { .. }, Root::Group(_)) => Ok(()),
        }
    }
}
