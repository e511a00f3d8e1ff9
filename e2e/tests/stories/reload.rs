//! Settings read again without a new run.

use aplomb_protocol::{Ask, State};

use crate::engine::Engine;
use crate::stage::{Stage, until};

#[test]
fn a_reload_reaches_the_running_service() {
    let stage = Stage::new();
    let mut engine = Engine::playing(
        &stage,
        r#"
        [service.web]
        command = ["ACTOR", "notify=READY=1"]
        ready = "notify"
        reload = "SIGHUP"
        log = { to = "file STAGE/web.txt" }
        "#,
    );
    engine.ears.state("web", State::Running);
    let pid = engine.status("web").pid;
    let outcome = &engine.outcomes(Ask::Reload {
        names: vec!["web".into()],
    })[0];
    assert!(outcome.arrived, "{outcome:?}");
    until("it was told", || {
        stage.read("web.txt").contains("heard SIGHUP")
    });
    assert_eq!(engine.status("web").pid, pid);
    engine.end();
}

#[test]
fn a_failing_reload_command_is_told_and_the_service_goes_on() {
    let stage = Stage::new();
    let mut engine = Engine::playing(
        &stage,
        r#"
        [service.web]
        command = ["ACTOR"]
        reload = ["sh", "-c", "exit 9"]
        "#,
    );
    engine.ears.state("web", State::Running);
    let pid = engine.status("web").pid;
    let outcome = &engine.outcomes(Ask::Reload {
        names: vec!["web".into()],
    })[0];
    assert!(
        !outcome.arrived && outcome.because.contains('9'),
        "{outcome:?}"
    );
    let status = engine.status("web");
    assert_eq!((status.state, status.pid), (State::Running, pid));
    engine.end();
}
