//! Where a service's own directories lie: below `C:\ProgramData\Aplomb` for the system's services, below the user's
//! local application data for his own. There they inherit who may enter them.

use std::env;
use std::io;
use std::path::PathBuf;

use aplomb_core::spec::{OwnDirectory, OwnDirectoryKind};

use super::{is_elevated, sys};

/// The directory all of ours lie below.
pub fn root() -> PathBuf {
    let own = env::var_os("LOCALAPPDATA").map(PathBuf::from);
    let own = own.filter(|path| path.is_absolute() && !is_elevated());
    let of_all = || sys::folder::of_all_users().unwrap_or_else(|| r"C:\ProgramData".to_owned());
    own.unwrap_or_else(|| of_all().into()).join("Aplomb")
}

/// Sees to it that the root is there, and for an administrator or the system that nobody else may enter: what lies below
/// is executed with their rights, and `C:\ProgramData` lets everybody make directories.
///
/// Errors: it cannot be made; somebody else made it.
pub fn prepare() -> io::Result<()> {
    let root = root();
    if !is_elevated() {
        return std::fs::create_dir_all(root);
    }
    let root = root.to_str().ok_or(io::ErrorKind::InvalidInput)?;
    sys::folder::closed(root)
}

pub(crate) fn path_of(directory: &OwnDirectory) -> PathBuf {
    let kind = match directory.kind {
        OwnDirectoryKind::Runtime => "run",
        OwnDirectoryKind::State => "state",
        OwnDirectoryKind::Cache => "cache",
        OwnDirectoryKind::Logs => "log",
        OwnDirectoryKind::Configuration => "config",
    };
    let name = directory.name.replace('/', r"\");
    root().join(kind).join(name)
}

pub(crate) fn make(directory: &OwnDirectory) -> io::Result<()> {
    std::fs::create_dir_all(path_of(directory))
}
