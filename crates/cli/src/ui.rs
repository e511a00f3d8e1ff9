//! The only file that prints. Answers go to standard output, explanations to standard error.
//!
//! It also owns the *region*: lines at the bottom of a terminal that are redrawn in place while something is under
//! way. Whatever else is printed meanwhile goes above it. What the lines say is decided elsewhere, by pure functions.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;
use terminal_size::{Height, Width};

use crate::failure::Failure;
use crate::paint::{self, Paint};

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Colour {
    // On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    Always,
    Never,
}

/// What answers look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    People,
    Json,
}

/// Where a person, or a program, reads what we say.
#[derive(Debug)]
pub(crate) struct Ui {
    pub(crate) form: Form,
    /// For what goes to standard output.
    pub(crate) paint: Paint,
    /// For what goes to standard error.
    pub(crate) aside: Paint,
    out_is_terminal: bool,
    /// Standard error is a terminal that can move its cursor.
    redraws: bool,
    /// The lines of the region as they stand on the screen.
    region: Vec<String>,
    buffer: Vec<u8>,
}

/// Lines shorter than this are cut even if the terminal claims to be narrower.
const NARROWEST: usize = 20;
const USUAL: (usize, usize) = (100, 24);

impl Ui {
    pub(crate) fn new(form: Form, colour: Colour) -> Ui {
        let out_is_terminal = io::stdout().is_terminal();
        let err_is_terminal = io::stderr().is_terminal();
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Ui {
            form,
            paint: decide(colour, out_is_terminal && !dumb),
            aside: decide(colour, err_is_terminal && !dumb),
            out_is_terminal,
            redraws: err_is_terminal && !dumb,
            region: Vec::new(),
            buffer: Vec::new(),
        }
    }

    /// Whether a person watches standard output.
    pub(crate) fn is_watched(&self) -> bool {
        self.out_is_terminal
    }

    /// Whether progress may be redrawn in place.
    pub(crate) fn redraws(&self) -> bool {
        self.redraws
    }

    /// Columns and rows of the terminal; a usual size where there is none.
    pub(crate) fn size(&self) -> (usize, usize) {
        let known = terminal_size::terminal_size_of(io::stderr())
            .or_else(|| terminal_size::terminal_size_of(io::stdout()));
        known.map_or(USUAL, |(Width(columns), Height(rows))| {
            (
                usize::from(columns).max(NARROWEST),
                usize::from(rows).max(3),
            )
        })
    }

    /// Answers with text; a missing line end is added. Everything is written when this returns.
    pub(crate) fn answer(&mut self, text: &str) -> Result<(), Failure> {
        self.buffer.clear();
        self.buffer.extend_from_slice(text.as_bytes());
        if !text.is_empty() && !text.ends_with('\n') {
            self.buffer.push(b'\n');
        }
        self.flush_answer()
    }

    /// Answers with bytes as they are.
    pub(crate) fn answer_bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.buffer.clear();
        self.buffer.extend_from_slice(bytes);
        self.flush_answer()
    }

    /// Answers with one JSON value: indented for a person, on one line for a program.
    pub(crate) fn answer_json<T: Serialize>(&mut self, value: &T) -> Result<(), Failure> {
        self.buffer.clear();
        let written = if self.out_is_terminal {
            serde_json::to_writer_pretty(&mut self.buffer, value)
        } else {
            serde_json::to_writer(&mut self.buffer, value)
        };
        written.map_err(|error| Failure::failed("cannot put the answer as JSON").because(error))?;
        self.buffer.push(b'\n');
        self.flush_answer()
    }

    /// Answers with one JSON value, indented whoever reads it: a file to be kept.
    pub(crate) fn answer_pretty<T: Serialize>(&mut self, value: &T) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value);
        let text =
            text.map_err(|error| Failure::failed("cannot put the answer as JSON").because(error))?;
        self.answer(&text)
    }

    fn flush_answer(&mut self) -> Result<(), Failure> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let lifted = self.out_is_terminal && self.lift();
        let mut out = io::stdout().lock();
        let written = out.write_all(&self.buffer).and_then(|()| out.flush());
        drop(out);
        if lifted {
            self.draw();
        }
        written.map_err(|error| Failure::writing(&error))
    }

    /// Explains. Nothing depends on it, so that it cannot fail.
    pub(crate) fn note(&mut self, text: &str) {
        let lifted = self.lift();
        to_stderr(&format!("{}\n", text.trim_end_matches('\n')));
        if lifted {
            self.draw();
        }
    }

    /// Explains with bytes as they are.
    pub(crate) fn aside_bytes(&mut self, bytes: &[u8]) {
        let mut err = io::stderr().lock();
        let _ = err.write_all(bytes);
    }

    /// Tells why the verb failed.
    pub(crate) fn failure(&mut self, failure: &Failure) {
        self.settle();
        if *failure == Failure::nobody_reads() {
            return;
        }
        let text = match self.form {
            Form::People => explain(failure, self.aside),
            Form::Json => serde_json::to_string(&serde_json::json!({ "error": failure }))
                .unwrap_or_else(|_| failure.message.clone()),
        };
        self.note(&text);
    }

    /// Replaces the region. Lines are cut to the terminal's width; more lines than it has rows are left out from the end.
    pub(crate) fn region(&mut self, lines: Vec<String>) {
        if !self.redraws {
            return;
        }
        let (columns, rows) = self.size();
        let lines: Vec<String> = lines
            .into_iter()
            .take(rows - 1)
            .map(|line| paint::cut(&line, columns - 1))
            .collect();
        if lines == self.region {
            return;
        }
        let erase = erase(self.region.len());
        self.region = lines;
        to_stderr(&format!("{erase}{}", stack(&self.region)));
    }

    /// Leaves the region as it is and goes on below it.
    pub(crate) fn settle(&mut self) {
        self.region.clear();
    }

    /// Takes the region away.
    pub(crate) fn clear(&mut self) {
        self.lift();
        self.region.clear();
    }

    /// Erases the region from the screen, to be drawn again below; tells whether there was one.
    fn lift(&self) -> bool {
        if self.region.is_empty() {
            return false;
        }
        to_stderr(&erase(self.region.len()));
        true
    }

    fn draw(&self) {
        to_stderr(&stack(&self.region));
    }
}

fn decide(colour: Colour, terminal: bool) -> Paint {
    let wished = match colour {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => {
            terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        }
    };
    if wished {
        Paint::Coloured
    } else {
        Paint::Plain
    }
}

/// A closed standard error is no reason to fail, and there is nobody left to tell.
fn to_stderr(text: &str) {
    let mut err = io::stderr().lock();
    let _ = err.write_all(text.as_bytes());
}

/// Up over the lines of the region, and everything below away.
fn erase(lines: usize) -> String {
    if lines == 0 {
        return String::new();
    }
    format!("\x1b[{lines}A\r\x1b[J")
}

fn stack(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// A failure as sentences: what, why, and one thing to do.
fn explain(failure: &Failure, paint: Paint) -> String {
    let mut text = String::new();
    for diagnostic in &failure.diagnostics {
        text.push_str(diagnostic.trim_end());
        text.push_str("\n\n");
    }
    text.push_str(&format!("{} {}", paint.bad("error:"), failure.sentence()));
    if let Some(action) = &failure.action {
        text.push_str(&format!("\n  {} {action}", paint.strong("try:")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_why_and_what_to_do() {
        let failure = Failure::failed("cannot reach the engine at `/run/x.sock`")
            .because("connection refused")
            .action("aplomb up FILE");
        assert_eq!(
            explain(&failure, Paint::Plain),
            "error: cannot reach the engine at `/run/x.sock`: connection refused\n  try: aplomb up FILE"
        );
    }

    #[test]
    fn the_region_is_left_by_as_many_lines_as_it_has() {
        assert_eq!(erase(0), "");
        assert_eq!(erase(3), "\x1b[3A\r\x1b[J");
    }
}
