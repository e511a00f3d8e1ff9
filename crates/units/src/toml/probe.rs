//! Questions a program can be asked from outside, for `ready` and `health`: a port, a URL, a file, a command.

use aplomb_core::spec::{Check, Command};
use regex_lite::Regex;

use super::form::{Blank, Form, TextForm};
use super::reader::{Node, Reader, integer_of};
use super::shape::Shape;
use super::stop::{command_text, command_words};
use super::value::Value;

/// A regular expression that compiles.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Pattern(pub(super) String);

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
pub(super) struct Port(String);

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
pub(super) struct Url(String);

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
pub(super) struct Status(u16, u16);

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

/// Every way to ask a program from outside, as the keys that say it; at most one is to be set.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Asked {
    pub(super) port: Option<Port>,
    pub(super) http: Option<Url>,
    pub(super) file: Option<String>,
    pub(super) command: Option<Command>,
    pub(super) status: Option<Status>,
    pub(super) body: Option<Pattern>,
}

impl Asked {
    /// The names of the keys that are set, the first of which is the check.
    pub(super) fn set(&self) -> Vec<&'static str> {
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

    pub(super) fn check(self) -> Option<Check> {
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

    pub(super) fn of(check: &Check) -> Asked {
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
    pub(super) fn short(check: &Check) -> Option<String> {
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
    pub(super) fn parse(
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

/// Says so unless exactly one way is set, and the keys that only go with one go with it.
pub(super) fn exactly_one(
    set: &[&str],
    asked: &Asked,
    node: &Node<'_>,
    reader: &mut Reader<'_>,
) -> bool {
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
