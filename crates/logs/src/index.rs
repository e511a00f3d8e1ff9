//! The time index: when the bytes of a log arrived, kept beside it, so that the log itself stays untouched.
//!
//! `NAME.log.times` holds records of 16 bytes: "from this offset on, lines arrived at this time". Each carries its own
//! check, so that a torn, lost or foreign record only makes times coarser and can never make them wrong. The file is
//! opened for each flush (at most once a second, or 64 records) and holds no descriptor. Its length is bounded
//! by the log's: times are a thousandth of a second fine while that costs a sixteenth, a tenth up to a quarter.

use std::io::{self, IoSlice, SeekFrom};
use std::path::{Path, PathBuf};

use aplomb_core::{Duration, Instant};

use crate::clock::{Now, Wall};
use crate::files::Files;

/// Length of a record on disk.
pub(crate) const RECORD: usize = 16;
const BUFFERED: usize = 64 * RECORD;
const ALLOWANCE: u64 = 4096;
/// The index may lag this far behind its log.
const LAG: Duration = Duration::from_secs(1);

/// The index of the log at this path.
pub(crate) fn path_of(log: &Path) -> PathBuf {
    let mut path = log.as_os_str().to_owned();
    path.push(".times");
    PathBuf::from(path)
}

/// What the index of a log of this length takes at most.
pub(crate) fn longest(log: u64) -> u64 {
    ALLOWANCE + log / 4 + RECORD as u64
}

/// Lines from `offset` on arrived at `time`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    pub time: Wall,
    pub offset: u64,
}

impl Mark {
    /// 7 bytes of microseconds (to the year 4253), 6 of offset, 3 of check.
    pub(crate) fn encode(self) -> [u8; RECORD] {
        let time = self.time.as_micros().max(0).to_le_bytes();
        let offset = self.offset.to_le_bytes();
        let mut record = [0; RECORD];
        record[..7].copy_from_slice(&time[..7]);
        record[7..13].copy_from_slice(&offset[..6]);
        let check = check(&record);
        record[13..].copy_from_slice(&check);
        record
    }

    /// `None` if these are not 16 bytes somebody encoded.
    pub fn decode(record: &[u8]) -> Option<Mark> {
        let record: &[u8; RECORD] = record.try_into().ok()?;
        if record[13..] != check(record) {
            return None;
        }
        let mut time = [0; 8];
        let mut offset = [0; 8];
        time[..7].copy_from_slice(&record[..7]);
        offset[..6].copy_from_slice(&record[7..13]);
        Some(Mark {
            time: Wall::from_micros(i64::from_le_bytes(time)),
            offset: u64::from_le_bytes(offset),
        })
    }
}

/// 24 bits of a multiplicative hash of the first 13 bytes; zeros do not pass.
fn check(record: &[u8; RECORD]) -> [u8; 3] {
    let mut low = [0; 8];
    let mut high = [0; 8];
    low.copy_from_slice(&record[..8]);
    high[..5].copy_from_slice(&record[8..13]);
    let mixed = (u64::from_le_bytes(low) ^ 0x9e37_79b9_7f4a_7c15)
        .wrapping_mul(0xff51_afd7_ed55_8ccd)
        .rotate_left(29)
        ^ u64::from_le_bytes(high);
    let mixed = mixed.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    let [.., a, b, c] = mixed.to_le_bytes();
    [a, b, c]
}

/// Keeps the marks of one open log.
#[derive(Debug, Default)]
pub(crate) struct IndexWriter {
    pending: Vec<u8>,
    last: Option<Mark>,
    /// Bytes of index written or pending for this log.
    length: u64,
    flushed: Option<Instant>,
}

impl IndexWriter {
    /// For a log whose index on disk has this length.
    pub(crate) fn resume(length: u64) -> IndexWriter {
        IndexWriter {
            length,
            ..IndexWriter::default()
        }
    }

    /// Lines are about to be written at `offset`.
    #[inline]
    pub(crate) fn note(&mut self, offset: u64, now: Now) {
        if self.is_worth_it(offset, now.wall) {
            let mark = Mark {
                time: now.wall,
                offset,
            };
            self.pending.extend_from_slice(&mark.encode());
            self.length += RECORD as u64;
            self.last = Some(mark);
        }
    }

    fn is_worth_it(&self, offset: u64, time: Wall) -> bool {
        let Some(last) = self.last else {
            return true;
        };
        let gap = (time.as_micros() - last.time.as_micros()).unsigned_abs();
        let fine = ALLOWANCE + offset / 16;
        let coarse = ALLOWANCE + offset / 4;
        (gap >= 1_000 && self.length < fine) || (gap >= 100_000 && self.length < coarse)
    }

    /// When `flush_if_due` has something to do although nobody writes.
    pub(crate) fn wakes_at(&self) -> Option<Instant> {
        if self.pending.is_empty() {
            return None;
        }
        Some(self.flushed.map_or(Instant::ORIGIN, |at| at + LAG))
    }

    #[inline]
    pub(crate) fn flush_if_due(&mut self, files: &mut dyn Files, log: &Path, now: Now) {
        if self.pending.len() >= BUFFERED || self.wakes_at().is_some_and(|at| at <= now.instant) {
            self.flush(files, log, now);
        }
    }

    /// Appends what is pending. A failure loses these marks and nothing else.
    pub(crate) fn flush(&mut self, files: &mut dyn Files, log: &Path, now: Now) {
        if self.pending.is_empty() {
            return;
        }
        self.flushed = Some(now.instant);
        let written = append(files, &path_of(log), &self.pending);
        if written.is_err() {
            self.length = self.length.saturating_sub(self.pending.len() as u64);
        }
        self.pending.clear();
        self.pending.shrink_to(2 * RECORD);
    }
}

/// Appends whole records; a torn one at the end, left by a crash or a full disk, is cut off before.
fn append(files: &mut dyn Files, path: &Path, records: &[u8]) -> io::Result<()> {
    let mut file = files.append(path)?;
    let length = file.end()?.length;
    if length % RECORD as u64 != 0 {
        file.truncate(length - length % RECORD as u64)?;
    }
    let written = file.write(&[IoSlice::new(records)])?;
    if written < records.len() {
        return Err(io::ErrorKind::WriteZero.into());
    }
    Ok(())
}

/// The first mark, or the last, of the index of a log.
pub(crate) fn mark_at(files: &mut dyn Files, log: &Path, end: Edge) -> Option<Mark> {
    let mut record = [0; RECORD];
    let mut file = files.read(&path_of(log)).ok()?;
    if end == Edge::Last {
        let length = file.seek(SeekFrom::End(0)).ok()?;
        let records = length / RECORD as u64;
        file.seek(SeekFrom::Start(records.checked_sub(1)? * RECORD as u64))
            .ok()?;
    }
    file.read_exact(&mut record).ok()?;
    Mark::decode(&record)
}

/// An end of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edge {
    First,
    Last,
}

/// The marks in a piece of an index, whatever bytes it holds: what is no mark, or lies before its predecessor or
/// before `reached`, is passed over, and so is a torn record at the end.
pub fn marks(records: &[u8], reached: u64) -> impl Iterator<Item = Mark> {
    let mut reached = reached;
    records
        .chunks_exact(RECORD)
        .filter_map(Mark::decode)
        .filter(move |mark| {
            let forward = mark.offset >= reached;
            reached = reached.max(mark.offset);
            forward
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(time: i64, offset: u64) -> Mark {
        Mark {
            time: Wall::from_micros(time),
            offset,
        }
    }

    #[test]
    fn marks_round_trip() {
        for mark in [
            mark(0, 0),
            mark(1_795_361_091_123_456, 16 << 20),
            mark((1 << 55) - 1, (1 << 48) - 1),
        ] {
            assert_eq!(Mark::decode(&mark.encode()), Some(mark));
        }
    }

    #[test]
    fn a_changed_record_is_no_mark() {
        let record = mark(1_795_361_091_123_456, 123_456).encode();
        for bit in 0..RECORD * 8 {
            let mut changed = record;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Mark::decode(&changed), None, "bit {bit}");
        }
        assert_eq!(Mark::decode(&[0; RECORD]), None);
        assert_eq!(Mark::decode(&[0xff; RECORD]), None);
        assert_eq!(Mark::decode(b"short"), None);
    }

    #[test]
    fn garbage_between_marks_is_passed_over() {
        let mut bytes = mark(10, 0).encode().to_vec();
        bytes.extend_from_slice(&[7; RECORD]);
        bytes.extend_from_slice(&mark(20, 100).encode());
        bytes.extend_from_slice(&mark(15, 50).encode());
        bytes.extend_from_slice(&mark(30, 100).encode());
        bytes.extend_from_slice(b"torn");
        let marks: Vec<Mark> = marks(&bytes, 0).collect();
        assert_eq!(marks, [mark(10, 0), mark(20, 100), mark(30, 100)]);
    }

    #[test]
    fn the_index_stays_small_beside_its_log() {
        let mut index = IndexWriter::default();
        let mut length = 0;
        for step in 0..100_000_i64 {
            let now = Now {
                instant: Instant::from_nanos(0),
                wall: Wall::from_micros(step * 1_000),
            };
            index.note(length, now);
            length += 20;
        }
        assert!(index.length <= longest(length));
        assert!(index.length >= length / 16);
    }
}
