//! Nothing is ended by force without having written down why it had to.

use aplomb_protocol::EventKind;

use crate::engine::Engine;
use crate::stage::Stage;

#[test]
fn what_is_killed_was_explained_before_and_the_explanation_is_kept() {
    let stage = Stage::new();
    let mut engine = Engine::playing(
        &stage,
        r#"
        [service.deaf]
        command = ["ACTOR", "mask"]
        stop = { plan = ["SIGTERM 100ms"], budget = "10s" }
        hooks = { kill = { command = ["sh", "-c", "echo $APLOMB_WHY_VERDICT > STAGE/told"] } }
        "#,
    );
    engine.ears.spawned("deaf");
    assert!(engine.stop("deaf").arrived);
    let explained = engine.ears.kind("deaf", "explained", |kind| {
        matches!(kind, EventKind::Explained { .. })
    });
    let killed = engine.ears.kind("deaf", "killed", |kind| {
        matches!(kind, EventKind::Killed { .. })
    });
    assert!(explained.seq < killed.seq);
    let EventKind::Explained {
        verdict,
        confidence,
        ..
    } = &explained.kind
    else {
        panic!("{explained:?}");
    };
    assert_eq!(
        (verdict.as_str(), confidence.as_str()),
        ("signal-blocked", "certain")
    );

    let kept = engine.status("deaf").why.expect("kept with the service");
    assert_eq!(kept.summary, explained.because);
    crate::stage::until("the hook knows it", || {
        stage.read("told") == "signal-blocked\n"
    });
    let said = stage.says(&["why", "--last", "deaf"]);
    assert!(said.out.contains("SIGTERM"), "{said:?}");
    let said = stage.says(&["why", "--last", "deaf", "--json"]);
    assert!(
        said.out.contains("\"verdict\":\"signal-blocked\""),
        "{said:?}"
    );
    engine.end();
}

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
