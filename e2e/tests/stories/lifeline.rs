//! The end of a foreground `aplomb up` that nobody announced.

use aplomb_protocol::State;
use nix::sys::signal::Signal;

use crate::engine::{came_to, order};
use crate::interrupt::up;
use crate::stage::{Stage, end_of, signal, until};

#[test]
fn killing_the_foreground_client_stops_everything_in_order() {
    let stage = Stage::new();
    let (client, mut ears) = up(
        &stage,
        r#"
        [service.web]
        command = ["ACTOR", "daemon", "append=STAGE/daemon:here"]
        requires = ["store"]
        [service.store]
        command = ["ACTOR"]
        "#,
    );
    ears.state("web", State::Running);
    // One born after the request to end would be waited for until the kill.
    until("the daemon runs", || !stage.read("daemon").is_empty());
    signal(&client, Signal::SIGKILL);
    let events = ears.until_its_end();
    assert_eq!(order(&events, came_to(State::Stopped)), ["web", "store"]);
    assert_eq!(end_of(client).signal, Some(9));
    until("nobody is left", || stage.present().is_empty());
}
