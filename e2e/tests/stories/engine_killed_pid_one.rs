//! The engine of a container is killed; the container does not end. Needs root, for a process namespace of its own.

use std::fs;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::stage::{Stage, aplomb, end_of, lives, root, until};

fn children(of: u32) -> Vec<u32> {
    let list = fs::read_to_string(format!("/proc/{of}/task/{of}/children")).unwrap_or_default();
    list.split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect()
}

fn is_ours(pid: &u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default() == "aplomb\n"
}

#[test]
fn as_process_one_the_container_outlives_its_engine() {
    if !root() {
        println!("skipped: only root can make a process namespace");
        return;
    }
    let stage = Stage::new();
    let mut command = stage.hermetic(Command::new("unshare"));
    command
        .args(["--pid", "--fork", "--mount-proc", "--kill-child"])
        .arg(aplomb())
        .args(["run", "--name", "main", "--"])
        .arg(env!("CARGO_BIN_EXE_actor"))
        .args([
            "leave=6",
            "half=begun ",
            &format!("file={}", stage.path("ready").display()),
        ])
        .args([
            &format!("wait-file={}", stage.path("go").display()),
            "say=and ended",
        ])
        .args([&format!("file={}", stage.path("said").display())]);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("spawned");
    until("the program runs", || stage.path("ready").exists());
    let first = children(child.id())[0];
    let engine = children(first)[0];
    assert!(is_ours(&engine));
    let program = children(engine)[0];
    kill(Pid::from_raw(engine.cast_signed()), Signal::SIGKILL).expect("killed");
    until("another engine is there", || {
        let all = children(first);
        let next = all.iter().find(|pid| **pid != engine && is_ours(pid));
        // It has a second thread once it carries.
        next.is_some_and(|pid| {
            fs::read_dir(format!("/proc/{pid}/task")).is_ok_and(|tasks| tasks.count() > 1)
        })
    });
    assert!(lives(program), "the program runs on");
    stage.write("go", "");
    until("it has said its last line", || stage.path("said").exists());
    kill(Pid::from_raw(first.cast_signed()), Signal::SIGTERM).expect("sent");
    let said = end_of(child);
    assert_eq!(said.code, Some(6), "{said:?}");
    assert!(said.out.contains("begun and ended\n"), "{said:?}");
}
