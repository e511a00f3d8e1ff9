//! Diagnostics as people and programs see them: with the lines in question drawn, or with lines and columns counted.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet};
use serde::Serialize;

use crate::diagnostic::{Diagnostic, Place, Severity};
use crate::source::Source;

/// Whether escape codes are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    Plain,
    Coloured,
}

/// The texts diagnostics point into, with their lines found once.
pub struct Texts<'a> {
    files: BTreeMap<&'a str, Text<'a>>,
}

struct Text<'a> {
    text: &'a str,
    /// Where each line begins.
    lines: Vec<usize>,
}

impl fmt::Debug for Texts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.files.keys()).finish()
    }
}

/// A place as people count: lines and columns from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

/// A diagnostic for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Located<'d> {
    #[serde(flatten)]
    pub diagnostic: &'d Diagnostic,
    /// Of the first byte of its place; `None` if the file is not among the texts.
    #[serde(flatten)]
    pub position: Option<Position>,
}

impl<'a> Texts<'a> {
    pub fn new(sources: &'a [Source]) -> Texts<'a> {
        let files = sources
            .iter()
            .map(|source| (&*source.path, Text::new(&source.text)));
        Texts {
            files: files.collect(),
        }
    }

    /// The diagnostic with its line and column.
    pub fn locate<'d>(&self, diagnostic: &'d Diagnostic) -> Located<'d> {
        let place = &diagnostic.place;
        let text = self.files.get(&*place.file);
        Located {
            diagnostic,
            position: text.map(|text| text.position(place.span.start)),
        }
    }

    /// The diagnostic with the lines it is about, over several lines, without a newline at the end.
    pub fn render(&self, diagnostic: &Diagnostic, style: Style) -> String {
        let level = match diagnostic.severity {
            Severity::Refused => Level::ERROR,
            Severity::Warning => Level::WARNING,
            Severity::Noted => Level::NOTE,
        };
        let renderer = match style {
            Style::Plain => Renderer::plain(),
            Style::Coloured => Renderer::styled(),
        };
        let group = level
            .primary_title(&diagnostic.message)
            .elements(self.pictures(diagnostic))
            .element(Level::HELP.message(&diagnostic.action));
        renderer.render(&[group as Group<'_>])
    }

    /// One picture per file: the place itself first, what belongs to it in the same file beside it.
    fn pictures<'d>(&'d self, diagnostic: &'d Diagnostic) -> Vec<Element<'d>> {
        let own = Mark {
            place: &diagnostic.place,
            label: None,
        };
        let related = diagnostic.related.iter().map(|related| Mark {
            place: &related.place,
            label: Some(&related.label),
        });
        let mut files: Vec<Vec<Mark<'d>>> = Vec::new();
        for mark in std::iter::once(own).chain(related) {
            let same = |marks: &&mut Vec<Mark<'_>>| marks[0].place.file == mark.place.file;
            match files.iter_mut().find(same) {
                Some(marks) => marks.push(mark),
                None => files.push(vec![mark]),
            }
        }
        files.iter().map(|marks| self.picture(marks)).collect()
    }

    fn picture<'d>(&'d self, marks: &[Mark<'d>]) -> Element<'d> {
        let file: &str = &marks[0].place.file;
        let Some(text) = self.files.get(file) else {
            return Element::from(Origin::path(file));
        };
        let whole_file = |mark: &Mark<'_>| mark.place.span == (0..0);
        if marks.iter().all(whole_file) {
            return Element::from(Origin::path(file));
        }
        // Only the lines around the marks are handed on, so that a long file costs no more than a short one.
        let marks = marks.iter().filter(|mark| !whole_file(mark));
        let spans = marks.clone().map(|mark| text.clamped(&mark.place.span));
        let start = spans.clone().map(|span| span.start).min().unwrap_or(0);
        let end = spans.map(|span| span.end).max().unwrap_or(0);
        let first = text.line(start);
        let window = text.lines[first]..text.line_end(text.line(end));
        let snippet = Snippet::source(&text.text[window.clone()])
            .path(file)
            .line_start(first + 1);
        let annotations = marks.map(|mark| {
            let span = text.clamped(&mark.place.span);
            let span = span.start - window.start..span.end - window.start;
            let kind = match mark.label {
                None => AnnotationKind::Primary,
                Some(_) => AnnotationKind::Context,
            };
            kind.span(span).label(mark.label)
        });
        Element::from(snippet.annotations(annotations))
    }
}

/// A place to draw, with what is to be said there.
#[derive(Clone, Copy)]
struct Mark<'d> {
    place: &'d Place,
    label: Option<&'d str>,
}

impl<'a> Text<'a> {
    fn new(text: &'a str) -> Text<'a> {
        let after_newlines = text.match_indices('\n').map(|(at, _)| at + 1);
        Text {
            text,
            lines: std::iter::once(0).chain(after_newlines).collect(),
        }
    }

    /// The number of the line a byte is in, from 0.
    fn line(&self, byte: usize) -> usize {
        self.lines
            .partition_point(|start| *start <= byte)
            .saturating_sub(1)
    }

    fn line_end(&self, line: usize) -> usize {
        match self.lines.get(line + 1) {
            Some(next) => next - 1,
            None => self.text.len(),
        }
    }

    /// A span that lies in this text, whatever text it was made for.
    fn clamped(&self, span: &Range<usize>) -> Range<usize> {
        let floor = |at: usize| self.text.floor_char_boundary(at.min(self.text.len()));
        let start = floor(span.start);
        start..floor(span.end).max(start)
    }

    fn position(&self, byte: usize) -> Position {
        let byte = self.clamped(&(byte..byte)).start;
        let line = self.line(byte);
        Position {
            line: line + 1,
            column: self.text[self.lines[line]..byte].chars().count() + 1,
        }
    }
}
