//! `[Service]` and systemd.kill(5).

use std::time::Duration;

use aplomb_core::spec::{
    Command, Expansion, Kind, NotifyFrom, Privilege, Ready, Reload, Request, RestartWhen, Whom,
};
use aplomb_core::{ExitCode, Signal, Spec};

use super::{Row, flag, row, same, same_lists, set, span};

pub(super) const ROWS: &[Row] = &[
    row("Type", &["Type"], |s, t| {
        let theirs = match t {
            "exec" | "dbus" => "simple",
            other => other,
        };
        let ours = match (&s.kind, &s.ready) {
            (Kind::Simple, Ready::Notify(_)) => match s.reload {
                Reload::Notify(_) => "notify-reload",
                Reload::Impossible | Reload::Commands(_) | Reload::Signal(_) => "notify",
            },
            (Kind::Simple, _) => "simple",
            (Kind::Idle, _) => "idle",
            (Kind::Forking { .. }, _) => "forking",
            (Kind::Oneshot, _) => "oneshot",
            (Kind::Target, _) => return None,
        };
        same(ours, theirs)
    }),
    row("PIDFile", &["PIDFile"], |s, t| match &s.kind {
        Kind::Forking { pid_file } => same(pid_file.as_deref().unwrap_or_default(), t),
        Kind::Simple | Kind::Idle | Kind::Oneshot | Kind::Target => None,
    }),
    row("NotifyAccess", &["NotifyAccess"], |s, t| {
        let Ready::Notify(from) = s.ready else {
            return None;
        };
        let ours = match from {
            NotifyFrom::Main => "main",
            NotifyFrom::Exec => "exec",
            NotifyFrom::All => "all",
            NotifyFrom::Nobody => "none",
        };
        same(ours, t)
    }),
    row("RemainAfterExit", &["RemainAfterExit"], |s, t| {
        flag(s.exit.remain_after_exit, t)
    }),
    row("ExecConditionEx", &["ExecCondition"], |s, t| {
        commands(&s.start_condition, t)
    }),
    row("ExecStartPreEx", &["ExecStartPre"], |s, t| {
        commands(&s.start_pre, t)
    }),
    row("ExecStartEx", &["ExecStart"], |s, t| commands(&s.start, t)),
    row("ExecStartPostEx", &["ExecStartPost"], |s, t| {
        commands(&s.start_post, t)
    }),
    row("ExecReloadEx", &["ExecReload"], |s, t| match &s.reload {
        Reload::Commands(list) => commands(list, t),
        Reload::Impossible | Reload::Signal(_) | Reload::Notify(_) => commands(&[], t),
    }),
    row("ExecStopEx", &["ExecStop"], |s, t| {
        let list: Vec<Command> = s
            .stop
            .plan
            .iter()
            .filter_map(|step| match &step.request {
                Request::CommandOnly(command) => Some(command.clone()),
                Request::Command(_)
                | Request::Signal(_)
                | Request::CtrlC
                | Request::CtrlBreak
                | Request::CloseWindows
                | Request::QuitThreads => None,
            })
            .collect();
        commands(&list, t)
    }),
    row("ExecStopPostEx", &["ExecStopPost"], |s, t| {
        commands(&s.stop.post, t)
    }),
    row("Restart", &["Restart"], |s, t| {
        let ours = match s.restart.when {
            RestartWhen::Never => "no",
            RestartWhen::OnSuccess => "on-success",
            RestartWhen::OnFailure => "on-failure",
            RestartWhen::OnAbnormal => "on-abnormal",
            RestartWhen::OnAbort => "on-abort",
            RestartWhen::OnWatchdog => "on-watchdog",
            RestartWhen::Always => "always",
        };
        same(ours, t)
    }),
    row("RestartUSec", &["RestartSec"], |s, t| {
        span(
            Some(s.restart.delay).filter(|delay| *delay != Duration::MAX),
            t,
        )
    }),
    row(
        "TimeoutStartUSec",
        &["TimeoutStartSec", "TimeoutSec"],
        |s, t| span(s.start_timeout, t),
    ),
    row(
        "TimeoutStopUSec",
        &["TimeoutStopSec", "TimeoutSec"],
        |s, t| span(s.stop.plan.first()?.grace, t),
    ),
    row("RuntimeMaxUSec", &["RuntimeMaxSec"], |s, t| {
        span(s.max_run_time, zero_is_never(t))
    }),
    row("SuccessExitStatus", &["SuccessExitStatus"], |s, t| {
        exit_set(&s.exit.success, t)
    }),
    row(
        "RestartPreventExitStatus",
        &["RestartPreventExitStatus"],
        |s, t| exit_set(&s.exit.prevent_restart, t),
    ),
    row(
        "RestartForceExitStatus",
        &["RestartForceExitStatus"],
        |s, t| exit_set(&s.exit.force_restart, t),
    ),
    row(
        "StartLimitIntervalUSec",
        &["StartLimitIntervalSec", "StartLimitInterval"],
        |s, t| {
            let limit = s.restart.limit?;
            span(
                Some(limit.window).filter(|window| *window != Duration::MAX),
                t,
            )
        },
    ),
    row("StartLimitBurst", &["StartLimitBurst"], |s, t| {
        match s.restart.limit {
            Some(limit) => same(&limit.starts.to_string(), t),
            None => None,
        }
    }),
    row("KillMode", &["KillMode"], |s, t| {
        let ours = match s.stop.whom {
            Whom::Tree => "control-group",
            Whom::Mixed => "mixed",
            Whom::Main => "process",
            Whom::Nobody => "none",
        };
        same(ours, t)
    }),
    row("KillSignal", &["KillSignal"], |s, t| {
        same(&stop_signal(s)?.number().to_string(), t)
    }),
    row("RestartKillSignal", &["RestartKillSignal"], |s, t| {
        let ours = s.stop.restart_signal.or_else(|| stop_signal(s))?;
        same(&ours.number().to_string(), t)
    }),
    row("FinalKillSignal", &["FinalKillSignal"], |s, t| {
        same(&s.stop.kill?.number().to_string(), t)
    }),
    row("SendSIGKILL", &["SendSIGKILL"], |s, t| {
        flag(s.stop.kill.is_some(), t)
    }),
    row("SendSIGHUP", &["SendSIGHUP"], |s, t| {
        flag(s.stop.also_hup, t)
    }),
    row("WatchdogSignal", &["WatchdogSignal"], |s, t| {
        same(&s.stop.watchdog_signal.number().to_string(), t)
    }),
];

fn zero_is_never(text: &str) -> &str {
    if text == "0" { "infinity" } else { text }
}

fn commands(ours: &[Command], theirs: &str) -> Option<(String, String)> {
    let ours = ours.iter().map(command).collect();
    same_lists(
        ours,
        theirs
            .lines()
            .filter(|line| !line.is_empty())
            .map(their_command)
            .collect(),
    )
}

fn command(command: &Command) -> String {
    let first = command.argv0.as_ref().unwrap_or(&command.program);
    let words: Vec<&str> = std::iter::once(first)
        .chain(&command.args)
        .map(String::as_str)
        .collect();
    let mut flags = Vec::new();
    if command.ignore_failure {
        flags.push("ignore-failure");
    }
    match command.privilege {
        Privilege::Service => {}
        Privilege::KeepUser => flags.push("no-setuid"),
        Privilege::Full => flags.push("privileged"),
    }
    if command.expansion == Expansion::None {
        flags.push("no-env-expand");
    }
    flags.sort_unstable();
    format!(
        "{} {} [{}]",
        command.program,
        words.join(" "),
        flags.join(" ")
    )
}

/// `{ path=P ; argv[]=A ; flags=F ; start_time=…`, with a bare name looked up.
fn their_command(line: &str) -> String {
    let between = |start: &str, end: &str| {
        let after = line.split_once(start).map_or("", |(_, after)| after);
        after
            .split_once(end)
            .map_or("", |(inside, _)| inside)
            .to_owned()
    };
    let mut flags: Vec<String> = between("; flags=", " ; start_time=")
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    for flag in &mut flags {
        if flag == "ambient" {
            "no-setuid".clone_into(flag);
        }
    }
    flags.sort_unstable();
    format!(
        "{} {} [{}]",
        between("{ path=", " ; argv[]="),
        between("argv[]=", " ; flags="),
        flags.join(" ")
    )
}

/// Codes and signals as systemd prints them: numbers, and names without `SIG`.
fn exit_set(ours: &aplomb_core::spec::ExitSet, theirs: &str) -> Option<(String, String)> {
    let codes = ours.codes.iter().map(|ExitCode(code)| code.to_string());
    let signals = ours
        .signals
        .iter()
        .map(|signal| signal.to_string().trim_start_matches("SIG").to_owned());
    set(codes.chain(signals), &theirs.replace("SIG", ""))
}

fn stop_signal(spec: &Spec) -> Option<Signal> {
    spec.stop.plan.iter().find_map(|step| match step.request {
        Request::Signal(signal) => Some(signal),
        Request::Command(_)
        | Request::CommandOnly(_)
        | Request::CtrlC
        | Request::CtrlBreak
        | Request::CloseWindows
        | Request::QuitThreads => None,
    })
}
