//! Kill keys and `TimeoutStopSec=` as a stop plan; systemd.kill(5), systemd.service(5).
//!
//! systemd has no budget for a whole stop: each `ExecStop=` and then the signal gets `TimeoutStopSec=` of its own.
//! Here each becomes a step with that grace period, and the budget is their sum and the kill margin, so that no
//! service is killed earlier than systemd would have killed it.

use std::time::Duration;

use aplomb_core::spec::{Request, Stop, StopStep, Whom};

use super::draft::{Draft, Input};
use super::fault::Fault;

/// systemd's `DefaultTimeoutStopSec=`.
pub(super) const TIMEOUT: Duration = Duration::from_secs(90);

pub(super) const KILL_MODES: &[(Whom, &str)] = &[
    (Whom::Tree, "control-group"),
    (Whom::Mixed, "mixed"),
    (Whom::Main, "process"),
    (Whom::Nobody, "none"),
];

pub(super) fn kill_mode(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    let found = KILL_MODES.iter().find(|(_, name)| *name == input.text());
    let Some((whom, _)) = found else {
        return Err(input.bad(
            "is no kill mode",
            "write `control-group`, `mixed` or `process`",
        ));
    };
    draft.kill_mode = *whom;
    Ok(())
}

/// Puts the stop plan together.
pub(super) fn finish(draft: &mut Draft) {
    let grace = draft.timeout_stop;
    let commands = std::mem::take(&mut draft.stop_commands);
    let mut requests: Vec<Request> = commands.into_iter().map(Request::CommandOnly).collect();
    if draft.kill_mode != Whom::Nobody {
        requests.push(Request::Signal(draft.kill_signal));
    }
    let stop = &mut draft.spec.stop;
    stop.budget = budget(grace, requests.len(), stop.kill_margin);
    stop.plan = requests
        .into_iter()
        .map(|request| StopStep { request, grace })
        .collect();
    stop.whom = draft.kill_mode;
    stop.kill = draft.send_sigkill.then_some(draft.final_kill_signal);
}

/// The budget of a plan of `steps` steps with the same grace period each.
pub(super) fn budget(
    grace: Option<Duration>,
    steps: usize,
    kill_margin: Duration,
) -> Option<Duration> {
    let steps = u32::try_from(steps).unwrap_or(u32::MAX);
    Some(grace?.saturating_mul(steps).saturating_add(kill_margin))
}

/// The one grace period behind a stop, if a unit can say it.
pub(super) fn timeout(stop: &Stop) -> Option<Option<Duration>> {
    let grace = stop.plan.first().map_or(Some(TIMEOUT), |step| step.grace);
    let same = stop.plan.iter().all(|step| step.grace == grace);
    (same && stop.budget == budget(grace, stop.plan.len(), stop.kill_margin)).then_some(grace)
}
