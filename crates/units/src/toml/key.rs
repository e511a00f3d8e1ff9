//! Tables of keys. A row says a key's name, what it is for and where its value lies in the spec; reading, writing,
//! defaults, suggestions, the schema and the manual page all follow from the row.

use toml::de::DeTable;

use super::form::Form;
use super::reader::{Node, Reader, table_of};
use super::shape::{Fact, Shape, Table};
use super::value::Value;
use crate::words::nearest;

/// A part of a spec that is a table of its own in the text.
pub(super) trait Section: Sized + 'static {
    const KEYS: &'static [Key<Self>];

    /// The key a value stands for that is given instead of a table, as in `restart = "always"`.
    const SHORT: Option<&'static str> = None;

    /// Every setting at its documented default.
    fn initial() -> Self;
}

/// One row.
pub(super) struct Key<S: 'static> {
    pub(super) name: &'static str,
    /// One sentence without its full stop.
    pub(super) doc: &'static str,
    pub(super) slot: &'static dyn Slot<S>,
}

/// Where the value of a key lies.
pub(super) trait Slot<S>: Sync {
    fn shape(&self) -> Shape;
    fn read(&self, section: &mut S, node: &Node<'_>, reader: &mut Reader<'_>);
    fn write(&self, section: &S, extent: Extent) -> Value;
}

/// How much of a table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// What differs from the defaults, as short as can be.
    Changed,
    /// Every key, sections as tables.
    All,
}

/// The value is a field, and the field's type says how it is written.
pub(super) struct At<S, T> {
    pub(super) get: fn(&S) -> &T,
    pub(super) get_mut: fn(&mut S) -> &mut T,
}

/// The slot of a field.
macro_rules! at {
    // Of a part that definitions have in common.
    (shared $type:ty: $($field:tt).+) => {
        &$crate::toml::key::At::<Self, $type> { get: |section| &section.$($field).+, get_mut: |section| &mut section.$($field).+ }
    };
    ($($field:tt).+) => {
        &$crate::toml::key::At { get: |section: &Self| &section.$($field).+, get_mut: |section: &mut Self| &mut section.$($field).+ }
    };
}
pub(super) use at;

impl<S, T: Form> Slot<S> for At<S, T> {
    fn shape(&self) -> Shape {
        T::shape()
    }

    fn read(&self, section: &mut S, node: &Node<'_>, reader: &mut Reader<'_>) {
        (self.get_mut)(section).read(node, reader);
    }

    fn write(&self, section: &S, extent: Extent) -> Value {
        match extent {
            Extent::Changed => (self.get)(section).write(),
            Extent::All => (self.get)(section).write_all(),
        }
    }
}

/// The value is kept in another type than it is written in.
pub(super) struct Via<S, T> {
    pub(super) get: fn(&S) -> T,
    pub(super) set: fn(&mut S, T),
}

impl<S, T: Form> Slot<S> for Via<S, T> {
    fn shape(&self) -> Shape {
        T::shape()
    }

    fn read(&self, section: &mut S, node: &Node<'_>, reader: &mut Reader<'_>) {
        let mut value = (self.get)(section);
        let faults = reader.faults.len();
        value.read(node, reader);
        if reader.faults.len() == faults {
            (self.set)(section, value);
        }
    }

    fn write(&self, section: &S, extent: Extent) -> Value {
        match extent {
            Extent::Changed => (self.get)(section).write(),
            Extent::All => (self.get)(section).write_all(),
        }
    }
}

/// Takes over every key of `table`; a key nobody knows is a fault.
pub(super) fn read_keys<S: Section>(section: &mut S, table: &DeTable<'_>, reader: &mut Reader<'_>) {
    for (name, node) in table {
        match S::KEYS.iter().find(|key| key.name == name.get_ref()) {
            Some(key) => reader.below(key.name, |reader| key.slot.read(section, node, reader)),
            None => unknown::<S>(name.get_ref(), name.span(), reader),
        }
    }
}

fn unknown<S: Section>(name: &str, span: std::ops::Range<usize>, reader: &mut Reader<'_>) {
    let path = reader.below(name, |reader| reader.key());
    let action = match nearest(name, S::KEYS.iter().map(|key| key.name)) {
        Some(known) => format!("write `{known}`"),
        None => "remove it, or see `aplomb schema` for the keys there are".into(),
    };
    reader.refuse(span, format!("there is no key `{path}`"), action);
}

/// Reads a section written as a table, or as the one value its short form stands for.
pub(super) fn read_section<S: Section>(section: &mut S, node: &Node<'_>, reader: &mut Reader<'_>) {
    let short = S::KEYS.iter().find(|key| Some(key.name) == S::SHORT);
    match (table_of(node), short) {
        (Some(table), _) => read_keys(section, table, reader),
        (None, Some(key)) => key.slot.read(section, node, reader),
        (None, None) => reader.wrong(node, "a table"),
    }
}

/// What differs from the defaults, in the order of the table.
pub(super) fn write_changed<S: Section>(section: &S) -> Vec<(String, Value)> {
    let initial = S::initial();
    let changed = |key: &Key<S>| {
        let value = key.slot.write(section, Extent::Changed);
        let differs = value != Value::Absent && value != key.slot.write(&initial, Extent::Changed);
        differs.then(|| (key.name.into(), value))
    };
    S::KEYS.iter().filter_map(changed).collect()
}

/// What differs from the defaults, in short form where that says it all.
pub(super) fn write_section<S: Section>(section: &S) -> Value {
    let mut changed = write_changed(section);
    match &mut changed[..] {
        // A table would be taken for the section's own.
        [(key, value)] if Some(key.as_str()) == S::SHORT && !matches!(value, Value::Table(_)) => {
            std::mem::replace(value, Value::Absent)
        }
        _ => Value::Table(changed),
    }
}

/// Every key that has a value.
pub(super) fn write_everything<S: Section>(section: &S) -> Value {
    let all = S::KEYS.iter().filter_map(|key| {
        let value = key.slot.write(section, Extent::All);
        (value != Value::Absent).then(|| (key.name.into(), value))
    });
    Value::Table(all.collect())
}

/// The form of a section: its table, or what its short form takes.
pub(super) fn section_shape<S: Section>() -> Shape {
    let table = Shape::Table(Table {
        short: S::SHORT,
        facts: facts::<S>(),
    });
    let short = S::KEYS.iter().find(|key| Some(key.name) == S::SHORT);
    match short {
        Some(key) => Shape::AnyOf(vec![table, key.slot.shape()]),
        None => table,
    }
}

/// What is known of every key of the section.
pub(super) fn facts<S: Section>() -> Vec<Fact> {
    let initial = S::initial();
    let fact = |key: &Key<S>| Fact {
        name: key.name,
        doc: key.doc,
        shape: key.slot.shape(),
        default: key.slot.write(&initial, Extent::Changed),
    };
    S::KEYS.iter().map(fact).collect()
}
