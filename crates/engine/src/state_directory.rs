//! The directory of what outlives an engine: its lock, and the numbers of runs.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use aplomb_core::RunId;

use crate::engine::EngineError;

/// A directory of what outlives an engine.
#[derive(Debug)]
pub struct StateDirectory {
    path: PathBuf,
    /// Held while we live; by the keeper, where there is one.
    lock: Option<File>,
}

/// Run numbers set aside at each beginning: more than any engine's life uses.
const RESERVED: u64 = 1 << 32;

impl StateDirectory {
    /// Makes the directory if it is missing, and locks it, so that no two engines share it.
    ///
    /// # Errors
    /// Another engine has it, or it cannot be made.
    pub fn claim(path: &Path) -> Result<StateDirectory, EngineError> {
        let fail = |source| EngineError::StateDirectory {
            path: path.to_owned(),
            source,
        };
        fs::create_dir_all(path).map_err(fail)?;
        // Opened to be read: a directory that takes nothing any more may still be locked.
        let name = path.join("lock");
        let lock = match File::create(&name) {
            Err(_) if name.is_file() => File::open(&name),
            opened => opened,
        };
        let lock = lock.map_err(fail)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                return Err(EngineError::StateInUse {
                    path: path.to_owned(),
                });
            }
            Err(fs::TryLockError::Error(source)) => return Err(fail(source)),
        }
        Ok(StateDirectory {
            path: path.to_owned(),
            lock: Some(lock),
        })
    }

    /// A directory that was claimed before, by somebody who still holds it for us.
    pub fn held_by_keeper(path: &Path) -> StateDirectory {
        StateDirectory {
            path: path.to_owned(),
            lock: None,
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The lock, for whoever is to hold it from now on.
    pub fn take_lock(&mut self) -> Option<File> {
        self.lock.take()
    }

    /// The number of the next run, never used before, as far as this directory remembers. Where it cannot be written,
    /// the clock gives a number no other engine has used.
    pub(crate) fn reserve_runs(&self) -> RunId {
        reserve_runs(&self.path).unwrap_or_else(|_| {
            let now = std::time::SystemTime::now();
            let since = now
                .duration_since(std::time::UNIX_EPOCH)
                .unwrap_or_default();
            RunId(1 << 62 | u64::try_from(since.as_nanos()).unwrap_or(0) >> 2)
        })
    }
}

/// Reads the first unused run number and writes down that a whole block is used from now on, the new file in place of
/// the old in one step. A damaged file costs nothing but a jump past everything it could have said.
fn reserve_runs(path: &Path) -> io::Result<RunId> {
    let file = path.join("next-run");
    let first = match fs::read_to_string(&file) {
        Ok(text) => text.trim().parse().unwrap_or(1 << 62),
        Err(why) if why.kind() == io::ErrorKind::NotFound => 1,
        Err(why) => return Err(why),
    };
    let next = path.join("next-run.new");
    fs::write(&next, format!("{}\n", first + RESERVED))?;
    fs::rename(&next, &file)?;
    Ok(RunId(first))
}
