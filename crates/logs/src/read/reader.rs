//! All lines of one log in order, over as many files as they lie in, while these are written and rotated.
//!
//! The current file is opened first and the rotated ones are listed after: a rotation in between shows, because the
//! listing then holds the very file that is open. From there on the same question answers every rotation: is the file
//! I read to its end still the one at the path? If not, nothing more comes to it, and what follows is in the directory.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};

use super::segment::Segment;
use super::{Beginning, Line, ReadError, Source};
use crate::clock::Wall;
use crate::files::Disk;
use crate::rotated::{Family, RotatedFile, gz};

/// Reads one log. `next` until it says `None`; then, if the file changed, again.
#[derive(Debug)]
pub struct Reader {
    source: Source,
    family: Family,
    /// Being read.
    open: Option<Segment>,
    /// Rotated files still to be read, oldest first.
    ahead: VecDeque<Wall>,
    /// The current file, to be read after those.
    held: Option<Segment>,
    /// The newest rotated file that is read, being read or ahead.
    newest: Option<Wall>,
    since: Option<Wall>,
    until: Option<Wall>,
}

impl Reader {
    /// Finds the beginning. A log that does not exist yet is empty.
    ///
    /// # Errors
    /// If a file that had to be looked into cannot be read.
    pub fn new(source: Source, beginning: Beginning) -> Result<Reader, ReadError> {
        let family = Family::of(&source.file);
        let mut reader = Reader {
            source,
            family,
            open: None,
            ahead: VecDeque::new(),
            held: None,
            newest: None,
            since: None,
            until: None,
        };
        reader.survey(None)?;
        match beginning {
            Beginning::Oldest => {}
            Beginning::Last(lines) => reader.begin_with_last(lines)?,
            Beginning::Since(time) => reader.begin_since(time)?,
        }
        Ok(reader)
    }

    /// Leaves out lines that arrived after this.
    #[must_use]
    pub fn until(mut self, time: Wall) -> Reader {
        self.until = Some(time);
        self
    }

    /// What is read.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The next line; `None` if there is no whole one now. Whoever follows waits and asks again.
    ///
    /// # Errors
    /// If a file cannot be read. The next call goes on behind it.
    #[expect(
        clippy::should_implement_trait,
        reason = "`None` is not the end, as an iterator's would be"
    )]
    pub fn next(&mut self) -> Result<Option<Line>, ReadError> {
        loop {
            let Some(segment) = &mut self.open else {
                if self.open_next()? {
                    continue;
                }
                return Ok(None);
            };
            match segment.line() {
                Ok(Some((time, bytes))) => {
                    if let Some(line) = self.wanted(time, bytes) {
                        return Ok(Some(line));
                    }
                }
                Ok(None) if segment.closed => self.open = None,
                Ok(None) => {
                    if !self.goes_on()? {
                        return Ok(None);
                    }
                }
                Err(source) => {
                    let file = segment.path.clone();
                    self.open = None;
                    return Err(ReadError { file, source });
                }
            }
        }
    }

    /// A last line without a line break, for those who will not ask again.
    pub fn rest(&mut self) -> Option<Line> {
        let (time, bytes) = self.open.as_mut()?.rest()?;
        self.wanted(time, bytes)
    }

    fn wanted(&self, time: Option<Wall>, bytes: Vec<u8>) -> Option<Line> {
        let early = self
            .since
            .is_some_and(|since| time.is_some_and(|time| time < since));
        let late = self
            .until
            .is_some_and(|until| time.is_some_and(|time| time > until));
        (!early && !late).then(|| Line {
            service: self.source.service.clone(),
            origin: self.source.origin,
            time,
            bytes,
        })
    }

    // ---- files coming and going ----

    /// At the end of the current file: whether there is more, because it was emptied or rotated meanwhile.
    fn goes_on(&mut self) -> Result<bool, ReadError> {
        let Some(segment) = &mut self.open else {
            return Ok(false);
        };
        if segment.shrank() {
            self.open = None;
            self.held = self.open_current()?;
            return Ok(self.held.is_some());
        }
        if segment.is_at(&self.source.file) {
            return Ok(false);
        }
        // Renamed first, then written elsewhere: read to its end once more, it is complete.
        segment.closed = true;
        let finished = self.open.take();
        self.survey(finished.as_ref())?;
        self.open = finished;
        Ok(true)
    }

    /// Takes up what the directory holds behind what is known; `finished` is the current file of before.
    fn survey(&mut self, finished: Option<&Segment>) -> Result<(), ReadError> {
        self.held = self.open_current()?;
        self.list(finished);
        Ok(())
    }

    fn list(&mut self, finished: Option<&Segment>) {
        let mut listed = self.family.list(&mut Disk);
        listed.retain(|file| self.newest.is_none_or(|newest| file.stamp > newest));
        listed.retain(|file| file.plain + file.compressed > 0);
        let path = |file: &RotatedFile| self.family.path(file.stamp);
        if let Some(held) = &self.held {
            // Rotated since it was opened: it is read as what it was, and what follows is found at its end.
            let end = listed.iter().position(|file| held.is_at(&path(file)));
            listed.truncate(end.unwrap_or(listed.len()));
        }
        self.newest = listed.last().map(|file| file.stamp).or(self.newest);
        if let Some(finished) = finished {
            let itself = listed.iter().position(|file| finished.is_at(&path(file)));
            let compressed = listed.first().filter(|file| file.plain == 0);
            let known = compressed.is_some_and(|file| finished.is_as_long_as(&gz(&path(file))));
            let read = itself.map_or(usize::from(known), |at| at + 1);
            listed.drain(..read);
        }
        self.ahead.extend(listed.iter().map(|file| file.stamp));
    }

    fn open_current(&self) -> Result<Option<Segment>, ReadError> {
        or_absent(Segment::current(&self.source.file), &self.source.file)
    }

    fn open_rotated(&self, stamp: Wall) -> Result<Option<Segment>, ReadError> {
        let path = self.family.path(stamp);
        or_absent(Segment::rotated(&path, stamp), &path)
    }

    fn open_next(&mut self) -> Result<bool, ReadError> {
        if self.ahead.is_empty() && self.held.is_none() && self.open_current()?.is_some() {
            // A log that was not there before; it may have been rotated already.
            self.survey(None)?;
        }
        while let Some(stamp) = self.ahead.pop_front() {
            // Removed by retention before its turn came: nobody can read it any more.
            self.open = self.open_rotated(stamp)?;
            if self.open.is_some() {
                return Ok(true);
            }
        }
        self.open = self.held.take();
        Ok(self.open.is_some())
    }

    // ---- where to begin ----

    /// From the newest file backwards until there are enough lines.
    fn begin_with_last(&mut self, lines: u64) -> Result<(), ReadError> {
        let mut left = lines;
        if let Some(mut held) = self.held.take() {
            left -= begin(&mut held, left)?;
            self.held = Some(held);
        }
        let mut ahead = std::mem::take(&mut self.ahead);
        while left > 0
            && let Some(stamp) = ahead.pop_back()
        {
            self.ahead.push_front(stamp);
            if let Some(mut segment) = self.open_rotated(stamp)? {
                left -= begin(&mut segment, left)?;
                if left == 0 {
                    self.ahead.pop_front();
                    self.open = Some(segment);
                }
            }
        }
        Ok(())
    }

    /// Files rotated before the time hold nothing later; in the first that may, the index knows where.
    fn begin_since(&mut self, time: Wall) -> Result<(), ReadError> {
        self.since = Some(time);
        self.ahead.retain(|stamp| *stamp >= time);
        let first = match self.ahead.pop_front() {
            Some(stamp) => self.open_rotated(stamp)?,
            None => self.held.take(),
        };
        if let Some(mut segment) = first {
            let offset = segment.since(time);
            let path = segment.path.clone();
            segment
                .skip_to(offset)
                .map_err(|source| ReadError { file: path, source })?;
            self.open = Some(segment);
        }
        Ok(())
    }
}

/// Goes to the last `lines` lines of a file; how many there are.
fn begin(segment: &mut Segment, lines: u64) -> Result<u64, ReadError> {
    let found = segment.last(lines).and_then(|tail| {
        segment.skip_to(tail.offset)?;
        Ok(tail.lines)
    });
    found.map_err(|source| ReadError {
        file: segment.path.clone(),
        source,
    })
}

/// A file that is not there is no fault.
fn or_absent(opened: io::Result<Segment>, path: &Path) -> Result<Option<Segment>, ReadError> {
    match opened {
        Ok(segment) => Ok(Some(segment)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ReadError {
            file: PathBuf::from(path),
            source,
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::settings::Origin;

    #[test]
    fn a_rotation_between_opening_and_listing_doubles_no_line() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("web.log");
        fs::write(&file, "one\n").unwrap();
        let source = Source {
            service: "web".into(),
            origin: Origin::Stdout,
            file: file.clone(),
        };
        let mut reader = Reader::new(source, Beginning::Oldest).unwrap();
        fs::rename(&file, dir.path().join("web-20261122T152451.000Z.log")).unwrap();
        fs::write(&file, "two\n").unwrap();
        reader.list(None);
        let mut lines = Vec::new();
        while let Some(line) = reader.next().unwrap() {
            lines.push(line.bytes);
        }
        assert_eq!(lines, [b"one", b"two"]);
    }
}
