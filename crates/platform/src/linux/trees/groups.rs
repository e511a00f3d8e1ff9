//! Control groups, version 2: one directory per tree below one of our own.
//!
//! Membership is the kernel's business here: born inside, a process and all it begets stay inside, whatever sessions it
//! makes. No descriptor is kept per tree; one inotify instance tells which trees have become empty.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::fs::{
    AtFlags, FlockOperation, Mode, OFlags, flock, inotify, mkdirat, openat, unlinkat,
};
use rustix::io::Errno;

use crate::TreeId;

/// The directory all our trees lie in, and the watch on those whose end is awaited.
#[derive(Debug)]
pub(crate) struct Groups {
    root: OwnedFd,
    path: PathBuf,
    inotify: OwnedFd,
    watches: BTreeMap<i32, TreeId>,
    watched: BTreeMap<TreeId, i32>,
    /// It goes where we go.
    keeper: Option<u32>,
}

const PREFIX: &str = "aplomb-";
/// Where we go ourselves when the group we were in must be empty; no tree's name begins with a dot.
const OWN_GROUP: &str = ".engine";
/// Longer file names are refused by every file system.
const LONGEST_NAME: usize = 200;

/// Several platforms may live in one process.
static NUMBER: AtomicU32 = AtomicU32::new(0);

impl Groups {
    /// Makes our directory below the group we are in, named after whoever lives as long as it: the keeper, if there is
    /// one. With `left`, goes on with that of an earlier engine. Errors say why trees cannot be held by groups here.
    pub(crate) fn open(keeper: Option<u32>, left: Option<&Path>) -> Result<Groups, String> {
        let own = own_group().ok_or("no control group file system of version 2 is mounted")?;
        sweep(&own);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let owner = keeper.unwrap_or_else(std::process::id);
        let path = match left {
            Some(left) => left.to_owned(),
            None => own.join(format!("{PREFIX}{owner}-{number}")),
        };
        let failed = |what: &str, error: io::Error| format!("{what} {}: {error}", path.display());
        let root = claim(&path).map_err(|error| failed("cannot make", error))?;
        let flags = inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK;
        let inotify = inotify::init(flags).map_err(|error| failed("cannot watch", error.into()))?;
        Ok(Groups {
            root,
            path,
            inotify,
            watches: BTreeMap::new(),
            watched: BTreeMap::new(),
            keeper,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What to poll for [`Groups::changed`].
    pub(crate) fn events(&self) -> &OwnedFd {
        &self.inotify
    }

    /// Makes a group; returns the name it got.
    pub(crate) fn create(&self, hint: &str, tree: TreeId) -> io::Result<String> {
        let name = file_name(hint);
        let mode = Mode::from_raw_mode(0o755);
        match mkdirat(&self.root, &name, mode) {
            Ok(()) => return Ok(name),
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        // Engines before us may have left groups of these names.
        let name = format!("{name}.{}-{}", tree.0, std::process::id());
        mkdirat(&self.root, &name, mode)?;
        Ok(name)
    }

    /// Whether this group is there.
    pub(crate) fn has(&self, group: &str) -> bool {
        !group.is_empty() && !group.contains('/') && self.path.join(group).is_dir()
    }

    /// The directory, to be born into.
    pub(crate) fn directory(&self, group: &str) -> io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(openat(&self.root, group, flags, Mode::empty())?)
    }

    /// The file through which processes join.
    pub(crate) fn door(&self, group: &str) -> io::Result<OwnedFd> {
        self.open_file(group, "cgroup.procs", OFlags::WRONLY)
    }

    pub(crate) fn kill(&self, group: &str) -> io::Result<()> {
        self.write(group, "cgroup.kill", "1")
    }

    pub(crate) fn freeze(&self, group: &str) -> io::Result<()> {
        self.write(group, "cgroup.freeze", "1")
    }

    pub(crate) fn thaw(&self, group: &str) -> io::Result<()> {
        self.write(group, "cgroup.freeze", "0")
    }

    /// Every process in the group and in those its members made below it.
    pub(crate) fn members(&self, group: &str) -> io::Result<Vec<u32>> {
        self.listed(group, &self.list(group)?)
    }

    /// As [`Groups::members`], from the opened list of the group itself, which may be asked again and again.
    pub(crate) fn listed(&self, group: &str, list: &OwnedFd) -> io::Result<Vec<u32>> {
        let mut all = numbers(&whole(list)?);
        for below in self.below(group) {
            let path = format!("{group}/{below}");
            all.extend(self.members(&path).unwrap_or_default());
        }
        Ok(all)
    }

    /// The list of the group's own processes.
    pub(crate) fn list(&self, group: &str) -> io::Result<OwnedFd> {
        self.open_file(group, "cgroup.procs", OFlags::RDONLY)
    }

    /// The groups made below it, by those in it.
    pub(crate) fn below(&self, group: &str) -> Vec<String> {
        // A directory counts a link for each one below it; most have none, and one question is enough.
        let links = rustix::fs::statat(&self.root, group, AtFlags::SYMLINK_NOFOLLOW);
        if links.is_ok_and(|stat| stat.st_nlink <= 2) {
            return Vec::new();
        }
        let entries = fs::read_dir(self.path.join(group));
        let directories = entries
            .into_iter()
            .flatten()
            .flatten()
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        directories
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect()
    }

    /// Whether any process lives in the group or below it. If so, [`Groups::changed`] names the tree when that may have
    /// changed.
    pub(crate) fn is_populated_watched(&mut self, group: &str, tree: TreeId) -> bool {
        let populated = self.is_populated(group);
        if !populated || self.watched.contains_key(&tree) {
            return populated;
        }
        let path = self.path.join(group).join("cgroup.events");
        if let Ok(watch) = inotify::add_watch(&self.inotify, path, inotify::WatchFlags::MODIFY) {
            self.watches.insert(watch, tree);
            self.watched.insert(tree, watch);
        }
        // Asked again: what happened before the watch was set has not been told.
        self.is_populated(group)
    }

    /// A group that cannot be read any more has no members.
    fn is_populated(&self, group: &str) -> bool {
        let Ok(file) = self.open_file(group, "cgroup.events", OFlags::RDONLY) else {
            return false;
        };
        // Two short lines, made up at once.
        let mut text = [0; 256];
        let length = rustix::io::pread(&file, &mut text, 0).unwrap_or(0);
        let mut lines = text[..length].split(|byte| *byte == b'\n');
        lines.any(|line| line == b"populated 1")
    }

    pub(crate) fn forget(&mut self, tree: TreeId) {
        if let Some(watch) = self.watched.remove(&tree) {
            self.watches.remove(&watch);
            // The kernel may have dropped it already, with the directory.
            let _ = inotify::remove_watch(&self.inotify, watch);
        }
    }

    /// Trees whose events file has changed since it was last asked.
    pub(crate) fn changed(&mut self) -> Vec<TreeId> {
        let mut buffer = [MaybeUninit::<u8>::uninit(); 4096];
        let mut reader = inotify::Reader::new(&self.inotify, &mut buffer);
        let mut trees = Vec::new();
        while let Ok(event) = reader.next() {
            trees.extend(self.watches.get(&event.wd()).copied());
        }
        trees
    }

    /// Removes a group if nobody is in it and none was made below it; tells whether it is gone.
    pub(crate) fn remove_empty(&self, group: &str) -> bool {
        let removed = unlinkat(&self.root, group, AtFlags::REMOVEDIR);
        matches!(removed, Ok(()) | Err(Errno::NOENT))
    }

    /// Removes a group nobody is in any more, with those made below it.
    pub(crate) fn remove(&self, group: &str) -> io::Result<()> {
        match unlinkat(&self.root, group, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(Errno::BUSY) => {
                let below = self.below(group);
                if below.is_empty() {
                    return Err(Errno::BUSY.into());
                }
                for name in below {
                    self.remove(&format!("{group}/{name}"))?;
                }
                Ok(unlinkat(&self.root, group, AtFlags::REMOVEDIR)?)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The name of the group of ours `pid` is in.
    pub(crate) fn group_of(&self, pid: u32) -> Option<String> {
        let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        let path = text.lines().find_map(|line| line.strip_prefix("0::"))?;
        let root = self.path.file_name()?.to_str()?;
        let mut names = path.split('/').skip_while(|name| *name != root);
        names.nth(1).map(str::to_owned)
    }

    /// The number the kernel knows the group by.
    pub(crate) fn number(&self, group: &str) -> Option<u64> {
        let stat = rustix::fs::statat(&self.root, group, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        Some(stat.st_ino)
    }

    /// Memory the group uses, where that is counted.
    pub(crate) fn memory(&self, group: &str) -> Option<u64> {
        self.read(group, "memory.current").ok()?.trim().parse().ok()
    }

    /// Processor time the group has used.
    pub(crate) fn cpu(&self, group: &str) -> Option<Duration> {
        let text = self.read(group, "cpu.stat").ok()?;
        let micros = text
            .lines()
            .find_map(|line| line.strip_prefix("usage_usec "))?;
        micros.trim().parse().ok().map(Duration::from_micros)
    }

    /// Makes a controller work in our groups. `false`: there is none of this name for us.
    ///
    /// A group with members of its own cannot hand controllers down; so we leave the group we were started in for one
    /// below it. Errors: others are in it and stay.
    pub(super) fn hand_down(&self, controller: &str) -> io::Result<bool> {
        if has(&self.path.join("cgroup.subtree_control"), controller) {
            return Ok(true);
        }
        let Some(own) = self.path.parent() else {
            return Ok(false);
        };
        if !has(&own.join("cgroup.controllers"), controller) {
            return Ok(false);
        }
        let add = format!("+{controller}");
        if !has(&own.join("cgroup.subtree_control"), controller) {
            let ours = self.path.join(OWN_GROUP);
            if own.join("cgroup.events").exists() && !ours.exists() {
                fs::create_dir(&ours)?;
                if let Some(keeper) = self.keeper {
                    fs::write(ours.join("cgroup.procs"), keeper.to_string())?;
                }
                fs::write(ours.join("cgroup.procs"), "0")?;
            }
            fs::write(own.join("cgroup.subtree_control"), &add).map_err(|error| {
                let text = format!(
                    "cannot hand the controller `{controller}` down from {}: {error}; others may be in that group \
                     (start the engine in one of its own, as systemd's `Delegate=yes` does)",
                    own.display()
                );
                io::Error::new(error.kind(), text)
            })?;
        }
        fs::write(self.path.join("cgroup.subtree_control"), &add)?;
        Ok(true)
    }

    pub(crate) fn read(&self, group: &str, file: &str) -> io::Result<String> {
        whole(&self.open_file(group, file, OFlags::RDONLY)?)
    }

    pub(super) fn write(&self, group: &str, file: &str, text: &str) -> io::Result<()> {
        File::from(self.open_file(group, file, OFlags::WRONLY)?).write_all(text.as_bytes())
    }

    fn open_file(&self, group: &str, file: &str, flags: OFlags) -> io::Result<OwnedFd> {
        let path = format!("{group}/{file}");
        Ok(openat(
            &self.root,
            path,
            flags | OFlags::CLOEXEC,
            Mode::empty(),
        )?)
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        // What is still populated stays: its members outlive us, as uprooted leftovers do. So do we, if we went below.
        let _ = remove_all(&self.path);
    }
}

/// All of a file that the kernel makes up as it is read, from its start.
fn whole(file: &OwnedFd) -> io::Result<String> {
    let mut text = Vec::new();
    let mut part = [0; 1024];
    loop {
        let got = rustix::io::pread(file, &mut part, text.len() as u64)?;
        text.extend_from_slice(&part[..got]);
        if got == 0 {
            return String::from_utf8(text).map_err(|_| io::ErrorKind::InvalidData.into());
        }
    }
}

/// The directory of the group we are in, in the version 2 hierarchy.
fn own_group() -> Option<PathBuf> {
    let memberships = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = memberships
        .lines()
        .find_map(|line| line.strip_prefix("0::"))?;
    // An engine before us may have led the keeper, and so us, below its own directory.
    let own = match own
        .strip_suffix(OWN_GROUP)
        .map(|above| above.rsplitn(3, '/'))
    {
        Some(mut names) => {
            let ours = names.nth(1).is_some_and(|name| name.starts_with(PREFIX));
            names.next().filter(|_| ours).unwrap_or(own)
        }
        None => own,
    };
    mounted(if own.is_empty() { "/" } else { own }, |kind, _| {
        kind == "cgroup2"
    })
}

/// The directory of the group we are in, in the version 1 hierarchy of this controller.
pub(super) fn mounted_group(controller: &str) -> Option<PathBuf> {
    let memberships = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = memberships.lines().find_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        controllers
            .split(',')
            .any(|one| one == controller)
            .then_some(path)
    })?;
    mounted(own, |kind, options| {
        kind == "cgroup" && options.split(',').any(|one| one == controller)
    })
}

/// Where group `own` of the hierarchy of this kind and these options is mounted.
fn mounted(own: &str, is_it: impl Fn(&str, &str) -> bool) -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    mounts
        .lines()
        .find_map(|line| group_mount(line, own, &is_it))
}

/// The directory of group `own` if this line of mountinfo(5) mounts it.
fn group_mount(line: &str, own: &str, is_it: impl Fn(&str, &str) -> bool) -> Option<PathBuf> {
    let (fields, rest) = line.split_once(" - ")?;
    let mut rest = rest.split(' ');
    let (kind, options) = (rest.next()?, rest.nth(1)?);
    if !is_it(kind, options) {
        return None;
    }
    let mut fields = fields.split(' ').skip(3);
    let root = fields.next()?;
    let point = fields.next()?.replace("\\040", " ");
    let inside = Path::new(own).strip_prefix(root).ok()?;
    Some(Path::new(&point).join(inside))
}

/// Makes the directory, or takes that of a dead engine who had our number, and locks it as one that is in use.
fn claim(path: &Path) -> io::Result<OwnedFd> {
    loop {
        match fs::create_dir(path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        let root = match rustix::fs::open(path, DIRECTORY, Mode::empty()) {
            Ok(root) => root,
            Err(Errno::NOENT) => continue,
            Err(error) => return Err(error.into()),
        };
        // Shared: an engine that succeeds another holds it beside what is left of that one. Who sweeps holds it for a
        // moment only, and may have removed it before we came.
        flock(&root, FlockOperation::LockShared)?;
        let ours = rustix::fs::fstat(&root)?.st_ino;
        if rustix::fs::stat(path).is_ok_and(|there| there.st_ino == ours) {
            return Ok(root);
        }
    }
}

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

/// Removes what dead engines left empty.
fn sweep(own: &Path) {
    let Ok(entries) = fs::read_dir(own) else {
        return;
    };
    for entry in entries.flatten() {
        if !engine_of(&entry.file_name()).is_some_and(is_gone) {
            continue;
        }
        // Its process may only be out of sight: the numbers of another namespace are not ours.
        let path = entry.path();
        let Ok(root) = rustix::fs::open(&path, DIRECTORY, Mode::empty()) else {
            continue;
        };
        if flock(&root, FlockOperation::NonBlockingLockExclusive).is_ok() {
            let _ = remove_all(&path);
        }
    }
}

/// The number of the engine whose directory has this name.
fn engine_of(name: &OsStr) -> Option<u32> {
    let rest = name.to_str()?.strip_prefix(PREFIX)?;
    rest.split('-').next()?.parse().ok()
}

fn is_gone(pid: u32) -> bool {
    !Path::new("/proc").join(pid.to_string()).exists()
}

/// Removes a directory of groups from its leaves up, as far as they are empty.
fn remove_all(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)?.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            let _ = remove_all(&entry.path());
        }
    }
    fs::remove_dir(path)
}

/// Whether a list of controllers names this one.
fn has(list: &Path, controller: &str) -> bool {
    let list = fs::read_to_string(list).unwrap_or_default();
    list.split_ascii_whitespace().any(|one| one == controller)
}

fn numbers(text: &str) -> Vec<u32> {
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

/// A name for people as a file name: what a path cannot hold is written as `%XX`.
fn file_name(hint: &str) -> String {
    let mut name = String::with_capacity(hint.len());
    for (at, byte) in hint.bytes().enumerate() {
        let plain =
            byte.is_ascii_alphanumeric() || b"@-_:+".contains(&byte) || (byte == b'.' && at > 0);
        if name.len() >= LONGEST_NAME {
            break;
        }
        if plain {
            name.push(char::from(byte));
        } else {
            name.push_str(&format!("%{byte:02X}"));
        }
    }
    if name.is_empty() { "tree".into() } else { name }
}
