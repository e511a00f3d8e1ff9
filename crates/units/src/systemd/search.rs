//! The directories units are looked for in, each listed once per reading.
//!
//! Every unit asks what lies beside it: its file, its drop-ins, who links to it. If the machine were asked each time,
//! a directory of a thousand units would be read thousands of times. So the names are taken down before the first
//! unit is read, links turned round; drop-ins are read when the first unit asks, for many may share them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::name::UnitName;
use super::unit::Text;
use crate::world::{FileKind, World};

/// What a directory of links beside a unit means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Relation {
    Wants,
    Requires,
}

impl Relation {
    pub(super) const ALL: [Relation; 2] = [Relation::Wants, Relation::Requires];

    /// How the directory's name ends.
    fn ending(self) -> &'static str {
        match self {
            Relation::Wants => ".wants",
            Relation::Requires => ".requires",
        }
    }
}

/// A drop-in: the name of its file, and its text; `None` if it is masked.
pub(super) type DropIn = (String, Option<Text>);

/// What lies in the search path.
pub(super) struct Search<'a> {
    world: &'a dyn World,
    /// Names in the directories, and their paths, the strongest first.
    paths: BTreeMap<String, Vec<String>>,
    /// By unit: the names its directory links to.
    links: BTreeMap<(Relation, String), Vec<String>>,
    /// By name: the units that link to it.
    linkers: BTreeMap<(Relation, String), Vec<UnitName>>,
    /// By the directory's name.
    drop_ins: BTreeMap<String, Vec<DropIn>>,
}

impl<'a> Search<'a> {
    /// Lists these directories, the strongest first.
    pub(super) fn new(directories: &[String], world: &'a dyn World) -> Search<'a> {
        let mut search = Search {
            world,
            paths: BTreeMap::new(),
            links: BTreeMap::new(),
            linkers: BTreeMap::new(),
            drop_ins: BTreeMap::new(),
        };
        for directory in directories {
            for name in world.list(directory) {
                let path = joined(directory, &name);
                search.take_links(&name, &path);
                search.paths.entry(name).or_default().push(path);
            }
        }
        search
    }

    /// Takes down what a directory such as `web.service.wants` links to.
    fn take_links(&mut self, name: &str, path: &str) {
        for relation in Relation::ALL {
            let Some(unit) = name.strip_suffix(relation.ending()) else {
                continue;
            };
            let linker = UnitName::parse(unit);
            for linked in self.world.list(path) {
                if let Some(linker) = &linker {
                    let linkers = self.linkers.entry((relation, linked.clone())).or_default();
                    linkers.push(linker.clone());
                }
                let links = self.links.entry((relation, unit.to_owned())).or_default();
                links.push(linked);
            }
        }
    }

    /// Where something of this name lies, the strongest directory first.
    pub(super) fn paths(&self, name: &str) -> &[String] {
        self.paths.get(name).map_or(&[], Vec::as_slice)
    }

    /// Names in the `.wants` or `.requires` directories of a unit.
    pub(super) fn links(&self, relation: Relation, unit: &UnitName) -> &[String] {
        let links = self.links.get(&(relation, unit.full().to_owned()));
        links.map_or(&[], Vec::as_slice)
    }

    /// Units whose `.wants` or `.requires` directory names this one, each once.
    pub(super) fn linkers(&self, relation: Relation, unit: &UnitName) -> Vec<UnitName> {
        let linkers = self.linkers.get(&(relation, unit.full().to_owned()));
        let mut linkers = linkers.cloned().unwrap_or_default();
        linkers.sort_unstable();
        linkers.dedup();
        linkers
    }

    /// The drop-ins in all directories of this name with `.d` behind it, the strongest first.
    pub(super) fn drop_ins(&mut self, name: &str) -> &[DropIn] {
        let directory = format!("{name}.d");
        let Some(paths) = self.paths.get(&directory) else {
            return &[];
        };
        let world = self.world;
        self.drop_ins.entry(directory).or_insert_with(|| {
            let within = paths.iter().flat_map(|path| drop_ins_in(path, world));
            within.collect()
        })
    }
}

fn drop_ins_in(directory: &str, world: &dyn World) -> Vec<DropIn> {
    let mut names = world.list(directory);
    names.retain(|name| name.ends_with(".conf"));
    let read = |name: String| {
        let text = text(&joined(directory, &name), world);
        (name, text.filter(|text| !text.text.trim().is_empty()))
    };
    names.into_iter().map(read).collect()
}

/// The text of a file, if one lies at this path.
pub(super) fn text(path: &str, world: &dyn World) -> Option<Text> {
    match world.file(path) {
        FileKind::File { .. } => {}
        FileKind::Missing | FileKind::Directory | FileKind::Other => return None,
    }
    let bytes = world.read(path)?;
    Some(Text {
        file: Arc::from(path),
        text: String::from_utf8_lossy(&bytes).into_owned(),
    })
}

fn joined(directory: &str, name: &str) -> String {
    match directory {
        "" => name.to_owned(),
        directory => format!("{}/{name}", directory.trim_end_matches('/')),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::systemd::tests::Machine;
    use crate::world::Fact;
    use crate::{Options, Source};

    /// Notes every question about directories and accounts.
    struct Counted<'m> {
        machine: &'m Machine,
        asked: RefCell<BTreeMap<String, usize>>,
    }

    impl Counted<'_> {
        fn note(&self, question: String) {
            *self.asked.borrow_mut().entry(question).or_default() += 1;
        }
    }

    impl World for Counted<'_> {
        fn file(&self, path: &str) -> FileKind {
            self.note(format!("file {path}"));
            self.machine.file(path)
        }

        fn head(&self, path: &str) -> Option<Vec<u8>> {
            self.machine.head(path)
        }

        fn read(&self, path: &str) -> Option<Vec<u8>> {
            self.note(format!("read {path}"));
            self.machine.read(path)
        }

        fn link(&self, path: &str) -> Option<String> {
            self.note(format!("link {path}"));
            self.machine.link(path)
        }

        fn glob(&self, pattern: &str) -> Vec<String> {
            self.note(format!("glob {pattern}"));
            self.machine.glob(pattern)
        }

        fn list(&self, directory: &str) -> Vec<String> {
            self.note(format!("list {directory}"));
            self.machine.list(directory)
        }

        fn user_exists(&self, name: &str) -> bool {
            self.note(format!("user {name}"));
            self.machine.user_exists(name)
        }

        fn group_exists(&self, name: &str) -> bool {
            self.machine.group_exists(name)
        }

        fn env(&self, name: &str) -> Option<String> {
            self.machine.env(name)
        }

        fn fact(&self, fact: Fact) -> Option<String> {
            self.note(format!("fact {fact:?}"));
            self.machine.fact(fact)
        }
    }

    fn machine(files: &[(&str, &str)]) -> Machine {
        let mut machine = Machine::default();
        for (path, text) in files {
            machine.files.insert((*path).into(), (*text).into());
        }
        machine
    }

    #[test]
    fn however_many_units_there_are_the_machine_is_asked_everything_once() {
        let machine = machine(&[
            ("/bin/x", ""),
            ("/u/service.d/all.conf", "[Service]\nUser=web\n"),
            ("/u/a.target.wants/s1.service", ""),
        ]);
        let text = "[Unit]\nDescription=On %H\n[Service]\nExecStart=/bin/x\n";
        let unit = |number| Source::new(format!("/u/s{number}.service"), text);
        let sources: Vec<Source> = (0..50).map(unit).collect();
        let world = Counted {
            machine: &machine,
            asked: RefCell::default(),
        };
        let (specs, _) = crate::read(&sources, &world, Options::default());
        assert_eq!(specs.len(), 50);
        let user = |spec: &aplomb_core::Spec| spec.process.user.as_deref() == Some("web");
        assert!(specs.iter().all(user));
        let asked = world.asked.into_inner();
        let expected = [
            "fact HostName",
            "file /bin/x",
            "file /u/service.d/all.conf",
            "list /u",
            "list /u/a.target.wants",
            "list /u/service.d",
            "read /u/service.d/all.conf",
            "user web",
        ];
        let expected = expected.map(|question| (question.to_owned(), 1));
        assert_eq!(asked, BTreeMap::from(expected));
    }

    #[test]
    fn a_link_is_known_from_both_its_ends() {
        let machine = machine(&[
            ("/u/web.service.wants/db.service", ""),
            ("/v/web.service.requires/db.service", ""),
            ("/v/a.target.wants/db.service", ""),
            ("/v/no unit.wants/db.service", ""),
        ]);
        let search = Search::new(&["/u".to_owned(), "/v".to_owned()], &machine);
        let name = |text: &str| UnitName::parse(text).expect("a name");
        let (web, db, a) = (name("web.service"), name("db.service"), name("a.target"));
        assert_eq!(search.links(Relation::Wants, &web), ["db.service"]);
        assert_eq!(search.links(Relation::Requires, &web), ["db.service"]);
        assert!(search.links(Relation::Wants, &db).is_empty());
        assert_eq!(search.linkers(Relation::Wants, &db), [a, web.clone()]);
        assert_eq!(search.linkers(Relation::Requires, &db), [web]);
    }

    #[test]
    fn a_drop_in_that_is_empty_masks_and_the_stronger_directory_comes_first() {
        let machine = machine(&[
            ("/u/web.service.d/b.conf", " \n"),
            ("/v/web.service.d/b.conf", "[Unit]\n"),
            ("/v/web.service.d/a.conf", "[Unit]\n"),
            ("/v/web.service.d/a.txt", "[Unit]\n"),
        ]);
        let mut search = Search::new(&["/u".to_owned(), "/v".to_owned()], &machine);
        let found = search.drop_ins("web.service").iter();
        let found: Vec<(&str, bool)> = found
            .map(|(name, text)| (name.as_str(), text.is_some()))
            .collect();
        let expected = [("b.conf", false), ("a.conf", true), ("b.conf", true)];
        assert_eq!(found, expected);
        assert!(search.drop_ins("db.service").is_empty());
    }
}
