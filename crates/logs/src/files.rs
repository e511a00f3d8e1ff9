//! The few things asked of a file system, so that tests can make it fail in all the ways it does.
//!
//! The real one is std alone. Handles are opened to append, which makes each write land at the end whoever else
//! writes, and on Windows are shared for deletion, so that an open file can be renamed.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, Read, Seek, SeekFrom, Write};
use std::path::Path;

use same_file::Handle;

use crate::clock::Wall;

/// A place of files.
pub(crate) trait Files: Debug + Send {
    /// Opens to append, creating what is missing, the directory too. Never waits: what is no regular file is refused.
    fn append(&mut self, path: &Path) -> io::Result<Box<dyn LogHandle>>;
    /// Opens to be written from the start; an old content is gone.
    fn create(&mut self, path: &Path) -> io::Result<Box<dyn Output>>;
    /// Opens to be read from the start.
    fn read(&mut self, path: &Path) -> io::Result<Box<dyn Input>>;
    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove(&mut self, path: &Path) -> io::Result<()>;
    /// The length of what is there; `None` where nothing is.
    fn length(&mut self, path: &Path) -> Option<u64>;
    /// Names and lengths of a directory's entries, those kept by `wanted`.
    fn list(&mut self, dir: &Path, wanted: &dyn Fn(&str) -> bool)
    -> io::Result<Vec<(String, u64)>>;
}

/// A file being written, anywhere in it.
pub(crate) trait Output: Write + Debug + Send {}
impl<T: Write + Debug + Send> Output for T {}

/// A file being read.
pub(crate) trait Input: Read + Seek + Debug + Send {}
impl<T: Read + Seek + Debug + Send> Input for T {}

/// An open log file.
pub(crate) trait LogHandle: Debug + Send {
    /// As `Write::write_vectored`: may take less than all.
    fn write(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize>;
    /// Where the file ends, and whether a line does there.
    fn end(&mut self) -> io::Result<FileEnd>;
    /// How long the file is.
    fn length(&mut self) -> io::Result<u64> {
        self.end().map(|end| end.length)
    }
    /// Whether the path still leads to this file; true where that cannot be known.
    fn is_at(&mut self, path: &Path) -> bool;
    /// When the file came to be, where the file system remembers.
    fn born(&mut self) -> Option<Wall>;
    fn truncate(&mut self, length: u64) -> io::Result<()>;
}

/// The end of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileEnd {
    pub(crate) length: u64,
    /// The last byte is a line break, or there is none.
    pub(crate) whole: bool,
}

/// The file system itself.
#[derive(Debug)]
pub(crate) struct Disk;

impl Files for Disk {
    fn append(&mut self, path: &Path) -> io::Result<Box<dyn LogHandle>> {
        let file = match open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if let Some(dir) = path.parent() {
                    fs::create_dir_all(dir)?;
                }
                open(path)?
            }
            other => other?,
        };
        Ok(Box::new(DiskHandle(Handle::from_file(file)?)))
    }

    fn create(&mut self, path: &Path) -> io::Result<Box<dyn Output>> {
        Ok(Box::new(File::create(path)?))
    }

    fn read(&mut self, path: &Path) -> io::Result<Box<dyn Input>> {
        Ok(Box::new(File::open(path)?))
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn length(&mut self, path: &Path) -> Option<u64> {
        fs::symlink_metadata(path)
            .ok()
            .map(|metadata| metadata.len())
    }

    fn list(
        &mut self,
        dir: &Path,
        wanted: &dyn Fn(&str) -> bool,
    ) -> io::Result<Vec<(String, u64)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            if let Some(name) = entry.file_name().to_str()
                && wanted(name)
            {
                let length = entry.metadata().map_or(0, |metadata| metadata.len());
                found.push((name.to_owned(), length));
            }
        }
        Ok(found)
    }
}

/// Opening a pipe or a terminal could wait for somebody; only what is a file, or nothing yet, is opened.
fn open(path: &Path) -> io::Result<File> {
    if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a regular file",
        ));
    }
    OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .open(path)
}

#[derive(Debug)]
struct DiskHandle(Handle);

impl LogHandle for DiskHandle {
    fn write(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.as_file_mut().write_vectored(parts)
    }

    fn end(&mut self) -> io::Result<FileEnd> {
        let file = self.0.as_file_mut();
        let length = file.metadata()?.len();
        let mut last = *b"\n";
        if length > 0 {
            file.seek(SeekFrom::Start(length - 1))?;
            file.read_exact(&mut last)?;
        }
        Ok(FileEnd {
            length,
            whole: last == *b"\n",
        })
    }

    fn length(&mut self) -> io::Result<u64> {
        Ok(self.0.as_file().metadata()?.len())
    }

    fn is_at(&mut self, path: &Path) -> bool {
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => {
                Handle::from_path(path).map_or(true, |there| there == self.0)
            }
            Ok(_) => false,
            Err(error) => !matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ),
        }
    }

    fn born(&mut self) -> Option<Wall> {
        let metadata = self.0.as_file().metadata().ok()?;
        metadata.created().ok().map(Wall::from)
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.0.as_file_mut().set_len(length)
    }
}
