//! Commands: a text split into words, an array of words, or a table that says more; and where several are meant, an
//! array of those.

use aplomb_core::spec::{Command, Expansion, Privilege};

use super::form::{Blank, Form, word_form};
use super::key::{Key, Section, at, read_keys, section_shape, write_changed};
use super::reader::{Node, Reader, array_of, table_of, text_of};
use super::shape::Shape;
use super::value::Value;
use crate::source::Field;
use crate::words::{SplitFault, SplitFaultKind, is_absolute, resolve, split};

pub(super) const TAKES: &str = "an array of words such as [\"/usr/bin/prog\", \"--flag\"], or a text such as \"/usr/bin/prog --flag\"";

word_form!(Privilege,
    Privilege::Service => "service",
    Privilege::KeepUser => "keep-user",
    Privilege::Full => "engine",
);

word_form!(Expansion,
    Expansion::None => "none",
    Expansion::Systemd => "systemd",
);

/// The words of a command, the program first.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Words(pub(super) Vec<String>);

impl Form for Words {
    fn shape() -> Shape {
        Shape::AnyOf(vec![
            Shape::text("a text split into words"),
            Shape::list(Shape::text("one word")),
        ])
    }

    fn read(&mut self, node: &Node<'_>, reader: &mut Reader<'_>) {
        let words = match array_of(node) {
            Some(items) => items
                .iter()
                .map(|item| reader.text(item, "a word in quotes"))
                .collect::<Option<Vec<String>>>(),
            None => split_text(node, reader),
        };
        let Some(mut words) = words else { return };
        if words.iter().any(|word| word.contains('\0')) {
            reader.bad(node, "it holds a zero byte", TAKES);
            return;
        }
        match words.first_mut() {
            Some(program) if !program.is_empty() => {
                place_program(program, node, reader);
                self.0 = words;
            }
            Some(_) | None => reader.bad(node, "it names no program", TAKES),
        }
    }

    fn write(&self) -> Value {
        Value::List(self.0.iter().map(Value::text).collect())
    }
}

fn split_text(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Vec<String>> {
    let text = reader.text(node, TAKES)?;
    match split(&text) {
        Ok(words) => Some(words),
        Err(fault) => {
            split_fault(node, &text, &fault, reader);
            None
        }
    }
}

/// Tells why a text cannot be split, at the place in question.
pub(super) fn split_fault(
    node: &Node<'_>,
    text: &str,
    fault: &SplitFault,
    reader: &mut Reader<'_>,
) {
    let offset = text_of(node)
        .and_then(|whole| whole.len().checked_sub(text.len()))
        .unwrap_or_default();
    let span = fault.span.start + offset..fault.span.end + offset;
    let span = reader.inside(node, span);
    let key = reader.key();
    match fault.kind {
        SplitFaultKind::ShellSyntax => reader.refuse(
            span,
            format!(
                "`{}` means something to a shell only, and `{key}` is not given to one",
                &text[fault.span.clone()]
            ),
            "put it in single quotes if it is meant as it stands, or write [\"sh\", \"-c\", \"…\"]",
        ),
        SplitFaultKind::OpenQuote => reader.refuse(
            span,
            format!("a quote in `{key}` is not closed"),
            "close it, or write the words as an array",
        ),
        SplitFaultKind::TrailingBackslash => reader.refuse(
            span,
            format!("`{key}` ends in a backslash that quotes nothing"),
            "remove it, or write the words as an array",
        ),
    }
}

/// Makes a program with a slash absolute, seen from the file; a bare name is left to the search path.
pub(super) fn place_program(program: &mut String, node: &Node<'_>, reader: &mut Reader<'_>) {
    if program.contains(['/', '\\']) && !is_absolute(program) {
        reader.relative.push((program.clone(), node.span()));
        *program = resolve(&reader.source.directory, program);
    }
    reader.say(Field::Program, program.clone(), node.span());
}

/// The keys of a command written as a table.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct CommandTable {
    words: Words,
    argv0: Option<String>,
    ignore_failure: bool,
    privilege: Privilege,
    expansion: Expansion,
}

impl Section for CommandTable {
    const KEYS: &'static [Key<CommandTable>] = &[
        Key {
            name: "command",
            doc: "The program and its arguments",
            slot: at!(words),
        },
        Key {
            name: "argv0",
            doc: "What the program sees as its own name",
            slot: at!(argv0),
        },
        Key {
            name: "ignore-failure",
            doc: "Whether a failure counts as success",
            slot: at!(ignore_failure),
        },
        Key {
            name: "as",
            doc: "With whose rights it runs: those of the service, the same without the change of user, or the engine's",
            slot: at!(privilege),
        },
        Key {
            name: "expand",
            doc: "Whether `$NAME` in arguments is replaced when it runs, by systemd's rules",
            slot: at!(expansion),
        },
    ];

    fn initial() -> CommandTable {
        CommandTable::default()
    }
}

impl From<CommandTable> for Command {
    fn from(table: CommandTable) -> Command {
        let mut words = table.words.0.into_iter();
        Command {
            program: words.next().unwrap_or_default(),
            argv0: table.argv0,
            args: words.collect(),
            ignore_failure: table.ignore_failure,
            privilege: table.privilege,
            expansion: table.expansion,
        }
    }
}

impl From<&Command> for CommandTable {
    fn from(command: &Command) -> CommandTable {
        let program = Some(&command.program).filter(|program| !program.is_empty());
        CommandTable {
            words: Words(program.into_iter().chain(&command.args).cloned().collect()),
            argv0: command.argv0.clone(),
            ignore_failure: command.ignore_failure,
            privilege: command.privilege,
            expansion: command.expansion,
        }
    }
}

impl Form for Command {
    fn shape() -> Shape {
        Shape::named(
            "a command",
            Shape::AnyOf(vec![Words::shape(), section_shape::<CommandTable>()]),
        )
    }

    fn read(&mut self, node: &Node<'_>, reader: &mut Reader<'_>) {
        let mut table = CommandTable::default();
        let faults = reader.faults.len();
        match table_of(node) {
            Some(keys) => {
                read_keys(&mut table, keys, reader);
                if table.words.0.is_empty() && reader.faults.len() == faults {
                    let message = format!("`{}` names no program", reader.key());
                    reader.refuse(node.span(), message, "add the key `command`");
                }
            }
            None => table.words.read(node, reader),
        }
        if reader.faults.len() == faults {
            *self = table.into();
        }
    }

    fn write(&self) -> Value {
        let table = CommandTable::from(self);
        let simple = CommandTable {
            words: table.words.clone(),
            ..CommandTable::default()
        };
        if table == simple {
            table.words.write()
        } else {
            Value::Table(write_changed(&table))
        }
    }
}

impl Blank for Command {
    const NONE_TAKES_AWAY: bool = false;

    fn blank() -> Command {
        Command::default()
    }
}

/// Several commands, run in turn.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Commands(pub(super) Vec<Command>);

impl Form for Commands {
    fn shape() -> Shape {
        Shape::one_or_more(Command::shape())
    }

    fn read(&mut self, node: &Node<'_>, reader: &mut Reader<'_>) {
        let one = std::slice::from_ref(node);
        // An array of texts is one command; only arrays and tables inside make it several.
        let items = match array_of(node) {
            Some([]) => &[],
            Some(items) if items.iter().all(|item| text_of(item).is_none()) => items,
            Some(_) | None => one,
        };
        self.0.clear();
        for item in items {
            let faults = reader.faults.len();
            let mut command = Command::default();
            command.read(item, reader);
            if reader.faults.len() == faults {
                self.0.push(command);
            }
        }
    }

    fn write(&self) -> Value {
        match self.0.as_slice() {
            [] => Value::Absent,
            [one] => one.write(),
            several => Value::List(several.iter().map(Form::write).collect()),
        }
    }
}
