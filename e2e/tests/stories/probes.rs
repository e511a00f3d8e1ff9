//! Each proof of readiness: nothing is ready before it, and is once it is there.

use aplomb_protocol::{EventKind, State};

use crate::engine::Engine;
use crate::stage::{Stage, free_port};

/// A service that waits for the story's word before it does what proves it ready.
fn ready_only_after(proof: &str, deed: &str) {
    let stage = Stage::new();
    let mut engine = Engine::playing(
        &stage,
        &format!(
            r#"
            [service.prover]
            command = ["ACTOR", "append=STAGE/begun:x", "wait-file=STAGE/go", "{deed}"]
            ready = {proof}
            start-timeout = "40s"
            "#
        ),
    );
    engine.ears.spawned("prover");
    crate::stage::until("it has begun", || !stage.read("begun").is_empty());
    assert_eq!(engine.status("prover").state, State::StartPending);
    stage.write("go", "");
    let ready = engine.ears.state("prover", State::Running);
    assert!(engine.status("prover").readiness.ready, "{}", ready.because);
    engine.end();
}

#[test]
fn a_port_proves_readiness_once_it_accepts() {
    let port = free_port();
    ready_only_after(
        &format!(r#"{{ port = "{port}", interval = "20ms" }}"#),
        &format!("port={port}"),
    );
}

#[test]
fn http_proves_readiness_by_status_and_body() {
    let port = free_port();
    let proof = format!(
        r#"{{ http = "http://127.0.0.1:{port}/livez", status = 200, body = "pid [0-9]+", interval = "20ms" }}"#
    );
    ready_only_after(&proof, &format!("port={port}"));
}

#[test]
fn a_log_line_proves_readiness() {
    ready_only_after(r#""log ^listening on [0-9]+$""#, "say=listening on 80");
}

#[test]
fn a_log_line_said_at_once_is_not_missed() {
    let stage = Stage::new();
    let mut engine = Engine::playing(
        &stage,
        r#"
        [service.hasty]
        command = ["ACTOR", "say=listening on 80"]
        ready = "log ^listening on [0-9]+$"
        start-timeout = "40s"
        instances = 30
        "#,
    );
    // Whoever of them is first: thirty have to come.
    for _ in 0..30 {
        engine.ears.find("another one is ready", |event| {
            event.kind == EventKind::Ready
        });
    }
    engine.end();
}

#[test]
fn a_file_proves_readiness() {
    ready_only_after(
        r#"{ file = "STAGE/socket-file", interval = "20ms" }"#,
        "file=STAGE/socket-file",
    );
}

#[test]
fn a_line_on_a_descriptor_proves_readiness() {
    ready_only_after(r#""fd 3""#, "ready-fd=3");
}

#[test]
fn a_command_proves_readiness() {
    let proof = r#"{ command = ["test", "-e", "STAGE/done"], interval = "20ms" }"#;
    ready_only_after(proof, "file=STAGE/done");
}

#[test]
fn who_closes_its_descriptor_without_a_word_is_not_ready() {
    let stage = Stage::new();
    let mut engine = Engine::playing(
        &stage,
        r#"
        [service.deaf]
        command = ["ACTOR", "deaf=3"]
        ready = "fd 3"
        start-timeout = "500ms"
        restart = "never"
        "#,
    );
    engine.ears.state("deaf", State::Failed);
    let events = engine.end();
    assert!(
        !events
            .iter()
            .any(|event| event.kind == aplomb_protocol::EventKind::Ready)
    );
}
