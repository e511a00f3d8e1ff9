//! Many services at once.

use aplomb_protocol::{EventKind, State};

use crate::engine::{Engine, came_to, order};
use crate::stage::Stage;

#[test]
fn five_hundred_services_start_and_stop() {
    let stage = Stage::new();
    let mut engine = Engine::playing(
        &stage,
        r#"
        [service.one]
        command = ["sleep", "1000"]
        instances = 500
        log = "none"
        "#,
    );
    for _ in 0..500 {
        engine
            .ears
            .find("a service is ready", |event| event.kind == EventKind::Ready);
    }
    let events = engine.end();
    assert_eq!(order(&events, came_to(State::Running)).len(), 500);
    assert_eq!(order(&events, came_to(State::Stopped)).len(), 500);
}
