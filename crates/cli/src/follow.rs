//! What services write, out of their log files, as one stream for a person: names and colours before the lines.
//!
//! The client reads the files itself, beside the engine that writes them; the engine is only asked where they are.
//! Nothing here waits: whoever follows asks again.

use std::collections::HashSet;
use std::path::PathBuf;

use aplomb_logs::read::{Beginning, Line, Merge, ReadError, Reader, Source};
use aplomb_logs::{Origin, Wall};
use aplomb_protocol::ServiceStatus;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::failure::Failure;
use crate::paint::{self, Paint, Tone, harmless};
use crate::ui::{Form, Ui};
use crate::words;

/// Names longer than this are cut before their lines.
const WIDEST_NAME: usize = 24;
/// Written at once.
const PIECE: usize = 64 << 10;

/// How lines look.
#[derive(Debug, Clone)]
pub(crate) struct Look {
    pub(crate) form: Form,
    pub(crate) paint: Paint,
    /// Somebody's terminal: what could steer it is taken out of the lines.
    pub(crate) terminal: bool,
    pub(crate) naming: Naming,
    /// The times of the lines before them, on this clock.
    pub(crate) times: Option<TimeZone>,
}

/// Whether lines are told apart by the name of their service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Naming {
    Bare,
    /// In the order of their colours.
    Named(Vec<String>),
}

/// Logs being read.
#[derive(Debug)]
pub(crate) struct Follow {
    merge: Merge,
    look: Look,
    /// Files somebody was told cannot be read.
    told: HashSet<PathBuf>,
}

/// A line for a program.
#[derive(Debug, Serialize)]
struct Entry<'a> {
    service: &'a str,
    stream: &'a str,
    /// Microseconds since 1970-01-01 UTC.
    time: Option<i64>,
    line: std::borrow::Cow<'a, str>,
}

/// The log files of these services.
pub(crate) fn sources(services: &[ServiceStatus]) -> Vec<Source> {
    services
        .iter()
        .flat_map(|status| {
            let files = status.log_files.iter();
            files.map(|file| source(&status.service, file.into()))
        })
        .collect()
}

/// The last lines of one service, as they may be shown on a terminal. What cannot be read is left out.
pub(crate) fn last_lines(status: &ServiceStatus, lines: u64) -> Vec<String> {
    let sources = sources(std::slice::from_ref(status)).into_iter();
    let readers = sources.filter_map(|source| Reader::new(source, Beginning::Last(lines)).ok());
    let mut merge = Merge::new(readers.collect());
    let lines = usize::try_from(lines).unwrap_or(usize::MAX);
    let mut last = merge.last(lines).unwrap_or_default();
    last.extend(merge.rest());
    let first = last.len().saturating_sub(lines);
    let shown = last[first..].iter();
    shown
        .map(|line| tame(&String::from_utf8_lossy(&line.bytes)))
        .collect()
}

/// A log file, by its name of one stream or the other.
pub(crate) fn source(service: &str, file: PathBuf) -> Source {
    let name = file.file_name().map(|name| name.to_string_lossy());
    let origin = match name {
        Some(name) if name.ends_with(".err.log") => Origin::Stderr,
        Some(_) | None => Origin::Stdout,
    };
    Source {
        service: service.into(),
        origin,
        file,
    }
}

impl Naming {
    /// Names where there is more than one service.
    pub(crate) fn of(sources: &[Source]) -> Naming {
        let mut names: Vec<String> = Vec::new();
        for source in sources {
            if !names.iter().any(|name| **name == *source.service) {
                names.push(source.service.to_string());
            }
        }
        if names.len() > 1 {
            Naming::Named(names)
        } else {
            Naming::Bare
        }
    }
}

impl Follow {
    /// Opens the logs. Those that cannot be read are named, and the others read.
    pub(crate) fn open(
        sources: Vec<Source>,
        from: Beginning,
        until: Option<Wall>,
        look: Look,
        ui: &mut Ui,
    ) -> Follow {
        let mut readers = Vec::new();
        for source in sources {
            match Reader::new(source, from) {
                Ok(reader) => readers.push(match until {
                    Some(until) => reader.until(until),
                    None => reader,
                }),
                Err(error) => ui.note(&unreadable(&error)),
            }
        }
        Follow {
            merge: Merge::new(readers),
            look,
            told: HashSet::new(),
        }
    }

    /// The next line at hand.
    pub(crate) fn next(&mut self, ui: &mut Ui) -> Option<Line> {
        // Each fault takes a reader one file further; past a few the rest can wait for the next look.
        for _ in 0..100 {
            match self.merge.next() {
                Ok(line) => return line,
                Err(error) => self.tell(&error, ui),
            }
        }
        None
    }

    /// Looks whether files have grown.
    pub(crate) fn refresh(&mut self, ui: &mut Ui) {
        if let Err(error) = self.merge.refresh() {
            self.tell(&error, ui);
        }
    }

    /// Last lines that have no end yet.
    pub(crate) fn rest(&mut self) -> Vec<Line> {
        self.merge.rest()
    }

    /// Prints everything that has come.
    pub(crate) fn print_new(&mut self, ui: &mut Ui) -> Result<(), Failure> {
        self.refresh(ui);
        let mut text = Vec::new();
        while let Some(line) = self.next(ui) {
            self.look.line(&line, &mut text);
            if text.len() >= PIECE {
                ui.answer_bytes(&text)?;
                text.clear();
            }
        }
        ui.answer_bytes(&text)
    }

    /// One line as it looks.
    pub(crate) fn look(&self) -> &Look {
        &self.look
    }

    fn tell(&mut self, error: &ReadError, ui: &mut Ui) {
        if self.told.insert(error.file.clone()) {
            ui.note(&unreadable(error));
        }
    }
}

fn unreadable(error: &ReadError) -> String {
    Failure::failed(error.to_string())
        .because(&error.source)
        .sentence()
}

impl Look {
    /// Appends a line, its end included.
    pub(crate) fn line(&self, line: &Line, into: &mut Vec<u8>) {
        match self.form {
            Form::Json => json(line, into),
            Form::People => {
                into.extend_from_slice(self.before(line).as_bytes());
                if self.terminal {
                    into.extend_from_slice(tame(&String::from_utf8_lossy(&line.bytes)).as_bytes());
                } else {
                    into.extend_from_slice(&line.bytes);
                }
            }
        }
        into.push(b'\n');
    }

    fn before(&self, line: &Line) -> String {
        let time = self.times.as_ref().map(|zone| {
            let time = line.time.map(Wall::as_micros).unwrap_or_default();
            let time = u64::try_from(time).unwrap_or_default() * 1000;
            let time = format!("{} ", words::moment_exactly(time, zone));
            self.paint.faint(&time)
        });
        let name = match &self.naming {
            Naming::Bare => String::new(),
            Naming::Named(names) => self.name(names, &line.service),
        };
        format!("{}{name}", time.unwrap_or_default())
    }

    /// `web    | `, in the colour of the service.
    fn name(&self, names: &[String], service: &str) -> String {
        let widths = names.iter().map(|name| paint::columns(name));
        let width = widths.max().unwrap_or(0).min(WIDEST_NAME);
        let nth = names.iter().position(|name| name == service).unwrap_or(0);
        let name = paint::padded(&paint::cut(&harmless(service), width), width);
        format!(
            "{} ",
            self.paint.paint(Tone::Service(nth), &format!("{name} |"))
        )
    }
}

fn json(line: &Line, into: &mut Vec<u8>) {
    let stream = match line.origin {
        Origin::Stdout => "stdout",
        Origin::Stderr => "stderr",
    };
    let entry = Entry {
        service: &line.service,
        stream,
        time: line.time.map(Wall::as_micros),
        line: String::from_utf8_lossy(&line.bytes),
    };
    // Writing to memory cannot fail, and there is no key that is no text.
    let _ = serde_json::to_writer(into, &entry);
}

/// A line for a terminal: colours stay, everything else that steers is shown instead of done.
fn tame(line: &str) -> String {
    let mut tame = String::with_capacity(line.len());
    let mut rest = line;
    let mut coloured = false;
    while let Some(at) = rest.find(|letter: char| letter.is_control() && letter != '\t') {
        tame.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(length) = colour_code(rest) {
            tame.push_str(&rest[..length]);
            rest = &rest[length..];
            coloured = true;
            continue;
        }
        let mut letters = rest.chars();
        if let Some(letter) = letters.next()
            && !(letter == '\r' && letters.as_str().is_empty())
        {
            tame.push('\u{fffd}');
        }
        rest = letters.as_str();
    }
    tame.push_str(rest);
    if coloured {
        tame.push_str("\x1b[0m");
    }
    tame
}

/// The length of the colour code (`ESC [ numbers m`) a text begins with.
fn colour_code(text: &str) -> Option<usize> {
    let rest = text.strip_prefix("\x1b[")?;
    let end =
        rest.find(|letter: char| !(letter.is_ascii_digit() || letter == ';' || letter == ':'))?;
    (rest[end..].starts_with('m')).then_some(2 + end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(service: &str, bytes: &[u8]) -> Line {
        Line {
            service: service.into(),
            origin: Origin::Stderr,
            time: Some(Wall::from_micros(1_517_000)),
            bytes: bytes.into(),
        }
    }

    fn look(naming: Naming) -> Look {
        Look {
            form: Form::People,
            paint: Paint::Plain,
            terminal: true,
            naming,
            times: None,
        }
    }

    fn shown(look: &Look, line: &Line) -> String {
        let mut text = Vec::new();
        look.line(line, &mut text);
        String::from_utf8(text).expect("UTF-8")
    }

    #[test]
    fn several_services_are_told_apart_by_name() {
        let names = vec!["web".into(), "payment".into()];
        let look = look(Naming::Named(names));
        assert_eq!(shown(&look, &line("web", b"hello")), "web     | hello\n");
    }

    #[test]
    fn a_line_may_colour_the_terminal_but_not_steer_it() {
        let look = look(Naming::Bare);
        let said = shown(&look, &line("web", b"\x1b[1;31mred\x1b[2J\x07\r"));
        assert_eq!(said, "\x1b[1;31mred\u{fffd}[2J\u{fffd}\x1b[0m\n");
        assert_eq!(shown(&look, &line("web", b"a\tb\xff")), "a\tb\u{fffd}\n");
    }

    #[test]
    fn into_a_file_bytes_pass_as_they_are() {
        let look = Look {
            terminal: false,
            ..look(Naming::Bare)
        };
        let mut text = Vec::new();
        look.line(&line("web", b"\x1b[2J\xff\r"), &mut text);
        assert_eq!(text, b"\x1b[2J\xff\r\n");
    }

    #[test]
    fn for_programs_a_line_is_one_object() {
        let look = Look {
            form: Form::Json,
            ..look(Naming::Bare)
        };
        assert_eq!(
            shown(&look, &line("web", b"\"x\"")),
            "{\"service\":\"web\",\"stream\":\"stderr\",\"time\":1517000,\"line\":\"\\\"x\\\"\"}\n"
        );
    }

    #[test]
    fn the_times_of_lines_stand_before_them() {
        let look = Look {
            times: Some(TimeZone::UTC),
            ..look(Naming::Bare)
        };
        let said = shown(&look, &line("web", b"hello"));
        assert_eq!(said, "1970-01-01 00:00:01.517 hello\n");
    }
}
