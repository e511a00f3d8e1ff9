//! `hooks`: commands at moments of a service's life, one key per moment.

use aplomb_core::Duration;
use aplomb_core::spec::{Command, Hook, Moment};

use super::form::Form;
use super::key::{Key, Section, at, facts, read_section, section_shape, write_section};
use super::reader::{Node, Reader, array_of, table_of, text_of};
use super::shape::{Fact, Shape, Table};
use super::value::Value;
use crate::words::nearest;

/// A hook written as a table.
#[derive(Debug, Clone, PartialEq)]
struct HookTable {
    command: Command,
    timeout: Duration,
}

impl Section for HookTable {
    const KEYS: &'static [Key<HookTable>] = &[
        Key {
            name: "command",
            doc: "The command",
            slot: at!(command),
        },
        Key {
            name: "timeout",
            doc: "The hook's own budget; its tree is killed after it",
            slot: at!(timeout),
        },
    ];

    const SHORT: Option<&'static str> = Some("command");

    fn initial() -> HookTable {
        HookTable {
            command: Command::default(),
            timeout: Hook::TIMEOUT,
        }
    }
}

/// The form of one command at a moment, where only a table is told apart from a name.
pub(super) fn table_shape() -> Shape {
    Shape::Table(Table {
        short: None,
        facts: facts::<HookTable>(),
    })
}

/// All hooks of a service.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Hooks(pub(super) Vec<Hook>);

impl Hooks {
    /// Commands at one moment: one in any of its forms, or an array of tables or arrays.
    pub(super) fn read_moment(&mut self, on: Moment, node: &Node<'_>, reader: &mut Reader<'_>) {
        self.0.retain(|hook| hook.on != on);
        let items = match array_of(node) {
            Some(items) if items.iter().all(|item| text_of(item).is_none()) => items,
            Some(_) | None => std::slice::from_ref(node),
        };
        for item in items {
            self.0.extend(read_hook(on, item, reader));
        }
    }
}

fn read_hook(on: Moment, node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Hook> {
    let mut hook = HookTable::initial();
    let faults = reader.faults.len();
    read_section(&mut hook, node, reader);
    if reader.faults.len() > faults {
        return None;
    }
    if hook.command.program.is_empty() {
        let message = format!("`{}` names no program", reader.key());
        reader.refuse(node.span(), message, "add the key `command`");
        return None;
    }
    Some(Hook {
        on,
        command: hook.command,
        timeout: hook.timeout,
    })
}

fn write_hook(hook: &Hook) -> Value {
    write_section(&HookTable {
        command: hook.command.clone(),
        timeout: hook.timeout,
    })
}

impl Form for Hooks {
    fn shape() -> Shape {
        let one = section_shape::<HookTable>();
        let value = Shape::one_or_more(one);
        let moments = Moment::ALL.iter().map(|(moment, name)| Fact {
            name,
            doc: when(*moment),
            shape: value.clone(),
            default: Value::Absent,
        });
        Shape::Table(Table {
            short: None,
            facts: moments.collect(),
        })
    }

    fn read(&mut self, node: &Node<'_>, reader: &mut Reader<'_>) {
        let Some(table) = table_of(node) else {
            return reader.wrong(node, "a table such as { ready = [\"/usr/bin/notify\"] }");
        };
        for (name, node) in table {
            let known = Moment::ALL
                .iter()
                .find(|(_, known)| known == name.get_ref());
            match known {
                Some((moment, known)) => {
                    reader.below(known, |reader| self.read_moment(*moment, node, reader));
                }
                None => {
                    let names = Moment::ALL.iter().map(|(_, known)| *known);
                    let action = match nearest(name.get_ref(), names.clone()) {
                        Some(known) => format!("write `{known}`"),
                        None => format!("use one of {}", names.collect::<Vec<_>>().join(", ")),
                    };
                    let message = format!("there is no moment `{}`", name.get_ref());
                    reader.refuse(name.span(), message, action);
                }
            }
        }
    }

    fn write(&self) -> Value {
        let mut entries = Vec::new();
        for (moment, name) in Moment::ALL {
            let hooks: Vec<Value> = self
                .0
                .iter()
                .filter(|hook| hook.on == *moment)
                .map(write_hook)
                .collect();
            match <[Value; 1]>::try_from(hooks) {
                Ok([one]) => entries.push(((*name).into(), one)),
                Err(none) if none.is_empty() => {}
                Err(several) => entries.push(((*name).into(), Value::List(several))),
            }
        }
        Value::Table(entries)
    }
}

fn when(moment: Moment) -> &'static str {
    match moment {
        Moment::StartPre => {
            "Before the program is spawned; waited for, and a failure fails the start"
        }
        Moment::Started => "The program has been spawned",
        Moment::Ready => "It is ready",
        Moment::Exit => "The main process ended",
        Moment::StopPre => "Before the first stop step; waited for",
        Moment::Stopped => "The tree is empty",
        Moment::Restart => "A restart has been decided",
        Moment::Failed => "Given up",
        Moment::Rotate => "A log file has been rotated",
        Moment::Unhealthy => "The health probe crossed its threshold",
        Moment::Kill => "Something is about to be killed by force",
    }
}
