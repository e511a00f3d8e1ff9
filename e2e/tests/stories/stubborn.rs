//! Who ignores the polite request is killed within the budget.

use std::time::Duration;

use aplomb_protocol::{EventKind, State};

use crate::engine::{Engine, between};
use crate::stage::Stage;

#[test]
fn a_stubborn_service_is_killed_within_its_budget_and_the_events_say_so() {
    let stage = Stage::new();
    let mut engine = Engine::playing(
        &stage,
        r#"
        [service.stubborn]
        command = ["ACTOR", "stubborn", "notify=READY=1"]
        ready = "notify"
        log = { to = "file STAGE/stubborn.txt" }
        stop = { plan = ["SIGTERM 200ms"], budget = "1s", kill-margin = "300ms" }
        "#,
    );
    engine.ears.state("stubborn", State::Running);
    let outcome = engine.stop("stubborn");
    assert!(outcome.arrived, "{outcome:?}");
    let asked = engine.ears.kind(
        "stubborn",
        "asked by SIGTERM",
        |kind| matches!(kind, EventKind::StopStep { step, grace_ms: Some(200) } if step == "SIGTERM"),
    );
    let killed = engine.ears.kind("stubborn", "killed", |kind| {
        matches!(kind, EventKind::Killed { processes: 1 })
    });
    let end = engine.ears.state("stubborn", State::Stopped);
    assert!(
        between(&asked, &killed) >= Duration::from_millis(200),
        "the grace period is given"
    );
    // The kill itself is prompt; a machine under load may let us wait for our turn.
    assert!(
        between(&asked, &killed) < Duration::from_secs(2),
        "{:?}",
        between(&asked, &killed)
    );
    assert!(
        between(&asked, &end) < Duration::from_secs(3),
        "{:?}",
        between(&asked, &end)
    );
    engine.end();
    assert!(
        stage.read("stubborn.txt").contains("heard SIGTERM"),
        "it was asked before"
    );
}

#[test]
fn a_service_that_blocks_every_signal_is_killed_as_well() {
    let stage = Stage::new();
    let mut engine = Engine::playing(
        &stage,
        r#"
        [service.mask]
        command = ["ACTOR", "notify=READY=1", "mask"]
        ready = "notify"
        stop = { plan = ["SIGINT 50ms", "SIGTERM 50ms"], budget = "2s", kill-margin = "1s" }
        "#,
    );
    engine.ears.state("mask", State::Running);
    assert!(engine.stop("mask").arrived);
    for expected in ["SIGINT", "SIGTERM"] {
        engine.ears.kind(
            "mask",
            expected,
            |kind| matches!(kind, EventKind::StopStep { step, .. } if step == expected),
        );
    }
    engine.ears.kind("mask", "killed", |kind| {
        matches!(kind, EventKind::Killed { processes: 1 })
    });
    engine.end();
}
