//! systemd's units as they are: `.service`, `.socket`, `.target`, with drop-ins, templates and specifiers.
//!
//! The way of a unit: [`load`] finds its files with [`search`], [`lex`] splits them, [`unit`] goes through the assignments with the
//! table in [`keys`], [`resolve`] joins what several units say together. The rules are those of systemd 256's manual
//! pages. Timers, paths and mounts are not here: they are refused with a word. Nothing is executed or expanded that
//! belongs to the moment a program runs: [`expand()`] and [`env_file`] are called by the engine then.

mod condition;
mod depends;
mod draft;
pub mod env_file;
mod evaluate;
mod exec_line;
pub mod exit_status;
mod expand;
mod fault;
mod keys;
mod lex;
mod load;
pub mod name;
mod output;
mod pattern;
mod process;
mod resolve;
mod resources;
mod restart;
mod sandbox;
mod search;
mod service;
mod socket;
mod specifier;
mod stop;
pub mod time_span;
mod unit;
mod version;
mod virtualization;
mod words;
mod write;

#[cfg(test)]
mod tests;

pub use evaluate::{Outcome, evaluate};
pub use expand::expand;
pub use keys::{Described, described};
pub use write::{Written, write};

use aplomb_core::Spec;

use crate::diagnostic::Diagnostic;
use crate::source::{Loaded, Options, Source};
use crate::world::World;

/// All units in these files; drop-ins and sockets are joined with the service they belong to.
///
/// Beside each file its drop-ins, its socket, and the units it needs are looked for; where a file lies in one of
/// systemd's own directories, in all of these.
pub fn read(
    sources: &[&Source],
    world: &dyn World,
    options: Options,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Loaded> {
    let units = load::units(sources, world, options, diagnostics);
    resolve::joined(units, diagnostics)
}

/// One unit as its file says it, without drop-ins and with relations as written: what a comparison with systemd's own
/// view of the file needs. `None` where the file's name is no name of a unit.
pub fn read_alone(
    source: &Source,
    world: &dyn World,
    options: Options,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Spec> {
    let name = name::UnitName::parse(source.file_name())?;
    let text = unit::Text {
        file: std::sync::Arc::clone(&source.path),
        text: source.text.clone(),
    };
    Some(unit::read(&name, &[text], world, options, diagnostics).spec)
}
