//! Ctrl+C for `aplomb up`.

use std::process::{Child, Stdio};

use aplomb_protocol::{EventKind, State};
use nix::sys::signal::Signal;

use crate::engine::{Ears, came_to, order};
use crate::stage::{Stage, end_of, signal};

/// `aplomb up` in the foreground.
pub(crate) fn up(stage: &Stage, toml: &str) -> (Child, Ears) {
    stage.write("stack.toml", toml);
    let mut command = stage.aplomb(&["up", "stack.toml"]);
    stage.places(&mut command);
    let client = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    (client.expect("spawned"), Ears::at(&stage.socket()))
}

#[test]
fn an_interrupt_stops_everything_in_reverse_order() {
    let stage = Stage::new();
    let (client, mut ears) = up(
        &stage,
        r#"
        [service.web]
        command = ["ACTOR"]
        requires = ["store"]
        [service.store]
        command = ["ACTOR"]
        "#,
    );
    ears.state("web", State::Running);
    signal(&client, Signal::SIGINT);
    let events = ears.until_the_end();
    assert_eq!(order(&events, came_to(State::Stopped)), ["web", "store"]);
    assert!(
        !events
            .iter()
            .any(|event| matches!(event.kind, EventKind::Killed { .. }))
    );
    let said = end_of(client);
    assert_eq!((said.code, said.signal), (Some(0), None), "{said:?}");
}

#[test]
fn a_second_interrupt_forces() {
    let stage = Stage::new();
    let (client, mut ears) = up(
        &stage,
        r#"
        [service.stubborn]
        command = ["ACTOR", "stubborn", "notify=READY=1"]
        ready = "notify"
        stop = { plan = ["SIGTERM 10m"], budget = "11m" }
        "#,
    );
    ears.state("stubborn", State::Running);
    signal(&client, Signal::SIGINT);
    ears.kind("stubborn", "asked", |kind| {
        matches!(kind, EventKind::StopStep { .. })
    });
    signal(&client, Signal::SIGINT);
    ears.kind("stubborn", "killed", |kind| {
        matches!(kind, EventKind::Killed { .. })
    });
    ears.until_the_end();
    let said = end_of(client);
    assert!(
        said.err.contains("stubborn") || said.out.contains("stubborn"),
        "{said:?}"
    );
}
