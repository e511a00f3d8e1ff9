//! Names: given twice, given to nobody, or to oneself.

use aplomb_core::spec::{Depends, StartMode};

use super::Stack;
use crate::diagnostic::{Diagnostic, Severity};
use crate::source::{Dialect, Field, Loaded};
use crate::words::nearest;
use crate::world::World;

/// How a relation is called, and what it means if nobody has the name.
struct Relation {
    field: Field,
    verb: &'static str,
    /// The service cannot start without it.
    needed: bool,
    names: fn(&Depends) -> &[String],
}

const RELATIONS: &[Relation] = &[
    relation(Field::Requires, "requires", true, |d| &d.requires),
    relation(Field::Requisite, "requires", true, |d| &d.requisite),
    relation(Field::BindsTo, "is bound to", true, |d| &d.binds_to),
    relation(Field::Wants, "wants", false, |d| &d.wants),
    relation(Field::PartOf, "is part of", false, |d| &d.part_of),
    relation(Field::Conflicts, "conflicts with", false, |d| &d.conflicts),
    relation(Field::After, "starts after", false, |d| &d.after),
    relation(Field::Before, "starts before", false, |d| &d.before),
    relation(Field::OnFailure, "on failure starts", false, |d| {
        &d.on_failure
    }),
    relation(Field::OnSuccess, "on success starts", false, |d| {
        &d.on_success
    }),
    relation(Field::WantedBy, "is wanted by", false, |d| &d.wanted_by),
    relation(Field::RequiredBy, "is required by", false, |d| {
        &d.required_by
    }),
];

const fn relation(
    field: Field,
    verb: &'static str,
    needed: bool,
    names: fn(&Depends) -> &[String],
) -> Relation {
    Relation {
        field,
        verb,
        needed,
        names,
    }
}

pub(super) fn check(stack: &Stack<'_>, world: &dyn World, diagnostics: &mut Vec<Diagnostic>) {
    twice(stack, diagnostics);
    for (at, unit) in stack.units.iter().enumerate() {
        for relation in RELATIONS {
            for name in (relation.names)(&unit.spec.depends) {
                diagnostics.extend(check_name(stack, world, at, relation, name));
            }
        }
        diagnostics.extend(contradiction(unit));
    }
}

fn twice(stack: &Stack<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let mut seen = std::collections::BTreeMap::new();
    for unit in stack.units {
        let first: &&Loaded = seen.entry(&unit.spec.name).or_insert(unit);
        if std::ptr::eq(*first, unit) {
            continue;
        }
        let message = format!("`{}` is defined a second time", unit.spec.name);
        let fault = Diagnostic::refused(
            unit.places.unit.clone(),
            message,
            "rename one of the two, or remove it",
        );
        diagnostics.push(fault.with(first.places.unit.clone(), "the first is here"));
    }
}

fn check_name(
    stack: &Stack<'_>,
    world: &dyn World,
    at: usize,
    relation: &Relation,
    name: &str,
) -> Option<Diagnostic> {
    let unit = &stack.units[at];
    // An order that came with a requirement is told of as the requirement.
    let implied = relation.field == Field::After
        && unit.places.said(Field::After, name).is_none()
        && [&unit.spec.depends.requires, &unit.spec.depends.wants]
            .into_iter()
            .flatten()
            .any(|needed| needed == name);
    if implied {
        return None;
    }
    match stack.named(name) {
        [] if world.has_service(name) => None,
        [] => unknown(stack, unit, relation, name),
        found if found.contains(&at) => {
            let message = format!("`{}` {} itself", unit.spec.name, relation.verb);
            let place = unit.places.of(relation.field, name).clone();
            Some(Diagnostic::refused(place, message, "remove it"))
        }
        found if relation.needed => disabled(stack, unit, relation, name, found),
        _ => None,
    }
}

fn unknown(
    stack: &Stack<'_>,
    unit: &Loaded,
    relation: &Relation,
    name: &str,
) -> Option<Diagnostic> {
    let severity = match Dialect::of(&unit.places.unit.file) {
        Dialect::Toml => Severity::Refused,
        // As systemd: what is only wished for may be missing.
        Dialect::Systemd if relation.needed => Severity::Refused,
        Dialect::Systemd | Dialect::Nssm => return None,
    };
    let action = match nearest(name, stack.named.keys().copied()) {
        Some(known) => format!("write `{known}`"),
        None => format!("define `{name}`, or remove it here"),
    };
    let message = format!(
        "`{}` {} `{name}`, but there is no such service",
        unit.spec.name, relation.verb
    );
    let place = unit.places.of(relation.field, name).clone();
    Some(Diagnostic::new(severity, place, message, action))
}

fn disabled(
    stack: &Stack<'_>,
    unit: &Loaded,
    relation: &Relation,
    name: &str,
    found: &[usize],
) -> Option<Diagnostic> {
    let found: Vec<&Loaded> = found.iter().map(|at| &stack.units[*at]).collect();
    let off = |unit: &&Loaded| unit.spec.start_mode == StartMode::Disabled;
    if unit.spec.start_mode == StartMode::Disabled || !found.iter().all(off) {
        return None;
    }
    let message = format!(
        "`{}` {} `{name}`, which is disabled, so it can never start",
        unit.spec.name, relation.verb
    );
    let place = unit.places.of(relation.field, name).clone();
    let fault = Diagnostic::warning(place, message, format!("enable `{name}`"));
    Some(fault.with(found.first()?.places.unit.clone(), "it is disabled here"))
}

/// Needing and excluding the same service.
fn contradiction(unit: &Loaded) -> Option<Diagnostic> {
    let depends = &unit.spec.depends;
    let needed = [&depends.requires, &depends.requisite, &depends.binds_to];
    let name = depends
        .conflicts
        .iter()
        .find(|name| needed.iter().any(|needed| needed.contains(name)))?;
    let message = format!(
        "`{}` needs `{name}` and is never up together with it",
        unit.spec.name
    );
    let place = unit.places.of(Field::Conflicts, name).clone();
    let fault = Diagnostic::refused(place, message, "remove one of the two");
    let needed = [Field::Requires, Field::Requisite, Field::BindsTo];
    let other = needed
        .iter()
        .find_map(|field| unit.places.said(*field, name))?;
    Some(fault.with(other.clone(), "it is needed here"))
}
