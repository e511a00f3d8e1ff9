//! Our view of each unit beside what `systemctl show` printed about it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use aplomb_core::Spec;
use aplomb_units::systemd;
use aplomb_units::{Diagnostic, Options, Severity, Source};

use crate::corpus;
use crate::machine::Machine;
use crate::probes;
use crate::properties::{Shown, rows};
use crate::tools;

/// Puts the units of the corpus, an instance of each template, and the probes into one directory.
pub(crate) fn gather(from: &str, to: &str) -> std::io::Result<()> {
    let to = Path::new(to);
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    fs::create_dir_all(to)?;
    for file in corpus::files(Path::new(from)) {
        let name = file
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        // Timers are not ours; a template is asked about as an instance of it.
        if name.ends_with(".timer") {
            continue;
        }
        let bytes = fs::read(&file)?;
        fs::write(to.join(&name), &bytes)?;
        if name.contains("@.") {
            fs::write(to.join(name.replace("@.", "@some-x.")), &bytes)?;
        }
    }
    fs::write(to.join("oracle.target"), "[Unit]\nDescription=Nothing\n")?;
    for (name, text) in probes::all() {
        let path = to.join(name);
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        fs::write(path, text)?;
    }
    // What systemd is to be asked about: a template by its instances.
    let mut names: Vec<String> = Vec::new();
    for entry in fs::read_dir(to)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !name.contains("@.") && !name.ends_with(".d") {
            names.push(name);
        }
    }
    names.extend(
        probes::WITH_DROP_INS
            .iter()
            .map(|(name, _)| (*name).to_owned()),
    );
    names.sort_unstable();
    names.dedup();
    fs::write(to.with_extension("names"), names.join("\n"))
}

/// How often a key was compared, and how often both said the same.
#[derive(Debug, Default, Clone)]
pub(crate) struct Tally {
    pub(crate) compared: usize,
    pub(crate) agreed: usize,
}

#[derive(Default)]
struct Comparison {
    units: usize,
    lines: usize,
    tallies: BTreeMap<&'static str, Tally>,
    /// Unit, property, ours, theirs.
    differences: Vec<(String, &'static str, String, String)>,
    /// Units one side loads and the other refuses.
    loads: Vec<(String, &'static str)>,
}

/// Compares, prints what differs, and writes the table of keys into `document`. Fails where anything differs that is
/// not expected to.
pub(crate) fn compare(units: &str, shown: &str, document: &str) -> ExitCode {
    let Ok(shown) = fs::read_to_string(shown) else {
        eprintln!("nothing was shown");
        return ExitCode::FAILURE;
    };
    let mut comparison = Comparison::default();
    for text in shown.split("\n\n") {
        let shown = Shown::new(text);
        comparison.unit(Path::new(units), &shown);
    }
    comparison.print();
    let tools = tools::compare();
    if let Err(why) = crate::document::write(document, &comparison.tallies, &tools) {
        eprintln!("cannot write {document}: {why}");
        return ExitCode::FAILURE;
    }
    match comparison.differences.is_empty()
        && comparison.loads.is_empty()
        && tools.differences.is_empty()
    {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

impl Comparison {
    fn unit(&mut self, directory: &Path, shown: &Shown<'_>) {
        let Some(name) = shown.one("Id") else {
            return;
        };
        let Some((spec, text, diagnostics)) = read(directory, name) else {
            return;
        };
        self.units += 1;
        self.lines += shown.lines();
        let refused = diagnostics
            .iter()
            .any(|one| one.severity == Severity::Refused);
        let loaded = shown.one("LoadState") == Some("loaded");
        match (refused, loaded) {
            (true, false) => return,
            (true, true) if !expected_stricter(name) && !only_the_kernels(shown) => {
                self.loads.push((name.to_owned(), "only we refuse it"))
            }
            (false, false) => self
                .loads
                .push((name.to_owned(), "only systemd refuses it")),
            (true | false, true) => {}
        }
        if !loaded {
            return;
        }
        let said = keys_said(&text);
        for row in rows() {
            if follows_from_others(row.property, shown) {
                continue;
            }
            let Some((ours, theirs)) = row.both(&spec, shown) else {
                continue;
            };
            let agrees = ours == theirs;
            for key in row.keys.iter().filter(|key| said.contains(**key)) {
                let tally = self.tallies.entry(key).or_default();
                tally.compared += 1;
                tally.agreed += usize::from(agrees);
            }
            let on_purpose = ON_PURPOSE
                .iter()
                .any(|(unit, property, _)| *unit == name && *property == row.property);
            if !agrees && !on_purpose {
                self.differences
                    .push((name.to_owned(), row.property, ours, theirs));
            }
        }
    }

    fn print(&self) {
        let compared: usize = self.tallies.values().map(|tally| tally.compared).sum();
        println!("{} units, {} lines of properties", self.units, self.lines);
        println!(
            "{} keys compared {} times, {} differences",
            self.tallies.len(),
            compared,
            self.differences.len()
        );
        for (unit, property, ours, theirs) in &self.differences {
            println!("  {unit} {property}\n    ours   {ours}\n    theirs {theirs}");
        }
        for (unit, property, why) in ON_PURPOSE {
            println!("  {unit} {property} differs on purpose: {why}");
        }
        for (unit, what) in &self.loads {
            println!("  {unit}: {what}");
        }
    }
}

/// Our view of a unit: its spec, its text, and what is wrong with it.
fn read(directory: &Path, name: &str) -> Option<(Spec, String, Vec<Diagnostic>)> {
    let options = Options { lenient: true };
    let mut diagnostics = Vec::new();
    let with_drop_ins = probes::WITH_DROP_INS.iter().find(|(unit, _)| *unit == name);
    let file = with_drop_ins.map_or(name, |(_, file)| file);
    let text = String::from_utf8_lossy(&fs::read(directory.join(file)).ok()?).into_owned();
    if with_drop_ins.is_some() {
        let directory = fs::canonicalize(directory).ok()?;
        let source = Source::new(directory.join(name).to_string_lossy(), text.clone());
        let loaded = systemd::read(&[&source], &Machine, options, &mut diagnostics);
        return Some((loaded.into_iter().next()?.spec, text, diagnostics));
    }
    // systemd sees the file in its own directory.
    let source = Source::new(format!("/lib/systemd/system/{name}"), text.clone());
    let spec = systemd::read_alone(&source, &Machine, options, &mut diagnostics)?;
    Some((spec, text, diagnostics))
}

/// Whether systemd derives the property from a key that we refuse, or that replaces it.
fn follows_from_others(property: &str, shown: &Shown<'_>) -> bool {
    const DYNAMIC: &[&str] = &[
        "User",
        "Group",
        "NoNewPrivileges",
        "PrivateTmp",
        "ProtectSystem",
        "ProtectHome",
    ];
    match property {
        "MemoryMax" => shown
            .one("MemoryLimit")
            .is_some_and(|limit| limit != "infinity"),
        property => shown.one("DynamicUser") == Some("yes") && DYNAMIC.contains(&property),
    }
}

/// What differs on purpose: the unit, the property, and why.
const ON_PURPOSE: &[(&str, &str, &str)] = &[
    (
        "probe-killsignal-7.service",
        "KillSignal",
        "33 is no signal a program may use",
    ),
    (
        "probe-killsignal-7.service",
        "RestartKillSignal",
        "33 is no signal a program may use",
    ),
];

/// Where we refuse on purpose what systemd loads and weakens: a value that cannot be read, of a key that protects.
fn expected_stricter(name: &str) -> bool {
    const PROTECTING: &[&str] = &[
        "probe-nonewprivileges-2",
        "probe-protectsystem-4",
        "probe-readonlypaths-2",
        "probe-memorymax-3",
        "probe-cpuquota-4",
        "probe-cpuquota-5",
        "probe-tasksmax-2",
        "probe-tasksmax-3",
        "probe-workingdirectory-5",
    ];
    name.starts_with("probe-socket-listen")
        || PROTECTING
            .iter()
            .any(|known| name == format!("{known}.service"))
}

/// A socket of a sort that is refused, and nothing else.
fn only_the_kernels(shown: &Shown<'_>) -> bool {
    shown
        .one("Listen")
        .is_some_and(|line| line.ends_with("(Netlink)") || line.ends_with("(Special)"))
}

/// Keys that a text assigns.
fn keys_said(text: &str) -> BTreeSet<&str> {
    text.lines()
        .filter_map(|line| line.split_once('='))
        .map(|(key, _)| key.trim())
        .collect()
}
