//! Where the record is written: a file in the state directory, else memory of the keeper's, else nowhere.
//!
//! Entries are gathered and written with one call. A snapshot takes the place of the whole: the file is renamed over the
//! old one, in memory it is written beside the old one, which is cut off then. A directory that takes nothing is said once,
//! and tried again with every snapshot.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};

use super::line::encode;
use super::{Entry, Head, Left, Unreadable, read};

const NAME: &str = "running";
const NEW: &str = "running.new";
/// A record that has grown by this much since its snapshot, and to twice its size, gets a new one.
const GROWTH: u64 = 256 << 10;

/// Places for the record.
#[derive(Debug, Default)]
pub struct Storage {
    pub directory: Option<PathBuf>,
    /// Memory that outlives this process.
    pub memory: Option<ManuallyDrop<File>>,
}

#[derive(Debug)]
pub(crate) struct Journal {
    storage: Storage,
    medium: Medium,
    buffer: Vec<u8>,
    head: Head,
    /// Bytes of the last snapshot, and of all since.
    snapshot: u64,
    grown: u64,
    /// The directory does not take it, which was said.
    refused: bool,
    /// Where the living part begins in memory.
    begins: u64,
}

#[derive(Debug)]
enum Medium {
    /// Before the first snapshot, or with no place at all.
    Nowhere,
    File(File),
    Memory,
}

/// What a snapshot came to, where it is news.
#[derive(Debug)]
pub(crate) enum News {
    /// The directory takes nothing; `kept`: memory does instead.
    Refused { why: io::Error, kept: bool },
    /// It takes it again.
    Accepted,
}

impl Storage {
    /// What an earlier engine has left, with the reason why a file in the state directory says nothing.
    pub(crate) fn read(&mut self) -> (Vec<Left>, Option<Unreadable>) {
        let mut all = Vec::new();
        let mut fault = None;
        if let Some(directory) = &self.directory {
            match aplomb_platform::read_private(&directory.join(NAME)) {
                Ok(bytes) => match read(&bytes) {
                    Ok(left) => all.extend(left),
                    Err(why) => fault = Some(why),
                },
                Err(why) if why.kind() == io::ErrorKind::NotFound => {}
                Err(why) => fault = Some(Unreadable::Withheld(why.kind())),
            }
        }
        if let Some(memory) = &mut self.memory {
            let mut bytes = Vec::new();
            let got = memory
                .seek(SeekFrom::Start(0))
                .and_then(|_| memory.read_to_end(&mut bytes));
            if got.is_ok() {
                all.extend(read(&bytes).ok().flatten());
            }
        }
        (all, fault)
    }
}

impl Journal {
    pub(crate) fn new(storage: Storage, head: Head) -> Journal {
        Journal {
            storage,
            medium: Medium::Nowhere,
            buffer: Vec::new(),
            head,
            snapshot: 0,
            grown: 0,
            refused: false,
            begins: 0,
        }
    }

    /// Whether there is anybody to write for.
    pub(crate) fn is_wanted(&self) -> bool {
        self.storage.directory.is_some() || self.storage.memory.is_some()
    }

    pub(crate) fn note(&mut self, entry: &Entry) {
        encode(entry, &mut self.buffer);
    }

    /// A snapshot should be taken.
    pub(crate) fn is_long(&self) -> bool {
        self.grown > GROWTH && self.grown > 2 * self.snapshot
    }

    /// Writes what was noted. `false`: it was not taken, and a snapshot has to be.
    pub(crate) fn flush(&mut self) -> bool {
        if self.buffer.is_empty() {
            return true;
        }
        self.grown += self.buffer.len() as u64;
        let written = match &mut self.medium {
            Medium::Nowhere => Ok(()),
            Medium::File(file) => file.write_all(&self.buffer),
            Medium::Memory => match &mut self.storage.memory {
                Some(memory) => memory.write_all(&self.buffer),
                None => Ok(()),
            },
        };
        self.buffer.clear();
        self.buffer.shrink_to(16 << 10);
        written.is_ok()
    }

    /// Writes all there is to know, in place of all that was said.
    pub(crate) fn snapshot(&mut self, entries: impl Iterator<Item = Entry>) -> Option<News> {
        self.head.serial += 1;
        let mut bytes = Vec::new();
        encode(&Entry::Head(self.head.clone()), &mut bytes);
        for entry in entries {
            encode(&entry, &mut bytes);
        }
        encode(&Entry::Seal, &mut bytes);
        self.buffer.clear();
        self.snapshot = bytes.len() as u64;
        self.grown = 0;
        let refused = match &self.storage.directory {
            Some(directory) => match replace(directory, &bytes) {
                Ok(file) => {
                    self.medium = Medium::File(file);
                    return std::mem::take(&mut self.refused).then_some(News::Accepted);
                }
                Err(why) => {
                    // What is there is true no more.
                    let _gone = fs::remove_file(directory.join(NAME));
                    Some(why)
                }
            },
            None => None,
        };
        let kept = self.write_memory(&bytes).is_ok();
        self.medium = if kept {
            Medium::Memory
        } else {
            Medium::Nowhere
        };
        let why = refused.filter(|_| !std::mem::replace(&mut self.refused, true))?;
        Some(News::Refused { why, kept })
    }

    /// Before the living part if it fits there, else behind it: at every moment a whole snapshot is the last one.
    fn write_memory(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(memory) = &mut self.storage.memory else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let length = bytes.len() as u64;
        if length < self.begins {
            memory.seek(SeekFrom::Start(0))?;
            memory.write_all(bytes)?;
            memory.set_len(length)?;
            self.begins = 0;
        } else {
            self.begins = memory.seek(SeekFrom::End(0))?;
            memory.write_all(bytes)?;
        }
        Ok(())
    }

    /// There is nothing to go on with any more.
    pub(crate) fn clear(&mut self) {
        if let Some(directory) = &self.storage.directory {
            let _gone = fs::remove_file(directory.join(NAME));
        }
        if let Some(memory) = &mut self.storage.memory {
            let _gone = memory.set_len(0);
        }
        self.medium = Medium::Nowhere;
        self.storage = Storage::default();
    }
}

/// Writes a new file and puts it in the place of the old one, in one step.
fn replace(directory: &Path, bytes: &[u8]) -> io::Result<File> {
    let new = directory.join(NEW);
    // Whatever lies there is nobody's; a link is not followed.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = aplomb_platform::create_private(&new)?;
    let written = file.write_all(bytes);
    let placed = written.and_then(|()| fs::rename(&new, directory.join(NAME)));
    if let Err(error) = placed {
        let _gone = fs::remove_file(&new);
        return Err(error);
    }
    Ok(file)
}
