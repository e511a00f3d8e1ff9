//! What `[Unit]` and `[Install]` say about other units.
//!
//! Names become those of specs: services lose their ending, others keep it. Which of them exist is not known here;
//! see [`super::resolve`].

use super::draft::{Draft, Input};
use super::fault::Fault;
use super::name::UnitName;
use crate::source::Field;

/// Targets that stand for "when the system is up": to be wanted by one is to be started by the engine.
pub(super) const EVERYBODY_REACHES: &[&str] = &[
    "basic.target",
    "default.target",
    "graphical.target",
    "multi-user.target",
    "network.target",
    "network-online.target",
    "sockets.target",
    "sysinit.target",
    "timers.target",
];

/// Which list of [`aplomb_core::spec::Depends`] a key adds to.
pub(super) type List = fn(&mut Draft) -> &mut Vec<String>;

/// Adds the named units. Dependencies cannot be taken back: an empty value says nothing.
pub(super) fn add(
    draft: &mut Draft,
    input: &Input<'_>,
    field: Field,
    list: List,
) -> Result<(), Fault> {
    for (name, range) in input.names()? {
        let Some(unit) = named(&name, input) else {
            let message = format!("`{name}` is no name of a unit and is ignored");
            let fault =
                Fault::warning(message, "write its name with its ending, as in `x.service`");
            draft.faults.push(fault.at(range));
            continue;
        };
        let name = unit.spec_name().to_owned();
        draft.say(field, &name, Some(range));
        let list = list(draft);
        if !list.contains(&name) {
            list.push(name);
        }
    }
    Ok(())
}

/// A unit by its name; a template named without an instance gets ours.
fn named(name: &str, input: &Input<'_>) -> Option<UnitName> {
    let unit = UnitName::parse(name)?;
    match (unit.is_template(), input.specifiers.name.instance()) {
        (true, Some(instance)) => Some(unit.with_instance(instance)),
        (true | false, _) => Some(unit),
    }
}

/// `WantedBy=` and `RequiredBy=`.
pub(super) fn wanted(
    draft: &mut Draft,
    input: &Input<'_>,
    field: Field,
    list: List,
) -> Result<(), Fault> {
    if input.is_empty() {
        list(draft).clear();
        return Ok(());
    }
    for (name, range) in input.names()? {
        if EVERYBODY_REACHES.contains(&&*name) {
            draft.enabled = true;
            continue;
        }
        let Some(unit) = named(&name, input) else {
            let message = format!("`{name}` is no name of a unit and is ignored");
            let fault = Fault::warning(message, "write its name with its ending, as in `x.target`");
            draft.faults.push(fault.at(range));
            continue;
        };
        let name = unit.spec_name().to_owned();
        draft.say(field, &name, Some(range));
        list(draft).push(name);
    }
    Ok(())
}

/// `Also=`, `Alias=`, `Sockets=`, `Service=`: whole unit names, as written.
pub(super) fn units(draft: &mut Draft, input: &Input<'_>, list: List) -> Result<(), Fault> {
    if input.is_empty() {
        list(draft).clear();
        return Ok(());
    }
    for (name, range) in input.names()? {
        match UnitName::parse(&name) {
            Some(_) => list(draft).push(name),
            None => {
                let message = format!("`{name}` is no name of a unit and is ignored");
                let fault = Fault::warning(message, "write its name with its ending");
                draft.faults.push(fault.at(range));
            }
        }
    }
    Ok(())
}
