//! `stop`: the polite requests in turn, the budget they share, and the kill.

use aplomb_core::spec::{Command, PreStop, Request, Stop, StopStep, Whom};
use aplomb_core::{Duration, Signal};

use super::command::{Commands, place_program, split_fault};
use super::form::{Blank, Form, Sound, section_form, word_form};
use super::key::{At, Key, Section, Via, at, read_keys, section_shape, write_changed};
use super::reader::{Node, Reader, array_of, table_of};
use super::shape::Shape;
use super::value::Value;
use crate::source::Field;
use crate::words::{join, parse_duration, print_duration, split};

const STEP: &str =
    "a stop step such as \"SIGTERM 20s\", \"ctrl-c 5s\" or \"command PROGRAM ARGS…\"";

word_form!(Whom,
    Whom::Tree => "tree",
    Whom::Mixed => "mixed",
    Whom::Main => "main",
    Whom::Nobody => "nobody",
);

impl Section for Stop {
    const KEYS: &'static [Key<Stop>] = &[
        Key {
            name: "pre",
            doc: "A command before the first stop step, waited for: tell the balancer, finish the batch",
            slot: at!(pre),
        },
        Key {
            name: "plan",
            doc: "Stop steps in turn, each with its grace period; without one it gets what the budget leaves",
            slot: at!(plan),
        },
        Key {
            name: "budget",
            doc: "The time the whole stop may take, `pre` and the kill margin included",
            slot: at!(budget),
        },
        Key {
            name: "kill-margin",
            doc: "Kept back at the end of the budget for the kill to take effect",
            slot: at!(kill_margin),
        },
        Key {
            name: "whom",
            doc: "Who gets the steps and the kill: the whole tree; the main process the steps and the tree the kill; only the main process; nobody",
            slot: at!(whom),
        },
        Key {
            name: "kill",
            doc: "The signal that ends what the plan did not; with \"none\" it is left running",
            slot: at!(kill),
        },
        Key {
            name: "also-hup",
            doc: "Whether SIGHUP follows each signal step at once",
            slot: at!(also_hup),
        },
        Key {
            name: "restart-signal",
            doc: "Instead of the plan's first signal when the stop is part of a restart",
            slot: at!(restart_signal),
        },
        Key {
            name: "watchdog-signal",
            doc: "Instead of the plan when the watchdog calls",
            slot: at!(watchdog_signal),
        },
        Key {
            name: "post",
            doc: "Commands run in turn once the tree is empty, whatever the outcome",
            slot: &Via {
                get: |stop: &Stop| Commands(stop.post.clone()),
                set: |stop, commands| stop.post = commands.0,
            },
        },
    ];

    const SHORT: Option<&'static str> = Some("plan");

    fn initial() -> Stop {
        Stop::default()
    }
}

section_form!(Stop);

impl Sound for Stop {
    fn sound(&mut self, node: &Node<'_>, reader: &mut Reader<'_>) {
        let key = |name| match table_of(node) {
            Some(table) => table.get(name),
            None => Some(node).filter(|_| name == "plan"),
        };
        if let Some(plan) = key("plan") {
            if array_of(plan).is_some_and(<[Node<'_>]>::is_empty) {
                reader.refuse(
                    plan.span(),
                    "`stop.plan` is empty, so nobody would be asked to end before the kill",
                    "give it a step such as \"SIGTERM 20s\"",
                );
            }
            reader.say(Field::StopPlan, "", plan.span());
        }
        if let Some(budget) = key("budget") {
            reader.say(Field::StopBudget, "", budget.span());
        }
    }
}

/// The keys of a step or command with a grace period.
#[derive(Debug, Clone, PartialEq)]
struct Graced {
    command: Commands,
    grace: Option<Duration>,
}

impl Section for Graced {
    const KEYS: &'static [Key<Graced>] = &[
        Key {
            name: "command",
            doc: "The command",
            slot: at!(command),
        },
        Key {
            name: "grace",
            doc: "How long it may take",
            slot: at!(grace),
        },
    ];

    fn initial() -> Graced {
        Graced {
            command: Commands::default(),
            grace: None,
        }
    }
}

impl Graced {
    /// The one command with its grace period; says what is missing.
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<(Command, Option<Duration>)> {
        let table = table_of(node)?;
        let mut graced = Graced::initial();
        let faults = reader.faults.len();
        read_keys(&mut graced, table, reader);
        let mut commands = graced.command.0.into_iter();
        match (commands.next(), commands.next()) {
            (Some(command), None) => Some((command, graced.grace)),
            (None | Some(_), _) => {
                if reader.faults.len() == faults {
                    let message = format!("`{}` needs exactly one command", reader.key());
                    reader.refuse(node.span(), message, "give it the key `command`");
                }
                None
            }
        }
    }

    fn write(command: &Command, grace: Option<Duration>) -> Value {
        Value::Table(write_changed(&Graced {
            command: Commands(vec![command.clone()]),
            grace,
        }))
    }
}

impl Form for PreStop {
    fn shape() -> Shape {
        Shape::AnyOf(vec![Command::shape(), section_shape::<Graced>()])
    }

    fn read(&mut self, node: &Node<'_>, reader: &mut Reader<'_>) {
        let graced = table_of(node).is_some_and(|table| table.contains_key("grace"));
        if graced {
            if let Some((command, grace)) = Graced::read(node, reader) {
                self.command = command;
                self.grace = grace.unwrap_or(PreStop::GRACE);
            }
        } else {
            self.command.read(node, reader);
        }
    }

    fn write(&self) -> Value {
        if self.grace == PreStop::GRACE {
            self.command.write()
        } else {
            Graced::write(&self.command, Some(self.grace))
        }
    }
}

impl Blank for PreStop {
    fn blank() -> PreStop {
        PreStop {
            command: Command::default(),
            grace: PreStop::GRACE,
        }
    }
}

/// Requests that are one word.
const WORDS: &[(&str, Request)] = &[
    ("ctrl-c", Request::CtrlC),
    ("ctrl-break", Request::CtrlBreak),
    ("close-windows", Request::CloseWindows),
    ("quit-threads", Request::QuitThreads),
];

impl Form for StopStep {
    fn shape() -> Shape {
        Shape::AnyOf(vec![Shape::text(STEP), section_shape::<Graced>()])
    }

    fn read(&mut self, node: &Node<'_>, reader: &mut Reader<'_>) {
        if table_of(node).is_some() {
            if let Some((command, grace)) = Graced::read(node, reader) {
                self.request = Request::Command(command);
                self.grace = grace;
            }
            return;
        }
        let Some(text) = reader.text(node, STEP) else {
            return;
        };
        let text = text.trim_start();
        let (head, rest) = text.split_once(' ').unwrap_or((text, ""));
        if head == "command" {
            if let Some(command) = command_text(node, rest, reader) {
                self.request = Request::Command(command);
                self.grace = None;
            }
            return;
        }
        let request = WORDS
            .iter()
            .find(|(word, _)| *word == head)
            .map(|(_, request)| request.clone())
            .or_else(|| Signal::parse(head).map(Request::Signal));
        let Some(request) = request else {
            return reader.bad(node, format!("`{head}` is no way to ask"), STEP);
        };
        match rest.trim() {
            "" => self.grace = None,
            grace => match parse_duration(grace) {
                Ok(grace) => self.grace = Some(grace),
                Err(why) => return reader.bad(node, why, STEP),
            },
        }
        self.request = request;
    }

    fn write(&self) -> Value {
        let word = match &self.request {
            Request::Command(command) | Request::CommandOnly(command) => {
                return match command_words(command) {
                    Some(words) if self.grace.is_none() => Value::Text(format!("command {words}")),
                    Some(_) | None => Graced::write(command, self.grace),
                };
            }
            Request::Signal(signal) => signal.to_string(),
            Request::CtrlC | Request::CtrlBreak | Request::CloseWindows | Request::QuitThreads => {
                WORDS
                    .iter()
                    .find(|(_, request)| *request == self.request)
                    .map_or_else(String::new, |(word, _)| (*word).into())
            }
        };
        Value::Text(match self.grace {
            Some(grace) => format!("{word} {}", print_duration(grace)),
            None => word,
        })
    }
}

/// The command in a text that began with `command `.
pub(super) fn command_text(
    node: &Node<'_>,
    text: &str,
    reader: &mut Reader<'_>,
) -> Option<Command> {
    let words = match split(text) {
        Ok(words) => words,
        Err(fault) => {
            split_fault(node, text, &fault, reader);
            return None;
        }
    };
    let mut words = words.into_iter();
    let Some(mut program) = words.next().filter(|program| !program.is_empty()) else {
        reader.bad(node, "it names no program", "a program after `command`");
        return None;
    };
    place_program(&mut program, node, reader);
    Some(Command {
        program,
        args: words.collect(),
        ..Command::default()
    })
}

/// The words of a command that is nothing but words.
pub(super) fn command_words(command: &Command) -> Option<String> {
    let plain = Command {
        program: command.program.clone(),
        args: command.args.clone(),
        ..Command::default()
    };
    let words = std::iter::once(&command.program).chain(&command.args);
    (*command == plain).then(|| join(words.map(String::as_str)))
}

impl Blank for StopStep {
    fn blank() -> StopStep {
        StopStep {
            request: Request::Signal(Signal::TERM),
            grace: None,
        }
    }
}
