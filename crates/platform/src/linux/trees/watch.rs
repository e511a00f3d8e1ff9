//! The end of a tree: awaited, found out, told once.

use std::os::fd::{AsFd, OwnedFd};

use aplomb_core::Signal;
use rustix::event::epoll::EventFlags;

use super::{Held, ROUNDS, Root, Trees, Watch, open_process};
use crate::linux::poller::{Poller, Source};
use crate::linux::sys;
use crate::{Happened, TreeId};

impl Trees {
    pub(crate) fn watch_empty(&mut self, id: TreeId, poller: &Poller, into: &mut Vec<Happened>) {
        let Some(tree) = self.planted.get_mut(&id.0) else {
            return;
        };
        if !matches!(tree.watch, Watch::No) {
            return;
        }
        tree.watch = Watch::Waiting {
            members: Vec::new(),
            living: 0,
        };
        self.look(id, poller, into);
    }

    /// Tells the end of a tree if it is awaited and has come.
    pub(super) fn look(&mut self, id: TreeId, poller: &Poller, into: &mut Vec<Happened>) {
        let Some(tree) = self.planted.get_mut(&id.0) else {
            return;
        };
        if !matches!(tree.watch, Watch::Waiting { .. }) {
            return;
        }
        let populated = match (&mut self.held, &mut tree.root) {
            // As long as one lives whose end we are told of, nothing has to be asked or watched.
            (Held::ByGroups(_), Root::Group(Some(_))) if tree.known > 0 => true,
            // A group can be removed when nobody is in it, and only then: proof and tidying in one.
            (Held::ByGroups(groups), Root::Group(group))
                if tree.was_asked
                    && group
                        .as_deref()
                        .is_some_and(|group| groups.remove_empty(group)) =>
            {
                *group = None;
                false
            }
            (Held::ByGroups(groups), Root::Group(Some(group))) => {
                groups.is_populated_watched(group, id)
            }
            (_, Root::Marks(_)) => self.follow(id, poller),
            (Held::ByGroups(_) | Held::ByDescent { .. }, Root::Group(_)) => false,
        };
        if populated {
            return;
        }
        if let Held::ByGroups(groups) = &mut self.held {
            groups.forget(id);
        }
        if let Some(tree) = self.planted.get_mut(&id.0) {
            tree.watch = Watch::Told;
        }
        into.push(Happened::TreeEmpty { tree: id });
    }

    /// Where no group tells: waits for everyone seen now, and looks again when all of them are gone. Whoever is born
    /// meanwhile has a parent among them. Returns whether there is anyone.
    fn follow(&mut self, id: TreeId, poller: &Poller) -> bool {
        let doomed = self.planted.get(&id.0).is_some_and(|tree| tree.doomed);
        for _ in 0..ROUNDS {
            let mut pids = self.pids(id).unwrap_or_default();
            if pids.is_empty() {
                // Twice: one who was on his way from a parent that ended to us has arrived by the second look.
                pids = self.pids(id).unwrap_or_default();
            }
            if pids.is_empty() {
                return false;
            }
            let members: Vec<OwnedFd> = pids.into_iter().filter_map(open_process).collect();
            if doomed {
                for member in &members {
                    // Errors: gone meanwhile, or never ours to kill; both show in what is left.
                    let _ = sys::kill_pidfd(member.as_fd(), Signal::KILL);
                }
            }
            let flags = EventFlags::IN | EventFlags::ONESHOT;
            let watched = members
                .iter()
                .filter(|member| poller.add(member, Source::Member(id.0), flags).is_ok());
            let living = watched.count();
            // All of them ended between the look and the opening: somebody else may have come.
            if living == 0 {
                continue;
            }
            if let Some(tree) = self.planted.get_mut(&id.0) {
                tree.watch = Watch::Waiting { members, living };
            }
            return true;
        }
        true
    }

    /// A member somebody waits for is gone.
    pub(crate) fn on_member_gone(&mut self, id: u64, poller: &Poller, into: &mut Vec<Happened>) {
        let Some(tree) = self.planted.get_mut(&id) else {
            return;
        };
        let Watch::Waiting { living, .. } = &mut tree.watch else {
            return;
        };
        *living = living.saturating_sub(1);
        if *living == 0 {
            self.look(TreeId(id), poller, into);
        }
    }

    pub(crate) fn on_events(&mut self, poller: &Poller, into: &mut Vec<Happened>) {
        let Held::ByGroups(groups) = &mut self.held else {
            return;
        };
        for tree in groups.changed() {
            self.look(tree, poller, into);
        }
    }

    /// A process we knew has ended, and its number is free: sooner known than by the kernel's own notice.
    pub(crate) fn on_process_ended(
        &mut self,
        id: TreeId,
        pid: u32,
        poller: &Poller,
        into: &mut Vec<Happened>,
    ) {
        if let Some(tree) = self.planted.get_mut(&id.0) {
            tree.known = tree.known.saturating_sub(1);
        }
        match &mut self.held {
            Held::ByGroups(_) => self.look(id, poller, into),
            Held::ByDescent { born, .. } => {
                born.remove(&pid);
            }
        }
    }
}
