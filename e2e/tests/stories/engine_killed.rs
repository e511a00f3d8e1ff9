//! The engine is killed, at every moment of a service's life; the next one goes on as if nothing had been.

use std::time::Duration;

use aplomb_protocol::{Ask, EventKind, State, StopHow};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::engine::{Engine, between};
use crate::stage::{Stage, lives, root, signal, until};

fn signalled(pid: u32, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(pid).expect("a pid")), signal).expect("sent");
}

#[test]
fn services_run_on_and_are_watched_by_the_next_engine() {
    let stage = Stage::new();
    let mut engine = Engine::playing(
        &stage,
        "[service.web]\ncommand = [\"ACTOR\", \"leave=7\"]\nrestart = { when = \"on-failure\", delay = \"10ms\" }\n",
    );
    let pid = engine.ears.spawned("web");
    engine.ears.state("web", State::Running);
    let dead = engine.die(&stage);
    let words = engine.takeover();
    assert!(words.contains(&format!("engine {dead}")), "{words}");
    assert!(words.contains("SIGKILL"), "{words}");
    let status = engine.status("web");
    assert_eq!(status.pid, Some(pid), "the same process");
    assert_eq!(status.because, format!("taken over from engine {dead}"));
    assert!(status.readiness.ready);
    // It is no child of the new engine; how it ended is known all the same, and what follows is done.
    signalled(pid, Signal::SIGTERM);
    let end = engine.ears.kind("web", "ended", |kind| {
        matches!(kind, EventKind::Exited { .. })
    });
    assert_eq!(
        end.kind,
        EventKind::Exited {
            code: Some(7),
            signal: None
        }
    );
    let next = engine.ears.spawned("web");
    assert_ne!(next, pid);
    engine.end();
}

#[test]
fn twice_in_a_row_and_again() {
    let stage = Stage::new();
    let mut engine = Engine::playing(&stage, "[service.web]\ncommand = [\"ACTOR\"]\n");
    let pid = engine.ears.spawned("web");
    engine.ears.state("web", State::Running);
    for _ in 0..3 {
        engine.die(&stage);
        engine.takeover();
        assert_eq!(engine.status("web").pid, Some(pid));
    }
    engine.end();
    assert!(!lives(pid));
}

#[test]
fn an_end_nobody_was_there_to_see_is_told_with_its_code() {
    let stage = Stage::new();
    let mut engine = Engine::playing(
        &stage,
        "[service.web]\ncommand = [\"ACTOR\", \"leave=9\"]\nrestart = \"never\"\n[service.other]\ncommand = [\"ACTOR\"]\n",
    );
    let pid = engine.ears.spawned("web");
    engine.ears.state("other", State::Running);
    let dead = engine.pid();
    // The keeper stands still, so that there is no engine for a while.
    signal(&engine.child, Signal::SIGSTOP);
    kill(Pid::from_raw(dead), Signal::SIGKILL).expect("killed");
    until("the engine is gone", || !lives(dead.unsigned_abs()));
    signalled(pid, Signal::SIGTERM);
    until("the service is gone", || !lives(pid));
    signal(&engine.child, Signal::SIGCONT);
    engine.turn_to_successor(&stage);
    let words = engine.takeover();
    assert!(words.contains("one had ended meanwhile"), "{words}");
    let end = engine.ears.kind("web", "ended", |kind| {
        matches!(kind, EventKind::Exited { .. })
    });
    assert_eq!(
        end.kind,
        EventKind::Exited {
            code: Some(9),
            signal: None
        }
    );
    engine.ears.state("web", State::Failed);
    assert_eq!(engine.status("other").state, State::Running);
    engine.end();
}

#[test]
fn a_start_goes_on_and_its_readiness_is_heard() {
    let stage = Stage::new();
    let mut engine = Engine::playing(
        &stage,
        r#"
        [service.store]
        command = ["ACTOR", "wait-file=STAGE/go", "notify=READY=1"]
        ready = "notify"
        [service.web]
        command = ["ACTOR"]
        requires = ["store"]
        "#,
    );
    let pid = engine.ears.spawned("store");
    engine.die(&stage);
    engine.takeover();
    let status = engine.status("store");
    assert_eq!((status.state, status.pid), (State::StartPending, Some(pid)));
    stage.write("go", "");
    engine.ears.state("store", State::Running);
    engine.ears.state("web", State::Running);
    assert_eq!(engine.status("store").pid, Some(pid));
    engine.end();
}

#[test]
fn a_ready_descriptor_and_commands_before_the_start_are_taken_along() {
    let stage = Stage::new();
    let mut engine = Engine::playing(
        &stage,
        r#"
        [service.slow]
        command = ["ACTOR", "append=STAGE/runs:run"]
        start-pre = [["ACTOR", "append=STAGE/before:run", "wait-file=STAGE/go", "exit=0"]]
        [service.quick]
        command = ["ACTOR", "wait-file=STAGE/go", "ready-fd=5"]
        ready = "fd 5"
        "#,
    );
    until("the command runs", || !stage.read("before").is_empty());
    let pid = engine.ears.spawned("quick");
    engine.die(&stage);
    engine.takeover();
    stage.write("go", "");
    engine.ears.rewind();
    engine.ears.state("slow", State::Running);
    engine.ears.rewind();
    engine.ears.state("quick", State::Running);
    assert_eq!(engine.status("quick").pid, Some(pid));
    until("it has begun", || !stage.read("runs").is_empty());
    assert_eq!(stage.read("before").lines().count(), 1, "begun once");
    engine.end();
    assert_eq!(stage.read("runs").lines().count(), 1, "begun once");
}

#[test]
fn a_stop_goes_on_with_its_grace_and_ends_with_the_kill() {
    let stage = Stage::new();
    let mut engine = Engine::playing(
        &stage,
        r#"
        [service.web]
        command = ["ACTOR", "stubborn", "say=up"]
        stop = { plan = ["TERM 2s"], budget = "4s" }
        restart = "always"
        "#,
    );
    let pid = engine.ears.spawned("web");
    engine.ears.state("web", State::Running);
    until("it is stubborn by now", || {
        stage.read("log/web.log").contains("up")
    });
    engine.send(Ask::Stop {
        names: vec!["web".into()],
        how: StopHow::Plan,
    });
    let asked = engine.ears.state("web", State::StopPending);
    engine.die(&stage);
    engine.takeover();
    let killed = engine.ears.kind("web", "killed", |kind| {
        matches!(kind, EventKind::Killed { .. })
    });
    let took = between(&asked, &killed);
    assert!(
        (Duration::from_millis(1900)..Duration::from_millis(3900)).contains(&took),
        "the grace period is the one it had: {took:?}"
    );
    engine.ears.state("web", State::Stopped);
    assert!(!lives(pid));
    let heard = stage.read("log/web.log").matches("SIGTERM").count();
    assert_eq!(heard, 1, "asked once");
    engine.end();
}

#[test]
fn a_shutdown_goes_on() {
    let stage = Stage::new();
    let mut engine = Engine::playing(
        &stage,
        r#"
        [service.store]
        command = ["ACTOR", "slow=700"]
        [service.web]
        command = ["ACTOR", "slow=700"]
        requires = ["store"]
        "#,
    );
    engine.ears.state("web", State::Running);
    engine.send(Ask::Shutdown { how: StopHow::Plan });
    engine.ears.state("web", State::StopPending);
    engine.die(&stage);
    engine.takeover();
    engine.ears.state("web", State::Stopped);
    engine.ears.state("store", State::Stopped);
    let status = crate::stage::wait(&mut engine.child);
    assert!(status.success(), "{status}");
}

#[test]
fn counts_of_restarts_and_the_wait_for_the_next_are_kept() {
    let stage = Stage::new();
    let mut engine = Engine::playing(
        &stage,
        r#"
        [service.crasher]
        command = ["ACTOR", "append=STAGE/runs:run", "exit=3"]
        restart = { when = "always", delay = "1500ms", jitter = "0%" }
        "#,
    );
    engine.ears.kind("crasher", "planned", |kind| {
        matches!(kind, EventKind::RestartPlanned { count: 1, .. })
    });
    engine.die(&stage);
    engine.takeover();
    let status = engine.status("crasher");
    assert_eq!(status.restarts, 1);
    engine.ears.kind("crasher", "planned", |kind| {
        matches!(kind, EventKind::RestartPlanned { count: 2, .. })
    });
    assert_eq!(stage.read("runs").lines().count(), 2);
    engine.end();
}

#[test]
fn a_watchdog_that_was_fed_meanwhile_does_not_bark() {
    let stage = Stage::new();
    let mut engine = Engine::playing(
        &stage,
        r#"
        [service.fed]
        command = ["ACTOR", "notify=READY=1", "watchdog=100"]
        ready = "notify"
        watchdog = "700ms"
        stop = { plan = ["TERM 100ms"] }
        "#,
    );
    let pid = engine.ears.spawned("fed");
    engine.ears.state("fed", State::Running);
    let dead = engine.pid();
    signal(&engine.child, Signal::SIGSTOP);
    kill(Pid::from_raw(dead), Signal::SIGKILL).expect("killed");
    std::thread::sleep(Duration::from_millis(900));
    signal(&engine.child, Signal::SIGCONT);
    engine.turn_to_successor(&stage);
    engine.takeover();
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(engine.status("fed").pid, Some(pid), "it still runs");
    engine.end();
}

#[test]
fn without_control_groups_trees_are_found_by_descent() {
    if !root() {
        println!("skipped: only root can become somebody who may not make control groups");
        return;
    }
    let stage = Stage::new();
    stage.write(
        "stack.toml",
        "[service.web]\ncommand = [\"ACTOR\", \"child\", \"child\", \"say=deep\"]\n[service.ends]\ncommand = [\"ACTOR\", \"leave=5\"]\nrestart = \"never\"\n",
    );
    let mut engine = Engine::of(&stage, stage.as_nobody(&["stack.toml"]));
    let pid = engine.ears.spawned("web");
    engine.ears.rewind();
    let ends = engine.ears.spawned("ends");
    engine.ears.rewind();
    engine.ears.state("web", State::Running);
    until("all have begun", || {
        stage.read("log/web.log").contains("deep")
    });
    assert_eq!(engine.status("web").members.len(), 3);
    engine.die(&stage);
    engine.takeover();
    let status = engine.status("web");
    assert_eq!((status.pid, status.members.len()), (Some(pid), 3));
    signalled(ends, Signal::SIGTERM);
    engine.ears.kind("ends", "ended", |kind| {
        matches!(kind, EventKind::Exited { code: Some(5), .. })
    });
    assert!(engine.stop("web").arrived, "the whole tree ends");
    engine.end();
}
