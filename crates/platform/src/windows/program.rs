//! The file a command names: a path, or a bare name looked up as the system would, endings added.

use std::path::Path;

use super::environment;
use crate::{Launch, SpawnError};

/// Endings this platform executes, in the order they are tried.
const ENDINGS: [&str; 4] = ["exe", "com", "bat", "cmd"];

/// The file to execute.
pub(crate) fn find(launch: &Launch<'_>) -> Result<String, SpawnError> {
    let not_found = || SpawnError::NotFound {
        program: launch.program.to_owned(),
    };
    let is_path = launch.program.contains(['/', '\\']);
    if is_path {
        let found = with_ending(launch.program);
        return match found {
            Some(path) => Ok(path),
            None if Path::new(launch.program).is_dir() => Err(SpawnError::NotExecutable {
                program: launch.program.to_owned(),
            }),
            None if Path::new(launch.program).exists() => Err(SpawnError::BadFormat {
                program: launch.program.to_owned(),
            }),
            None => Err(not_found()),
        };
    }
    let path = environment::value(launch.env, "PATH").map(str::to_owned);
    let path = path.or_else(|| std::env::var("PATH").ok());
    let path = path.unwrap_or_default();
    let of_variable = path.split(';').filter(|directory| !directory.is_empty());
    let directories: Vec<&str> = if launch.search_path.is_empty() {
        of_variable.collect()
    } else {
        launch.search_path.iter().map(String::as_str).collect()
    };
    let mut paths = directories
        .iter()
        .map(|directory| Path::new(directory.trim_matches('"')).join(launch.program));
    paths
        .find_map(|path| with_ending(path.to_str()?))
        .ok_or_else(not_found)
}

/// The path as it stands where its ending is one of ours, else with the first ending for which there is a file.
fn with_ending(path: &str) -> Option<String> {
    if crate::is_executable(Path::new(path)) {
        return Some(path.to_owned());
    }
    ENDINGS
        .iter()
        .map(|ending| format!("{path}.{ending}"))
        .find(|path| Path::new(path).is_file())
}

/// Whether the command interpreter has to read it.
pub(crate) fn is_batch(path: &str) -> bool {
    let ending = Path::new(path).extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| {
        ending.eq_ignore_ascii_case("bat") || ending.eq_ignore_ascii_case("cmd")
    })
}
