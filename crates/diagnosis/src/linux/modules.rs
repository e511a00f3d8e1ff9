//! The files of programs and libraries, opened from outside the process that has them mapped.
//!
//! First by the mapping itself (`map_files`), which leads to the very file even if it was removed since, but is for
//! root alone; else by its path, in the root directory the process has. The path is the process's choice, so it is
//! followed only inside that root, nothing but a plain file is opened, and it must be the file that was mapped.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};

use crate::Mapping;
use crate::stack::{ModuleFile, Modules};

/// The files mapped into one process.
///
/// Bound to the process that had the number at its making; when that one has ended, nothing is opened any more.
#[derive(Debug)]
pub struct ProcessFiles {
    directory: OwnedFd,
}

impl ProcessFiles {
    /// For the process that has this number now.
    ///
    /// # Errors
    /// If there is none.
    pub fn open(pid: u32) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self {
            directory: openat(CWD, format!("/proc/{pid}"), flags, Mode::empty())?,
        })
    }

    fn by_mapping(&self, mapping: &Mapping) -> Option<OwnedFd> {
        let link = format!("map_files/{:x}-{:x}", mapping.start, mapping.end);
        openat(
            &self.directory,
            link,
            OFlags::PATH | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .ok()
    }

    fn by_path(&self, mapping: &Mapping) -> Option<OwnedFd> {
        if mapping.is_deleted || !mapping.path.is_absolute() {
            return None;
        }
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let root = openat(&self.directory, "root", flags, Mode::empty()).ok()?;
        openat2(
            root,
            &mapping.path,
            flags,
            Mode::empty(),
            ResolveFlags::IN_ROOT,
        )
        .ok()
    }
}

impl Modules for ProcessFiles {
    fn open(&self, mapping: &Mapping) -> Option<Box<dyn ModuleFile>> {
        let (_, inode) = mapping.file?;
        let place = self.by_mapping(mapping).or_else(|| self.by_path(mapping))?;
        // Opened by its place first, which does nothing to a device or a pipe, and only then for reading. The device
        // is not compared: btrfs and overlays tell two for one file. The headers are, by whoever reads them.
        let metadata = File::from(place.try_clone().ok()?).metadata().ok()?;
        if !metadata.is_file() || metadata.ino() != inode {
            return None;
        }
        let again = Path::new(OsStr::new("/proc/self/fd")).join(fd_number(&place));
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = openat(CWD, again, flags, Mode::empty()).ok()?;
        Some(Box::new(OnDisk(File::from(file))))
    }
}

fn fd_number(fd: &OwnedFd) -> String {
    use std::os::fd::AsRawFd as _;
    fd.as_raw_fd().to_string()
}

struct OnDisk(File);

impl ModuleFile for OnDisk {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(into, offset)
    }
}
