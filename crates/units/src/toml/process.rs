//! What a service's programs find around them: directory, environment, identity.

use aplomb_core::spec::{Directory, EnvBase, EnvFile, Process};
use toml::de::DeValue;

use super::form::{Blank, Form, read_integer, word_form};
use super::key::{Extent, Key, Section, Slot, at, read_keys, section_shape, write_changed};
use super::reader::{Node, Reader, array_of, integer_of, table_of};
use super::service::Service;
use super::shape::Shape;
use super::value::Value;
use crate::source::Field;
use crate::words::resolve;

word_form!(EnvBase,
    EnvBase::Inherit => "inherit",
    EnvBase::Clean => "clean",
);

/// `user` or `group`; where it was said is remembered for the check against the machine.
pub(super) struct Account {
    pub(super) field: Field,
    pub(super) get: fn(&Process) -> &Option<String>,
    pub(super) get_mut: fn(&mut Process) -> &mut Option<String>,
}

impl Slot<Service> for Account {
    fn shape(&self) -> Shape {
        let number = Shape::Integer {
            min: 0,
            max: u32::MAX.into(),
        };
        Shape::AnyOf(vec![Shape::text("a name"), number])
    }

    fn read(&self, service: &mut Service, node: &Node<'_>, reader: &mut Reader<'_>) {
        let account = if integer_of(node).is_some() {
            read_integer(node, reader, 0, u32::MAX.into()).map(|number| number.to_string())
        } else {
            reader.text(node, "a name or a number")
        };
        match account {
            Some(name) if name.is_empty() => reader.bad(node, "it is empty", "a name or a number"),
            Some(name) => {
                reader.say(self.field, &name, node.span());
                *(self.get_mut)(&mut service.spec.process) = Some(name);
            }
            None => {}
        }
    }

    fn write(&self, service: &Service, _extent: Extent) -> Value {
        (self.get)(&service.spec.process).write()
    }
}

/// Variables by name.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Env(pub(super) Vec<(String, String)>);

impl Form for Env {
    fn shape() -> Shape {
        let number = Shape::Integer {
            min: i64::MIN,
            max: i64::MAX,
        };
        Shape::Map(Box::new(Shape::AnyOf(vec![
            Shape::text("a text"),
            number,
            Shape::Bool,
        ])))
    }

    fn read(&mut self, node: &Node<'_>, reader: &mut Reader<'_>) {
        let Some(table) = table_of(node) else {
            return reader.wrong(node, "a table such as { PORT = \"8080\" }");
        };
        for (name, node) in table {
            if name.get_ref().is_empty() || name.get_ref().contains(['=', '\0']) {
                let message = format!("`{}` can name no variable", name.get_ref());
                reader.refuse(name.span(), message, "remove `=` and zero bytes from it");
                continue;
            }
            let value = reader.below(name.get_ref(), |reader| read_variable(node, reader));
            if let Some(value) = value {
                self.0.retain(|(known, _)| known != name.get_ref());
                self.0.push((name.get_ref().to_string(), value));
            }
        }
    }

    fn write(&self) -> Value {
        let mut entries: Vec<(String, Value)> = Vec::new();
        for (name, value) in &self.0 {
            entries.retain(|(known, _)| known != name);
            entries.push((name.clone(), Value::text(value)));
        }
        Value::Table(entries)
    }
}

fn read_variable(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<String> {
    let value = match node.get_ref() {
        DeValue::Integer(_) => integer_of(node).map(|number| number.to_string()),
        DeValue::Boolean(bool) => Some(bool.to_string()),
        DeValue::String(_)
        | DeValue::Float(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_)
        | DeValue::Table(_) => None,
    };
    let value = match value {
        Some(value) => value,
        None => reader.text(node, "a text in quotes")?,
    };
    if value.contains('\0') {
        reader.bad(node, "it holds a zero byte", "a text without it");
        return None;
    }
    Some(value)
}

/// The path made absolute, seen from the file.
fn read_path(node: &Node<'_>, takes: &str, reader: &mut Reader<'_>) -> Option<String> {
    let path = reader.text(node, takes)?;
    if path.is_empty() || path.contains('\0') {
        reader.bad(node, "it is no path", takes);
        return None;
    }
    Some(resolve(&reader.source.directory, &path))
}

/// A path of a file the service needs, absolute once read.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct FilePath(pub(super) String);

impl Form for FilePath {
    fn shape() -> Shape {
        Shape::text("a path")
    }

    fn read(&mut self, node: &Node<'_>, reader: &mut Reader<'_>) {
        if let Some(path) = read_path(node, "a path", reader) {
            self.0 = path;
        }
    }

    fn write(&self) -> Value {
        Value::text(&self.0)
    }
}

impl Blank for FilePath {
    const NONE_TAKES_AWAY: bool = false;

    fn blank() -> FilePath {
        FilePath::default()
    }
}

/// A path that may be missing, as a table.
#[derive(Debug, Clone, PartialEq, Default)]
struct OptionalPath {
    path: String,
    optional: bool,
}

impl Section for OptionalPath {
    const KEYS: &'static [Key<OptionalPath>] = &[
        Key {
            name: "path",
            doc: "The path",
            slot: at!(path),
        },
        Key {
            name: "optional",
            doc: "Whether it may be missing",
            slot: at!(optional),
        },
    ];

    fn initial() -> OptionalPath {
        OptionalPath::default()
    }
}

impl OptionalPath {
    fn shape() -> Shape {
        Shape::AnyOf(vec![Shape::text("a path"), section_shape::<OptionalPath>()])
    }

    fn read(node: &Node<'_>, field: Field, reader: &mut Reader<'_>) -> Option<OptionalPath> {
        let mut read = OptionalPath::default();
        if let Some(table) = table_of(node) {
            let faults = reader.faults.len();
            read_keys(&mut read, table, reader);
            if reader.faults.len() > faults {
                return None;
            }
        } else {
            read.path = reader.text(node, "a path")?;
        }
        if read.path.is_empty() || read.path.contains('\0') {
            reader.bad(node, "it is no path", "a path");
            return None;
        }
        if read.path != HOME {
            read.path = resolve(&reader.source.directory, &read.path);
        }
        reader.say(field, &read.path, node.span());
        Some(read)
    }

    fn write(path: &str, optional: bool) -> Value {
        if optional {
            Value::Table(write_changed(&OptionalPath {
                path: path.into(),
                optional,
            }))
        } else {
            Value::text(path)
        }
    }
}

/// The home of the service's user, as a working directory.
const HOME: &str = "~";

impl Form for Directory {
    fn shape() -> Shape {
        OptionalPath::shape()
    }

    fn read(&mut self, node: &Node<'_>, reader: &mut Reader<'_>) {
        if let Some(read) = OptionalPath::read(node, Field::WorkingDirectory, reader) {
            self.path = read.path;
            self.optional = read.optional;
        }
    }

    fn write(&self) -> Value {
        OptionalPath::write(&self.path, self.optional)
    }
}

impl Blank for Directory {
    const NONE_TAKES_AWAY: bool = false;

    fn blank() -> Directory {
        Directory {
            path: "/".into(),
            optional: false,
        }
    }
}

impl Form for EnvFile {
    fn shape() -> Shape {
        OptionalPath::shape()
    }

    fn read(&mut self, node: &Node<'_>, reader: &mut Reader<'_>) {
        if let Some(read) = OptionalPath::read(node, Field::EnvFile, reader) {
            self.path = read.path;
            self.optional = read.optional;
        }
    }

    fn write(&self) -> Value {
        OptionalPath::write(&self.path, self.optional)
    }
}

impl Blank for EnvFile {
    fn blank() -> EnvFile {
        EnvFile {
            path: String::new(),
            optional: false,
        }
    }
}

/// Processors by number; a text is a range.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cpus(pub(super) Vec<u16>);

impl Cpus {
    const TAKES: &'static str = "processors such as [0, 1] or \"0-3\"";
    /// What sched_setaffinity(2) of Linux can name.
    const MOST: i64 = 8191;
}

impl Form for Cpus {
    fn shape() -> Shape {
        let one = Shape::Integer {
            min: 0,
            max: Cpus::MOST,
        };
        let range = Shape::pattern("a range such as \"0-3\"", "^[0-9]+(-[0-9]+)?$");
        let item = Shape::AnyOf(vec![one, range]);
        Shape::one_or_more(item)
    }

    fn read(&mut self, node: &Node<'_>, reader: &mut Reader<'_>) {
        self.0.clear();
        for item in array_of(node).unwrap_or(std::slice::from_ref(node)) {
            let range = match integer_of(item) {
                Some(number) => Some((number, number)),
                None => {
                    let Some(text) = reader.text(item, Cpus::TAKES) else {
                        continue;
                    };
                    let (first, last) = text.split_once('-').unwrap_or((&text, &text));
                    first.trim().parse().ok().zip(last.trim().parse().ok())
                }
            };
            match range {
                Some((first, last)) if first >= 0 && first <= last && last <= Cpus::MOST => {
                    let numbers = (first..=last).filter_map(|number| u16::try_from(number).ok());
                    self.0.extend(numbers);
                }
                Some(_) | None => reader.bad(item, "it names no processors", Cpus::TAKES),
            }
        }
        self.0.sort_unstable();
        self.0.dedup();
    }

    fn write(&self) -> Value {
        let numbers = self.0.iter().map(|number| Value::Integer((*number).into()));
        Value::List(numbers.collect())
    }
}
