//! As the first process of a container. Needs root, for a process namespace of its own.

use std::fs;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::stage::{Stage, aplomb, end_of, root, until};

/// `aplomb run` as process 1, and its number out here.
fn first_process(stage: &Stage, actor: &[&str]) -> (Child, i32) {
    let mut command = stage.hermetic(Command::new("unshare"));
    command
        .args(["--pid", "--fork", "--mount-proc", "--kill-child"])
        .arg(aplomb());
    command
        .args(["run", "--name", "main", "--"])
        .arg(env!("CARGO_BIN_EXE_actor"))
        .args(actor);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("spawned");
    let outer = child.id();
    let mut inner = None;
    until("the first process runs", || {
        let children = fs::read_to_string(format!("/proc/{outer}/task/{outer}/children"));
        inner = children
            .unwrap_or_default()
            .split_whitespace()
            .next()
            .and_then(|pid| pid.parse().ok());
        let name = inner
            .map(|pid: i32| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default());
        name.is_some_and(|name| name == "aplomb\n")
    });
    (child, inner.expect("found"))
}

/// Dead children nobody has waited for.
fn zombies_of(parent: i32) -> usize {
    let stats = fs::read_dir("/proc").expect("/proc").flatten();
    let stats = stats.filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
    let mark = format!("Z {parent} ");
    stats
        .filter(|stat| {
            stat.rsplit_once(") ")
                .is_some_and(|(_, rest)| rest.starts_with(&mark))
        })
        .count()
}

#[test]
fn as_process_one_orphans_are_reaped_and_term_stops_by_plan() {
    if !root() {
        println!("skipped: only root can make a process namespace");
        return;
    }
    let stage = Stage::new();
    let orphans = format!("orphans={}", stage.path("orphans").display());
    let ready = format!("file={}", stage.path("ready").display());
    let (child, inner) = first_process(&stage, &["leave=7", &orphans, &ready]);
    until("all orphans have lived", || {
        stage.read("orphans").lines().count() == 20
    });
    until("the actor is ready", || stage.path("ready").exists());
    until("no zombie is left", || zombies_of(inner) == 0);
    kill(Pid::from_raw(inner), Signal::SIGTERM).expect("sent");
    let said = end_of(child);
    assert_eq!(said.code, Some(7), "{said:?}");
    assert!(said.out.contains("heard SIGTERM\nended\n"), "{said:?}");
}

#[test]
fn as_process_one_it_ends_with_the_code_of_its_program() {
    if !root() {
        println!("skipped: only root can make a process namespace");
        return;
    }
    let stage = Stage::new();
    let go = format!("wait-file={}", stage.path("go").display());
    let (child, _) = first_process(&stage, &[&go, "exit=42"]);
    stage.write("go", "");
    let said = end_of(child);
    assert_eq!(said.code, Some(42), "{said:?}");
}
