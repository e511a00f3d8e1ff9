//! When a new file begins, and how: the old one is renamed at a line's end and the next opened, or all stays as it was.

use std::io;
use std::path::Path;

use aplomb_core::{Duration, Instant};

use super::{At, LogFile};
use crate::clock::{Now, Wall};
use crate::fact::{Because, Fact, Fault};
use crate::index::{self, IndexWriter};
use crate::rotated::{RotatedFile, Shelf};
use crate::settings::Settings;

/// After a rotation that failed, the next attempt.
const BARRED: Duration = Duration::from_secs(10);

impl LogFile {
    pub(super) fn is_barred(&self, now: Now) -> bool {
        self.barred.is_some_and(|until| now.instant < until)
    }

    /// The file's life counts from then on.
    pub(super) fn begin(&mut self, time: Wall, at: &mut At<'_>) {
        let age = at.settings.rotate.age;
        let age = age.map(|age| (time.plus(age), Because::Age));
        let clock = at.settings.rotate.at;
        let clock = clock.map(|clock| (at.desk.zone.next(clock, time), Because::Time));
        self.begun = time;
        self.due = age.into_iter().chain(clock).min_by_key(|(due, _)| *due);
    }

    pub(super) fn rotate_if_due(&mut self, at: &mut At<'_>) {
        let Some((due, because)) = self.due else {
            return;
        };
        let is_due = at.now.wall >= due;
        // Set back, the clock makes the file as old as can be known; empty, it has no age yet.
        if at.now.wall < self.begun || (is_due && self.size == 0) {
            self.begin(at.now.wall, at);
        } else if is_due && !self.is_barred(at.now) {
            self.rotate(because, at);
        }
    }

    /// Rotates now, if there is anything in the file.
    pub(crate) fn rotate_now(&mut self, at: &mut At<'_>) {
        self.make_ready(at);
        if self.trouble.is_none() && self.size > 0 {
            self.rotate(Because::Asked, at);
        }
    }

    /// Afterwards a new file is open, or the old one and rotation is barred for a while, or there is trouble.
    pub(super) fn rotate(&mut self, because: Because, at: &mut At<'_>) {
        let Some(path) = at.settings.file() else {
            return;
        };
        self.look(at);
        if self.handle.is_none() || self.size == 0 {
            // Somebody was faster.
            return self.make_ready(at);
        }
        self.flush(at);
        let shelf = shelf(&mut self.shelf, path, at);
        let stamp = shelf.next_stamp(at.now.wall);
        let target = shelf.family.path(stamp);
        match self.exchange(path, &target, at) {
            Ok(()) => self.put_away(stamp, &target, because, at),
            Err(error) => self.bar(path, &error, at),
        }
    }

    /// Gives the file its new name and opens the next; if that fails all is as before.
    fn exchange(&mut self, path: &Path, target: &Path, at: &mut At<'_>) -> io::Result<()> {
        let files = &mut *at.desk.files;
        if files.length(target).is_some() {
            // Another engine's, or the clock is beyond what names can say. Nothing is overwritten.
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        files.rename(path, target)?;
        match files.append(path) {
            Ok(handle) => {
                self.handle = Some(handle);
                let (from, to) = (index::path_of(path), index::path_of(target));
                if files.rename(&from, &to).is_err() {
                    // An index left behind would describe the wrong file.
                    let _ = files.remove(&from);
                }
                Ok(())
            }
            Err(error) => {
                files.rename(target, path)?;
                Err(error)
            }
        }
    }

    fn bar(&mut self, path: &Path, error: &io::Error, at: &mut At<'_>) {
        // What is in the way now is known at the next attempt.
        self.shelf = None;
        if self.barred.is_none() {
            let (file, fault) = (path.to_owned(), Fault::of(error));
            at.desk.facts.push(Fact::NotRotated { file, fault });
        }
        self.barred = Some(at.now.instant + BARRED);
    }

    /// The old file takes its place among the rotated ones; the new one begins.
    fn put_away(&mut self, stamp: Wall, target: &Path, because: Because, at: &mut At<'_>) {
        let bytes = std::mem::take(&mut self.size);
        self.ends_inside = false;
        self.barred = None;
        self.index = IndexWriter::default();
        self.looked = at.now.instant;
        self.begin(at.now.wall, at);
        at.desk.facts.push(Fact::Rotated {
            file: target.to_owned(),
            bytes,
            because,
        });
        let beside = at.desk.files.length(&index::path_of(target)).unwrap_or(0);
        shelf(&mut self.shelf, target, at).push(RotatedFile {
            stamp,
            plain: bytes,
            compressed: 0,
            beside,
        });
        if at.settings.compress {
            at.desk.compression.add(target.to_owned());
        }
        self.prune(at);
    }

    fn prune(&mut self, at: &mut At<'_>) {
        if let Some(shelf) = &mut self.shelf {
            let desk = &mut *at.desk;
            if at.settings.compress {
                shelf.refresh(&mut *desk.files);
            }
            let now = at.now.wall;
            shelf.prune(at.settings, now, &mut *desk.files, &mut desk.facts);
        }
    }

    // ---- time ----

    /// When something is due although no line comes.
    pub(crate) fn wakes_at(&self, settings: &Settings, now: Now) -> Option<Instant> {
        if let Some(trouble) = &self.trouble {
            return Some(trouble.retry_at);
        }
        let rotation = self
            .due
            .filter(|_| self.size > 0)
            .map(|(due, _)| now.instant_of(due).max(self.barred.unwrap_or_default()));
        let pruning = match &self.shelf {
            Some(shelf) => shelf.wakes_at(settings).map(|due| now.instant_of(due)),
            None => wants_sweep(settings).then_some(now.instant),
        };
        [self.index.wakes_at(), rotation, pruning]
            .into_iter()
            .flatten()
            .min()
    }

    /// Does what is due.
    pub(crate) fn on_time(&mut self, at: &mut At<'_>) {
        let Some(path) = at.settings.file() else {
            return;
        };
        self.index.flush_if_due(&mut *at.desk.files, path, at.now);
        let rotation_due = self.due.is_some_and(|(due, _)| due <= at.now.wall);
        if self.trouble.is_some() || (rotation_due && self.size > 0) {
            self.make_ready(at);
        }
        if self.trouble.is_none() && rotation_due {
            self.rotate_if_due(at);
        }
        if wants_sweep(at.settings) {
            shelf(&mut self.shelf, path, at);
            self.prune(at);
        }
    }
}

/// Rotated files of earlier lives are looked for at once, not at the next rotation.
pub(crate) fn wants_sweep(settings: &Settings) -> bool {
    settings.keep_age.is_some() || settings.compress
}

/// The rotated files, asked of the directory the first time; what was left uncompressed is taken up again.
fn shelf<'a>(known: &'a mut Option<Box<Shelf>>, current: &Path, at: &mut At<'_>) -> &'a mut Shelf {
    known.get_or_insert_with(|| {
        let (shelf, plain) = Shelf::load(current, &mut *at.desk.files);
        if at.settings.compress {
            for file in plain {
                at.desk.compression.add(file);
            }
        }
        Box::new(shelf)
    })
}
