//! What is about to be done to files, told before it is done, so that it can be undone.
//!
//! A file grows from a length, or gets another name: that is all a stream does to what it has written. Whoever knows
//! both, in order, can bring the files back to where they were before a chunk, and write the chunk again.

use std::fmt::Debug;
use std::fs::{self, OpenOptions};
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};

use crate::clock::Wall;
use crate::files::{Disk, FileEnd, Files, Input, LogHandle, Output};

/// One step, as it can be undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The file at this path, of this identity, grows from this length.
    Grows {
        path: PathBuf,
        identity: u64,
        from: u64,
    },
    Renamed {
        from: PathBuf,
        to: PathBuf,
    },
}

/// Hears of each step before it is taken.
pub trait Ledger: Debug + Send {
    fn before(&mut self, step: &Step);
}

/// Undoes steps, the last one first. A file that is not what it was is left as it is.
pub fn undo(steps: &[Step]) {
    for step in steps.iter().rev() {
        // What cannot be undone is told twice in the log, which is better than not at all.
        let _left = match step {
            Step::Grows {
                path,
                identity,
                from,
            } => cut(path, *identity, *from),
            Step::Renamed { from, to } => fs::rename(to, from),
        };
    }
}

fn cut(path: &Path, identity: u64, length: u64) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    let metadata = file.metadata()?;
    if identity_of(&metadata) == identity && metadata.len() > length {
        file.set_len(length)?;
    }
    Ok(())
}

/// When it came to be tells a file from another that has its name now, as finely as the file system knows.
fn identity_of(metadata: &fs::Metadata) -> u64 {
    let born = metadata.created().ok();
    let since = born.and_then(|born| born.duration_since(std::time::UNIX_EPOCH).ok());
    since.map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(0))
}

/// The file system, with a ledger that hears of each step.
#[derive(Debug)]
pub(crate) struct Told {
    disk: Disk,
    ledger: Shared,
}

/// One ledger, for the directory and each open file.
type Shared = std::sync::Arc<std::sync::Mutex<Box<dyn Ledger>>>;

fn tell(ledger: &Shared, step: &Step) {
    let mut ledger = ledger
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    ledger.before(step);
}

impl Told {
    pub(crate) fn new(ledger: Box<dyn Ledger>) -> Told {
        Told {
            disk: Disk,
            ledger: std::sync::Arc::new(std::sync::Mutex::new(ledger)),
        }
    }
}

impl Files for Told {
    fn append(&mut self, path: &Path) -> io::Result<Box<dyn LogHandle>> {
        Ok(Box::new(ToldHandle {
            handle: self.disk.append(path)?,
            path: path.to_owned(),
            identity: fs::metadata(path).map_or(0, |metadata| identity_of(&metadata)),
            ledger: self.ledger.clone(),
        }))
    }

    fn create(&mut self, path: &Path) -> io::Result<Box<dyn Output>> {
        self.disk.create(path)
    }

    fn read(&mut self, path: &Path) -> io::Result<Box<dyn Input>> {
        self.disk.read(path)
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let step = Step::Renamed {
            from: from.to_owned(),
            to: to.to_owned(),
        };
        tell(&self.ledger, &step);
        self.disk.rename(from, to)
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn length(&mut self, path: &Path) -> Option<u64> {
        self.disk.length(path)
    }

    fn list(
        &mut self,
        dir: &Path,
        wanted: &dyn Fn(&str) -> bool,
    ) -> io::Result<Vec<(String, u64)>> {
        self.disk.list(dir, wanted)
    }
}

#[derive(Debug)]
struct ToldHandle {
    handle: Box<dyn LogHandle>,
    path: PathBuf,
    identity: u64,
    ledger: Shared,
}

impl LogHandle for ToldHandle {
    fn write(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let step = Step::Grows {
            path: self.path.clone(),
            identity: self.identity,
            from: self.handle.length()?,
        };
        tell(&self.ledger, &step);
        self.handle.write(parts)
    }

    fn end(&mut self) -> io::Result<FileEnd> {
        self.handle.end()
    }

    fn length(&mut self) -> io::Result<u64> {
        self.handle.length()
    }

    fn is_at(&mut self, path: &Path) -> bool {
        self.handle.is_at(path)
    }

    fn born(&mut self) -> Option<Wall> {
        self.handle.born()
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.handle.truncate(length)
    }
}
