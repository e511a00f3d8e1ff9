//! Faults no unit shows alone: names nobody has, circles, addresses taken twice, programs and users that are not there.
//!
//! Works on specs, so it is the same for every dialect; only how much an unknown name weighs differs, for systemd's
//! units may name what is no business of ours.

mod budget;
mod listen;
mod machine;
mod names;
mod order;

use std::collections::BTreeMap;

use crate::diagnostic::{Diagnostic, Severity};
use crate::source::{Loaded, Options};
use crate::world::{Impossible, World};

/// Everything wrong between these units, and between them and the machine.
pub fn units(units: &[Loaded], world: &dyn World, diagnostics: &mut Vec<Diagnostic>) {
    let stack = Stack::new(units);
    names::check(&stack, world, diagnostics);
    order::check(&stack, diagnostics);
    listen::check(&stack, diagnostics);
    budget::check(&stack, diagnostics);
    machine::check(&stack, world, diagnostics);
}

/// What the machine's system cannot perform: a fault, or a warning where the reader is lenient.
pub(crate) fn possible(
    units: &[Loaded],
    world: &dyn World,
    options: Options,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let severity = if options.lenient {
        Severity::Warning
    } else {
        Severity::Refused
    };
    for unit in units {
        for Impossible {
            said,
            what,
            instead,
        } in world.impossible(&unit.spec)
        {
            let said = said.and_then(|(field, value)| unit.places.said(field, &value));
            let place = said.unwrap_or(&unit.places.unit).clone();
            let message = format!("`{}` asks for what cannot be done: {what}", unit.spec.name);
            diagnostics.push(Diagnostic::new(severity, place, message, instead));
        }
    }
}

/// All units, and who answers to a name.
struct Stack<'a> {
    units: &'a [Loaded],
    /// By full name, and by family for all instances together.
    named: BTreeMap<&'a str, Vec<usize>>,
}

impl<'a> Stack<'a> {
    fn new(units: &'a [Loaded]) -> Stack<'a> {
        let mut named: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (at, unit) in units.iter().enumerate() {
            let name = unit.spec.name.as_str();
            named.entry(name).or_default().push(at);
            let family = unit.spec.family();
            if family != name {
                named.entry(family).or_default().push(at);
            }
        }
        Stack { units, named }
    }

    /// Units a name means; a name without `@` means every instance.
    fn named(&self, name: &str) -> &[usize] {
        self.named.get(name).map_or(&[], Vec::as_slice)
    }
}
