//! The engine is killed again and again while a service writes as fast as it can, over rotations.

use std::fs;
use std::thread;
use std::time::Duration;

use aplomb_protocol::EventKind;

use crate::engine::Engine;
use crate::stage::Stage;

const LINES: usize = 600_000;

#[test]
fn every_line_is_in_the_files_exactly_once() {
    played(&format!("\"flood={LINES}\", \"exit=0\""), "none");
}

/// Each line, in the order of the files.
fn played(steps: &str, timestamps: &str) {
    let stage = Stage::new();
    let mut engine = Engine::playing(
        &stage,
        &format!(
            r#"
            [service.chatty]
            command = ["ACTOR", "wait-file=STAGE/go", {steps}]
            restart = "never"
            log = {{ to = "STAGE/flood", rotate = "1MiB", keep = "none", compress = false, timestamps = "{timestamps}" }}
            "#
        ),
    );
    engine.ears.spawned("chatty");
    stage.write("go", "");
    for round in 0..6 {
        thread::sleep(Duration::from_millis(20 + 13 * round));
        engine.die(&stage);
    }
    engine.ears.rewind();
    engine.ears.kind(
        "chatty",
        "ended well, so it never met a broken pipe",
        |kind| matches!(kind, EventKind::Exited { code: Some(0), .. }),
    );
    assert_eq!(engine.status("chatty").log_dropped, 0);
    engine.end();
    let text = all(&stage);
    let mut expected = 1;
    for line in text.lines() {
        assert_eq!(number(line), expected, "of {line:?}");
        expected += 1;
    }
    assert_eq!(expected, LINES + 1);
}

/// What all files hold, oldest first; the current one has no stamp in its name.
fn all(stage: &Stage) -> String {
    let found = fs::read_dir(stage.path("flood")).expect("a directory");
    let names = found
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<_> = names.filter(|name| name.ends_with(".log")).collect();
    names.sort_by_key(|name| (name == "chatty.log", name.clone()));
    assert!(names.len() > 10, "rotated: {names:?}");
    let texts = names
        .iter()
        .map(|name| stage.read(&format!("flood/{name}")));
    texts.collect()
}

/// Of a line that is whole.
fn number(line: &str) -> usize {
    assert_eq!(line.len(), "flood 00000001 ".len() + 48, "torn: {line}");
    line[6..14].parse().expect("a number")
}
