//! `ready`: the proof that a run serves.

use aplomb_core::Duration;
use aplomb_core::spec::{Check, NotifyFrom, Ready};

use super::form::{Blank, Form, TextForm, Word, word_form};
use super::key::{Key, Section, at, read_keys, section_shape, write_changed};
use super::probe::{Asked, Pattern, exactly_one};
use super::reader::{Node, Reader, table_of};
use super::shape::Shape;
use super::value::Value;
use crate::words::{parse_duration, print_duration};

const READY: &str = "a proof such as \"notify\", \"port 8080\", \"http http://127.0.0.1:8080/ready\", \"log REGEX\", \"file PATH\", \"command PROGRAM\", \"fd 3\" or \"delay 2s\"";

word_form!(NotifyFrom,
    NotifyFrom::Main => "main",
    NotifyFrom::Exec => "exec",
    NotifyFrom::All => "all",
    NotifyFrom::Nobody => "nobody",
);

impl Blank for NotifyFrom {
    const NONE_TAKES_AWAY: bool = false;

    fn blank() -> NotifyFrom {
        NotifyFrom::default()
    }
}

/// The keys of `ready` as a table.
#[derive(Debug, Clone, PartialEq)]
struct ReadyTable {
    notify: Option<NotifyFrom>,
    fd: Option<u32>,
    log: Option<Pattern>,
    delay: Option<Duration>,
    asked: Asked,
    interval: Duration,
    timeout: Duration,
}

impl Section for ReadyTable {
    const KEYS: &'static [Key<ReadyTable>] = &[
        Key {
            name: "notify",
            doc: "The program says so on its notify socket (sd_notify protocol); whose messages count",
            slot: at!(notify),
        },
        Key {
            name: "fd",
            doc: "The program writes a line to this file descriptor (s6 protocol)",
            slot: at!(fd),
        },
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
            name: "log",
            doc: "A line of its output matches this regular expression",
            slot: at!(log),
        },
        Key {
            name: "delay",
            doc: "This much time has passed and it still runs",
            slot: at!(delay),
        },
        Key {
            name: "interval",
            doc: "How often `port`, `http`, `file` or `command` is asked",
            slot: at!(interval),
        },
        Key {
            name: "timeout",
            doc: "When one try of them is given up",
            slot: at!(timeout),
        },
    ];

    fn initial() -> ReadyTable {
        ReadyTable {
            notify: None,
            fd: None,
            log: None,
            delay: None,
            asked: Asked::default(),
            interval: Ready::INTERVAL,
            timeout: Ready::TIMEOUT,
        }
    }
}

impl ReadyTable {
    fn set(&self) -> Vec<&'static str> {
        let mut set = self.asked.set();
        let own = [
            ("notify", self.notify.is_some()),
            ("fd", self.fd.is_some()),
            ("log", self.log.is_some()),
            ("delay", self.delay.is_some()),
        ];
        set.extend(own.iter().filter(|(_, set)| *set).map(|(name, _)| *name));
        set
    }

    fn ready(self) -> Option<Ready> {
        if let Some(from) = self.notify {
            return Some(Ready::Notify(from));
        }
        if let Some(fd) = self.fd {
            return Some(Ready::Fd(fd));
        }
        if let Some(log) = self.log {
            return Some(Ready::LogLine(log.0));
        }
        if let Some(delay) = self.delay {
            return Some(Ready::Delay(delay));
        }
        let check = self.asked.check()?;
        Some(Ready::Probe {
            check,
            interval: self.interval,
            timeout: self.timeout,
        })
    }
}

impl Form for Ready {
    fn shape() -> Shape {
        Shape::AnyOf(vec![
            Shape::pattern(
                READY,
                "^(started|notify( (main|exec|all|nobody))?|(fd|port|http|log|file|command|delay) .+)$",
            ),
            section_shape::<ReadyTable>(),
        ])
    }

    fn read(&mut self, node: &Node<'_>, reader: &mut Reader<'_>) {
        if let Some(table) = table_of(node) {
            let mut ready = ReadyTable::initial();
            let faults = reader.faults.len();
            read_keys(&mut ready, table, reader);
            if reader.faults.len() > faults
                || !exactly_one(&ready.set(), &ready.asked, node, reader)
            {
                return;
            }
            if let Some(zero) = table.get("interval").filter(|_| ready.interval.is_zero()) {
                return reader.bad(zero, "it would never pause", "at least 1ms");
            }
            if let Some(ready) = ready.ready() {
                *self = ready;
            }
            return;
        }
        let Some(text) = reader.text(node, READY) else {
            return;
        };
        if let Some(ready) = parse_ready(node, text.trim_start(), reader) {
            *self = ready;
        }
    }

    fn write(&self) -> Value {
        let text = match self {
            Ready::Started => "started".into(),
            Ready::Notify(NotifyFrom::Main) => "notify".into(),
            Ready::Notify(from) => format!("notify {}", from.word()),
            Ready::Fd(fd) => format!("fd {fd}"),
            Ready::LogLine(pattern) if pattern.trim() == pattern => format!("log {pattern}"),
            Ready::LogLine(pattern) => {
                return Value::Table(vec![("log".into(), Value::text(pattern))]);
            }
            Ready::Delay(delay) => format!("delay {}", print_duration(*delay)),
            Ready::Probe {
                check,
                interval,
                timeout,
            } => return write_probe(check, *interval, *timeout),
        };
        Value::Text(text)
    }
}

fn write_probe(check: &Check, interval: Duration, timeout: Duration) -> Value {
    let usual = interval == Ready::INTERVAL && timeout == Ready::TIMEOUT;
    match Asked::short(check) {
        Some(text) if usual => Value::Text(text),
        Some(_) | None => Value::Table(write_changed(&ReadyTable {
            asked: Asked::of(check),
            interval,
            timeout,
            ..ReadyTable::initial()
        })),
    }
}

fn parse_ready(node: &Node<'_>, text: &str, reader: &mut Reader<'_>) -> Option<Ready> {
    let (kind, argument) = text.split_once(' ').unwrap_or((text, ""));
    if let Some(check) = Asked::parse(node, kind, argument, reader) {
        return Some(Ready::Probe {
            check: check?,
            interval: Ready::INTERVAL,
            timeout: Ready::TIMEOUT,
        });
    }
    let argument = argument.trim();
    let ready = match (kind, argument) {
        ("started", "") => Ok(Ready::Started),
        ("notify", "") => Ok(Ready::Notify(NotifyFrom::Main)),
        ("notify", from) => NotifyFrom::from_word(from)
            .map(Ready::Notify)
            .ok_or_else(|| format!("`{from}` is nobody whose messages count")),
        ("fd", number) => number
            .parse()
            .map(Ready::Fd)
            .map_err(|_| format!("`{number}` is no file descriptor")),
        ("log", "") => Err("no regular expression is given".into()),
        ("log", pattern) => Pattern::parse(pattern).map(|pattern| Ready::LogLine(pattern.0)),
        ("delay", delay) => parse_duration(delay)
            .map(Ready::Delay)
            .map_err(|why| why.to_string()),
        (other, _) => Err(format!("`{other}` is no proof of readiness")),
    };
    match ready {
        Ok(ready) => Some(ready),
        Err(why) => {
            reader.bad(node, why, READY);
            None
        }
    }
}
