//! Names as people write them.

use aplomb_protocol::State;

use crate::engine::Engine;
use crate::stage::{Stage, until};

#[test]
fn a_name_may_have_spaces_and_letters_of_any_language() {
    let stage = Stage::new();
    let name = "Größe 东西";
    let mut engine = Engine::playing(
        &stage,
        r#"
        [service."Größe 东西"]
        command = ["ACTOR", "say=grüße"]
        "#,
    );
    engine.ears.state(name, State::Running);
    let said = stage.says(&["status", name]);
    assert!(said.code == Some(0) && said.out.contains(name), "{said:?}");
    until("its log is found by its name", || {
        stage.says(&["logs", name]).out.contains("grüße")
    });
    let said = stage.says(&["restart", "Größe"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(stage.says(&["stop", name]).code, Some(0));
    assert_eq!(engine.status(name).state, State::Stopped);
    engine.end();
}
