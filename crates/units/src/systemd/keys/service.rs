//! `[Service]`, but for what systemd.exec(5), systemd.kill(5) and systemd.resource-control(5) describe.

use super::super::draft::{Draft, Input};
use super::super::fault::Fault;
use super::super::{depends, restart, service};
use super::{Key, OFF, carried, noted, refused, unit};

const BUS_GADGETS: &str = "USB gadgets are not served";

pub(super) const KEYS: &[Key] = &[
    carried("Type", "kind, ready, reload", service::service_type),
    carried("BusName", "kind: as `Type=exec`", service::bus_name),
    carried("ExecCondition", "start_condition", |d, i| {
        service::commands(d, i, |d| &mut d.spec.start_condition)
    }),
    carried("ExecStartPre", "start_pre", |d, i| {
        service::commands(d, i, |d| &mut d.spec.start_pre)
    }),
    carried("ExecStart", "start", |d, i| {
        service::commands(d, i, |d| &mut d.spec.start)
    }),
    carried("ExecStartPost", "start_post", |d, i| {
        service::commands(d, i, |d| &mut d.spec.start_post)
    }),
    carried("ExecReload", "reload", |d, i| {
        service::commands(d, i, |d| &mut d.reload_commands)
    }),
    carried("ExecStop", "stop.plan, a step each", |d, i| {
        service::commands(d, i, |d| &mut d.stop_commands)
    }),
    carried("ExecStopPost", "stop.post", |d, i| {
        service::commands(d, i, |d| &mut d.spec.stop.post)
    }),
    carried("Restart", "restart.when", restart::when),
    carried("RestartMode", "`normal` only", restart::mode),
    carried("RestartSec", "restart.delay", restart::delay),
    carried("RestartSteps", "restart.growth", |d, i| {
        d.restart_steps = i.number()?;
        Ok(())
    }),
    carried("RestartMaxDelaySec", "restart.growth", |d, i| {
        d.restart_max_delay = i.span()?;
        Ok(())
    }),
    carried("TimeoutStartSec", "start_timeout", service::timeout_start),
    carried(
        "TimeoutStopSec",
        "stop.plan, stop.budget",
        service::timeout_stop,
    ),
    carried(
        "TimeoutSec",
        "start_timeout, stop.plan, stop.budget",
        service::timeout,
    ),
    carried(
        "TimeoutStartFailureMode",
        "`terminate` only",
        service::failure_mode,
    ),
    carried(
        "TimeoutStopFailureMode",
        "`terminate` only",
        service::failure_mode,
    ),
    carried("RuntimeMaxSec", "max_run_time", service::run_time),
    carried("WatchdogSec", "watchdog", service::watchdog),
    carried("SuccessExitStatus", "exit.success", |d, i| {
        restart::exit_set(d, i, |d| &mut d.spec.exit.success)
    }),
    carried(
        "RestartPreventExitStatus",
        "exit.prevent_restart",
        |d, i| restart::exit_set(d, i, |d| &mut d.spec.exit.prevent_restart),
    ),
    carried("RestartForceExitStatus", "exit.force_restart", |d, i| {
        restart::exit_set(d, i, |d| &mut d.spec.exit.force_restart)
    }),
    carried("RemainAfterExit", "exit.remain_after_exit", |d, i| {
        d.remain_after_exit = i.boolean()?;
        Ok(())
    }),
    carried("GuessMainPID", "`yes` only", service::guess_main_pid),
    carried(
        "PIDFile",
        "kind: the PID file of a forking service",
        service::pid_file,
    ),
    carried("NotifyAccess", "ready", service::notify_access),
    carried("ReloadSignal", "reload", |d, i| {
        d.reload_signal = if i.is_empty() {
            None
        } else {
            Some(i.signal()?)
        };
        Ok(())
    }),
    carried("Sockets", "listen, from these sockets", |d, i| {
        depends::units(d, i, |d| &mut d.partners)
    }),
    carried("StartLimitInterval", "restart.limit", unit::limit_window),
    carried("StartLimitBurst", "restart.limit", unit::limit_starts),
    carried("StartLimitAction", "restart.then", restart::limit_action),
    carried(
        "FailureAction",
        "`none` only; others are refused",
        restart::action,
    ),
    carried("ExitType", "`main` only", exit_type),
    noted(
        "TimeoutAbortSec",
        "a watchdog stop has the time of every stop",
    ),
    noted("RuntimeRandomizedExtraSec", "the longest run is not varied"),
    noted(
        "OOMPolicy",
        "a process that ran out of memory counts as killed",
    ),
    noted("RebootArgument", "the machine is never rebooted"),
    noted("SysVStartPriority", "systemd dropped it"),
    noted(
        "NonBlocking",
        "programs set their sockets as they need them",
    ),
    noted("FsckPassNo", "systemd dropped it"),
    noted(
        "FileDescriptorStoreMax",
        "descriptors are not stored; the program is told so when it tries",
    ),
    noted(
        "FileDescriptorStorePreserve",
        "descriptors are not stored; the program is told so when it tries",
    ),
    refused(
        "RootDirectoryStartOnly",
        "every command would run below the other root",
        OFF,
    ),
    refused(
        "PermissionsStartOnly",
        "every command would run as the service's user",
        OFF,
    ),
    refused(
        "OpenFile",
        "the program would miss the file it was promised",
        &[],
    ),
    refused("USBFunctionDescriptors", BUS_GADGETS, &[]),
    refused("USBFunctionStrings", BUS_GADGETS, &[]),
];

fn exit_type(_: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    match input.text() {
        "main" => Ok(()),
        "cgroup" => Err(Fault::not_carried(
            "`ExitType=cgroup`: the service would be seen as ended with its first process",
            "start the program in the foreground",
        )),
        _ => Err(input.bad("is no such type", "write `main`")),
    }
}
