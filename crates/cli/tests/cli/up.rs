//! `aplomb up` with an engine that is there already: what it asks, shows, and how it ends.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use aplomb_protocol::{Answer, Ask, EventKind, LoadFile, State, StopHow};
use rustix::process::{Pid, Signal, kill_process};

use crate::engine::{Engine, Reply, event, outcomes, status};
use crate::home::Home;

fn names() -> Vec<String> {
    vec!["store".into(), "web".into()]
}

fn change(from: State, to: State) -> EventKind {
    EventKind::State { from, to }
}

/// Two services that start, and stop when asked.
fn two_services(ask: &Ask) -> Reply {
    let up = change(State::StartPending, State::Running);
    let down = change(State::StopPending, State::Stopped);
    match ask {
        Ask::Load { .. } => Reply::Answer(Answer::Loaded {
            services: names(),
            starting: names(),
            remarks: vec!["shop.toml: a remark".into()],
        }),
        Ask::Start { .. } => Reply::After(
            vec![
                event(1, "store", up.clone(), "port 5000 accepts"),
                event(2, "other", up.clone(), "not one of ours"),
                event(3, "web", up, "port 80 accepts"),
            ],
            Box::new(outcomes(&[
                ("store", State::Running, true, ""),
                ("web", State::Running, true, ""),
            ])),
        ),
        Ask::Stop {
            how: StopHow::Plan, ..
        } => Reply::After(
            vec![event(
                4,
                "web",
                EventKind::StillStopping {
                    left_ms: Some(9000),
                    processes: 2,
                },
                "",
            )],
            Box::new(Reply::Silence),
        ),
        Ask::Stop {
            how: StopHow::Force,
            ..
        } => Reply::After(
            vec![event(5, "web", down, "killed")],
            Box::new(outcomes(&[
                ("store", State::Stopped, true, ""),
                ("web", State::Stopped, true, ""),
            ])),
        ),
        Ask::Status { .. } => Reply::Answer(Answer::Status {
            services: vec![status("store", State::Running)],
        }),
        Ask::Hello
        | Ask::Restart { .. }
        | Ask::Reload { .. }
        | Ask::Pause { .. }
        | Ask::Continue { .. }
        | Ask::ResetFailed { .. }
        | Ask::Unload { .. }
        | Ask::Rotate { .. }
        | Ask::Events { .. }
        | Ask::Show { .. }
        | Ask::Shutdown { .. }
        | Ask::Upgrade { .. }
        | Ask::Lifeline => Reply::Answer(Answer::Done),
    }
}

/// Reads standard error until a line holds `words`; returns what came until then.
fn read_until(err: &mut impl BufRead, words: &str) -> String {
    let mut text = String::new();
    while !text.contains(words) {
        let read = err.read_line(&mut text).expect("text");
        assert!(read > 0, "it ended before `{words}`:\n{text}");
    }
    text
}

fn interrupt(child: &Child) {
    let pid = i32::try_from(child.id()).expect("a pid");
    let pid = Pid::from_raw(pid).expect("a pid");
    kill_process(pid, Signal::INT).expect("interrupted");
}

#[test]
fn the_first_interrupt_stops_only_what_it_started_and_the_second_forces() {
    let home = Home::new();
    home.write("shop.toml", "");
    let engine = Engine::listen(&home, two_services);
    let mut child = home
        .command(&["up", "shop.toml"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("runs");
    let mut err = BufReader::new(child.stderr.take().expect("piped"));

    let start = read_until(&mut err, "up after");
    assert!(start.starts_with("shop.toml: a remark\n"), "{start}");
    assert!(start.contains("store: running: port 5000 accepts\nweb: running: port 80 accepts\n"));
    assert!(start.contains("2 services up after"), "{start}");

    interrupt(&child);
    let stop = read_until(&mut err, "waits for 2 processes, 9.0 s left");
    assert!(stop.contains("Ctrl+C again forces"), "{stop}");

    interrupt(&child);
    read_until(&mut err, "web: stopped: killed");
    assert_eq!(child.wait().expect("ends").code(), Some(0));

    let path = home.path().join("shop.toml").display().to_string();
    let stop = |how| Ask::Stop {
        names: names(),
        how,
    };
    assert_eq!(
        engine.asked(),
        [
            Ask::Events {
                names: Vec::new(),
                replay: false
            },
            Ask::Load {
                files: vec![LoadFile { path }],
                lenient: false,
                start: true
            },
            Ask::Status {
                names: names(),
                detail: false
            },
            Ask::Start { names: names() },
            stop(StopHow::Plan),
            stop(StopHow::Force),
        ]
    );
}

#[test]
fn detached_it_returns_once_all_have_arrived() {
    let home = Home::new();
    home.write("aplomb.toml", "");
    Engine::listen(&home, two_services);
    let said = home.run(&["up", "-d"]);
    assert_eq!((said.code, said.out.as_str()), (0, ""), "{}", said.err);
    assert!(said.err.contains("2 services up after"), "{}", said.err);
    let json = home.run(&["up", "-d", "--json"]);
    assert!(
        json.out.starts_with(r#"[{"service":"store""#),
        "{}",
        json.out
    );
}

#[test]
fn a_stack_that_ends_by_itself_ends_up_too_and_a_failure_is_told() {
    let home = Home::new();
    home.write("aplomb.toml", "");
    Engine::listen(&home, |ask| {
        let ended = change(State::Running, State::Failed);
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "whatever else is asked is no matter"
        )]
        match ask {
            Ask::Load { .. } => Reply::Answer(Answer::Loaded {
                services: vec!["job".into()],
                starting: vec!["job".into()],
                remarks: Vec::new(),
            }),
            Ask::Start { .. } => Reply::Both(
                Box::new(outcomes(&[("job", State::Running, true, "")])),
                vec![event(1, "job", ended, "exited with code 3")],
            ),
            Ask::Status { .. } => Reply::Answer(Answer::Status {
                services: vec![status("job", State::Failed)],
            }),
            other => {
                assert!(matches!(other, Ask::Events { .. }), "{other:?}");
                Reply::Answer(Answer::Done)
            }
        }
    });
    let said = home.run(&["up"]);
    assert_eq!((said.code, said.out.as_str()), (1, ""), "{}", said.err);
    assert!(
        said.err
            .ends_with("all services have ended\nerror: `job` (exited with code 3) failed\n"),
        "{}",
        said.err
    );
}

#[test]
fn options_for_a_new_engine_are_refused_by_a_running_one() {
    let home = Home::new();
    home.write("aplomb.toml", "");
    Engine::listen(&home, two_services);
    let said = home.run(&["up", "--sequential"]);
    assert_eq!(said.code, 2);
    assert!(
        said.err.contains("`--sequential` is for a new one"),
        "{}",
        said.err
    );
}
