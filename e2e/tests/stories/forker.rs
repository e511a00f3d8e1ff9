//! Nobody leaves the tree: not by forking twice, not by a session of its own.

use aplomb_protocol::State;

use crate::engine::Engine;
use crate::stage::{Stage, lives, until};

fn daemon(stage: &Stage, engine: &mut Engine) -> u32 {
    engine.ears.state("forker", State::Running);
    until("the daemon runs", || !stage.read("daemon").is_empty());
    until("who stood between them has gone", || {
        engine.status("forker").members.len() == 2
    });
    let tree = engine.status("forker").members;
    assert_eq!(tree.len(), 2, "main process and daemon: {tree:?}");
    let main = engine.status("forker").pid;
    let daemon = tree.iter().find(|member| Some(member.pid) != main);
    daemon.expect("a member besides the main process").pid
}

#[test]
fn a_daemon_a_service_left_behind_is_stopped_with_it() {
    let stage = Stage::new();
    let mut engine = Engine::playing(
        &stage,
        r#"
        [service.forker]
        command = ["ACTOR", "daemon", "append=STAGE/daemon:here"]
        "#,
    );
    let daemon = daemon(&stage, &mut engine);
    assert!(engine.stop("forker").arrived);
    assert!(!lives(daemon), "the daemon outlived the stop");
    engine.end();
}

#[test]
fn a_stubborn_daemon_is_killed_with_its_tree() {
    let stage = Stage::new();
    let mut engine = Engine::playing(
        &stage,
        r#"
        [service.forker]
        command = ["ACTOR", "daemon", "stubborn", "append=STAGE/daemon:here"]
        stop = { plan = ["SIGTERM 100ms"], budget = "2s", kill-margin = "1s" }
        "#,
    );
    let daemon = daemon(&stage, &mut engine);
    assert!(engine.stop("forker").arrived);
    assert!(!lives(daemon), "the daemon outlived the kill");
    engine.ears.kind("forker", "killed", |kind| {
        matches!(kind, aplomb_protocol::EventKind::Killed { .. })
    });
    engine.end();
}

#[test]
fn where_nothing_is_killed_who_lives_on_is_named() {
    let stage = Stage::new();
    let mut engine = Engine::playing(
        &stage,
        r#"
        [service.forker]
        command = ["ACTOR", "daemon", "stubborn", "append=STAGE/daemon:here"]
        stop = { plan = ["SIGTERM 100ms"], budget = "1s", kill-margin = "500ms", kill = "none" }
        "#,
    );
    let daemon = daemon(&stage, &mut engine);
    engine.stop("forker");
    let told = engine.ears.kind("forker", "those who live on", |kind| {
        matches!(kind, aplomb_protocol::EventKind::Leftovers { .. })
    });
    assert!(told.because.contains("live on"), "{}", told.because);
    assert!(
        told.because.contains(&daemon.to_string()),
        "{}",
        told.because
    );
    assert!(lives(daemon));
    let daemon = rustix::process::Pid::from_raw(daemon as i32).expect("a number");
    rustix::process::kill_process(daemon, rustix::process::Signal::KILL).expect("killed");
    engine.end();
}
