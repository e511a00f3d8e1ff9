//! Reads. Text in any dialect becomes `Spec`s and diagnostics, and `Spec`s become text again.
//!
//! Each dialect is a module of its own with one table of its keys; what both share (durations, sizes, words of a
//! command) is in `words`. Checks that look past one unit, or at the machine, are in `check` and ask a `World`, so
//! that nothing here touches a file, a clock or an operating system.
#![forbid(unsafe_code)]

pub mod check;
pub mod diagnostic;
pub mod nssm;
pub mod render;
pub mod source;
pub mod systemd;
pub mod toml;
pub mod winsw;
pub mod words;
pub mod world;

use std::collections::{BTreeMap, HashSet};

use aplomb_core::Spec;

pub use diagnostic::{Diagnostic, Place, Related, Severity};
pub use source::{Dialect, Field, Loaded, Options, Places, Source};
use world::Remembered;
pub use world::World;

/// Everything the sources say, checked: the specs of all units that could be read, and all faults of all files.
///
/// A unit with a refused key or value is missing from the specs only if nothing sensible is left of it; whoever wants
/// to run them asks [`diagnostic::refused`] first.
pub fn read(
    sources: &[Source],
    world: &dyn World,
    options: Options,
) -> (Vec<Spec>, Vec<Diagnostic>) {
    let (loaded, diagnostics) = load(sources, world, options);
    (
        loaded.into_iter().map(|loaded| loaded.spec).collect(),
        diagnostics,
    )
}

/// As [`read`], and for every spec where in the text it was said.
pub fn load(
    sources: &[Source],
    world: &dyn World,
    options: Options,
) -> (Vec<Loaded>, Vec<Diagnostic>) {
    let world = &Remembered::new(world);
    let mut diagnostics = Vec::new();
    let mut loaded = Vec::new();
    let mut systemd_units = Vec::new();
    for source in sources {
        match source.dialect() {
            Dialect::Toml => loaded.extend(toml::read(source, &mut diagnostics)),
            Dialect::Nssm => loaded.extend(nssm::read(source, &mut diagnostics)),
            Dialect::Systemd => systemd_units.push(source),
        }
    }
    loaded.extend(systemd::read(
        &systemd_units,
        world,
        options,
        &mut diagnostics,
    ));
    check::units(&loaded, world, &mut diagnostics);
    check::possible(&loaded, world, options, &mut diagnostics);
    in_order(sources, &mut diagnostics);
    (loaded, diagnostics)
}

/// By file as given, then by place; what several instances of one service have in common is told once.
fn in_order(sources: &[Source], diagnostics: &mut Vec<Diagnostic>) {
    let order: BTreeMap<&str, usize> = sources
        .iter()
        .enumerate()
        .map(|(at, source)| (&*source.path, at))
        .collect();
    diagnostics.sort_by_key(|diagnostic| {
        let place = &diagnostic.place;
        (order.get(&*place.file).copied(), place.span.start)
    });
    let mut told = HashSet::new();
    diagnostics
        .retain(|diagnostic| told.insert((diagnostic.place.clone(), diagnostic.message.clone())));
}
