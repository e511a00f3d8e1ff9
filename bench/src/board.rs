//! The board: a file on which every child writes when it began, read here.
//!
//! Times come from the children themselves, so how often the board is read decides nothing but
//! how much the reader disturbs; a child costs no wake-up here. The other half is `probe/record.h`.
//! Slot 0 is the launcher's, service `i` has slot `i + 1`.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

const SLOT_BYTES: usize = 40;
const CHECK: u64 = 0x6170_6c6f_6d62;

/// What one process has written. Times in nanoseconds of CLOCK_MONOTONIC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) pid: i32,
    pub(crate) begun: u64,
    /// When its work was done; 0 while it works, and for a child that only sleeps.
    pub(crate) ended: u64,
    /// CPU time it had used at `ended`, in nanoseconds.
    pub(crate) cpu: u64,
}

impl Slot {
    /// `None` while nothing has been written, or only half of it.
    fn parse(bytes: &[u8]) -> Option<Slot> {
        let mut words = bytes
            .chunks_exact(8)
            .filter_map(|word| Some(u64::from_ne_bytes(word.try_into().ok()?)));
        let (pid, begun, ended, cpu, check) = (
            words.next()?,
            words.next()?,
            words.next()?,
            words.next()?,
            words.next()?,
        );
        (pid != 0 && pid ^ begun ^ ended ^ cpu ^ CHECK == check).then_some(Slot {
            pid: i32::try_from(pid).ok()?,
            begun,
            ended,
            cpu,
        })
    }
}

/// The file, for a launcher and `count` services.
#[derive(Debug)]
pub(crate) struct Board {
    path: PathBuf,
    file: File,
    count: usize,
}

impl Board {
    /// An empty board at `path`; one that is there already is replaced.
    pub(crate) fn create(path: &Path, count: usize) -> io::Result<Board> {
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)?;
        // Written, not only sized: the pages are ours, none is charged to who is measured.
        file.write_all_at(&vec![0; (count + 1) * SLOT_BYTES], 0)?;
        Ok(Board {
            path: path.to_owned(),
            file,
            count,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// What the launcher wrote just before it became the supervisor.
    pub(crate) fn launcher(&self) -> io::Result<Option<Slot>> {
        let mut bytes = [0; SLOT_BYTES];
        self.file.read_exact_at(&mut bytes, 0)?;
        Ok(Slot::parse(&bytes))
    }

    /// One service's slot.
    pub(crate) fn service(&self, number: usize) -> io::Result<Option<Slot>> {
        let mut bytes = [0; SLOT_BYTES];
        self.file
            .read_exact_at(&mut bytes, ((number + 1) * SLOT_BYTES) as u64)?;
        Ok(Slot::parse(&bytes))
    }

    /// All services' slots, in order.
    pub(crate) fn services(&self) -> io::Result<Vec<Option<Slot>>> {
        let mut bytes = vec![0; self.count * SLOT_BYTES];
        self.file.read_exact_at(&mut bytes, SLOT_BYTES as u64)?;
        Ok(bytes.chunks_exact(SLOT_BYTES).map(Slot::parse).collect())
    }

    /// Waits until every service has begun after `since`, at most until `deadline`.
    /// Returns the slots if so, else how many have.
    pub(crate) fn wait_for_all(
        &self,
        since: u64,
        deadline: u64,
    ) -> io::Result<Result<Vec<Slot>, usize>> {
        let pause = Duration::from_micros(self.count.clamp(200, 5000) as u64);
        loop {
            let slots = self.services()?;
            let fresh: Vec<Slot> = slots
                .into_iter()
                .flatten()
                .filter(|slot| slot.begun > since)
                .collect();
            if fresh.len() == self.count {
                return Ok(Ok(fresh));
            }
            if now() > deadline {
                return Ok(Err(fresh.len()));
            }
            thread::sleep(pause);
        }
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        // A board that cannot be removed lies in the work directory, which goes as a whole.
        let _ = fs::remove_file(&self.path);
    }
}

/// CLOCK_MONOTONIC in nanoseconds: the clock the children use.
pub(crate) fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// The moment this long from now.
pub(crate) fn after(wait: Duration) -> u64 {
    now() + wait.as_nanos() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(words: [u64; 5]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    #[test]
    fn a_whole_slot_is_read() {
        let check = 17 ^ 400 ^ 500 ^ 6 ^ CHECK;
        let slot = Slot::parse(&bytes([17, 400, 500, 6, check]));
        let expected = Slot {
            pid: 17,
            begun: 400,
            ended: 500,
            cpu: 6,
        };
        assert_eq!(slot, Some(expected));
    }

    #[test]
    fn a_slot_half_written_or_empty_is_none() {
        let check = 17 ^ 400 ^ CHECK;
        assert_eq!(Slot::parse(&bytes([17, 401, 0, 0, check])), None);
        assert_eq!(Slot::parse(&bytes([0, 0, 0, 0, CHECK])), None);
        assert_eq!(Slot::parse(&bytes([0; 5])), None);
    }

    #[test]
    fn waiting_ends_when_all_have_begun_since() {
        let path = std::env::temp_dir().join(format!("board-test-{}", std::process::id()));
        let board = Board::create(&path, 2).unwrap();
        let slot = |begun: u64| bytes([9, begun, 0, 0, 9 ^ begun ^ CHECK]);
        board.file.write_all_at(&slot(50), 40).unwrap();
        assert_eq!(board.wait_for_all(10, 0).unwrap(), Err(1));
        board.file.write_all_at(&slot(60), 80).unwrap();
        assert_eq!(board.wait_for_all(55, 0).unwrap(), Err(1));
        assert_eq!(board.wait_for_all(10, 0).unwrap().unwrap().len(), 2);
    }
}
