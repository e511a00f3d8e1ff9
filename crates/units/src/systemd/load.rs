//! Which files make up which units: search path, drop-ins, aliases, masks, templates; systemd.unit(5), "Unit File
//! Load Path".
//!
//! A file that is given is a unit whatever lies elsewhere. What it names is looked for in the directory it lies in,
//! and in all of systemd's directories if that is one of them: a unit tried out in a working directory is not mixed
//! with the machine's.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::name::{UnitName, UnitType};
use super::unit::{self, Text, Unit};
use crate::diagnostic::{Diagnostic, Place};
use crate::source::{Options, Source};
use crate::world::{FileKind, World};

/// systemd's directories, the strongest first.
pub(super) const SYSTEM_PATH: &[&str] = &[
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];
/// More units than this are not pulled in by those that were given.
const LIMIT: usize = 10_000;

/// A unit, and whether its file was given or found.
#[derive(Debug)]
pub(super) struct Found {
    pub unit: Unit,
    pub given: bool,
    /// Units whose `.wants` or `.requires` directory links to this one.
    pub wanted_by: Vec<UnitName>,
    pub required_by: Vec<UnitName>,
}

/// All units of the given files, and those they need that can be found.
pub(super) fn units(
    sources: &[&Source],
    world: &dyn World,
    options: Options,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Found> {
    let mut loader = Loader {
        world,
        options,
        directories: Vec::new(),
        given: BTreeMap::new(),
        drop_ins: Vec::new(),
        done: BTreeSet::new(),
        aliases: Vec::new(),
        found: Vec::new(),
    };
    let mut queue = VecDeque::new();
    for source in sources {
        loader.take(source, &mut queue, diagnostics);
    }
    loader.widen();
    while let Some(name) = queue.pop_front() {
        if loader.done.len() < LIMIT && loader.done.insert(name.clone()) {
            loader.load(&name, &mut queue, diagnostics);
        }
    }
    loader.named()
}

struct Loader<'a> {
    world: &'a dyn World,
    options: Options,
    directories: Vec<String>,
    given: BTreeMap<UnitName, Text>,
    /// Drop-ins given as files: the directory's name without `.d`, and the text.
    drop_ins: Vec<(String, Text)>,
    done: BTreeSet<UnitName>,
    /// Links among unit files: another name, and the one it stands for.
    aliases: Vec<(UnitName, UnitName)>,
    found: Vec<Found>,
}

/// What a name leads to.
enum Fragment {
    Text(Text),
    /// The name is another name of this unit.
    Alias(UnitName),
    Masked(String),
    Missing,
}

impl Loader<'_> {
    /// Sorts one given file: a unit, a drop-in, or nothing of ours.
    fn take(
        &mut self,
        source: &Source,
        queue: &mut VecDeque<UnitName>,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let text = Text {
            file: Arc::clone(&source.path),
            text: source.text.clone(),
        };
        let parent = file_name(&source.directory);
        if let (Some(unit), true) = (
            parent.strip_suffix(".d"),
            source.file_name().ends_with(".conf"),
        ) {
            self.drop_ins.push((unit.to_owned(), text));
            return;
        }
        let Some(name) = UnitName::parse(source.file_name()) else {
            let message = format!("`{}` is no name of a unit", source.file_name());
            let place = Place::new(&text.file, 0..0);
            diagnostics.push(Diagnostic::refused(
                place,
                message,
                "end it in `.service`, `.socket`, `.target` or `.toml`",
            ));
            return;
        };
        if let Some(fault) = not_ours(&name, &text) {
            diagnostics.push(fault);
            return;
        }
        if !self.directories.contains(&source.directory) {
            self.directories.push(source.directory.clone());
        }
        self.given.insert(name.clone(), text);
        queue.push_back(name);
    }

    /// Where one of systemd's directories is meant, all are.
    fn widen(&mut self) {
        if self
            .directories
            .iter()
            .any(|directory| SYSTEM_PATH.contains(&&**directory))
        {
            self.directories
                .retain(|directory| !SYSTEM_PATH.contains(&&**directory));
            self.directories
                .extend(SYSTEM_PATH.iter().map(|directory| (*directory).to_owned()));
        }
    }

    fn load(
        &mut self,
        name: &UnitName,
        queue: &mut VecDeque<UnitName>,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let text = match self.fragment(name) {
            Fragment::Text(text) => text,
            Fragment::Alias(target) => {
                self.aliases.push((name.clone(), target.clone()));
                return queue.push_back(target);
            }
            Fragment::Masked(path) => {
                if self.given.contains_key(name) {
                    let place = Place::new(&Arc::from(path), 0..0);
                    let message = format!("`{name}` is masked: its file is empty");
                    diagnostics.push(Diagnostic::noted(
                        place,
                        message,
                        "remove it if nobody needs it",
                    ));
                }
                return;
            }
            Fragment::Missing => return,
        };
        let given = self.given.contains_key(name)
            || name
                .template()
                .is_some_and(|template| self.given.contains_key(&template));
        let mut texts = vec![text];
        texts.extend(self.drop_ins_of(name));
        let unit = unit::read(name, &texts, self.world, self.options, diagnostics);
        queue.extend(self.needed(&unit));
        if name.is_template() {
            self.instances_of(&unit, queue, diagnostics);
            return;
        }
        let wanted_by = self.linked(name, "wants");
        let required_by = self.linked(name, "requires");
        self.found.push(Found {
            unit,
            given,
            wanted_by,
            required_by,
        });
    }

    /// The main file of a unit: its own, else its template's.
    fn fragment(&self, name: &UnitName) -> Fragment {
        let candidates = [Some(name.clone()), name.template()];
        for candidate in candidates.iter().flatten() {
            if let Some(text) = self.given.get(candidate) {
                return match text.text.trim().is_empty() {
                    true => Fragment::Masked(text.file.to_string()),
                    false => Fragment::Text(text.clone()),
                };
            }
            for directory in &self.directories {
                let path = joined(directory, candidate.full());
                match self.at(&path, name) {
                    Fragment::Missing => {}
                    found @ (Fragment::Text(_) | Fragment::Alias(_) | Fragment::Masked(_)) => {
                        return found;
                    }
                }
            }
        }
        Fragment::Missing
    }

    /// What lies at this path for a unit of this name.
    fn at(&self, path: &str, name: &UnitName) -> Fragment {
        if let Some(target) = self.world.link(path) {
            if target == "/dev/null" {
                return Fragment::Masked(path.to_owned());
            }
            if let Some(alias) = UnitName::parse(file_name(&target)) {
                let alias = match name.instance() {
                    Some(instance) if alias.is_template() => alias.with_instance(instance),
                    Some(_) | None => alias,
                };
                if alias != *name && alias.unit_type() == name.unit_type() {
                    return Fragment::Alias(alias);
                }
            }
        }
        match self.text(path) {
            Some(text) if text.text.trim().is_empty() => Fragment::Masked(path.to_owned()),
            Some(text) => Fragment::Text(text),
            None => Fragment::Missing,
        }
    }

    fn text(&self, path: &str) -> Option<Text> {
        match self.world.file(path) {
            FileKind::File { .. } => {}
            FileKind::Missing | FileKind::Directory | FileKind::Other => return None,
        }
        let bytes = self.world.read(path)?;
        Some(Text {
            file: Arc::from(path),
            text: String::from_utf8_lossy(&bytes).into_owned(),
        })
    }

    /// Drop-ins in the order they count: by the names of their files over all directories. Of two with the same name
    /// the one that says more about this unit wins, then the one in the stronger directory.
    fn drop_ins_of(&self, name: &UnitName) -> Vec<Text> {
        let mut found: BTreeMap<String, Option<Text>> = BTreeMap::new();
        for directory_name in drop_in_names(name) {
            for (_, text) in self
                .drop_ins
                .iter()
                .filter(|(unit, _)| *unit == directory_name)
            {
                let file = file_name(&text.file).to_owned();
                found.entry(file).or_insert_with(|| Some(text.clone()));
            }
            for directory in &self.directories {
                let pattern = format!(
                    "{}/*.conf",
                    joined(directory, &format!("{directory_name}.d"))
                );
                for path in self.world.glob(&pattern) {
                    let file = file_name(&path).to_owned();
                    found.entry(file).or_insert_with(|| self.drop_in(&path));
                }
            }
        }
        found.into_values().flatten().collect()
    }

    /// `None` for one that is masked.
    fn drop_in(&self, path: &str) -> Option<Text> {
        self.text(path).filter(|text| !text.text.trim().is_empty())
    }

    /// The units found, each with the names links give it.
    fn named(mut self) -> Vec<Found> {
        for (alias, target) in &self.aliases {
            let unit = self
                .found
                .iter_mut()
                .find(|found| found.unit.name == *target);
            if let Some(found) = unit {
                found.unit.aliases.push(alias.full().to_owned());
            }
        }
        self.found
    }

    /// Units whose `.wants` or `.requires` directory names this one.
    fn linked(&self, name: &UnitName, relation: &str) -> Vec<UnitName> {
        let mut found = Vec::new();
        for directory in &self.directories {
            let pattern = joined(directory, &format!("*.{relation}/{name}"));
            for path in self.world.glob(&pattern) {
                let parent = path
                    .rsplit_once('/')
                    .map_or("", |(parent, _)| file_name(parent));
                let unit = parent
                    .strip_suffix(relation)
                    .and_then(|unit| unit.strip_suffix('.'));
                found.extend(unit.and_then(UnitName::parse));
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Units to look for because this one names them, or lies beside them.
    fn needed(&self, unit: &Unit) -> Vec<UnitName> {
        let depends = &unit.spec.depends;
        let lists = [
            &depends.requires,
            &depends.wants,
            &depends.binds_to,
            &depends.requisite,
            &depends.on_failure,
            &depends.on_success,
        ];
        let named = lists
            .into_iter()
            .flatten()
            .map(|name| super::name::of_spec(name));
        let whole = unit.partners.iter().chain(&unit.also).cloned();
        let partner = partner(&unit.name).map(|name| name.full().to_owned());
        let linked = ["wants", "requires"]
            .into_iter()
            .flat_map(|relation| self.links(&unit.name, relation));
        named
            .chain(whole)
            .chain(partner)
            .chain(linked)
            .filter_map(|name| UnitName::parse(&name))
            .collect()
    }

    /// Names in the `.wants` or `.requires` directory of a unit.
    fn links(&self, name: &UnitName, relation: &str) -> Vec<String> {
        let patterns = self
            .directories
            .iter()
            .map(|directory| joined(directory, &format!("{name}.{relation}/*")));
        let paths = patterns.flat_map(|pattern| self.world.glob(&pattern));
        paths.map(|path| file_name(&path).to_owned()).collect()
    }

    /// A template is nothing by itself; it stands for the instances somebody names.
    fn instances_of(
        &self,
        unit: &Unit,
        queue: &mut VecDeque<UnitName>,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        if let Some(instance) = &unit.default_instance {
            queue.push_back(unit.name.with_instance(instance));
            return;
        }
        let named = |name: &UnitName| name.template().as_ref() == Some(&unit.name);
        if !queue.iter().chain(&self.done).any(named) {
            let message = format!(
                "`{}` is a template, and nobody names an instance of it",
                unit.name
            );
            let action = format!("start one as `{}@NAME`", unit.name.prefix());
            diagnostics.push(Diagnostic::noted(unit.places.unit.clone(), message, action));
        }
    }
}

/// Why a unit of this type cannot be run, if it cannot.
fn not_ours(name: &UnitName, text: &Text) -> Option<Diagnostic> {
    let action = match name.unit_type() {
        UnitType::Service | UnitType::Socket | UnitType::Target => return None,
        UnitType::Timer => "start its service by hand, or keep the timer with systemd or cron",
        UnitType::Other => "keep it with systemd",
    };
    let message = format!("`{name}`: {} units are not carried out", name.ending());
    Some(Diagnostic::refused(
        Place::new(&text.file, 0..0),
        message,
        action,
    ))
}

/// The service of a socket, the socket of a service.
fn partner(name: &UnitName) -> Option<UnitName> {
    let ending = match name.unit_type() {
        UnitType::Service => "socket",
        UnitType::Socket => "service",
        UnitType::Target | UnitType::Timer | UnitType::Other => return None,
    };
    UnitName::parse(&format!("{}.{ending}", name.stem()))
}

/// Names of the directories drop-ins of a unit lie in, without `.d`, the most telling first: the unit, its template,
/// every beginning of the name that ends in `-`, the type.
fn drop_in_names(name: &UnitName) -> Vec<String> {
    let mut names = vec![name.full().to_owned()];
    names.extend(name.template().map(|template| template.full().to_owned()));
    let mut prefix = name.prefix().trim_end_matches('-');
    while let Some(dash) = prefix.rfind('-') {
        names.push(format!("{}-.{}", &prefix[..dash], name.ending()));
        prefix = prefix[..dash].trim_end_matches('-');
    }
    names.push(name.ending().to_owned());
    names
}

fn joined(directory: &str, name: &str) -> String {
    match directory {
        "" => name.to_owned(),
        directory => format!("{}/{name}", directory.trim_end_matches('/')),
    }
}

fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or_default()
}
