//! What a service needs of others, and of the machine, before it may start.
//!
//! Requirement and order are independent, as in systemd.unit(5): a name in `requires` says "not without", a name in
//! `after` says "not before". The TOML dialect writes both for `requires` and `wants`.

use alloc::string::String;
use alloc::vec::Vec;

/// Relations to other services, by name; a name without `@` means every instance of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Depends {
    /// Started with us; if its start fails, ours fails; if it is stopped by an operator, so are we.
    pub requires: Vec<String>,
    /// Must be up already, else our start fails; never started for us.
    pub requisite: Vec<String>,
    /// Started with us; its failure is no matter.
    pub wants: Vec<String>,
    /// As `requires`, and if it goes down for whatever reason we are stopped.
    pub binds_to: Vec<String>,
    /// If it is stopped or restarted by an operator, so are we.
    pub part_of: Vec<String>,
    /// Never up together: starting one stops the other.
    pub conflicts: Vec<String>,
    /// Start only once these are ready; stop before them.
    pub after: Vec<String>,
    /// Start before these; stop after them.
    pub before: Vec<String>,
    /// Started when this one fails for good.
    pub on_failure: Vec<String>,
    /// Started when this one ends well.
    pub on_success: Vec<String>,
    /// These want us (systemd's `WantedBy=`).
    pub wanted_by: Vec<String>,
    /// These require us (systemd's `RequiredBy=`).
    pub required_by: Vec<String>,
}

/// One thing that must hold on the machine when a start begins; systemd.unit(5), "Conditions and Asserts".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    pub kind: ConditionKind,
    pub parameter: String,
    /// Must *not* hold.
    pub negated: bool,
    /// One of several of which at least one must hold (systemd's `|`).
    pub alternative: bool,
    /// If it does not hold the start fails, instead of being skipped.
    pub assert: bool,
}

/// What is looked at; the names are systemd's without `Condition`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConditionKind {
    PathExists,
    PathExistsGlob,
    PathIsDirectory,
    PathIsSymbolicLink,
    PathIsMountPoint,
    PathIsReadWrite,
    DirectoryNotEmpty,
    FileNotEmpty,
    FileIsExecutable,
    Environment,
    User,
    Group,
    Host,
    Architecture,
    Virtualization,
    KernelCommandLine,
    KernelVersion,
    Capability,
    Cpus,
    Memory,
    FirstBoot,
    Security,
    AcPower,
    ControlGroupController,
}
