//! Who is in a tree, whose tree somebody is in, and what a tree uses.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use super::{Held, Root, Trees, descent, get};
use crate::linux::proc::{self, Stat};
use crate::linux::sys;
use crate::{Member, TreeId, Usage};

impl Trees {
    /// Every living member, by number.
    pub(super) fn pids(&mut self, id: TreeId) -> io::Result<Vec<u32>> {
        self.pids_again(id, &mut None)
    }

    /// The same for one who asks several times in a row, and keeps the opened list of the tree's group meanwhile.
    pub(super) fn pids_again(
        &mut self,
        id: TreeId,
        list: &mut Option<OwnedFd>,
    ) -> io::Result<Vec<u32>> {
        let tree = get(&mut self.planted, id)?;
        match (&self.held, &mut tree.root) {
            (Held::ByGroups(groups), Root::Group(Some(group))) => {
                let list = match list {
                    Some(list) => list,
                    None => list.insert(groups.list(group)?),
                };
                groups.listed(group, list)
            }
            (Held::ByDescent { born, keeper, .. }, Root::Marks(marks)) => {
                let members = descent::members(id, marks, born, *keeper);
                Ok(members.iter().map(|stat| stat.pid).collect())
            }
            (Held::ByGroups(_) | Held::ByDescent { .. }, Root::Group(_) | Root::Marks(_)) => {
                Ok(Vec::new())
            }
        }
    }

    /// Whether `pid` is a living member.
    pub(crate) fn has(&mut self, id: TreeId, pid: u32) -> io::Result<bool> {
        Ok(self.pids(id)?.contains(&pid))
    }

    /// The tree a process is in, whose parents may be gone.
    pub(crate) fn tree_of(&mut self, pid: u32) -> Option<TreeId> {
        match &self.held {
            Held::ByGroups(groups) => {
                let group = groups.group_of(pid)?;
                let mut planted = self.planted.iter();
                planted
                    .find(|(_, tree)| matches!(&tree.root, Root::Group(Some(own)) if *own == group))
                    .map(|(id, _)| TreeId(*id))
            }
            Held::ByDescent { born, keeper, .. } => {
                let planted = self.planted.iter();
                let marks = planted.filter_map(|(id, tree)| match &tree.root {
                    Root::Marks(marks) => Some((TreeId(*id), &**marks)),
                    Root::Group(_) => None,
                });
                descent::tree_of(pid, born, *keeper, marks)
            }
        }
    }

    /// The tree of a sender that may be gone already, by the group the kernel remembers.
    pub(crate) fn tree_of_gone(&self, sender: BorrowedFd<'_>) -> Option<TreeId> {
        let Held::ByGroups(groups) = &self.held else {
            return None;
        };
        let id = sys::group_of(sender)?;
        let mut planted = self.planted.iter();
        planted
            .find(|(_, tree)| match &tree.root {
                Root::Group(Some(group)) => groups.number(group) == Some(id),
                Root::Group(None) | Root::Marks(_) => false,
            })
            .map(|(id, _)| TreeId(*id))
    }

    pub(crate) fn members(&mut self, id: TreeId) -> Vec<Member> {
        let pids = self.pids(id).unwrap_or_default();
        pids.into_iter().filter_map(proc::member).collect()
    }

    pub(crate) fn usage(&mut self, id: TreeId) -> Usage {
        let pids = self.pids(id).unwrap_or_default();
        let stats: Vec<Stat> = pids.iter().filter_map(|pid| proc::stat(*pid)).collect();
        let Some(tree) = self.planted.get(&id.0) else {
            return Usage::default();
        };
        let group = match (&self.held, &tree.root) {
            (Held::ByGroups(groups), Root::Group(Some(group))) => Some((groups, group)),
            (Held::ByGroups(_) | Held::ByDescent { .. }, Root::Group(_) | Root::Marks(_)) => None,
        };
        let counted = group.and_then(|(groups, group)| groups.memory(group));
        let counted = counted.or_else(|| tree.old_groups.memory());
        let summed = || {
            pids.iter()
                .filter_map(|pid| proc::private_memory(*pid))
                .sum()
        };
        let counting = group.filter(|_| !tree.is_second_hand);
        let cpu = counting.and_then(|(groups, group)| groups.cpu(group));
        let ticks = || stats.iter().map(|stat| stat.cpu_ticks).sum();
        let files = pids.iter().map(|pid| proc::open_files(*pid));
        Usage {
            processes: Some(pids.len() as u64),
            threads: Some(stats.iter().map(|stat| stat.threads).sum()),
            memory: Some(counted.unwrap_or_else(summed)),
            cpu: Some(cpu.unwrap_or_else(|| of_ticks(ticks()))),
            open_files: files.sum(),
        }
    }
}

fn of_ticks(ticks: u64) -> Duration {
    let per_second = rustix::param::clock_ticks_per_second();
    Duration::from_millis(ticks * 1000 / per_second.max(1))
}
