//! What each verb asks the engine, and how the answer looks.

use aplomb_protocol::{Answer, Ask, EventKind, FaultKind, State, StopHow};

use crate::engine::{self, Engine, Reply, event, fault, outcomes, status};
use crate::home::{Home, Said};

fn said(code: i32, out: &str, err: &str) -> Said {
    Said {
        code,
        out: out.into(),
        err: err.into(),
    }
}

#[test]
fn start_tells_what_became_of_each_service() {
    let home = Home::new();
    let engine = Engine::listen(&home, |_| {
        outcomes(&[
            ("store", State::Running, true, "ready: port 5000 accepts"),
            ("web", State::Failed, false, "exited with code 3"),
        ])
    });
    assert_eq!(
        home.run(&["start", "store", "w"]),
        said(
            1,
            "store: running, ready: port 5000 accepts\nweb: failed, exited with code 3\n",
            "error: `web` did not get there\n  try: aplomb status web\n"
        )
    );
    let names = vec!["store".into(), "w".into()];
    assert_eq!(engine.asked(), [Ask::Start { names }]);
}

#[test]
fn stop_passes_on_how_firmly() {
    let home = Home::new();
    let engine = Engine::listen(&home, |_| outcomes(&[("web", State::Stopped, true, "")]));
    assert_eq!(home.run(&["stop", "web"]), said(0, "web: stopped\n", ""));
    assert_eq!(home.run(&["stop", "--force", "web"]).code, 0);
    let stop = |how| Ask::Stop {
        names: vec!["web".into()],
        how,
    };
    assert_eq!(engine.asked(), [stop(StopHow::Plan), stop(StopHow::Force)]);
}

#[test]
fn each_verb_for_names_asks_its_own_question() {
    let names = || vec!["web".to_owned()];
    let questions = [
        ("restart", Ask::Restart { names: names() }),
        ("reload", Ask::Reload { names: names() }),
        ("pause", Ask::Pause { names: names() }),
        ("continue", Ask::Continue { names: names() }),
        ("reset-failed", Ask::ResetFailed { names: names() }),
        ("rotate", Ask::Rotate { names: names() }),
    ];
    for (verb, question) in questions {
        let home = Home::new();
        let engine = Engine::listen(&home, engine::done);
        assert_eq!(home.run(&[verb, "web"]), said(0, "", ""), "{verb}");
        assert_eq!(engine.asked(), [question]);
        assert_eq!(home.run(&[verb]).code, 2, "{verb} without a name");
    }
}

#[test]
fn status_of_something_down_is_exit_code_three() {
    let home = Home::new();
    Engine::listen(&home, |_| {
        Reply::Answer(Answer::Status {
            services: vec![status("web", State::Failed)],
        })
    });
    let named = home.run(&["status", "web"]);
    assert_eq!(named.code, 3);
    assert!(
        named
            .out
            .starts_with("web: failed since 1970-01-01 00:00:00")
    );
    let all = home.run(&["status"]);
    assert_eq!((all.code, all.err.as_str()), (0, ""));
    assert!(all.out.starts_with("engine 0.1.0, pid 4000"), "{}", all.out);
}

#[test]
fn an_unknown_name_gets_the_nearest_known_one_and_exit_code_four() {
    let home = Home::new();
    Engine::listen(&home, |ask| {
        let all = Ask::Status {
            names: Vec::new(),
            detail: false,
        };
        if *ask != all {
            return fault(FaultKind::UnknownService, "there is no service `gatway`");
        }
        let services = vec![status("gateway", State::Running)];
        Reply::Answer(Answer::Status { services })
    });
    for verb in ["status", "start", "events", "show", "reload"] {
        assert_eq!(
            home.run(&[verb, "gatway"]),
            said(
                4,
                "",
                "error: there is no service `gatway`\n  try: did you mean `gateway`?\n"
            ),
            "{verb}"
        );
    }
}

#[test]
fn remembered_events_are_shown_and_that_is_all() {
    let home = Home::new();
    let engine = Engine::listen(&home, |_| {
        let events = vec![
            event(1, "web", EventKind::Spawned { pid: 7 }, ""),
            event(2, "web", EventKind::Ready, "port 80 accepts"),
        ];
        Reply::After(events, Box::new(Reply::Answer(Answer::Done)))
    });
    assert_eq!(
        home.run(&["events"]),
        said(
            0,
            "00:00:01.518 web             spawned, pid 7\n\
             00:00:01.519 web             ready: port 80 accepts\n",
            ""
        )
    );
    let names = Vec::new();
    assert_eq!(
        engine.asked(),
        [Ask::Events {
            names,
            replay: true
        }]
    );
    let json = home.run(&["events", "--json"]);
    let first = json.out.lines().next().expect("a line");
    let first: aplomb_protocol::Event = serde_json::from_str(first).expect("an event");
    assert_eq!(first.kind, EventKind::Spawned { pid: 7 });
}

#[test]
fn down_tells_each_step_and_ends_when_the_engine_has() {
    let home = Home::new();
    Engine::listen(&home, |ask| {
        if matches!(ask, Ask::Status { .. }) {
            let services = vec![status("web", State::Running)];
            return Reply::Answer(Answer::Status { services });
        }
        if !matches!(ask, Ask::Shutdown { .. }) {
            return Reply::Answer(Answer::Done);
        }
        Reply::After(
            vec![
                event(
                    1,
                    "web",
                    EventKind::StopStep {
                        step: "SIGTERM".into(),
                        grace_ms: Some(20_000),
                    },
                    "",
                ),
                event(
                    2,
                    "web",
                    EventKind::State {
                        from: State::StopPending,
                        to: State::Stopped,
                    },
                    "asked for",
                ),
            ],
            Box::new(Reply::LastWord(Answer::Done)),
        )
    });
    assert_eq!(
        home.run(&["down"]),
        said(
            0,
            "",
            "web: SIGTERM, given 20 s\nweb: stopped: asked for\n\
             all services are stopped, and the engine has ended\n"
        )
    );
}

#[test]
fn show_answers_the_text_as_it_is() {
    let home = Home::new();
    let text = "[service.web]\ncommand = [\"web\"]\n";
    Engine::listen(&home, |_| Reply::Answer(Answer::Text { text: text.into() }));
    assert_eq!(home.run(&["show", "web"]), said(0, text, ""));
    let json = home.run(&["dump", "web", "--json"]);
    assert_eq!(
        json.out,
        serde_json::json!({ "toml": text }).to_string() + "\n"
    );
}
