//! `[Service]`: type, commands, readiness and time limits; systemd.service(5).

use std::time::Duration;

use aplomb_core::Signal;
use aplomb_core::spec::{Command, Kind, NotifyFrom, Ready, Reload, RestartWhen};

use super::draft::{Draft, Input, ServiceType};
use super::exec_line;
use super::fault::Fault;
use crate::source::Field;

pub(super) const TYPES: &[(ServiceType, &str)] = &[
    (ServiceType::Simple, "simple"),
    (ServiceType::Exec, "exec"),
    (ServiceType::Forking, "forking"),
    (ServiceType::Oneshot, "oneshot"),
    (ServiceType::Dbus, "dbus"),
    (ServiceType::Notify, "notify"),
    (ServiceType::NotifyReload, "notify-reload"),
    (ServiceType::Idle, "idle"),
];

pub(super) const NOTIFY_ACCESS: &[(NotifyFrom, &str)] = &[
    (NotifyFrom::Nobody, "none"),
    (NotifyFrom::Main, "main"),
    (NotifyFrom::Exec, "exec"),
    (NotifyFrom::All, "all"),
];

const DBUS_ACTION: &str = "expect it to count as started once it runs";

pub(super) fn service_type(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    let found = TYPES.iter().find(|(_, name)| *name == input.text());
    let Some((found, _)) = found else {
        return Err(input.bad(
            "is no service type",
            "write one of `simple`, `exec`, `notify`, `forking`, …",
        ));
    };
    draft.service_type = Some(*found);
    if *found == ServiceType::Dbus {
        draft.faults.push(Fault::warning(
            "`Type=dbus` is carried out as `Type=exec`: no bus is asked",
            DBUS_ACTION,
        ));
    }
    Ok(())
}

pub(super) fn bus_name(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    draft.has_bus_name = !input.is_empty();
    if draft.has_bus_name && draft.service_type.is_none() {
        draft
            .faults
            .push(Fault::noted("no bus is asked for `BusName=`", DBUS_ACTION));
    }
    Ok(())
}

/// Which list of commands a key adds to.
pub(super) type Commands = fn(&mut Draft) -> &mut Vec<Command>;

/// `ExecStart=` and its siblings: an empty value empties the list.
pub(super) fn commands(draft: &mut Draft, input: &Input<'_>, list: Commands) -> Result<(), Fault> {
    if input.is_empty() {
        list(draft).clear();
        return Ok(());
    }
    let line = exec_line::parse(input.text(), input.specifiers);
    draft.faults.extend(line.faults);
    for (command, range) in line.commands {
        draft.say(Field::Program, &command.program, Some(range));
        list(draft).push(command);
    }
    Ok(())
}

pub(super) fn notify_access(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    let found = NOTIFY_ACCESS.iter().find(|(_, name)| *name == input.text());
    let Some((access, _)) = found else {
        return Err(input.bad("says nobody", "write `none`, `main`, `exec` or `all`"));
    };
    draft.notify_access = Some(*access);
    Ok(())
}

/// A relative path lies below the runtime directory.
pub(super) fn pid_file(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    if input.is_empty() {
        draft.pid_file = None;
        return Ok(());
    }
    let path = input.expanded()?;
    let path = match path.strip_prefix('/') {
        Some(_) => path,
        None => format!("/run/{path}"),
    };
    let path = exec_line::simplified(&path);
    // The old place is a link to the new one wherever systemd runs, and systemd looks there.
    draft.pid_file = Some(match path.strip_prefix("/var/run/") {
        Some(rest) => format!("/run/{rest}"),
        None => path,
    });
    Ok(())
}

/// `GuessMainPID=`: without a PID file the only process left is the main one.
pub(super) fn guess_main_pid(_: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    match input.boolean()? {
        true => Ok(()),
        false => Err(Fault::noted(
            "the main process is looked for all the same when no PID file names it",
            "name a `PIDFile=`",
        )),
    }
}

pub(super) fn timeout_start(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    draft.timeout_start = Some(input.timeout()?);
    Ok(())
}

pub(super) fn timeout_stop(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    draft.timeout_stop = input.timeout()?;
    Ok(())
}

pub(super) fn timeout(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    timeout_start(draft, input)?;
    timeout_stop(draft, input)
}

pub(super) fn run_time(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    draft.spec.max_run_time = input.timeout()?;
    Ok(())
}

pub(super) fn watchdog(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    draft.spec.watchdog = input.timeout()?;
    Ok(())
}

/// `TimeoutStartFailureMode=`, `TimeoutStopFailureMode=`: we ask first, always.
pub(super) fn failure_mode(_: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    match input.text() {
        "terminate" => Ok(()),
        "abort" | "kill" => Err(Fault::noted(
            format!(
                "a service that is late is stopped by its stop plan, not by `{}`",
                input.text()
            ),
            "leave it out, or shorten the stop plan",
        )),
        _ => Err(input.bad("is no such mode", "write `terminate`")),
    }
}

/// Puts type, readiness and reload together; what cannot be is a fault of the whole unit.
pub(super) fn finish(draft: &mut Draft) -> Vec<Fault> {
    let kind = service_kind(draft);
    let spec = &mut draft.spec;
    spec.exit.remain_after_exit = draft.remain_after_exit;
    spec.kind = match kind {
        ServiceType::Forking => Kind::Forking {
            pid_file: draft.pid_file.take(),
        },
        ServiceType::Oneshot => Kind::Oneshot,
        ServiceType::Idle => Kind::Idle,
        ServiceType::Simple
        | ServiceType::Exec
        | ServiceType::Dbus
        | ServiceType::Notify
        | ServiceType::NotifyReload => Kind::Simple,
    };
    let notifies = matches!(kind, ServiceType::Notify | ServiceType::NotifyReload);
    let access = draft
        .notify_access
        .filter(|access| *access != NotifyFrom::Nobody);
    if notifies {
        spec.ready = Ready::Notify(access.unwrap_or_default());
    }
    let default = match kind {
        ServiceType::Oneshot => None,
        ServiceType::Simple
        | ServiceType::Exec
        | ServiceType::Forking
        | ServiceType::Dbus
        | ServiceType::Notify
        | ServiceType::NotifyReload
        | ServiceType::Idle => Some(Duration::from_secs(90)),
    };
    spec.start_timeout = draft.timeout_start.unwrap_or(default);
    spec.reload = reload(
        kind,
        std::mem::take(&mut draft.reload_commands),
        draft.reload_signal,
    );
    let mut faults = impossible(draft, kind);
    if !notifies {
        faults.extend(unheard(draft, access));
    }
    faults
}

fn service_kind(draft: &Draft) -> ServiceType {
    draft.service_type.unwrap_or(match () {
        () if draft.has_bus_name => ServiceType::Dbus,
        () if draft.spec.start.is_empty() => ServiceType::Oneshot,
        () => ServiceType::Simple,
    })
}

fn reload(kind: ServiceType, commands: Vec<Command>, signal: Option<Signal>) -> Reload {
    if !commands.is_empty() {
        return Reload::Commands(commands);
    }
    match kind {
        ServiceType::NotifyReload => Reload::Notify(signal.unwrap_or(Signal::HUP)),
        ServiceType::Simple
        | ServiceType::Exec
        | ServiceType::Forking
        | ServiceType::Oneshot
        | ServiceType::Dbus
        | ServiceType::Notify
        | ServiceType::Idle => Reload::Impossible,
    }
}

/// What systemd too refuses to load.
fn impossible(draft: &Draft, kind: ServiceType) -> Vec<Fault> {
    let spec = &draft.spec;
    let oneshot = kind == ServiceType::Oneshot;
    let mut faults = Vec::new();
    let mut refuse = |message: &str, action: &str| faults.push(Fault::refused(message, action));
    match spec.start.len() {
        0 if !oneshot => refuse("the service has no `ExecStart=`", "name its program"),
        0 if draft.has_success_action => {}
        0 if !draft.remain_after_exit => {
            refuse(
                "the service has no `ExecStart=` and does not stay up without it",
                "add `RemainAfterExit=yes`",
            );
        }
        0 if draft.stop_commands.is_empty() => {
            refuse(
                "the service has neither `ExecStart=` nor `ExecStop=`",
                "name at least one command",
            );
        }
        0 | 1 => {}
        _ if oneshot => {}
        _ => refuse(
            "several `ExecStart=` need `Type=oneshot`",
            "keep one, or make it a oneshot",
        ),
    }
    if oneshot
        && matches!(
            spec.restart.when,
            RestartWhen::Always | RestartWhen::OnSuccess
        )
    {
        refuse(
            "a oneshot that succeeded cannot be restarted",
            "write `Restart=on-failure`, or another type",
        );
    }
    faults
}

/// `NotifyAccess=` where readiness does not come by notification.
fn unheard(draft: &Draft, access: Option<NotifyFrom>) -> Option<Fault> {
    let access = access?;
    if draft.spec.watchdog.is_some() && access != NotifyFrom::Main {
        let message =
            "the watchdog of a service that is not `Type=notify` hears only the main process";
        return Some(Fault::not_carried(
            message,
            "write `Type=notify`, or `NotifyAccess=main`",
        ));
    }
    let message =
        "`NotifyAccess=` without `Type=notify`: status messages of other processes are not heard";
    (access != NotifyFrom::Main)
        .then(|| Fault::noted(message, "nothing, if only status texts are sent"))
}
