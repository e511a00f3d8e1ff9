//! A disk with no room for logs. Needs root, for a small file system of its own in a mount namespace.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use aplomb_protocol::EventKind;

use crate::engine::Engine;
use crate::stage::{Stage, aplomb, root, until};

#[test]
fn a_full_disk_costs_counted_lines_and_never_the_service() {
    if !root() {
        println!("skipped: a small file system can be mounted by root only");
        return;
    }
    let stage = Stage::new();
    stage.write(
        "stack.toml",
        r#"
        [service.writer]
        command = ["ACTOR", "flood=20000", "append=STAGE/flooded:x", "wait-file=STAGE/go", "say=there is room"]
        log = { compress = false }
        "#,
    );
    fs::create_dir(stage.path("log")).expect("made");
    let mut command = stage.hermetic(Command::new("unshare"));
    command.args(["--mount", "sh", "-c"]);
    command.arg(
        "mount -t tmpfs -o size=512k none log && head -c 300k /dev/zero > log/filler && exec \"$@\"",
    );
    command
        .arg("sh")
        .arg(aplomb())
        .args(["engine", "--load", "stack.toml", "--socket", "socket"]);
    stage.places(&mut command);
    let mut engine = Engine::of(&stage, command);
    let seen = engine.ears.kind("writer", "its log has no room", |kind| {
        *kind == EventKind::Log
    });
    assert!(seen.because.contains("full"), "{}", seen.because);
    until("the flood is over", || !stage.read("flooded").is_empty());
    until("what is dropped is counted while it goes on", || {
        engine.status("writer").log_dropped > 0
    });
    let log = stage
        .path("log")
        .strip_prefix("/")
        .expect("absolute")
        .to_owned();
    let inside = PathBuf::from(format!("/proc/{}/root", engine.child.id())).join(log);
    fs::remove_file(inside.join("filler")).expect("removed");
    engine
        .ears
        .kind("writer", "its log is written again, by itself", |kind| {
            *kind == EventKind::Log
        });
    stage.write("go", "");
    until("what came after is stored", || {
        let text = fs::read(inside.join("writer.log")).unwrap_or_default();
        String::from_utf8_lossy(&text).contains("there is room")
    });
    until("what was dropped is counted", || {
        engine.status("writer").log_dropped > 0
    });
    engine.end();
}
