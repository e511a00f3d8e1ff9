//! Readiness as the service tells it, or does not.

use std::time::Duration;

use aplomb_protocol::State;

use crate::engine::{Engine, between};
use crate::stage::{Stage, lives};

#[test]
fn a_service_is_ready_when_it_says_so_and_its_words_are_shown() {
    let stage = Stage::new();
    let mut engine = Engine::playing(
        &stage,
        r#"
        [service.teller]
        command = ["ACTOR", "notify=STATUS=warming up", "wait-file=STAGE/go", "notify=READY=1"]
        ready = "notify"
        "#,
    );
    engine.ears.kind("teller", "its own words", |kind| {
        *kind == aplomb_protocol::EventKind::Says
    });
    let status = engine.status("teller");
    assert_eq!(
        (status.state, status.readiness.ready),
        (State::StartPending, false)
    );
    assert_eq!(status.says.as_deref(), Some("warming up"));
    stage.write("go", "");
    engine.ears.state("teller", State::Running);
    engine.end();
}

#[test]
fn who_is_never_ready_times_out_and_is_stopped() {
    let stage = Stage::new();
    let mut engine = Engine::playing(
        &stage,
        r#"
        [service.late]
        command = ["ACTOR"]
        ready = "notify"
        start-timeout = "300ms"
        restart = "never"
        "#,
    );
    let begun = engine.ears.state("late", State::StartPending);
    let pid = engine.ears.spawned("late");
    let failed = engine.ears.state("late", State::Failed);
    assert!(between(&begun, &failed) >= Duration::from_millis(300));
    assert!(failed.because.contains("300 ms"), "{}", failed.because);
    assert!(!lives(pid));
    engine.end();
}

#[test]
fn a_start_lasts_as_long_as_the_service_asks_for_more_time() {
    let stage = Stage::new();
    let mut engine = Engine::playing(
        &stage,
        r#"
        [service.slow]
        command = ["ACTOR", "notify=EXTEND_TIMEOUT_USEC=30000000", "wait=700", "notify=READY=1"]
        ready = "notify"
        start-timeout = "600ms"
        restart = "never"
        "#,
    );
    engine.ears.state("slow", State::Running);
    engine.end();
}

#[test]
fn a_service_may_hand_its_main_role_to_a_child() {
    let stage = Stage::new();
    let mut engine = Engine::playing(
        &stage,
        r#"
        [service.heir]
        command = ["ACTOR", "hand-over", "append=STAGE/heir:here"]
        ready = "notify"
        restart = "never"
        "#,
    );
    let first = engine.ears.spawned("heir");
    engine.ears.state("heir", State::Running);
    let main = engine.status("heir").pid.expect("a main process");
    assert_ne!(main, first);
    assert!(lives(main));
    assert!(engine.stop("heir").arrived);
    assert!(!lives(main));
    engine.end();
}
