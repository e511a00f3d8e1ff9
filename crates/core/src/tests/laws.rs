//! What holds in every situation, whatever happened before.

use std::format;
use std::string::String;

use super::engine::{Engine, rule};
use crate::{Instant, Shown, World};

/// Looks at everything; the error names the law that is broken.
pub(super) fn check(world: &World, engine: &Engine, now: Instant) -> Result<(), String> {
    let mut waits = false;
    for id in world.instances() {
        let Some(it) = world.standing(id) else {
            continue;
        };
        let name = it.name;
        let run = engine.runs.get(&id).map(|(run, _)| *run);
        rule(
            it.run == run,
            &format!(
                "`{name}`: the engine holds {run:?}, the core thinks of {:?}",
                it.run
            ),
        )?;
        rule(
            !(it.settled && matches!(it.shown, Shown::StartPending)),
            &format!("`{name}` is settled and about to start"),
        )?;
        let quiet = it.settled && run.is_none();
        rule(
            !(quiet && world.timer_of(id).is_some()),
            &format!("`{name}` is down and a timer is left"),
        )?;
        rule(
            it.settled || it.shown != Shown::Stopped,
            &format!("`{name}` shows as stopped and is not settled"),
        )?;
        waits |= !it.settled;
    }
    rule(
        world.wakes_at().is_none_or(|at| at >= now) || waits,
        "a timer is due and nobody waits for it",
    )?;
    let owed = engine.runs.values().any(|(_, tree)| tree.owes_answer());
    let lives = engine.runs.values().any(|(_, tree)| !tree.is_empty());
    rule(
        !waits || owed || lives || world.wakes_at().is_some(),
        "somebody waits, and nothing will ever happen",
    )
}
