//! `exit`: what particular exit codes and signals mean.

use aplomb_core::spec::{ExitAction, ExitRules, ExitSet};
use aplomb_core::{ExitCode, Signal};

use super::form::{Form, Sound, TextForm, Word, read_text, read_word, section_form, word_form};
use super::key::{Key, Section, Via, at};
use super::reader::{Node, Reader, array_of, integer_of, table_of, text_of};
use super::shape::Shape;
use super::value::Value;

word_form!(ExitAction,
    ExitAction::Restart => "restart",
    ExitAction::Stop => "stop",
    ExitAction::Fail => "fail",
    ExitAction::Shutdown => "shutdown",
);

impl Section for ExitRules {
    const KEYS: &'static [Key<ExitRules>] = &[
        Key {
            name: "success",
            doc: "Exit codes and signals that count as a clean end besides the usual ones",
            slot: at!(success),
        },
        Key {
            name: "prevent-restart",
            doc: "Exit codes and signals after which there is no restart",
            slot: at!(prevent_restart),
        },
        Key {
            name: "force-restart",
            doc: "Exit codes and signals after which there is always a restart",
            slot: at!(force_restart),
        },
        Key {
            name: "remain",
            doc: "Whether the service counts as up after its program ended well, until it is stopped",
            slot: at!(remain_after_exit),
        },
        Key {
            name: "actions",
            doc: "What follows particular exit codes, before every other rule, as in { 75 = \"restart\" }",
            slot: &Via {
                get: |exit: &ExitRules| ExitActions(exit.actions.clone()),
                set: |exit, actions| exit.actions = actions.0,
            },
        },
    ];

    fn initial() -> ExitRules {
        ExitRules::default()
    }
}

section_form!(ExitRules);

impl Sound for ExitRules {}

impl Form for ExitSet {
    fn shape() -> Shape {
        let code = Shape::Integer {
            min: 0,
            max: u32::MAX.into(),
        };
        let one = Shape::AnyOf(vec![code, Signal::SHAPE]);
        Shape::one_or_more(one)
    }

    fn read(&mut self, node: &Node<'_>, reader: &mut Reader<'_>) {
        let items = array_of(node).unwrap_or(std::slice::from_ref(node));
        *self = ExitSet::default();
        for item in items {
            if let Some(number) = integer_of(item) {
                match u32::try_from(number) {
                    Ok(code) => self.codes.push(ExitCode(code)),
                    Err(_) => reader.bad(item, "no program ends with that code", "exit codes"),
                }
            } else if text_of(item).is_none() {
                reader.wrong(item, "exit codes such as 3, or signals such as \"SIGTERM\"");
            } else if let Some(signal) = read_text(item, reader) {
                self.signals.push(signal);
            }
        }
    }

    fn write(&self) -> Value {
        let codes = self.codes.iter().map(|code| Value::Integer(code.0.into()));
        let signals = self.signals.iter().map(Form::write);
        Value::List(codes.chain(signals).collect())
    }
}

struct ExitActions(Vec<(ExitCode, ExitAction)>);

impl Form for ExitActions {
    fn shape() -> Shape {
        Shape::Map(Box::new(ExitAction::shape()))
    }

    fn read(&mut self, node: &Node<'_>, reader: &mut Reader<'_>) {
        let Some(table) = table_of(node) else {
            return reader.wrong(node, "a table such as { 75 = \"restart\" }");
        };
        for (code, action) in table {
            let Ok(number) = code.get_ref().parse() else {
                reader.refuse(
                    code.span(),
                    format!("`{}` is no exit code", code.get_ref()),
                    "write a number from 0 to 255",
                );
                continue;
            };
            let read = reader.below(code.get_ref(), |reader| read_word(action, reader));
            if let Some(action) = read {
                self.0.retain(|(known, _)| known.0 != number);
                self.0.push((ExitCode(number), action));
            }
        }
    }

    fn write(&self) -> Value {
        let actions = self
            .0
            .iter()
            .map(|(code, action)| (code.to_string(), Value::text(action.word())));
        Value::Table(actions.collect())
    }
}
