//! The control group a supervisor and all it starts are accounted in.
//!
//! Version 1 (`cpuacct` and `memory` hierarchies) where mounted, else version 2. CPU time of the
//! group counts processes that have ended too, which /proc cannot; that is why a group is needed at all.
//! The group is ours, below our own, and goes when the measurement is over, with all that is in it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::launch::is_stale;

/// One group, in one directory per hierarchy.
#[derive(Debug)]
pub(crate) struct Group {
    cpu: PathBuf,
    memory: Option<PathBuf>,
    /// Beside version 1 hierarchies: a place of its own in version 2's tree, where supervisors make groups.
    unified: Option<PathBuf>,
    version: Version,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

impl Group {
    /// A new group named `name` below our own. Fails where control groups cannot be written.
    pub(crate) fn create(name: &str) -> io::Result<Group> {
        let mounts = fs::read_to_string("/proc/self/mounts")?;
        let ours = fs::read_to_string("/proc/self/cgroup")?;
        if let Some(cpu) = directory(&mounts, &ours, "cpuacct") {
            let cpu = make(&cpu, name)?;
            let memory = directory(&mounts, &ours, "memory").and_then(|up| make(&up, name).ok());
            let unified = directory(&mounts, &ours, "").and_then(|up| make(&up, name).ok());
            return Ok(Group {
                cpu,
                memory,
                unified,
                version: Version::One,
            });
        }
        let up = directory(&mounts, &ours, "")
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no control groups mounted"))?;
        let cpu = make(&up, name)?;
        let memory = cpu.join("memory.current").exists().then(|| cpu.clone());
        Ok(Group {
            cpu,
            memory,
            unified: None,
            version: Version::Two,
        })
    }

    /// Ends and removes the groups of runs that are no more.
    pub(crate) fn sweep() -> io::Result<()> {
        let mounts = fs::read_to_string("/proc/self/mounts")?;
        let ours = fs::read_to_string("/proc/self/cgroup")?;
        let places = ["cpuacct", "memory", ""].map(|name| directory(&mounts, &ours, name));
        for place in places.into_iter().flatten() {
            for stale in subdirectories(&place)? {
                if stale
                    .file_name()
                    .is_some_and(|name| is_stale(&name.to_string_lossy()))
                {
                    clear(&stale)?;
                    remove(&stale);
                }
            }
        }
        Ok(())
    }

    fn directories(&self) -> impl Iterator<Item = &Path> {
        let others = [&self.memory, &self.unified].into_iter().flatten();
        let others = others.filter(|directory| **directory != self.cpu);
        [&self.cpu].into_iter().chain(others).map(PathBuf::as_path)
    }

    /// The files a process writes itself into to join.
    pub(crate) fn doors(&self) -> Vec<PathBuf> {
        self.directories()
            .map(|directory| directory.join("cgroup.procs"))
            .collect()
    }

    /// CPU time of all that is or was in the group, in nanoseconds.
    pub(crate) fn cpu(&self) -> io::Result<u64> {
        match self.version {
            Version::One => number(&fs::read_to_string(self.cpu.join("cpuacct.usage"))?),
            Version::Two => {
                let stat = fs::read_to_string(self.cpu.join("cpu.stat"))?;
                let used = stat
                    .lines()
                    .find_map(|line| line.strip_prefix("usage_usec "));
                Ok(number(used.unwrap_or_default())? * 1000)
            }
        }
    }

    /// Memory charged to the group in bytes, the kernel's side included; `None` without that controller.
    pub(crate) fn memory(&self) -> io::Result<Option<u64>> {
        let file = match self.version {
            Version::One => "memory.usage_in_bytes",
            Version::Two => "memory.current",
        };
        let Some(directory) = &self.memory else {
            return Ok(None);
        };
        number(&fs::read_to_string(directory.join(file))?).map(Some)
    }

    /// Every process in the group and in groups below it.
    pub(crate) fn processes(&self) -> io::Result<Vec<i32>> {
        let mut found = Vec::new();
        collect(&self.cpu, &mut found)?;
        Ok(found)
    }

    /// Kills what is in the group until nothing is, for at most five seconds.
    pub(crate) fn clear(&self) -> io::Result<()> {
        clear(&self.cpu)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // What cannot be cleared or removed stays as an empty directory; nothing depends on it.
        let _ = self.clear();
        self.directories().for_each(remove);
    }
}

/// Where our own group of `controller` lies; the empty name is version 2's hierarchy.
fn directory(mounts: &str, ours: &str, controller: &str) -> Option<PathBuf> {
    let mount = mounts.lines().find_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (place, kind, flags) = (words.next()?, words.next()?, words.next()?);
        let wanted = match controller {
            "" => kind == "cgroup2",
            name => kind == "cgroup" && flags.split(',').any(|flag| flag == name),
        };
        wanted.then_some(place)
    })?;
    let below = ours.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        controllers
            .split(',')
            .any(|name| name == controller)
            .then_some(path)
    })?;
    Some(Path::new(mount).join(below.trim_start_matches('/')))
}

fn make(up: &Path, name: &str) -> io::Result<PathBuf> {
    let directory = up.join(name);
    fs::create_dir(&directory)?;
    Ok(directory)
}

fn number(text: &str) -> io::Result<u64> {
    text.trim().parse().map_err(io::Error::other)
}

fn subdirectories(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    Ok(found)
}

fn collect(directory: &Path, found: &mut Vec<i32>) -> io::Result<()> {
    let procs = fs::read_to_string(directory.join("cgroup.procs"))?;
    found.extend(procs.lines().filter_map(|line| line.parse::<i32>().ok()));
    for below in subdirectories(directory)? {
        collect(&below, found)?;
    }
    Ok(())
}

fn clear(directory: &Path) -> io::Result<()> {
    let begun = Instant::now();
    loop {
        let mut left = Vec::new();
        collect(directory, &mut left)?;
        if left.is_empty() {
            return Ok(());
        }
        if begun.elapsed() > Duration::from_secs(5) {
            return Err(io::Error::other(format!("{left:?} outlive SIGKILL")));
        }
        for pid in left.into_iter().filter_map(Pid::from_raw) {
            // It may be gone by now; the next look tells.
            let _ = kill_process(pid, Signal::KILL);
        }
        thread::sleep(Duration::from_millis(2));
    }
}

fn remove(directory: &Path) {
    for below in subdirectories(directory).unwrap_or_default() {
        remove(&below);
    }
    let _ = fs::remove_dir(directory);
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
tmpfs /sys/fs/cgroup tmpfs rw,relatime,mode=755 0 0
cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,relatime,cpu,cpuacct 0 0
cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0
";

    #[test]
    fn our_group_is_found_in_each_hierarchy() {
        let ours = "4:memory:/user/1\n2:cpu,cpuacct:/\n0::/session\n";
        let place = |controller| directory(MOUNTS, ours, controller);
        assert_eq!(place("cpuacct"), Some("/sys/fs/cgroup/cpu,cpuacct".into()));
        assert_eq!(place("memory"), Some("/sys/fs/cgroup/memory/user/1".into()));
        assert_eq!(place(""), Some("/sys/fs/cgroup/unified/session".into()));
        assert_eq!(place("pids"), None);
    }
}
