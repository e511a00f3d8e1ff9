//! Changing one setting in the text of a file, with everything around it left as its author wrote it.
//!
//! A change that would make the file worse (a fault that was not there before) is not made, and the fault is returned.

use toml_edit::{DocumentMut, InlineTable, Item, TableLike, Value as Edited};

use super::shape::{Fact, Shape, Table as Keys};
use super::write::keys;
use crate::diagnostic::{Diagnostic, Place, Severity};
use crate::source::Source;
use crate::words::nearest;

/// What is written for a key (`restart.delay`) of a service, as TOML; `None` if nothing is, so that its default holds.
///
/// # Errors
///
/// The file cannot be parsed or has no such service, or there is no such key.
pub fn get(source: &Source, service: &str, key: &str) -> Result<Option<String>, Diagnostic> {
    let mut document = Document::parse(source)?;
    let path = document.path(key)?;
    let mut item = document.service(service)?;
    for (depth, part) in path.iter().enumerate() {
        let is_short_form = depth > 0 && !item.is_table_like();
        if is_short_form && path.len() == depth + 1 && short_key(&path[..depth]) == Some(part) {
            break;
        }
        match item
            .as_table_like_mut()
            .and_then(|table| table.get_mut(part))
        {
            Some(below) => item = below,
            None => return Ok(None),
        }
    }
    if let Item::Value(value) = item {
        // Blanks and comments around it are no part of the value.
        *value.decor_mut() = toml_edit::Decor::default();
    }
    Ok(Some(item.to_string().trim().into()))
}

/// The text with a key of a service set. The value is TOML (`["a", "b"]`, `8080`, `true`) where it is such and the key
/// takes it, else a text (`10s`).
///
/// # Errors
///
/// As [`get`]; and the first fault the change would bring.
pub fn set(source: &Source, service: &str, key: &str, value: &str) -> Result<String, Diagnostic> {
    let literal = value.parse::<Edited>().ok();
    let text = Edited::from(value);
    let mut fault = None;
    for value in literal.into_iter().chain([text]) {
        let mut document = Document::parse(source)?;
        let path = document.path(key)?;
        put(document.service(service)?, &path, &path, value);
        match checked(source, document.text()) {
            Ok(text) => return Ok(text),
            Err(why) => fault = fault.or(Some(why)),
        }
    }
    Err(fault.unwrap_or_else(|| nothing_to_say(source)))
}

/// The text without a key of a service, so that its default holds again; the same text if it is not there.
///
/// # Errors
///
/// As [`set`].
pub fn reset(source: &Source, service: &str, key: &str) -> Result<String, Diagnostic> {
    let mut document = Document::parse(source)?;
    let path = document.path(key)?;
    take(document.service(service)?, &path, &path);
    checked(source, document.text())
}

/// The text without a service.
///
/// # Errors
///
/// The file cannot be parsed or has no such service.
pub fn remove(source: &Source, service: &str) -> Result<String, Diagnostic> {
    let mut document = Document::parse(source)?;
    document.service(service)?;
    if let Some(services) = document.services() {
        services.remove(service);
    }
    Ok(document.text())
}

/// What is known of a key (`restart.delay`); `None` for one nobody knows, and for those an operator chooses.
pub fn fact(key: &str) -> Option<Fact> {
    let mut facts = keys();
    let mut parts = key.split('.').peekable();
    while let Some(part) = parts.next() {
        let fact = facts.into_iter().find(|fact| fact.name == part)?;
        if parts.peek().is_none() {
            return Some(fact);
        }
        facts = table_of(fact.shape)?.facts;
    }
    None
}

struct Document<'a> {
    source: &'a Source,
    document: DocumentMut,
}

impl<'a> Document<'a> {
    fn parse(source: &'a Source) -> Result<Document<'a>, Diagnostic> {
        match source.text.parse() {
            Ok(document) => Ok(Document { source, document }),
            Err(_) => {
                Err(first_fault(source, &source.text).unwrap_or_else(|| nothing_to_say(source)))
            }
        }
    }

    fn text(&self) -> String {
        self.document.to_string()
    }

    fn services(&mut self) -> Option<&mut dyn TableLike> {
        self.document.get_mut("service")?.as_table_like_mut()
    }

    fn fault(&self, message: String, action: String) -> Diagnostic {
        Diagnostic::refused(Place::new(&self.source.path, 0..0), message, action)
    }

    fn service(&mut self, name: &str) -> Result<&mut Item, Diagnostic> {
        let names: Vec<String> = self
            .services()
            .map(|services| services.iter().map(|(name, _)| name.to_string()).collect())
            .unwrap_or_default();
        if !names.iter().any(|known| known == name) {
            let family = name.split_once('@').map_or(name, |(family, _)| family);
            let action = match nearest(name, names.iter().map(String::as_str)) {
                _ if names.iter().any(|known| known == family) => {
                    format!("name `{family}`, whose instances have their settings in common")
                }
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("define it below [service.{name}]"),
            };
            return Err(self.fault(format!("there is no service `{name}` in this file"), action));
        }
        let missing = self.fault(
            format!("`service.{name}` is no table"),
            "make it one".into(),
        );
        let found = self.services().and_then(|services| services.get_mut(name));
        found.filter(|item| item.is_table_like()).ok_or(missing)
    }

    /// The parts of a key; a key nobody knows is a fault.
    fn path(&self, key: &str) -> Result<Vec<String>, Diagnostic> {
        let parts: Vec<String> = match toml_edit::Key::parse(key) {
            Ok(parts) => parts.iter().map(|part| part.get().to_string()).collect(),
            Err(_) => key.split('.').map(String::from).collect(),
        };
        let facts = keys();
        let first = parts.first().map_or("", String::as_str);
        if facts.iter().any(|fact| fact.name == first) {
            return Ok(parts);
        }
        let action = match nearest(first, facts.iter().map(|fact| fact.name)) {
            Some(known) => format!("did you mean `{known}`?"),
            None => "see `aplomb schema` for the keys there are".into(),
        };
        Err(self.fault(format!("there is no key `{first}`"), action))
    }
}

/// The key a bare value of the section at `path` stands for.
fn short_key(path: &[String]) -> Option<&'static str> {
    let mut facts = keys();
    let mut short = None;
    for part in path {
        let fact = facts.into_iter().find(|fact| fact.name == part)?;
        let table = table_of(fact.shape)?;
        short = table.short;
        facts = table.facts;
    }
    short
}

fn table_of(shape: Shape) -> Option<Keys> {
    match shape {
        Shape::Table(table) => Some(table),
        Shape::AnyOf(shapes) => shapes.into_iter().find_map(table_of),
        Shape::Named(_, shape) => table_of(*shape),
        Shape::Bool
        | Shape::Integer { .. }
        | Shape::Number { .. }
        | Shape::Text(_)
        | Shape::Word(_)
        | Shape::List(_)
        | Shape::OneOrMore(_)
        | Shape::Map(_) => None,
    }
}

/// Puts a value at `rest` below `item`; `whole` is the path from the service on.
fn put(item: &mut Item, rest: &[String], whole: &[String], value: Edited) {
    let Some((first, below)) = rest.split_first() else {
        return;
    };
    let done = &whole[..whole.len() - rest.len()];
    open(item, done);
    let Some(table) = item.as_table_like_mut() else {
        return;
    };
    if !below.is_empty() {
        let inner = table
            .entry(first)
            .or_insert(Item::Value(InlineTable::new().into()));
        put(inner, below, whole, value);
        return;
    }
    match table.get_mut(first).and_then(Item::as_value_mut) {
        Some(old) => {
            let around = old.decor().clone();
            *old = value;
            *old.decor_mut() = around;
        }
        None => {
            table.insert(first, Item::Value(value));
        }
    }
}

/// Turns a section in its short form (`restart = "always"`) into a table, so that more can be said.
fn open(item: &mut Item, path: &[String]) {
    if item.is_table_like() {
        return;
    }
    let mut table = InlineTable::new();
    if let (Some(key), Some(old)) = (short_key(path), item.as_value()) {
        let mut old = old.clone();
        *old.decor_mut() = toml_edit::Decor::default();
        table.insert(key, old);
    }
    let around = item.as_value().map(|value| value.decor().clone());
    let mut value = Edited::from(table);
    if let Some(around) = around {
        *value.decor_mut() = around;
    }
    *item = Item::Value(value);
}

/// Takes away what is at `rest` below `item`, and tables that are empty then; `whole` is the path from the service on.
fn take(item: &mut Item, rest: &[String], whole: &[String]) {
    let Some((first, below)) = rest.split_first() else {
        return;
    };
    let Some(table) = item.as_table_like_mut() else {
        return;
    };
    if !below.is_empty()
        && let Some(inner) = table.get_mut(first)
    {
        take(inner, below, whole);
        let here = &whole[..whole.len() - below.len()];
        let gone = match inner.as_table_like() {
            Some(inner) => inner.is_empty(),
            None => below.len() == 1 && short_key(here) == Some(&below[0]),
        };
        if !gone {
            return;
        }
    }
    table.remove(first);
}

/// The text, unless it has a fault the source does not have.
fn checked(source: &Source, text: String) -> Result<String, Diagnostic> {
    match first_fault(source, &text) {
        Some(fault) => Err(fault),
        None => Ok(text),
    }
}

/// The first fault of a text that the source does not have.
fn first_fault(source: &Source, text: &str) -> Option<Diagnostic> {
    let told = |text: &str| {
        let mut faults = Vec::new();
        let source = Source {
            text: text.into(),
            ..source.clone()
        };
        super::read(&source, &mut faults);
        faults.retain(|fault| fault.severity == Severity::Refused);
        faults
    };
    let before = if text == source.text {
        Vec::new()
    } else {
        told(&source.text)
    };
    let fault = told(text)
        .into_iter()
        .find(|fault| !before.iter().any(|old| old.message == fault.message))?;
    // Its place is in a text nobody has seen.
    let place = Place::new(
        &source.path,
        if text == source.text {
            fault.place.span.clone()
        } else {
            0..0
        },
    );
    Some(Diagnostic { place, ..fault })
}

fn nothing_to_say(source: &Source) -> Diagnostic {
    Diagnostic::refused(
        Place::new(&source.path, 0..0),
        "this file cannot be changed",
        "correct what `aplomb check` says about it",
    )
}
