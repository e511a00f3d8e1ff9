//! What systemd calls the parts of a spec, and how it prints them.

mod exec;
mod sandbox;
mod service;
mod unit;

use std::time::Duration;

use aplomb_core::Spec;
use aplomb_units::systemd::time_span;

/// The properties of one unit as `systemctl show` prints them.
pub(crate) struct Shown<'a> {
    lines: Vec<(&'a str, &'a str)>,
}

impl<'a> Shown<'a> {
    pub(crate) fn new(text: &'a str) -> Shown<'a> {
        Shown {
            lines: text
                .lines()
                .filter_map(|line| line.split_once('='))
                .collect(),
        }
    }

    pub(crate) fn one(&self, property: &str) -> Option<&'a str> {
        self.all(property).next()
    }

    fn all(&self, property: &str) -> impl Iterator<Item = &'a str> {
        self.lines
            .iter()
            .filter(move |(name, _)| *name == property)
            .map(|(_, value)| *value)
    }

    pub(crate) fn lines(&self) -> usize {
        self.lines.len()
    }
}

/// Our value and theirs, made comparable; `None` where nothing can be compared.
type Both = fn(&Spec, &str) -> Option<(String, String)>;

/// A property and the keys that decide it.
pub(crate) struct Row {
    pub(crate) property: &'static str,
    pub(crate) keys: &'static [&'static str],
    both: Both,
}

impl Row {
    /// Our value and theirs; `None` where systemd does not print the property for this unit.
    pub(crate) fn both(&self, spec: &Spec, shown: &Shown<'_>) -> Option<(String, String)> {
        let lines: Vec<&str> = shown.all(self.property).collect();
        if lines.is_empty() {
            return None;
        }
        (self.both)(spec, &lines.join("\n"))
    }
}

const fn row(property: &'static str, keys: &'static [&'static str], both: Both) -> Row {
    Row {
        property,
        keys,
        both,
    }
}

/// Every property that is compared.
pub(crate) fn rows() -> impl Iterator<Item = &'static Row> {
    [unit::ROWS, service::ROWS, exec::ROWS, sandbox::ROWS]
        .into_iter()
        .flatten()
}

fn same(ours: &str, theirs: &str) -> Option<(String, String)> {
    Some((ours.to_owned(), theirs.to_owned()))
}

fn same_lists(ours: Vec<String>, theirs: Vec<String>) -> Option<(String, String)> {
    Some((ours.join(" | "), theirs.join(" | ")))
}

/// Words in whatever order.
fn set(ours: impl Iterator<Item = String>, theirs: &str) -> Option<(String, String)> {
    let mut ours: Vec<String> = ours.collect();
    let mut theirs: Vec<String> = theirs.split_whitespace().map(str::to_owned).collect();
    ours.sort_unstable();
    theirs.sort_unstable();
    same_lists(ours, theirs)
}

fn flag(ours: bool, theirs: &str) -> Option<(String, String)> {
    same(if ours { "yes" } else { "no" }, theirs)
}

fn span(ours: Option<Duration>, theirs: &str) -> Option<(String, String)> {
    let theirs = time_span::seconds(theirs).ok()?;
    same(&format!("{ours:?}"), &format!("{theirs:?}"))
}
