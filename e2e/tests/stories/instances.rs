//! One definition, several instances, and names that mean several.

use aplomb_protocol::State;

use crate::engine::Engine;
use crate::stage::Stage;

#[test]
fn instances_are_told_apart_and_named_together() {
    let stage = Stage::new();
    let mut engine = Engine::playing(
        &stage,
        r#"
        [service.web]
        command = ["ACTOR", "append=STAGE/web-${instance}:here"]
        instances = 3
        [service.worker]
        command = ["ACTOR"]
        "#,
    );
    for name in ["web@1", "web@2", "web@3"] {
        engine.ears.rewind();
        engine.ears.state(name, State::Running);
    }
    engine.ears.rewind();
    engine.ears.state("worker", State::Running);
    assert_eq!(stage.says(&["stop", "web@*"]).code, Some(0));
    for name in ["web@1", "web@2", "web@3"] {
        assert_eq!(engine.status(name).state, State::Stopped);
    }
    assert_eq!(engine.status("worker").state, State::Running);
    assert_eq!(stage.says(&["start", "web@2"]).code, Some(0));
    let states: Vec<State> = (1..=3)
        .map(|nth| engine.status(&format!("web@{nth}")).state)
        .collect();
    assert_eq!(states, [State::Stopped, State::Running, State::Stopped]);
    assert_eq!(stage.says(&["stop", "wo"]).code, Some(0), "a unique prefix");
    assert_eq!(engine.status("worker").state, State::Stopped);
    assert_eq!(stage.says(&["stop", "nobody"]).code, Some(4));
    engine.end();
    for nth in 1..=3 {
        assert!(
            !stage.read(&format!("web-{nth}")).is_empty(),
            "instance {nth} got its number"
        );
    }
}
