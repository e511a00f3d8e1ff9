//! Leaving the terminal's console: the engine is born without one.

use std::os::windows::process::CommandExt;
use std::process::Command;

const DETACHED_PROCESS: u32 = 0x0000_0008;
/// Ctrl+C in the console it comes from is not for it.
const CREATE_NEW_PROCESS_GROUP: u32 = 0x0000_0200;

/// The engine gets no console.
pub(crate) fn apart(engine: &mut Command) {
    aplomb_platform::windows::keep_standard_handles();
    engine.creation_flags(DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP);
}

/// Nothing: it was born outside.
pub(crate) fn leave() {}

/// A directory nobody removes, for an engine to be in.
pub(crate) fn safe_directory() -> String {
    std::env::var("SystemRoot").unwrap_or_else(|_| r"C:\".to_owned())
}
