//! Commands at moments of a service's life.

use aplomb_protocol::State;

use crate::engine::Engine;
use crate::stage::{Stage, until};

#[test]
fn hooks_are_given_the_facts() {
    let stage = Stage::new();
    let toml: String = [
        "start-pre",
        "started",
        "ready",
        "stop-pre",
        "exit",
        "stopped",
    ]
    .iter()
    .map(|moment| {
        let line = "$APLOMB_EVENT of $APLOMB_SERVICE pid=$APLOMB_PID code=$APLOMB_EXIT_CODE";
        format!("{moment} = [\"sh\", \"-c\", \"echo {line} >> STAGE/{moment}\"]\n")
    })
    .collect();
    let mut engine = Engine::playing(
        &stage,
        &format!(
            "[service.web]\ncommand = [\"ACTOR\", \"leave=5\", \"append=STAGE/up:x\"]\nexit = {{ success = [5] }}\n[service.web.hooks]\n{toml}"
        ),
    );
    let pid = engine.ears.spawned("web");
    engine.ears.state("web", State::Running);
    until("the program knows how to leave", || {
        !stage.read("up").is_empty()
    });
    let says = |moment: &str| {
        until(moment, || stage.read(moment).ends_with('\n'));
        stage.read(moment)
    };
    assert_eq!(says("start-pre"), "start-pre of web pid= code=\n");
    assert_eq!(says("started"), format!("started of web pid={pid} code=\n"));
    assert_eq!(says("ready"), format!("ready of web pid={pid} code=\n"));
    assert!(engine.stop("web").arrived);
    assert_eq!(
        says("stop-pre"),
        format!("stop-pre of web pid={pid} code=\n")
    );
    assert!(says("exit").ends_with("code=5\n"), "{}", stage.read("exit"));
    assert!(
        says("stopped").starts_with("stopped of web "),
        "{}",
        stage.read("stopped")
    );
    engine.end();
}
