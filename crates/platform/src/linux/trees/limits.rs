//! Limits on whole trees, through whatever controllers may be written here.
//!
//! Version 2 if its controllers can be handed down to our groups; else a group per tree in the version 1 hierarchies,
//! which tree members join besides the one that holds them. What neither can do is an error with the name of what is
//! missing.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use aplomb_core::spec::Resources;

use super::groups::{Groups, mounted_group};

/// Microseconds in which a quota of processor time is counted.
const PERIOD: u64 = 100_000;

/// Never the same name twice in one engine.
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// One limit, as both versions spell it.
struct Row {
    controller: &'static str,
    file: &'static str,
    value: String,
    /// Files and values of version 1, in the order to be written; empty where it has nothing like it.
    old: Vec<(&'static str, String)>,
}

fn rows(resources: &Resources) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut add = |controller, file, value: String, old| {
        rows.push(Row {
            controller,
            file,
            value,
            old,
        });
    };
    if let Some(bytes) = resources.memory_high {
        add("memory", "memory.high", bytes.0.to_string(), Vec::new());
    }
    if let Some(bytes) = resources.memory_max {
        let value = bytes.0.to_string();
        let old = vec![("memory.limit_in_bytes", value.clone())];
        add("memory", "memory.max", value, old);
    }
    if let Some(most) = resources.pids_max {
        let value = most.to_string();
        add("pids", "pids.max", value.clone(), vec![("pids.max", value)]);
    }
    if let Some(thousandths) = resources.cpu_max {
        let quota = u64::from(thousandths) * PERIOD / 1000;
        let old = vec![
            ("cpu.cfs_period_us", PERIOD.to_string()),
            ("cpu.cfs_quota_us", quota.to_string()),
        ];
        add("cpu", "cpu.max", format!("{quota} {PERIOD}"), old);
    }
    if let Some(weight) = resources.cpu_weight {
        // Everybody's default is 100 there and 1024 here.
        let shares = (u64::from(weight) * 1024 / 100).max(2);
        let old = vec![("cpu.shares", shares.to_string())];
        add("cpu", "cpu.weight", weight.to_string(), old);
    }
    rows
}

/// Sets the limits of one tree; returns the groups of version 1 its members have to join.
pub(super) fn set(groups: Option<(&Groups, &str)>, resources: &Resources) -> io::Result<OldGroups> {
    let mut old = OldGroups::default();
    for row in rows(resources) {
        if let Some((groups, group)) = groups
            && groups.hand_down(row.controller)?
        {
            groups.write(group, row.file, &row.value)?;
            continue;
        }
        if row.old.is_empty() {
            return Err(missing(&row, "control groups of version 2 with it"));
        }
        let directory = old.group(&row)?;
        for (file, value) in &row.old {
            fs::write(directory.join(file), value)
                .map_err(|error| named(error, &directory.join(file)))?;
        }
    }
    Ok(old)
}

/// The groups of one tree in hierarchies of version 1.
#[derive(Debug, Default)]
pub(super) struct OldGroups {
    directories: Vec<(&'static str, PathBuf)>,
}

impl OldGroups {
    fn group(&mut self, row: &Row) -> io::Result<PathBuf> {
        let have = self
            .directories
            .iter()
            .find(|(controller, _)| *controller == row.controller);
        if let Some((_, directory)) = have {
            return Ok(directory.clone());
        }
        let own = mounted_group(row.controller)
            .ok_or_else(|| missing(row, "a control group hierarchy that has it"))?;
        let directory = loop {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let directory = own.join(format!("aplomb-{}-{number}", std::process::id()));
            match fs::create_dir(&directory) {
                Ok(()) => break directory,
                // A dead engine's who had our number, with leftovers in it.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(named(error, &directory)),
            }
        };
        self.directories.push((row.controller, directory.clone()));
        Ok(directory)
    }

    pub(super) fn keepsake(&self) -> Vec<(String, PathBuf)> {
        let all = self.directories.iter();
        all.map(|(controller, directory)| ((*controller).to_owned(), directory.clone()))
            .collect()
    }

    /// Those of an earlier engine.
    pub(super) fn taken_up(keepsake: &[(String, PathBuf)]) -> OldGroups {
        let known = |name: &str| {
            ["memory", "pids", "cpu"]
                .into_iter()
                .find(|one| *one == name)
        };
        let all = keepsake.iter();
        let directories = all.filter_map(|(name, path)| Some((known(name)?, path.clone())));
        OldGroups {
            directories: directories.collect(),
        }
    }

    /// The files through which members join.
    pub(super) fn doors(&self) -> io::Result<Vec<std::os::fd::OwnedFd>> {
        let open = |(_, directory): &(&str, PathBuf)| {
            let file = fs::OpenOptions::new()
                .write(true)
                .open(directory.join("cgroup.procs"));
            file.map(Into::into)
        };
        self.directories.iter().map(open).collect()
    }

    /// Memory the tree uses, if it is counted here.
    pub(super) fn memory(&self) -> Option<u64> {
        let (_, directory) = self
            .directories
            .iter()
            .find(|(name, _)| *name == "memory")?;
        let text = fs::read_to_string(directory.join("memory.usage_in_bytes")).ok()?;
        text.trim().parse().ok()
    }
}

impl Drop for OldGroups {
    fn drop(&mut self) {
        for (_, directory) in &self.directories {
            // One with leftovers in it stays as long as they do.
            let _ = fs::remove_dir(directory);
        }
    }
}

fn missing(row: &Row, what: &str) -> io::Error {
    let text = format!(
        "`{}` needs the controller `{}`, and here is no {what} we may write to",
        row.file, row.controller
    );
    io::Error::new(io::ErrorKind::Unsupported, text)
}

fn named(error: io::Error, path: &Path) -> io::Error {
    io::Error::new(
        error.kind(),
        format!("cannot write {}: {error}", path.display()),
    )
}
