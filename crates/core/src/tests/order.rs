//! Several services: who goes first, who waits for whom, and what one's fate does to others.

use std::string::ToString;
use std::vec;
use std::vec::Vec;

use super::sim::*;
use crate::spec::{Kind, NotifyFrom, Ready, RestartWhen, Spec, StartMode};
use crate::{Because, Event, Fact, How, Shown, Signal, Task, Wish};

/// `name` requires and follows `needs`.
fn after(name: &str, needs: &[&str]) -> Spec {
    service(name, |spec| {
        spec.depends.requires = needs.iter().map(ToString::to_string).collect();
        spec.depends.after = spec.depends.requires.clone();
    })
}

/// c needs b needs a.
fn chain() -> Sim {
    Sim::of([after("c", &["b"]), after("b", &["a"]), after("a", &[])])
}

fn started(mut sim: Sim, names: &[&str]) -> Sim {
    for name in names {
        sim.start(name);
    }
    sim.forget();
    sim
}

#[test]
fn what_is_required_starts_first() {
    let mut sim = chain();
    sim.start("c");
    assert_eq!(sim.course(), ["start a", "start b", "start c"]);
}

#[test]
fn a_dependent_waits_until_what_it_needs_is_ready() {
    let mut specs = [after("b", &["a"]), after("a", &[])];
    specs[1].ready = Ready::Notify(NotifyFrom::Main);
    let mut sim = Sim::of(specs);
    sim.actor("a", |a| a.ready_in = Some(s(3)));
    sim.start("b");
    assert_eq!(sim.because("b"), Because::WaitsFor(vec!["a".into()].into()));
    assert_eq!(sim.shown("b"), Shown::StartPending);
    sim.pass(s(3));
    assert_eq!(sim.shown("b"), Shown::Running);
}

#[test]
fn a_stop_takes_down_what_needs_it_first() {
    let mut sim = started(chain(), &["c"]);
    for name in ["a", "b", "c"] {
        sim.actor(name, |it| it.dies_in = Some(s(1)));
    }
    sim.stop("a");
    sim.finish();
    let order = ["ask c", "over c", "ask b", "over b", "ask a", "over a"];
    assert_eq!(sim.course(), order);
    assert_eq!(sim.because("a"), Because::Asked);
    assert_eq!(sim.because("b"), Because::DependencyStopped("a".into()));
}

#[test]
fn restart_of_a_dependency_restarts_what_requires_it_in_order() {
    let mut sim = started(chain(), &["c"]);
    sim.wish("a", Wish::Restart);
    sim.finish();
    let order = [
        "ask c", "over c", "ask b", "over b", "ask a", "over a", "start a", "start b", "start c",
    ];
    assert_eq!(sim.course(), order);
}

#[test]
fn shutdown_stops_everything_in_reverse_and_tells_the_end_once() {
    let mut sim = started(chain(), &["c"]);
    sim.shutdown();
    sim.finish();
    let order = ["ask c", "over c", "ask b", "over b", "ask a", "over a"];
    assert_eq!(sim.course(), order);
    assert_eq!(sim.engine.finished, 1);
    for name in ["a", "b", "c"] {
        assert_eq!(sim.because(name), Because::Shutdown, "{name}");
    }
}

#[test]
fn a_restart_during_shutdown_is_refused() {
    let mut sim = started(chain(), &["c"]);
    sim.actor("c", |it| it.dies_in = Some(s(1)));
    sim.shutdown();
    sim.wish("a", Wish::Restart);
    sim.start("b");
    sim.finish();
    assert_eq!(sim.engine.finished, 1);
    assert_eq!(sim.shown("a"), Shown::Stopped);
    let refusals = |name| {
        let facts = sim.facts(name).into_iter();
        facts
            .filter(|fact| matches!(fact, Fact::Refused { .. }))
            .count()
    };
    assert_eq!((refusals("a"), refusals("b")), (1, 1));
}

#[test]
fn a_crash_while_waiting_for_dependents_is_not_restarted() {
    let mut sim = started(chain(), &["c"]);
    sim.actor("c", |it| it.dies_in = Some(s(5)));
    sim.stop("b");
    assert_eq!(sim.because("b"), Because::WaitsFor(vec!["c".into()].into()));
    sim.ends("b", by(Signal::SEGV));
    sim.finish();
    assert_eq!(sim.shown("b"), Shown::Stopped);
    assert_eq!(sim.engine.begun, 3);
    let planned = |fact: &Fact| matches!(fact, Fact::RestartPlanned { .. });
    assert!(!sim.facts("b").iter().any(planned));
}

#[test]
fn a_stop_taken_back_shows_as_running_again() {
    let mut sim = started(chain(), &["c"]);
    sim.actor("c", |it| it.dies_in = Some(s(5)));
    sim.stop("b");
    assert_eq!(sim.shown("b"), Shown::StopPending);
    sim.start("b");
    assert_eq!(sim.shown("b"), Shown::Running);
    sim.finish();
    assert_eq!(
        (sim.shown("b"), sim.shown("c")),
        (Shown::Running, Shown::Stopped)
    );
}

#[test]
fn a_stop_taken_back_frees_those_that_waited_for_it() {
    // c merely comes after b: nothing restarts it, and its own stop must not wait for b's.
    let mut sim = started(
        Sim::of([
            service("a", |_| {}),
            service("b", |b| b.depends.after = vec!["a".into()]),
            service("c", |c| c.depends.after = vec!["b".into()]),
        ]),
        &["a", "b", "c"],
    );
    sim.actor("c", |it| it.dies_in = Some(s(5)));
    sim.stop("c");
    sim.stop("b");
    sim.stop("a");
    sim.start("b");
    assert_eq!(sim.shown("a"), Shown::Stopped);
    sim.finish();
    assert_eq!(sim.shown("b"), Shown::Running);
}

#[test]
fn a_second_failure_of_what_is_required_is_told_to_those_that_wait() {
    // The dependent is looked at before its dependency, which was failed already and fails again.
    let mut sim = Sim::of([after("b", &["a"]), after("a", &["nobody"])]);
    sim.start("a");
    assert_eq!(sim.shown("a"), Shown::Failed);
    sim.start("b");
    assert_eq!(sim.shown("b"), Shown::Failed);
    assert_eq!(sim.because("b"), Because::DependencyFailed("a".into()));
}

#[test]
fn a_cancelled_start_is_told_to_those_that_wait_for_it() {
    let mut sim = Sim::of([
        service("c", |c| c.depends.after = vec!["b".into()]),
        service("b", |b| b.depends.after = vec!["a".into()]),
        service("a", |a| a.ready = Ready::Notify(NotifyFrom::Main)),
    ]);
    sim.actor("a", |a| a.ready_in = None);
    for name in ["a", "b", "c"] {
        sim.start(name);
    }
    sim.stop("b");
    assert_eq!(sim.shown("b"), Shown::Stopped);
    assert_eq!(sim.shown("c"), Shown::Running);
}

#[test]
fn a_name_nobody_has_fails_the_start_that_requires_it() {
    let mut sim = Sim::of([after("a", &["nobody"])]);
    sim.start("a");
    assert_eq!(sim.shown("a"), Shown::Failed);
    assert_eq!(sim.because("a"), Because::DependencyFailed("nobody".into()));
}

#[test]
fn a_wanted_name_nobody_has_is_no_matter() {
    let mut sim = Sim::of([service("a", |a| {
        a.depends.wants = vec!["nobody".into()];
        a.depends.after = vec!["nobody".into()];
    })]);
    sim.start("a");
    assert_eq!(sim.shown("a"), Shown::Running);
}

#[test]
fn a_disabled_dependency_fails_the_start_that_requires_it_even_without_order() {
    let mut sim = Sim::of([
        service("a", |a| a.start_mode = StartMode::Disabled),
        service("b", |b| b.depends.requires = vec!["a".into()]),
    ]);
    sim.start("b");
    assert_eq!(sim.shown("b"), Shown::Failed);
    assert_eq!(sim.shown("a"), Shown::Stopped);
}

#[test]
fn a_required_service_that_fails_to_start_fails_its_dependents() {
    let mut sim = chain();
    sim.actor("a", |a| a.missing = vec![Task::Main(0)]);
    sim.start("c");
    sim.finish();
    let shown: Vec<_> = ["a", "b", "c"].map(|name| sim.shown(name)).into();
    assert_eq!(shown, [Shown::Failed; 3]);
    assert_eq!(sim.because("c"), Because::DependencyFailed("b".into()));
}

#[test]
fn a_wanted_service_that_fails_to_start_is_no_matter() {
    let mut sim = Sim::of([
        service("a", |a| a.restart.when = RestartWhen::Never),
        service("b", |b| {
            b.depends.wants = vec!["a".into()];
            b.depends.after = vec!["a".into()];
        }),
    ]);
    sim.actor("a", |a| a.missing = vec![Task::Main(0)]);
    sim.start("b");
    assert_eq!(
        (sim.shown("a"), sim.shown("b")),
        (Shown::Failed, Shown::Running)
    );
}

#[test]
fn one_at_a_time_stops_everything_too() {
    let mut sim = Sim::of([
        service("x", |_| {}),
        service("b", |b| b.depends.after = vec!["a".into()]),
        service("a", |_| {}),
    ]);
    sim.world.one_at_a_time();
    for name in ["a", "b", "x"] {
        sim.start(name);
        sim.actor(name, |it| it.dies_in = Some(s(1)));
    }
    sim.shutdown();
    sim.finish();
    assert_eq!(sim.engine.finished, 1);
    assert_eq!(
        sim.standing("a").since.since(crate::Instant::ORIGIN),
        s(1003)
    );
}

#[test]
fn one_at_a_time_a_start_can_be_stopped() {
    let mut sim = Sim::of([service("a", |a| {
        a.ready = Ready::Notify(NotifyFrom::Main);
        a.start_timeout = None;
    })]);
    sim.world.one_at_a_time();
    sim.actor("a", |a| a.ready_in = None);
    sim.start("a");
    sim.stop("a");
    assert_eq!(sim.shown("a"), Shown::Stopped);
}

#[test]
fn an_idle_service_waits_until_nobody_starts() {
    let mut sim = idle_beside_a_slow_one();
    sim.pass(s(2));
    assert_eq!(sim.shown("i"), Shown::StartPending);
    sim.happens("slow", crate::RunEvent::Ready);
    assert_eq!(sim.shown("i"), Shown::Running);
}

#[test]
fn an_idle_service_waits_five_seconds_at_most() {
    let mut sim = idle_beside_a_slow_one();
    sim.pass(ms(4999));
    assert_eq!(sim.shown("i"), Shown::StartPending);
    sim.pass(ms(1));
    assert_eq!(sim.shown("i"), Shown::Running);
}

#[test]
fn a_cancelled_idle_start_leaves_no_timer() {
    let mut sim = idle_beside_a_slow_one();
    sim.stop("i");
    assert_eq!(sim.world.timer_of(sim.id("i")), None);
    assert_eq!(sim.shown("i"), Shown::Stopped);
}

fn idle_beside_a_slow_one() -> Sim {
    let mut sim = Sim::of([
        service("i", |i| i.kind = Kind::Idle),
        service("slow", |slow| slow.ready = Ready::Notify(NotifyFrom::Main)),
    ]);
    sim.actor("slow", |slow| slow.ready_in = None);
    sim.start("slow");
    sim.start("i");
    sim
}

#[test]
fn forced_shutdown_kills_all_at_once_and_waits_for_nobody() {
    let mut sim = started(chain(), &["c"]);
    sim.on(Event::Shutdown { how: How::Force });
    let kills = sim
        .course()
        .iter()
        .filter(|it| it.starts_with("kill"))
        .count();
    assert_eq!((kills, sim.engine.finished), (3, 1));
}

/// One that needs twenty others, which take their time.
fn twenty() -> Sim {
    let mut specs: Vec<Spec> = (0..20)
        .map(|at| {
            service(&std::format!("s{at:02}"), |spec| {
                spec.ready = Ready::Notify(NotifyFrom::Main);
                spec.restart.when = RestartWhen::Never;
            })
        })
        .collect();
    let needs: Vec<_> = specs.iter().map(|spec| spec.name.clone()).collect();
    let needs: Vec<&str> = needs.iter().map(|name| name.as_str()).collect();
    specs.push(after("all", &needs));
    let mut sim = Sim::of(specs);
    for name in needs {
        sim.actor(name, |it| it.ready_in = None);
    }
    sim.start("all");
    sim
}

#[test]
fn many_are_waited_for_until_the_last_is_ready() {
    let mut sim = twenty();
    for at in (0..20).rev() {
        assert_eq!(sim.shown("all"), Shown::StartPending);
        sim.happens(&std::format!("s{at:02}"), crate::RunEvent::Ready);
    }
    assert_eq!(sim.shown("all"), Shown::Running);
}

#[test]
fn one_failure_among_many_is_told_at_once() {
    let mut sim = twenty();
    sim.happens("s03", crate::RunEvent::ReadyImpossible("closed".into()));
    sim.pass(ms(100));
    assert_eq!(sim.because("all"), Because::DependencyFailed("s03".into()));
}

#[test]
fn a_restart_is_told_with_its_reason_to_all_it_takes_along() {
    let mut sim = started(chain(), &["c"]);
    sim.actor("b", |it| it.dies_in = Some(s(1)));
    sim.wish("a", Wish::Restart);
    assert_eq!(sim.because("b"), Because::DependencyRestarted("a".into()));
}
