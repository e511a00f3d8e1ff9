//! Which files make up which units: search path, drop-ins, aliases, masks, templates; systemd.unit(5), "Unit File
//! Load Path".
//!
//! A file that is given is a unit whatever lies elsewhere. What it names is looked for in the directory it lies in,
//! and in all of systemd's directories if that is one of them: a unit tried out in a working directory is not mixed
//! with the machine's.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::name::{UnitName, UnitType};
use super::search::{self, Relation, Search};
use super::unit::{self, Text, Unit};
use crate::diagnostic::{Diagnostic, Place};
use crate::source::{Options, Source};
use crate::world::World;

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
    let mut given = Given::default();
    let mut queue = VecDeque::new();
    for source in sources {
        given.take(source, &mut queue, diagnostics);
    }
    let mut loader = Loader {
        world,
        options,
        search: Search::new(&given.search_path(), world),
        given,
        done: BTreeSet::new(),
        aliases: Vec::new(),
        found: Vec::new(),
    };
    while let Some(name) = queue.pop_front() {
        if loader.done.len() < LIMIT && loader.done.insert(name.clone()) {
            loader.load(&name, &mut queue, diagnostics);
        }
    }
    loader.named()
}

/// The files that were given, sorted.
#[derive(Default)]
struct Given {
    units: BTreeMap<UnitName, Text>,
    /// By the directory's name without `.d`.
    drop_ins: BTreeMap<String, Vec<Text>>,
    /// Where units lie, in the order they came.
    directories: Vec<String>,
}

struct Loader<'a> {
    world: &'a dyn World,
    options: Options,
    search: Search<'a>,
    given: Given,
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

impl Given {
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
            let drop_ins = self.drop_ins.entry(unit.to_owned()).or_default();
            drop_ins.push(text);
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
        self.units.insert(name.clone(), text);
        queue.push_back(name);
    }

    /// Where to look for what the units name. Where one of systemd's directories is meant, all are.
    fn search_path(&self) -> Vec<String> {
        let mut path = self.directories.clone();
        let systems = |directory: &String| SYSTEM_PATH.contains(&directory.as_str());
        if path.iter().any(systems) {
            path.retain(|directory| !systems(directory));
            path.extend(SYSTEM_PATH.iter().map(|directory| (*directory).to_owned()));
        }
        path
    }

    /// Whether this unit, or the template it is an instance of, was given.
    fn has(&self, name: &UnitName) -> bool {
        let known = |name: &UnitName| self.units.contains_key(name);
        known(name) || name.template().as_ref().is_some_and(known)
    }
}

impl Loader<'_> {
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
                if self.given.units.contains_key(name) {
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
        let given = self.given.has(name);
        let mut texts = vec![text];
        texts.extend(self.drop_ins_of(name));
        let unit = unit::read(name, &texts, self.world, self.options, diagnostics);
        queue.extend(self.needed(&unit));
        if name.is_template() {
            self.instances_of(&unit, queue, diagnostics);
            return;
        }
        let wanted_by = self.search.linkers(Relation::Wants, name);
        let required_by = self.search.linkers(Relation::Requires, name);
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
            if let Some(text) = self.given.units.get(candidate) {
                return match text.text.trim().is_empty() {
                    true => Fragment::Masked(text.file.to_string()),
                    false => Fragment::Text(text.clone()),
                };
            }
            for path in self.search.paths(candidate.full()) {
                match self.at(path, name) {
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
        match search::text(path, self.world) {
            Some(text) if text.text.trim().is_empty() => Fragment::Masked(path.to_owned()),
            Some(text) => Fragment::Text(text),
            None => Fragment::Missing,
        }
    }

    /// Drop-ins in the order they count: by the names of their files over all directories. Of two with the same name
    /// the one that says more about this unit wins, then the one in the stronger directory.
    fn drop_ins_of(&mut self, name: &UnitName) -> Vec<Text> {
        let mut found: BTreeMap<String, Option<Text>> = BTreeMap::new();
        for directory_name in drop_in_names(name) {
            for text in self
                .given
                .drop_ins
                .get(&directory_name)
                .into_iter()
                .flatten()
            {
                let file = file_name(&text.file).to_owned();
                found.entry(file).or_insert_with(|| Some(text.clone()));
            }
            for (file, text) in self.search.drop_ins(&directory_name) {
                found.entry(file.clone()).or_insert_with(|| text.clone());
            }
        }
        found.into_values().flatten().collect()
    }

    /// The units found, each with the names links give it.
    fn named(mut self) -> Vec<Found> {
        let mut aliases: BTreeMap<UnitName, Vec<String>> = BTreeMap::new();
        for (alias, target) in self.aliases {
            let known = aliases.entry(target).or_default();
            known.push(alias.full().to_owned());
        }
        for found in &mut self.found {
            let known = aliases.remove(&found.unit.name);
            found.unit.aliases.extend(known.into_iter().flatten());
        }
        self.found
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
        let linked = Relation::ALL
            .into_iter()
            .flat_map(|relation| self.search.links(relation, &unit.name).iter().cloned());
        named
            .chain(whole)
            .chain(partner)
            .chain(linked)
            .filter_map(|name| UnitName::parse(&name))
            .collect()
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

fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or_default()
}
