//! Process trees: what is planted, spawned into, signalled, killed, awaited, uprooted.
//!
//! Held by control groups where we may make them, else by descent and the fact that orphans come to us. A tree costs
//! nothing but its name until the first spawn.

mod descent;
mod groups;
mod limits;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use aplomb_core::Signal;
use aplomb_core::spec::Resources;
use rustix::event::epoll::EventFlags;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use self::descent::{Born, Marks};
use self::groups::Groups;
use self::limits::OldGroups;
use super::directories::PrivateTmp;
use super::poller::{Poller, Source};
use super::proc::{self, Stat};
use super::processes::reached;
use super::sys;
use crate::{Happened, Holding, Member, Sent, TreeId, Usage};

/// As often as new members are looked for while signals are sent, before the fastest forker has won.
const ROUNDS: usize = 64;

#[derive(Debug)]
pub(crate) struct Trees {
    held: Held,
    planted: BTreeMap<u64, Tree>,
    last: u64,
    /// Groups of uprooted trees, to be removed when there is time.
    fallow: Vec<Fallow>,
}

/// How trees are held.
#[derive(Debug)]
enum Held {
    ByGroups(Groups),
    ByDescent { because: String, born: Born },
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

/// An uprooted tree whose group is still there.
#[derive(Debug)]
struct Fallow {
    group: String,
}

impl Trees {
    /// Holds trees by groups if it can.
    pub(crate) fn open(poller: &Poller) -> io::Result<Trees> {
        match Groups::open() {
            Ok(groups) => {
                poller.add(groups.events(), Source::TreeEvents, EventFlags::IN)?;
                Ok(Trees::held(Held::ByGroups(groups)))
            }
            Err(because) => Ok(Trees::without_groups(because)),
        }
    }

    pub(crate) fn without_groups(because: String) -> Trees {
        Trees::held(Held::ByDescent {
            because,
            born: Born::new(),
        })
    }

    fn held(held: Held) -> Trees {
        Trees {
            held,
            planted: BTreeMap::new(),
            last: 0,
            fallow: Vec::new(),
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
            extras: None,
        };
        if *resources != Resources::default() {
            self.limit(&mut tree, id, resources)?;
        }
        self.last += 1;
        self.planted.insert(self.last, tree);
        Ok(id)
    }

    /// Limits need groups at once: what cannot be set must be said now.
    fn limit(&self, tree: &mut Tree, id: TreeId, resources: &Resources) -> io::Result<()> {
        let name = format!("aplomb-{}/{}", std::process::id(), id.0);
        let (Held::ByGroups(groups), Root::Group(group)) = (&self.held, &mut tree.root) else {
            tree.old_groups = limits::set(None, resources, &name)?;
            return Ok(());
        };
        let made = groups.create(&tree.hint, id)?;
        match limits::set(Some((groups, &made)), resources, &name) {
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
                    None => group.insert(groups.create(&tree.hint, id)?),
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

    /// Every living member, by number.
    fn pids(&mut self, id: TreeId) -> io::Result<Vec<u32>> {
        let tree = get(&mut self.planted, id)?;
        match (&self.held, &mut tree.root) {
            (Held::ByGroups(groups), Root::Group(Some(group))) => groups.members(group),
            (Held::ByDescent { born, .. }, Root::Marks(marks)) => {
                let members = descent::members(id, marks, born);
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

    /// To every member, again and again until no new one turns up: a member born while we look has been begotten by one
    /// that may not have got its signal yet.
    pub(crate) fn signal(
        &mut self,
        id: TreeId,
        signal: Signal,
        is_child: impl Fn(u32) -> bool,
    ) -> io::Result<Sent> {
        let mut seen = BTreeSet::<u32>::new();
        let mut count = 0;
        for _ in 0..ROUNDS {
            let mut new = self.pids(id)?;
            new.retain(|pid| !seen.contains(pid));
            if new.is_empty() {
                break;
            }
            let (children, others): (Vec<u32>, Vec<u32>) = new
                .into_iter()
                .partition(|pid| is_child(*pid) || self.bore(*pid));
            seen.extend(children.iter().chain(&others));
            for pid in children {
                count += reached(sys::kill(pid, signal))?.reached;
            }
            count += self.signal_safely(id, signal, others)?;
        }
        Ok(Sent { reached: count })
    }

    /// Whether this number is a child's of ours that nobody has laid to rest.
    fn bore(&self, pid: u32) -> bool {
        match &self.held {
            Held::ByGroups(_) => false,
            Held::ByDescent { born, .. } => born.contains_key(&pid),
        }
    }

    /// To members that are not our children, whose numbers may be somebody else's by now: each is opened first, and
    /// signalled if its number is still in the tree after that.
    fn signal_safely(&mut self, id: TreeId, signal: Signal, pids: Vec<u32>) -> io::Result<usize> {
        let opened: Vec<(u32, OwnedFd)> = pids
            .into_iter()
            .filter_map(|pid| Some((pid, open_process(pid)?)))
            .collect();
        if opened.is_empty() {
            return Ok(0);
        }
        let still: BTreeSet<u32> = self.pids(id)?.into_iter().collect();
        let mut count = 0;
        for (_, process) in opened.iter().filter(|(pid, _)| still.contains(pid)) {
            count += reached(sys::kill_pidfd(process.as_fd(), signal))?.reached;
        }
        Ok(count)
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
            (Held::ByGroups(groups), Root::Group(Some(group))) => by_group(groups, group),
            (_, Root::Marks(_)) => self.signal(id, signal, |_| false).map(drop),
            (Held::ByGroups(_) | Held::ByDescent { .. }, Root::Group(_)) => Ok(()),
        }
    }

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
    fn look(&mut self, id: TreeId, poller: &Poller, into: &mut Vec<Happened>) {
        let Some(tree) = self.planted.get_mut(&id.0) else {
            return;
        };
        if !matches!(tree.watch, Watch::Waiting { .. }) {
            return;
        }
        let populated = match (&mut self.held, &mut tree.root) {
            // As long as one lives whose end we are told of, nothing has to be asked or watched.
            (Held::ByGroups(_), Root::Group(Some(_))) if tree.known > 0 => true,
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
            Held::ByDescent { born, .. } => {
                let planted = self.planted.iter();
                let marks = planted.filter_map(|(id, tree)| match &tree.root {
                    Root::Marks(marks) => Some((TreeId(*id), &**marks)),
                    Root::Group(_) => None,
                });
                descent::tree_of(pid, born, marks)
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
        let cpu = group.and_then(|(groups, group)| groups.cpu(group));
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
            self.fallow.push(Fallow { group });
        }
    }

    /// Whether there is something to be cleared when nothing else is to do.
    pub(crate) fn has_fallow(&self) -> bool {
        !self.fallow.is_empty()
    }

    /// Removes the groups of uprooted trees; one with leftovers stays until we end.
    pub(crate) fn clear_fallow(&mut self) {
        if let Held::ByGroups(groups) = &self.held {
            for fallow in self.fallow.drain(..) {
                let _ = groups.remove(&fallow.group);
            }
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

fn get(planted: &mut BTreeMap<u64, Tree>, id: TreeId) -> io::Result<&mut Tree> {
    let missing = || io::Error::new(io::ErrorKind::NotFound, "no such tree");
    planted.get_mut(&id.0).ok_or_else(missing)
}

fn open_process(pid: u32) -> Option<OwnedFd> {
    let pid = Pid::from_raw(i32::try_from(pid).ok()?)?;
    pidfd_open(pid, PidfdFlags::empty()).ok()
}

fn of_ticks(ticks: u64) -> Duration {
    let per_second = rustix::param::clock_ticks_per_second();
    Duration::from_millis(ticks * 1000 / per_second.max(1))
}
