//! A run that may not last.

use std::time::Duration;

use aplomb_protocol::State;

use crate::engine::{Engine, between};
use crate::stage::Stage;

#[test]
fn a_run_longer_than_allowed_is_ended_and_counts_as_a_failure() {
    let stage = Stage::new();
    let mut engine = Engine::playing(
        &stage,
        r#"
        [service.job]
        command = ["ACTOR"]
        max-run-time = "200ms"
        restart = "never"
        "#,
    );
    let running = engine.ears.state("job", State::Running);
    let failed = engine.ears.state("job", State::Failed);
    assert!(between(&running, &failed) >= Duration::from_millis(200));
    assert!(failed.because.contains("200 ms"), "{}", failed.because);
    engine.end();
}
