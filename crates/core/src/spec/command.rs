//! A program with its arguments, as it will be executed: never text for a shell.

use alloc::string::String;
use alloc::vec::Vec;

/// One program to execute.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Command {
    /// A path, or a bare name looked up in the search path of the service.
    pub program: String,
    /// What the program sees as its own name; `program` as written where absent.
    pub argv0: Option<String>,
    pub args: Vec<String>,
    /// A failure of this command counts as success (systemd's `-`).
    pub ignore_failure: bool,
    pub privilege: Privilege,
    pub expansion: Expansion,
}

/// With whose rights a command runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Privilege {
    /// As the service: its user, its limits, its sandbox.
    #[default]
    Service,
    /// Sandboxed, but without changing user (systemd's `!` and `!!`).
    KeepUser,
    /// As the engine itself (systemd's `+`).
    Full,
}

/// Whether `$NAME` in arguments is replaced when the command runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Expansion {
    /// Arguments are taken as they are.
    #[default]
    None,
    /// `${NAME}` inside a word, `$NAME` as a word of its own, `$$`; as systemd.service(5), "Command lines".
    Systemd,
}
