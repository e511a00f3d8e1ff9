//! What travels along while a service is read: where we are in the text, whose instance this is, and the faults so far.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::diagnostic::{Diagnostic, Place, Severity};
use crate::source::{Field, Places, Source};

/// A value of the parsed text with its span.
pub(super) type Node<'i> = Spanned<DeValue<'i>>;

/// Replaced by the instance's label in every text of a service with `instances`.
pub(super) const INSTANCE: &str = "${instance}";
/// Stands for a literal `${instance}` there.
const ESCAPED_INSTANCE: &str = "$${instance}";

/// The state of reading one service.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    pub(super) source: &'a Source,
    /// The label of the instance being read, where the service has several.
    pub(super) instance: Option<String>,
    pub(super) places: Places,
    pub(super) faults: Vec<Diagnostic>,
    /// Programs written as relative paths, and where.
    pub(super) relative: Vec<(String, Range<usize>)>,
    /// Keys from the service's table down to the value being read.
    path: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(source: &'a Source, unit: Range<usize>) -> Reader<'a> {
        let unit = Place::new(&source.path, fit(&source.text, unit));
        Reader {
            source,
            instance: None,
            places: Places::new(unit),
            faults: Vec::new(),
            relative: Vec::new(),
            path: Vec::new(),
        }
    }

    pub(super) fn place(&self, span: Range<usize>) -> Place {
        Place::new(&self.source.path, fit(&self.source.text, span))
    }

    pub(super) fn refuse(
        &mut self,
        span: Range<usize>,
        message: impl Into<String>,
        action: impl Into<String>,
    ) {
        self.fault(Severity::Refused, span, message, action);
    }

    pub(super) fn warn(
        &mut self,
        span: Range<usize>,
        message: impl Into<String>,
        action: impl Into<String>,
    ) {
        self.fault(Severity::Warning, span, message, action);
    }

    fn fault(
        &mut self,
        severity: Severity,
        span: Range<usize>,
        message: impl Into<String>,
        action: impl Into<String>,
    ) {
        let place = self.place(span);
        self.faults
            .push(Diagnostic::new(severity, place, message, action));
    }

    /// Remembers where a part of the spec was said.
    pub(super) fn say(&mut self, field: Field, value: impl Into<String>, span: Range<usize>) {
        let place = self.place(span);
        self.places.say(field, value, place);
    }

    /// Reads what is below `key`.
    pub(super) fn below<T>(&mut self, key: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(key.into());
        let result = read(self);
        self.path.pop();
        result
    }

    /// The key being read, from the service's table down: `restart.delay`.
    pub(super) fn key(&self) -> String {
        self.path.join(".")
    }

    /// Says that the value is of the wrong kind.
    pub(super) fn wrong(&mut self, node: &Node<'_>, takes: &str) {
        let message = format!("`{}` cannot be {}", self.key(), kind(node.get_ref()));
        self.refuse(node.span(), message, format!("give it {takes}"));
    }

    /// Says that a text is not what its key takes, and why.
    pub(super) fn bad(&mut self, node: &Node<'_>, why: impl std::fmt::Display, takes: &str) {
        let message = format!("the value of `{}` is wrong: {why}", self.key());
        self.refuse(node.span(), message, format!("give it {takes}"));
    }

    /// The value as text, with the instance put in; says so if it is none.
    pub(super) fn text(&mut self, node: &Node<'_>, takes: &str) -> Option<String> {
        match text_of(node) {
            Some(text) => Some(self.substituted(text)),
            None => {
                self.wrong(node, takes);
                None
            }
        }
    }

    /// `text` with the instance's label in the places for it.
    pub(super) fn substituted(&self, text: &str) -> String {
        match &self.instance {
            Some(label) if text.contains(INSTANCE) => {
                let literal: Vec<String> = text
                    .split(ESCAPED_INSTANCE)
                    .map(|part| part.replace(INSTANCE, label))
                    .collect();
                literal.join(INSTANCE)
            }
            Some(_) | None => text.into(),
        }
    }

    /// Where `range` of a text value stands: inside its quotes if it is written without escapes, else the whole value.
    pub(super) fn inside(&self, node: &Node<'_>, range: Range<usize>) -> Range<usize> {
        let whole = node.span();
        let written = self.source.text.get(whole.clone()).unwrap_or_default();
        let verbatim = text_of(node).is_some_and(|text| {
            written.len() == text.len() + 2 && written.get(1..=text.len()) == Some(text)
        });
        if verbatim && self.instance.is_none() && range.end + 2 <= whole.len() {
            whole.start + 1 + range.start..whole.start + 1 + range.end
        } else {
            whole
        }
    }
}

pub(super) fn text_of<'n>(node: &'n Node<'_>) -> Option<&'n str> {
    match node.get_ref() {
        DeValue::String(text) => Some(text),
        DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_)
        | DeValue::Table(_) => None,
    }
}

pub(super) fn table_of<'n, 'i>(node: &'n Node<'i>) -> Option<&'n DeTable<'i>> {
    match node.get_ref() {
        DeValue::Table(table) => Some(table),
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_) => None,
    }
}

pub(super) fn array_of<'n, 'i>(node: &'n Node<'i>) -> Option<&'n [Node<'i>]> {
    match node.get_ref() {
        DeValue::Array(items) => Some(items),
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Table(_) => None,
    }
}

pub(super) fn integer_of(node: &Node<'_>) -> Option<i64> {
    match node.get_ref() {
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok(),
        DeValue::String(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_)
        | DeValue::Table(_) => None,
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a bare number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

/// `span` cut to the text and widened to character boundaries.
pub(super) fn fit(text: &str, span: Range<usize>) -> Range<usize> {
    let mut start = span.start.min(text.len());
    let mut end = span.end.clamp(start, text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    while !text.is_char_boundary(end) {
        end += 1;
    }
    start..end
}
