//! Common errors: what they say, and how they end.

use std::fs::OpenOptions;
use std::os::unix::net::UnixListener;
use std::process::Stdio;

use aplomb_protocol::{Answer, State};

use crate::engine::{self, Engine, Reply, status};
use crate::home::Home;
use crate::snapshot::assert_snapshot;

fn assert_trouble(name: &str, home: &Home, args: &[&str], code: i32) {
    let said = home.run(args);
    assert_eq!(said.out, "", "{args:?} answered");
    assert_eq!(said.code, code, "{args:?}: {}", said.err);
    assert_snapshot(&format!("trouble-{name}"), &said.err);
}

#[test]
fn wrong_use_is_explained() {
    let home = Home::new();
    assert_trouble("unknown-verb", &home, &["strat", "web"], 2);
    assert_trouble("unknown-option", &home, &["stop", "--forec", "web"], 2);
    assert_trouble("no-name", &home, &["start"], 2);
    assert_trouble("run-without-program", &home, &["run"], 2);
    assert_trouble("run-variable", &home, &["run", "-e", "X", "--", "true"], 2);
}

#[test]
fn no_engine_is_exit_code_69() {
    let home = Home::new();
    assert_trouble("no-engine", &home, &["status"], 69);
    drop(UnixListener::bind(home.socket()).expect("binds"));
    assert!(home.socket().exists(), "a stale socket stands there");
    assert_trouble("no-engine", &home, &["status"], 69);
}

#[test]
fn up_names_what_keeps_it_from_starting_an_engine() {
    let home = Home::new();
    assert_trouble("up-nothing", &home, &["up"], 2);
    assert_trouble("up-no-file", &home, &["up", "shop.toml"], 1);
    home.write("aplomb.toml", "");
    home.write("file", "");
    let args = ["up", "--socket", "file/control.sock"];
    assert_trouble("up-no-directory", &home, &args, 69);
}

#[test]
fn failures_are_json_where_answers_are() {
    let home = Home::new();
    assert_trouble("no-engine-json", &home, &["status", "--json"], 69);
}

#[test]
fn an_engine_that_hangs_up_or_talks_nonsense_is_named() {
    let home = Home::new();
    Engine::listen(&home, |_| Reply::HangUp);
    assert_trouble("engine-gone", &home, &["start", "web"], 69);
    let home = Home::new();
    Engine::listen(&home, |_| Reply::Raw(b"HTTP/1.1 400 Bad Request\r\n"));
    assert_trouble("not-an-engine", &home, &["start", "web"], 69);
}

#[test]
fn a_full_disk_is_a_failure_and_a_closed_pipe_is_none() {
    let home = Home::new();
    Engine::listen(&home, |_| {
        Reply::Answer(Answer::Status {
            services: vec![status("web", State::Running)],
        })
    });
    for args in [&["status", "web"][..], &["--help"], &["run", "--help"]] {
        let full = OpenOptions::new().write(true).open("/dev/full");
        let output = home
            .command(args)
            .stdout(full.expect("a full device"))
            .stderr(Stdio::piped())
            .output();
        let said = home.said(output.expect("runs"));
        assert_eq!(said.code, 1, "{args:?}");
        assert_snapshot("trouble-full", &said.err);

        let (nobody, pipe) = std::io::pipe().expect("a pipe");
        drop(nobody);
        let output = home.command(args).stdout(pipe).output();
        let said = home.said(output.expect("runs"));
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{args:?}");
    }
}

#[test]
fn a_full_standard_error_changes_nothing() {
    let home = Home::new();
    Engine::listen(&home, engine::done);
    let full = OpenOptions::new().write(true).open("/dev/full");
    let output = home
        .command(&["status"])
        .stderr(full.expect("a full device"))
        .output();
    assert_eq!(output.expect("runs").status.code(), Some(1));
}
