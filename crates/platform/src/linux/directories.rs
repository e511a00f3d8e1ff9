//! Directories made for a service: its own (runtime, state, cache, logs, configuration) and its private `/tmp`.
//!
//! Made by us before the child is born, below roots only we and root can write to; every step of a path is taken
//! without following a link, so that nobody leads us elsewhere.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use aplomb_core::spec::{OwnDirectory, OwnDirectoryKind};
use rustix::fs::{Gid, Mode, OFlags, Uid, fchmod, fchown, mkdirat, openat};
use rustix::io::Errno;

use crate::Step;

/// Where an own directory lies: the system's places for root, else those of the XDG base directory specification.
pub(crate) fn path_of(directory: &OwnDirectory) -> PathBuf {
    root(directory.kind).join(&directory.name)
}

/// What is being done when one of this kind is made.
pub(crate) fn step(kind: OwnDirectoryKind) -> Step {
    match kind {
        OwnDirectoryKind::Runtime => Step::RuntimeDirectory,
        OwnDirectoryKind::State => Step::StateDirectory,
        OwnDirectoryKind::Cache => Step::CacheDirectory,
        OwnDirectoryKind::Logs => Step::LogsDirectory,
        OwnDirectoryKind::Configuration => Step::ConfigurationDirectory,
    }
}

fn root(kind: OwnDirectoryKind) -> PathBuf {
    let is_root = rustix::process::geteuid().is_root();
    let (system, variable, below_home) = match kind {
        OwnDirectoryKind::Runtime => ("/run", "XDG_RUNTIME_DIR", ".cache"),
        OwnDirectoryKind::State => ("/var/lib", "XDG_STATE_HOME", ".local/state"),
        OwnDirectoryKind::Cache => ("/var/cache", "XDG_CACHE_HOME", ".cache"),
        OwnDirectoryKind::Logs => ("/var/log", "XDG_STATE_HOME", ".local/state"),
        OwnDirectoryKind::Configuration => ("/etc", "XDG_CONFIG_HOME", ".config"),
    };
    if is_root {
        return system.into();
    }
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| "/".into()));
    let base = std::env::var_os(variable).map(PathBuf::from);
    let base = base
        .filter(|path| path.is_absolute())
        .unwrap_or_else(|| home().join(below_home));
    match kind {
        OwnDirectoryKind::Logs => base.join("log"),
        OwnDirectoryKind::Runtime
        | OwnDirectoryKind::State
        | OwnDirectoryKind::Cache
        | OwnDirectoryKind::Configuration => base,
    }
}

/// Makes the directory, with those above it inside its root, and gives it to its owner. Configuration stays ours.
pub(crate) fn make(
    directory: &OwnDirectory,
    (uid, gid): (Option<u32>, Option<u32>),
) -> io::Result<()> {
    let root = root(directory.kind);
    if !root.exists() {
        std::fs::create_dir_all(&root)?;
    }
    let mut at = rustix::fs::open(&root, DIRECTORY, Mode::empty())?;
    for name in Path::new(&directory.name).components() {
        at = step_into(&at, name.as_os_str().as_ref(), Mode::from_raw_mode(0o755))?;
    }
    fchmod(&at, Mode::from_raw_mode(directory.mode))?;
    if directory.kind != OwnDirectoryKind::Configuration {
        fchown(&at, uid.map(Uid::from_raw), gid.map(Gid::from_raw))?;
    }
    Ok(())
}

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

fn step_into(at: &OwnedFd, name: &Path, mode: Mode) -> io::Result<OwnedFd> {
    match mkdirat(at, name, mode) {
        Ok(()) | Err(Errno::EXIST) => Ok(openat(at, name, DIRECTORY, Mode::empty())?),
        Err(error) => Err(error.into()),
    }
}

/// Where everybody's temporary files lie.
const PUBLIC: [&str; 2] = ["/tmp", "/var/tmp"];

/// A `/tmp` and a `/var/tmp` for one run: real directories nobody else can reach, mounted over the public ones.
#[derive(Debug)]
pub(crate) struct PrivateTmp {
    /// The public directory, and what is to be seen in its place.
    places: Vec<(&'static str, PathBuf)>,
}

impl PrivateTmp {
    pub(crate) fn make(tree: u64) -> io::Result<PrivateTmp> {
        let mut private = PrivateTmp { places: Vec::new() };
        for public in PUBLIC {
            if !Path::new(public).is_dir() {
                continue;
            }
            let hidden = make_hidden(public, tree)?;
            private.places.push((public, hidden.clone()));
            let inner = hidden.join("tmp");
            std::fs::create_dir(&inner)?;
            rustix::fs::chmod(&inner, Mode::from_raw_mode(0o1777))?;
        }
        Ok(private)
    }

    pub(crate) fn keepsake(&self) -> Vec<(PathBuf, PathBuf)> {
        let all = self.places.iter();
        all.map(|(public, hidden)| (PathBuf::from(public), hidden.clone()))
            .collect()
    }

    /// That of an earlier engine; `None` where there is none.
    pub(crate) fn taken_up(keepsake: &[(PathBuf, PathBuf)]) -> Option<PrivateTmp> {
        let known = |path: &Path| PUBLIC.into_iter().find(|one| Path::new(one) == path);
        let all = keepsake.iter();
        let places: Vec<_> = all
            .filter_map(|(public, hidden)| Some((known(public)?, hidden.clone())))
            .collect();
        (!places.is_empty()).then_some(PrivateTmp { places })
    }

    /// The public directory and the private one, for each.
    pub(crate) fn places(&self) -> impl Iterator<Item = (&'static str, PathBuf)> {
        self.places
            .iter()
            .map(|(public, hidden)| (*public, hidden.join("tmp")))
    }
}

impl Drop for PrivateTmp {
    fn drop(&mut self) {
        for (_, hidden) in &self.places {
            // What cannot be removed is what any left-over temporary file is.
            let _ = std::fs::remove_dir_all(hidden);
        }
    }
}

/// A directory of mode 0700 with a name nobody has taken before us.
fn make_hidden(public: &str, tree: u64) -> io::Result<PathBuf> {
    use std::os::unix::fs::DirBuilderExt;
    let own = std::process::id();
    for attempt in 0..1000_u32 {
        let path = Path::new(public).join(format!("aplomb-{own}-{tree}-{attempt}"));
        match std::fs::DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}
