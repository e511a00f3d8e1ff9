//! What units say together: sockets go to their services, names of units that are not here are let go where systemd
//! would let them go.
//!
//! An order relative to a missing unit, and a wish for one, say nothing; a requirement of a missing service stays, and
//! is a fault for whoever checks names. What systemd itself provides (targets, slices, mounts, devices) counts as
//! there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aplomb_core::spec::{Depends, Listen, StartMode};

use super::load::Found;
use super::name::{UnitName, UnitType, of_spec};
use crate::diagnostic::Diagnostic;
use crate::source::Loaded;

/// Services and targets with everything the others say about them.
pub(super) fn joined(found: Vec<Found>, diagnostics: &mut Vec<Diagnostic>) -> Vec<Loaded> {
    let (sockets, mut units): (Vec<Found>, Vec<Found>) = found
        .into_iter()
        .partition(|found| found.unit.name.unit_type() == UnitType::Socket);
    let owners = owners(&sockets, &units, diagnostics);
    let sockets = Sockets::of(&sockets, &owners);
    for unit in &mut units {
        take_sockets(unit, &sockets);
    }
    let names = Names::of(&units, &owners);
    let named = named_by_others(&units);
    for found in &mut units {
        link(found);
        keep_known(&mut found.unit.spec.depends, &found.unit.name, &names);
        start_mode(found, &named);
    }
    units
        .into_iter()
        .map(|found| Loaded {
            spec: found.unit.spec,
            places: Arc::new(found.unit.places),
        })
        .collect()
}

/// The service of every socket; a socket without one is a fault.
fn owners(
    sockets: &[Found],
    units: &[Found],
    diagnostics: &mut Vec<Diagnostic>,
) -> BTreeMap<String, String> {
    let names: BTreeSet<&str> = units.iter().map(|found| found.unit.name.full()).collect();
    let mut owners = BTreeMap::new();
    for socket in sockets {
        let name = &socket.unit.name;
        let service = match socket.unit.partners.last() {
            Some(service) => service.clone(),
            None => format!("{}.service", name.stem()),
        };
        if names.contains(service.as_str()) {
            owners.insert(name.full().to_owned(), service);
        } else if socket.given {
            let message = format!("`{name}` listens for `{service}`, which is not here");
            diagnostics.push(Diagnostic::refused(
                socket.unit.places.unit.clone(),
                message,
                "give the service's file too",
            ));
        }
    }
    owners
}

/// Sockets by their names, and the names of each service's own.
struct Sockets<'a> {
    named: BTreeMap<&'a str, &'a Found>,
    owned: BTreeMap<&'a str, Vec<&'a str>>,
}

impl<'a> Sockets<'a> {
    fn of(sockets: &'a [Found], owners: &'a BTreeMap<String, String>) -> Sockets<'a> {
        let named = sockets.iter().map(|found| (found.unit.name.full(), found));
        let mut owned: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (socket, service) in owners {
            owned.entry(service).or_default().push(socket);
        }
        Sockets {
            named: named.collect(),
            owned,
        }
    }
}

/// Copies what the service's sockets listen on into the service: those it names in its order, then its other own ones
/// by name. Places of addresses stay with the socket's unit.
fn take_sockets(unit: &mut Found, sockets: &Sockets<'_>) {
    let partners = unit.unit.partners.clone();
    let owned = sockets.owned.get(unit.unit.name.full());
    let owned = owned.into_iter().flatten().copied();
    let mut taken = BTreeSet::new();
    for name in partners.iter().map(String::as_str).chain(owned) {
        let Some(socket) = sockets.named.get(name).filter(|_| taken.insert(name)) else {
            continue;
        };
        let own = unit.unit.spec.name.clone();
        let listens = socket.unit.spec.listen.iter().cloned();
        // The service's own name is what a socket without one gets.
        unit.unit.spec.listen.extend(listens.map(|listen| Listen {
            name: listen.name.filter(|name| *name != own),
            ..listen
        }));
        if socket.unit.enabled {
            unit.unit.spec.start_mode = StartMode::Auto;
        }
    }
}

/// Links in `.wants` and `.requires` directories say what `WantedBy=` would.
fn link(found: &mut Found) {
    let spec = &mut found.unit.spec;
    let depends = &mut *spec.depends;
    let lists = [
        (&found.wanted_by, &mut depends.wanted_by),
        (&found.required_by, &mut depends.required_by),
    ];
    for (units, list) in lists {
        for unit in units {
            if super::depends::EVERYBODY_REACHES.contains(&unit.full()) {
                spec.start_mode = StartMode::Auto;
            } else if !list.iter().any(|known| known == unit.spec_name()) {
                list.push(unit.spec_name().to_owned());
            }
        }
    }
}

/// Specs that another one starts, by name.
fn named_by_others(units: &[Found]) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for found in units {
        let depends = &found.unit.spec.depends;
        for list in [
            &depends.requires,
            &depends.wants,
            &depends.binds_to,
            &depends.on_failure,
            &depends.on_success,
        ] {
            named.extend(list.iter().cloned());
        }
    }
    named
}

/// A file that was given and that nothing else starts is started by the engine.
fn start_mode(found: &mut Found, named: &BTreeSet<String>) {
    let spec = &mut found.unit.spec;
    let wanted = !spec.depends.wanted_by.is_empty() || !spec.depends.required_by.is_empty();
    if found.given && !wanted && !named.contains(&spec.name) {
        spec.start_mode = StartMode::Auto;
    }
}

/// Names that mean something here.
struct Names {
    /// Every name a unit is known by, and the name of its spec.
    specs: BTreeMap<String, String>,
}

impl Names {
    fn of(units: &[Found], owners: &BTreeMap<String, String>) -> Names {
        let mut specs = BTreeMap::new();
        for found in units {
            let name = found.unit.spec.name.clone();
            for alias in &found.unit.aliases {
                specs.insert(spec_name(alias), name.clone());
            }
            specs.insert(name.clone(), name);
        }
        for (socket, service) in owners {
            specs.insert(socket.clone(), spec_name(service));
        }
        Names { specs }
    }
}

fn spec_name(unit: &str) -> String {
    UnitName::parse(unit).map_or_else(|| unit.to_owned(), |unit| unit.spec_name().to_owned())
}

/// Translates names to those of specs, and lets go what is not here and need not be.
fn keep_known(depends: &mut Depends, own: &UnitName, names: &Names) {
    let weak = [
        &mut depends.wants,
        &mut depends.part_of,
        &mut depends.conflicts,
        &mut depends.after,
        &mut depends.before,
        &mut depends.wanted_by,
        &mut depends.required_by,
        &mut depends.on_failure,
        &mut depends.on_success,
    ];
    for list in weak {
        translate(list, own, names, |_| false);
    }
    for list in [
        &mut depends.requires,
        &mut depends.requisite,
        &mut depends.binds_to,
    ] {
        translate(list, own, names, is_service);
    }
}

fn translate(
    list: &mut Vec<String>,
    own: &UnitName,
    names: &Names,
    keep_missing: fn(&str) -> bool,
) {
    let old = std::mem::take(list);
    for name in old {
        let known = names.specs.get(&name);
        let name = match known {
            Some(known) => known.clone(),
            None if keep_missing(&name) => name,
            None => continue,
        };
        if name != own.spec_name() && !list.contains(&name) {
            list.push(name);
        }
    }
}

/// Services and sockets are ours to provide; the rest is the machine's.
fn is_service(name: &str) -> bool {
    UnitName::parse(&of_spec(name)).is_some_and(|unit| match unit.unit_type() {
        UnitType::Service | UnitType::Socket => true,
        UnitType::Target | UnitType::Timer | UnitType::Other => false,
    })
}
