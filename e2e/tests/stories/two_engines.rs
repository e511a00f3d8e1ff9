//! Two engines that want the same place.

use aplomb_protocol::State;

use crate::engine::Engine;
use crate::stage::{Stage, finish};

#[test]
fn a_second_engine_on_the_same_socket_or_state_is_refused_and_the_first_goes_on() {
    let stage = Stage::new();
    let mut engine = Engine::playing(&stage, "[service.web]\ncommand = [\"ACTOR\"]\n");
    engine.ears.state("web", State::Running);
    let pid = engine.status("web").pid;

    let mut same_socket = stage.aplomb(&["engine"]);
    same_socket
        .arg("--state-dir")
        .arg(stage.path("other-state"));
    let said = finish(same_socket);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(
        said.err.contains(stage.socket().to_str().expect("UTF-8")),
        "{}",
        said.err
    );

    let mut same_state = stage.hermetic(std::process::Command::new(crate::stage::aplomb()));
    same_state
        .arg("engine")
        .arg("--socket")
        .arg(stage.path("other-socket"));
    same_state.arg("--state-dir").arg(stage.path("state"));
    let said = finish(same_state);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(
        said.err
            .contains(stage.path("state").to_str().expect("UTF-8")),
        "{}",
        said.err
    );

    assert_eq!(engine.status("web").pid, pid);
    engine.end();
}
