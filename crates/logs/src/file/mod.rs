//! The current file of one stream: opened at its first byte, rotated at line ends, honest about what it lost.
//!
//! Whatever the disk does, the caller is never held up and never sees an error: lines that cannot be written are
//! counted, the rest of a line that a full disk tore is kept until it can be continued, and one line says afterwards
//! what is missing. Only whole lines come in here (and the unfinished last one of a run); framing is `stream.rs`,
//! names and retention are `rotated.rs`.

mod rotation;
mod trouble;

use std::io::{self, IoSlice};

use aplomb_core::{Duration, Instant};

use crate::clock::{Now, Wall};
use crate::desk::Desk;
use crate::fact::{Because, Fact};
use crate::files::LogHandle;
use crate::index::{self, Edge, IndexWriter};
use crate::rotated::Shelf;
use crate::settings::Settings;
use trouble::Trouble;

pub(crate) use rotation::wants_sweep;

/// Whether the path still leads to our file is asked this often.
const LOOK: Duration = Duration::from_secs(1);

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

/// What every call brings along: whose file it is, when, and what streams share.
pub(crate) struct At<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) now: Now,
    pub(crate) desk: &'a mut Desk,
}

/// A write that failed, with how much of `head` and `lines` is written or owed; what follows is lost.
struct Broken {
    error: io::Error,
    taken: usize,
}

impl LogFile {
    /// Writes `head` followed by `lines`, which together are whole lines (but for the last line of a run).
    pub(crate) fn append(&mut self, mut head: &[u8], mut lines: &[u8], at: &mut At<'_>) {
        self.make_ready(at);
        if self.trouble.is_none() {
            self.rotate_if_due(at);
        }
        while !(head.is_empty() && lines.is_empty()) {
            if self.trouble.is_some() {
                return self.lose(&[head, lines]);
            }
            let Some(fitting) = self.fitting(head, lines, at) else {
                self.rotate(Because::Size, at);
                continue;
            };
            let (these, rest) = lines.split_at(fitting);
            if let Err(broken) = self.put(head, these, at.now) {
                self.fall_into_trouble(&broken.error, at);
                let in_lines = broken.taken.saturating_sub(head.len());
                let head = &head[broken.taken.min(head.len())..];
                return self.lose(&[head, &lines[in_lines..]]);
            }
            (head, lines) = (&[], rest);
        }
        if let Some(path) = at.settings.file() {
            self.index.flush_if_due(&mut *at.desk.files, path, at.now);
        }
    }

    /// How many bytes of `lines` go into the current file behind `head`: all, or up to the last line end before its
    /// limit; `None` if not even the first line does.
    fn fitting(&self, head: &[u8], lines: &[u8], at: &At<'_>) -> Option<usize> {
        let limit = at.settings.size_limit().filter(|_| !self.is_barred(at.now));
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
            None => Some(memchr::memchr(b'\n', lines).map_or(lines.len(), |end| end + 1)),
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
            let rest = memchr::memchr(b'\n', lines).map_or(lines.len(), |end| end + 1);
            self.owed = [head, &lines[..rest]].concat();
        }
        let taken = taken + self.owed.len();
        Err(Broken { error, taken })
    }

    /// Writes the parts until all are out or the system refuses; keeps `size` and `ends_inside` true either way.
    fn write_all(&mut self, parts: [&[u8]; 3]) -> (usize, io::Result<()>) {
        let mut slices = parts.map(IoSlice::new);
        let mut rest = &mut slices[..];
        // Empty parts in front are no parts.
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

    /// Empties the file, for a service whose log begins anew at each start.
    pub(crate) fn empty(&mut self, at: &mut At<'_>) {
        self.make_ready(at);
        let (Some(path), Some(handle)) = (at.settings.file(), &mut self.handle) else {
            return;
        };
        match handle.truncate(0) {
            Ok(()) => {
                let _ = at.desk.files.remove(&index::path_of(path));
                self.index = IndexWriter::default();
                self.owed = Vec::new();
                self.size = 0;
                self.ends_inside = false;
                self.begin(at.now.wall, at);
            }
            Err(error) => self.fall_into_trouble(&error, at),
        }
    }

    /// Closes what is open; the next line opens it again.
    pub(crate) fn shed(&mut self, at: &mut At<'_>) {
        self.flush(at);
        // A line begun must be continued by the handle that knows where.
        if self.owed.is_empty() {
            self.handle = None;
        }
    }

    /// A run ended, and perhaps the last: what is pending is written, and what was lost is said, if it can be.
    pub(crate) fn finish(&mut self, at: &mut At<'_>) {
        let known = self.trouble.as_ref();
        if known.is_some_and(|trouble| !trouble.was_tried(at.now)) {
            self.retry(at);
        }
        self.flush(at);
    }

    pub(super) fn flush(&mut self, at: &mut At<'_>) {
        if let Some(path) = at.settings.file() {
            self.index.flush(&mut *at.desk.files, path, at.now);
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.handle.is_some()
    }

    // ---- opening, and what may have happened to the file meanwhile ----

    /// Afterwards the file is open, or there is trouble.
    fn make_ready(&mut self, at: &mut At<'_>) {
        if let Some(trouble) = &self.trouble {
            if trouble.is_to_be_retried(at.now) {
                self.retry(at);
            }
            return;
        }
        if at.settings.shared || at.now.instant - self.looked >= LOOK {
            self.look(at);
        }
        if self.handle.is_none()
            && let Err(error) = self.open(at)
        {
            self.fall_into_trouble(&error, at);
        }
    }

    fn open(&mut self, at: &mut At<'_>) -> io::Result<()> {
        let path = at.settings.file().ok_or(io::ErrorKind::InvalidInput)?;
        let files = &mut *at.desk.files;
        let mut handle = files.append(path)?;
        let end = handle.end()?;
        let last = index::mark_at(files, path, Edge::Last);
        if end.length == 0 || last.is_some_and(|mark| mark.offset > end.length) {
            // The index of a log that is no more.
            let _ = files.remove(&index::path_of(path));
        }
        let indexed = files.length(&index::path_of(path)).unwrap_or(0);
        self.index = IndexWriter::resume(indexed);
        let mut begun = at.now.wall;
        if end.length > 0 && at.settings.rotates_by_time() {
            let first = index::mark_at(files, path, Edge::First).map(|mark| mark.time);
            let known = first.or_else(|| handle.born());
            begun = known.unwrap_or(begun).min(begun);
        }
        self.size = end.length;
        self.ends_inside = !end.whole;
        self.handle = Some(handle);
        self.looked = at.now.instant;
        self.begin(begun, at);
        Ok(())
    }

    /// Looks whether our file is still the one the path leads to, and as long as we left it.
    fn look(&mut self, at: &mut At<'_>) {
        let (Some(path), Some(handle)) = (at.settings.file(), &mut self.handle) else {
            return;
        };
        let file = path.to_owned();
        self.looked = at.now.instant;
        if !handle.is_at(path) {
            self.handle = None;
            // Another stream of ours rotating, or emptying, a file we share is no news.
            if !at.settings.shared {
                at.desk.facts.push(Fact::Replaced { file });
            }
            return;
        }
        let Ok(end) = handle.end() else { return };
        if end.length < self.size {
            self.index = IndexWriter::default();
            let _ = at.desk.files.remove(&index::path_of(path));
            if !at.settings.shared {
                at.desk.facts.push(Fact::Replaced { file });
            }
        }
        if end.length != self.size {
            self.size = end.length;
            self.ends_inside = !end.whole;
        }
    }
}
