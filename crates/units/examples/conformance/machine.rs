//! The machine we run on, as a [`World`].

use std::fs;
use std::path::Path;

use aplomb_units::World;
use aplomb_units::systemd::env_file;
use aplomb_units::world::{Fact, FileKind};

/// Answers from the file system. Whether a file may be executed is not looked at: nothing is run here.
#[derive(Debug)]
pub(crate) struct Machine;

impl World for Machine {
    fn file(&self, path: &str) -> FileKind {
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => FileKind::Directory,
            Ok(found) if found.is_file() => FileKind::File { executable: true },
            Ok(_) => FileKind::Other,
            Err(_) => FileKind::Missing,
        }
    }

    fn head(&self, path: &str) -> Option<Vec<u8>> {
        let mut bytes = fs::read(path).ok()?;
        bytes.truncate(256);
        Some(bytes)
    }

    fn read(&self, path: &str) -> Option<Vec<u8>> {
        fs::read(path).ok()
    }

    fn link(&self, path: &str) -> Option<String> {
        Some(fs::read_link(path).ok()?.to_string_lossy().into_owned())
    }

    fn glob(&self, pattern: &str) -> Vec<String> {
        let mut found = vec![String::new()];
        for part in pattern.split('/').filter(|part| !part.is_empty()) {
            found = found
                .iter()
                .flat_map(|parent| entries(parent, part))
                .collect();
        }
        found
    }

    fn list(&self, directory: &str) -> Vec<String> {
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> = names.collect();
        names.sort_unstable();
        names
    }

    fn user_exists(&self, name: &str) -> bool {
        names("/etc/passwd").iter().any(|known| known == name)
    }

    fn group_exists(&self, name: &str) -> bool {
        names("/etc/group").iter().any(|known| known == name)
    }

    fn env(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn fact(&self, fact: Fact) -> Option<String> {
        match fact {
            Fact::HostName => line("/proc/sys/kernel/hostname"),
            Fact::MachineId => line("/etc/machine-id"),
            Fact::BootId => line("/proc/sys/kernel/random/boot_id").map(|id| id.replace('-', "")),
            Fact::KernelRelease => line("/proc/sys/kernel/osrelease"),
            Fact::Architecture => Some(
                std::env::consts::ARCH
                    .replace("x86_64", "x86-64")
                    .replace("aarch64", "arm64"),
            ),
            Fact::OsId => os_release("ID"),
            Fact::OsVersionId => os_release("VERSION_ID"),
            Fact::OsBuildId => os_release("BUILD_ID"),
            Fact::OsVariantId => os_release("VARIANT_ID"),
            Fact::UserName | Fact::UserGroupName => Some("root".into()),
            Fact::UserId | Fact::UserGroupId => Some("0".into()),
            Fact::UserHome => Some("/root".into()),
            Fact::UserShell => root_shell(),
            Fact::RuntimeDirectory => Some("/run".into()),
            Fact::StateDirectory => Some("/var/lib".into()),
            Fact::CacheDirectory => Some("/var/cache".into()),
            Fact::LogsDirectory => Some("/var/log".into()),
            Fact::ConfigurationDirectory => Some("/etc".into()),
            Fact::TemporaryDirectory => Some("/tmp".into()),
            Fact::PersistentTemporaryDirectory => Some("/var/tmp".into()),
        }
    }
}

/// Entries of a directory whose names fit a part of a pattern, in order; `*` is the only letter that is special.
fn entries(parent: &str, part: &str) -> Vec<String> {
    if !part.contains('*') {
        let path = format!("{parent}/{part}");
        let there = Path::new(&path).symlink_metadata().is_ok();
        return Some(path).filter(|_| there).into_iter().collect();
    }
    let Ok(entries) = fs::read_dir(if parent.is_empty() { "/" } else { parent }) else {
        return Vec::new();
    };
    let names = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter(|name| fits(name, part)).collect();
    names.sort_unstable();
    names
        .into_iter()
        .map(|name| format!("{parent}/{name}"))
        .collect()
}

fn fits(name: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        None => name == pattern,
        Some((start, rest)) => name.strip_prefix(start).is_some_and(|name| {
            let ends = name.char_indices().map(|(at, _)| at).chain([name.len()]);
            ends.into_iter().any(|at| fits(&name[at..], rest))
        }),
    }
}

fn line(path: &str) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned()).filter(|line| !line.is_empty())
}

fn os_release(key: &str) -> Option<String> {
    let text = fs::read_to_string("/etc/os-release").ok()?;
    let mut variables = env_file::parse(&text).variables.into_iter();
    variables
        .find(|(name, _)| name == key)
        .map(|(_, value)| value)
}

fn root_shell() -> Option<String> {
    let users = fs::read_to_string("/etc/passwd").ok()?;
    let root = users.lines().find(|line| line.starts_with("root:"))?;
    root.rsplit(':').next().map(str::to_owned)
}

/// Names and numbers in a file like `/etc/passwd`.
fn names(path: &str) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .flat_map(|line| {
            let mut fields = line.split(':');
            [fields.next(), fields.nth(1)]
        })
        .flatten()
        .map(str::to_owned)
        .collect()
}
