//! Output faster than anybody reads it.

use std::fs;
use std::time::{Duration, Instant};

use aplomb_protocol::{EventKind, State};

use crate::engine::Engine;
use crate::stage::Stage;

const LINES: usize = 200_000;

#[test]
fn a_flood_loses_no_line_over_rotations_and_starves_nobody() {
    let stage = Stage::new();
    let mut engine = Engine::playing(
        &stage,
        &r#"
        [service.chatty]
        command = ["ACTOR", "flood=LINES", "exit=0"]
        start-mode = "manual"
        restart = "never"
        log = { to = "STAGE/flood", rotate = "1MiB", keep = "none", compress = false, timestamps = "none" }
        [service.quiet]
        command = ["ACTOR", "notify=READY=1"]
        ready = "notify"
        "#
        .replace("LINES", &LINES.to_string()),
    );
    engine.ears.state("quiet", State::Running);
    assert!(engine.start_service("chatty").arrived);
    let mut longest = Duration::ZERO;
    for _ in 0..3 {
        let begun = Instant::now();
        assert!(engine.restart("quiet").arrived);
        longest = longest.max(begun.elapsed());
    }
    assert!(
        longest < Duration::from_secs(5),
        "a restart beside the flood took {longest:?}"
    );
    engine.ears.kind("chatty", "ended", |kind| {
        matches!(kind, EventKind::Exited { code: Some(0), .. })
    });
    assert_eq!(engine.status("chatty").log_dropped, 0);
    engine.end();
    let files = in_order(&stage);
    assert!(files.len() > 10, "rotated: {files:?}");
    let text: String = files
        .iter()
        .map(|file| fs::read_to_string(file).expect("read"))
        .collect();
    let numbers: Vec<usize> = text.lines().map(number).collect();
    assert_eq!(numbers.len(), LINES);
    assert!(
        numbers
            .iter()
            .enumerate()
            .all(|(at, number)| at + 1 == *number),
        "in order"
    );
}

/// The log's files, oldest first.
fn in_order(stage: &Stage) -> Vec<std::path::PathBuf> {
    let found = fs::read_dir(stage.path("flood")).expect("a directory");
    let is_log = |file: &fs::DirEntry| file.path().extension().is_some_and(|end| end == "log");
    let mut files: Vec<_> = found.flatten().filter(is_log).collect();
    files.sort_by_key(|file| {
        let text = fs::read_to_string(file.path()).expect("read");
        text.lines().next().map(number)
    });
    files.into_iter().map(|file| file.path()).collect()
}

/// Of a line that is whole.
fn number(line: &str) -> usize {
    assert_eq!(line.len(), "flood 00000001 ".len() + 48, "torn: {line}");
    line[6..14].parse().expect("a number")
}
