//! The rotated files of one log: what they are called, how many are kept.
//!
//! `NAME.log` becomes `NAME-20261122T152451.123Z.log`: the name sorts as text in the order written, also when the
//! clock went back, for a stamp is always later than the last one. Compressed, `.gz` follows; the time index keeps
//! the plain file's name with `.times`. Which files there are is asked of the directory once, then remembered.

use std::path::{Path, PathBuf};

use crate::clock::{Wall, name_stamp, parse_name_stamp};
use crate::fact::Fact;
use crate::files::Files;
use crate::index;
use crate::settings::Settings;

/// One rotated file, by what is known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct RotatedFile {
    /// When it was rotated; its place in the order.
    pub(crate) stamp: Wall,
    /// Length of the file as it was written, 0 when only the compressed one is left.
    pub(crate) plain: u64,
    pub(crate) compressed: u64,
    /// The index, and what an interrupted compression left.
    pub(crate) beside: u64,
}

impl RotatedFile {
    fn bytes(&self) -> u64 {
        self.plain + self.compressed + self.beside
    }
}

/// How the files of one log are named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Family {
    dir: PathBuf,
    /// `NAME` and `.log`.
    stem: String,
    extension: String,
}

impl Family {
    pub(crate) fn of(current: &Path) -> Family {
        let text = |part: Option<&std::ffi::OsStr>| {
            part.unwrap_or_default().to_string_lossy().into_owned()
        };
        let extension = match current.extension() {
            Some(extension) => format!(".{}", text(Some(extension))),
            None => String::new(),
        };
        Family {
            dir: current.parent().unwrap_or(Path::new("")).to_owned(),
            stem: text(current.file_stem()),
            extension,
        }
    }

    /// The rotated file of this stamp, not compressed.
    pub(crate) fn path(&self, stamp: Wall) -> PathBuf {
        let (stem, extension) = (&self.stem, &self.extension);
        self.dir
            .join(format!("{stem}-{}{extension}", name_stamp(stamp)))
    }

    /// The stamp in a file's name, and what follows it (``, `.gz`, `.times`, `.gz.tmp`).
    pub(crate) fn parse<'a>(&self, name: &'a str) -> Option<(Wall, &'a str)> {
        let rest = name.strip_prefix(&self.stem)?.strip_prefix('-')?;
        let (stamp, rest) = rest.split_at_checked(20)?;
        let end = rest.strip_prefix(&self.extension)?;
        let known = matches!(end, "" | ".gz" | ".times" | ".gz.tmp");
        known.then_some((parse_name_stamp(stamp)?, end))
    }

    /// What is there, oldest first.
    pub(crate) fn list(&self, files: &mut dyn Files) -> Vec<RotatedFile> {
        let wanted = |name: &str| self.parse(name).is_some();
        let dir = if self.dir.as_os_str().is_empty() {
            Path::new(".")
        } else {
            &self.dir
        };
        // A directory that cannot be read holds nothing we could remove.
        let names = files.list(dir, &wanted).unwrap_or_default();
        let mut found: Vec<(Wall, &str, u64)> = names
            .iter()
            .filter_map(|(name, length)| self.parse(name).map(|(stamp, end)| (stamp, end, *length)))
            .collect();
        found.sort_unstable();
        let mut listed: Vec<RotatedFile> = Vec::new();
        for (stamp, end, length) in found {
            if listed.last().is_none_or(|last| last.stamp != stamp) {
                listed.push(RotatedFile {
                    stamp,
                    ..RotatedFile::default()
                });
            }
            if let Some(last) = listed.last_mut() {
                match end {
                    "" => last.plain = length,
                    ".gz" => last.compressed = length,
                    _ => last.beside += length,
                }
            }
        }
        listed
    }

    fn remove(&self, file: RotatedFile, files: &mut dyn Files) -> PathBuf {
        let path = self.path(file.stamp);
        for name in [
            path.clone(),
            index::path_of(&path),
            gz(&path),
            gz_tmp(&path),
        ] {
            // Gone already is as good; anything else shows in the next listing.
            let _ = files.remove(&name);
        }
        path
    }
}

/// The name of the compressed file.
pub(crate) fn gz(path: &Path) -> PathBuf {
    with_end(path, ".gz")
}

/// What it is called while it is being written.
pub(crate) fn gz_tmp(path: &Path) -> PathBuf {
    with_end(path, ".gz.tmp")
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(end);
    PathBuf::from(path)
}

/// The rotated files of one log, oldest first.
#[derive(Debug)]
pub(crate) struct Shelf {
    pub(crate) family: Family,
    files: Vec<RotatedFile>,
}

impl Shelf {
    /// Reads the directory. Also tells which files a compression has not finished, oldest first.
    pub(crate) fn load(current: &Path, files: &mut dyn Files) -> (Shelf, Vec<PathBuf>) {
        let family = Family::of(current);
        let shelf = Shelf {
            files: family.list(files),
            family,
        };
        let plain = shelf
            .files
            .iter()
            .filter(|file| file.plain > 0)
            .map(|file| shelf.family.path(file.stamp))
            .collect();
        (shelf, plain)
    }

    /// A stamp for a file rotated now: later than every other.
    pub(crate) fn next_stamp(&self, now: Wall) -> Wall {
        let whole = |wall: Wall| Wall::from_micros(wall.as_micros().div_euclid(1000) * 1000);
        let now = whole(now);
        match self.files.last() {
            Some(last) if last.stamp >= now => {
                Wall::from_micros(last.stamp.as_micros().saturating_add(1000))
            }
            Some(_) | None => now,
        }
    }

    pub(crate) fn push(&mut self, file: RotatedFile) {
        self.files.push(file);
    }

    /// Files compressed meanwhile count with their new length.
    pub(crate) fn refresh(&mut self, files: &mut dyn Files) {
        for file in self.files.iter_mut().filter(|file| file.plain > 0) {
            let path = self.family.path(file.stamp);
            file.plain = files.length(&path).unwrap_or(0);
            file.compressed = files.length(&gz(&path)).unwrap_or(0);
        }
    }

    /// When the oldest file becomes too old.
    pub(crate) fn wakes_at(&self, settings: &Settings) -> Option<Wall> {
        Some(self.files.first()?.stamp.plus(settings.keep_age?))
    }

    /// Removes what is over the bounds, oldest first.
    pub(crate) fn prune(
        &mut self,
        settings: &Settings,
        now: Wall,
        files: &mut dyn Files,
        facts: &mut Vec<Fact>,
    ) {
        let over = self.over(settings, now);
        for file in self.files.drain(..over) {
            let file = self.family.remove(file, files);
            facts.push(Fact::Removed { file });
        }
    }

    /// How many of the oldest have to go.
    fn over(&self, settings: &Settings, now: Wall) -> usize {
        let count = settings.keep.map_or(0, |keep| {
            self.files
                .len()
                .saturating_sub(keep.try_into().unwrap_or(usize::MAX))
        });
        let old = settings.keep_age.map_or(0, |age| {
            self.files
                .iter()
                .take_while(|file| file.stamp.plus(age) <= now)
                .count()
        });
        let bytes = settings.rotated_limit().map_or(0, |limit| {
            let mut kept = 0_u64;
            let fit = self.files.iter().rev().take_while(|file| {
                kept = kept.saturating_add(file.bytes());
                kept <= limit
            });
            self.files.len() - fit.count()
        });
        count.max(old).max(bytes)
    }
}
