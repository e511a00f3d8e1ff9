//! Control groups of either version: whether a process is frozen, and what its group may still have.

use std::path::{Path, PathBuf};

use super::{proc, standing};
use crate::scene::{Limit, Limited};
use crate::verdict::{Evidence, Strength};

const ROOT: &str = "/sys/fs/cgroup";

/// Where the groups of a process are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Groups {
    /// Of version 2.
    unified: Option<PathBuf>,
    /// Of version 1, by controller.
    freezer: Option<PathBuf>,
    threads: Option<PathBuf>,
    memory: Option<PathBuf>,
}

impl Groups {
    pub(super) fn of(pid: u32) -> Groups {
        let text = proc::read(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        let hybrid = Path::new(ROOT).join("unified");
        let unified = match hybrid.is_dir() {
            true => hybrid,
            false => PathBuf::from(ROOT),
        };
        Groups::parse(&text, &unified)
    }

    /// `unified` is where version 2 is mounted.
    fn parse(text: &str, unified: &Path) -> Groups {
        let mut groups = Groups::default();
        for line in text.lines() {
            let mut parts = line.splitn(3, ':');
            let (Some(_), Some(controllers), Some(path)) =
                (parts.next(), parts.next(), parts.next())
            else {
                continue;
            };
            let path = path.trim_start_matches('/');
            if controllers.is_empty() {
                groups.unified = Some(unified.join(path));
                continue;
            }
            let mount = Path::new(ROOT).join(controllers).join(path);
            for controller in controllers.split(',') {
                match controller {
                    "freezer" => groups.freezer = Some(mount.clone()),
                    "pids" => groups.threads = Some(mount.clone()),
                    "memory" => groups.memory = Some(mount.clone()),
                    _ => {}
                }
            }
        }
        groups
    }

    /// The line that says that the process's group is frozen.
    pub(super) fn frozen(&self) -> Option<Evidence> {
        let new = self
            .unified
            .as_ref()
            .map(|path| (path.join("cgroup.events"), "frozen 1"));
        let old = self
            .freezer
            .as_ref()
            .map(|path| (path.join("freezer.state"), "FROZEN"));
        [new, old].into_iter().flatten().find_map(|(path, wanted)| {
            let text = proc::read(&path).ok()?;
            let found = text.lines().any(|line| line.trim() == wanted);
            found.then(|| Evidence {
                source: path.display().to_string(),
                text: wanted.to_owned(),
                strength: Strength::Certain,
            })
        })
    }

    /// Threads and memory the group has and may have.
    pub(super) fn limits(&self) -> Vec<Limit> {
        let threads = self.level(
            &self.threads,
            ("pids.current", "pids.max"),
            "pids.current",
            "pids.max",
        );
        let memory = self.level(
            &self.memory,
            ("memory.usage_in_bytes", "memory.limit_in_bytes"),
            "memory.current",
            "memory.max",
        );
        let mut limits = Vec::new();
        if let Some((used, allowed, source)) = threads {
            let text = format!("{used} of {allowed} threads and processes of the control group");
            limits.push(standing::limit(
                Limited::Threads,
                used,
                allowed,
                &source,
                text,
            ));
        }
        if let Some((used, allowed, source)) = memory {
            let text = format!("{used} of {allowed} bytes of memory of the control group");
            // A group's memory is always nearly full of what was read from files; only the last page counts.
            let full = allowed.saturating_sub(page()).max(1);
            limits.push(standing::limit(Limited::Memory, used, full, &source, text));
        }
        limits
    }

    fn level(
        &self,
        old: &Option<PathBuf>,
        (old_used, old_allowed): (&str, &str),
        used: &str,
        allowed: &str,
    ) -> Option<(u64, u64, String)> {
        let old = old
            .as_ref()
            .and_then(|path| level(path, old_used, old_allowed));
        old.or_else(|| level(self.unified.as_ref()?, used, allowed))
    }
}

fn level(group: &Path, used: &str, allowed: &str) -> Option<(u64, u64, String)> {
    let number =
        |name: &str| -> Option<u64> { proc::read(group.join(name)).ok()?.trim().parse().ok() };
    // "max" is no number, and version 1 says it with one that no machine has.
    let allowed_number = number(allowed).filter(|allowed| *allowed < 1 << 60)?;
    let source = group.join(allowed).display().to_string();
    Some((number(used)?, allowed_number, source))
}

/// Bytes of a page.
pub(super) fn page() -> u64 {
    rustix::param::page_size() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_found_in_one_file() {
        let text = "12:freezer:/jobs/a\n4:cpu,cpuacct:/\n3:pids:/jobs/a\n0::/user.slice/x\n";
        let groups = Groups::parse(text, Path::new("/sys/fs/cgroup/unified"));
        let unified = PathBuf::from("/sys/fs/cgroup/unified/user.slice/x");
        assert_eq!(groups.unified, Some(unified));
        assert_eq!(
            groups.freezer,
            Some(PathBuf::from("/sys/fs/cgroup/freezer/jobs/a"))
        );
        assert_eq!(groups.memory, None);
    }
}
