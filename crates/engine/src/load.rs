//! Taking in unit files for a client: all or nothing, every fault told.

use std::collections::BTreeSet;
use std::fs;

use aplomb_core::{InstanceId, Spec};
use aplomb_platform::Platform;
use aplomb_protocol::{EventKind, Fault, FaultKind, LoadFile};
use aplomb_units::render::{Style, Texts};
use aplomb_units::world::{Fact, FileKind, Impossible};
use aplomb_units::{Options, Severity, Source, World};

use crate::Machine;
use crate::engine::Engine;

/// What was taken in.
#[derive(Debug)]
pub(crate) struct Taken {
    /// Every instance the files define, also those that were known already.
    pub all: Vec<InstanceId>,
    /// Those that are new or changed.
    pub changed: Vec<InstanceId>,
    pub remarks: Vec<String>,
}

impl<P: Platform> Engine<P> {
    /// Reads files and takes their services in.
    pub(crate) fn load(&mut self, files: &[LoadFile], lenient: bool) -> Result<Taken, Fault> {
        let mut sources = Vec::new();
        for path in files
            .iter()
            .map(|file| unit_files(&file.path))
            .collect::<Result<Vec<_>, Fault>>()?
            .concat()
        {
            sources.push(source(&path)?);
        }
        let surroundings = self.surroundings();
        let (specs, diagnostics) = aplomb_units::read(&sources, &surroundings, Options { lenient });
        let texts = Texts::new(&sources);
        let told = |severity_refuses: bool| -> Vec<String> {
            let wanted = diagnostics
                .iter()
                .filter(|one| (one.severity == Severity::Refused) == severity_refuses);
            wanted.map(|one| texts.render(one, Style::Plain)).collect()
        };
        let refused = told(true);
        if !refused.is_empty() {
            let count = refused.len();
            return Err(Fault {
                kind: FaultKind::BadUnit,
                message: format!(
                    "{count} {} in the unit files; nothing was taken in",
                    if count == 1 { "fault" } else { "faults" }
                ),
                action: Some(
                    "mend them and try again; `aplomb check FILE` shows them all".to_owned(),
                ),
                diagnostics: refused,
            });
        }
        let batch = self.legacy.library.add(&sources, lenient);
        let mut taken = self.take_in(specs, batch);
        taken.remarks.extend(told(false));
        Ok(taken)
    }

    /// Takes in what can be, as at boot: a file with faults is left out, and so is what cannot do without it. Tells what
    /// was left out, and why.
    pub(crate) fn load_what_can_be(&mut self, paths: &[String]) -> (Vec<InstanceId>, Vec<String>) {
        let surroundings = self.surroundings();
        let mut words = Vec::new();
        let mut sources = Vec::new();
        for path in paths {
            match unit_files(path).and_then(|files| {
                files
                    .iter()
                    .map(|file| source(file))
                    .collect::<Result<Vec<_>, _>>()
            }) {
                Ok(read) => sources.extend(read),
                Err(fault) => words.push(fault.message),
            }
        }
        loop {
            let (specs, diagnostics) =
                aplomb_units::read(&sources, &surroundings, Options::default());
            let refused: Vec<_> = diagnostics
                .iter()
                .filter(|one| one.severity == Severity::Refused)
                .collect();
            if refused.is_empty() {
                let batch = self.legacy.library.add(&sources, false);
                return (self.take_in(specs, batch).all, words);
            }
            let texts = Texts::new(&sources);
            words.extend(refused.iter().map(|one| texts.render(one, Style::Plain)));
            let before = sources.len();
            let faulty: Vec<_> = refused.iter().map(|one| one.place.file.clone()).collect();
            drop(texts);
            sources.retain(|source| !faulty.contains(&source.path));
            if sources.len() == before {
                // A fault in a file nobody named, such as a drop-in: nothing can be told apart.
                return (Vec::new(), words);
            }
        }
    }

    /// The machine with the services we have already, which new ones may name.
    fn surroundings(&self) -> Surroundings {
        let standings = self.world.instances();
        let specs = standings.filter_map(|id| Some(self.world.standing(id)?.spec));
        let names = specs.flat_map(|spec| [spec.name.clone(), spec.family().to_owned()]);
        Surroundings {
            machine: self.machine,
            services: names.collect(),
        }
    }

    /// As [`Engine::surroundings`], with these services as well.
    pub(crate) fn surroundings_with(&self, names: impl Iterator<Item = String>) -> Surroundings {
        let mut surroundings = self.surroundings();
        for name in names {
            if let Some((family, _)) = name.split_once('@') {
                surroundings.services.insert(family.to_owned());
            }
            surroundings.services.insert(name);
        }
        surroundings
    }

    fn take_in(&mut self, specs: Vec<Spec>, batch: u32) -> Taken {
        let mut remarks = Vec::new();
        let (mut names, mut news) = (Vec::new(), Vec::new());
        for spec in specs {
            names.push(spec.name.clone());
            let known = self
                .world
                .find(&spec.name)
                .and_then(|id| self.world.standing(id));
            match known {
                Some(standing) if **standing.spec == spec => {}
                Some(standing) => {
                    if standing.run.is_some() {
                        remarks.push(format!(
                            "`{}` has changed; the change is in force from its next start",
                            spec.name
                        ));
                    }
                    news.push(spec);
                }
                None => news.push(spec),
            }
        }
        let changed = self.world.load(news, self.now);
        for id in &changed {
            self.legacy.library.define(*id, batch);
        }
        self.write_batch(batch);
        let services = self.world.instances().count();
        if let Err(why) = self.platform.make_room(services) {
            remarks.push(format!(
                "{services} services may need more open files than this engine may have: {why}"
            ));
        }
        for id in &changed {
            self.tell(
                *id,
                None,
                EventKind::Loaded,
                "its definition was taken in".to_owned(),
            );
        }
        let all = names
            .iter()
            .filter_map(|name| self.world.find(name))
            .collect();
        Taken {
            all,
            changed,
            remarks,
        }
    }
}

/// What units find around them in a running engine.
#[derive(Debug)]
pub(crate) struct Surroundings {
    machine: Machine,
    /// By full name and by family.
    services: BTreeSet<String>,
}

impl World for Surroundings {
    fn has_service(&self, name: &str) -> bool {
        self.services.contains(name)
    }

    fn file(&self, path: &str) -> FileKind {
        self.machine.file(path)
    }

    fn head(&self, path: &str) -> Option<Vec<u8>> {
        self.machine.head(path)
    }

    fn search_path(&self, directories: &[String]) -> String {
        self.machine.search_path(directories)
    }

    fn impossible(&self, spec: &Spec) -> Vec<Impossible> {
        self.machine.impossible(spec)
    }

    fn find_program(&self, name: &str, search_path: &str) -> Option<String> {
        self.machine.find_program(name, search_path)
    }

    fn read(&self, path: &str) -> Option<Vec<u8>> {
        self.machine.read(path)
    }

    fn link(&self, path: &str) -> Option<String> {
        self.machine.link(path)
    }

    fn glob(&self, pattern: &str) -> Vec<String> {
        self.machine.glob(pattern)
    }

    fn list(&self, directory: &str) -> Vec<String> {
        self.machine.list(directory)
    }

    fn user_exists(&self, name: &str) -> bool {
        self.machine.user_exists(name)
    }

    fn group_exists(&self, name: &str) -> bool {
        self.machine.group_exists(name)
    }

    fn env(&self, name: &str) -> Option<String> {
        self.machine.env(name)
    }

    fn fact(&self, fact: Fact) -> Option<String> {
        self.machine.fact(fact)
    }
}

/// Endings of files that are units.
const ENDINGS: &[&str] = &["toml", "service", "socket", "target", "timer"];

/// The file itself, or the units in the directory, by name.
fn unit_files(path: &str) -> Result<Vec<String>, Fault> {
    if !fs::metadata(path).is_ok_and(|found| found.is_dir()) {
        return Ok(vec![path.to_owned()]);
    }
    let entries = fs::read_dir(path).map_err(|why| unreadable(path, &why))?;
    let is_unit = |name: &String| {
        name.rsplit_once('.')
            .is_some_and(|(_, ending)| ENDINGS.contains(&ending))
    };
    let names = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(is_unit);
    let mut paths: Vec<_> = names
        .map(|name| format!("{}/{name}", path.trim_end_matches('/')))
        .collect();
    paths.sort();
    Ok(paths)
}

fn unreadable(path: &str, why: &std::io::Error) -> Fault {
    Fault {
        kind: FaultKind::BadUnit,
        message: format!("cannot read `{path}`: {why}"),
        action: Some("name a unit file that can be read".to_owned()),
        diagnostics: Vec::new(),
    }
}

fn source(path: &str) -> Result<Source, Fault> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Source::new(path, text)),
        Err(why) => Err(unreadable(path, &why)),
    }
}
