//! A crash is answered with growing patience, and with giving up.

use aplomb_protocol::{EventKind, State};

use crate::engine::Engine;
use crate::stage::{Stage, until};

#[test]
fn a_crash_loop_backs_off_until_the_start_limit_and_then_starts_on_failure() {
    let stage = Stage::new();
    let mut engine = Engine::playing(
        &stage,
        r#"
        [service.crasher]
        command = ["ACTOR", "append=STAGE/runs:x", "exit=3"]
        restart = { when = "on-failure", delay = "20ms", factor = 2, jitter = "0%", limit = "4 in 1m" }
        on-failure = ["alarm"]
        [service.alarm]
        command = ["ACTOR"]
        start-mode = "manual"
        "#,
    );
    engine.ears.state("crasher", State::Failed);
    engine.ears.state("alarm", State::Running);
    let status = engine.status("crasher");
    assert_eq!(status.state, State::Failed);
    assert!(status.because.contains("code 3"), "{}", status.because);
    let events = engine.end();
    let of = |event: &&aplomb_protocol::Event| event.service == "crasher";
    let waits: Vec<u64> = events
        .iter()
        .filter(of)
        .filter_map(|event| {
            let EventKind::RestartPlanned { in_ms, .. } = event.kind else {
                return None;
            };
            Some(in_ms)
        })
        .collect();
    assert_eq!(waits, [20, 40, 80, 160], "the last meets the limit");
    assert_eq!(stage.read("runs").lines().count(), 4);
}

#[test]
fn status_of_a_failed_service_says_why() {
    let stage = Stage::new();
    let mut engine = Engine::playing(
        &stage,
        r#"
        [service.crasher]
        command = ["ACTOR", "say=no such database", "exit=3"]
        restart = "never"
        "#,
    );
    engine.ears.state("crasher", State::Failed);
    let mut said = stage.says(&["status", "crasher"]);
    until("its last words are shown", || {
        said = stage.says(&["status", "crasher"]);
        said.out.contains("no such database")
    });
    assert!(
        said.out.contains("failed") && said.out.contains("code 3"),
        "{}",
        said.out
    );
    assert_eq!(said.code, Some(3), "3 is not running: {}", said.err);
    engine.end();
}
