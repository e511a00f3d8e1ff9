//! Another program goes on as the engine.

use std::fs;

use aplomb_protocol::{EventKind, State};

use crate::engine::Engine;
use crate::stage::{Stage, aplomb, lives};

const LINES: usize = 400_000;

#[test]
fn an_upgrade_under_a_flood_keeps_every_process_and_every_line() {
    let stage = Stage::new();
    let mut engine = Engine::playing(
        &stage,
        &format!(
            r#"
            [service.chatty]
            command = ["ACTOR", "wait-file=STAGE/go", "flood={LINES}", "exit=0"]
            restart = "never"
            log = {{ to = "STAGE/flood", rotate = "none", timestamps = "none" }}
            [service.quiet]
            command = ["ACTOR", "notify=READY=1"]
            ready = "notify"
            "#
        ),
    );
    engine.ears.state("quiet", State::Running);
    let pid = engine.status("quiet").pid;
    let program = stage.path("aplomb-2");
    fs::copy(aplomb(), &program).expect("copied");
    stage.write("go", "");
    for _ in 0..2 {
        let said = stage.says(&["upgrade", program.to_str().expect("UTF-8")]);
        assert_eq!(said.code, Some(0), "{said:?}");
    }
    engine.turn_to_successor(&stage);
    let words = engine.takeover();
    assert!(words.contains("for an upgrade"), "{words}");
    assert_eq!(engine.status("quiet").pid, pid, "the same process");
    let exe = fs::read_link(format!("/proc/{}/exe", engine.pid())).expect("it lives");
    assert_eq!(exe, program);
    engine.ears.rewind();
    engine.ears.kind("chatty", "ended well", |kind| {
        matches!(kind, EventKind::Exited { code: Some(0), .. })
    });
    engine.end();
    let text = stage.read("flood/chatty.log");
    let numbers = text
        .lines()
        .map(|line| line[6..14].parse::<usize>().expect("whole"));
    assert!(numbers.eq(1..=LINES), "each line once, in order");
}

#[test]
fn a_program_that_cannot_take_over_does_not() {
    let stage = Stage::new();
    let mut engine = Engine::playing(&stage, "[service.web]\ncommand = [\"ACTOR\"]\n");
    let pid = engine.ears.spawned("web");
    engine.ears.state("web", State::Running);
    let cases = [
        ("/bin/true", "does not say that it reads state"),
        ("/nowhere/aplomb", "No such file"),
    ];
    for (program, words) in cases {
        let said = stage.says(&["upgrade", program]);
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(said.err.contains(words), "{said:?}");
        assert!(lives(pid));
        engine.turn_to_successor(&stage);
        assert_eq!(engine.status("web").pid, Some(pid));
        let exe = fs::read_link(format!("/proc/{}/exe", engine.pid())).expect("it lives");
        assert_eq!(exe, aplomb());
    }
    engine.end();
}
