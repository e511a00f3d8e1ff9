//! What goes into reading (a text with its name) and what comes out beside the diagnostics (a spec with its places).

use std::collections::BTreeMap;
use std::sync::Arc;

use aplomb_core::Spec;

use crate::diagnostic::Place;

/// One text to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The file as its reader names it; its ending decides the dialect.
    pub path: Arc<str>,
    /// Absolute; what relative paths in a TOML file are relative to.
    pub directory: String,
    pub text: String,
}

impl Source {
    /// A source in the directory its `path` names; give an absolute path, or set `directory` yourself.
    pub fn new(path: impl Into<Arc<str>>, text: impl Into<String>) -> Source {
        let path = path.into();
        let directory = match path.rfind(['/', '\\']) {
            Some(0) => "/".into(),
            Some(at) => path[..at].into(),
            None => String::new(),
        };
        Source {
            path,
            directory,
            text: text.into(),
        }
    }

    /// The last part of the path.
    pub fn file_name(&self) -> &str {
        self.path.rsplit(['/', '\\']).next().unwrap_or_default()
    }

    /// By the ending: `.toml` is ours, `.reg` NSSM's, everything else systemd's.
    pub fn dialect(&self) -> Dialect {
        Dialect::of(self.file_name())
    }
}

/// A language units are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Toml,
    Systemd,
    /// NSSM's registry values, as an export of the registry.
    Nssm,
}

impl Dialect {
    /// The dialect of a file of this name.
    pub fn of(path: &str) -> Dialect {
        let ending = path.rsplit_once('.').map(|(_, ending)| ending);
        match ending.map(str::to_ascii_lowercase).as_deref() {
            Some("toml") => Dialect::Toml,
            Some("reg") => Dialect::Nssm,
            Some(_) | None => Dialect::Systemd,
        }
    }
}

/// How strictly units are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// What we cannot carry out and would be refused for that becomes a warning (`--lenient`).
    pub lenient: bool,
}

/// A spec with the places it was read from. The instances of one service share their places.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub spec: Spec,
    pub places: Arc<Places>,
}

/// Where in the text the parts of a spec were said that later checks may have to point at.
#[derive(Debug, Clone)]
pub struct Places {
    /// The unit itself: its table header, its file.
    pub unit: Place,
    said: BTreeMap<Field, BTreeMap<String, Place>>,
}

impl Places {
    pub fn new(unit: Place) -> Places {
        Places {
            unit,
            said: BTreeMap::new(),
        }
    }

    /// Remembers that `value` was said for `field` at `place`; the first place counts.
    pub fn say(&mut self, field: Field, value: impl Into<String>, place: Place) {
        let said = self.said.entry(field).or_default();
        said.entry(value.into()).or_insert(place);
    }

    /// Where `value` was said for `field`; the unit's own place if nobody noted it.
    pub fn of(&self, field: Field, value: &str) -> &Place {
        self.said(field, value).unwrap_or(&self.unit)
    }

    /// Where `value` was said for `field`, if anybody noted it.
    pub fn said(&self, field: Field, value: &str) -> Option<&Place> {
        self.said.get(&field)?.get(value)
    }
}

/// A part of a spec that later checks look at. The value beside it is the name, program or address as in the spec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    Requires,
    Requisite,
    Wants,
    BindsTo,
    PartOf,
    Conflicts,
    After,
    Before,
    OnFailure,
    OnSuccess,
    WantedBy,
    RequiredBy,
    /// Any command of the unit; the value is its program.
    Program,
    User,
    Group,
    WorkingDirectory,
    EnvFile,
    /// The value is the address as `Address` holds it.
    Listen,
    /// The value is empty.
    StopBudget,
    /// The value is empty.
    StopPlan,
}
