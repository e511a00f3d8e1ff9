//! The table of keys: every key of systemd 256 in `[Unit]`, `[Service]`, `[Socket]` and `[Install]`, and what becomes
//! of it here.
//!
//! A key is *carried* out, with the place in the spec it goes to; *noted*, when nothing is lost by leaving it out; or
//! *refused*, when leaving it out would weaken security or correctness. The list of keys in the documents is printed
//! from this table.

mod cgroup;
mod exec;
mod kill;
mod service;
mod socket;
mod unit;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::draft::{Draft, Input};
use super::fault::Fault;

/// What a key's function does with one assignment.
pub(super) type Apply = fn(&mut Draft, &Input<'_>) -> Result<(), Fault>;

/// One key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    pub name: &'static str,
    pub class: Class,
    /// Carried: where it goes. Noted: why nothing is lost. Refused: what would be lost.
    pub says: &'static str,
}

/// What becomes of a key.
#[derive(Debug, Clone, Copy)]
pub(super) enum Class {
    Carried(Apply),
    Noted,
    Refused {
        /// Values that ask for nothing, besides the empty one.
        harmless: &'static [&'static str],
    },
}

/// A group of keys, as the manual pages have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    Unit,
    Service,
    Exec,
    Kill,
    Cgroup,
    Socket,
    Install,
}

impl Table {
    /// Every table with the manual page that describes its keys.
    pub(super) const ALL: &[(Table, &str)] = &[
        (Table::Unit, "systemd.unit(5), [Unit]"),
        (Table::Service, "systemd.service(5), [Service]"),
        (Table::Exec, "systemd.exec(5)"),
        (Table::Kill, "systemd.kill(5)"),
        (Table::Cgroup, "systemd.resource-control(5)"),
        (Table::Socket, "systemd.socket(5), [Socket]"),
        (Table::Install, "systemd.unit(5), [Install]"),
    ];

    fn written(self) -> &'static [Key] {
        match self {
            Table::Unit => unit::KEYS,
            Table::Service => service::KEYS,
            Table::Exec => exec::KEYS,
            Table::Kill => kill::KEYS,
            Table::Cgroup => cgroup::KEYS,
            Table::Socket => socket::KEYS,
            Table::Install => unit::INSTALL_KEYS,
        }
    }

    /// All keys of the table, those that come in families counted one by one.
    pub(super) fn keys(self) -> Vec<Key> {
        let mut keys = self.written().to_vec();
        match self {
            Table::Unit => keys.extend(unit::conditions()),
            Table::Exec => keys.extend(exec::limits()),
            Table::Service | Table::Kill | Table::Cgroup | Table::Socket | Table::Install => {}
        }
        keys
    }
}

/// A section of a unit file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Unit,
    Service,
    Socket,
    Install,
}

impl Section {
    pub(super) const ALL: [(Section, &'static str); 4] = [
        (Section::Unit, "Unit"),
        (Section::Service, "Service"),
        (Section::Socket, "Socket"),
        (Section::Install, "Install"),
    ];

    pub(super) fn parse(name: &str) -> Option<Section> {
        Section::ALL
            .iter()
            .find(|(_, known)| *known == name)
            .map(|(section, _)| *section)
    }

    /// The tables whose keys may stand here; the first is the section's own.
    pub(super) fn tables(self) -> &'static [Table] {
        match self {
            Section::Unit => &[Table::Unit],
            Section::Service => &[Table::Service, Table::Exec, Table::Kill, Table::Cgroup],
            Section::Socket => &[Table::Socket, Table::Exec, Table::Kill, Table::Cgroup],
            Section::Install => &[Table::Install],
        }
    }
}

/// A key in a section, and the table it was found in.
pub(super) fn find(section: Section, name: &str) -> Option<(Key, Table)> {
    let index = &INDEX[section as usize];
    index.get(renamed(section, name)).copied()
}

/// The tables of every section by the names of their keys; the section's own keys come before what it shares.
static INDEX: LazyLock<[BTreeMap<&'static str, (Key, Table)>; Section::ALL.len()]> =
    LazyLock::new(|| {
        Section::ALL.each_ref().map(|(section, _)| {
            let mut index = BTreeMap::new();
            for table in section.tables() {
                for key in table.keys() {
                    index.entry(key.name).or_insert((key, *table));
                }
            }
            index
        })
    });

/// The known key of a section that is most like `name`, if one is near.
pub(super) fn nearest(section: Section, name: &str) -> Option<&'static str> {
    crate::words::nearest(name, INDEX[section as usize].keys().copied())
}

/// One key as the documents list it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Described {
    /// The manual page and section that describe the key.
    pub page: &'static str,
    pub name: &'static str,
    /// `carried`, `noted` or `refused`.
    pub class: &'static str,
    /// Carried: where it goes. Noted: why nothing is lost. Refused: what would be lost.
    pub says: &'static str,
}

/// Every key of every table.
pub fn described() -> Vec<Described> {
    let mut found = Vec::new();
    for (table, page) in Table::ALL {
        found.extend(table.keys().into_iter().map(|key| Described {
            page,
            name: key.name,
            class: match key.class {
                Class::Carried(_) => "carried",
                Class::Noted => "noted",
                Class::Refused { .. } => "refused",
            },
            says: key.says,
        }));
    }
    found
}

/// Names systemd still takes for keys that have new ones.
pub(super) const RENAMED: &[(Section, &str, &str)] = &[
    (Section::Unit, "BindTo", "BindsTo"),
    (Section::Unit, "PropagateReloadTo", "PropagatesReloadTo"),
    (Section::Unit, "PropagateReloadFrom", "ReloadPropagatedFrom"),
    (Section::Unit, "StartLimitInterval", "StartLimitIntervalSec"),
    (Section::Service, "ReadOnlyDirectories", "ReadOnlyPaths"),
    (Section::Service, "ReadWriteDirectories", "ReadWritePaths"),
    (
        Section::Service,
        "InaccessibleDirectories",
        "InaccessiblePaths",
    ),
    (
        Section::Service,
        "LogRateLimitInterval",
        "LogRateLimitIntervalSec",
    ),
];

fn renamed(section: Section, name: &str) -> &str {
    RENAMED
        .iter()
        .find(|(known, old, _)| *known == section && *old == name)
        .map_or(name, |(.., new)| new)
}

const fn carried(name: &'static str, to: &'static str, apply: Apply) -> Key {
    Key {
        name,
        class: Class::Carried(apply),
        says: to,
    }
}

const fn noted(name: &'static str, why: &'static str) -> Key {
    Key {
        name,
        class: Class::Noted,
        says: why,
    }
}

const fn refused(name: &'static str, lost: &'static str, harmless: &'static [&'static str]) -> Key {
    Key {
        name,
        class: Class::Refused { harmless },
        says: lost,
    }
}

/// Values that switch a key off.
const OFF: &[&str] = &["no", "false", "0", "off", "n", "f"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_stands_once_in_its_section() {
        for (section, name) in Section::ALL {
            let mut names: Vec<_> = section
                .tables()
                .iter()
                .flat_map(|table| table.keys())
                .map(|key| key.name)
                .collect();
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            // `[Socket]` and the programs of a service share some names; the section's own comes first.
            let shared = match section {
                Section::Socket => 1,
                Section::Unit | Section::Service | Section::Install => 0,
            };
            assert!(count - names.len() <= shared, "[{name}]");
        }
    }

    #[test]
    fn every_key_of_the_table_is_found() {
        for (section, _) in Section::ALL {
            for table in section.tables() {
                for key in table.keys() {
                    assert!(find(section, key.name).is_some(), "{}", key.name);
                    assert!(!key.says.is_empty(), "{}", key.name);
                }
            }
        }
    }

    #[test]
    fn a_misspelt_key_finds_its_neighbour() {
        assert_eq!(nearest(Section::Service, "ExecSart"), Some("ExecStart"));
        assert_eq!(nearest(Section::Service, "killmode"), Some("KillMode"));
        assert_eq!(nearest(Section::Unit, "Frobnicate"), None);
    }

    #[test]
    fn old_names_mean_the_new_keys() {
        for (section, old, new) in RENAMED {
            assert_eq!(find(*section, old).unwrap().0.name, *new);
        }
    }
}
