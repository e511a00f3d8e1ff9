//! What one output's way is, resolved: the unit's `log` with names made into paths and defaults filled in.
//!
//! Made once when a unit is loaded and shared by all that need it. Paths are taken as they are: that they are absolute
//! is the unit reader's to see to.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aplomb_core::spec::{Level, Log, LogTo, Rotate, StderrTo, Timestamps};

use crate::{index, name};

/// Which output of a service a line came from. `Stdout` also stands for both when they share a pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    Stdout,
    Stderr,
}

/// Where the lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sink {
    File(PathBuf),
    Journal,
    /// The engine's own output.
    Inherit,
    Nothing,
}

/// Everything a `Stream` has to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub origin: Origin,
    pub sink: Sink,
    /// Emptied at each start of the service.
    pub truncate: bool,
    /// Others may write the same file (an operator named it): its identity and length are looked at before each write.
    pub shared: bool,
    pub rotate: Rotate,
    pub keep: Option<u32>,
    /// This stream's part of what the unit allows its service, in bytes.
    pub keep_bytes: Option<u64>,
    pub keep_age: Option<Duration>,
    pub compress: bool,
    pub timestamps: Timestamps,
    pub max_level: Level,
    /// Of a line that does not say its own.
    pub level: Level,
    pub level_prefix: bool,
    pub rate_limit: Option<(u32, Duration)>,
    /// Longer lines are split, in bytes, at least 1.
    pub max_line: usize,
    /// In the journal: SYSLOG_IDENTIFIER.
    pub identifier: String,
    /// In the journal: UNIT.
    pub unit: String,
}

/// The ways of a service's outputs. Without one of its own, standard error shares the pipe of standard output, and the
/// lines of both stand in the order written. Two ways may lead to one place: where standard error has a level of its own
/// that decides something, it needs its own pipe, and the order is that of reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outputs {
    pub stdout: Arc<Settings>,
    pub stderr: Option<Arc<Settings>>,
}

impl Settings {
    /// The ways of `service`'s outputs, with `NAME.log` in `default_dir` where the unit names no place.
    pub fn from_spec(log: &Log, service: &str, default_dir: &Path) -> Outputs {
        let places = Places {
            stem: name::stem(service),
            default_dir,
        };
        let mut stdout = places.of(&log.to, Origin::Stdout);
        let stderr = match &log.stderr {
            StderrTo::Same => stdout.clone(),
            StderrTo::Own => places.own(&log.to),
            // Named by itself it goes where standard output would.
            StderrTo::To(to) => places.of(to, Origin::Stdout),
        };
        let together = stderr.sink == stdout.sink;
        // In one pipe the two cannot be told apart; only a level of its own is worth the exact order.
        let levels_matter = stdout.sink == Sink::Journal || log.max_level < Level::Debug;
        let apart = log.level.0 != log.level.1 && levels_matter;
        stdout.shared |= together && apart;
        let is_file = |place: &&Place| matches!(place.sink, Sink::File(_));
        let files = [Some(&stdout), Some(&stderr).filter(|_| !together)];
        let files = files.into_iter().flatten().filter(is_file).count();
        let build = |place, origin| Arc::new(resolve(log, service, place, origin, files));
        let stderr = match together {
            false => Some(stderr),
            true if apart => Some(stdout.clone()),
            true => None,
        };
        Outputs {
            stdout: build(stdout, Origin::Stdout),
            stderr: stderr.map(|place| build(place, Origin::Stderr)),
        }
    }

    /// Bytes pass as they come: lines need not be looked at one by one.
    pub fn is_plain(&self) -> bool {
        !self.level_prefix
            && self.level <= self.max_level
            && self.rate_limit.is_none()
            && self.timestamps == Timestamps::None
            && self.sink != Sink::Journal
    }

    /// The file lines are written to, where it is one.
    pub fn file(&self) -> Option<&Path> {
        match &self.sink {
            Sink::File(path) => Some(path),
            Sink::Journal | Sink::Inherit | Sink::Nothing => None,
        }
    }

    /// A file's age matters.
    pub(crate) fn rotates_by_time(&self) -> bool {
        self.rotate.age.is_some() || self.rotate.at.is_some()
    }

    /// The length a file must not grow past. A bound on all files bounds the current one too: half of it.
    pub(crate) fn size_limit(&self) -> Option<u64> {
        let half = self.keep_bytes.map(|bytes| (bytes / 2).max(4096));
        let size = self.rotate.size.map(|bytes| bytes.0.max(1));
        match (size, half) {
            (Some(size), Some(half)) => Some(size.min(half)),
            (size, half) => size.or(half),
        }
    }

    /// What the rotated files may take, so that a full current one with its index still fits the bound.
    pub(crate) fn rotated_limit(&self) -> Option<u64> {
        let limit = self.size_limit()?;
        // A file being compressed exists twice for a while.
        let copies = if self.compress { 2 } else { 1 };
        let current = limit.saturating_add(index::longest(limit));
        let reserved = current.saturating_mul(copies);
        Some(self.keep_bytes?.saturating_sub(reserved))
    }
}

/// A sink with what goes with its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    sink: Sink,
    truncate: bool,
    shared: bool,
}

impl Place {
    fn of(sink: Sink) -> Place {
        Place {
            sink,
            truncate: false,
            shared: false,
        }
    }
}

struct Places<'a> {
    stem: String,
    default_dir: &'a Path,
}

impl Places<'_> {
    fn of(&self, to: &LogTo, origin: Origin) -> Place {
        match to {
            LogTo::Default => Place::of(self.in_directory(self.default_dir, origin)),
            LogTo::Directory(dir) => Place::of(self.in_directory(Path::new(dir), origin)),
            LogTo::File(file) | LogTo::Truncate(file) => Place {
                sink: named(file, origin),
                truncate: matches!(to, LogTo::Truncate(_)),
                shared: true,
            },
            LogTo::Journal => Place::of(Sink::Journal),
            LogTo::Inherit => Place::of(Sink::Inherit),
            LogTo::Nothing => Place::of(Sink::Nothing),
        }
    }

    /// A file for standard error beside that of standard output; in the engine's directory if that has none.
    fn own(&self, to: &LogTo) -> Place {
        match to {
            LogTo::Default | LogTo::Directory(_) | LogTo::File(_) | LogTo::Truncate(_) => {
                self.of(to, Origin::Stderr)
            }
            LogTo::Journal | LogTo::Inherit | LogTo::Nothing => {
                self.of(&LogTo::Default, Origin::Stderr)
            }
        }
    }

    fn in_directory(&self, dir: &Path, origin: Origin) -> Sink {
        let end = match origin {
            Origin::Stdout => ".log",
            Origin::Stderr => ".err.log",
        };
        Sink::File(dir.join(format!("{}{end}", self.stem)))
    }
}

/// The file an operator named; for standard error of its own, `NAME.err.EXT` beside it.
fn named(file: &str, origin: Origin) -> Sink {
    let path = PathBuf::from(file);
    match origin {
        Origin::Stdout => Sink::File(path),
        Origin::Stderr => {
            let mut name = path.file_stem().unwrap_or_default().to_os_string();
            name.push(".err");
            if let Some(extension) = path.extension() {
                name.push(".");
                name.push(extension);
            }
            Sink::File(path.with_file_name(name))
        }
    }
}

fn resolve(log: &Log, service: &str, place: Place, origin: Origin, files: usize) -> Settings {
    let Place {
        sink,
        truncate,
        shared,
    } = place;
    let max_line = usize::try_from(log.max_line.0).unwrap_or(usize::MAX).max(1);
    Settings {
        origin,
        truncate,
        shared,
        rotate: log.rotate.clone(),
        keep: log.keep,
        keep_bytes: log.keep_bytes.map(|bytes| bytes.0 / files.max(1) as u64),
        keep_age: log.keep_age,
        compress: log.compress,
        timestamps: log.timestamps,
        max_level: log.max_level,
        level: match origin {
            Origin::Stdout => log.level.0,
            Origin::Stderr => log.level.1,
        },
        level_prefix: log.level_prefix,
        rate_limit: log.rate_limit,
        max_line: match sink {
            // One line is one datagram; journald itself splits at 48 KiB (LineMax=).
            Sink::Journal => max_line.min(48 << 10),
            Sink::File(_) | Sink::Inherit | Sink::Nothing => max_line,
        },
        sink,
        identifier: log.identifier.clone().unwrap_or_else(|| service.to_owned()),
        unit: service.to_owned(),
    }
}
