//! `Condition…=` and `Assert…=`: reading them, and whether they hold; systemd.unit(5), "Conditions and Asserts".

use aplomb_core::spec::{Condition, ConditionKind};

use super::draft::{Draft, Input};
use super::fault::Fault;

/// Every kind with the key's name without `Condition` or `Assert`.
pub(super) const KINDS: &[(ConditionKind, &str)] = &[
    (ConditionKind::PathExists, "PathExists"),
    (ConditionKind::PathExistsGlob, "PathExistsGlob"),
    (ConditionKind::PathIsDirectory, "PathIsDirectory"),
    (ConditionKind::PathIsSymbolicLink, "PathIsSymbolicLink"),
    (ConditionKind::PathIsMountPoint, "PathIsMountPoint"),
    (ConditionKind::PathIsReadWrite, "PathIsReadWrite"),
    (ConditionKind::DirectoryNotEmpty, "DirectoryNotEmpty"),
    (ConditionKind::FileNotEmpty, "FileNotEmpty"),
    (ConditionKind::FileIsExecutable, "FileIsExecutable"),
    (ConditionKind::Environment, "Environment"),
    (ConditionKind::User, "User"),
    (ConditionKind::Group, "Group"),
    (ConditionKind::Host, "Host"),
    (ConditionKind::Architecture, "Architecture"),
    (ConditionKind::Virtualization, "Virtualization"),
    (ConditionKind::KernelCommandLine, "KernelCommandLine"),
    (ConditionKind::KernelVersion, "KernelVersion"),
    (ConditionKind::Capability, "Capability"),
    (ConditionKind::Cpus, "CPUs"),
    (ConditionKind::Memory, "Memory"),
    (ConditionKind::FirstBoot, "FirstBoot"),
    (ConditionKind::Security, "Security"),
    (ConditionKind::AcPower, "ACPower"),
    (
        ConditionKind::ControlGroupController,
        "ControlGroupController",
    ),
];

/// The kind a key's name stands for, and whether it is an assertion.
pub(super) fn kind(key: &str) -> Option<(ConditionKind, bool)> {
    let (name, assert) = match (key.strip_prefix("Condition"), key.strip_prefix("Assert")) {
        (Some(name), _) => (name, false),
        (None, Some(name)) => (name, true),
        (None, None) => return None,
    };
    let (kind, _) = KINDS.iter().find(|(_, known)| *known == name)?;
    Some((*kind, assert))
}

/// The key of a condition, without `=`.
pub(super) fn key(condition: &Condition) -> String {
    let name = KINDS.iter().find(|(kind, _)| *kind == condition.kind);
    let prefix = if condition.assert {
        "Assert"
    } else {
        "Condition"
    };
    format!("{prefix}{}", name.map_or("", |(_, name)| name))
}

/// Whether the parameter is a path.
pub(super) fn is_path(kind: ConditionKind) -> bool {
    match kind {
        ConditionKind::PathExists
        | ConditionKind::PathExistsGlob
        | ConditionKind::PathIsDirectory
        | ConditionKind::PathIsSymbolicLink
        | ConditionKind::PathIsMountPoint
        | ConditionKind::PathIsReadWrite
        | ConditionKind::DirectoryNotEmpty
        | ConditionKind::FileNotEmpty
        | ConditionKind::FileIsExecutable => true,
        ConditionKind::Environment
        | ConditionKind::User
        | ConditionKind::Group
        | ConditionKind::Host
        | ConditionKind::Architecture
        | ConditionKind::Virtualization
        | ConditionKind::KernelCommandLine
        | ConditionKind::KernelVersion
        | ConditionKind::Capability
        | ConditionKind::Cpus
        | ConditionKind::Memory
        | ConditionKind::FirstBoot
        | ConditionKind::Security
        | ConditionKind::AcPower
        | ConditionKind::ControlGroupController => false,
    }
}

/// One condition: `|` makes it an alternative, `!` turns it round. An empty value takes back all of its sort.
pub(super) fn read(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    let Some((kind, assert)) = kind(input.key) else {
        return Err(input.bad("is no condition", "remove it"));
    };
    let conditions = &mut draft.spec.conditions;
    if input.is_empty() {
        conditions.retain(|condition| condition.assert != assert);
        return Ok(());
    }
    let (text, alternative) = without(input.text(), '|');
    let (text, negated) = without(text, '!');
    let parameter = match is_path(kind) {
        true => input.absolute(text, None)?,
        false => input.expand(text, None)?,
    };
    draft.spec.conditions.push(Condition {
        kind,
        parameter,
        negated,
        alternative,
        assert,
    });
    Ok(())
}

fn without(text: &str, mark: char) -> (&str, bool) {
    match text.strip_prefix(mark) {
        Some(rest) => (rest.trim_start(), true),
        None => (text, false),
    }
}
