//! Files nobody else may read.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

/// Makes a file to be appended to, which only its owner may read or write. What is there already is an error, also a link.
///
/// # Errors
/// The directory takes no file, or has one of this name.
pub fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
