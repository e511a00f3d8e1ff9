//! Whether a file may be executed, as far as its mode tells; asked when units are checked.

use std::path::Path;

/// Whether anybody may execute the file at `path`, symbolic links followed.
#[cfg(unix)]
pub fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path)
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// Whether the file at `path` has an ending that Windows executes.
#[cfg(windows)]
pub fn is_executable(path: &Path) -> bool {
    let ending = path
        .extension()
        .and_then(|ending| ending.to_str())
        .unwrap_or_default();
    ["exe", "com", "bat", "cmd"]
        .iter()
        .any(|known| ending.eq_ignore_ascii_case(known))
        && path.is_file()
}
