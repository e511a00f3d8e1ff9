//! Trees without control groups: sessions, ancestry and a mark, found by walking through proc(5).
//!
//! Every program we spawn begins a session of its own, so what it begets is known by its session, by its parents, or, once
//! orphaned, by the `APLOMB_RUN` it was given: orphans come to us because we are their subreaper. What is lost: a member
//! that makes a session of its own, loses its parents and changes its environment, all before anybody looks. It stays our
//! descendant and is reaped, but belongs to no tree. Control groups have no such gap.

use std::collections::{BTreeMap, BTreeSet};

use crate::TreeId;
use crate::linux::proc::{self, Stat};

/// What marks the members of one tree.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    /// Sessions our own children began.
    sessions: BTreeSet<u32>,
    /// `APLOMB_RUN=…`, as its programs have it in their environment.
    marks: BTreeSet<Vec<u8>>,
    /// Members once seen, by number and start time: their later children are members too.
    seen: BTreeMap<u32, u64>,
}

impl Marks {
    /// A child of ours was born into the tree.
    pub(crate) fn born(&mut self, pid: u32, env: &[(String, String)]) {
        self.sessions.insert(pid);
        if let Some(stat) = proc::stat(pid) {
            self.seen.insert(pid, stat.start);
        }
        if let Some((name, value)) = env.iter().rev().find(|(name, _)| name == "APLOMB_RUN") {
            self.marks.insert(format!("{name}={value}").into_bytes());
        }
    }
}

/// Who is in the tree now: one look at all processes, closed over parents and children.
pub(crate) fn members(marks: &mut Marks) -> Vec<Stat> {
    let all = proc::all();
    let own = std::process::id();
    let descendants = descendants_of(own, &all);
    let mut inside: BTreeSet<u32> = BTreeSet::new();
    for stat in &descendants {
        let known = marks.seen.get(&stat.pid) == Some(&stat.start);
        let session = marks.sessions.contains(&stat.session);
        let orphan = stat.parent == own && !session && !known;
        if known || session || orphan && is_marked(stat.pid, &marks.marks) {
            inside.insert(stat.pid);
        }
    }
    // Parents come before their children nowhere: go on until nobody is added.
    loop {
        let before = inside.len();
        let children = descendants
            .iter()
            .filter(|stat| inside.contains(&stat.parent));
        let children: Vec<u32> = children.map(|stat| stat.pid).collect();
        inside.extend(children);
        if inside.len() == before {
            break;
        }
    }
    let found: Vec<Stat> = descendants
        .into_iter()
        .filter(|stat| inside.contains(&stat.pid) && stat.state != 'Z' && stat.state != 'X')
        .cloned()
        .collect();
    marks.seen = found.iter().map(|stat| (stat.pid, stat.start)).collect();
    // A session number is free for others once nobody is in it.
    marks
        .sessions
        .retain(|session| found.iter().any(|stat| stat.session == *session));
    found
}

/// Which of the trees a process belongs to.
pub(crate) fn tree_of<'a>(
    pid: u32,
    trees: impl Iterator<Item = (TreeId, &'a mut Marks)>,
) -> Option<TreeId> {
    for (tree, marks) in trees {
        if members(marks).iter().any(|stat| stat.pid == pid) {
            return Some(tree);
        }
    }
    None
}

/// Everybody below `ancestor`.
fn descendants_of(ancestor: u32, all: &[Stat]) -> Vec<&Stat> {
    let parents: BTreeMap<u32, u32> = all.iter().map(|stat| (stat.pid, stat.parent)).collect();
    let below = |stat: &&Stat| {
        let mut at = stat.parent;
        // A look that caught a number being reused could hold a circle.
        for _ in 0..=all.len() {
            if at == ancestor {
                return true;
            }
            match parents.get(&at) {
                Some(parent) => at = *parent,
                None => return false,
            }
        }
        false
    };
    all.iter().filter(below).collect()
}

fn is_marked(pid: u32, marks: &BTreeSet<Vec<u8>>) -> bool {
    let Ok(environment) = std::fs::read(format!("/proc/{pid}/environ")) else {
        return false;
    };
    environment
        .split(|byte| *byte == 0)
        .any(|variable| marks.contains(variable))
}
