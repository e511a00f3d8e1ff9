//! Reads every unit of the corpus as `aplomb up FILE` would, and counts what became of it.

use std::collections::BTreeMap;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use aplomb_units::systemd::{self, described};
use aplomb_units::{Diagnostic, Options, Severity, Source};

use crate::machine::Machine;

const ENDINGS: &[&str] = &["service", "socket", "timer", "target"];
/// What a template is read as.
const INSTANCE: &str = "example";

#[derive(Default)]
struct Count {
    files: BTreeMap<String, usize>,
    panicked: Vec<PathBuf>,
    /// Services that would run as they are.
    unchanged: usize,
    /// Services that would, if not for what `--lenient` lets pass.
    lenient: usize,
    /// What is refused even so.
    broken: Vec<String>,
    refused: BTreeMap<String, usize>,
    warned: BTreeMap<String, usize>,
    noted: BTreeMap<String, usize>,
}

/// Prints the survey of all units below `directory`; fails if one panicked.
pub(crate) fn survey(directory: &str) -> ExitCode {
    let mut count = Count::default();
    for file in files(Path::new(directory)) {
        count.add(&file);
    }
    count.print();
    match count.panicked.is_empty() && !count.files.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Unit files below a directory, links left out: they are other names of the same files.
pub(crate) fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(directory) else {
        return found;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(files(&path)),
            Ok(kind) if kind.is_file() && has_known_ending(&path) => found.push(path),
            Ok(_) | Err(_) => {}
        }
    }
    found.sort_unstable();
    found
}

fn has_known_ending(path: &Path) -> bool {
    path.extension()
        .is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known))
}

impl Count {
    fn add(&mut self, file: &Path) {
        let Ok(bytes) = fs::read(file) else {
            return;
        };
        let ending = file
            .extension()
            .map(|ending| ending.to_string_lossy().into_owned())
            .unwrap_or_default();
        *self.files.entry(ending.clone()).or_default() += 1;
        let source = Source::new(path_of(file), String::from_utf8_lossy(&bytes));
        let Ok(strict) = catch_unwind(|| diagnostics(&source, Options::default())) else {
            self.panicked.push(file.to_owned());
            return;
        };
        if ending != "service" {
            return;
        }
        let lenient = diagnostics(&source, Options { lenient: true });
        let refused =
            |found: &[Diagnostic]| found.iter().any(|one| one.severity == Severity::Refused);
        self.unchanged += usize::from(!refused(&strict));
        self.lenient += usize::from(!refused(&lenient));
        let broken = lenient
            .into_iter()
            .filter(|one| one.severity == Severity::Refused);
        self.broken.extend(broken.map(|one| one.to_string()));
        self.histogram(&strict);
    }

    /// Every key counts once per file.
    fn histogram(&mut self, found: &[Diagnostic]) {
        let mut seen: Vec<(Severity, String)> = found
            .iter()
            .map(|one| (one.severity, subject(&one.message)))
            .collect();
        seen.sort_unstable();
        seen.dedup();
        for (severity, subject) in seen {
            let histogram = match severity {
                Severity::Refused => &mut self.refused,
                Severity::Warning => &mut self.warned,
                Severity::Noted => &mut self.noted,
            };
            *histogram.entry(subject).or_default() += 1;
        }
    }

    fn print(&self) {
        let services = self.files.get("service").copied().unwrap_or_default();
        let share = |part: usize| part * 100 / services.max(1);
        for (ending, count) in &self.files {
            println!("{count:5} .{ending}");
        }
        println!("{:5} panicked", self.panicked.len());
        for file in &self.panicked {
            println!("      {}", file.display());
        }
        println!(
            "{:5} services run unchanged ({} %)",
            self.unchanged,
            share(self.unchanged)
        );
        println!(
            "{:5} services run with --lenient ({} %)",
            self.lenient,
            share(self.lenient)
        );
        for fault in &self.broken {
            println!("      {fault}");
        }
        for (title, histogram) in [
            ("refused", &self.refused),
            ("warned", &self.warned),
            ("noted", &self.noted),
        ] {
            println!("\n{title} (files):");
            let mut rows: Vec<_> = histogram.iter().collect();
            rows.sort_by_key(|(subject, count)| (std::cmp::Reverse(**count), (*subject).clone()));
            for (subject, count) in rows {
                println!("{count:5} {subject}");
            }
        }
    }
}

/// The path as it is given, with an instance for a template.
fn path_of(file: &Path) -> String {
    let absolute = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    absolute
        .to_string_lossy()
        .replace("@.", &format!("@{INSTANCE}."))
}

fn diagnostics(source: &Source, options: Options) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    systemd::read(&[source], &Machine, options, &mut diagnostics);
    diagnostics.retain(|one| one.place.file == source.path);
    diagnostics
}

/// The key a message is about, else the message.
fn subject(message: &str) -> String {
    let quoted = message.split('`').skip(1).step_by(2);
    let mut keys = quoted.map(|text| text.split('=').next().unwrap_or_default());
    let known = keys.find(|key| described().iter().any(|known| known.name == *key));
    known.map_or_else(|| message.to_owned(), |key| format!("{key}="))
}
