//! Lines of a unit file: sections, assignments, comments, continuations; systemd.syntax(7).
//!
//! What a value means is not known here. A value that was continued over several lines is one text whose parts
//! remember where they stood, so that a fault inside it points at the right bytes of the file.
//! A byte order mark is skipped; lines end at line feed, carriage return, both, or a zero byte.

use std::ops::Range;

use super::fault::Fault;

/// Longest line, and longest continued line, that is read; beyond it the file is refused.
pub(super) const LINE_LIMIT: usize = 1 << 20;

const BLANKS: [char; 4] = [' ', '\t', '\n', '\r'];
const BYTE_ORDER_MARK: &str = "\u{feff}";
/// What invalid UTF-8 became when the file was read.
const REPLACED: char = '\u{fffd}';

/// `[NAME]` with the assignments below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section {
    pub name: String,
    /// The whole header line, without blanks.
    pub span: Range<usize>,
    pub assignments: Vec<Assignment>,
}

/// `key = value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Assignment {
    pub key: String,
    pub key_span: Range<usize>,
    pub value: Value,
}

/// The text right of `=`, blanks at both ends removed, continuations joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Value {
    pub text: String,
    /// Where pieces of the text stood: (offset in text, offset in file), ascending.
    pieces: Vec<(usize, usize)>,
}

impl Value {
    /// A text as it stands at `at` in the file.
    pub(super) fn new(text: impl Into<String>, at: usize) -> Value {
        Value {
            text: text.into(),
            pieces: vec![(0, at)],
        }
    }

    /// Where in the file these bytes of the text stood.
    pub(super) fn place(&self, range: Range<usize>) -> Range<usize> {
        let start = self.offset(range.start);
        let end = match range.end {
            end if end > range.start => self.offset(end - 1) + 1,
            _ => start,
        };
        start..end.max(start)
    }

    /// Where in the file the value begins and ends.
    pub(super) fn span(&self) -> Range<usize> {
        self.place(0..self.text.len())
    }

    fn offset(&self, at: usize) -> usize {
        let piece = self.pieces.partition_point(|(start, _)| *start <= at);
        let (start, file) = self.pieces[piece.saturating_sub(1)];
        file + (at - start.min(at))
    }
}

/// All sections of a file in order, and what was wrong with its lines. A fault that is refused ends the reading.
pub(super) fn sections(text: &str) -> (Vec<Section>, Vec<(Range<usize>, Fault)>) {
    let mut lexer = Lexer::default();
    for (at, line) in lines(text) {
        if lexer.line(at, line).is_err() {
            return (lexer.sections, lexer.faults);
        }
    }
    // The fault that would end the reading is among the faults already.
    let _ = lexer.finish();
    (lexer.sections, lexer.faults)
}

/// The reading must not go on.
struct Stop;

#[derive(Default, Debug)]
struct Lexer {
    sections: Vec<Section>,
    faults: Vec<(Range<usize>, Fault)>,
    pending: Option<Value>,
}

impl Lexer {
    fn line(&mut self, at: usize, raw: &str) -> Result<(), Stop> {
        let line = raw.trim_start_matches(BLANKS);
        if line.starts_with(['#', ';']) {
            return Ok(());
        }
        let at = at + (raw.len() - line.len());
        if line.len() > LINE_LIMIT || self.pending_len() + line.len() > LINE_LIMIT {
            return self.stop(
                at..at,
                Fault::refused("the line is longer than 1 MiB", "split it"),
            );
        }
        if line.contains(REPLACED) {
            self.fault(
                at..at + line.len(),
                Fault::warning(
                    "the line is not UTF-8 and is ignored",
                    "save the file as UTF-8",
                ),
            );
            return Ok(());
        }
        let value = match self.pending {
            // Blanks at the start of a continued line belong to the value.
            Some(_) => self.joined(at - (raw.len() - line.len()), raw),
            None => self.joined(at, line),
        };
        if ends_in_backslash(&value.text) {
            self.pending = Some(without_last(value));
            return Ok(());
        }
        self.logical(value)
    }

    fn pending_len(&self) -> usize {
        self.pending.as_ref().map_or(0, |value| value.text.len())
    }

    fn joined(&mut self, at: usize, line: &str) -> Value {
        let Some(mut value) = self.pending.take() else {
            return Value::new(line, at);
        };
        value.pieces.push((value.text.len(), at));
        value.text.push_str(line);
        value
    }

    fn finish(&mut self) -> Result<(), Stop> {
        match self.pending.take() {
            Some(value) => self.logical(value),
            None => Ok(()),
        }
    }

    /// One line after joining.
    fn logical(&mut self, line: Value) -> Result<(), Stop> {
        let line = trimmed(&line, 0..line.text.len());
        if line.text.is_empty() {
            return Ok(());
        }
        if let Some(rest) = line.text.strip_prefix('[') {
            return match rest.strip_suffix(']') {
                Some(name) => {
                    self.open(name.to_owned(), line.span());
                    Ok(())
                }
                None => self.stop(
                    line.span(),
                    Fault::refused("a section header without `]`", "close it: `[Service]`"),
                ),
            };
        }
        self.assignment(&line);
        Ok(())
    }

    fn open(&mut self, name: String, span: Range<usize>) {
        self.sections.push(Section {
            name,
            span,
            assignments: Vec::new(),
        });
    }

    fn assignment(&mut self, line: &Value) {
        let Some(equals) = line.text.find('=') else {
            let fault = Fault::warning(
                "neither a section, a comment nor `Key=value`; the line is ignored",
                "add the missing `=`, or a `#` in front",
            );
            return self.fault(line.span(), fault);
        };
        let key = trimmed(line, 0..equals);
        if key.text.is_empty() {
            let fault = Fault::warning("no key before `=`; the line is ignored", "name the key");
            return self.fault(line.span(), fault);
        }
        let assignment = Assignment {
            key_span: key.span(),
            key: key.text,
            value: trimmed(line, equals + 1..line.text.len()),
        };
        match self.sections.last_mut() {
            Some(section) => section.assignments.push(assignment),
            None => self.fault(
                assignment.key_span,
                Fault::warning(
                    "an assignment before the first section is ignored",
                    "put a section header such as `[Service]` above it",
                ),
            ),
        }
    }

    fn fault(&mut self, span: Range<usize>, fault: Fault) {
        self.faults.push((span, fault));
    }

    fn stop(&mut self, span: Range<usize>, fault: Fault) -> Result<(), Stop> {
        self.fault(span, fault);
        Err(Stop)
    }
}

/// Lines with their offsets; a byte order mark at the very start belongs to none.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let body = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let mut at = text.len() - body.len();
    body.split_inclusive(['\n', '\r', '\0']).map(move |line| {
        let start = at;
        at += line.len();
        (start, line.trim_end_matches(['\n', '\r', '\0']))
    })
}

/// Whether the text ends in a backslash that no other backslash escapes.
fn ends_in_backslash(text: &str) -> bool {
    let backslashes = text.len() - text.trim_end_matches('\\').len();
    !backslashes.is_multiple_of(2)
}

/// The backslash of a continuation becomes a blank.
fn without_last(mut value: Value) -> Value {
    value.text.pop();
    value.text.push(' ');
    value
}

/// The part of a value without blanks at its ends.
fn trimmed(value: &Value, range: Range<usize>) -> Value {
    let part = &value.text[range.clone()];
    let start = range.start + (part.len() - part.trim_start_matches(BLANKS).len());
    let text = part.trim_matches(BLANKS);
    let mut pieces = vec![(0, value.offset(start))];
    pieces.extend(
        value
            .pieces
            .iter()
            .filter(|(at, _)| *at > start && *at < start + text.len())
            .map(|(at, file)| (at - start, *file)),
    );
    Value {
        text: text.to_owned(),
        pieces,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(text: &str) -> Assignment {
        let (sections, faults) = sections(text);
        assert_eq!(faults, []);
        sections[0].assignments[0].clone()
    }

    #[test]
    fn a_continued_value_is_one_text_whose_parts_point_into_the_file() {
        let text = "[Service]\nExecStart=/bin/a \\\n# not part of it\n; nor this\n   --flag \\\n  last  \n";
        let value = only(text).value;
        assert_eq!(value.text, "/bin/a     --flag    last");
        let at = value.text.find("last").unwrap();
        assert_eq!(&text[value.place(at..at + 4)], "last");
        let at = value.text.find("--flag").unwrap();
        assert_eq!(&text[value.place(at..at + 6)], "--flag");
    }

    #[test]
    fn two_backslashes_at_the_end_do_not_continue() {
        let (sections, _) = sections("[S]\nA=x\\\\\nB=y\n");
        assert_eq!(sections[0].assignments[0].value.text, "x\\\\");
        assert_eq!(sections[0].assignments[1].key, "B");
    }

    #[test]
    fn a_continuation_at_the_end_of_the_file_still_counts() {
        assert_eq!(only("[S]\nA=x \\").value.text, "x");
    }

    #[test]
    fn blanks_around_key_and_value_go_and_the_mark_is_skipped() {
        let assignment = only("\u{feff}[S]\r\n  Key \t=  v w \t\r\n");
        assert_eq!((&*assignment.key, &*assignment.value.text), ("Key", "v w"));
    }

    #[test]
    fn lines_that_are_nothing_are_named_and_skipped() {
        let (sections, faults) = sections("A=1\n[S]\nnothing\n=x\nB=2\n");
        assert_eq!(faults.len(), 3);
        assert_eq!(sections[0].assignments.len(), 1);
        assert_eq!(faults[1].0, 8..15);
    }

    #[test]
    fn an_open_section_header_refuses_the_file() {
        let (_, faults) = sections("[Service\nA=1\n");
        assert!(faults[0].1.is_refused());
    }

    #[test]
    fn a_line_over_the_limit_refuses_the_file_also_when_continued() {
        let long = format!("[S]\nA={}\n", "x".repeat(LINE_LIMIT));
        assert!(sections(&long).1[0].1.is_refused());
        let part = "x".repeat(LINE_LIMIT / 2);
        let continued = format!("[S]\nA={part}\\\n{part}\\\n{part}\n");
        assert!(sections(&continued).1[0].1.is_refused());
    }

    #[test]
    fn a_line_that_was_not_utf8_is_left_out() {
        let (sections, faults) = sections("[S]\nA=\u{fffd}\nB=1\n");
        assert_eq!(faults.len(), 1);
        assert_eq!(sections[0].assignments[0].key, "B");
    }
}
