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

use aplomb_core::spec::LimitedResource;

use super::condition;
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

    fn find(self, name: &str) -> Option<Key> {
        let written = self.written().iter().find(|key| key.name == name).copied();
        written.or_else(|| match self {
            Table::Unit if condition::kind(name).is_some() => {
                unit::conditions().into_iter().find(|key| key.name == name)
            }
            Table::Exec if is_limit(name) => {
                exec::limits().into_iter().find(|key| key.name == name)
            }
            Table::Unit | Table::Exec => None,
            Table::Service | Table::Kill | Table::Cgroup | Table::Socket | Table::Install => None,
        })
    }
}

fn is_limit(name: &str) -> bool {
    let resource = name.strip_prefix("Limit");
    resource.is_some_and(|name| {
        LimitedResource::ALL
            .iter()
            .any(|(.., known)| *known == name)
    })
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
    pub(super) const ALL: &[(Section, &str)] = &[
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
    let name = renamed(section, name);
    section
        .tables()
        .iter()
        .find_map(|table| Some((table.find(name)?, *table)))
}

/// The known key of a section that is most like `name`, if one is near.
pub(super) fn nearest(section: Section, name: &str) -> Option<&'static str> {
    let keys = section.tables().iter().flat_map(|table| table.keys());
    let (distance, key) = keys.map(|key| (distance(key.name, name), key.name)).min()?;
    (distance <= 1 + name.len() / 4).then_some(key)
}

/// Letters to insert, remove or change to make one word of the other; case counts little.
fn distance(one: &str, other: &str) -> usize {
    let one: Vec<char> = one.to_lowercase().chars().collect();
    let other: Vec<char> = other.to_lowercase().chars().take(64).collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, left) in one.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], at + 1);
        for (column, right) in other.iter().enumerate() {
            let cost = diagonal + usize::from(left != right);
            diagonal = row[column + 1];
            row[column + 1] = cost.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
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
                    assert!(find(*section, key.name).is_some(), "{}", key.name);
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
