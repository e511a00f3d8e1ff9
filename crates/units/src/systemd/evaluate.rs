//! Whether conditions hold on a machine now; systemd.unit(5), "Conditions and Asserts". Pure: facts come from a
//! [`World`], kernel files such as `/proc/cmdline` are read through it.
//!
//! What cannot be told counts as not holding, whichever way the condition is turned, as with systemd.

use aplomb_core::spec::{Capabilities, Condition, ConditionKind};

use super::condition::key;
use super::pattern::fits;
use super::version;
use super::{time_span, virtualization};
use crate::world::{Fact, FileKind, World};

/// What follows for a start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It goes on.
    Holds,
    /// It is skipped, without failing; `because` is the condition, as a unit says it.
    Skip { because: String },
    /// It fails: an assertion does not hold.
    Fail { because: String },
}

/// Conditions first, then assertions; of each, all that are no alternative must hold, and one of the alternatives.
pub fn evaluate(conditions: &[Condition], world: &dyn World) -> Outcome {
    let (asserts, conditions): (Vec<&Condition>, Vec<&Condition>) =
        conditions.iter().partition(|condition| condition.assert);
    if let Some(because) = broken(&conditions, world) {
        return Outcome::Skip { because };
    }
    match broken(&asserts, world) {
        Some(because) => Outcome::Fail { because },
        None => Outcome::Holds,
    }
}

/// The first condition that decides against the start.
fn broken(conditions: &[&Condition], world: &dyn World) -> Option<String> {
    let mut last_alternative = None;
    let mut alternative_holds = false;
    for condition in conditions {
        let holds = holds(condition, world);
        match condition.alternative {
            true => {
                alternative_holds |= holds;
                last_alternative = Some(condition);
            }
            false if !holds => return Some(said(condition)),
            false => {}
        }
    }
    last_alternative
        .filter(|_| !alternative_holds)
        .map(|condition| said(condition))
}

/// The condition as a unit says it.
fn said(condition: &Condition) -> String {
    let alternative = if condition.alternative { "|" } else { "" };
    let negated = if condition.negated { "!" } else { "" };
    format!(
        "{}={alternative}{negated}{}",
        key(condition),
        condition.parameter
    )
}

fn holds(condition: &Condition, world: &dyn World) -> bool {
    match told(condition.kind, &condition.parameter, world) {
        Some(told) => told != condition.negated,
        None => false,
    }
}

/// Whether the thing itself is so; `None` where that cannot be told.
fn told(kind: ConditionKind, text: &str, world: &dyn World) -> Option<bool> {
    Some(match kind {
        ConditionKind::PathExists => world.file(text) != FileKind::Missing,
        ConditionKind::PathExistsGlob => !world.glob(text).is_empty(),
        ConditionKind::PathIsDirectory => world.file(text) == FileKind::Directory,
        ConditionKind::PathIsSymbolicLink => world.link(text).is_some(),
        ConditionKind::PathIsMountPoint => mounts(world)?.iter().any(|mount| mount.at == text),
        ConditionKind::PathIsReadWrite => is_read_write(text, world)?,
        ConditionKind::DirectoryNotEmpty => !is_empty_directory(text, world),
        ConditionKind::FileNotEmpty => {
            matches!(world.file(text), FileKind::File { .. }) && !world.head(text)?.is_empty()
        }
        ConditionKind::FileIsExecutable => world.file(text) == FileKind::File { executable: true },
        ConditionKind::Environment => environment(text, world),
        ConditionKind::User => user(text, world)?,
        ConditionKind::Group => {
            let facts = [Fact::UserGroupName, Fact::UserGroupId];
            facts
                .into_iter()
                .any(|fact| world.fact(fact).as_deref() == Some(text))
        }
        ConditionKind::Host => host(text, world)?,
        ConditionKind::Architecture => text == "native" || world.fact(Fact::Architecture)? == text,
        ConditionKind::Virtualization => virtualization::is(text, world)?,
        ConditionKind::KernelCommandLine => command_line(text, world)?,
        ConditionKind::KernelVersion => version::matches(&world.fact(Fact::KernelRelease)?, text)?,
        ConditionKind::Capability => capability(text, world)?,
        ConditionKind::Cpus => compared(processors(world)?, text, |text| text.parse().ok())?,
        ConditionKind::Memory => compared(memory(world)?, text, |text| {
            Some(time_span::size(text).ok()?.0)
        })?,
        ConditionKind::FirstBoot => {
            let first = world.file("/run/systemd/first-boot") != FileKind::Missing;
            first == time_span::boolean(text)?
        }
        ConditionKind::Security => security(text, world)?,
        ConditionKind::AcPower => on_mains(world) == time_span::boolean(text)?,
        ConditionKind::ControlGroupController => controllers(text, world)?,
    })
}

struct Mount {
    at: String,
    read_only: bool,
}

/// Mounts in the order they were made: of several at one place the last counts.
fn mounts(world: &dyn World) -> Option<Vec<Mount>> {
    let text = kernel_text("/proc/self/mountinfo", world)?;
    Some(text.lines().filter_map(mount).collect())
}

/// proc_pid_mountinfo(5): the mount point is the fifth field, its options the sixth, the file system's the last.
fn mount(line: &str) -> Option<Mount> {
    let fields: Vec<&str> = line.split(' ').collect();
    let is_read_only = |options: &str| options.split(',').any(|option| option == "ro");
    Some(Mount {
        at: unescaped_octal(fields.get(4)?),
        read_only: is_read_only(fields.get(5)?) || is_read_only(fields.last()?),
    })
}

/// Blanks, tabs, line feeds and backslashes are written as octal escapes there.
fn unescaped_octal(text: &str) -> String {
    [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ]
    .into_iter()
    .fold(text.to_owned(), |text, (escape, letter)| {
        text.replace(escape, letter)
    })
}

fn is_read_write(path: &str, world: &dyn World) -> Option<bool> {
    if world.file(path) == FileKind::Missing {
        return Some(false);
    }
    let mounts = mounts(world)?;
    let holds = |mount: &&Mount| {
        let below = path.strip_prefix(mount.at.trim_end_matches('/'));
        below.is_some_and(|below| below.is_empty() || below.starts_with('/'))
    };
    let nearest = mounts
        .iter()
        .filter(holds)
        .max_by_key(|mount| mount.at.len())?;
    Some(!nearest.read_only)
}

/// Hidden files and backups do not count; what is no directory counts as empty.
fn is_empty_directory(path: &str, world: &dyn World) -> bool {
    let pattern = format!("{}/*", path.trim_end_matches('/'));
    let counts = |entry: &String| !entry.ends_with('~') && !entry.contains("/.");
    !world.glob(&pattern).iter().any(counts)
}

fn environment(text: &str, world: &dyn World) -> bool {
    match text.split_once('=') {
        Some((name, value)) => world.env(name).as_deref() == Some(value),
        None => world.env(text).is_some(),
    }
}

/// Below this are users of the system.
const FIRST_HUMAN: u32 = 1000;

fn user(text: &str, world: &dyn World) -> Option<bool> {
    let number = world.fact(Fact::UserId)?;
    if text == "@system" {
        return Some(number.parse::<u32>().ok()? < FIRST_HUMAN);
    }
    Some(number == text || world.fact(Fact::UserName).as_deref() == Some(text))
}

fn host(text: &str, world: &dyn World) -> Option<bool> {
    let plain: String = text.chars().filter(|letter| *letter != '-').collect();
    if plain.len() == 32 && plain.chars().all(|letter| letter.is_ascii_hexdigit()) {
        return Some(world.fact(Fact::MachineId)? == plain.to_lowercase());
    }
    let name = world.fact(Fact::HostName)?;
    Some(fits(&name.to_lowercase(), &text.to_lowercase()))
}

fn command_line(text: &str, world: &dyn World) -> Option<bool> {
    // In a container what counts is how its first process was called.
    let line = match virtualization::container(world) {
        Some(_) => kernel_text("/proc/1/cmdline", world)?.replace('\0', " "),
        None => kernel_text("/proc/cmdline", world)?,
    };
    Some(line.split_ascii_whitespace().any(|word| {
        let is_option = || !text.contains('=') && word.split('=').next() == Some(text);
        word == text || is_option()
    }))
}

fn capability(text: &str, world: &dyn World) -> Option<bool> {
    let wanted = Capabilities::parse_one(text)?;
    let mask = u64::from_str_radix(&status("CapBnd", world)?, 16).ok()?;
    Some(mask & wanted.0 != 0)
}

/// A field of proc_pid_status(5) about ourselves.
fn status(field: &str, world: &dyn World) -> Option<String> {
    let text = kernel_text("/proc/self/status", world)?;
    let mut lines = text.lines();
    let value = lines.find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    Some(value.trim().to_owned())
}

/// How many processors we may use.
fn processors(world: &dyn World) -> Option<u64> {
    let list = status("Cpus_allowed_list", world)?;
    list.split(',').try_fold(0, |sum, part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        Some(sum + (last + 1).checked_sub(first)?)
    })
}

fn memory(world: &dyn World) -> Option<u64> {
    let text = kernel_text("/proc/meminfo", world)?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim()
        .strip_suffix(" kB")?
        .parse::<u64>()
        .ok()?
        .checked_mul(1024)
}

/// `>= 4G` and the like; a number alone is a lower bound.
fn compared(is: u64, text: &str, number: impl Fn(&str) -> Option<u64>) -> Option<bool> {
    let (compare, rest) =
        version::Comparison::split(text).unwrap_or((version::Comparison::AtLeast, text));
    Some(compare.holds(is.cmp(&number(rest.trim_start())?)))
}

fn security(text: &str, world: &dyn World) -> Option<bool> {
    let exists = |path: &str| world.file(path) != FileKind::Missing;
    Some(match text {
        "selinux" => exists("/sys/fs/selinux/enforce"),
        "apparmor" => kernel_text("/sys/module/apparmor/parameters/enabled", world)
            .is_some_and(|text| text.starts_with('Y')),
        "smack" => exists("/sys/fs/smackfs"),
        "tomoyo" => exists("/sys/kernel/security/tomoyo/version"),
        "ima" => exists("/sys/kernel/security/ima"),
        _ => return None,
    })
}

/// On mains unless some supply says it is off, and none that it is on.
fn on_mains(world: &dyn World) -> bool {
    let supplies = world.glob("/sys/class/power_supply/*/online");
    let mut states = supplies
        .iter()
        .filter_map(|path| kernel_text(path, world))
        .map(|text| text.trim() == "1")
        .peekable();
    states.peek().is_none() || states.any(|online| online)
}

fn controllers(text: &str, world: &dyn World) -> Option<bool> {
    let unified = kernel_text("/sys/fs/cgroup/cgroup.controllers", world);
    match text {
        "v2" => return Some(unified.is_some()),
        "v1" => return Some(unified.is_none()),
        _ => {}
    }
    let unified = unified?;
    let known: Vec<&str> = unified.split_ascii_whitespace().collect();
    Some(
        text.split_ascii_whitespace()
            .all(|name| known.contains(&name)),
    )
}

pub(super) fn kernel_text(path: &str, world: &dyn World) -> Option<String> {
    Some(String::from_utf8_lossy(&world.read(path)?).into_owned())
}

#[cfg(test)]
mod tests;
