//! Specs as systemd units: loss-free for what both can say, and a note for everything else.
//!
//! Only what differs from systemd's defaults is written. Reading the units back gives the same spec, but for what the
//! notes name.

mod log;
mod process;
mod service;
mod sockets;
mod stop;

use std::sync::Arc;
use std::time::Duration;

use aplomb_core::Spec;
use aplomb_core::spec::{Kind, StartMode};

use super::name::{self, UnitName};
use super::{condition, time_span};
use crate::diagnostic::{Diagnostic, Place};

/// The units of one spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Names of files and their texts; the service or target itself is the first.
    pub files: Vec<(String, String)>,
    /// What systemd's units have no word for.
    pub lost: Vec<Diagnostic>,
}

/// Writes a service, and the sockets the engine holds for it.
pub fn write(spec: &Spec) -> Written {
    let name = name::of_spec(&spec.name);
    let mut out = Out {
        file: Arc::from(name.as_str()),
        unit: String::new(),
        service: String::new(),
        install: String::new(),
        lost: Vec::new(),
    };
    if UnitName::parse(&name).is_none() {
        out.lose(
            &format!("the name `{}`", spec.name),
            "name it with letters, digits and `-`",
        );
    }
    unit_section(spec, &mut out);
    let sockets = match spec.kind {
        Kind::Target => {
            target_has_no_program(spec, &mut out);
            Vec::new()
        }
        Kind::Simple | Kind::Idle | Kind::Forking { .. } | Kind::Oneshot => {
            service::write(spec, &mut out);
            sockets::write(spec, &name, &mut out)
        }
    };
    install_section(spec, &mut out);
    let mut files = vec![(name, out.text())];
    files.extend(sockets);
    Written {
        files,
        lost: out.lost,
    }
}

/// The sections of one unit while they are written.
struct Out {
    file: Arc<str>,
    unit: String,
    service: String,
    install: String,
    lost: Vec<Diagnostic>,
}

impl Out {
    fn unit(&mut self, key: &str, value: &str) {
        push(&mut self.unit, key, value);
    }

    fn service(&mut self, key: &str, value: &str) {
        push(&mut self.service, key, value);
    }

    fn install(&mut self, key: &str, value: &str) {
        push(&mut self.install, key, value);
    }

    /// A text that stands by itself; one that a line cannot hold is lost.
    fn text_of(&mut self, key: &str, text: &str) -> Option<String> {
        let value = plain(text);
        if value.is_none() {
            self.lose(
                &format!("the text of `{key}=`"),
                "keep it to one line without blanks at its ends",
            );
        }
        value
    }

    /// `what` cannot be said in a unit.
    fn lose(&mut self, what: &str, action: &str) {
        let message = format!("systemd's units have no word for {what}");
        self.lost.push(Diagnostic::noted(
            Place::new(&self.file, 0..0),
            message,
            action,
        ));
    }

    fn text(&self) -> String {
        let sections = [
            ("Unit", &self.unit),
            ("Service", &self.service),
            ("Install", &self.install),
        ];
        let written: Vec<String> = sections
            .into_iter()
            .filter(|(_, lines)| !lines.is_empty())
            .map(|(name, lines)| format!("[{name}]\n{lines}"))
            .collect();
        match written.is_empty() {
            // An empty file would mask the unit.
            true => "[Unit]\n".to_owned(),
            false => written.join("\n"),
        }
    }
}

fn push(lines: &mut String, key: &str, value: &str) {
    lines.push_str(key);
    lines.push('=');
    lines.push_str(value);
    lines.push('\n');
}

/// A value as a line holds it, specifiers escaped; `None` where a line cannot.
fn plain(text: &str) -> Option<String> {
    let trailing = text.len() - text.trim_end_matches('\\').len();
    let fits = text.trim() == text
        && !text.is_empty()
        && trailing.is_multiple_of(2)
        && !text
            .chars()
            .any(|letter| letter.is_control() || letter == '\u{fffd}');
    fits.then(|| text.replace('%', "%%"))
}

/// A word of a list whose backslashes are letters; `None` where quotes cannot hold it.
fn kept_word(word: &str) -> Option<String> {
    let word = plain(word)?;
    let special = |letter: char| " \"'".contains(letter);
    if !word.contains(special) {
        return Some(word);
    }
    let quote = ['"', '\'']
        .into_iter()
        .find(|quote| !word.contains(*quote))?;
    Some(format!("{quote}{word}{quote}"))
}

/// The name of a value in one of the readers' tables.
fn named<T: PartialEq>(table: &[(T, &'static str)], value: &T) -> &'static str {
    table
        .iter()
        .find(|(known, _)| known == value)
        .map_or("", |(_, name)| name)
}

fn yes_no(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

/// `infinity` where there is no bound.
fn span(span: Option<Duration>) -> String {
    time_span::print(span.filter(|span| *span != Duration::MAX))
}

fn unit_section(spec: &Spec, out: &mut Out) {
    if !spec.description.is_empty()
        && let Some(text) = out.text_of("Description", &spec.description)
    {
        out.unit("Description", &text);
    }
    for page in &spec.documentation {
        match kept_word(page) {
            Some(page) => out.unit("Documentation", &page),
            None => out.lose(
                &format!("the documentation `{page}`"),
                "write it as an address",
            ),
        }
    }
    depends(spec, out);
    for condition in &spec.conditions {
        let marks = match (condition.alternative, condition.negated) {
            (true, true) => "|!",
            (true, false) => "|",
            (false, true) => "!",
            (false, false) => "",
        };
        let key = condition::key(condition);
        if let Some(parameter) = out.text_of(&key, &condition.parameter) {
            out.unit(&key, &format!("{marks}{parameter}"));
        }
    }
}

fn depends(spec: &Spec, out: &mut Out) {
    let depends = &spec.depends;
    let lists = [
        ("Requires", &depends.requires),
        ("Requisite", &depends.requisite),
        ("Wants", &depends.wants),
        ("BindsTo", &depends.binds_to),
        ("PartOf", &depends.part_of),
        ("Conflicts", &depends.conflicts),
        ("After", &depends.after),
        ("Before", &depends.before),
        ("OnFailure", &depends.on_failure),
        ("OnSuccess", &depends.on_success),
    ];
    for (key, names) in lists {
        let names = unit_names(names, out);
        if !names.is_empty() {
            out.unit(key, &names);
        }
    }
}

fn unit_names(names: &[String], out: &mut Out) -> String {
    let mut units = Vec::new();
    for name in names {
        let unit = name::of_spec(name);
        match UnitName::parse(&unit) {
            Some(_) => units.push(unit),
            None => out.lose(
                &format!("the name `{name}`"),
                "name it with letters, digits and `-`",
            ),
        }
    }
    units.join(" ")
}

fn install_section(spec: &Spec, out: &mut Out) {
    match spec.start_mode {
        StartMode::Auto => out.install("WantedBy", "multi-user.target"),
        StartMode::Manual => {}
        StartMode::Disabled => out.lose("a service nobody may start", "mask it: `systemctl mask`"),
    }
    for (key, names) in [
        ("WantedBy", &spec.depends.wanted_by),
        ("RequiredBy", &spec.depends.required_by),
    ] {
        let names = unit_names(names, out);
        if !names.is_empty() {
            out.install(key, &names);
        }
    }
}

/// A target groups others: whatever is said of a program is not written.
fn target_has_no_program(spec: &Spec, out: &mut Out) {
    if !spec.start.is_empty() || !spec.listen.is_empty() {
        out.lose("a target with a program or sockets", "make it a service");
    }
}

#[cfg(test)]
mod tests;
