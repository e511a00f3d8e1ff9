//! What an engine that was killed leaves behind.

use aplomb_protocol::State;

use crate::engine::Engine;
use crate::stage::{Stage, wait};

#[test]
fn a_stale_socket_and_state_are_taken_over() {
    let stage = Stage::new();
    let mut engine = Engine::playing(&stage, "[service.web]\ncommand = [\"ACTOR\"]\n");
    engine.ears.state("web", State::Running);
    assert!(engine.stop("web").arrived);
    let first = engine.status("web").last_run.expect("a run").run;
    engine.child.kill().expect("killed");
    wait(&mut engine.child);
    assert!(stage.socket().exists(), "it had no time to tidy up");
    let mut engine = Engine::start(&stage, &["stack.toml"]);
    engine.ears.state("web", State::Running);
    assert!(
        engine.status("web").run.expect("a run") > first,
        "run numbers are never reused"
    );
    engine.end();
}
