//! `[Service]`: type, commands, readiness, restart.

use std::time::Duration;

use aplomb_core::spec::{
    Command, ExitSet, GiveUp, Growth, Kind, NotifyFrom, Pause, Ready, Reload, Restart,
};
use aplomb_core::{Signal, Spec};

use super::super::restart::{DELAY, LIMIT_STARTS, LIMIT_WINDOW, WHEN};
use super::super::{exec_line, service};
use super::{Out, log, named, process, span, stop};

pub(super) fn write(spec: &Spec, out: &mut Out) {
    kind(spec, out);
    commands(spec, out);
    reload(spec, out);
    time_limits(spec, out);
    restart(&spec.restart, out);
    exit(spec, out);
    stop::write(&spec.stop, out);
    process::write(&spec.process, out);
    log::write(&spec.log, out);
    if spec.health.is_some() {
        out.lose("`health`", "let the program keep a watchdog");
    }
    if spec.pause != Pause::default() {
        out.lose("commands that pause and continue", "run them by hand");
    }
    for hook in &spec.hooks {
        out.lose(
            &format!("the hook at `{}`", hook.on.name()),
            "call the command from the program",
        );
    }
}

fn kind(spec: &Spec, out: &mut Out) {
    let name = match (&spec.kind, &spec.ready) {
        (Kind::Simple, Ready::Notify(_)) => match spec.reload {
            Reload::Notify(_) => "notify-reload",
            Reload::Impossible | Reload::Commands(_) | Reload::Signal(_) => "notify",
        },
        (Kind::Simple, _) => "exec",
        (Kind::Idle, _) => "idle",
        (Kind::Forking { .. }, _) => "forking",
        (Kind::Oneshot, _) => "oneshot",
        (Kind::Target, _) => return,
    };
    out.service("Type", name);
    match &spec.ready {
        Ready::Started => {}
        Ready::Notify(from) if spec.kind == Kind::Simple => {
            if *from == NotifyFrom::Nobody {
                out.lose(
                    "readiness that nobody may tell",
                    "let the main process tell it",
                );
            } else if *from != NotifyFrom::Main {
                out.service("NotifyAccess", named(service::NOTIFY_ACCESS, from));
            }
        }
        Ready::Notify(_)
        | Ready::Fd(_)
        | Ready::Probe { .. }
        | Ready::LogLine(_)
        | Ready::Delay(_) => {
            out.lose(
                "this kind of readiness",
                "let the program notify: `ready = \"notify\"`",
            );
        }
    }
    if let Kind::Forking {
        pid_file: Some(path),
    } = &spec.kind
        && let Some(path) = out.text_of("PIDFile", path)
    {
        out.service("PIDFile", &path);
    }
}

fn commands(spec: &Spec, out: &mut Out) {
    for (key, commands) in [
        ("ExecCondition", &spec.start_condition),
        ("ExecStartPre", &spec.start_pre),
        ("ExecStart", &spec.start),
        ("ExecStartPost", &spec.start_post),
    ] {
        list(key, commands, out);
    }
}

/// Each command on a line of its own.
pub(super) fn list(key: &str, commands: &[Command], out: &mut Out) {
    for command in commands {
        out.service(key, &exec_line::print(command));
    }
}

fn reload(spec: &Spec, out: &mut Out) {
    match &spec.reload {
        Reload::Impossible => {}
        Reload::Commands(commands) => list("ExecReload", commands, out),
        Reload::Signal(signal) => {
            out.service("ExecReload", &format!("kill -s {signal} $MAINPID"));
            out.lose(
                "a reload by signal, which is written as a command",
                "nothing",
            );
        }
        Reload::Notify(signal)
            if matches!(spec.ready, Ready::Notify(_)) && spec.kind == Kind::Simple =>
        {
            if *signal != Signal::HUP {
                out.service("ReloadSignal", &signal.to_string());
            }
        }
        Reload::Notify(_) => out.lose(
            "a reload that is notified where readiness is not",
            "write `ready = \"notify\"`",
        ),
    }
}

fn time_limits(spec: &Spec, out: &mut Out) {
    let default = match spec.kind {
        Kind::Oneshot => None,
        Kind::Simple | Kind::Idle | Kind::Forking { .. } | Kind::Target => {
            Some(Duration::from_secs(90))
        }
    };
    if spec.start_timeout != default {
        out.service("TimeoutStartSec", &span(spec.start_timeout));
    }
    if spec.watchdog.is_some() {
        out.service("WatchdogSec", &span(spec.watchdog));
    }
    if spec.max_run_time.is_some() {
        out.service("RuntimeMaxSec", &span(spec.max_run_time));
    }
}

fn restart(restart: &Restart, out: &mut Out) {
    let when = named(WHEN, &restart.when);
    if when != "no" {
        out.service("Restart", when);
    }
    if restart.delay != DELAY {
        out.service("RestartSec", &span(Some(restart.delay)));
    }
    match restart.growth {
        Growth::None => {}
        Growth::Steps { steps, max } => {
            out.service("RestartSteps", &steps.to_string());
            out.service("RestartMaxDelaySec", &span(Some(max)));
        }
        Growth::Factor { .. } => out.lose(
            "a restart delay that grows by a factor",
            "write steps to a longest delay",
        ),
    }
    if restart.jitter != 0 {
        out.lose("chance in the restart delay", "write `jitter = 0`");
    }
    if restart.healthy_after.is_some() {
        out.lose("a count of restarts that a healthy time clears", "leave it");
    }
    limit(restart, out);
}

fn limit(restart: &Restart, out: &mut Out) {
    match restart.limit {
        None => out.unit("StartLimitIntervalSec", "0"),
        Some(limit) => {
            if limit.window != LIMIT_WINDOW {
                out.unit("StartLimitIntervalSec", &span(Some(limit.window)));
            }
            if limit.starts != LIMIT_STARTS {
                out.unit("StartLimitBurst", &limit.starts.to_string());
            }
        }
    }
    match restart.then {
        GiveUp::Fail => {}
        GiveUp::Shutdown => out.unit("StartLimitAction", "exit"),
        GiveUp::KeepTrying { .. } => out.lose(
            "trying on after the start limit",
            "lengthen the restart delay",
        ),
    }
}

fn exit(spec: &Spec, out: &mut Out) {
    if spec.exit.remain_after_exit {
        out.service("RemainAfterExit", "yes");
    }
    for (key, set) in [
        ("SuccessExitStatus", &spec.exit.success),
        ("RestartPreventExitStatus", &spec.exit.prevent_restart),
        ("RestartForceExitStatus", &spec.exit.force_restart),
    ] {
        exit_set(key, set, out);
    }
    if !spec.exit.actions.is_empty() {
        out.lose(
            "actions for particular exit codes",
            "let `OnFailure=` decide",
        );
    }
}

fn exit_set(key: &str, set: &ExitSet, out: &mut Out) {
    let mut words: Vec<String> = Vec::new();
    for code in &set.codes {
        match code.0 {
            0..=255 => words.push(code.to_string()),
            _ => out.lose(&format!("the exit code {code}"), "use 0 to 255"),
        }
    }
    words.extend(set.signals.iter().map(ToString::to_string));
    if !words.is_empty() {
        out.service(key, &words.join(" "));
    }
}
