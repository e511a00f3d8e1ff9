//! Restart, start limit and the meaning of particular ends; systemd.service(5), `Restart=` and what follows it.

use std::time::Duration;

use aplomb_core::spec::{ExitSet, Growth, Restart, RestartWhen, StartLimit};
use aplomb_core::{ExitCode, Signal};

use super::draft::{Draft, Input};
use super::fault::Fault;
use super::words::Backslash;

/// systemd's `DefaultStartLimitIntervalSec=` and `DefaultStartLimitBurst=`.
pub(super) const LIMIT_WINDOW: Duration = Duration::from_secs(10);
pub(super) const LIMIT_STARTS: u32 = 5;
/// systemd's `DefaultRestartSec=`.
pub(super) const DELAY: Duration = Duration::from_millis(100);

/// `Restart=` and its words.
pub(super) const WHEN: &[(RestartWhen, &str)] = &[
    (RestartWhen::Never, "no"),
    (RestartWhen::OnSuccess, "on-success"),
    (RestartWhen::OnFailure, "on-failure"),
    (RestartWhen::OnAbnormal, "on-abnormal"),
    (RestartWhen::OnAbort, "on-abort"),
    (RestartWhen::OnWatchdog, "on-watchdog"),
    (RestartWhen::Always, "always"),
];

/// What a unit that says nothing means.
pub(super) fn defaults(restart: &mut Restart) {
    restart.when = RestartWhen::Never;
    restart.delay = DELAY;
    restart.growth = Growth::None;
    restart.jitter = 0;
    restart.healthy_after = None;
}

pub(super) fn when(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    let found = WHEN.iter().find(|(_, name)| *name == input.text());
    let Some((when, _)) = found else {
        return Err(input.bad(
            "is no restart policy",
            "write one of `no`, `on-failure`, `always`, …",
        ));
    };
    draft.spec.restart.when = *when;
    Ok(())
}

pub(super) fn delay(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    draft.spec.restart.delay = input.span()?.unwrap_or(Duration::MAX);
    Ok(())
}

/// `RestartMode=`: `normal` is what we do.
pub(super) fn mode(_: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    match input.text() {
        "normal" => Ok(()),
        "direct" => Err(Fault::noted(
            "between two runs the service is seen as down; `RestartMode=direct` would hide that",
            "leave it out if nothing watches the state",
        )),
        _ => Err(input.bad("is no restart mode", "write `normal`")),
    }
}

/// `StartLimitAction=`: the engine can end itself, it cannot reboot the machine.
pub(super) fn limit_action(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    match input.text() {
        "" | "none" => draft.spec.restart.then = aplomb_core::spec::GiveUp::Fail,
        "exit" | "exit-force" => draft.spec.restart.then = aplomb_core::spec::GiveUp::Shutdown,
        _ => return Err(machine_action(input)),
    }
    Ok(())
}

/// `FailureAction=`, `SuccessAction=`: only `none` can be had.
pub(super) fn action(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    let none = matches!(input.text(), "" | "none");
    if input.key == "SuccessAction" {
        draft.has_success_action = !none;
    }
    match none {
        true => Ok(()),
        false => Err(machine_action(input)),
    }
}

fn machine_action(input: &Input<'_>) -> Fault {
    let message = format!(
        "`{}={}` acts on the whole machine, which Aplomb never does",
        input.key,
        input.text()
    );
    Fault::not_carried(message, "remove it, or use a hook")
}

/// One of the three `…ExitStatus=` lists.
pub(super) fn exit_set(
    draft: &mut Draft,
    input: &Input<'_>,
    set: fn(&mut Draft) -> &mut ExitSet,
) -> Result<(), Fault> {
    if input.is_empty() {
        *set(draft) = ExitSet::default();
        return Ok(());
    }
    for word in input.words(Backslash::Escape)? {
        let set = set(draft);
        if let Some(code) = exit_code(&word.text) {
            if !set.codes.contains(&code) {
                set.codes.push(code);
            }
        } else if let Some(signal) = signal(&word.text) {
            if !set.signals.contains(&signal) {
                set.signals.push(signal);
            }
        } else {
            let message = format!(
                "`{}` is neither an exit code nor a signal; it is ignored",
                word.text
            );
            let fault = Fault::warning(message, "write 0 to 255, or a name such as `SIGTERM`");
            draft.faults.push(fault.at(word.range));
        }
    }
    Ok(())
}

/// A number is always a code here, never a signal.
fn signal(word: &str) -> Option<Signal> {
    word.starts_with(|first: char| !first.is_ascii_digit())
        .then(|| super::draft::signal(word))
        .flatten()
}

/// A number 0 to 255, or a name of the table in systemd.exec(5), "Process exit codes".
fn exit_code(word: &str) -> Option<ExitCode> {
    if let Ok(code) = word.parse::<u8>() {
        return Some(ExitCode(code.into()));
    }
    super::exit_status::NAMES
        .iter()
        .find(|(_, name)| *name == word)
        .map(|(code, _)| ExitCode((*code).into()))
}

/// Puts delay, growth and limit together.
pub(super) fn finish(draft: &mut Draft) {
    let restart = &mut draft.spec.restart;
    restart.growth = match (draft.restart_steps, draft.restart_max_delay) {
        (steps, Some(max)) if steps > 0 && max > restart.delay => Growth::Steps { steps, max },
        (_, Some(_) | None) => Growth::None,
    };
    restart.limit = match (draft.limit_starts, draft.limit_window) {
        (0, _) => None,
        (_, Some(window)) if window.is_zero() => None,
        (starts, window) => Some(StartLimit {
            starts,
            window: window.unwrap_or(Duration::MAX),
        }),
    };
}
