//! The stop plan as `ExecStop=`, `KillSignal=` and one `TimeoutStopSec=`.

use std::time::Duration;

use aplomb_core::Signal;
use aplomb_core::spec::{Command, Request, Stop, Whom};

use super::super::stop::{KILL_MODES, TIMEOUT, timeout};
use super::{Out, named, service, span, yes_no};

pub(super) fn write(stop: &Stop, out: &mut Out) {
    if stop.pre.is_some() {
        out.lose("a pre-stop command", "make it the first `ExecStop=`");
    }
    plan(stop, out);
    if stop.whom != Whom::Tree {
        out.service("KillMode", named(KILL_MODES, &stop.whom));
    }
    match stop.kill {
        None => out.service("SendSIGKILL", yes_no(false)),
        Some(Signal::KILL) => {}
        Some(signal) => out.service("FinalKillSignal", &signal.to_string()),
    }
    if stop.also_hup {
        out.service("SendSIGHUP", yes_no(true));
    }
    if let Some(signal) = stop.restart_signal {
        out.service("RestartKillSignal", &signal.to_string());
    }
    if stop.watchdog_signal != Signal::ABRT {
        out.service("WatchdogSignal", &stop.watchdog_signal.to_string());
    }
    service::list("ExecStopPost", &stop.post, out);
    if stop.kill_margin != Stop::default().kill_margin {
        out.lose("a kill margin of its own", "leave it at 2 s");
    }
}

/// Commands first, then one signal: that is all a unit can say.
fn plan(stop: &Stop, out: &mut Out) {
    let mut commands: Vec<Command> = Vec::new();
    let mut signal = None;
    let mut exact = true;
    for step in &stop.plan {
        match &step.request {
            Request::CommandOnly(command) => {
                exact &= signal.is_none();
                commands.push(command.clone());
            }
            Request::Command(command) => {
                exact = false;
                commands.push(command.clone());
            }
            Request::Signal(next) => {
                exact &= signal.is_none();
                signal = signal.or(Some(*next));
            }
            Request::CtrlC | Request::CtrlBreak | Request::CloseWindows | Request::QuitThreads => {
                exact = false
            }
        }
    }
    exact &= signal.is_some() == (stop.whom != Whom::Nobody);
    if !exact {
        out.lose(
            "this stop plan; its commands and its first signal are written",
            "write commands, then one signal",
        );
    }
    service::list("ExecStop", &commands, out);
    if let Some(signal) = signal.filter(|signal| *signal != Signal::TERM) {
        out.service("KillSignal", &signal.to_string());
    }
    let grace = timeout(stop).unwrap_or_else(|| {
        out.lose(
            "grace periods that differ, or do not add up to the budget",
            "give every step the same",
        );
        whole_time(stop)
    });
    if grace != Some(TIMEOUT) {
        out.service(
            "TimeoutStopSec",
            &span(grace.filter(|grace| !grace.is_zero())),
        );
    }
}

/// The time a stop may take before the kill, where one step must stand for all.
fn whole_time(stop: &Stop) -> Option<Duration> {
    Some(stop.budget?.saturating_sub(stop.kill_margin))
}
