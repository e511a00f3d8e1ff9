//! Events as sentences: one table from what happened to what a person reads.

use aplomb_protocol::{Event, EventKind};

use crate::words;

/// What happened, in a few words and without the reason.
pub(crate) fn what(kind: &EventKind) -> String {
    match kind {
        EventKind::State { from, to } => format!("{} → {}", from.name(), to.name()),
        EventKind::Waiting { on } => format!("waits for {}", words::list(on)),
        EventKind::Spawned { pid } => format!("spawned, pid {pid}"),
        EventKind::Ready => "ready".into(),
        EventKind::Says => "says".into(),
        EventKind::Exited { code, signal } => ended(*code, signal.as_deref()),
        EventKind::RestartPlanned { in_ms, count } => {
            format!("restart {count} in {}", words::duration_ms(*in_ms))
        }
        EventKind::StopStep { step, grace_ms } => stop_step(step, *grace_ms),
        EventKind::StillStopping { left_ms, processes } => still(*left_ms, *processes),
        EventKind::Explained {
            verdict,
            confidence,
            ..
        } => {
            format!("hangs: {verdict}, {confidence}")
        }
        EventKind::Leftovers { names } => format!("left over: {}", words::list(names)),
        EventKind::Killed { processes } => format!("killed by force: {}", processes_of(*processes)),
        EventKind::Health {
            failures,
            unhealthy,
        } => health(*failures, *unhealthy),
        EventKind::Watchdog => "watchdog".into(),
        EventKind::Failed => "failed".into(),
        EventKind::Skipped => "skipped".into(),
        EventKind::CommandFailed { what } => format!("{what} failed"),
        EventKind::Rotated { file } => format!("rotated {file}"),
        EventKind::Log => "log".into(),
        EventKind::Loaded => "loaded".into(),
        EventKind::Unloaded => "unloaded".into(),
        EventKind::EngineStarted { pid, version } => format!("engine {version} started, pid {pid}"),
        EventKind::EngineStopping => "engine is about to end".into(),
        EventKind::Remark => "remark".into(),
    }
}

/// What happened and why, as one sentence.
pub(crate) fn sentence(event: &Event) -> String {
    let what = what(&event.kind);
    // A reason that only says it again is none.
    if event.because.is_empty() || what.starts_with(&event.because) {
        return what;
    }
    format!("{what}: {}", event.because)
}

/// What a stop step asks and how long it waits.
pub(crate) fn stop_step(step: &str, grace_ms: Option<u64>) -> String {
    match grace_ms {
        Some(grace) => format!("{step}, given {}", words::duration_ms(grace)),
        None => format!("{step}, without a limit"),
    }
}

/// What is waited for, and how long yet.
pub(crate) fn still(left_ms: Option<u64>, processes: u32) -> String {
    let processes = processes_of(processes);
    match left_ms {
        Some(left) => format!("waits for {processes}, {} left", words::duration_ms(left)),
        None => format!("waits for {processes}, without a limit"),
    }
}

fn processes_of(number: u32) -> String {
    words::count(u64::from(number), "process", "processes")
}

fn ended(code: Option<u32>, signal: Option<&str>) -> String {
    match (code, signal) {
        (Some(code), _) => format!("ended with code {code}"),
        (None, Some(signal)) => format!("ended by {signal}"),
        (None, None) => "ended, nobody could tell how".into(),
    }
}

fn health(failures: u32, unhealthy: bool) -> String {
    if failures == 0 {
        return "healthy again".into();
    }
    let failures = words::count(
        u64::from(failures),
        "failed probe",
        "failed probes in a row",
    );
    if unhealthy {
        return format!("unhealthy, {failures}");
    }
    failures
}
