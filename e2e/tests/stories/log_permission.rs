//! A log directory that may not be written. Needs root, to become somebody who is not.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;

use aplomb_protocol::{EventKind, State};

use crate::engine::Engine;
use crate::stage::{Stage, root};

const NOBODY: u32 = 65534;

#[test]
fn without_permission_on_the_log_directory_a_service_runs_and_the_engine_says_so() {
    if !root() {
        println!("skipped: only root can become another user");
        return;
    }
    let stage = Stage::new();
    chown(stage.path(""), Some(NOBODY), Some(NOBODY)).expect("given away");
    fs::create_dir(stage.path("log")).expect("made");
    fs::set_permissions(stage.path("log"), fs::Permissions::from_mode(0o700)).expect("closed");
    stage.write(
        "stack.toml",
        "[service.web]\ncommand = [\"sh\", \"-c\", \"echo hello; exec sleep 1000\"]\n",
    );
    let mut command = stage.engine_command();
    command
        .args(["--load", "stack.toml"])
        .uid(NOBODY)
        .gid(NOBODY);
    let mut engine = Engine::of(&stage, command);
    let told = engine
        .ears
        .kind("web", "its log cannot be written", |kind| {
            *kind == EventKind::Log
        });
    assert!(told.because.contains("ermission"), "{}", told.because);
    engine.ears.rewind();
    engine.ears.state("web", State::Running);
    engine.end();
}
