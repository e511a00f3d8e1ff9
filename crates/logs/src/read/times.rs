//! When lines arrived: the time index read alongside its log, and again when it has grown.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use crate::clock::Wall;
use crate::index::{self, Mark, RECORD};

/// Read at a time, in bytes: a whole number of records.
const PIECE: usize = 256 * RECORD;

/// Times of one file's lines, asked for in the order of the file.
#[derive(Debug)]
pub(super) struct Times {
    index: Option<File>,
    /// Where the next read begins.
    position: u64,
    /// Read and not yet reached, the next one last.
    ahead: Vec<Mark>,
    reached: Option<Mark>,
    /// When the log was last written: all that is known without an index.
    written: Option<Wall>,
}

impl Times {
    /// `log` is the plain file's name, also of a compressed one.
    pub(super) fn of(log: &Path, written: Option<Wall>) -> Times {
        Times {
            index: File::open(index::path_of(log)).ok(),
            position: 0,
            ahead: Vec::new(),
            reached: None,
            written,
        }
    }

    /// When the line at this offset arrived. Offsets must not go back.
    pub(super) fn at(&mut self, log: &Path, offset: u64) -> Option<Wall> {
        if self.index.is_none() {
            // The log's first line may be there before its index is.
            self.index = File::open(index::path_of(log)).ok();
        }
        while let Some(mark) = self.peek() {
            if mark.offset > offset {
                break;
            }
            self.reached = Some(mark);
            self.ahead.pop();
        }
        self.reached.map_or(self.written, |mark| Some(mark.time))
    }

    /// Where the first line that arrived at `time` or later may begin; the end of all marks if none did.
    pub(super) fn offset_since(mut self, time: Wall) -> u64 {
        let mut last = 0;
        while let Some(mark) = self.peek() {
            if mark.time >= time {
                return mark.offset;
            }
            last = mark.offset;
            self.reached = Some(mark);
            self.ahead.pop();
        }
        last
    }

    fn peek(&mut self) -> Option<Mark> {
        if self.ahead.is_empty() {
            self.read_on();
        }
        self.ahead.last().copied()
    }

    /// Takes up whole records; what is no mark is passed over.
    fn read_on(&mut self) {
        let Some(file) = &mut self.index else { return };
        let mut piece = [0; PIECE];
        while self.ahead.is_empty() {
            let read = file
                .seek(SeekFrom::Start(self.position))
                .and_then(|_| file.read(&mut piece));
            let whole = read.unwrap_or(0) / RECORD * RECORD;
            if whole == 0 {
                return;
            }
            self.position += whole as u64;
            let reached = self.reached.map_or(0, |mark| mark.offset);
            self.ahead.extend(index::marks(&piece[..whole], reached));
        }
        self.ahead.reverse();
    }
}

/// When a file was last written.
pub(super) fn written(path: &Path) -> Option<Wall> {
    let modified = fs::metadata(path).ok()?.modified().ok()?;
    Some(Wall::from(modified))
}
