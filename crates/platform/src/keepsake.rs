//! Keepsakes: by what an engine's platform finds again what the platform of a dead engine held.
//!
//! Plain words and numbers, to be written down by the engine. A descriptor's number means something only to a process
//! that uses the dead engine's table of descriptors; each comes with the number of its inode, so that one that means
//! something else by now is recognised. A process is named by its number and a moment at which it had that number.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use aplomb_core::{End, Instant};

use crate::Started;

/// A descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Descriptor {
    pub number: i32,
    pub inode: u64,
}

/// A process. Whoever has its number and was begun later than `alive_at` is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessKeepsake {
    pub pid: u32,
    pub alive_at: Instant,
}

/// A process tree.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TreeKeepsake {
    pub name: String,
    /// The name of its control group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Groups of version 1, by controller.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub old_groups: Vec<(String, PathBuf)>,
    /// Variables of the environment that mark its members.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<String>,
    /// The pipe on which one of its programs says that it is ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<Descriptor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Descriptor>,
    /// Private directories for temporary files, with the public ones they stand for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub private_tmp: Vec<(PathBuf, PathBuf)>,
    /// Directories that go with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runtime: Vec<PathBuf>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub was_killed: bool,
    /// Its group served an earlier run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_second_hand: bool,
}

/// A socket held for a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SocketKeepsake {
    pub socket: Descriptor,
    /// What is to be removed when it is closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
}

/// Both ends of an output's pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamKeepsake {
    pub reads: Descriptor,
    pub writes: Descriptor,
}

/// What belongs to no service.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PlatformKeepsake {
    /// The directory of all trees' control groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<PathBuf>,
    /// The socket for sd_notify(3), and its address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify: Option<(Descriptor, String)>,
    /// The control endpoint and its lock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<(Descriptor, Descriptor)>,
}

/// What became of a process an earlier engine began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// It runs; its end will be told.
    Living(Started),
    /// It has ended, as far as anybody knows how.
    Ended(End),
}
