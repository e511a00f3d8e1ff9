//! Trees without control groups: descent, process groups and a mark, found by walking through proc(5).
//!
//! What a program begets is known by its parents, or, once orphaned, because orphans come to us, their subreaper: then by
//! its process group, by having been seen before, or by the `APLOMB_RUN` it was given. What is lost: a member that makes
//! a group of its own, loses its parents and changes its environment, all before anybody looks. It stays our child and
//! is laid to rest, but belongs to no tree. Control groups have no such gap.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use crate::TreeId;
use crate::linux::proc::{self, Stat};

/// Children of ours by number, and the trees they were born into.
pub(super) type Born = HashMap<u32, TreeId>;

/// What marks the members of one tree.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// Process groups our own children lead, and those their children have made.
    groups: BTreeSet<u32>,
    /// `APLOMB_RUN=…`, as its programs have it in their environment.
    runs: BTreeSet<Vec<u8>>,
    /// Orphans once seen, by number and start time.
    seen: BTreeMap<u32, u64>,
}

impl Marks {
    /// A child of ours was born into the tree.
    pub(super) fn born(&mut self, pid: u32, env: &[(String, String)]) {
        self.groups.insert(pid);
        if let Some((name, value)) = env.iter().rev().find(|(name, _)| name == "APLOMB_RUN") {
            self.runs.insert(format!("{name}={value}").into_bytes());
        }
    }

    /// As an earlier engine knew them.
    pub(super) fn taken_up(runs: &[String]) -> Marks {
        Marks {
            runs: runs.iter().map(|run| run.clone().into_bytes()).collect(),
            ..Marks::default()
        }
    }

    /// One an earlier engine begot lives in the tree.
    pub(super) fn knows(&mut self, orphan: &Stat) {
        self.groups.insert(orphan.group);
        self.seen.insert(orphan.pid, orphan.start);
    }

    /// The variables its programs have in their environment.
    pub(super) fn runs(&self) -> Vec<String> {
        let runs = self.runs.iter();
        runs.map(|run| String::from_utf8_lossy(run).into_owned())
            .collect()
    }

    fn claims(&self, orphan: &Stat) -> bool {
        self.seen.get(&orphan.pid) == Some(&orphan.start)
            || self.groups.contains(&orphan.group)
            || is_marked(orphan.pid, &self.runs)
    }
}

/// Who lives in the tree now: our children and orphans of it, and all below them.
pub(super) fn members(
    tree: TreeId,
    marks: &mut Marks,
    born: &Born,
    keeper: Option<u32>,
) -> Vec<Stat> {
    let kin = Kin::look();
    let mut orphans = BTreeMap::new();
    let mut found = Vec::new();
    let mut next = Vec::new();
    let own = std::process::id();
    let begotten_before = keeper.map_or_else(Vec::new, |keeper| kin.children(keeper));
    let begotten_before = begotten_before.into_iter().filter(|child| *child != own);
    for child in kin.children(own).into_iter().chain(begotten_before) {
        match born.get(&child) {
            Some(of) if *of == tree => next.push(child),
            Some(_) => {}
            None => {
                let orphan = proc::stat(child).filter(|stat| marks.claims(stat));
                if let Some(stat) = orphan {
                    orphans.insert(stat.pid, stat.start);
                    next.push(child);
                }
            }
        }
    }
    while let Some(pid) = next.pop() {
        next.extend(kin.children(pid));
        let living = proc::stat(pid).filter(|stat| !matches!(stat.state, 'Z' | 'X'));
        found.extend(living);
    }
    marks.seen = found.iter().map(|stat| (stat.pid, stat.start)).collect();
    marks.seen.append(&mut orphans);
    // The groups members have made are the tree's as well; the number of one is free for others once nobody is in it.
    let ours = |group: &u32| born.get(group) == Some(&tree);
    marks.groups.retain(ours);
    marks.groups.extend(found.iter().map(|stat| stat.group));
    found
}

/// The tree a process is in, by its parents up to one of ours.
pub(super) fn tree_of<'a>(
    pid: u32,
    born: &Born,
    keeper: Option<u32>,
    mut trees: impl Iterator<Item = (TreeId, &'a Marks)>,
) -> Option<TreeId> {
    let own = std::process::id();
    let mut at = pid;
    loop {
        if let Some(tree) = born.get(&at) {
            return Some(*tree);
        }
        let stat = proc::stat(at)?;
        if stat.parent == own || Some(stat.parent) == keeper {
            return trees
                .find(|(_, marks)| marks.claims(&stat))
                .map(|(tree, _)| tree);
        }
        if stat.parent <= 1 {
            return None;
        }
        at = stat.parent;
    }
}

/// Who is whose child.
enum Kin {
    /// The kernel keeps lists (CONFIG_PROC_CHILDREN).
    Listed,
    /// It does not: everybody was asked for his parent.
    Asked(BTreeMap<u32, Vec<u32>>),
}

impl Kin {
    fn look() -> Kin {
        if proc::children(std::process::id()).is_some() {
            return Kin::Listed;
        }
        let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for stat in proc::all() {
            children.entry(stat.parent).or_default().push(stat.pid);
        }
        Kin::Asked(children)
    }

    fn children(&self, of: u32) -> Vec<u32> {
        match self {
            Kin::Listed => proc::children(of).unwrap_or_default(),
            Kin::Asked(children) => children.get(&of).cloned().unwrap_or_default(),
        }
    }
}

/// Whether a process was given one of these runs. One in the middle of an exec has no environment: that passes in
/// microseconds, or, where the machine has too much to do, when it has its next turn.
fn is_marked(pid: u32, runs: &BTreeSet<Vec<u8>>) -> bool {
    const TURN: Duration = Duration::from_micros(200);
    const TURNS: usize = 500;
    for _ in 0..TURNS {
        let Ok(environment) = std::fs::read(format!("/proc/{pid}/environ")) else {
            return false;
        };
        if !environment.is_empty() || !proc::is_executing(pid) {
            let mut variables = environment.split(|byte| *byte == 0);
            return variables.any(|variable| runs.contains(variable));
        }
        // Nobody tells when an exec is over.
        std::thread::sleep(TURN);
    }
    false
}
