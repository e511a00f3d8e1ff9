//! What an engine leaves to its keeper to be done after its end: a word in memory both see.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use super::estate::{Estate, Place};

/// Longest path the kernel takes.
const LONGEST: usize = 4096;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Errand {
    Nothing,
    /// It carries what was left to it.
    Settled,
    /// Another program is to go on.
    Upgrade(PathBuf),
}

impl Errand {
    pub(super) fn leave(&self, estate: &Estate) -> io::Result<()> {
        let words: Vec<u8> = match self {
            Errand::Nothing => vec![0],
            Errand::Settled => vec![1],
            Errand::Upgrade(program) => {
                let path = program.as_os_str().as_bytes();
                if path.len() >= LONGEST || path.contains(&0) {
                    return Err(io::ErrorKind::InvalidFilename.into());
                }
                [&[2], path].concat()
            }
        };
        let file = estate.get(Place::Errand);
        // Shorter first: a word half written is none.
        rustix::fs::ftruncate(file, 0)?;
        rustix::io::pwrite(file, &words, 0)?;
        Ok(())
    }

    pub(super) fn left(estate: &Estate) -> Errand {
        let mut words = vec![0; LONGEST + 1];
        let read = rustix::io::pread(estate.get(Place::Errand), &mut words, 0).unwrap_or(0);
        words.truncate(read);
        match words.split_first() {
            Some((1, _)) => Errand::Settled,
            Some((2, path)) if !path.is_empty() => {
                Errand::Upgrade(OsString::from_vec(path.to_vec()).into())
            }
            Some(_) | None => Errand::Nothing,
        }
    }
}
