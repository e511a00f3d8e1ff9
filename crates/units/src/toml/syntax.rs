//! Text that is no TOML: the parser's words made into ours, one fault a line, with what to do about the usual slips.

use std::ops::Range;

use toml::de::Error;

use super::reader::fit;
use super::value::Value;
use crate::diagnostic::{Diagnostic, Place};
use crate::source::Source;

/// Faults told of one file at most; more follow from the first ones.
const MOST: usize = 20;

/// The faults of the text itself. Those among `others` that stand on the same lines are dropped: what is there was
/// guessed by the parser.
pub(super) fn faults(
    source: &Source,
    errors: &[Error],
    others: &mut Vec<Diagnostic>,
) -> Vec<Diagnostic> {
    let text = &source.text;
    let mut faults = Vec::new();
    let mut broken: Vec<Range<usize>> = Vec::new();
    for error in errors {
        let span = fit(text, error.span().unwrap_or_default());
        let lines = lines_of(text, &span);
        if broken.iter().any(|known| known.start == lines.start) || faults.len() == MOST {
            continue;
        }
        faults.push(fault(source, error.message(), span, lines.clone()));
        broken.push(lines);
    }
    others.retain(|other| {
        let span = &other.place.span;
        !broken
            .iter()
            .any(|lines| span.start < lines.end && lines.start <= span.end)
    });
    faults
}

/// The whole lines a span touches.
fn lines_of(text: &str, span: &Range<usize>) -> Range<usize> {
    let start = text[..span.start].rfind('\n').map_or(0, |at| at + 1);
    let end = text[span.end..]
        .find('\n')
        .map_or(text.len(), |at| span.end + at);
    start..end
}

fn fault(source: &Source, why: &str, span: Range<usize>, lines: Range<usize>) -> Diagnostic {
    let text = &source.text;
    if let Some((key, value)) = unquoted(text, &span, lines) {
        let place = Place::new(&source.path, value.clone());
        let value = &text[value];
        let quoted = Value::text(value).inline();
        let message = format!("the text `{value}` is not in quotes");
        return Diagnostic::refused(place, message, format!("write {} = {quoted}", &text[key]));
    }
    let action = match why {
        why if why.contains("duplicate key") => "remove one of the two, or join their tables",
        why if why.contains("string") => "close the quote",
        why if why.contains("unclosed") => "close the bracket",
        why if why.contains("empty") => "write a key before the `=`",
        _ => "write it as KEY = VALUE, texts in quotes",
    };
    let place = Place::new(&source.path, span);
    Diagnostic::refused(place, format!("this is no TOML: {why}"), action)
}

/// Key and value of a line `KEY = some words`, if the fault lies in the words.
fn unquoted(
    text: &str,
    span: &Range<usize>,
    lines: Range<usize>,
) -> Option<(Range<usize>, Range<usize>)> {
    let line = &text[lines.clone()];
    let (before, after) = line.split_once('=')?;
    let value = after.split(" #").next().unwrap_or_default();
    let start = lines.start + before.len() + 1 + (value.len() - value.trim_start().len());
    let value = value.trim();
    let has_form_of_its_own = value.starts_with(['"', '\'', '[', '{', '=']);
    if value.is_empty() || has_form_of_its_own || value.contains(['"', '\'', '\n']) {
        return None;
    }
    let key = lines.start + (before.len() - before.trim_start().len());
    let in_value = span.start >= start && span.end <= start + value.len();
    in_value.then(|| (key..key + before.trim().len(), start..start + value.len()))
}
