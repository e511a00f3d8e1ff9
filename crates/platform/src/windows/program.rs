//! The file a command names: a path, or a bare name looked up as the system would, endings added.

use std::path::Path;

use super::environment;
use crate::executable::{find_program, program_at};
use crate::variables::BETWEEN_PATHS;
use crate::{Launch, SpawnError};

/// The file to execute.
pub(crate) fn find(launch: &Launch<'_>) -> Result<String, SpawnError> {
    let not_found = || SpawnError::NotFound {
        program: launch.program.to_owned(),
    };
    let is_path = launch.program.contains(['/', '\\']);
    if is_path {
        let found = program_at(launch.program);
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
    let of_variable = || {
        let path = environment::value(launch.env, "PATH").map(str::to_owned);
        path.or_else(|| std::env::var("PATH").ok())
            .unwrap_or_default()
    };
    let directories = if launch.search_path.is_empty() {
        of_variable()
    } else {
        launch.search_path.join(BETWEEN_PATHS)
    };
    find_program(launch.program, &directories).ok_or_else(not_found)
}

/// Whether the command interpreter has to read it.
pub(crate) fn is_batch(path: &str) -> bool {
    let ending = Path::new(path)
        .extension()
        .and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| {
        ending.eq_ignore_ascii_case("bat") || ending.eq_ignore_ascii_case("cmd")
    })
}
