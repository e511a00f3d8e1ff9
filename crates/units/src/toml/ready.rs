//! `ready` and `health`: proof that a run serves, and that it goes on serving.

use aplomb_core::Duration;
use aplomb_core::spec::{Check, Command, Health, HealthAction, NotifyFrom, Ready};
use regex_lite::Regex;

use super::form::{Blank, Form, TextForm, Word, word_form};
use super::key::{At, Key, Section, at, read_keys, section_shape, write_changed};
use super::reader::{Node, Reader, integer_of, table_of, text_of};
use super::shape::Shape;
use super::stop::{command_text, command_words};
use super::value::Value;
use crate::words::{parse_duration, print_duration};

const READY: &str = "a proof such as \"notify\", \"port 8080\", \"http http://127.0.0.1:8080/ready\", \"log REGEX\", \"file PATH\", \"command PROGRAM\", \"fd 3\" or \"delay 2s\"";
const HEALTH: &str =
    "a check such as \"port 8080\", \"http http://127.0.0.1:8080/health\" or \"command PROGRAM\"";

word_form!(NotifyFrom,
    NotifyFrom::Main => "main",
    NotifyFrom::Exec => "exec",
    NotifyFrom::All => "all",
    NotifyFrom::Nobody => "nobody",
);

word_form!(HealthAction,
    HealthAction::Nothing => "nothing",
    HealthAction::Restart => "restart",
);

/// A regular expression that compiles.
#[derive(Debug, Clone, PartialEq, Default)]
struct Pattern(String);

impl TextForm for Pattern {
    const SHAPE: Shape = Shape::text("a regular expression");

    fn parse(text: &str) -> Result<Pattern, String> {
        match Regex::new(text) {
            Ok(_) => Ok(Pattern(text.into())),
            Err(why) => Err(why.to_string().replace('\n', " ")),
        }
    }

    fn print(&self) -> String {
        self.0.clone()
    }
}

/// `host:port`; a bare port is one of this machine.
#[derive(Debug, Clone, PartialEq, Default)]
struct Port(String);

impl TextForm for Port {
    const SHAPE: Shape = Shape::text("a port such as \"8080\" or \"127.0.0.1:8080\"");

    fn parse(text: &str) -> Result<Port, String> {
        let (host, port) = text.rsplit_once(':').unwrap_or(("127.0.0.1", text));
        match port.parse::<u16>() {
            Ok(1..) if !host.is_empty() => Ok(Port(format!("{host}:{port}"))),
            Ok(_) => Err(format!("`{text}` is no address one can connect to")),
            Err(_) => Err(format!("`{port}` is no port")),
        }
    }

    fn print(&self) -> String {
        self.0.clone()
    }
}

/// An address that a plain GET can be sent to.
#[derive(Debug, Clone, PartialEq, Default)]
struct Url(String);

impl TextForm for Url {
    const SHAPE: Shape = Shape::pattern("a URL that begins with http://", "^http://.+");

    fn parse(text: &str) -> Result<Url, String> {
        let rest = match text.strip_prefix("http://") {
            Some(rest) => rest,
            None if text.starts_with("https://") => {
                return Err("encrypted probes are not built; use a command such as curl".into());
            }
            None => return Err("it does not begin with http://".into()),
        };
        let host = rest.split(['/', '?']).next().unwrap_or_default();
        if host.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(format!("`{text}` is no address"));
        }
        Ok(Url(text.into()))
    }

    fn print(&self) -> String {
        self.0.clone()
    }
}

/// Status codes that count as an answer, both ends included.
#[derive(Debug, Clone, PartialEq)]
struct Status(u16, u16);

impl Status {
    const DEFAULT: Status = Status(200, 399);
}

impl Form for Status {
    fn shape() -> Shape {
        let code = Shape::Integer { min: 100, max: 599 };
        let range = Shape::pattern(
            "a range such as \"200-399\"",
            "^[1-5][0-9]{2}-[1-5][0-9]{2}$",
        );
        Shape::AnyOf(vec![code, range])
    }

    fn read(&mut self, node: &Node<'_>, reader: &mut Reader<'_>) {
        const TAKES: &str = "a status such as 200, or a range such as \"200-399\"";
        let range = match integer_of(node) {
            Some(number) => u16::try_from(number).ok().map(|code| (code, code)),
            None => {
                let Some(text) = reader.text(node, TAKES) else {
                    return;
                };
                let (low, high) = text.split_once('-').unwrap_or((&text, &text));
                low.trim().parse().ok().zip(high.trim().parse().ok())
            }
        };
        match range {
            Some((low, high)) if (100..=high).contains(&low) && high <= 599 => {
                *self = Status(low, high);
            }
            Some(_) | None => reader.bad(node, "it is no range of HTTP statuses", TAKES),
        }
    }

    fn write(&self) -> Value {
        if self.0 == self.1 {
            Value::Integer(self.0.into())
        } else {
            Value::Text(format!("{}-{}", self.0, self.1))
        }
    }
}

impl Blank for Status {
    const NONE_TAKES_AWAY: bool = false;

    fn blank() -> Status {
        Status::DEFAULT
    }
}

macro_rules! blank_text {
    ($($type:ty),+) => {$(
        impl Blank for $type {
            const NONE_TAKES_AWAY: bool = false;

            fn blank() -> $type {
                <$type>::default()
            }
        }
    )+};
}
blank_text!(Pattern, Port, Url);

impl Blank for NotifyFrom {
    const NONE_TAKES_AWAY: bool = false;

    fn blank() -> NotifyFrom {
        NotifyFrom::default()
    }
}

/// Every way to ask a program from outside, as the keys that say it; at most one is to be set.
#[derive(Debug, Clone, PartialEq, Default)]
struct Asked {
    port: Option<Port>,
    http: Option<Url>,
    file: Option<String>,
    command: Option<Command>,
    status: Option<Status>,
    body: Option<Pattern>,
}

impl Asked {
    /// The names of the keys that are set, the first of which is the check.
    fn set(&self) -> Vec<&'static str> {
        let keys = [
            ("port", self.port.is_some()),
            ("http", self.http.is_some()),
            ("file", self.file.is_some()),
            ("command", self.command.is_some()),
        ];
        keys.iter()
            .filter(|(_, set)| *set)
            .map(|(name, _)| *name)
            .collect()
    }

    fn check(self) -> Option<Check> {
        if let Some(port) = self.port {
            return Some(Check::Port(port.0));
        }
        if let Some(url) = self.http {
            let status = self.status.unwrap_or(Status::DEFAULT);
            return Some(Check::Http {
                url: url.0,
                status: (status.0, status.1),
                body: self.body.map(|body| body.0),
            });
        }
        if let Some(file) = self.file {
            return Some(Check::File(file));
        }
        self.command
            .map(|command| Check::Command(Box::new(command)))
    }

    fn of(check: &Check) -> Asked {
        let mut asked = Asked::default();
        match check {
            Check::Port(port) => asked.port = Some(Port(port.clone())),
            Check::Http { url, status, body } => {
                asked.http = Some(Url(url.clone()));
                asked.status =
                    Some(Status(status.0, status.1)).filter(|status| *status != Status::DEFAULT);
                asked.body = body.clone().map(Pattern);
            }
            Check::File(path) => asked.file = Some(path.clone()),
            Check::Command(command) => asked.command = Some((**command).clone()),
        }
        asked
    }

    /// `KIND ARGUMENT` for a check that needs no more than that.
    fn short(check: &Check) -> Option<String> {
        match check {
            Check::Port(port) => Some(format!("port {port}")),
            Check::Http { url, status, body } => {
                let simple = *status == (Status::DEFAULT.0, Status::DEFAULT.1) && body.is_none();
                simple.then(|| format!("http {url}"))
            }
            Check::File(path) => (path.trim() == path).then(|| format!("file {path}")),
            Check::Command(command) => {
                command_words(command).map(|words| format!("command {words}"))
            }
        }
    }

    /// Reads `KIND ARGUMENT`. The outer `None`: it is no check; the inner: it was one, and a fault was told.
    fn parse(
        node: &Node<'_>,
        kind: &str,
        argument: &str,
        reader: &mut Reader<'_>,
    ) -> Option<Option<Check>> {
        let result = match kind {
            "port" => Port::parse(argument.trim()).map(|port| Check::Port(port.0)),
            "http" => Url::parse(argument.trim()).map(|url| Check::Http {
                url: url.0,
                status: (Status::DEFAULT.0, Status::DEFAULT.1),
                body: None,
            }),
            "file" if argument.trim().is_empty() => Err("no file is named".into()),
            "file" => String::parse(argument.trim()).map(Check::File),
            "command" => {
                let command = command_text(node, argument, reader);
                return Some(command.map(|command| Check::Command(Box::new(command))));
            }
            _ => return None,
        };
        match result {
            Ok(check) => Some(Some(check)),
            Err(why) => {
                let action = match kind {
                    "port" => Port::SHAPE.describe(),
                    "http" => Url::SHAPE.describe(),
                    _ => "a path".into(),
                };
                reader.bad(node, why, &action);
                Some(None)
            }
        }
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

/// Says so unless exactly one way is set, and the keys that only go with one go with it.
fn exactly_one(set: &[&str], asked: &Asked, node: &Node<'_>, reader: &mut Reader<'_>) -> bool {
    let key = reader.key();
    let message = match set {
        [] => format!("`{key}` says no way to find out"),
        [_] if asked.http.is_none() && (asked.status.is_some() || asked.body.is_some()) => {
            format!("`{key}` has `status` or `body`, which only `http` has")
        }
        [_] => return true,
        several => format!(
            "`{key}` says {} ways at once: `{}`",
            several.len(),
            several.join("`, `")
        ),
    };
    let action = match set {
        [] => "add one, such as port = \"8080\"",
        [_] => "remove them, or use `http`",
        _ => "keep one of them",
    };
    reader.refuse(node.span(), message, action);
    false
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
