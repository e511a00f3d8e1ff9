//! The tables of keys for people: a part of the manual page aplomb-unit(5), as roff and as Markdown.

use super::shape::{Fact, Shape, Table};
use super::value::Value;
use super::write::keys;

/// One line of the table: a key with all its parents.
struct Row {
    key: String,
    takes: String,
    default: Option<String>,
    doc: &'static str,
}

/// All keys of a service, each below its table: `restart`, `restart.when` and so on.
fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for fact in keys() {
        add(&mut rows, "", &fact);
    }
    rows
}

fn add(rows: &mut Vec<Row>, parent: &str, fact: &Fact) {
    let key = format!("{parent}{}", fact.name);
    let table = match (parent, fact.name) {
        ("", "command") => table_in(named(&fact.shape)),
        (_, _) => table_in(&fact.shape),
    };
    rows.push(Row {
        key: key.clone(),
        takes: takes(&fact.shape, table),
        default: default(fact, table),
        doc: fact.doc,
    });
    let Some(table) = table else { return };
    let below = format!("{key}.");
    for fact in &table.facts {
        add(rows, &below, fact);
    }
}

fn default(fact: &Fact, table: Option<&Table>) -> Option<String> {
    let said = match &fact.default {
        Value::Absent => false,
        // What a table holds by default stands with its keys.
        Value::Table(entries) => table.is_none() && !entries.is_empty(),
        Value::List(items) => table.is_none() && !items.is_empty(),
        Value::Bool(_) | Value::Integer(_) | Value::Number(_) | Value::Text(_) => true,
    };
    said.then(|| fact.default.inline())
}

/// What a name stands for. Commands are told once, with the key `command` of a service.
fn named(shape: &Shape) -> &Shape {
    match shape {
        Shape::Named(_, shape) | Shape::OneOrMore(shape) => named(shape),
        Shape::Bool
        | Shape::Integer { .. }
        | Shape::Number { .. }
        | Shape::Text(_)
        | Shape::Word(_)
        | Shape::List(_)
        | Shape::Map(_)
        | Shape::Table(_)
        | Shape::AnyOf(_) => shape,
    }
}

/// The table a value may be, unless it is told elsewhere.
fn table_in(shape: &Shape) -> Option<&Table> {
    match shape {
        Shape::Table(table) => Some(table),
        Shape::AnyOf(shapes) => shapes.iter().find_map(table_in),
        Shape::List(item) | Shape::OneOrMore(item) => table_in(item),
        Shape::Bool
        | Shape::Integer { .. }
        | Shape::Number { .. }
        | Shape::Text(_)
        | Shape::Word(_)
        | Shape::Named(..)
        | Shape::Map(_) => None,
    }
}

fn takes(shape: &Shape, table: Option<&Table>) -> String {
    match table {
        Some(Table {
            short: Some(short), ..
        }) => format!("a table, or the value of its key {short}"),
        Some(_) | None => shape.describe(),
    }
}

/// The keys as sections of a manual page, for inclusion below a heading of its own.
pub fn roff() -> String {
    let mut text = String::new();
    for row in rows() {
        text.push_str(&format!(".TP\n.B {}\n", escaped(&row.key)));
        text.push_str(&format!("{}.\n", escaped(row.doc)));
        text.push_str(&format!("Takes {}.\n", escaped(&row.takes)));
        if let Some(default) = &row.default {
            text.push_str(&format!("Default: {}.\n", escaped(default)));
        }
    }
    text
}

/// `text` with everything roff gives a meaning to made plain.
fn escaped(text: &str) -> String {
    let plain = text.replace('\\', "\\e").replace('-', "\\-");
    if plain.starts_with(['.', '\'']) {
        format!("\\&{plain}")
    } else {
        plain
    }
}

/// The keys as one Markdown table.
pub fn markdown() -> String {
    let mut text = String::from("| key | what it is for | takes | default |\n|---|---|---|---|\n");
    for row in rows() {
        let default = match &row.default {
            Some(default) => format!("`{default}`"),
            None => String::new(),
        };
        let cells = [&format!("`{}`", row.key), row.doc, &row.takes, &default];
        let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        text.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    text
}
