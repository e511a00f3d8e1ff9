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
    let table = table_in(&fact.shape);
    rows.push(Row {
        key: key.clone(),
        takes: takes(&fact.shape, table),
        default: default(fact, table),
        doc: fact.doc,
    });
    let Some(table) = table else { return };
    let below = format!("{key}.");
    for fact in &table.facts {
        // A command is told once, with `command` itself.
        let of_command = COMMAND.contains(&fact.name) && !parent.is_empty();
        if !of_command {
            add(rows, &below, fact);
        }
    }
}

/// What a command written as a table says beside its words.
const COMMAND: &[&str] = &["argv0", "ignore-failure", "as", "expand"];

fn default(fact: &Fact, table: Option<&Table>) -> Option<String> {
    match &fact.default {
        Value::Absent => None,
        // What a table holds by default stands with its keys.
        Value::Table(_) | Value::List(_) if table.is_some() => None,
        Value::Table(entries) if entries.is_empty() => None,
        Value::List(items) if items.is_empty() => None,
        given => Some(given.inline()),
    }
}

/// The table a value may be, unless it is a table of a command with nothing more to say here.
fn table_in(shape: &Shape) -> Option<&Table> {
    match shape {
        Shape::Table(table) => Some(table),
        Shape::AnyOf(shapes) => shapes.iter().find_map(table_in),
        Shape::List(item) => table_in(item),
        Shape::Bool
        | Shape::Integer { .. }
        | Shape::Number { .. }
        | Shape::Text(_)
        | Shape::Word(_)
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
