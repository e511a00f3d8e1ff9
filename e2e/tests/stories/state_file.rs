//! What is written down for the next engine: damaged, foreign, or with no place to be.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use aplomb_protocol::{EventKind, State};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::engine::Engine;
use crate::stage::{Stage, lives, signal, until, wait};

const STACK: &str = "[service.web]\ncommand = [\"ACTOR\"]\n";

/// The engine is dead, its keeper stands still, and something is done to the record.
fn meanwhile(engine: &mut Engine, stage: &Stage, act: impl FnOnce()) {
    let dead = engine.pid();
    signal(&engine.child, Signal::SIGSTOP);
    kill(Pid::from_raw(dead), Signal::SIGKILL).expect("killed");
    until("the engine is gone", || !lives(dead.unsigned_abs()));
    act();
    signal(&engine.child, Signal::SIGCONT);
    engine.turn_to_successor(stage);
}

#[test]
fn a_record_with_a_torn_end_is_good_up_to_there() {
    let stage = Stage::new();
    let mut engine = Engine::playing(&stage, STACK);
    let pid = engine.ears.spawned("web");
    engine.ears.state("web", State::Running);
    let record = stage.path("state/running");
    meanwhile(&mut engine, &stage, || {
        let mut text = fs::read(&record).expect("a record");
        text.extend_from_slice(b"0123456789abcdef {\"is\":\"serv");
        fs::write(&record, text).expect("written");
    });
    engine.ears.find("a word on the damage", |event| {
        event.because.contains("are damaged and were passed over")
    });
    engine.takeover();
    assert_eq!(engine.status("web").pid, Some(pid));
    engine.end();
}

#[test]
fn a_record_of_garbage_is_said_and_nothing_is_begun_twice() {
    let stage = Stage::new();
    let mut engine = Engine::playing(&stage, STACK);
    let pid = engine.ears.spawned("web");
    engine.ears.state("web", State::Running);
    let record = stage.path("state/running");
    meanwhile(&mut engine, &stage, || {
        fs::write(&record, b"\x00\xffgarbage\n{}\n").expect("written");
    });
    engine.ears.find("a word on it", |event| {
        event.because.contains("cannot be used")
    });
    engine.ears.rewind();
    let next = engine.ears.spawned("web");
    assert!(!lives(pid), "what nobody knows of was ended first");
    assert_ne!(next, pid);
    engine.end();
}

#[test]
fn a_record_others_may_write_is_not_believed() {
    let stage = Stage::new();
    let mut engine = Engine::playing(&stage, STACK);
    engine.ears.state("web", State::Running);
    let record = stage.path("state/running");
    let mode = fs::metadata(&record)
        .expect("a record")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600, "nobody else reads it");
    meanwhile(&mut engine, &stage, || {
        fs::set_permissions(&record, fs::Permissions::from_mode(0o666)).expect("set");
    });
    engine.ears.find("a word on it", |event| {
        event.because.contains("it is no file only we may write")
    });
    engine.ears.rewind();
    engine.ears.state("web", State::Running);
    engine.end();
}

#[test]
fn a_record_of_a_newer_format_is_refused() {
    let stage = Stage::new();
    let mut engine = Engine::playing(&stage, STACK);
    engine.ears.state("web", State::Running);
    let record = stage.path("state/running");
    let dead = engine.pid();
    let keeper = i32::try_from(engine.child.id()).expect("a pid");
    let web = engine.status("web").pid.expect("it runs");
    kill(Pid::from_raw(keeper), Signal::SIGKILL).expect("killed");
    kill(Pid::from_raw(dead), Signal::SIGKILL).expect("killed");
    wait(&mut engine.child);
    until("the engine is gone", || !lives(dead.unsigned_abs()));
    kill(Pid::from_raw(web.cast_signed()), Signal::SIGKILL).expect("killed");
    let text = fs::read_to_string(&record).expect("a record");
    fs::write(&record, newer(&text)).expect("written");
    let mut engine = Engine::start(&stage, &["stack.toml"]);
    engine.ears.find("a word on it", |event| {
        event.because.contains("it is of format 99")
    });
    engine.ears.state("web", State::Running);
    engine.end();
}

/// The same record as of another format, with a sound check.
fn newer(text: &str) -> String {
    let head = text.lines().next().expect("a head");
    let json = head[17..].replacen("\"format\":1", "\"format\":99", 1);
    let check = aplomb_engine::check(json.as_bytes());
    format!("{check:016x} {json}\n")
}

#[test]
fn a_directory_that_takes_nothing_is_said_and_memory_serves() {
    let stage = Stage::new();
    let mut engine = Engine::playing(&stage, STACK);
    let pid = engine.ears.spawned("web");
    engine.ears.state("web", State::Running);
    // In the way of the next snapshot, for root and everybody.
    stage.write("state/running.new/in/the/way", "");
    engine.die(&stage);
    engine.ears.find("a word on it", |event| {
        event.because.contains("is remembered in memory")
    });
    engine.ears.rewind();
    engine.takeover();
    assert!(
        !stage.path("state/running").exists(),
        "nothing stale is left"
    );
    for _ in 0..2 {
        engine.die(&stage);
        engine.takeover();
        assert_eq!(engine.status("web").pid, Some(pid));
    }
    fs::remove_dir_all(stage.path("state/running.new")).expect("out of the way");
    engine.die(&stage);
    engine.takeover();
    assert!(stage.path("state/running").exists(), "it is used again");
    engine.end();
}

#[test]
fn with_the_keeper_gone_as_well_a_new_engine_finds_what_runs() {
    let stage = Stage::new();
    let mut engine = Engine::playing(
        &stage,
        "[service.web]\ncommand = [\"ACTOR\"]\n[service.gone]\ncommand = [\"ACTOR\"]\nrestart = \"on-failure\"\n",
    );
    let web = engine.ears.spawned("web");
    engine.ears.rewind();
    let gone = engine.ears.spawned("gone");
    engine.ears.rewind();
    engine.ears.state("gone", State::Running);
    engine.ears.rewind();
    engine.ears.state("web", State::Running);
    let dead = engine.pid();
    let keeper = i32::try_from(engine.child.id()).expect("a pid");
    kill(Pid::from_raw(keeper), Signal::SIGKILL).expect("killed");
    kill(Pid::from_raw(dead), Signal::SIGKILL).expect("killed");
    wait(&mut engine.child);
    until("the engine is gone", || !lives(dead.unsigned_abs()));
    kill(Pid::from_raw(gone.cast_signed()), Signal::SIGKILL).expect("killed");
    until("it is gone", || !lives(gone));
    let mut engine = Engine::start(&stage, &["stack.toml"]);
    engine.takeover();
    assert_eq!(engine.status("web").pid, Some(web), "the same process");
    let end = engine.ears.kind("gone", "ended", |kind| {
        matches!(kind, EventKind::Exited { .. })
    });
    // Whoever became its parent may have left it unburied, and then it is known.
    let known = end.because.contains("SIGKILL");
    assert!(
        known || end.because.contains("unknown end while unattended"),
        "{end:?}"
    );
    let next = engine.ears.spawned("gone");
    assert_ne!(next, gone, "what is not known to be a success is a failure");
    assert!(engine.stop("web").arrived);
    assert!(!lives(web));
    engine.end();
}
