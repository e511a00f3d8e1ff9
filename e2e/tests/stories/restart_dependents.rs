//! What a restart takes along.

use aplomb_protocol::{EventKind, State};

use crate::engine::{Engine, order};
use crate::stage::Stage;

#[test]
fn a_restart_takes_along_those_that_require_it() {
    let stage = Stage::new();
    let mut engine = Engine::playing(
        &stage,
        r#"
        [service.store]
        command = ["ACTOR"]
        [service.web]
        command = ["ACTOR"]
        requires = ["store"]
        [service.other]
        command = ["ACTOR"]
        "#,
    );
    for name in ["store", "web", "other"] {
        engine.ears.rewind();
        engine.ears.state(name, State::Running);
    }
    let before = ["store", "web", "other"].map(|name| engine.status(name).pid);
    assert!(engine.restart("store").arrived);
    engine.ears.state("web", State::Running);
    let after = ["store", "web", "other"].map(|name| engine.status(name).pid);
    assert!(
        before[0] != after[0] && before[1] != after[1] && before[2] == after[2],
        "{before:?} {after:?}"
    );
    let events = engine.end();
    let spawned = order(&events, |kind| matches!(kind, EventKind::Spawned { .. }));
    assert_eq!(spawned[3..], ["store", "web"]);
    let asked = order(&events, |kind| matches!(kind, EventKind::StopStep { .. }));
    assert_eq!(asked[..2], ["web", "store"]);
}
