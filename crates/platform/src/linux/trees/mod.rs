//! Process trees: what is planted, spawned into, signalled, killed, awaited, uprooted.
//!
//! Held by control groups where we may make them, else by descent and the fact that orphans come to us. A tree costs
//! nothing but its name until the first spawn.

mod descent;
mod groups;
mod limits;
mod reach;
mod succession;
mod watch;
mod who;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use aplomb_core::spec::Resources;
use rustix::event::epoll::EventFlags;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use self::descent::{Born, Marks};
use self::groups::Groups;
use self::limits::OldGroups;
use super::directories::PrivateTmp;
use super::poller::{Poller, Source};
use crate::{Holding, TreeId};

#[derive(Debug)]
pub(crate) struct Trees {
    held: Held,
    planted: BTreeMap<u64, Box<Tree>>,
    last: u64,
    /// Groups of uprooted trees that are as new, by the hint they were named after: the next run of the same service,
    /// if it comes at once, needs none made. Removed when there is time.
    spare: BTreeMap<String, String>,
    /// Other groups of uprooted trees, to be removed when there is time.
    fallow: Vec<String>,
    /// Those that could not be removed last time.
    lasting: Vec<String>,
}

/// How trees are held.
#[derive(Debug)]
enum Held {
    ByGroups(Groups),
    ByDescent {
        because: String,
        born: Born,
        /// Orphans of earlier engines come to it.
        keeper: Option<u32>,
    },
}

#[derive(Debug)]
struct Tree {
    hint: String,
    root: Root,
    old_groups: OldGroups,
    watch: Watch,
    /// How many live in it whose end we are told of.
    known: usize,
    /// Kill whoever turns up.
    doomed: bool,
    /// Its group was killed once. Linux (up to 6.18 at least) kills a child born into such a group by clone3, because it
    /// takes the kill for one that came while the child was being born; so the next ones join by the door.
    was_killed: bool,
    /// Its group was given limits or was frozen: it is no more as new.
    is_worn: bool,
    /// Its group served an earlier run, whose processor time it has counted as well.
    is_second_hand: bool,
    /// It was asked to end: its group is not likely to be needed again.
    was_asked: bool,
    /// What only few trees have.
    extras: Option<Box<Extras>>,
}

/// What holds one tree.
#[derive(Debug)]
enum Root {
    /// The name of its group, once it has one.
    Group(Option<String>),
    Marks(Box<Marks>),
}

/// What was made for the tree and goes with it.
#[derive(Debug, Default)]
pub(crate) struct Extras {
    pub(crate) private_tmp: Option<PrivateTmp>,
    /// The private network, once its first process has made it.
    pub(crate) network: Option<OwnedFd>,
    /// Runtime directories to be removed.
    pub(crate) runtime: BTreeSet<PathBuf>,
}

/// Whether somebody waits for the tree's end.
#[derive(Debug)]
enum Watch {
    No,
    /// With a pidfd for each member last seen, where no group tells; and how many of them still live.
    Waiting {
        #[expect(dead_code, reason = "held open: closed, they would tell nothing")]
        members: Vec<OwnedFd>,
        living: usize,
    },
    Told,
}

impl Trees {
    /// Holds trees by groups if it can.
    pub(crate) fn open(
        poller: &Poller,
        keeper: Option<u32>,
        left: Option<&Path>,
    ) -> io::Result<Trees> {
        match Groups::open(keeper, left) {
            Ok(groups) => {
                poller.add(groups.events(), Source::TreeEvents, EventFlags::IN)?;
                Ok(Trees::held(Held::ByGroups(groups)))
            }
            Err(because) => Ok(Trees::without_groups(because, keeper)),
        }
    }

    pub(crate) fn without_groups(because: String, keeper: Option<u32>) -> Trees {
        Trees::held(Held::ByDescent {
            because,
            born: Born::new(),
            keeper,
        })
    }

    fn held(held: Held) -> Trees {
        Trees {
            held,
            planted: BTreeMap::new(),
            last: 0,
            spare: BTreeMap::new(),
            fallow: Vec::new(),
            lasting: Vec::new(),
        }
    }

    pub(crate) fn holding(&self) -> Holding {
        match &self.held {
            Held::ByGroups(groups) => Holding::ControlGroup {
                root: groups.path().display().to_string(),
            },
            Held::ByDescent { because, .. } => Holding::Subreaper {
                because: because.clone(),
            },
        }
    }

    pub(crate) fn plant(&mut self, name: &str, resources: &Resources) -> io::Result<TreeId> {
        let id = TreeId(self.last + 1);
        let mut tree = Tree {
            hint: name.to_owned(),
            root: match &self.held {
                Held::ByGroups(_) => Root::Group(None),
                Held::ByDescent { .. } => Root::Marks(Box::default()),
            },
            old_groups: OldGroups::default(),
            watch: Watch::No,
            known: 0,
            doomed: false,
            was_killed: false,
            is_worn: *resources != Resources::default(),
            is_second_hand: false,
            was_asked: false,
            extras: None,
        };
        if *resources != Resources::default() {
            self.limit(&mut tree, id, resources)?;
        }
        self.last += 1;
        self.planted.insert(self.last, Box::new(tree));
        Ok(id)
    }

    /// Limits need groups at once: what cannot be set must be said now.
    fn limit(&self, tree: &mut Tree, id: TreeId, resources: &Resources) -> io::Result<()> {
        let (Held::ByGroups(groups), Root::Group(group)) = (&self.held, &mut tree.root) else {
            tree.old_groups = limits::set(None, resources)?;
            return Ok(());
        };
        let made = groups.create(&tree.hint, id)?;
        match limits::set(Some((groups, &made)), resources) {
            Ok(old) => {
                tree.old_groups = old;
                *group = Some(made);
                Ok(())
            }
            Err(error) => {
                let _ = groups.remove(&made);
                Err(error)
            }
        }
    }

    /// Everything a new member is born into.
    pub(crate) fn make_room(&mut self, id: TreeId) -> io::Result<Room> {
        let tree = get(&mut self.planted, id)?;
        let mut doors = tree.old_groups.doors()?;
        let directory = match (&self.held, &mut tree.root) {
            (Held::ByGroups(groups), Root::Group(group)) => {
                let group = match group {
                    Some(group) => group,
                    None => group.insert(match self.spare.remove(&tree.hint) {
                        Some(spare) if groups.below(&spare).is_empty() => {
                            tree.is_second_hand = true;
                            spare
                        }
                        Some(used) => {
                            self.fallow.push(used);
                            groups.create(&tree.hint, id)?
                        }
                        None => groups.create(&tree.hint, id)?,
                    }),
                };
                if tree.was_killed {
                    doors.push(groups.door(group)?);
                    None
                } else {
                    Some(groups.directory(group)?)
                }
            }
            (Held::ByGroups(_) | Held::ByDescent { .. }, Root::Group(_) | Root::Marks(_)) => None,
        };
        Ok(Room { directory, doors })
    }

    /// A door into the tree's group, for children that cannot be born there.
    pub(crate) fn door(&mut self, id: TreeId) -> io::Result<Option<OwnedFd>> {
        let tree = get(&mut self.planted, id)?;
        match (&self.held, &tree.root) {
            (Held::ByGroups(groups), Root::Group(Some(group))) => groups.door(group).map(Some),
            (Held::ByGroups(_) | Held::ByDescent { .. }, Root::Group(_) | Root::Marks(_)) => {
                Ok(None)
            }
        }
    }

    pub(crate) fn extras(&mut self, id: TreeId) -> io::Result<&mut Extras> {
        let tree = get(&mut self.planted, id)?;
        Ok(tree.extras.get_or_insert_default())
    }

    pub(crate) fn extras_if_any(&self, id: TreeId) -> Option<&Extras> {
        self.planted.get(&id.0)?.extras.as_deref()
    }

    pub(crate) fn on_born(&mut self, id: TreeId, pid: u32, env: &[(String, String)]) {
        let Some(tree) = self.planted.get_mut(&id.0) else {
            return;
        };
        tree.doomed = false;
        tree.known += 1;
        // Who waited for an end that had come has been told; this is a new life of the tree.
        if matches!(tree.watch, Watch::Told) {
            tree.watch = Watch::No;
        }
        if let (Held::ByDescent { born, .. }, Root::Marks(marks)) = (&mut self.held, &mut tree.root)
        {
            marks.born(pid, env);
            born.insert(pid, id);
        }
    }

    /// One that is in the tree already is known from now on.
    pub(crate) fn on_adopted(&mut self, id: TreeId) {
        if let Some(tree) = self.planted.get_mut(&id.0) {
            tree.known += 1;
        }
    }

    pub(crate) fn uproot(&mut self, id: TreeId) {
        let Some(mut tree) = self.planted.remove(&id.0) else {
            return;
        };
        if let Some(extras) = tree.extras.take() {
            for directory in &extras.runtime {
                // Empty or not, it is the service's no more.
                let _ = std::fs::remove_dir_all(directory);
            }
        }
        if let (Held::ByGroups(groups), Root::Group(Some(group))) = (&mut self.held, tree.root) {
            groups.forget(id);
            let as_new = matches!(tree.watch, Watch::Told) && !tree.was_killed && !tree.is_worn;
            if as_new && !self.spare.contains_key(&tree.hint) {
                self.spare.insert(tree.hint, group);
            } else {
                self.fallow.push(group);
            }
        }
    }

    /// Whether there is something to be cleared when nothing else is to do.
    pub(crate) fn has_fallow(&self) -> bool {
        !self.fallow.is_empty() || !self.spare.is_empty()
    }

    /// Removes the groups of uprooted trees. In one or the other somebody may still be ending, or be a leftover: those are
    /// tried again with the next.
    pub(crate) fn clear_fallow(&mut self) {
        if let Held::ByGroups(groups) = &self.held {
            let mut all = std::mem::take(&mut self.fallow);
            all.append(&mut self.lasting);
            all.extend(std::mem::take(&mut self.spare).into_values());
            all.retain(|group| groups.remove(group).is_err());
            self.lasting = all;
        }
    }
}

/// What a new member is born into.
#[derive(Debug)]
pub(crate) struct Room {
    /// The directory of its group.
    pub(crate) directory: Option<OwnedFd>,
    /// Files through which it joins further groups.
    pub(crate) doors: Vec<OwnedFd>,
}

fn get(planted: &mut BTreeMap<u64, Box<Tree>>, id: TreeId) -> io::Result<&mut Tree> {
    let missing = || io::Error::new(io::ErrorKind::NotFound, "no such tree");
    let tree = planted.get_mut(&id.0).ok_or_else(missing)?;
    Ok(&mut **tree)
}

/// As often as new members are looked for while signals are sent, before the fastest forker has won.
const ROUNDS: usize = 64;

fn open_process(pid: u32) -> Option<OwnedFd> {
    let pid = Pid::from_raw(i32::try_from(pid).ok()?)?;
    pidfd_open(pid, PidfdFlags::empty()).ok()
}
