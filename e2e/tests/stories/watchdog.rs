//! A sign of life is owed.

use aplomb_protocol::{EventKind, State};

use crate::engine::Engine;
use crate::stage::Stage;

#[test]
fn a_service_that_shows_no_sign_of_life_is_ended_and_started_again() {
    let stage = Stage::new();
    let mut engine = Engine::playing(
        &stage,
        r#"
        [service.dozer]
        command = ["ACTOR", "notify=READY=1", "watchdog=4"]
        ready = "notify"
        watchdog = "500ms"
        restart = { when = "on-watchdog", delay = "10ms" }
        "#,
    );
    let first = engine.ears.spawned("dozer");
    engine.ears.state("dozer", State::Running);
    engine.ears.kind("dozer", "the watchdog calls", |kind| {
        *kind == EventKind::Watchdog
    });
    let second = engine.ears.spawned("dozer");
    assert_ne!(first, second);
    engine.ears.state("dozer", State::Running);
    engine.end();
}
