//! `health`: a check that goes on while the service runs.

use aplomb_core::Duration;
use aplomb_core::spec::{Health, HealthAction};

use super::form::{Form, word_form};
use super::key::{Key, Section, at, read_keys, section_shape, write_changed};
use super::probe::{Asked, exactly_one};
use super::reader::{Node, Reader, table_of, text_of};
use super::shape::Shape;
use super::value::Value;

const HEALTH: &str =
    "a check such as \"port 8080\", \"http http://127.0.0.1:8080/health\" or \"command PROGRAM\"";

word_form!(HealthAction,
    HealthAction::Nothing => "nothing",
    HealthAction::Restart => "restart",
);

/// The keys of `health` as a table.
#[derive(Debug, Clone, PartialEq)]
struct HealthTable {
    asked: Asked,
    interval: Duration,
    timeout: Duration,
    threshold: u32,
    then: HealthAction,
}

impl Section for HealthTable {
    const KEYS: &'static [Key<HealthTable>] = &[
        Key {
            name: "port",
            doc: "A TCP connection to this address is accepted",
            slot: at!(asked.port),
        },
        Key {
            name: "http",
            doc: "A GET of this URL is answered",
            slot: at!(asked.http),
        },
        Key {
            name: "status",
            doc: "HTTP statuses that count as an answer; 200-399 where absent",
            slot: at!(asked.status),
        },
        Key {
            name: "body",
            doc: "A regular expression the first 64 KiB of the answer's body must match",
            slot: at!(asked.body),
        },
        Key {
            name: "file",
            doc: "This file exists; seen from the service's directory",
            slot: at!(asked.file),
        },
        Key {
            name: "command",
            doc: "This command ends with code 0",
            slot: at!(asked.command),
        },
        Key {
            name: "interval",
            doc: "How often it is asked",
            slot: at!(interval),
        },
        Key {
            name: "timeout",
            doc: "When one try is given up",
            slot: at!(timeout),
        },
        Key {
            name: "threshold",
            doc: "Failures in a row that make the service unhealthy",
            slot: at!(threshold),
        },
        Key {
            name: "then",
            doc: "What an unhealthy service gets",
            slot: at!(then),
        },
    ];

    fn initial() -> HealthTable {
        HealthTable {
            asked: Asked::default(),
            interval: Health::INTERVAL,
            timeout: Health::TIMEOUT,
            threshold: Health::THRESHOLD,
            then: HealthAction::default(),
        }
    }
}

impl HealthTable {
    fn of(health: &Health) -> HealthTable {
        HealthTable {
            asked: Asked::of(&health.check),
            interval: health.interval,
            timeout: health.timeout,
            threshold: health.threshold,
            then: health.then,
        }
    }
}

/// `health`, which is absent or a table or a check in one text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct MaybeHealth(pub(super) Option<Health>);

impl Form for MaybeHealth {
    fn shape() -> Shape {
        Shape::AnyOf(vec![
            Shape::pattern(HEALTH, "^(none|(port|http|file|command) .+)$"),
            section_shape::<HealthTable>(),
        ])
    }

    fn read(&mut self, node: &Node<'_>, reader: &mut Reader<'_>) {
        if text_of(node) == Some(super::form::NONE) {
            self.0 = None;
            return;
        }
        let mut health = HealthTable::initial();
        if let Some(table) = table_of(node) {
            let faults = reader.faults.len();
            read_keys(&mut health, table, reader);
            if reader.faults.len() > faults
                || !exactly_one(&health.asked.set(), &health.asked, node, reader)
            {
                return;
            }
            if health.interval.is_zero() || health.threshold == 0 {
                return reader.bad(
                    node,
                    "neither `interval` nor `threshold` can be zero",
                    "at least 1s and 1",
                );
            }
        } else {
            let Some(text) = reader.text(node, HEALTH) else {
                return;
            };
            let text = text.trim_start();
            let (kind, argument) = text.split_once(' ').unwrap_or((text, ""));
            match Asked::parse(node, kind, argument, reader) {
                Some(Some(check)) => health.asked = Asked::of(&check),
                Some(None) => return,
                None => return reader.bad(node, format!("`{kind}` is no check"), HEALTH),
            }
        }
        let Some(check) = health.asked.check() else {
            return;
        };
        self.0 = Some(Health {
            check,
            interval: health.interval,
            timeout: health.timeout,
            threshold: health.threshold,
            then: health.then,
        });
    }

    fn write(&self) -> Value {
        let Some(health) = &self.0 else {
            return Value::Absent;
        };
        let table = HealthTable::of(health);
        let usual = HealthTable {
            asked: table.asked.clone(),
            ..HealthTable::initial()
        };
        match Asked::short(&health.check) {
            Some(text) if table == usual => Value::Text(text),
            Some(_) | None => Value::Table(write_changed(&table)),
        }
    }
}
