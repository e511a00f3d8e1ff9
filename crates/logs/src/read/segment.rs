//! One file of a log, read line by line: the current one, a rotated one, a compressed one.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::mem;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use same_file::Handle;

use super::times::{self, Times};
use crate::clock::Wall;
use crate::rotated::gz;

/// Read at a time, in bytes.
const PIECE: usize = 64 << 10;
/// A file of somebody else's may have lines without end; they come in pieces of this.
const LONGEST: usize = 4 << 20;

/// An open file and how far it was read.
#[derive(Debug)]
pub(super) struct Segment {
    /// The plain file's name.
    pub(super) path: PathBuf,
    bytes: Content,
    /// No more will be written to it.
    pub(super) closed: bool,
    buffer: Vec<u8>,
    /// In the buffer: where the next line begins, and up to where no line break was found.
    begins: usize,
    searched: usize,
    /// In the file: where the next line begins.
    offset: u64,
    times: Times,
}

#[derive(Debug)]
enum Content {
    Plain(Handle),
    Compressed(Box<MultiGzDecoder<File>>),
}

/// Where in a file reading is to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tail {
    pub(super) offset: u64,
    /// Lines from there to the end.
    pub(super) lines: u64,
}

impl Segment {
    /// Opens the current file.
    pub(super) fn current(path: &Path) -> io::Result<Segment> {
        let handle = Handle::from_file(File::open(path)?)?;
        Ok(Segment::new(
            path,
            Content::Plain(handle),
            times::written(path),
        ))
    }

    /// Opens a rotated file, compressed or not yet.
    pub(super) fn rotated(path: &Path, stamp: Wall) -> io::Result<Segment> {
        let mut segment = match Segment::current(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let file = File::open(gz(path))?;
                let content = Content::Compressed(Box::new(MultiGzDecoder::new(file)));
                // A compressed file was last written when it was compressed: the stamp is nearer the truth.
                Segment::new(path, content, Some(stamp))
            }
            opened => opened?,
        };
        segment.closed = true;
        Ok(segment)
    }

    fn new(path: &Path, bytes: Content, written: Option<Wall>) -> Segment {
        Segment {
            path: path.to_owned(),
            bytes,
            closed: false,
            buffer: Vec::new(),
            begins: 0,
            searched: 0,
            offset: 0,
            times: Times::of(path, written),
        }
    }

    /// Whether this is the very file at the path.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        match &self.bytes {
            Content::Plain(handle) => Handle::from_path(path).is_ok_and(|there| there == *handle),
            Content::Compressed(_) => false,
        }
    }

    /// Whether a compressed file holds as many bytes as were read of this one, modulo 2³² (RFC 1952, ISIZE).
    pub(super) fn is_as_long_as(&self, compressed: &Path) -> bool {
        let length = |path: &Path| -> io::Result<u32> {
            let mut file = File::open(path)?;
            file.seek(SeekFrom::End(-4))?;
            let mut length = [0; 4];
            file.read_exact(&mut length)?;
            Ok(u32::from_le_bytes(length))
        };
        let unread = (self.buffer.len() - self.begins) as u64;
        length(compressed)
            .is_ok_and(|length| u64::from(length) == (self.offset + unread) & 0xffff_ffff)
    }

    /// The file is shorter than what was read of it: somebody emptied it.
    pub(super) fn shrank(&self) -> bool {
        match &self.bytes {
            Content::Plain(handle) => handle
                .as_file()
                .metadata()
                .is_ok_and(|metadata| metadata.len() < self.offset),
            Content::Compressed(_) => false,
        }
    }

    /// The next whole line with its time; in a closed file the last one need not be whole.
    pub(super) fn line(&mut self) -> io::Result<Option<(Option<Wall>, Vec<u8>)>> {
        loop {
            let new = &self.buffer[self.searched..];
            if let Some(at) = memchr::memchr(b'\n', new) {
                let end = self.searched + at;
                return Ok(Some(self.take(end, end + 1)));
            }
            self.searched = self.buffer.len();
            if self.searched - self.begins >= LONGEST {
                return Ok(Some(self.take(self.searched, self.searched)));
            }
            if self.fill()? == 0 {
                return Ok(if self.closed { self.rest() } else { None });
            }
        }
    }

    /// What stands behind the last line break.
    pub(super) fn rest(&mut self) -> Option<(Option<Wall>, Vec<u8>)> {
        let end = self.buffer.len();
        (end > self.begins).then(|| self.take(end, end))
    }

    fn take(&mut self, end: usize, next: usize) -> (Option<Wall>, Vec<u8>) {
        let time = self.times.at(&self.path, self.offset);
        let line = self.buffer[self.begins..end].to_vec();
        self.offset += (next - self.begins) as u64;
        self.begins = next;
        self.searched = next;
        (time, line)
    }

    fn fill(&mut self) -> io::Result<usize> {
        self.buffer.drain(..mem::take(&mut self.begins));
        let kept = self.buffer.len();
        self.searched = kept;
        self.buffer.resize(kept + PIECE, 0);
        let read = loop {
            match self.bytes.read(&mut self.buffer[kept..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result,
            }
        };
        self.buffer.truncate(kept + *read.as_ref().unwrap_or(&0));
        read
    }

    // ---- where to begin ----

    /// Goes to an offset of the uncompressed file. To be called before any line is read.
    pub(super) fn skip_to(&mut self, offset: u64) -> io::Result<()> {
        match &mut self.bytes {
            Content::Plain(handle) => {
                handle.as_file_mut().seek(SeekFrom::Start(offset))?;
            }
            Content::Compressed(decoder) => {
                io::copy(&mut decoder.by_ref().take(offset), &mut io::sink())?;
            }
        }
        self.offset = offset;
        Ok(())
    }

    /// Where the last `lines` lines begin, or all there are. Plain files are read from their end.
    pub(super) fn last(&mut self, lines: u64) -> io::Result<Tail> {
        match &mut self.bytes {
            Content::Plain(handle) => last_of_plain(handle.as_file_mut(), lines),
            Content::Compressed(decoder) => {
                let all = count(decoder)?;
                self.reopen()?;
                let Content::Compressed(decoder) = &mut self.bytes else {
                    return Ok(all);
                };
                let skipped = all.lines.saturating_sub(lines);
                let offset = offset_of_line(decoder, skipped)?;
                self.reopen()?;
                Ok(Tail {
                    offset,
                    lines: all.lines - skipped,
                })
            }
        }
    }

    /// Where lines of this time or later begin.
    pub(super) fn since(&self, time: Wall) -> u64 {
        Times::of(&self.path, None).offset_since(time)
    }

    fn reopen(&mut self) -> io::Result<()> {
        if let Content::Compressed(decoder) = &mut self.bytes {
            let mut file = File::open(gz(&self.path))?;
            file.rewind()?;
            **decoder = MultiGzDecoder::new(file);
        }
        Ok(())
    }
}

impl Content {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Content::Plain(handle) => handle.as_file_mut().read(into),
            Content::Compressed(decoder) => decoder.read(into),
        }
    }
}

/// Reads backwards until enough line ends were seen.
fn last_of_plain(file: &mut File, lines: u64) -> io::Result<Tail> {
    let length = file.seek(SeekFrom::End(0))?;
    if lines == 0 {
        let offset = length;
        return Ok(Tail { offset, lines });
    }
    let mut buffer = vec![0; PIECE];
    let mut found = 0;
    let mut end = length;
    while end > 0 {
        let begin = end.saturating_sub(PIECE as u64);
        let piece = &mut buffer[..usize::try_from(end - begin).unwrap_or(PIECE)];
        file.seek(SeekFrom::Start(begin))?;
        file.read_exact(piece)?;
        for at in memchr::memrchr_iter(b'\n', piece) {
            let after = begin + at as u64 + 1;
            // The line break at the very end ends the last line and begins none.
            if after == length {
                continue;
            }
            found += 1;
            if found >= lines {
                return Ok(Tail {
                    offset: after,
                    lines,
                });
            }
        }
        end = begin;
    }
    Ok(Tail {
        offset: 0,
        lines: found + u64::from(length > 0),
    })
}

/// All lines of a stream, and its length.
fn count(from: &mut impl Read) -> io::Result<Tail> {
    let mut buffer = vec![0; PIECE];
    let (mut lines, mut last) = (0, b'\n');
    loop {
        let read = from.read(&mut buffer)?;
        let piece = &buffer[..read];
        let Some(end) = piece.last() else {
            let lines = lines + u64::from(last != b'\n');
            return Ok(Tail { offset: 0, lines });
        };
        lines += memchr::memchr_iter(b'\n', piece).count() as u64;
        last = *end;
    }
}

/// Where the line behind so many others begins.
fn offset_of_line(from: &mut impl Read, skipped: u64) -> io::Result<u64> {
    let mut buffer = vec![0; PIECE];
    let (mut offset, mut left) = (0, skipped);
    while left > 0 {
        let read = from.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        for at in memchr::memchr_iter(b'\n', &buffer[..read]) {
            left -= 1;
            if left == 0 {
                return Ok(offset + at as u64 + 1);
            }
        }
        offset += read as u64;
    }
    Ok(offset)
}
