//! Services start after what they require and stop before it.

use aplomb_protocol::{EventKind, State};

use crate::engine::{Engine, came_to, order};
use crate::stage::Stage;

#[test]
fn services_start_in_dependency_order_and_stop_in_reverse() {
    let stage = Stage::new();
    let mut engine = Engine::playing(
        &stage,
        r#"
        [service.gateway]
        command = ["ACTOR", "notify=READY=1"]
        ready = "notify"
        requires = ["orders"]
        [service.orders]
        command = ["ACTOR", "notify=READY=1"]
        ready = "notify"
        requires = ["store"]
        [service.store]
        command = ["ACTOR", "wait=50", "notify=READY=1"]
        ready = "notify"
        "#,
    );
    engine.ears.state("gateway", State::Running);
    let events = engine.end();
    let spawned = order(&events, |kind| matches!(kind, EventKind::Spawned { .. }));
    assert_eq!(spawned, ["store", "orders", "gateway"]);
    assert_eq!(order(&events, |kind| *kind == EventKind::Ready), spawned);
    let asked = order(&events, |kind| matches!(kind, EventKind::StopStep { .. }));
    assert_eq!(asked, ["gateway", "orders", "store"]);
    assert_eq!(order(&events, came_to(State::Stopped)), asked);
}
