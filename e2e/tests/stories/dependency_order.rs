//! Services start after what they require and stop before it.

use aplomb_protocol::State;

use crate::engine::{Engine, order};
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
    assert_eq!(
        order(&events, State::StartPending),
        ["store", "orders", "gateway"]
    );
    assert_eq!(
        order(&events, State::Running),
        ["store", "orders", "gateway"]
    );
    assert_eq!(
        order(&events, State::StopPending),
        ["gateway", "orders", "store"]
    );
    assert_eq!(
        order(&events, State::Stopped),
        ["gateway", "orders", "store"]
    );
}
