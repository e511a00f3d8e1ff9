//! Which files may be executed, and which of them a command means; asked when units are checked.

use std::path::Path;

use crate::variables::BETWEEN_PATHS;

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

/// The file a path means as a program: itself.
#[cfg(unix)]
pub fn program_at(path: &str) -> Option<String> {
    is_executable(Path::new(path)).then(|| path.to_owned())
}

/// The file a path means as a program: itself, or with the first ending that Windows executes and there is a file for.
#[cfg(windows)]
pub fn program_at(path: &str) -> Option<String> {
    // In the order the system tries them.
    const ENDINGS: [&str; 4] = ["com", "exe", "bat", "cmd"];
    if is_executable(Path::new(path)) {
        return Some(path.to_owned());
    }
    ENDINGS
        .iter()
        .map(|ending| format!("{path}.{ending}"))
        .find(|path| Path::new(path).is_file())
}

/// The program a bare name means in a list of directories, as `PATH` holds one.
pub fn find_program(name: &str, search_path: &str) -> Option<String> {
    let directories = search_path.split(BETWEEN_PATHS);
    let mut places = directories
        .map(|directory| directory.trim_matches('"'))
        .filter(|directory| !directory.is_empty())
        .map(|directory| format!("{}/{name}", directory.trim_end_matches(['/', '\\'])));
    places.find_map(|place| program_at(&place))
}
