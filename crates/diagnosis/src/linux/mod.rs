//! Reads Linux: `/proc`, socket diagnostics, control groups. Never stops or signals what it looks at.
//!
//! `sweep` looks; `target` is one process, `waits` says what each of its threads waits for, `between` finds who is at
//! the other end, `host` keeps the tables all of them need. The parsers are in `proc` and `sockets`. Nothing here
//! judges.

mod between;
mod calls;
mod futex;
mod groups;
mod host;
mod hot;
mod inference;
mod memory;
mod modules;
mod proc;
mod sockets;
mod standing;
mod sweep;
mod sys;
mod target;
mod waits;
mod walk;

pub use memory::ProcessMemory;
pub use modules::ProcessFiles;
pub use sweep::look;

use crate::memory::Mapping;

/// The processes whose program has this name, the oldest first.
pub fn named(name: &str) -> Vec<u32> {
    let pids = proc::numbers("/proc").unwrap_or_default();
    let stat = |pid: u32| {
        let text = proc::read(format!("/proc/{pid}/stat")).ok()?;
        let stat = proc::Stat::parse(&text)?;
        let fits = stat.name == name || program(pid).is_some_and(|program| program == name);
        let is_alive = stat.state != proc::State::Zombie;
        (fits && is_alive && pid != std::process::id()).then_some((stat.started, pid))
    };
    let mut found: Vec<(u64, u32)> = pids.into_iter().filter_map(stat).collect();
    found.sort_unstable();
    found.into_iter().map(|(_, pid)| pid).collect()
}

/// The last part of the path of a process's program.
fn program(pid: u32) -> Option<String> {
    let path = std::fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    Some(path.file_name()?.to_string_lossy().into_owned())
}

/// What is mapped in a process, in order of addresses.
///
/// # Errors
/// If there is no such process, or its mappings may not be seen.
pub fn mappings(pid: u32) -> std::io::Result<Vec<Mapping>> {
    std::fs::read_to_string(format!("/proc/{pid}/maps")).map(|text| proc::mappings(&text))
}

/// Whether a process of this number lives.
pub fn lives(pid: u32) -> bool {
    let stat = proc::read(format!("/proc/{pid}/stat"));
    let stat = stat.ok().and_then(|text| proc::Stat::parse(&text));
    stat.is_some_and(|stat| stat.state != proc::State::Zombie)
}
