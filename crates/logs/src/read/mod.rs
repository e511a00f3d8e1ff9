//! The way back: lines of a service out of its current and rotated files, with the times they arrived.
//!
//! For `aplomb logs`, which runs in a process of its own beside the engine that writes and rotates the same files. Never
//! holds more than a line and a buffer, nor waits: at the end a `Reader` says "nothing now" and can be asked again.
//! What a terminal looks like is not here.

mod merge;
mod reader;
mod segment;
mod times;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::clock::Wall;
use crate::settings::Origin;

pub use merge::Merge;
pub use reader::Reader;

/// Where lines come from: one log, with its rotated files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub service: Arc<str>,
    pub origin: Origin,
    /// The current file, `NAME.log`.
    pub file: PathBuf,
}

/// One line as it was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub service: Arc<str>,
    pub origin: Origin,
    /// When it arrived, as far as the time index knows; else when the file was last written; `None` if even that
    /// cannot be known.
    pub time: Option<Wall>,
    /// Without its line break.
    pub bytes: Vec<u8>,
}

/// Where reading begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginning {
    /// With the oldest line kept.
    Oldest,
    /// With the last so many lines, found from the end.
    Last(u64),
    /// With the first line that arrived at this time or later; earlier ones are left out.
    Since(Wall),
}

/// A log file that cannot be read. Reading can go on behind it.
#[derive(Debug, thiserror::Error)]
#[error("cannot read `{}`", file.display())]
pub struct ReadError {
    pub file: PathBuf,
    pub source: io::Error,
}
