//! Where things lie that outlive us: definitions, logs, state. Root's are the system's, everybody else's their own.

use std::env;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::process;
use std::time::{SystemTime, UNIX_EPOCH};

/// Whose services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    System,
    User,
}

impl Owner {
    /// Root works for the system.
    pub(crate) fn current() -> Owner {
        if rustix::process::geteuid().is_root() {
            Owner::System
        } else {
            Owner::User
        }
    }

    /// Definitions made by `aplomb install`; an engine started at boot loads all of them.
    pub(crate) fn units(self) -> PathBuf {
        match self {
            Owner::System => "/etc/aplomb/services".into(),
            Owner::User => self.configuration().join("aplomb/services"),
        }
    }

    /// Settings of all programs.
    pub(crate) fn configuration(self) -> PathBuf {
        match self {
            Owner::System => "/etc".into(),
            Owner::User => own("XDG_CONFIG_HOME", ".config"),
        }
    }

    /// Logs that name no place of their own.
    pub(crate) fn logs(self) -> PathBuf {
        match self {
            Owner::System => "/var/log/aplomb".into(),
            Owner::User => self.state().join("log"),
        }
    }

    /// What an engine remembers from one life to the next.
    pub(crate) fn state(self) -> PathBuf {
        match self {
            Owner::System => "/var/lib/aplomb".into(),
            Owner::User => own("XDG_STATE_HOME", ".local/state").join("aplomb"),
        }
    }
}

/// A directory of the XDG base directory specification; relative values are to be ignored.
fn own(variable: &str, below_home: &str) -> PathBuf {
    let named = env::var_os(variable).map(PathBuf::from);
    named.filter(|path| path.is_absolute()).unwrap_or_else(|| {
        env::home_dir()
            .unwrap_or_else(|| "/".into())
            .join(below_home)
    })
}

/// Nothing: each directory is made where it is needed, below those that only root may write.
pub(crate) fn prepare() -> io::Result<()> {
    Ok(())
}

/// A new directory for temporary things of ours, closed to others.
pub(crate) fn make_private(name: &str) -> io::Result<PathBuf> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let name = format!("{name}-{}-{}", process::id(), now.as_nanos());
    let path = env::temp_dir().join(name);
    // Not recursive: what is there already was made by somebody else.
    DirBuilder::new().mode(0o700).create(&path)?;
    Ok(path)
}
