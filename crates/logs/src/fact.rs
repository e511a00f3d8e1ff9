//! What an engine may want to tell: once per change, never per line.

use std::io;
use std::path::PathBuf;

use crate::clock::Wall;
use crate::loss::Loss;
use crate::settings::Sink;

/// Something happened to a stream's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// The file was closed under this name and a new one begins.
    Rotated {
        file: PathBuf,
        bytes: u64,
        because: Because,
    },
    /// Rotation is due and cannot be done; the current file goes on. Said once until it works again.
    NotRotated { file: PathBuf, fault: Fault },
    /// A rotated file was removed because of the bounds on count, bytes or age.
    Removed { file: PathBuf },
    /// Somebody renamed, removed or emptied the file under us; a new one begins.
    Replaced { file: PathBuf },
    /// From now on lines are dropped and counted; a retry follows at `wakes_at`.
    Dropping {
        sink: Sink,
        fault: Fault,
        since: Wall,
    },
    /// Another attempt has failed; this much is lost so far.
    StillDropping { loss: Loss },
    /// Writing works again, and a line among the others says so; this much was lost.
    Recovered { sink: Sink, since: Wall, loss: Loss },
}

/// Why a file was rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Because {
    Size,
    Age,
    /// The time of day or week has come.
    Time,
    /// Somebody asked for it.
    Asked,
}

/// Why a file cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    DiskFull,
    QuotaExceeded,
    ReadOnly,
    NoPermission,
    /// A pipe, a directory, a device.
    NotAFile,
    /// Whatever else the system says.
    Other(io::ErrorKind),
}

impl Fault {
    pub(crate) fn of(error: &io::Error) -> Fault {
        // The system's kinds are open-ended by design, hence the last arm.
        let kind = error.kind();
        if kind == io::ErrorKind::StorageFull || kind == io::ErrorKind::WriteZero {
            Fault::DiskFull
        } else if kind == io::ErrorKind::QuotaExceeded {
            Fault::QuotaExceeded
        } else if kind == io::ErrorKind::ReadOnlyFilesystem {
            Fault::ReadOnly
        } else if kind == io::ErrorKind::PermissionDenied {
            Fault::NoPermission
        } else if kind == io::ErrorKind::InvalidInput || kind == io::ErrorKind::IsADirectory {
            Fault::NotAFile
        } else {
            Fault::Other(kind)
        }
    }

    /// For people: `the disk is full`.
    pub fn meaning(self) -> String {
        match self {
            Fault::DiskFull => "the disk is full".to_owned(),
            Fault::QuotaExceeded => "the disk quota is used up".to_owned(),
            Fault::ReadOnly => "the file system is read-only".to_owned(),
            Fault::NoPermission => "permission is denied".to_owned(),
            Fault::NotAFile => "it is not a regular file".to_owned(),
            Fault::Other(kind) => kind.to_string(),
        }
    }
}
