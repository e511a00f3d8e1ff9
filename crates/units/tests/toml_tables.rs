//! What follows from the tables of keys: the schema, the manual, the defaults. And that the tables are complete.
#![expect(clippy::unwrap_used, reason = "helpers of tests, which may panic")]

use aplomb_core::Spec;
use aplomb_units::toml::{self, Fact, Shape, manual};
use aplomb_units::{Source, diagnostic};
use regex_lite::Regex;
use serde_json::Value as Json;

const EVERY_KEY: &str = include_str!("../../../fuzz/corpus/toml/every-key.toml");

fn schema() -> Json {
    serde_json::to_value(toml::schema()).unwrap()
}

fn specs(text: &str) -> Vec<Spec> {
    let mut faults = Vec::new();
    let loaded = toml::read(&Source::new("/srv/shop.toml", text), &mut faults);
    assert!(!diagnostic::refused(&faults), "{faults:#?}");
    loaded.into_iter().map(|loaded| loaded.spec).collect()
}

#[test]
fn the_file_of_every_key_has_every_key_and_no_fault() {
    assert_eq!(specs(EVERY_KEY).len(), 13);
    let words: Vec<&str> = EVERY_KEY
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
        .collect();
    let mut missing = Vec::new();
    visit(&toml::keys(), &mut |fact| {
        if !words.contains(&fact.name) {
            missing.push(fact.name);
        }
    });
    assert_eq!(missing, Vec::<&str>::new());
}

fn visit(facts: &[Fact], see: &mut dyn FnMut(&Fact)) {
    for fact in facts {
        see(fact);
        visit_shape(&fact.shape, see);
    }
}

fn visit_shape(shape: &Shape, see: &mut dyn FnMut(&Fact)) {
    match shape {
        Shape::Table(table) => visit(&table.facts, see),
        Shape::List(inner)
        | Shape::OneOrMore(inner)
        | Shape::Named(_, inner)
        | Shape::Map(inner) => visit_shape(inner, see),
        Shape::AnyOf(shapes) => shapes.iter().for_each(|shape| visit_shape(shape, see)),
        Shape::Bool
        | Shape::Integer { .. }
        | Shape::Number { .. }
        | Shape::Text(_)
        | Shape::Word(_) => {}
    }
}

#[test]
fn every_key_is_told_in_one_sentence() {
    visit(&toml::keys(), &mut |fact| {
        assert!(
            !fact.doc.is_empty() && !fact.doc.ends_with('.'),
            "{}",
            fact.name
        );
        assert!(!fact.shape.describe().is_empty(), "{}", fact.name);
        let key = fact
            .name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c == '-' || c.is_ascii_digit());
        assert!(key, "{}", fact.name);
    });
}

#[test]
fn the_schema_takes_what_the_reader_takes() {
    let schema = schema();
    let file: Json = serde_json::to_value(document(EVERY_KEY)).unwrap();
    assert_eq!(fault(&schema, &schema, &file, "file"), None);
    for spec in specs(EVERY_KEY) {
        for text in [toml::write(&spec), toml::write_all(&spec)] {
            let file = serde_json::to_value(document(&text)).unwrap();
            assert_eq!(fault(&schema, &schema, &file, "file"), None, "{text}");
        }
    }
}

#[test]
fn the_schema_refuses_slips() {
    let schema = schema();
    for slip in [
        "[service.web]\ncomand = 'x'",
        "[service.web]\nrestart = 'allways'",
        "[service.web]\nstart-timeout = 90",
        "[service.web]\nnice = 40",
        "[service.web.restart]\ndely = '1s'",
        "[service.'my web']\ncommand = 'x'",
        "[servce.web]\ncommand = 'x'",
    ] {
        let file = serde_json::to_value(document(slip)).unwrap();
        assert!(fault(&schema, &schema, &file, "file").is_some(), "{slip}");
    }
}

/// TOML as JSON, through the crate that edits it.
fn document(text: &str) -> Json {
    let document: toml_edit::DocumentMut = text.parse().unwrap();
    json(document.as_item())
}

fn json(item: &toml_edit::Item) -> Json {
    if let Some(table) = item.as_table_like() {
        return table
            .iter()
            .map(|(key, item)| (key.to_string(), json(item)))
            .collect();
    }
    if let Some(items) = item.as_array() {
        let items = items.iter().cloned().map(toml_edit::Item::Value);
        return items.map(|item| json(&item)).collect();
    }
    if let Some(text) = item.as_str() {
        return text.into();
    }
    if let Some(number) = item.as_integer() {
        return number.into();
    }
    if let Some(number) = item.as_float() {
        return number.into();
    }
    item.as_bool().unwrap().into()
}

/// Where and why a value does not keep a schema; the words of draft 2020-12 ours is written in.
fn fault(root: &Json, schema: &Json, value: &Json, at: &str) -> Option<String> {
    let no = |why: &str| Some(format!("{at}: {why}: {value}"));
    if let Some(reference) = schema["$ref"].as_str() {
        let target = root.pointer(reference.strip_prefix('#').unwrap()).unwrap();
        return fault(root, target, value, at);
    }
    if let Some(any) = schema["anyOf"].as_array() {
        let faults: Vec<String> = any
            .iter()
            .filter_map(|one| fault(root, one, value, at))
            .collect();
        return (faults.len() == any.len()).then(|| faults.join("\n"));
    }
    if let Some(words) = schema["enum"].as_array() {
        return if words.contains(value) {
            None
        } else {
            no("no such word")
        };
    }
    let fits = match schema["type"].as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        other => panic!("type {other}"),
    };
    if !fits {
        return no("wrong type");
    }
    if let (Some(pattern), Some(text)) = (schema["pattern"].as_str(), value.as_str())
        && !Regex::new(pattern).unwrap().is_match(text)
    {
        return no(pattern);
    }
    if let Some(number) = value.as_f64() {
        let bound = |name: &str, other: f64| schema[name].as_f64().unwrap_or(other);
        if number < bound("minimum", f64::MIN) || number > bound("maximum", f64::MAX) {
            return no("out of range");
        }
    }
    for item in value.as_array().into_iter().flatten() {
        if let Some(why) = fault(root, &schema["items"], item, at) {
            return Some(why);
        }
    }
    for (key, value) in value.as_object().into_iter().flatten() {
        let at = format!("{at}.{key}");
        if let Some(pattern) = schema["propertyNames"]["pattern"].as_str()
            && !Regex::new(pattern).unwrap().is_match(key)
        {
            return Some(format!("{at}: bad name"));
        }
        let why = match (&schema["properties"][key], &schema["additionalProperties"]) {
            (Json::Null, Json::Bool(false)) => Some(format!("{at}: unknown key")),
            (Json::Null, rest) => fault(root, rest, value, &at),
            (known, _) => fault(root, known, value, &at),
        };
        if why.is_some() {
            return why;
        }
    }
    None
}

#[test]
fn a_key_in_the_manual_says_what_it_takes_and_its_default() {
    let page = manual::roff();
    assert!(
        page.contains(
            ".TP\n.B restart.delay\nThe wait before the first restart.\nTakes a duration such as \"10s\" or \"1m30s\".\nDefault: \"100ms\".\n"
        ),
        "{page}"
    );
    let table = manual::markdown();
    assert!(
        table.contains(
            "| `stop.budget` | The time the whole stop may take, `pre` and the kill margin included | a duration such as \"10s\" or \"1m30s\" or \"none\" | `\"30s\"` |"
        ),
        "{table}"
    );
    for text in [page, table] {
        assert!(text.lines().count() > 150);
    }
}

#[test]
fn defaults_are_marked_where_all_settings_are_written() {
    let mut spec = Spec::new("web");
    spec.start.push(aplomb_core::spec::Command {
        program: "/bin/x".into(),
        ..Default::default()
    });
    spec.restart.delay = std::time::Duration::from_secs(10);
    let text = toml::write_all(&spec);
    for line in [
        "command = [\"/bin/x\"]\n",
        "# user is not set\n",
        "start-timeout = \"1m30s\" # default\n",
        "watchdog = \"none\" # default\n",
        "\n[service.web.restart]\nwhen = \"on-failure\" # default\ndelay = \"10s\"\nfactor = 2 # default\n",
    ] {
        assert!(text.contains(line), "{line:?} in\n{text}");
    }
    let json = serde_json::to_value(toml::json(&spec)).unwrap();
    assert_eq!(json["name"], "web");
    assert_eq!(json["restart"]["delay"], "10s");
    assert_eq!(json["stop"]["budget"], "30s");
    assert_eq!(json["user"], Json::Null);
}
