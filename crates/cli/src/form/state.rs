//! What the form holds, and what each key does to it. Knows no terminal.

use aplomb_units::toml::{self, Fact, Shape, Value, edit};
use aplomb_units::words::check_name;
use aplomb_units::{Severity, Source};

use super::line::{Line, Stroke};
use super::tabs::{Field, System, TABS};

/// The table of a service that has no name yet.
pub(super) const PLACEHOLDER: &str = "new-service";
/// What a new service begins with.
pub(super) const BLANK: &str = "[service.new-service]\n";

/// What the form is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To change a definition.
    Change,
    /// To make one; its name is asked, too.
    New,
}

/// A key that was pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Press {
    Up,
    Down,
    Left,
    Right,
    Tab,
    BackTab,
    Enter,
    Escape,
    Backspace,
    Delete,
    Home,
    End,
    Letter(char),
    /// Ctrl+S.
    Save,
    /// Ctrl+U.
    Clear,
    /// Ctrl+C.
    Quit,
}

/// What follows a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Stay,
    /// The form is over and its text is to be kept.
    Save,
    /// The form is over and nothing is kept.
    Leave,
}

/// What the keys mean at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mode {
    Choosing,
    Writing(Line),
    /// Whether to leave with changes that are not saved.
    Leaving,
}

/// A line below the fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Message {
    None,
    Fault(String),
}

/// The form.
#[derive(Debug)]
pub(crate) struct Form {
    source: Source,
    before: String,
    service: String,
    purpose: Purpose,
    system: System,
    /// For a new service.
    name: String,
    pub(super) tab: usize,
    pub(super) row: usize,
    pub(super) mode: Mode,
    pub(super) message: Message,
}

/// One row of the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) label: String,
    /// What is said, as a person writes it; `None` where nothing is.
    pub(super) value: Option<String>,
    /// What holds then.
    pub(super) default: String,
}

/// What a row stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subject {
    Name,
    Setting(Field),
}

impl Form {
    pub(super) fn new(source: Source, service: &str, purpose: Purpose, system: System) -> Form {
        Form {
            before: source.text.clone(),
            source,
            service: service.to_owned(),
            purpose,
            system,
            name: String::new(),
            tab: 0,
            row: 0,
            mode: Mode::Choosing,
            message: Message::None,
        }
    }

    /// The definition's text as it stands.
    pub(super) fn text(&self) -> &str {
        &self.source.text
    }

    /// The name of a new service, and its text under that name.
    pub(super) fn named(&self) -> (String, String) {
        let header = format!("service.{PLACEHOLDER}");
        let name = match self.name.contains('.') {
            true => format!("'{}'", self.name),
            false => self.name.clone(),
        };
        let text = self
            .source
            .text
            .replace(&header, &format!("service.{name}"));
        (self.name.clone(), text)
    }

    /// What the top line says.
    pub(super) fn title(&self) -> String {
        let what = match (self.purpose, self.name.as_str()) {
            (Purpose::Change, _) => format!("{} in {}", self.service, self.source.path),
            (Purpose::New, "") => "a new service".to_owned(),
            (Purpose::New, name) => format!("{name}, a new service"),
        };
        match self.is_changed() {
            true => format!("{what} (not saved)"),
            false => what,
        }
    }

    fn is_changed(&self) -> bool {
        self.source.text != self.before || !self.name.is_empty()
    }

    fn subjects(&self) -> Vec<Subject> {
        let fields = TABS[self.tab].fields(self.system);
        let name = (self.purpose == Purpose::New && self.tab == 0).then_some(Subject::Name);
        let settings = fields.into_iter().map(Subject::Setting);
        name.into_iter().chain(settings).collect()
    }

    /// The rows of the page that is open.
    pub(super) fn rows(&self) -> Vec<Row> {
        let row = |subject: &Subject| match subject {
            Subject::Name => Row {
                label: "Name".to_owned(),
                value: Some(self.name.clone()).filter(|name| !name.is_empty()),
                default: String::new(),
            },
            Subject::Setting(field) => Row {
                label: field.label.to_owned(),
                value: self.said(field.key),
                default: edit::fact(field.key).map_or_else(String::new, |fact| unsaid(&fact)),
            },
        };
        self.subjects().iter().map(row).collect()
    }

    /// What the setting under the cursor is for, and what it takes.
    pub(super) fn help(&self) -> (String, String) {
        match self.subject() {
            Some(Subject::Name) => (
                "What the service is called".to_owned(),
                "letters, digits, `.`, `_` and `-`".to_owned(),
            ),
            Some(Subject::Setting(field)) => match edit::fact(field.key) {
                Some(fact) => (
                    format!("{}: {}", field.key, fact.doc),
                    format!("takes {}", fact.shape.describe()),
                ),
                None => (field.key.to_owned(), String::new()),
            },
            None => (String::new(), String::new()),
        }
    }

    fn subject(&self) -> Option<Subject> {
        self.subjects().get(self.row).copied()
    }

    /// What is said for a key, without the quotes a text has in the file.
    fn said(&self, key: &str) -> Option<String> {
        let written = edit::get(&self.source, &self.service, key).ok()??;
        Some(plain(&written))
    }

    pub(super) fn on(&mut self, press: Press) -> Next {
        match std::mem::replace(&mut self.mode, Mode::Choosing) {
            Mode::Choosing => self.choose(press),
            Mode::Writing(line) => self.write(press, line),
            Mode::Leaving => match press {
                Press::Letter('y' | 'Y') | Press::Quit => Next::Leave,
                Press::Letter('s' | 'S') | Press::Save => self.save(),
                Press::Up
                | Press::Down
                | Press::Left
                | Press::Right
                | Press::Tab
                | Press::BackTab
                | Press::Enter
                | Press::Escape
                | Press::Backspace
                | Press::Delete
                | Press::Home
                | Press::End
                | Press::Letter(_)
                | Press::Clear => Next::Stay,
            },
        }
    }

    fn choose(&mut self, press: Press) -> Next {
        self.message = Message::None;
        let rows = self.subjects().len();
        match press {
            Press::Up => self.row = self.row.checked_sub(1).unwrap_or(rows - 1),
            Press::Down => self.row = (self.row + 1) % rows,
            Press::Home => self.row = 0,
            Press::End => self.row = rows - 1,
            Press::Right | Press::Tab => self.turn(1),
            Press::Left | Press::BackTab => self.turn(TABS.len() - 1),
            Press::Enter => self.begin(""),
            Press::Letter(' ') => self.cycle(),
            Press::Letter(letter) => {
                let mut text = [0; 4];
                self.begin(letter.encode_utf8(&mut text));
            }
            Press::Delete | Press::Backspace => self.put(""),
            Press::Save => return self.save(),
            Press::Escape | Press::Quit if self.is_changed() => self.mode = Mode::Leaving,
            Press::Escape | Press::Quit => return Next::Leave,
            Press::Clear => {}
        }
        Next::Stay
    }

    fn turn(&mut self, by: usize) {
        self.tab = (self.tab + by) % TABS.len();
        self.row = 0;
    }

    /// Begins writing: at what is there, or anew with the letter that was pressed.
    fn begin(&mut self, letter: &str) {
        let there = match self.subject() {
            Some(Subject::Name) => self.name.clone(),
            Some(Subject::Setting(field)) => self.said(field.key).unwrap_or_default(),
            None => return,
        };
        let text = if letter.is_empty() { &there } else { letter };
        self.mode = Mode::Writing(Line::new(text));
    }

    fn write(&mut self, press: Press, mut line: Line) -> Next {
        let stroke = match press {
            Press::Letter(letter) => Stroke::Letter(letter),
            Press::Left => Stroke::Left,
            Press::Right => Stroke::Right,
            Press::Home => Stroke::Home,
            Press::End => Stroke::End,
            Press::Backspace => Stroke::Backspace,
            Press::Delete => Stroke::Delete,
            Press::Clear => Stroke::Clear,
            Press::Escape | Press::Quit => {
                self.message = Message::None;
                return Next::Stay;
            }
            Press::Enter | Press::Down | Press::Up | Press::Tab | Press::BackTab => {
                self.put(&line.text());
                if matches!(self.message, Message::Fault(_)) {
                    // What was written is not lost to a fault.
                    self.mode = Mode::Writing(line);
                } else if press != Press::Enter {
                    return self.choose(press);
                }
                return Next::Stay;
            }
            Press::Save => {
                self.put(&line.text());
                if matches!(self.message, Message::Fault(_)) {
                    self.mode = Mode::Writing(line);
                    return Next::Stay;
                }
                return self.save();
            }
        };
        line.on(stroke);
        self.mode = Mode::Writing(line);
        Next::Stay
    }

    /// Sets what the row stands for; an empty text takes it away, so that its default holds.
    fn put(&mut self, text: &str) {
        self.message = Message::None;
        let text = text.trim();
        let changed = match self.subject() {
            Some(Subject::Name) => return self.rename(text),
            Some(Subject::Setting(field)) if text.is_empty() => {
                edit::reset(&self.source, &self.service, field.key)
            }
            Some(Subject::Setting(field)) => {
                edit::set(&self.source, &self.service, field.key, text)
            }
            None => return,
        };
        match changed {
            Ok(text) => self.source.text = text,
            Err(fault) => {
                self.message = Message::Fault(format!("{}; {}", fault.message, fault.action));
            }
        }
    }

    fn rename(&mut self, name: &str) {
        match check_name(name) {
            Ok(()) => name.clone_into(&mut self.name),
            Err(_) if name.is_empty() => self.name.clear(),
            Err(fault) => {
                self.message = Message::Fault(format!("`{name}` cannot be a name: {fault}"));
            }
        }
    }

    /// The next of the words a setting takes, where it takes only such.
    fn cycle(&mut self) {
        let Some(Subject::Setting(field)) = self.subject() else {
            return self.begin(" ");
        };
        let Some(fact) = edit::fact(field.key) else {
            return;
        };
        let words: Vec<&str> = match &fact.shape {
            Shape::Bool => vec!["false", "true"],
            Shape::Word(words) => words.clone(),
            Shape::Integer { .. }
            | Shape::Number { .. }
            | Shape::Text(_)
            | Shape::List(_)
            | Shape::OneOrMore(_)
            | Shape::Named(..)
            | Shape::Map(_)
            | Shape::Table(_)
            | Shape::AnyOf(_) => return self.begin(""),
        };
        let now = self.said(field.key).unwrap_or_else(|| unsaid(&fact));
        let at = words.iter().position(|word| *word == now);
        let next = words[at.map_or(0, |at| (at + 1) % words.len())];
        self.put(next);
    }

    /// Over, if what is there could run; else the first fault is shown.
    fn save(&mut self) -> Next {
        if self.purpose == Purpose::New && self.name.is_empty() {
            (self.tab, self.row) = (0, 0);
            self.message = Message::Fault("the service has no name yet".to_owned());
            return Next::Stay;
        }
        let mut faults = Vec::new();
        toml::read(&self.source, &mut faults);
        let first = faults
            .into_iter()
            .find(|fault| fault.severity == Severity::Refused);
        match first {
            Some(fault) => {
                self.message = Message::Fault(format!("{}; {}", fault.message, fault.action));
                Next::Stay
            }
            None => Next::Save,
        }
    }
}

/// What holds where nothing is said.
fn unsaid(fact: &Fact) -> String {
    match &fact.default {
        Value::Absent | Value::Table(_) | Value::List(_) => String::new(),
        said @ (Value::Bool(_) | Value::Integer(_) | Value::Number(_) | Value::Text(_)) => {
            plain(&said.inline())
        }
    }
}

/// A text as a person writes it: without its quotes, if it needs none to be read back.
fn plain(written: &str) -> String {
    let inner = written
        .strip_prefix('\'')
        .and_then(|rest| rest.strip_suffix('\''))
        .or_else(|| {
            let inner = written.strip_prefix('"')?.strip_suffix('"')?;
            (!inner.contains('\\')).then_some(inner)
        });
    match inner {
        Some(inner) if !inner.contains(['\'', '"']) => inner.to_owned(),
        Some(_) | None => written.to_owned(),
    }
}
