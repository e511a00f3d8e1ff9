//! Our own dialect: one TOML file with one or many `[service.NAME]` tables.
//!
//! `[default]` holds settings of every service of the file that does not say otherwise. A service with `instances = N`
//! becomes N specs, `NAME@1` to `NAME@N`, with `${instance}` in its texts replaced by the number.
//! Relative paths of the file (programs with a slash, directories, env files, log files) are seen from its directory.

mod command;
mod depends;
pub mod edit;
mod form;
mod hooks;
mod key;
mod kind;
mod limits;
mod listen;
mod log;
pub mod manual;
mod process;
mod reader;
mod ready;
mod restart;
mod sandbox;
mod schema;
mod service;
mod shape;
mod sound;
mod stop;
mod value;
mod write;

use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, Error};

use self::key::{Section, read_keys};
use self::reader::{Node, Reader, integer_of, table_of};
use self::service::Service;
use crate::diagnostic::{Diagnostic, Severity};
use crate::source::{Loaded, Source};
use crate::words::{check_name, nearest};

pub(crate) use listen::print_address;
pub use schema::schema;
pub use shape::{Fact, Shape, Table, Text};
pub use value::Value;
pub use write::{json, keys, write, write_all};

/// Instances of one service at most; more are a slip of the finger.
const MOST_INSTANCES: i64 = 1000;
/// Syntax faults told of one file at most; the rest follow from the first ones.
const MOST_SYNTAX_FAULTS: usize = 20;

/// All services of one file.
pub fn read(source: &Source, diagnostics: &mut Vec<Diagnostic>) -> Vec<Loaded> {
    let (document, errors) = DeTable::parse_recoverable(&source.text);
    let mut file = File {
        source,
        faults: Vec::new(),
        loaded: Vec::new(),
    };
    file.read(document.get_ref());
    // What stands on a line that could not be parsed was guessed, and so would be any fault found in it.
    let syntax = syntax_faults(source, &errors);
    let broken: Vec<Range<usize>> = syntax
        .iter()
        .map(|fault| lines_of(&source.text, &fault.place.span))
        .collect();
    file.faults.retain(|fault| {
        !broken
            .iter()
            .any(|lines| fault.place.span.start < lines.end && lines.start <= fault.place.span.end)
    });
    diagnostics.extend(syntax);
    diagnostics.append(&mut file.faults);
    file.loaded
}

fn syntax_faults(source: &Source, errors: &[Error]) -> Vec<Diagnostic> {
    let reader = Reader::new(source, 0..0);
    let mut faults: Vec<Diagnostic> = Vec::new();
    for error in errors.iter().take(MOST_SYNTAX_FAULTS) {
        let place = reader.place(error.span().unwrap_or_default());
        let message = format!("this is no TOML: {}", error.message());
        faults.push(Diagnostic::new(
            Severity::Refused,
            place,
            message,
            "correct it; strings need quotes, and every key a `=` and a value",
        ));
    }
    faults
}

/// The whole lines a span touches.
fn lines_of(text: &str, span: &Range<usize>) -> Range<usize> {
    let start = text[..span.start].rfind('\n').map_or(0, |at| at + 1);
    let end = text[span.end..]
        .find('\n')
        .map_or(text.len(), |at| span.end + at);
    start..end
}

/// One file while it is read.
struct File<'a> {
    source: &'a Source,
    faults: Vec<Diagnostic>,
    loaded: Vec<Loaded>,
}

const ROOT_KEYS: &[&str] = &["service", "default"];

impl File<'_> {
    fn read(&mut self, document: &DeTable<'_>) {
        let mut services = None;
        let mut default = None;
        for (key, node) in document {
            match (&**key.get_ref(), table_of(node)) {
                ("service", Some(table)) => services = Some(table),
                ("default", Some(table)) => default = Some(table),
                ("service" | "default", None) => {
                    let message = format!("`{}` must be a table", key.get_ref());
                    self.refuse(node.span(), message, "begin it with [service.NAME]");
                }
                (other, _) => self.unknown_root(other, key.span()),
            }
        }
        let base = default.map(|table| self.read_default(table));
        for (name, node) in services.into_iter().flatten() {
            self.read_service(name, node, base.as_ref());
        }
        if services.is_none_or(DeTable::is_empty) && self.faults.is_empty() {
            self.faults.push(Diagnostic::warning(
                Reader::new(self.source, 0..0).place(0..0),
                "this file defines no service",
                "add a table [service.NAME] with a `command`",
            ));
        }
    }

    fn refuse(
        &mut self,
        span: Range<usize>,
        message: impl Into<String>,
        action: impl Into<String>,
    ) {
        let mut reader = Reader::new(self.source, 0..0);
        reader.refuse(span, message, action);
        self.faults.append(&mut reader.faults);
    }

    fn unknown_root(&mut self, name: &str, span: Range<usize>) {
        let of_service = Service::KEYS.iter().any(|key| key.name == name);
        let action = match nearest(name, ROOT_KEYS.iter().copied()) {
            Some(known) => format!("write `{known}`"),
            None if of_service => "put it below a table [service.NAME]".into(),
            None => "put services below [service.NAME]".into(),
        };
        self.refuse(
            span,
            format!("there is no key `{name}` outside services"),
            action,
        );
    }

    /// `[default]`: a service without a name that all others begin as.
    fn read_default(&mut self, table: &DeTable<'_>) -> Service {
        let mut reader = Reader::new(self.source, 0..0);
        let mut base = Service::initial();
        read_keys(&mut base, table, &mut reader);
        if let Some((key, _)) = table.get_key_value("instances") {
            reader.refuse(
                key.span(),
                "`instances` says how many there are of one service, not of all",
                "move it into the services it is meant for",
            );
        }
        self.faults.append(&mut reader.faults);
        base
    }

    fn read_service(
        &mut self,
        name: &Spanned<impl AsRef<str>>,
        node: &Node<'_>,
        base: Option<&Service>,
    ) {
        let span = name.span();
        let name = name.get_ref().as_ref();
        let Some(table) = table_of(node) else {
            let message = format!("`service.{name}` must be a table");
            return self.refuse(
                node.span(),
                message,
                format!("write [service.{name}] above its keys"),
            );
        };
        if let Err(why) = check_name(name) {
            let message = format!("`{name}` cannot name a service: {why}");
            self.refuse(
                span.clone(),
                message,
                "use ASCII letters, digits, `.`, `_` and `-`",
            );
        }
        let labels = self.labels(name, table);
        for (number, label) in labels.into_iter().enumerate() {
            let mut reader = Reader::new(self.source, span.clone());
            reader.instance = label;
            let spec_name = match &reader.instance {
                Some(label) => format!("{name}@{label}"),
                None => name.into(),
            };
            let mut service = base.cloned().unwrap_or_else(Service::initial);
            service.spec.name = spec_name;
            service.spec.source = Some(self.source.path.to_string());
            read_keys(&mut service, table, &mut reader);
            sound::check(&service, table, &mut reader);
            let spec = service.into_spec();
            if number > 0 {
                // Every instance has the faults of the first; only what the label made is news.
                let known = &self.faults;
                reader
                    .faults
                    .retain(|fault| !known.iter().any(|old| old.place == fault.place));
            }
            self.faults.append(&mut reader.faults);
            self.loaded.push(Loaded {
                spec,
                places: Arc::new(reader.places),
            });
        }
    }

    /// The labels of the service's instances; one `None` where it has none.
    fn labels(&mut self, name: &str, table: &DeTable<'_>) -> Vec<Option<String>> {
        let Some(node) = table.get("instances") else {
            return vec![None];
        };
        if name.contains('@') {
            let message = format!("`{name}` is one instance and cannot have instances");
            self.refuse(node.span(), message, "remove `instances`");
            return vec![None];
        }
        // What is no such number is told when the key is read with all others.
        match integer_of(node) {
            Some(count @ 1..=MOST_INSTANCES) => {
                (1..=count).map(|label| Some(label.to_string())).collect()
            }
            Some(_) | None => vec![None],
        }
    }
}
