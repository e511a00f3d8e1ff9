//! What one output's way is, resolved: the unit's `log` with names made into paths and defaults filled in.
//!
//! Made once when a unit is loaded and shared by all that need it. A service whose two outputs end in the same place
//! has one way, one pipe, and so its lines in the order written.

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

/// The ways of a service's outputs. Without one of its own, standard error shares the pipe of standard output.
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
        let stdout = places.of(&log.to, Origin::Stdout);
        let stderr = match &log.stderr {
            StderrTo::Same => None,
            StderrTo::Own => Some(places.of(&log.to, Origin::Stderr)),
            // Named by itself it goes where standard output would; in the same place it is the same stream.
            StderrTo::To(to) => {
                Some(places.of(to, Origin::Stdout)).filter(|place| *place != stdout)
            }
        };
        let files = [Some(&stdout), stderr.as_ref()]
            .iter()
            .flatten()
            .filter(|(sink, ..)| matches!(sink, Sink::File(_)))
            .count();
        let build = |place: Place, origin| Arc::new(resolve(log, service, place, origin, files));
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

/// Sink, truncate, shared.
type Place = (Sink, bool, bool);

struct Places<'a> {
    stem: String,
    default_dir: &'a Path,
}

impl Places<'_> {
    fn of(&self, to: &LogTo, origin: Origin) -> Place {
        match to {
            LogTo::Default => (self.in_directory(self.default_dir, origin), false, false),
            LogTo::Directory(dir) => (self.in_directory(Path::new(dir), origin), false, false),
            LogTo::File(file) => (named(file, origin), false, true),
            LogTo::Truncate(file) => (named(file, origin), true, true),
            LogTo::Journal => (Sink::Journal, false, false),
            LogTo::Inherit => (Sink::Inherit, false, false),
            LogTo::Nothing => (Sink::Nothing, false, false),
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
    let (sink, truncate, shared) = place;
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
