//! Where things lie that outlive us: below `C:\ProgramData\Aplomb` for administrators and services of the system, below
//! the user's own local application data for everybody else.

use std::env;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::process;
use std::time::{SystemTime, UNIX_EPOCH};

use aplomb_platform::windows;

/// Whose services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    System,
    User,
}

impl Owner {
    /// Who has an administrator's full rights works for the system.
    pub(crate) fn current() -> Owner {
        if windows::is_elevated() {
            Owner::System
        } else {
            Owner::User
        }
    }

    /// Definitions made by `aplomb install`.
    pub(crate) fn units(self) -> PathBuf {
        windows::directories::root().join("services")
    }

    /// Logs that name no place of their own.
    pub(crate) fn logs(self) -> PathBuf {
        windows::directories::root().join("log")
    }

    /// What an engine remembers from one life to the next.
    pub(crate) fn state(self) -> PathBuf {
        windows::directories::root().join("state")
    }
}

/// Makes the directory all of ours lie below, closed to others where it is the system's.
pub(crate) fn prepare() -> io::Result<()> {
    windows::directories::prepare()
}

/// A new directory for temporary things of ours. The system's place for them is the user's own.
pub(crate) fn make_private(name: &str) -> io::Result<PathBuf> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let name = format!("{name}-{}-{}", process::id(), now.as_nanos());
    let path = env::temp_dir().join(name);
    // Not recursive: what is there already was made by somebody else.
    fs::create_dir(&path)?;
    Ok(path)
}
