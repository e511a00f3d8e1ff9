//! A short run of the soak, whose long ones are `cargo xtask soak --minutes N`.

use std::process::Command;

use crate::stage::{Stage, aplomb, finish};

#[test]
fn after_some_bad_seconds_everything_is_accounted_for() {
    let stage = Stage::new();
    let mut command = stage.hermetic(Command::new(env!("CARGO_BIN_EXE_soak")));
    command.arg(aplomb()).args(["8", "20261122"]);
    command.env("TMPDIR", stage.path("."));
    let said = finish(command);
    assert_eq!(said.code, Some(0), "{}\n{}", said.out, said.err);
}
