//! Specs as text: only what differs from the defaults, keys in the order of the tables, small tables in one line.

use aplomb_core::Spec;

use super::instances_fact;
use super::key::{Section, facts, write_changed};
use super::service::Service;
use super::shape::Fact;
use super::value::{Value, print_key};

/// The longest line a table is written in before it gets a header of its own.
const LINE: usize = 100;

/// One service as a `[service.NAME]` table. Reading it back gives the same spec.
pub fn write(spec: &Spec) -> String {
    let settings = write_changed(&Service::of(spec));
    let mut text = String::new();
    table(
        &mut text,
        &format!("service.{}", print_key(&spec.name)),
        &settings,
    );
    text
}

/// Every setting of a service by its key, defaults included, for `show --json`.
pub fn json(spec: &Spec) -> Value {
    let service = Service::of(spec);
    let entries = Service::KEYS
        .iter()
        .map(|key| (key.name.to_string(), key.slot.write(&service)));
    Value::Table(
        std::iter::once(("name".to_string(), Value::text(&spec.name)))
            .chain(entries)
            .collect(),
    )
}

/// What is known of every key of a `[service.NAME]` table.
pub fn keys() -> Vec<Fact> {
    let mut facts = facts::<Service>();
    facts.push(instances_fact());
    facts
}

fn table(text: &mut String, path: &str, entries: &[(String, Value)]) {
    text.push_str(&format!("[{path}]\n"));
    let mut below = Vec::new();
    for (key, value) in entries {
        let line = format!("{} = {}", print_key(key), value.inline());
        match value {
            Value::Table(entries) if line.len() > LINE => below.push((key, entries)),
            Value::List(items) if line.len() > LINE => long_list(text, key, items),
            Value::Absent => {}
            Value::Bool(_)
            | Value::Integer(_)
            | Value::Number(_)
            | Value::Text(_)
            | Value::List(_)
            | Value::Table(_) => {
                text.push_str(&line);
                text.push('\n');
            }
        }
    }
    for (key, entries) in below {
        text.push('\n');
        table(text, &format!("{path}.{}", print_key(key)), entries);
    }
}

fn long_list(text: &mut String, key: &str, items: &[Value]) {
    text.push_str(&format!("{} = [\n", print_key(key)));
    for item in items {
        text.push_str(&format!("    {},\n", item.inline()));
    }
    text.push_str("]\n");
}
