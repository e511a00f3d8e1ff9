//! `[Unit]` and `[Install]`.

use super::super::draft::{Draft, Input};
use super::super::fault::Fault;
use super::super::{condition, depends, restart};
use super::{Key, OFF, carried, noted, refused};
use crate::source::Field;

const MACHINE: &str = "it acts on the whole machine, which is not ours";
const JOBS: &str = "systemd's job queue has no counterpart here";

pub(super) const KEYS: &[Key] = &[
    carried("Description", "description", description),
    carried("Documentation", "documentation", documentation),
    carried("Requires", "depends.requires", |d, i| {
        depends::add(d, i, Field::Requires, |d| &mut d.spec.depends.requires)
    }),
    carried("Requisite", "depends.requisite", |d, i| {
        depends::add(d, i, Field::Requisite, |d| &mut d.spec.depends.requisite)
    }),
    carried("Wants", "depends.wants", |d, i| {
        depends::add(d, i, Field::Wants, |d| &mut d.spec.depends.wants)
    }),
    carried("BindsTo", "depends.binds_to", |d, i| {
        depends::add(d, i, Field::BindsTo, |d| &mut d.spec.depends.binds_to)
    }),
    carried("PartOf", "depends.part_of", |d, i| {
        depends::add(d, i, Field::PartOf, |d| &mut d.spec.depends.part_of)
    }),
    carried("Conflicts", "depends.conflicts", |d, i| {
        depends::add(d, i, Field::Conflicts, |d| &mut d.spec.depends.conflicts)
    }),
    carried("After", "depends.after", |d, i| {
        depends::add(d, i, Field::After, |d| &mut d.spec.depends.after)
    }),
    carried("Before", "depends.before", |d, i| {
        depends::add(d, i, Field::Before, |d| &mut d.spec.depends.before)
    }),
    carried("OnFailure", "depends.on_failure", |d, i| {
        depends::add(d, i, Field::OnFailure, |d| &mut d.spec.depends.on_failure)
    }),
    carried("OnSuccess", "depends.on_success", |d, i| {
        depends::add(d, i, Field::OnSuccess, |d| &mut d.spec.depends.on_success)
    }),
    carried("StartLimitIntervalSec", "restart.limit", limit_window),
    carried("StartLimitBurst", "restart.limit", limit_starts),
    carried(
        "StartLimitAction",
        "restart.then: `none` and `exit`; others are refused",
        restart::limit_action,
    ),
    carried(
        "FailureAction",
        "`none` only; others are refused",
        restart::action,
    ),
    carried(
        "SuccessAction",
        "`none` only; others are refused",
        restart::action,
    ),
    carried(
        "DefaultDependencies",
        "nothing: there are no default dependencies here",
        |_, i| i.boolean().map(drop),
    ),
    noted(
        "SourcePath",
        "it only says where a generated file came from",
    ),
    noted("OnFailureJobMode", JOBS),
    noted("OnSuccessJobMode", JOBS),
    noted("OnFailureIsolate", JOBS),
    noted("IgnoreOnIsolate", "nothing is ever isolated here"),
    noted("AllowIsolate", "nothing is ever isolated here"),
    noted("CollectMode", "units are not unloaded here"),
    noted(
        "RefuseManualStart",
        "who may start a service is not restricted",
    ),
    noted(
        "RefuseManualStop",
        "who may stop a service is not restricted",
    ),
    noted("JobTimeoutSec", JOBS),
    noted("JobRunningTimeoutSec", JOBS),
    noted("JobTimeoutAction", MACHINE),
    noted("JobTimeoutRebootArgument", MACHINE),
    noted("RebootArgument", MACHINE),
    noted(
        "FailureActionExitStatus",
        "it only matters with `FailureAction=exit`",
    ),
    noted(
        "SuccessActionExitStatus",
        "it only matters with `SuccessAction=exit`",
    ),
    noted(
        "RequiresMountsFor",
        "what is mounted is mounted before the engine runs",
    ),
    noted(
        "WantsMountsFor",
        "what is mounted is mounted before the engine runs",
    ),
    noted("RequiresOverridable", "systemd dropped it"),
    noted("RequisiteOverridable", "systemd dropped it"),
    noted(
        "SurviveFinalKillSignal",
        "the machine's shutdown is not ours",
    ),
    noted(
        "PropagatesReloadTo",
        "a reload reaches only the service it is asked of",
    ),
    noted(
        "ReloadPropagatedFrom",
        "a reload reaches only the service it is asked of",
    ),
    refused(
        "Upholds",
        "the other service would not be started again when it ends",
        &[],
    ),
    refused(
        "PropagatesStopTo",
        "the other service would go on running when this one stops",
        &[],
    ),
    refused(
        "StopPropagatedFrom",
        "this service would go on running when the other one stops",
        &[],
    ),
    refused(
        "StopWhenUnneeded",
        "the service would go on running when nothing needs it",
        OFF,
    ),
    refused(
        "JoinsNamespaceOf",
        "the services would not see each other's temporary files",
        &[],
    ),
    refused("ConditionNeedsUpdate", UNASKED, &[]),
    refused("AssertNeedsUpdate", UNASKED, &[]),
    refused("ConditionPathIsEncrypted", UNASKED, &[]),
    refused("AssertPathIsEncrypted", UNASKED, &[]),
    refused("ConditionCredential", UNASKED, &[]),
    refused("AssertCredential", UNASKED, &[]),
    refused("ConditionCPUFeature", UNASKED, &[]),
    refused("AssertCPUFeature", UNASKED, &[]),
    refused("ConditionFirmware", UNASKED, &[]),
    refused("AssertFirmware", UNASKED, &[]),
    refused("ConditionOSRelease", UNASKED, &[]),
    refused("AssertOSRelease", UNASKED, &[]),
    refused("ConditionMemoryPressure", UNASKED, &[]),
    refused("AssertMemoryPressure", UNASKED, &[]),
    refused("ConditionCPUPressure", UNASKED, &[]),
    refused("AssertCPUPressure", UNASKED, &[]),
    refused("ConditionIOPressure", UNASKED, &[]),
    refused("AssertIOPressure", UNASKED, &[]),
    refused("ConditionNull", UNASKED, &[]),
    refused("AssertNull", UNASKED, &[]),
];

const UNASKED: &str = "the service would start where it should be skipped";

pub(super) const INSTALL_KEYS: &[Key] = &[
    carried("WantedBy", "start_mode, depends.wanted_by", |d, i| {
        depends::wanted(d, i, Field::WantedBy, |d| &mut d.spec.depends.wanted_by)
    }),
    carried("RequiredBy", "start_mode, depends.required_by", |d, i| {
        depends::wanted(d, i, Field::RequiredBy, |d| &mut d.spec.depends.required_by)
    }),
    carried("UpheldBy", "as `WantedBy=`, with a warning", upheld_by),
    carried("Alias", "other names the unit is found by", |d, i| {
        depends::units(d, i, |d| &mut d.aliases)
    }),
    carried("Also", "files beside it that are read too", |d, i| {
        depends::units(d, i, |d| &mut d.also)
    }),
    carried(
        "DefaultInstance",
        "the instance of a template that is given without one",
        default_instance,
    ),
];

/// `Condition…=` and `Assert…=` that are carried out.
pub(super) fn conditions() -> Vec<Key> {
    NAMES
        .iter()
        .map(|name| carried(name, "conditions", condition::read))
        .collect()
}

const NAMES: &[&str] = &[
    "ConditionPathExists",
    "AssertPathExists",
    "ConditionPathExistsGlob",
    "AssertPathExistsGlob",
    "ConditionPathIsDirectory",
    "AssertPathIsDirectory",
    "ConditionPathIsSymbolicLink",
    "AssertPathIsSymbolicLink",
    "ConditionPathIsMountPoint",
    "AssertPathIsMountPoint",
    "ConditionPathIsReadWrite",
    "AssertPathIsReadWrite",
    "ConditionDirectoryNotEmpty",
    "AssertDirectoryNotEmpty",
    "ConditionFileNotEmpty",
    "AssertFileNotEmpty",
    "ConditionFileIsExecutable",
    "AssertFileIsExecutable",
    "ConditionEnvironment",
    "AssertEnvironment",
    "ConditionUser",
    "AssertUser",
    "ConditionGroup",
    "AssertGroup",
    "ConditionHost",
    "AssertHost",
    "ConditionArchitecture",
    "AssertArchitecture",
    "ConditionVirtualization",
    "AssertVirtualization",
    "ConditionKernelCommandLine",
    "AssertKernelCommandLine",
    "ConditionKernelVersion",
    "AssertKernelVersion",
    "ConditionCapability",
    "AssertCapability",
    "ConditionCPUs",
    "AssertCPUs",
    "ConditionMemory",
    "AssertMemory",
    "ConditionFirstBoot",
    "AssertFirstBoot",
    "ConditionSecurity",
    "AssertSecurity",
    "ConditionACPower",
    "AssertACPower",
    "ConditionControlGroupController",
    "AssertControlGroupController",
];

fn description(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    draft.spec.description = input.expanded()?;
    Ok(())
}

fn documentation(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    if input.is_empty() {
        draft.spec.documentation.clear();
    }
    for (page, _) in input.expanded_words(super::super::words::Backslash::Keep)? {
        draft.spec.documentation.push(page);
    }
    Ok(())
}

pub(super) fn limit_window(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    draft.limit_window = input.span()?;
    Ok(())
}

pub(super) fn limit_starts(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    draft.limit_starts = input.number()?;
    Ok(())
}

fn upheld_by(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    depends::wanted(draft, input, Field::WantedBy, |d| {
        &mut d.spec.depends.wanted_by
    })?;
    Err(Fault::warning(
        "`UpheldBy=` is read as `WantedBy=`: the service is not started again when it ends",
        "write `Restart=always` for that",
    ))
}

fn default_instance(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    draft.default_instance = Some(input.expanded()?).filter(|instance| !instance.is_empty());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_condition_has_both_its_keys() {
        assert_eq!(NAMES.len(), 2 * condition::KINDS.len());
        for name in NAMES {
            assert!(condition::kind(name).is_some(), "{name}");
        }
    }
}
