//! What a program cannot see or change: its name spaces and mounts, as system calls of the child.
//!
//! The keys of a sandbox become one list of places, sorted so that what lies deeper comes later and wins. First every
//! place becomes a mount of its own, then each gets its attributes from the root down.

use std::io;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};

use aplomb_core::spec::{PathRuleKind, ProtectHome, ProtectSystem, Sandbox};

use crate::linux::sys::calls::{Attribute, Reach, Space};
use crate::linux::sys::script::{Script, Stage};
use crate::{SpawnError, Step};

/// What a sandbox has to know besides itself.
#[derive(Debug, Default)]
pub(super) struct View<'a> {
    /// The root directory of the program, or empty.
    pub(super) root: &'a str,
    /// Public directories and what is to be seen there instead.
    pub(super) private: Vec<(&'static str, PathBuf)>,
    /// What the program must be able to write to.
    pub(super) own: Vec<PathBuf>,
    /// The private network of the tree, once it has one.
    pub(super) network: Option<RawFd>,
}

/// One place and how it looks.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    path: PathBuf,
    look: Look,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Look {
    ReadOnly,
    Writable,
    Inaccessible,
    /// A new tmpfs with these options.
    Empty(&'static str),
    Instead(PathBuf),
}

/// Mode 0, so that not even its name list can be had without rights.
const NOTHING: &str = "mode=000,size=4k,nr_inodes=2";
const TEMPORARY: &str = "mode=755,size=10%,nr_inodes=400k";

/// Writes the sandbox's calls. What has to do with capabilities is elsewhere.
pub(super) fn enter(
    script: &mut Script,
    sandbox: &Sandbox,
    view: &View<'_>,
) -> Result<(), SpawnError> {
    script.stage(Stage::Setup(Step::Sandbox));
    match (sandbox.private_network, view.network) {
        (false, _) => {}
        (true, Some(network)) => script.enter_network(network),
        (true, None) => {
            script.unshare(Space::Network);
            script.loopback_up();
        }
    }
    if sandbox.protect_hostname {
        script.unshare(Space::HostName);
    }
    let places = places(sandbox, view).map_err(failed)?;
    if places.is_empty() && !sandbox.private_devices && !sandbox.private_mounts {
        return Ok(());
    }
    script.unshare(Space::Mounts);
    script.keep_mounts_private();
    if sandbox.private_devices {
        own_devices(script, view.root);
    }
    arrange(script, &places).map_err(failed)
}

fn failed(source: io::Error) -> SpawnError {
    SpawnError::Setup {
        step: Step::Sandbox,
        source,
    }
}

/// Makes every place a mount, then gives each its attributes.
fn arrange(script: &mut Script, places: &[Place]) -> io::Result<()> {
    for place in places {
        let path = script.path(&place.path)?;
        match &place.look {
            Look::ReadOnly | Look::Writable if place.path == Path::new("/") => {}
            Look::ReadOnly | Look::Writable => script.bind(path, path),
            Look::Inaccessible if place.path.is_dir() => script.mount_empty(path, NOTHING),
            Look::Inaccessible => {
                let null = script.path(Path::new("/dev/null"))?;
                script.bind(null, path);
            }
            Look::Empty(options) => script.mount_empty(path, options),
            Look::Instead(other) => {
                let other = script.path(other)?;
                script.bind(other, path);
            }
        }
    }
    let read_only_already = read_only_mounts();
    for place in places {
        let path = script.path(&place.path)?;
        match &place.look {
            Look::ReadOnly => script.set_attribute(path, Attribute::ReadOnly, Reach::Below),
            Look::Inaccessible => script.set_attribute(path, Attribute::NoDevices, Reach::Place),
            Look::Writable | Look::Empty(_) | Look::Instead(_) => {
                script.set_attribute(path, Attribute::Writable, Reach::Below);
                // What was read-only before us stays so.
                for mount in read_only_already
                    .iter()
                    .filter(|at| at.starts_with(&place.path))
                {
                    let mount = script.path(mount)?;
                    script.set_attribute(mount, Attribute::ReadOnly, Reach::Place);
                }
            }
        }
    }
    Ok(())
}

/// The whole list, from the root down.
fn places(sandbox: &Sandbox, view: &View<'_>) -> io::Result<Vec<Place>> {
    let mut places = Vec::new();
    let mut add = |look: &Look, paths: &[&str]| {
        let there = paths.iter().map(|path| inside(view.root, Path::new(path)));
        let there = there.filter(|path| path.exists());
        places.extend(there.map(|path| Place {
            path,
            look: look.clone(),
        }));
    };
    for (on, look, paths) in rows(sandbox) {
        if on {
            add(&look, paths);
        }
    }
    for (public, private) in &view.private {
        add(&Look::Instead(private.clone()), &[public]);
    }
    // The service's own directories are for writing, whatever else is said about where they lie.
    if !places.is_empty() {
        places.extend(view.own.iter().map(|path| Place {
            path: inside(view.root, path),
            look: Look::Writable,
        }));
    }
    for rule in &sandbox.paths {
        let path = inside(view.root, Path::new(&rule.path));
        if !path.exists() {
            if rule.optional {
                continue;
            }
            let why = format!("there is no `{}`", rule.path);
            return Err(io::Error::new(io::ErrorKind::NotFound, why));
        }
        let look = match rule.kind {
            PathRuleKind::ReadOnly => Look::ReadOnly,
            PathRuleKind::ReadWrite => Look::Writable,
            PathRuleKind::Inaccessible => Look::Inaccessible,
            PathRuleKind::Temporary => Look::Empty(TEMPORARY),
        };
        places.push(Place { path, look });
    }
    // Stable: of two about one place, the later one wins.
    places.sort_by_key(|place| place.path.components().count());
    Ok(places)
}

type Row = (bool, Look, &'static [&'static str]);

/// What each key means in places; systemd.exec(5).
fn rows(sandbox: &Sandbox) -> Vec<Row> {
    let system = sandbox.protect_system;
    let strict = system == ProtectSystem::Strict;
    let full = system == ProtectSystem::Full;
    let yes = full || system == ProtectSystem::Yes;
    let home = sandbox.protect_home;
    vec![
        (strict, Look::ReadOnly, &["/"]),
        // The homes are the business of the next key, as in systemd.
        (
            strict,
            Look::Writable,
            &["/dev", "/proc", "/sys", "/home", "/root", "/run/user"],
        ),
        (yes, Look::ReadOnly, &["/usr", "/boot", "/efi"]),
        (yes, Look::ReadOnly, &["/bin", "/sbin", "/lib", "/lib64"]),
        (full, Look::ReadOnly, &["/etc"]),
        (home == ProtectHome::Yes, Look::Inaccessible, HOMES),
        (home == ProtectHome::ReadOnly, Look::ReadOnly, HOMES),
        (
            home == ProtectHome::Temporary,
            Look::Empty(TEMPORARY),
            HOMES,
        ),
        (
            sandbox.protect_kernel_tunables,
            Look::ReadOnly,
            KERNEL_TUNABLES,
        ),
        (
            sandbox.protect_kernel_tunables,
            Look::Writable,
            if sandbox.protect_control_groups {
                &[]
            } else {
                &["/sys/fs/cgroup"]
            },
        ),
        (
            sandbox.protect_kernel_tunables,
            Look::Inaccessible,
            &["/proc/kallsyms", "/proc/kcore"],
        ),
        (
            sandbox.protect_kernel_modules,
            Look::Inaccessible,
            &["/usr/lib/modules"],
        ),
        (
            sandbox.protect_kernel_logs,
            Look::Inaccessible,
            &["/proc/kmsg", "/dev/kmsg"],
        ),
        (
            sandbox.protect_control_groups,
            Look::ReadOnly,
            &["/sys/fs/cgroup"],
        ),
    ]
}

const HOMES: &[&str] = &["/home", "/root", "/run/user"];
const KERNEL_TUNABLES: &[&str] = &[
    "/proc/acpi",
    "/proc/apm",
    "/proc/asound",
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/latency_stats",
    "/proc/mtrr",
    "/proc/scsi",
    "/proc/sys",
    "/proc/sysrq-trigger",
    "/proc/timer_stats",
    "/sys",
];

/// A path of the program's world as we see it.
fn inside(root: &str, path: &Path) -> PathBuf {
    if root.is_empty() {
        return path.to_owned();
    }
    let relative = path.strip_prefix("/").unwrap_or(path);
    Path::new(root).join(relative)
}

/// Everything mounted read-only now, by mountinfo(5).
fn read_only_mounts() -> Vec<PathBuf> {
    let text = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = text.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(4);
        let point = fields.next()?.replace("\\040", " ");
        let options = fields.next()?;
        let read_only = options.split(',').any(|option| option == "ro");
        read_only.then(|| PathBuf::from(point))
    });
    points.collect()
}

/// A `/dev` of pseudo devices only: those of the old one are picked up, and put into an empty new one.
fn own_devices(script: &mut Script, root: &str) {
    const FILES: &[&str] = &["null", "zero", "full", "random", "urandom", "tty"];
    const DIRECTORIES: &[&str] = &["pts", "shm", "mqueue", "hugepages"];
    const LINKS: &[(&str, &str)] = &[
        ("ptmx", "pts/ptmx"),
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ];
    let dev = format!("{root}/dev");
    let there = |name: &&&str| Path::new("/dev").join(name).exists();
    let files = FILES.iter().filter(there).map(|name| (*name, false));
    let directories = DIRECTORIES.iter().filter(there).map(|name| (*name, true));
    let mut picked = Vec::new();
    for (name, is_directory) in files.chain(directories) {
        picked.push((name, is_directory, script.pick(&format!("/dev/{name}"))));
    }
    let at = script.constant(&dev);
    script.mount_empty_for_devices(at);
    for (name, is_directory, mount) in picked {
        let place = format!("{dev}/{name}");
        script.make_place(&place, is_directory);
        script.put(mount, &place);
    }
    for (name, target) in LINKS {
        script.link(target, &format!("{dev}/{name}"));
    }
    // The system's log, where it has one.
    if let Ok(target) = std::fs::read_link("/dev/log")
        && let Some(target) = target.to_str()
    {
        script.link(target, &format!("{dev}/log"));
    }
    let at = script.constant(&dev);
    script.set_attribute(at, Attribute::ReadOnlyDevices, Reach::Place);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_deeper_comes_later() {
        let sandbox = Sandbox {
            protect_system: ProtectSystem::Strict,
            ..Sandbox::default()
        };
        let places = places(&sandbox, &View::default()).unwrap();
        assert_eq!(places[0].path, Path::new("/"));
        let depths: Vec<_> = places
            .iter()
            .map(|place| place.path.components().count())
            .collect();
        assert!(depths.is_sorted(), "{depths:?}");
    }

    #[test]
    fn a_missing_path_is_refused_unless_it_is_optional() {
        let rule = |optional| aplomb_core::spec::PathRule {
            kind: PathRuleKind::ReadOnly,
            path: "/no/such/place".into(),
            optional,
        };
        let with = |optional| Sandbox {
            paths: vec![rule(optional)],
            ..Sandbox::default()
        };
        assert_eq!(places(&with(true), &View::default()).unwrap(), []);
        let error = places(&with(false), &View::default()).unwrap_err();
        assert_eq!(error.to_string(), "there is no `/no/such/place`");
    }
}
