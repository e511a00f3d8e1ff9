//! Process trees: what is planted, spawned into, signalled, killed, awaited, uprooted.

mod groups;

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;

use aplomb_core::Signal;
use aplomb_core::spec::Resources;
use rustix::event::epoll::EventFlags;

use self::groups::Groups;
use super::poller::{Poller, Source};
use super::processes::reached;
use super::{proc, sys};
use crate::{Happened, Holding, Member, Sent, TreeId, Usage};

#[derive(Debug)]
pub(crate) struct Trees {
    groups: Groups,
    planted: BTreeMap<u64, Tree>,
    last: u64,
}

#[derive(Debug)]
struct Tree {
    hint: String,
    /// The name of its group, once it has one.
    group: Option<String>,
    watch: Watch,
}

/// Whether somebody waits for the tree's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Watch {
    No,
    Waiting,
    Told,
}

impl Trees {
    pub(crate) fn open(poller: &Poller) -> io::Result<Trees> {
        let groups = Groups::open().map_err(io::Error::other)?;
        poller.add(groups.events(), Source::TreeEvents, EventFlags::IN)?;
        Ok(Trees {
            groups,
            planted: BTreeMap::new(),
            last: 0,
        })
    }

    pub(crate) fn holding(&self) -> Holding {
        Holding::ControlGroup {
            root: self.groups.path().display().to_string(),
        }
    }

    pub(crate) fn plant(&mut self, name: &str, _resources: &Resources) -> io::Result<TreeId> {
        self.last += 1;
        let tree = Tree {
            hint: name.to_owned(),
            group: None,
            watch: Watch::No,
        };
        self.planted.insert(self.last, tree);
        Ok(TreeId(self.last))
    }

    /// The directory a new member is to be born into.
    pub(crate) fn make_room(&mut self, id: TreeId) -> io::Result<Option<OwnedFd>> {
        let tree = get(&mut self.planted, id)?;
        let group = match &tree.group {
            Some(group) => group,
            None => tree.group.insert(self.groups.create(&tree.hint, id)?),
        };
        self.groups.directory(group).map(Some)
    }

    pub(crate) fn on_born(&mut self, id: TreeId) {
        if let Some(tree) = self.planted.get_mut(&id.0) {
            // Who waited for an end that had come has been told; this is a new life of the tree.
            if tree.watch == Watch::Told {
                tree.watch = Watch::No;
            }
        }
    }

    /// To every member, again and again until no new one turns up: a member born while we look has been begotten by one
    /// that may not have got its signal yet.
    pub(crate) fn signal(&mut self, id: TreeId, signal: Signal) -> io::Result<Sent> {
        const ROUNDS: usize = 16;
        let tree = get(&mut self.planted, id)?;
        let Some(group) = &tree.group else {
            return Ok(Sent { reached: 0 });
        };
        let mut seen = std::collections::BTreeSet::new();
        let mut count = 0;
        for _ in 0..ROUNDS {
            let new: Vec<u32> = self
                .groups
                .members(group)?
                .into_iter()
                .filter(|pid| seen.insert(*pid))
                .collect();
            if new.is_empty() {
                break;
            }
            for pid in new {
                count += reached(sys::kill(pid, signal))?.reached;
            }
        }
        Ok(Sent { reached: count })
    }

    pub(crate) fn kill(&mut self, id: TreeId, into: &mut Vec<Happened>) -> io::Result<()> {
        let tree = get(&mut self.planted, id)?;
        if let Some(group) = &tree.group {
            self.groups.kill(group)?;
        }
        self.watch_empty(id, into);
        Ok(())
    }

    pub(crate) fn freeze(&mut self, id: TreeId) -> io::Result<()> {
        match &get(&mut self.planted, id)?.group {
            Some(group) => self.groups.freeze(group),
            None => Ok(()),
        }
    }

    pub(crate) fn thaw(&mut self, id: TreeId) -> io::Result<()> {
        match &get(&mut self.planted, id)?.group {
            Some(group) => self.groups.thaw(group),
            None => Ok(()),
        }
    }

    pub(crate) fn watch_empty(&mut self, id: TreeId, into: &mut Vec<Happened>) {
        let Some(tree) = self.planted.get_mut(&id.0) else {
            return;
        };
        if tree.watch != Watch::No {
            return;
        }
        tree.watch = Watch::Waiting;
        // Watched first, then looked at: an end between the two is seen by one of them.
        if let Some(group) = &tree.group {
            let _ = self.groups.watch(group, id);
        }
        self.look(id, into);
    }

    /// Tells the end of a tree if it is awaited and has come.
    fn look(&mut self, id: TreeId, into: &mut Vec<Happened>) {
        let Some(tree) = self.planted.get_mut(&id.0) else {
            return;
        };
        if tree.watch != Watch::Waiting {
            return;
        }
        let populated = match &tree.group {
            Some(group) => self.groups.is_populated(group).unwrap_or(false),
            None => false,
        };
        if !populated {
            tree.watch = Watch::Told;
            self.groups.forget(id);
            into.push(Happened::TreeEmpty { tree: id });
        }
    }

    pub(crate) fn on_events(&mut self, into: &mut Vec<Happened>) {
        for tree in self.groups.changed() {
            self.look(tree, into);
        }
    }

    /// A process we knew has ended: sooner known than by the kernel's own notice.
    pub(crate) fn on_member_ended(&mut self, id: TreeId, into: &mut Vec<Happened>) {
        self.look(id, into);
    }

    pub(crate) fn members(&mut self, id: TreeId) -> Vec<Member> {
        let Some(group) = self.planted.get(&id.0).and_then(|tree| tree.group.as_ref()) else {
            return Vec::new();
        };
        let pids = self.groups.members(group).unwrap_or_default();
        pids.into_iter().filter_map(proc::member).collect()
    }

    pub(crate) fn usage(&mut self, _id: TreeId) -> Usage {
        Usage::default()
    }

    pub(crate) fn uproot(&mut self, id: TreeId) {
        self.groups.forget(id);
        if let Some(tree) = self.planted.remove(&id.0)
            && let Some(group) = tree.group
        {
            let _ = self.groups.remove(&group);
        }
    }
}

fn get(planted: &mut BTreeMap<u64, Tree>, id: TreeId) -> io::Result<&mut Tree> {
    let missing = || io::Error::new(io::ErrorKind::NotFound, "no such tree");
    planted.get_mut(&id.0).ok_or_else(missing)
}
