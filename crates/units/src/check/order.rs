//! Circles: services that wait for each other, so that none would ever start.

use std::collections::BTreeSet;

use super::Stack;
use crate::diagnostic::{Diagnostic, Place};
use crate::source::{Field, Loaded};

/// One service waits for another, because of what is said at the place.
struct Edge {
    to: usize,
    why: Place,
}

/// Tells every circle, each service in at most one of them, with all the places that make it.
pub(super) fn check(stack: &Stack<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let waits = edges(stack);
    let mut left: BTreeSet<usize> = (0..stack.units.len()).collect();
    loop {
        trim(&waits, &mut left);
        let Some(first) = left.first() else { return };
        let circle = walk(&waits, &left, *first);
        diagnostics.push(tell(stack, &circle));
        for (at, _) in circle {
            left.remove(&at);
        }
    }
}

fn edges(stack: &Stack<'_>) -> Vec<Vec<Edge>> {
    let mut waits: Vec<Vec<Edge>> = stack.units.iter().map(|_| Vec::new()).collect();
    for (at, unit) in stack.units.iter().enumerate() {
        for name in &unit.spec.depends.after {
            for to in stack.named(name).iter().filter(|to| **to != at) {
                let why = after_place(unit, name).clone();
                waits[at].push(Edge { to: *to, why });
            }
        }
        for name in &unit.spec.depends.before {
            for waiting in stack.named(name).iter().filter(|to| **to != at) {
                let why = unit.places.of(Field::Before, name).clone();
                waits[*waiting].push(Edge { to: at, why });
            }
        }
    }
    waits
}

fn after_place<'a>(unit: &'a Loaded, name: &str) -> &'a Place {
    [Field::After, Field::Requires, Field::Wants]
        .iter()
        .find_map(|field| unit.places.said(*field, name))
        .unwrap_or(&unit.places.unit)
}

/// Takes away all who wait for nobody left, and so on: what remains is on a circle or waits for one.
fn trim(waits: &[Vec<Edge>], left: &mut BTreeSet<usize>) {
    let mut open: Vec<usize> = waits
        .iter()
        .map(|edges| edges.iter().filter(|edge| left.contains(&edge.to)).count())
        .collect();
    let mut waited_by: Vec<Vec<usize>> = waits.iter().map(|_| Vec::new()).collect();
    for (from, edges) in waits.iter().enumerate() {
        for edge in edges {
            waited_by[edge.to].push(from);
        }
    }
    let mut free: Vec<usize> = left.iter().copied().filter(|at| open[*at] == 0).collect();
    while let Some(at) = free.pop() {
        left.remove(&at);
        for from in &waited_by[at] {
            open[*from] = open[*from].saturating_sub(1);
            if open[*from] == 0 && left.contains(from) {
                free.push(*from);
            }
        }
    }
}

/// Follows the waiting from `first` until a service comes again; the part from there on is a circle.
fn walk<'e>(
    waits: &'e [Vec<Edge>],
    left: &BTreeSet<usize>,
    first: usize,
) -> Vec<(usize, &'e Place)> {
    let mut path: Vec<(usize, &Place)> = Vec::new();
    let mut at = first;
    loop {
        if let Some(begin) = path.iter().position(|(seen, _)| *seen == at) {
            return path.split_off(begin);
        }
        // After `trim` everybody left waits for somebody left.
        let Some(edge) = waits[at].iter().find(|edge| left.contains(&edge.to)) else {
            return path;
        };
        path.push((at, &edge.why));
        at = edge.to;
    }
}

fn tell(stack: &Stack<'_>, circle: &[(usize, &Place)]) -> Diagnostic {
    let name = |at: usize| stack.units[at].spec.name.as_str();
    let names: Vec<&str> = circle
        .iter()
        .chain(circle.first())
        .map(|(at, _)| name(*at))
        .collect();
    let message = format!("these wait for each other: {}", names.join(" → "));
    let place = circle.first().map_or_else(
        || stack.units[0].places.unit.clone(),
        |(_, why)| (*why).clone(),
    );
    let fault = Diagnostic::refused(place, message, "remove one of these relations");
    circle
        .iter()
        .zip(names.iter().skip(1))
        .skip(1)
        .fold(fault, |fault, ((at, why), next)| {
            fault.with(
                (*why).clone(),
                format!("`{}` waits for `{next}`", name(*at)),
            )
        })
}
