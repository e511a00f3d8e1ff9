//! Specs as text: what differs from the defaults, or every setting with the defaults marked. Keys stand in the order
//! of the tables, and a table that fits in a line is written in one.

use aplomb_core::Spec;

use super::key::{Extent, Section, facts, write_changed};
use super::service::Service;
use super::shape::Fact;
use super::value::{Value, print_key};

/// The longest line a table or list is written in before it gets lines of its own.
const LINE: usize = 100;

/// One service as a `[service.NAME]` table. Reading it back gives the same spec.
pub fn write(spec: &Spec) -> String {
    let settings = write_changed(&Service::of(spec));
    let mut text = String::new();
    table(&mut text, &header(spec), &settings);
    text
}

/// The same with every setting, those at their defaults marked so, and comments for those that have none. Reading it
/// back gives the same spec too.
pub fn write_all(spec: &Spec) -> String {
    let (given, initial) = (everything(spec), everything(&Spec::new("")));
    let mut text = String::new();
    table_all(&mut text, &header(spec), &given, Some(&initial));
    text
}

/// Every setting of a service by its key, defaults included, for `show --json`.
pub fn json(spec: &Spec) -> Value {
    let mut settings = everything(spec);
    settings.insert(0, ("name".into(), Value::text(&spec.name)));
    Value::Table(settings)
}

/// What is known of every key of a `[service.NAME]` table.
pub fn keys() -> Vec<Fact> {
    facts::<Service>()
}

fn header(spec: &Spec) -> String {
    format!("service.{}", print_key(&spec.name))
}

fn everything(spec: &Spec) -> Vec<(String, Value)> {
    let service = Service::of(spec);
    let all = Service::KEYS.iter();
    all.map(|key| (key.name.into(), key.slot.write(&service, Extent::All)))
        .collect()
}

fn table(text: &mut String, path: &str, entries: &[(String, Value)]) {
    text.push_str(&format!("[{path}]\n"));
    let mut below = Vec::new();
    for (key, value) in entries {
        match value {
            Value::Table(entries) if !fits(key, value) => below.push((key, entries)),
            Value::Absent => {}
            Value::Bool(_)
            | Value::Integer(_)
            | Value::Number(_)
            | Value::Text(_)
            | Value::List(_)
            | Value::Table(_) => line(text, key, value, ""),
        }
    }
    for (key, entries) in below {
        text.push('\n');
        table(text, &format!("{path}.{}", print_key(key)), entries);
    }
}

fn table_all(
    text: &mut String,
    path: &str,
    entries: &[(String, Value)],
    initial: Option<&[(String, Value)]>,
) {
    text.push_str(&format!("[{path}]\n"));
    let mut below = Vec::new();
    for (key, value) in entries {
        let initial = initial.and_then(|entries| find(entries, key));
        match value {
            Value::Table(entries) if !entries.is_empty() => below.push((key, entries, initial)),
            Value::Absent => text.push_str(&format!("# {key} is not set\n")),
            Value::Bool(_)
            | Value::Integer(_)
            | Value::Number(_)
            | Value::Text(_)
            | Value::List(_)
            | Value::Table(_) => {
                let default = initial == Some(value);
                line(text, key, value, if default { " # default" } else { "" });
            }
        }
    }
    for (key, entries, initial) in below {
        text.push('\n');
        let initial = initial.and_then(|initial| match initial {
            Value::Table(entries) => Some(entries.as_slice()),
            Value::Absent
            | Value::Bool(_)
            | Value::Integer(_)
            | Value::Number(_)
            | Value::Text(_)
            | Value::List(_) => None,
        });
        let path = format!("{path}.{}", print_key(key));
        table_all(text, &path, entries, initial);
    }
}

fn find<'a>(entries: &'a [(String, Value)], key: &str) -> Option<&'a Value> {
    let (_, value) = entries.iter().find(|(known, _)| known == key)?;
    Some(value)
}

fn fits(key: &str, value: &Value) -> bool {
    key.len() + 3 + value.inline().len() <= LINE
}

fn line(text: &mut String, key: &str, value: &Value, remark: &str) {
    text.push_str(&format!("{} = ", print_key(key)));
    match value {
        Value::List(items) if !fits(key, value) => {
            text.push_str("[\n");
            for item in items {
                text.push_str(&format!("    {},\n", item.inline()));
            }
            text.push(']');
        }
        Value::List(_)
        | Value::Absent
        | Value::Bool(_)
        | Value::Integer(_)
        | Value::Number(_)
        | Value::Text(_)
        | Value::Table(_) => text.push_str(&value.inline()),
    }
    text.push_str(&format!("{remark}\n"));
}
