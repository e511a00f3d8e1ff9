//! Nothing is ended by force without having written down why it had to.

use aplomb_protocol::EventKind;

use crate::engine::Engine;
use crate::stage::Stage;

#[test]
fn what_is_not_ready_in_time_is_explained_before_it_is_asked_to_end() {
    let stage = Stage::new();
    let mut engine = Engine::playing(
        &stage,
        r#"
        [service.late]
        command = ["ACTOR"]
        ready = "notify"
        start-timeout = "300ms"
        restart = "never"
        "#,
    );
    let explained = engine.ears.kind("late", "explained", |kind| {
        matches!(kind, EventKind::Explained { .. })
    });
    let asked = engine.ears.kind("late", "asked to end", |kind| {
        matches!(kind, EventKind::StopStep { .. })
    });
    assert!(explained.seq < asked.seq);
    engine.end();
}
