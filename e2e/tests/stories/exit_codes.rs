//! `aplomb run` ends as its program ended.

use crate::stage::{Stage, finish};

fn run(program: &[&str]) -> crate::stage::Said {
    let stage = Stage::new();
    let mut command = stage.aplomb(&["run"]);
    command.arg("--").args(program);
    finish(command)
}

#[test]
fn run_ends_with_the_code_of_its_program() {
    let actor = env!("CARGO_BIN_EXE_actor");
    assert_eq!(run(&[actor, "exit=0"]).code, Some(0));
    let said = run(&[actor, "say=its own words", "exit=37"]);
    assert_eq!(
        (said.code, said.out.as_str()),
        (Some(37), "its own words\n"),
        "{}",
        said.err
    );
}

#[test]
fn run_ends_with_128_and_the_signal_that_ended_its_program() {
    let said = run(&[env!("CARGO_BIN_EXE_actor"), "die=SIGABRT"]);
    assert_eq!(said.code, Some(128 + 6), "{}", said.err);
}

#[test]
fn run_says_that_its_program_does_not_exist() {
    let said = run(&["/nowhere/server"]);
    assert!(said.code.is_some_and(|code| code != 0), "{said:?}");
    assert!(said.err.contains("`/nowhere/server`"), "{}", said.err);
}
