//! The dialect as JSON Schema (draft 2020-12), for editors that complete and check TOML while it is written.
//!
//! Derived from the tables of keys. It is a little wider than the reader (a schema cannot compile a regular expression
//! or compare two durations), never narrower.

use super::shape::{Fact, Shape, Table};
use super::value::Value;
use super::write::keys;

const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";
/// As `words::check_name`.
const NAME: &str = "^[A-Za-z0-9_][A-Za-z0-9._-]*(@[A-Za-z0-9._-]+)?$";

/// The schema of a whole file.
pub fn schema() -> Value {
    let service = table_schema(&Table {
        short: None,
        facts: keys(),
    });
    let reference = || object([("$ref", text("#/$defs/service"))]);
    let services = object([
        ("type", text("object")),
        ("description", text("Services by name")),
        ("propertyNames", object([("pattern", text(NAME))])),
        ("additionalProperties", reference()),
    ]);
    let default = object([
        (
            "description",
            text("Settings of every service that does not say otherwise"),
        ),
        ("$ref", text("#/$defs/service")),
    ]);
    object([
        ("$schema", text(DRAFT)),
        ("title", text("A stack of services for Aplomb")),
        ("type", text("object")),
        (
            "properties",
            object([("service", services), ("default", default)]),
        ),
        ("additionalProperties", Value::Bool(false)),
        ("$defs", object([("service", service)])),
    ])
}

fn text(text: &str) -> Value {
    Value::text(text)
}

fn object<const N: usize>(entries: [(&str, Value); N]) -> Value {
    let entries = entries.into_iter();
    Value::Table(entries.map(|(key, value)| (key.into(), value)).collect())
}

fn of_type(name: &str) -> Vec<(String, Value)> {
    vec![("type".into(), text(name))]
}

fn shape_schema(shape: &Shape) -> Vec<(String, Value)> {
    match shape {
        Shape::Bool => of_type("boolean"),
        Shape::Integer { min, max } => {
            let mut schema = of_type("integer");
            schema.extend([
                ("minimum".into(), Value::Integer(*min)),
                ("maximum".into(), Value::Integer(*max)),
            ]);
            schema
        }
        Shape::Number { min } => {
            let mut schema = of_type("number");
            schema.push(("minimum".into(), Value::Number(*min)));
            schema
        }
        Shape::Text(inner) => {
            let mut schema = of_type("string");
            schema.extend(
                inner
                    .pattern
                    .map(|pattern| ("pattern".into(), text(pattern))),
            );
            schema
        }
        Shape::Word(words) => {
            let words = words.iter().map(|word| text(word)).collect();
            vec![("enum".into(), Value::List(words))]
        }
        Shape::List(item) => {
            let mut schema = of_type("array");
            schema.push(("items".into(), Value::Table(shape_schema(item))));
            schema
        }
        Shape::OneOrMore(one) => {
            let several = shape_schema(&Shape::List(one.clone()));
            let both = [Value::Table(shape_schema(one)), Value::Table(several)];
            vec![("anyOf".into(), Value::List(both.into()))]
        }
        Shape::Named(_, shape) => shape_schema(shape),
        Shape::Map(value) => {
            let mut schema = of_type("object");
            let value = Value::Table(shape_schema(value));
            schema.push(("additionalProperties".into(), value));
            schema
        }
        Shape::Table(table) => entries(table),
        Shape::AnyOf(shapes) => {
            let shapes = shapes.iter().map(|shape| Value::Table(shape_schema(shape)));
            vec![("anyOf".into(), Value::List(shapes.collect()))]
        }
    }
}

fn table_schema(table: &Table) -> Value {
    Value::Table(entries(table))
}

fn entries(table: &Table) -> Vec<(String, Value)> {
    let properties = table
        .facts
        .iter()
        .map(|fact| (fact.name.into(), fact_schema(fact)));
    let mut schema = of_type("object");
    schema.push(("properties".into(), Value::Table(properties.collect())));
    schema.push(("additionalProperties".into(), Value::Bool(false)));
    schema
}

fn fact_schema(fact: &Fact) -> Value {
    let mut schema = vec![("description".into(), text(fact.doc))];
    schema.extend(shape_schema(&fact.shape));
    if fact.default != Value::Absent {
        schema.push(("default".into(), fact.default.clone()));
    }
    Value::Table(schema)
}
