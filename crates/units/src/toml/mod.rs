//! Our own dialect: one TOML file with one or many `[service.NAME]` tables.
//!
//! `[default]` holds settings of every service of the file that does not say otherwise. A service with `instances = N`
//! becomes N specs, `NAME@1` to `NAME@N`, with `${instance}` in its texts replaced by the number.
//! Relative paths of the file (programs with a slash, directories, env files, log files) are seen from its directory.

mod command;
mod depends;
pub mod edit;
mod exit;
mod form;
mod health;
mod hooks;
mod key;
mod kind;
mod limits;
mod listen;
mod log;
pub mod manual;
mod own_directory;
mod probe;
mod process;
mod reader;
mod ready;
mod restart;
mod sandbox;
mod schema;
mod service;
mod shape;
mod sound;
mod stdin;
mod stop;
mod syntax;
mod value;
mod write;

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use aplomb_core::Spec;
use toml::Spanned;
use toml::de::DeTable;

use self::key::{Section, read_keys};
use self::reader::{Node, Reader, integer_of, table_of};
use self::service::Service;
use crate::diagnostic::{Diagnostic, refused};
use crate::source::{Loaded, Source};
use crate::words::{check_name, nearest};

pub(crate) use listen::{parts, print_address};
pub use schema::schema;
pub use shape::{Fact, Shape, Table, Text};
pub use value::Value;
pub use write::{json, keys, write, write_all};

/// Instances of one service at most; more are a slip of the finger.
const MOST_INSTANCES: i64 = 1000;

/// All services of one file.
pub fn read(source: &Source, diagnostics: &mut Vec<Diagnostic>) -> Vec<Loaded> {
    let (document, errors) = DeTable::parse_recoverable(&source.text);
    let mut file = File {
        source,
        faults: Vec::new(),
        loaded: Vec::new(),
    };
    file.read(document.get_ref());
    diagnostics.extend(syntax::faults(source, &errors, &mut file.faults));
    diagnostics.append(&mut file.faults);
    file.loaded
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
                "use letters, digits, `.`, `_`, `-` and single spaces",
            );
        }
        let labels = self.labels(name, table);
        let mut told = HashSet::new();
        let mut broken: Option<Loaded> = None;
        for label in labels {
            let spec_name = match &label {
                Some(label) => format!("{name}@{label}"),
                None => name.into(),
            };
            // Instances of a service with faults have the same ones; only their names are needed then.
            if let Some(mut loaded) = broken.clone() {
                loaded.spec.name = spec_name;
                self.loaded.push(loaded);
                continue;
            }
            let mut reader = Reader::new(self.source, span.clone());
            reader.instance = label;
            let spec = self.read_instance(spec_name, table, base, &mut reader);
            let loaded = Loaded {
                spec,
                places: Arc::new(reader.places),
            };
            broken = refused(&reader.faults).then(|| loaded.clone());
            self.loaded.push(loaded);
            // A warning all instances have is told once.
            let mut faults = reader.faults;
            faults.retain(|fault| !told.contains(&fault.place));
            told.extend(faults.iter().map(|fault| fault.place.clone()));
            self.faults.append(&mut faults);
        }
    }

    fn read_instance(
        &self,
        name: String,
        table: &DeTable<'_>,
        base: Option<&Service>,
        reader: &mut Reader<'_>,
    ) -> Spec {
        let mut service = base.cloned().unwrap_or_else(Service::initial);
        service.spec.name = name;
        service.spec.source = Some(self.source.path.to_string());
        read_keys(&mut service, table, reader);
        sound::check(&service, table, reader);
        service.into_spec()
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
