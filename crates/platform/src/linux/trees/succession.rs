//! Trees from one engine to the next: what holds them stays, and is named.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use super::descent::Marks;
use super::limits::OldGroups;
use super::{Extras, Held, Root, Tree, Trees, Watch, get};
use crate::linux::directories::PrivateTmp;
use crate::linux::proc::Stat;
use crate::linux::succession::describe;
use crate::{TreeId, TreeKeepsake};

impl Trees {
    /// The directory of all groups.
    pub(crate) fn directory(&self) -> Option<PathBuf> {
        match &self.held {
            Held::ByGroups(groups) => Some(groups.path().to_owned()),
            Held::ByDescent { .. } => None,
        }
    }

    pub(crate) fn group_of(&self, pid: u32) -> Option<String> {
        match &self.held {
            Held::ByGroups(groups) => groups.group_of(pid),
            Held::ByDescent { .. } => None,
        }
    }

    pub(crate) fn keepsake(&mut self, id: TreeId) -> Option<TreeKeepsake> {
        let tree = get(&mut self.planted, id).ok()?;
        let (group, marks) = match &tree.root {
            Root::Group(group) => (group.clone(), Vec::new()),
            Root::Marks(marks) => (None, marks.runs()),
        };
        let extras = tree.extras.as_deref();
        let private_tmp = extras.and_then(|extras| extras.private_tmp.as_ref());
        let network = extras.and_then(|extras| extras.network.as_ref());
        Some(TreeKeepsake {
            name: tree.hint.clone(),
            group,
            old_groups: tree.old_groups.keepsake(),
            marks,
            ready: None,
            network: network.and_then(|network| describe(network.as_fd())),
            private_tmp: private_tmp.map(PrivateTmp::keepsake).unwrap_or_default(),
            runtime: extras
                .map(|extras| extras.runtime.iter().cloned().collect())
                .unwrap_or_default(),
            was_killed: tree.was_killed,
            is_second_hand: tree.is_second_hand,
        })
    }

    /// The tree of an earlier engine. Errors: its group is not there any more.
    pub(crate) fn take_up(
        &mut self,
        keepsake: &TreeKeepsake,
        network: Option<OwnedFd>,
    ) -> io::Result<TreeId> {
        let root = match &self.held {
            Held::ByGroups(groups) => {
                let group = keepsake.group.clone();
                Root::Group(group.filter(|group| groups.has(group)))
            }
            Held::ByDescent { .. } => Root::Marks(Box::new(Marks::taken_up(&keepsake.marks))),
        };
        let extras = Extras {
            private_tmp: PrivateTmp::taken_up(&keepsake.private_tmp),
            network,
            runtime: keepsake.runtime.iter().cloned().collect(),
        };
        self.last += 1;
        self.planted.insert(
            self.last,
            Box::new(Tree {
                hint: keepsake.name.clone(),
                root,
                old_groups: OldGroups::taken_up(&keepsake.old_groups),
                watch: Watch::No,
                known: 0,
                doomed: false,
                was_killed: keepsake.was_killed,
                is_worn: true,
                is_second_hand: keepsake.is_second_hand,
                was_asked: false,
                extras: Some(Box::new(extras)),
            }),
        );
        Ok(TreeId(self.last))
    }

    /// One an earlier engine begot lives in the tree, and its end will be told.
    pub(crate) fn on_taken_up(&mut self, id: TreeId, stat: &Stat) {
        let Some(tree) = self.planted.get_mut(&id.0) else {
            return;
        };
        tree.known += 1;
        if let Root::Marks(marks) = &mut tree.root {
            marks.knows(stat);
        }
    }
}
