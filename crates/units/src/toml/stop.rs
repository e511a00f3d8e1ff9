//! `stop`: the polite requests in turn, the budget they share, and the kill.

use aplomb_core::spec::{Command, PreStop, Request, Stop, StopStep, Whom};
use aplomb_core::{Duration, Signal};

use super::command::{Commands, place_program, split_fault};
use super::form::{Blank, Form, Sound, section_form, word_form};
use super::key::{Key, Section, Via, at, read_section, section_shape, write_changed};
use super::reader::{Node, Reader, array_of, table_of};
use super::shape::Shape;
use super::value::Value;
use crate::source::Field;
use crate::words::{join, parse_duration, print_duration, split};

const STEP: &str = "a stop step such as \"SIGTERM 20s\", \"ctrl-c 5s\", \"command PROGRAM ARGS…\" or \"run PROGRAM ARGS…\"";

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

impl Section for PreStop {
    const KEYS: &'static [Key<PreStop>] = &[
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

    const SHORT: Option<&'static str> = Some("command");

    fn initial() -> PreStop {
        PreStop {
            command: Command::default(),
            grace: PreStop::GRACE,
        }
    }
}

section_form!(PreStop);

impl Sound for PreStop {
    fn sound(&mut self, node: &Node<'_>, reader: &mut Reader<'_>) {
        if table_of(node).is_some_and(|table| !table.contains_key("command")) {
            reader.refuse(
                node.span(),
                "`stop.pre` names no program",
                "add the key `command`",
            );
        }
    }
}

impl Blank for PreStop {
    fn blank() -> PreStop {
        PreStop::initial()
    }
}

/// The keys of a step that is a command.
#[derive(Debug, Clone, PartialEq, Default)]
struct CommandStep {
    command: Option<Command>,
    run: Option<Command>,
    grace: Option<Duration>,
}

impl Section for CommandStep {
    const KEYS: &'static [Key<CommandStep>] = &[
        Key {
            name: "command",
            doc: "A command that asks the program to end, which then has the rest of the grace period",
            slot: at!(command),
        },
        Key {
            name: "run",
            doc: "A command after which the next step follows at once",
            slot: at!(run),
        },
        Key {
            name: "grace",
            doc: "How long the step may take; what the budget leaves where absent",
            slot: at!(grace),
        },
    ];

    fn initial() -> CommandStep {
        CommandStep::default()
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
        Shape::AnyOf(vec![Shape::text(STEP), section_shape::<CommandStep>()])
    }

    fn read(&mut self, node: &Node<'_>, reader: &mut Reader<'_>) {
        let step = match table_of(node) {
            Some(_) => read_table(node, reader),
            None => read_text(node, reader),
        };
        if let Some(step) = step {
            *self = step;
        }
    }

    fn write(&self) -> Value {
        let word = match &self.request {
            Request::Command(command) => return self.write_command("command", command),
            Request::CommandOnly(command) => return self.write_command("run", command),
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

/// A step written as a command, as text where no more than its words is to be said.
trait WriteCommand {
    fn write_command(&self, word: &'static str, command: &Command) -> Value;
}

impl WriteCommand for StopStep {
    fn write_command(&self, word: &'static str, command: &Command) -> Value {
        match command_words(command) {
            Some(words) if self.grace.is_none() => Value::Text(format!("{word} {words}")),
            Some(_) | None => Value::Table(write_changed(&CommandStep {
                command: (word == "command").then(|| command.clone()),
                run: (word == "run").then(|| command.clone()),
                grace: self.grace,
            })),
        }
    }
}

fn read_table(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<StopStep> {
    let mut step = CommandStep::default();
    let faults = reader.faults.len();
    read_section(&mut step, node, reader);
    let request = match (step.command, step.run) {
        (Some(command), None) => Some(Request::Command(command)),
        (None, Some(command)) => Some(Request::CommandOnly(command)),
        (None, None) | (Some(_), Some(_)) => None,
    };
    if request.is_none() && reader.faults.len() == faults {
        let message = format!("a step of `{}` needs one command", reader.key());
        reader.refuse(node.span(), message, "give it either `command` or `run`");
    }
    request.map(|request| StopStep {
        request,
        grace: step.grace,
    })
}

fn read_text(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<StopStep> {
    let text = reader.text(node, STEP)?;
    let text = text.trim_start();
    let (head, rest) = text.split_once(' ').unwrap_or((text, ""));
    let request = match head {
        "command" => Request::Command(command_text(node, rest, reader)?),
        "run" => Request::CommandOnly(command_text(node, rest, reader)?),
        _ => return read_request(node, head, rest, reader),
    };
    Some(StopStep {
        request,
        grace: None,
    })
}

/// A signal or a word, with its grace period.
fn read_request(
    node: &Node<'_>,
    head: &str,
    rest: &str,
    reader: &mut Reader<'_>,
) -> Option<StopStep> {
    let word = WORDS.iter().find(|(word, _)| *word == head);
    let request = word
        .map(|(_, request)| request.clone())
        .or_else(|| Signal::parse(head).map(Request::Signal));
    let Some(request) = request else {
        reader.bad(node, format!("`{head}` is no way to ask"), STEP);
        return None;
    };
    let grace = match rest.trim() {
        "" => None,
        grace => match parse_duration(grace) {
            Ok(grace) => Some(grace),
            Err(why) => {
                reader.bad(node, why, STEP);
                return None;
            }
        },
    };
    Some(StopStep { request, grace })
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
