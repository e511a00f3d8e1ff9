//! `kind`, `start-mode`, `reload` and `pause`: how the program lives and is told things.

use aplomb_core::Signal;
use aplomb_core::spec::{Command, Pause, Reload, StartMode};

use super::command::Commands;
use super::form::{Form, NONE, word_form};
use super::key::{Key, Section, at, read_keys, section_shape, write_changed};
use super::reader::{Node, Reader, table_of, text_of};
use super::shape::Shape;
use super::value::Value;

/// `Kind` as its word; the pid file of a forking service is a key of its own.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) enum KindWord {
    #[default]
    Simple,
    Idle,
    Forking,
    Oneshot,
    Target,
}

word_form!(KindWord,
    KindWord::Simple => "simple",
    KindWord::Idle => "idle",
    KindWord::Forking => "forking",
    KindWord::Oneshot => "oneshot",
    KindWord::Target => "target",
);

word_form!(StartMode,
    StartMode::Auto => "auto",
    StartMode::Manual => "manual",
    StartMode::Disabled => "disabled",
);

const RELOAD: &str = "a signal such as \"SIGHUP\", \"notify SIGHUP\", or a command as an array";

impl Form for Reload {
    fn shape() -> Shape {
        Shape::AnyOf(vec![Shape::text(RELOAD), Commands::shape()])
    }

    fn read(&mut self, node: &Node<'_>, reader: &mut Reader<'_>) {
        if let Some(text) = text_of(node) {
            if text == NONE {
                *self = Reload::Impossible;
                return;
            }
            if let Some(signal) = Signal::parse(text) {
                *self = Reload::Signal(signal);
                return;
            }
            if text == "notify" {
                *self = Reload::Notify(Signal::HUP);
                return;
            }
            if let Some(signal) = text.strip_prefix("notify ") {
                match Signal::parse(signal.trim()) {
                    Some(signal) => *self = Reload::Notify(signal),
                    None => reader.bad(node, format!("there is no signal `{signal}`"), RELOAD),
                }
                return;
            }
        }
        let faults = reader.faults.len();
        let mut commands = Commands::default();
        commands.read(node, reader);
        if commands.0.is_empty() && reader.faults.len() == faults {
            reader.bad(node, "it names no program", RELOAD);
        } else if reader.faults.len() == faults {
            *self = Reload::Commands(commands.0);
        }
    }

    fn write(&self) -> Value {
        match self {
            Reload::Impossible => Value::text(NONE),
            Reload::Commands(commands) => Commands(commands.clone()).write(),
            Reload::Signal(signal) => signal.write(),
            Reload::Notify(signal) => Value::Text(format!("notify {signal}")),
        }
    }
}

/// The program's own commands for pause and continue.
#[derive(Debug, Clone, PartialEq, Default)]
struct PauseTable {
    pause: Option<Command>,
    resume: Option<Command>,
}

impl Section for PauseTable {
    const KEYS: &'static [Key<PauseTable>] = &[
        Key {
            name: "command",
            doc: "The command that pauses it",
            slot: at!(pause),
        },
        Key {
            name: "continue",
            doc: "The command that lets it go on",
            slot: at!(resume),
        },
    ];

    fn initial() -> PauseTable {
        PauseTable::default()
    }
}

impl Form for Pause {
    fn shape() -> Shape {
        Shape::AnyOf(vec![
            Shape::Word(vec!["freeze"]),
            section_shape::<PauseTable>(),
        ])
    }

    fn read(&mut self, node: &Node<'_>, reader: &mut Reader<'_>) {
        const BOTH: &str = "\"freeze\", or both commands: { command = […], continue = […] }";
        if text_of(node) == Some("freeze") {
            *self = Pause::Freeze;
            return;
        }
        let Some(table) = table_of(node) else {
            return reader.wrong(node, BOTH);
        };
        let mut given = PauseTable::default();
        let faults = reader.faults.len();
        read_keys(&mut given, table, reader);
        match (given.pause, given.resume) {
            (Some(pause), Some(resume)) if reader.faults.len() == faults => {
                *self = Pause::Commands {
                    pause: Box::new(pause),
                    resume: Box::new(resume),
                };
            }
            (Some(_), Some(_)) => {}
            (None, _) | (_, None) if reader.faults.len() == faults => {
                reader.bad(node, "one of its two commands is missing", BOTH);
            }
            (None, _) | (_, None) => {}
        }
    }

    fn write(&self) -> Value {
        match self {
            Pause::Freeze => Value::text("freeze"),
            Pause::Commands { pause, resume } => Value::Table(write_changed(&PauseTable {
                pause: Some((**pause).clone()),
                resume: Some((**resume).clone()),
            })),
        }
    }
}
