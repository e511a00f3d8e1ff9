//! What holds in every situation, whatever happened before.

use std::format;
use std::string::String;

use super::engine::{Engine, rule};
use crate::{Because, InstanceId, Shown, Wanted, World};

/// Looks at everything; the error names the law that is broken.
pub(super) fn check(world: &World, engine: &Engine) -> Result<(), String> {
    let mut waits = false;
    for id in world.instances() {
        let Some(it) = world.standing(id) else {
            continue;
        };
        let name = it.name;
        let run = engine.runs.get(&id).map(|(run, _)| *run);
        // A run for which nothing had to be done yet is known to the core alone.
        rule(run.is_none() || it.run == run, || {
            format!(
                "`{name}`: the engine holds {run:?}, the core thinks of {:?}",
                it.run
            )
        })?;
        rule(
            !(it.settled && matches!(it.shown, Shown::StartPending)),
            || format!("`{name}` is settled and about to start"),
        )?;
        let quiet = it.settled && it.run.is_none();
        rule(!(quiet && world.timer_of(id).is_some()), || {
            format!("`{name}` is down and a timer is left")
        })?;
        rule(it.settled || it.shown != Shown::Stopped, || {
            format!("`{name}` shows as stopped and is not settled")
        })?;
        waits |= !it.settled;
    }
    let owed = engine.runs.values().any(|(_, tree)| tree.owes_answer());
    let lives = engine.runs.values().any(|(_, tree)| !tree.is_empty());
    rule(
        !waits || owed || lives || world.wakes_at().is_some(),
        || "somebody waits, and nothing will ever happen",
    )
}

/// A dependent begins only when what it requires and follows has arrived, and never beside what it conflicts with.
pub(super) fn start_order(world: &World, id: InstanceId) -> Result<(), String> {
    let Some(it) = world.standing(id) else {
        return Ok(());
    };
    let depends = &it.spec.depends;
    let required = depends.requires.iter().chain(&depends.binds_to);
    for name in required.filter(|name| depends.after.contains(name)) {
        let peer = world.find(name).and_then(|peer| world.standing(peer));
        rule(peer.is_some_and(|peer| peer.arrived), || {
            format!("`{}` begins before `{name}` has arrived", it.name)
        })?;
    }
    for name in &depends.conflicts {
        let peer = world.find(name).and_then(|peer| world.standing(peer));
        rule(peer.is_none_or(|peer| peer.run.is_none()), || {
            format!("`{}` begins beside `{name}`", it.name)
        })?;
    }
    Ok(())
}

/// Nobody is asked to end by wish while one that started after it, and is to end too, still runs.
pub(super) fn stop_order(world: &World, engine: &Engine, id: InstanceId) -> Result<(), String> {
    let Some(it) = world.standing(id) else {
        return Ok(());
    };
    let wished = matches!(
        it.because,
        Because::Asked
            | Because::Shutdown
            | Because::DependencyStopped(_)
            | Because::DependencyRestarted(_)
            | Because::Conflicts(_)
    );
    // What an end of its own left behind is nobody others could still rely on.
    let stands = engine
        .runs
        .get(&id)
        .is_some_and(|(_, tree)| tree.main().is_some());
    for other in world
        .instances()
        .filter(|other| wished && stands && *other != id)
    {
        let Some(peer) = world.standing(other) else {
            continue;
        };
        let follows = peer.spec.depends.after.contains(&it.spec.name);
        let runs = engine.runs.contains_key(&other) && !engine.unkillable.contains(&other);
        rule(!(follows && runs && peer.wanted == Wanted::Down), || {
            format!("`{}` is asked to end before `{}` has", it.name, peer.name)
        })?;
    }
    Ok(())
}

/// When the end of everything is told, nothing runs but what cannot be killed.
pub(super) fn finished(engine: &Engine) -> Result<(), String> {
    let left = engine.runs.keys();
    let ours = left.filter(|id| !engine.unkillable.contains(id)).count();
    rule(ours == 0, || "the end is told while something runs")
}
