//! Who needs whom, and who goes first: names resolved to instances, in both directions.
//!
//! Built anew whenever a definition comes or goes; reading it costs nothing.

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;

use crate::event::InstanceId;
use crate::spec::{Depends, Spec};

/// One instance's relations.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Edges {
    /// We start after these and stop before them.
    pub after: Vec<InstanceId>,
    /// These start after us and stop before us.
    pub before: Vec<InstanceId>,
    /// We cannot be without these (`requires`, `binds_to`).
    pub requires: Vec<InstanceId>,
    /// Pulled in by our start, whatever becomes of them.
    pub wants: Vec<InstanceId>,
    /// Must be up already.
    pub requisite: Vec<InstanceId>,
    /// These are stopped, and restarted, when we are.
    pub followers: Vec<InstanceId>,
    /// These go down when we go down in whatever way.
    pub bound: Vec<InstanceId>,
    pub conflicts: Vec<InstanceId>,
    pub on_failure: Vec<InstanceId>,
    pub on_success: Vec<InstanceId>,
    /// Those that look at us before they start or stop.
    pub watchers: Vec<InstanceId>,
    /// A name we cannot be without and that nobody has.
    pub missing: Option<Rc<str>>,
    /// A circle of `after` that this one is part of. Its order is void: none of it can start, all of it can stop.
    pub cycle: Option<Rc<[Rc<str>]>>,
}

/// The relations of all specs, in the order of `specs`.
pub(crate) fn link(specs: &[(InstanceId, Rc<Spec>)]) -> BTreeMap<InstanceId, Edges> {
    let names = Names::of(specs);
    let mut edges: BTreeMap<InstanceId, Edges> = specs
        .iter()
        .map(|(id, _)| (*id, Edges::default()))
        .collect();
    for (id, spec) in specs {
        let mut link = Linker {
            edges: &mut edges,
            names: &names,
            id: *id,
        };
        link.link(&spec.depends);
    }
    for edge in edges.values_mut() {
        edge.tidy();
    }
    break_cycles(&mut edges, specs);
    edges
}

/// Takes circles out of the order, so that nobody waits for itself.
fn break_cycles(edges: &mut BTreeMap<InstanceId, Edges>, specs: &[(InstanceId, Rc<Spec>)]) {
    while let Some(cycle) = find_cycle(edges) {
        let named = specs.iter().filter(|(id, _)| cycle.contains(id));
        let names: BTreeMap<_, Rc<str>> = named
            .map(|(id, spec)| (*id, spec.name.as_str().into()))
            .collect();
        let names: Rc<[Rc<str>]> = cycle
            .iter()
            .filter_map(|id| names.get(id).cloned())
            .collect();
        for id in &cycle {
            if let Some(edge) = edges.get_mut(id) {
                edge.cycle = Some(names.clone());
                edge.after.retain(|peer| !cycle.contains(peer));
                edge.before.retain(|peer| !cycle.contains(peer));
            }
        }
    }
}

/// A circle of `after`, each one after the next; found among those that no order of starts can reach.
fn find_cycle(edges: &BTreeMap<InstanceId, Edges>) -> Option<Vec<InstanceId>> {
    let mut owed: BTreeMap<InstanceId, usize> = BTreeMap::new();
    let mut free = Vec::new();
    for (id, edge) in edges {
        if edge.after.is_empty() {
            free.push(*id);
        } else {
            owed.insert(*id, edge.after.len());
        }
    }
    while let Some(id) = free.pop() {
        for next in edges.get(&id).map_or(&[][..], |edge| &edge.before) {
            if let Some(left) = owed.get_mut(next) {
                *left -= 1;
                if *left == 0 {
                    owed.remove(next);
                    free.push(*next);
                }
            }
        }
    }
    // Whoever is left comes after somebody who is left: following that must come round.
    let mut path = Vec::new();
    let mut at = *owed.first_key_value()?.0;
    loop {
        if let Some(start) = path.iter().position(|seen| *seen == at) {
            return Some(path.split_off(start));
        }
        path.push(at);
        let after = edges.get(&at).map_or(&[][..], |edge| &edge.after);
        at = *after.iter().find(|peer| owed.contains_key(peer))?;
    }
}

/// Instances by full name, and by family for those that have several.
struct Names<'a> {
    exact: BTreeMap<&'a str, InstanceId>,
    family: BTreeMap<&'a str, Vec<InstanceId>>,
}

impl<'a> Names<'a> {
    fn of(specs: &'a [(InstanceId, Rc<Spec>)]) -> Names<'a> {
        let mut names = Names {
            exact: BTreeMap::new(),
            family: BTreeMap::new(),
        };
        for (id, spec) in specs {
            names.exact.insert(&spec.name, *id);
            if spec.instance().is_some() {
                names.family.entry(spec.family()).or_default().push(*id);
            }
        }
        names
    }

    fn find(&self, name: &str) -> &[InstanceId] {
        match self.exact.get(name) {
            Some(id) => core::slice::from_ref(id),
            None => self.family.get(name).map_or(&[], Vec::as_slice),
        }
    }
}

struct Linker<'a, 'n> {
    edges: &'a mut BTreeMap<InstanceId, Edges>,
    names: &'n Names<'n>,
    id: InstanceId,
}

impl Linker<'_, '_> {
    fn link(&mut self, depends: &Depends) {
        use List::*;
        let rows: [(&[String], Option<List>, Option<List>); 13] = [
            (&depends.after, Some(After), Some(Before)),
            (&depends.before, Some(Before), Some(After)),
            (&depends.requires, Some(Requires), Some(Followers)),
            (&depends.required_by, Some(Followers), Some(Requires)),
            (&depends.binds_to, Some(Requires), Some(Followers)),
            (&depends.binds_to, None, Some(Bound)),
            (&depends.part_of, None, Some(Followers)),
            (&depends.wants, Some(Wants), None),
            (&depends.wanted_by, None, Some(Wants)),
            (&depends.requisite, Some(Requisite), None),
            (&depends.conflicts, Some(Conflicts), Some(Conflicts)),
            (&depends.on_failure, Some(OnFailure), None),
            (&depends.on_success, Some(OnSuccess), None),
        ];
        for (names, ours, theirs) in rows {
            let (known, id) = (self.names, self.id);
            for peer in names
                .iter()
                .flat_map(|name| known.find(name))
                .filter(|peer| **peer != id)
            {
                self.write(self.id, ours, *peer);
                self.write(*peer, theirs, self.id);
                self.write(self.id, Some(Watchers), *peer);
                self.write(*peer, Some(Watchers), self.id);
            }
        }
        let needed = depends
            .requires
            .iter()
            .chain(&depends.binds_to)
            .chain(&depends.requisite);
        let missing = needed
            .filter(|name| self.names.find(name).is_empty())
            .map(|name| name.as_str().into())
            .next();
        if let Some(edge) = self.edges.get_mut(&self.id) {
            edge.missing = missing;
        }
    }

    fn write(&mut self, of: InstanceId, list: Option<List>, peer: InstanceId) {
        if let (Some(list), Some(edges)) = (list, self.edges.get_mut(&of)) {
            edges.list(list).push(peer);
        }
    }
}

/// The lists of [`Edges`], so that a relation can be a row of a table.
#[derive(Debug, Clone, Copy)]
enum List {
    After,
    Before,
    Requires,
    Wants,
    Requisite,
    Followers,
    Bound,
    Conflicts,
    OnFailure,
    OnSuccess,
    Watchers,
}

impl Edges {
    fn list(&mut self, list: List) -> &mut Vec<InstanceId> {
        match list {
            List::After => &mut self.after,
            List::Before => &mut self.before,
            List::Requires => &mut self.requires,
            List::Wants => &mut self.wants,
            List::Requisite => &mut self.requisite,
            List::Followers => &mut self.followers,
            List::Bound => &mut self.bound,
            List::Conflicts => &mut self.conflicts,
            List::OnFailure => &mut self.on_failure,
            List::OnSuccess => &mut self.on_success,
            List::Watchers => &mut self.watchers,
        }
    }

    /// Each peer once, and no room kept for more.
    fn tidy(&mut self) {
        use List::*;
        for list in [
            After, Before, Requires, Wants, Requisite, Followers, Bound, Conflicts, OnFailure,
            OnSuccess, Watchers,
        ] {
            let list = self.list(list);
            list.sort_unstable();
            list.dedup();
            list.shrink_to_fit();
        }
    }
}
