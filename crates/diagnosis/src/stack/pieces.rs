//! Debug information read from its file piece by piece, with a limit on how much is read in all.
//!
//! Sections of hundreds of megabytes are common, and what says which unit holds an address is spread over them; so
//! `gimli` is given a reader that fetches pages as it goes. Each byte is paid for. When nothing is left, reading
//! fails, and with it whatever was built from it: that bounds the time and the memory a hostile file can take.

use std::borrow::Cow;
use std::cell::RefCell;

use gimli::{Error, LittleEndian, Reader, ReaderOffsetId, Result};

use super::elf::Span;
use super::image::Image;

/// The longest piece that is handed out whole.
const MAX_PIECE: usize = 64 << 10;

/// A file and what may still be read of it.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    image: &'a mut Image,
    /// Bytes that may be read in all.
    left: usize,
    /// Bytes that may be read for what is being built now.
    now: usize,
}

impl<'a> Source<'a> {
    pub(crate) fn new(image: &'a mut Image, left: usize) -> Self {
        Self {
            image,
            left,
            now: 0,
        }
    }

    /// Allows at most `bytes` to be read from here on.
    pub(crate) fn allow(&mut self, bytes: usize) {
        self.now = bytes;
    }

    pub(crate) fn left(&self) -> usize {
        self.left
    }

    fn read(&mut self, offset: u64, into: &mut [u8]) -> Option<()> {
        // Reading nothing at all is work, too.
        let price = into.len() + 1;
        self.now = self.now.checked_sub(price)?;
        self.left = self.left.checked_sub(price)?;
        self.image.read_file(offset, into)
    }
}

/// Some bytes of a section.
#[derive(Debug, Clone)]
pub(crate) struct Piece<'a> {
    source: &'a RefCell<Source<'a>>,
    start: u64,
    length: usize,
}

impl<'a> Piece<'a> {
    pub(crate) fn new(source: &'a RefCell<Source<'a>>, span: Span) -> Self {
        // A section that claims to go beyond the end of all numbers has nothing.
        let length = span
            .start
            .checked_add(span.size)
            .and_then(|_| usize::try_from(span.size).ok());
        Self {
            source,
            start: span.start,
            length: length.unwrap_or(0),
        }
    }

    fn at_end(&self) -> Error {
        Error::UnexpectedEof(self.offset_id())
    }

    fn fill(&self, skip: usize, into: &mut [u8]) -> Result<()> {
        let read = self
            .source
            .borrow_mut()
            .read(self.start + skip as u64, into);
        read.ok_or_else(|| self.at_end())
    }
}

impl Reader for Piece<'_> {
    type Endian = LittleEndian;
    type Offset = usize;

    fn endian(&self) -> LittleEndian {
        LittleEndian
    }

    fn len(&self) -> usize {
        self.length
    }

    fn empty(&mut self) {
        self.length = 0;
    }

    fn truncate(&mut self, length: usize) -> Result<()> {
        if length > self.length {
            return Err(self.at_end());
        }
        self.length = length;
        Ok(())
    }

    fn offset_from(&self, base: &Self) -> usize {
        self.start.saturating_sub(base.start) as usize
    }

    fn offset_id(&self) -> ReaderOffsetId {
        ReaderOffsetId(self.start)
    }

    fn lookup_offset_id(&self, id: ReaderOffsetId) -> Option<usize> {
        let offset = usize::try_from(id.0.checked_sub(self.start)?).ok()?;
        (offset <= self.length).then_some(offset)
    }

    fn find(&self, byte: u8) -> Result<usize> {
        let mut done = 0;
        while done < self.length {
            let mut bytes = [0; 64];
            let count = bytes.len().min(self.length - done);
            self.fill(done, &mut bytes[..count])?;
            if let Some(at) = bytes[..count].iter().position(|other| *other == byte) {
                return Ok(done + at);
            }
            done += count;
        }
        Err(self.at_end())
    }

    fn skip(&mut self, length: usize) -> Result<()> {
        self.length = self
            .length
            .checked_sub(length)
            .ok_or_else(|| self.at_end())?;
        self.start += length as u64;
        Ok(())
    }

    fn split(&mut self, length: usize) -> Result<Self> {
        let mut first = self.clone();
        first.truncate(length)?;
        self.skip(length)?;
        Ok(first)
    }

    fn to_slice(&self) -> Result<Cow<'_, [u8]>> {
        if self.length > MAX_PIECE {
            return Err(self.at_end());
        }
        let mut bytes = vec![0; self.length];
        self.fill(0, &mut bytes)?;
        Ok(bytes.into())
    }

    fn to_string(&self) -> Result<Cow<'_, str>> {
        String::from_utf8(self.to_slice()?.into_owned())
            .map(Cow::from)
            .map_err(|_| Error::BadUtf8)
    }

    fn to_string_lossy(&self) -> Result<Cow<'_, str>> {
        Ok(String::from_utf8_lossy(&self.to_slice()?)
            .into_owned()
            .into())
    }

    fn read_slice(&mut self, into: &mut [u8]) -> Result<()> {
        if into.len() > self.length {
            return Err(self.at_end());
        }
        self.fill(0, into)?;
        self.skip(into.len())
    }
}
