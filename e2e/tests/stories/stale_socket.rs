//! What an engine that was killed leaves behind.

use aplomb_protocol::State;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::engine::Engine;
use crate::stage::{Stage, lives, until, wait};

#[test]
fn a_stale_socket_and_state_are_taken_over() {
    let stage = Stage::new();
    let mut engine = Engine::playing(&stage, "[service.web]\ncommand = [\"ACTOR\"]\n");
    engine.ears.state("web", State::Running);
    assert!(engine.stop("web").arrived);
    let first = engine.status("web").last_run.expect("a run").run;
    let pid = engine.pid();
    engine.child.kill().expect("killed");
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("killed");
    wait(&mut engine.child);
    until("the engine is gone", || !lives(pid.unsigned_abs()));
    assert!(stage.socket().exists(), "it had no time to tidy up");
    let mut engine = Engine::start(&stage, &["stack.toml"]);
    engine.ears.state("web", State::Running);
    assert!(
        engine.status("web").run.expect("a run") > first,
        "run numbers are never reused"
    );
    engine.end();
}
