//! The current file of one stream: opened at its first byte, rotated at line ends, honest about what it lost.
//!
//! Whatever the disk does, the caller is never held up and never sees an error: lines that cannot be written are
//! counted, the rest of a line that a full disk tore is kept until it can be continued, and one line says afterwards
//! what is missing. Only whole lines come in here (and the unfinished last one of a run); framing is `stream.rs`,
//! names and retention are `rotated.rs`.

use std::io::{self, IoSlice};
use std::path::Path;

use aplomb_core::{Duration, Instant};

use crate::clock::{Now, Wall};
use crate::desk::Desk;
use crate::fact::{Because, Fact, Fault};
use crate::files::LogHandle;
use crate::index::{self, Edge, IndexWriter};
use crate::loss::Loss;
use crate::rotated::{RotatedFile, Shelf};
use crate::settings::Settings;

/// Whether the path still leads to our file is asked this often.
const LOOK: Duration = Duration::from_secs(1);
/// After a rotation that failed, the next attempt.
const BARRED: Duration = Duration::from_secs(10);

/// One stream's current file and what is known of the rotated ones.
#[derive(Debug, Default)]
pub(crate) struct LogFile {
    handle: Option<Box<dyn LogHandle>>,
    size: u64,
    /// The file ends in the middle of a line: the last one of a run, or one torn when an engine died.
    ends_inside: bool,
    /// The rest of a line whose beginning is in the file. Nothing else may be written before it.
    owed: Vec<u8>,
    begun: Wall,
    due: Option<(Wall, Because)>,
    index: IndexWriter,
    trouble: Option<Box<Trouble>>,
    shelf: Option<Box<Shelf>>,
    looked: Instant,
    /// A rotation failed; no other before this.
    barred: Option<Instant>,
}

/// Why nothing is written, what that cost, and when it is tried again.
#[derive(Debug)]
struct Trouble {
    fault: Fault,
    since: Wall,
    loss: Loss,
    /// Of which the file says already: a notice was torn too.
    announced: Loss,
    retry_at: Instant,
    wait: Duration,
}

impl Trouble {
    const FIRST_WAIT: Duration = Duration::from_secs(1);
    const LONGEST_WAIT: Duration = Duration::from_secs(8);

    fn wait_longer(&mut self, now: Now) {
        self.wait = (self.wait * 2).min(Self::LONGEST_WAIT);
        self.retry_at = now.instant + self.wait;
    }
}

/// A write that failed, with how much of `head` and `lines` is written or owed; what follows is lost.
struct Broken {
    error: io::Error,
    taken: usize,
}

impl LogFile {
    /// Writes `head` followed by `lines`, which together are whole lines (but for the last line of a run).
    pub(crate) fn append(
        &mut self,
        settings: &Settings,
        mut head: &[u8],
        mut lines: &[u8],
        now: Now,
        desk: &mut Desk,
    ) {
        self.make_ready(settings, now, desk);
        if self.trouble.is_none() {
            self.rotate_if_due(settings, now, desk);
        }
        while !(head.is_empty() && lines.is_empty()) {
            if self.trouble.is_some() {
                return self.lose(&[head, lines]);
            }
            let Some(fitting) = self.fitting(settings, head, lines, now) else {
                self.rotate(Because::Size, settings, now, desk);
                continue;
            };
            let (these, rest) = lines.split_at(fitting);
            if let Err(broken) = self.put(head, these, now) {
                self.fall_into_trouble(&broken.error, settings, now, desk);
                let in_lines = broken.taken.saturating_sub(head.len());
                let head = &head[broken.taken.min(head.len())..];
                return self.lose(&[head, &lines[in_lines..]]);
            }
            (head, lines) = (&[], rest);
        }
        if let Some(path) = settings.file() {
            self.index.flush_if_due(&mut *desk.files, path, now);
        }
    }

    /// How many bytes of `lines` go into the current file behind `head`: all, or up to the last line end before its
    /// limit; `None` if not even the first line does.
    fn fitting(&self, settings: &Settings, head: &[u8], lines: &[u8], now: Now) -> Option<usize> {
        let limit = settings.size_limit().filter(|_| !self.is_barred(now));
        let used = self.size + u64::from(self.ends_inside);
        let room = limit.map_or(u64::MAX, |limit| limit.saturating_sub(used));
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        if head.len() + lines.len() <= room {
            return Some(lines.len());
        }
        let within = room.checked_sub(head.len()).map(|room| &lines[..room]);
        match within.and_then(|within| memchr::memrchr(b'\n', within)) {
            Some(last) => Some(last + 1),
            None if self.size > 0 => None,
            // A line longer than a file may be has a file of its own.
            None => Some(memchr::memchr(b'\n', lines).map_or(lines.len(), |at| at + 1)),
        }
    }

    /// Writes one after the other, a line break before if the file lacks one.
    fn put(&mut self, head: &[u8], lines: &[u8], now: Now) -> Result<(), Broken> {
        let before: &[u8] = if self.ends_inside { b"\n" } else { b"" };
        self.index.note(self.size + before.len() as u64, now);
        let (done, failed) = self.write_all([before, head, lines]);
        let Err(error) = failed else {
            return Ok(());
        };
        let taken = done.saturating_sub(before.len());
        let torn = taken > 0 && self.ends_inside;
        if torn {
            let lines = &lines[taken.saturating_sub(head.len())..];
            let head = &head[taken.min(head.len())..];
            let rest = memchr::memchr(b'\n', lines).map_or(lines.len(), |at| at + 1);
            self.owed = [head, &lines[..rest]].concat();
        }
        let taken = taken + self.owed.len();
        Err(Broken { error, taken })
    }

    /// Writes the parts until all are out or the system refuses; keeps `size` and `ends_inside` true either way.
    fn write_all(&mut self, parts: [&[u8]; 3]) -> (usize, io::Result<()>) {
        let mut slices = parts.map(IoSlice::new);
        let mut rest = &mut slices[..];
        IoSlice::advance_slices(&mut rest, 0);
        let mut done = 0;
        let result = loop {
            if rest.is_empty() {
                break Ok(());
            }
            let Some(handle) = &mut self.handle else {
                break Err(io::ErrorKind::NotConnected.into());
            };
            match handle.write(rest) {
                Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    done += written;
                    IoSlice::advance_slices(&mut rest, written);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        self.size += done as u64;
        let mut left = done;
        for part in parts {
            if let Some(last) = part[..left.min(part.len())].last() {
                self.ends_inside = *last != b'\n';
            }
            left = left.saturating_sub(part.len());
        }
        (done, result)
    }

    // ---- opening, and what may have happened to the file meanwhile ----

    /// Afterwards the file is open, or there is trouble.
    fn make_ready(&mut self, settings: &Settings, now: Now, desk: &mut Desk) {
        if let Some(trouble) = &self.trouble {
            if now.instant >= trouble.retry_at {
                self.retry(settings, now, desk);
            }
            return;
        }
        if settings.shared || now.instant - self.looked >= LOOK {
            self.look(settings, now, desk);
        }
        if self.handle.is_none()
            && let Err(error) = self.open(settings, now, desk)
        {
            self.fall_into_trouble(&error, settings, now, desk);
        }
    }

    fn open(&mut self, settings: &Settings, now: Now, desk: &mut Desk) -> io::Result<()> {
        let path = settings.file().ok_or(io::ErrorKind::InvalidInput)?;
        let files = &mut *desk.files;
        let mut handle = files.append(path)?;
        let end = handle.end()?;
        let last = index::mark_at(files, path, Edge::Last);
        if end.length == 0 || last.is_some_and(|mark| mark.offset > end.length) {
            // The index of a log that is no more.
            let _ = files.remove(&index::path_of(path));
        }
        let indexed = files.length(&index::path_of(path)).unwrap_or(0);
        self.index = IndexWriter::resume(indexed);
        self.begun = now.wall;
        if end.length > 0 && (settings.rotate.age.is_some() || settings.rotate.at.is_some()) {
            let first = index::mark_at(files, path, Edge::First).map(|mark| mark.time);
            let known = first.or_else(|| handle.born());
            self.begun = known.unwrap_or(now.wall).min(now.wall);
        }
        self.size = end.length;
        self.ends_inside = !end.whole;
        self.handle = Some(handle);
        self.looked = now.instant;
        self.due = next_due(settings, self.begun, desk);
        Ok(())
    }

    /// Looks whether our file is still the one the path leads to, and as long as we left it.
    fn look(&mut self, settings: &Settings, now: Now, desk: &mut Desk) {
        let (Some(path), Some(handle)) = (settings.file(), &mut self.handle) else {
            return;
        };
        self.looked = now.instant;
        if !handle.is_at(path) {
            self.handle = None;
            // Another stream of ours rotating a file we share is no news.
            if !settings.shared {
                let file = path.to_owned();
                desk.facts.push(Fact::Replaced { file });
            }
            return;
        }
        let Ok(end) = handle.end() else { return };
        if end.length < self.size {
            self.index = IndexWriter::default();
            let _ = desk.files.remove(&index::path_of(path));
            let file = path.to_owned();
            desk.facts.push(Fact::Replaced { file });
        }
        if end.length != self.size {
            self.size = end.length;
            self.ends_inside = !end.whole;
        }
    }

    /// Empties the file, for a service whose log begins anew at each start.
    pub(crate) fn empty(&mut self, settings: &Settings, now: Now, desk: &mut Desk) {
        self.make_ready(settings, now, desk);
        let (Some(path), Some(handle)) = (settings.file(), &mut self.handle) else {
            return;
        };
        match handle.truncate(0) {
            Ok(()) => {
                let _ = desk.files.remove(&index::path_of(path));
                self.index = IndexWriter::default();
                self.owed = Vec::new();
                self.size = 0;
                self.ends_inside = false;
                self.begun = now.wall;
                self.due = next_due(settings, self.begun, desk);
            }
            Err(error) => self.fall_into_trouble(&error, settings, now, desk),
        }
    }

    /// Closes what is open; the next line opens it again.
    pub(crate) fn shed(&mut self, settings: &Settings, now: Now, desk: &mut Desk) {
        self.flush(settings, now, desk);
        // A line begun must be continued by the handle that knows where.
        if self.owed.is_empty() {
            self.handle = None;
        }
    }

    pub(crate) fn flush(&mut self, settings: &Settings, now: Now, desk: &mut Desk) {
        if let Some(path) = settings.file() {
            self.index.flush(&mut *desk.files, path, now);
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.handle.is_some()
    }

    // ---- trouble ----

    fn lose(&mut self, parts: &[&[u8]]) {
        if let Some(trouble) = &mut self.trouble {
            trouble.loss.add(parts);
        }
    }

    fn fall_into_trouble(
        &mut self,
        error: &io::Error,
        settings: &Settings,
        now: Now,
        desk: &mut Desk,
    ) {
        let fault = Fault::of(error);
        let told = self
            .trouble
            .as_ref()
            .is_some_and(|known| known.fault == fault);
        let trouble = self.trouble.get_or_insert_with(|| {
            Box::new(Trouble {
                fault,
                since: now.wall,
                loss: Loss::default(),
                announced: Loss::default(),
                retry_at: now.instant + Trouble::FIRST_WAIT,
                wait: Trouble::FIRST_WAIT,
            })
        });
        trouble.fault = fault;
        if !told {
            let (sink, since) = (settings.sink.clone(), trouble.since);
            desk.facts.push(Fact::Dropping { sink, fault, since });
        }
    }

    /// Tries to write what is owed, then what was lost; after both, writing goes on.
    fn retry(&mut self, settings: &Settings, now: Now, desk: &mut Desk) {
        if let Err(error) = self.reopen(settings, now, desk) {
            return self.still_in_trouble(&error, settings, now, desk);
        }
        let owed = std::mem::take(&mut self.owed);
        let (done, result) = self.write_all([&owed, &[], &[]]);
        if let Err(error) = result {
            self.owed = owed[done..].to_vec();
            return self.still_in_trouble(&error, settings, now, desk);
        }
        if let Err(error) = self.announce(now) {
            return self.still_in_trouble(&error, settings, now, desk);
        }
        if let Some(trouble) = self.trouble.take() {
            desk.facts.push(Fact::Recovered {
                sink: settings.sink.clone(),
                since: trouble.since,
                loss: trouble.announced,
            });
        }
    }

    /// The file may have gone meanwhile, and with it the line it ended in.
    fn reopen(&mut self, settings: &Settings, now: Now, desk: &mut Desk) -> io::Result<()> {
        self.look(settings, now, desk);
        if self.handle.is_some() {
            return Ok(());
        }
        let owed = std::mem::take(&mut self.owed);
        if !owed.is_empty() {
            self.lose(&[&owed]);
        }
        self.open(settings, now, desk)
    }

    /// One line that says what is missing. Torn itself, its rest is owed and it counts as said.
    fn announce(&mut self, now: Now) -> io::Result<()> {
        let Some(trouble) = self
            .trouble
            .as_ref()
            .filter(|trouble| !trouble.loss.is_none())
        else {
            return Ok(());
        };
        let notice = trouble.loss.notice(trouble.since, now.wall, trouble.fault);
        let result = self.put(&[], notice.as_bytes(), now);
        let said = result.is_ok() || !self.owed.is_empty();
        if let Some(trouble) = self.trouble.as_mut().filter(|_| said) {
            trouble.announced.merge(std::mem::take(&mut trouble.loss));
        }
        result.map_err(|broken| broken.error)
    }

    fn still_in_trouble(
        &mut self,
        error: &io::Error,
        settings: &Settings,
        now: Now,
        desk: &mut Desk,
    ) {
        self.fall_into_trouble(error, settings, now, desk);
        if let Some(trouble) = &mut self.trouble {
            trouble.wait_longer(now);
        }
    }

    // ---- rotation ----

    fn is_barred(&self, now: Now) -> bool {
        self.barred.is_some_and(|until| now.instant < until)
    }

    fn rotate_if_due(&mut self, settings: &Settings, now: Now, desk: &mut Desk) {
        let Some((due, because)) = self.due else {
            return;
        };
        if now.wall < self.begun {
            // The clock was set back; the file is as old as can be known.
            self.begun = now.wall;
            self.due = next_due(settings, self.begun, desk);
        } else if now.wall >= due && self.size == 0 {
            self.begun = now.wall;
            self.due = next_due(settings, self.begun, desk);
        } else if now.wall >= due && !self.is_barred(now) {
            self.rotate(because, settings, now, desk);
        }
    }

    /// Rotates now, if there is anything in the file.
    pub(crate) fn rotate_now(&mut self, settings: &Settings, now: Now, desk: &mut Desk) {
        self.make_ready(settings, now, desk);
        if self.trouble.is_none() && self.size > 0 {
            self.rotate(Because::Asked, settings, now, desk);
        }
    }

    /// Afterwards a new file is open, or the old one and rotation is barred for a while.
    fn rotate(&mut self, because: Because, settings: &Settings, now: Now, desk: &mut Desk) {
        let Some(path) = settings.file() else { return };
        self.index.flush(&mut *desk.files, path, now);
        let shelf = shelf(&mut self.shelf, settings, path, desk);
        let mut stamp = shelf.next_stamp(now.wall);
        while desk.files.length(&shelf.family.path(stamp)).is_some() {
            stamp = Wall::from_micros(stamp.as_micros().saturating_add(1000));
        }
        let target = shelf.family.path(stamp);
        match self.exchange(path, &target, desk) {
            Ok(()) => {
                self.begin_new(settings, now, desk);
                self.put_away(stamp, &target, because, settings, now, desk);
            }
            Err(error) => {
                let fault = Fault::of(&error);
                if self.barred.is_none() {
                    let file = path.to_owned();
                    desk.facts.push(Fact::NotRotated { file, fault });
                }
                self.barred = Some(now.instant + BARRED);
            }
        }
    }

    /// Gives the file its new name and opens the next; if that fails all is as before.
    fn exchange(&mut self, path: &Path, target: &Path, desk: &mut Desk) -> io::Result<()> {
        let files = &mut *desk.files;
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

    fn begin_new(&mut self, settings: &Settings, now: Now, desk: &mut Desk) {
        self.barred = None;
        self.ends_inside = false;
        self.index = IndexWriter::default();
        self.begun = now.wall;
        self.looked = now.instant;
        self.due = next_due(settings, self.begun, desk);
    }

    fn put_away(
        &mut self,
        stamp: Wall,
        target: &Path,
        because: Because,
        settings: &Settings,
        now: Now,
        desk: &mut Desk,
    ) {
        let bytes = std::mem::take(&mut self.size);
        desk.facts.push(Fact::Rotated {
            file: target.to_owned(),
            bytes,
            because,
        });
        let beside = desk.files.length(&index::path_of(target)).unwrap_or(0);
        let shelf = shelf(&mut self.shelf, settings, target, desk);
        shelf.push(RotatedFile {
            stamp,
            plain: bytes,
            compressed: 0,
            beside,
        });
        if settings.compress {
            desk.compression.add(target.to_owned());
        }
        self.prune(settings, now, desk);
    }

    fn prune(&mut self, settings: &Settings, now: Now, desk: &mut Desk) {
        if let Some(shelf) = &mut self.shelf {
            if settings.compress {
                shelf.refresh(&mut *desk.files);
            }
            shelf.prune(settings, now.wall, &mut *desk.files, &mut desk.facts);
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
    pub(crate) fn on_time(&mut self, settings: &Settings, now: Now, desk: &mut Desk) {
        let Some(path) = settings.file() else { return };
        if self.trouble.is_some() {
            return self.make_ready(settings, now, desk);
        }
        self.index.flush_if_due(&mut *desk.files, path, now);
        if self.due.is_some_and(|(due, _)| due <= now.wall) && self.size > 0 {
            self.make_ready(settings, now, desk);
            if self.trouble.is_none() {
                self.rotate_if_due(settings, now, desk);
            }
        }
        if wants_sweep(settings) {
            shelf(&mut self.shelf, settings, path, desk);
            self.prune(settings, now, desk);
        }
    }
}

/// Rotated files of earlier lives are looked for at once, not at the next rotation.
pub(crate) fn wants_sweep(settings: &Settings) -> bool {
    settings.keep_age.is_some() || settings.compress
}

/// The rotated files, asked of the directory the first time; what was left uncompressed is taken up again.
fn shelf<'a>(
    known: &'a mut Option<Box<Shelf>>,
    settings: &Settings,
    path: &Path,
    desk: &mut Desk,
) -> &'a mut Shelf {
    known.get_or_insert_with(|| {
        let (shelf, plain) = Shelf::load(path, &mut *desk.files);
        if settings.compress {
            plain
                .into_iter()
                .for_each(|file| desk.compression.add(file));
        }
        Box::new(shelf)
    })
}

/// When a file begun then is to be rotated, by age or by the clock.
fn next_due(settings: &Settings, begun: Wall, desk: &mut Desk) -> Option<(Wall, Because)> {
    let age = settings
        .rotate
        .age
        .map(|age| (begun.plus(age), Because::Age));
    let at = settings.rotate.at;
    let time = at.map(|at| (desk.zone.next(at, begun), Because::Time));
    age.into_iter().chain(time).min_by_key(|(due, _)| *due)
}
