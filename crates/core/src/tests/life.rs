//! One service: how a start, a run and a restart go.

use std::vec;

use super::sim::*;
use crate::spec::{GiveUp, Growth, Kind, RestartWhen, StartLimit};
use crate::{Because, Do, Shown, Signal, Target, Task};

#[test]
fn a_simple_service_starts_and_is_ready_once_executed() {
    let mut sim = Sim::of([service("a", |_| {})]);
    sim.start("a");
    assert_eq!(sim.shown("a"), Shown::Running);
    assert_eq!(sim.did("a"), vec![Do::Spawn(Task::Main(0))]);
    assert_eq!(sim.because("a"), Because::Ready);
}

#[test]
fn a_polite_stop_signals_the_tree_and_waits_until_it_is_empty() {
    let mut sim = Sim::up(service("a", |_| {}));
    sim.actor("a", |a| a.dies_in = Some(s(3)));
    sim.stop("a");
    sim.pass(ms(2999));
    assert_eq!(sim.shown("a"), Shown::StopPending);
    sim.pass(ms(1));
    assert_eq!(sim.shown("a"), Shown::Stopped);
    assert_eq!(
        sim.did("a"),
        vec![
            Do::Signal(Signal::TERM, Target::Tree),
            Do::Signal(Signal::CONT, Target::Tree),
            Do::WatchTree,
            Do::Uproot
        ]
    );
}

#[test]
fn a_crash_is_followed_by_a_new_run_after_its_delay() {
    let mut sim = Sim::up(service("a", |_| {}));
    sim.ends("a", code(1));
    sim.pass(ms(99));
    assert_eq!(sim.shown("a"), Shown::StartPending);
    sim.pass(ms(1));
    assert_eq!(sim.shown("a"), Shown::Running);
    assert_eq!(sim.standing("a").restarts, 1);
}

#[test]
fn a_restart_asked_for_uses_its_own_first_signal() {
    let mut sim = Sim::up(service("a", |a| a.stop.restart_signal = Some(Signal::USR2)));
    sim.wish("a", crate::Wish::Restart);
    assert!(
        sim.did("a")
            .contains(&Do::Signal(Signal::USR2, Target::Tree))
    );
    assert_eq!(sim.shown("a"), Shown::Running);
}

#[test]
fn a_oneshot_is_done_when_its_last_command_has_succeeded() {
    let mut sim = Sim::of([service("a", |a| {
        a.kind = Kind::Oneshot;
        a.start = commands(2);
        a.restart.when = RestartWhen::Never;
    })]);
    sim.actor("a", |a| {
        a.takes.insert(Task::Main(0), (s(1), code(0)));
        a.takes.insert(Task::Main(1), (s(1), code(0)));
    });
    sim.start("a");
    sim.pass(ms(1999));
    assert_eq!(sim.shown("a"), Shown::StartPending);
    sim.pass(ms(1));
    assert_eq!(sim.shown("a"), Shown::Stopped);
    assert!(sim.standing("a").arrived);
}

fn limited(then: GiveUp) -> Sim {
    let mut sim = Sim::of([service("a", |a| {
        a.restart.growth = Growth::None;
        a.restart.limit = Some(StartLimit {
            starts: 3,
            window: s(10),
        });
        a.restart.then = then;
    })]);
    sim.actor("a", |a| {
        a.takes.insert(Task::Main(0), (ms(0), code(7)));
    });
    sim.start("a");
    sim
}

#[test]
fn start_limit_hit_is_failed_with_the_last_end_as_its_reason() {
    let mut sim = limited(GiveUp::Fail);
    sim.finish();
    assert_eq!(sim.shown("a"), Shown::Failed);
    assert_eq!(sim.engine.begun, 3);
    let Because::StartLimit {
        starts: 3, last, ..
    } = sim.because("a")
    else {
        panic!("{:?}", sim.because("a"));
    };
    assert_eq!(*last, Because::Ended(code(7)));
}

#[test]
fn start_limit_can_go_on_trying_now_and_then() {
    let mut sim = limited(GiveUp::KeepTrying { every: s(60) });
    sim.pass(s(59));
    assert_eq!((sim.shown("a"), sim.engine.begun), (Shown::StartPending, 3));
    sim.pass(s(2));
    assert!(sim.engine.begun > 3);
}

#[test]
fn start_limit_can_end_everything_with_the_code_of_the_service() {
    let mut sim = limited(GiveUp::Shutdown);
    sim.finish();
    assert_eq!(sim.engine.shutdown_codes, [7]);
    assert_eq!(sim.shown("a"), Shown::Failed);
}

#[test]
fn start_limit_is_forgotten_when_an_operator_starts_anew() {
    let mut sim = limited(GiveUp::Fail);
    sim.finish();
    sim.start("a");
    sim.finish();
    assert_eq!(sim.engine.begun, 6);
}

#[test]
fn start_limit_that_ends_everything_after_a_signal_ends_it_as_a_shell_would() {
    let mut sim = limited(GiveUp::Shutdown);
    sim.finish();
    sim.engine.shutdown_codes.clear();
    sim.actor("a", |a| {
        a.takes.insert(Task::Main(0), (ms(0), by(Signal::SEGV)));
    });
    sim.start("a");
    sim.finish();
    assert_eq!(sim.engine.shutdown_codes, [139]);
}

#[test]
fn a_state_is_told_when_it_changes_or_its_reason_does_and_since_is_when_it_changed() {
    let mut sim = Sim::up(service("a", |_| {}));
    let began = sim.standing("a").since;
    sim.pass(s(5));
    sim.wish("a", crate::Wish::Start);
    assert!(sim.facts("a").is_empty());
    assert_eq!(sim.standing("a").since, began);
    sim.stop("a");
    let states = sim.facts("a").into_iter();
    let states = states.filter(|fact| matches!(fact, crate::Fact::State { .. }));
    assert_eq!(states.count(), 2);
    assert_eq!(sim.standing("a").since, sim.now);
}
