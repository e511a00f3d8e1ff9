//! Leaving the terminal's session.

use std::process::Command;

/// Nothing: the child leaves by itself, first thing, because only then no code runs between fork and exec.
pub(crate) fn apart(_engine: &mut Command) {}

/// Leaves the terminal's session; called by the detached engine before anything else.
pub(crate) fn leave() {
    // Fails only for the leader of a process group, which is out of reach of the terminal's signals already.
    let _ = rustix::process::setsid();
}

/// A directory nobody removes, for an engine to be in.
pub(crate) fn safe_directory() -> &'static str {
    "/"
}
