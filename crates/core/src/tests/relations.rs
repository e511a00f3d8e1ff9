//! Several services: what binds, conflicts, belongs together or follows; definitions that come, change and go.

use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

use super::place::notifies;
use super::sim::*;
use crate::spec::{Kind, RestartWhen, Spec};
use crate::{Because, Do, Fact, Shown, Task, Wish};

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

/// `a`, and `b` that relates to it as `with` says; both up.
fn pair(with: impl FnOnce(&mut Spec)) -> Sim {
    let mut sim = Sim::of([
        service("b", with),
        service("a", |a| a.restart.when = RestartWhen::Never),
    ]);
    sim.start("a");
    sim.start("b");
    sim.forget();
    sim
}

fn shown(sim: &Sim) -> (Shown, Shown) {
    (sim.shown("a"), sim.shown("b"))
}

#[test]
fn a_crash_of_what_is_required_leaves_its_dependents_alone() {
    let mut sim = pair(|b| b.depends.requires = names(&["a"]));
    sim.ends("a", code(1));
    assert_eq!(shown(&sim), (Shown::Failed, Shown::Running));
}

#[test]
fn what_is_bound_goes_down_with_a_crash() {
    let mut sim = pair(|b| b.depends.binds_to = names(&["a"]));
    sim.ends("a", code(1));
    assert_eq!(shown(&sim), (Shown::Failed, Shown::Stopped));
    assert_eq!(sim.because("b"), Because::DependencyFailed("a".into()));
}

#[test]
fn what_is_bound_goes_down_with_a_clean_end() {
    let mut sim = pair(|b| b.depends.binds_to = names(&["a"]));
    sim.ends("a", code(0));
    assert_eq!(shown(&sim), (Shown::Stopped, Shown::Stopped));
}

#[test]
fn what_is_bound_and_has_not_begun_fails_with_what_it_needs() {
    let mut sim = Sim::of([
        service("b", |b| {
            b.depends.binds_to = names(&["a"]);
            b.depends.after = names(&["a"]);
        }),
        service("a", |a| a.restart.when = RestartWhen::Never),
    ]);
    sim.actor("a", |a| a.missing = vec![Task::Main(0)]);
    sim.start("b");
    assert_eq!(shown(&sim), (Shown::Failed, Shown::Failed));
}

#[test]
fn a_part_is_stopped_and_restarted_with_the_whole_and_not_the_other_way_round() {
    let mut sim = pair(|b| b.depends.part_of = names(&["a"]));
    sim.stop("b");
    assert_eq!(shown(&sim), (Shown::Running, Shown::Stopped));
    sim.start("b");
    sim.forget();
    sim.wish("a", Wish::Restart);
    assert_eq!(shown(&sim), (Shown::Running, Shown::Running));
    assert_eq!(
        sim.course()
            .iter()
            .filter(|it| it.starts_with("start"))
            .count(),
        2
    );
    sim.stop("a");
    assert_eq!(shown(&sim), (Shown::Stopped, Shown::Stopped));
}

#[test]
fn the_start_of_one_stops_what_it_conflicts_with_and_waits_for_it() {
    let mut sim = Sim::of([
        service("b", |b| b.depends.conflicts = names(&["a"])),
        service("a", |_| {}),
    ]);
    sim.actor("a", |a| a.dies_in = Some(s(2)));
    sim.start("a");
    sim.start("b");
    assert_eq!(shown(&sim), (Shown::StopPending, Shown::StartPending));
    assert_eq!(sim.because("a"), Because::Conflicts("b".into()));
    sim.pass(s(2));
    assert_eq!(shown(&sim), (Shown::Stopped, Shown::Running));
    sim.start("a");
    assert_eq!(shown(&sim), (Shown::Running, Shown::Stopped));
}

#[test]
fn a_conflict_that_came_with_a_new_definition_is_settled_at_the_next_start() {
    let mut sim = pair(|_| {});
    let newer = service("b", |b| b.depends.conflicts = names(&["a"]));
    sim.world.load([newer], sim.now);
    assert_eq!(shown(&sim), (Shown::Running, Shown::Running));
    sim.wish("b", Wish::Restart);
    assert_eq!(shown(&sim), (Shown::Stopped, Shown::Running));
}

#[test]
fn on_failure_is_started_when_all_is_given_up_and_not_before() {
    let mut sim = Sim::of([
        service("a", |a| a.start_timeout = None),
        service("b", |b| {
            b.depends.on_failure = names(&["a"]);
            b.restart.limit = Some(crate::spec::StartLimit {
                starts: 2,
                window: s(60),
            });
        }),
    ]);
    sim.start("b");
    sim.ends("b", code(1));
    sim.pass(s(1));
    assert_eq!(shown(&sim), (Shown::Stopped, Shown::Running));
    sim.ends("b", code(1));
    sim.pass(s(1));
    assert_eq!(shown(&sim), (Shown::Running, Shown::Failed));
}

#[test]
fn on_success_is_started_after_a_clean_end_and_not_after_a_skip_or_a_stop() {
    let with = |with: fn(&mut Spec)| {
        Sim::of([
            service("a", |_| {}),
            service("b", |b| {
                b.depends.on_success = names(&["a"]);
                with(b);
            }),
        ])
    };
    let mut sim = with(|_| {});
    sim.start("b");
    sim.ends("b", code(0));
    assert_eq!(sim.shown("a"), Shown::Running);

    let mut sim = with(|b| b.start_condition = commands(1));
    sim.actor("b", |b| {
        b.takes.insert(Task::Condition(0), (ms(0), code(1)));
    });
    sim.start("b");
    assert_eq!(shown(&sim), (Shown::Stopped, Shown::Stopped));

    let mut sim = with(|_| {});
    sim.start("b");
    sim.stop("b");
    assert_eq!(shown(&sim), (Shown::Stopped, Shown::Stopped));
}

#[test]
fn requisite_must_be_up_already_and_is_never_started() {
    let with = || {
        Sim::of([
            service("b", |b| b.depends.requisite = names(&["a"])),
            service("a", |a| a.ready = notifies()),
        ])
    };
    let mut sim = with();
    sim.start("b");
    assert_eq!(shown(&sim), (Shown::Stopped, Shown::Failed));

    let mut sim = with();
    sim.actor("a", |a| a.ready_in = Some(s(1)));
    sim.start("a");
    sim.start("b");
    assert_eq!(sim.shown("b"), Shown::StartPending);
    sim.pass(s(1));
    assert_eq!(sim.shown("b"), Shown::Running);
}

#[test]
fn relations_can_be_told_from_the_other_side() {
    let with = |with: fn(&mut Spec)| {
        let mut sim = Sim::of([service("b", |_| {}), service("a", with)]);
        sim.start("b");
        sim
    };
    let mut sim = with(|a| a.depends.required_by = names(&["b"]));
    assert_eq!(shown(&sim), (Shown::Running, Shown::Running));
    sim.stop("a");
    assert_eq!(shown(&sim), (Shown::Stopped, Shown::Stopped));

    let mut sim = with(|a| a.depends.wanted_by = names(&["b"]));
    assert_eq!(shown(&sim), (Shown::Running, Shown::Running));
    sim.stop("a");
    assert_eq!(shown(&sim), (Shown::Stopped, Shown::Running));

    let sim = with(|a| {
        a.depends.required_by = names(&["b"]);
        a.depends.before = names(&["b"]);
    });
    assert_eq!(sim.course(), ["start a", "start b"]);
}

#[test]
fn a_family_name_means_every_instance_of_it() {
    let mut sim = Sim::of([
        service("b", |b| {
            b.depends.requires = names(&["web"]);
            b.depends.after = names(&["web"]);
        }),
        service("web@1", |_| {}),
        service("web@2", |_| {}),
    ]);
    sim.start("b");
    assert_eq!(sim.course(), ["start web@1", "start web@2", "start b"]);
}

#[test]
fn a_circle_of_order_is_named_and_nobody_in_it_starts() {
    let follow = |name: &str, peer: &str| service(name, |it| it.depends.after = names(&[peer]));
    let mut sim = Sim::of([
        follow("a", "b"),
        follow("b", "c"),
        follow("c", "a"),
        follow("d", "a"),
    ]);
    for name in ["a", "d"] {
        sim.start(name);
    }
    assert_eq!(sim.shown("a"), Shown::Failed);
    assert_eq!(sim.shown("d"), Shown::Running);
    let because = sim.because("a").to_string();
    assert_eq!(
        because,
        "cannot be ordered, each after the next in a circle: `a`, `b` and `c`"
    );
}

#[test]
fn a_circle_that_came_with_a_new_definition_does_not_hold_up_a_shutdown() {
    let mut sim = pair(|b| b.depends.after = names(&["a"]));
    let newer = service("a", |a| a.depends.after = names(&["b"]));
    sim.world.load([newer], sim.now);
    sim.shutdown();
    assert_eq!(sim.engine.finished, 1);
}

#[test]
fn a_changed_definition_is_in_force_at_the_next_start() {
    let mut sim = Sim::up(service("a", |_| {}));
    sim.world
        .load([service("a", |a| a.start_pre = commands(1))], sim.now);
    assert_eq!(sim.standing("a").spec.start_pre.len(), 0);
    sim.wish("a", Wish::Restart);
    assert_eq!(sim.standing("a").spec.start_pre.len(), 1);
    assert!(sim.did("a").contains(&Do::Spawn(Task::StartPre(0))));
}

#[test]
fn a_definition_that_drops_what_is_waited_for_frees_the_start() {
    let mut sim = Sim::of([
        service("b", |b| b.depends.after = names(&["a"])),
        service("a", |a| a.ready = notifies()),
    ]);
    sim.actor("a", |a| a.ready_in = None);
    sim.start("a");
    sim.start("b");
    assert_eq!(sim.shown("b"), Shown::StartPending);
    sim.world.load([service("b", |_| {})], sim.now);
    sim.pass(ms(0));
    assert_eq!(sim.shown("b"), Shown::Running);
}

#[test]
fn only_what_is_down_can_be_unloaded() {
    let mut sim = pair(|b| b.depends.requires = names(&["a"]));
    let (a, b) = (sim.id("a"), sim.id("b"));
    assert!(!sim.world.unload(a));
    sim.stop("a");
    assert!(sim.world.unload(a));
    assert_eq!(sim.world.find("a"), None);
    sim.start("b");
    assert_eq!(sim.because("b"), Because::DependencyFailed("a".into()));
    assert!(sim.world.unload(b));
    assert!(sim.world.unload(b));
}

#[test]
fn a_restart_starts_what_it_needs_and_lost() {
    let mut sim = pair(|b| {
        b.depends.requires = names(&["a"]);
        b.depends.after = names(&["a"]);
    });
    sim.ends("a", code(1));
    assert_eq!(shown(&sim), (Shown::Failed, Shown::Running));
    sim.wish("b", Wish::Restart);
    assert_eq!(shown(&sim), (Shown::Running, Shown::Running));
}

#[test]
fn a_restart_whose_new_start_is_refused_ends_as_failed() {
    let mut sim = pair(|_| {});
    let newer = service("b", |b| b.depends.requires = names(&["nobody"]));
    sim.world.load([newer], sim.now);
    sim.wish("b", Wish::Restart);
    assert_eq!(sim.shown("b"), Shown::Failed);
    assert!(sim.standing("b").settled);
}

#[test]
fn a_restart_of_what_is_down_is_a_start() {
    let mut sim = Sim::of([service("a", |_| {})]);
    sim.wish("a", Wish::Restart);
    assert_eq!(sim.shown("a"), Shown::Running);
}

#[test]
fn a_disabled_service_can_be_stopped_and_neither_started_nor_restarted() {
    use crate::spec::StartMode;
    let mut sim = Sim::up(service("a", |_| {}));
    let newer = service("a", |a| a.start_mode = StartMode::Disabled);
    sim.world.load([newer], sim.now);
    sim.wish("a", Wish::Restart);
    assert_eq!(sim.engine.begun, 1);
    sim.stop("a");
    sim.start("a");
    assert_eq!(sim.shown("a"), Shown::Stopped);
    let refused = |fact: &Fact| matches!(fact, Fact::Refused { .. });
    assert_eq!(
        sim.facts("a").iter().filter(|fact| refused(fact)).count(),
        2
    );
}

#[test]
fn a_failure_can_be_forgotten() {
    let mut sim = pair(|_| {});
    sim.ends("a", code(1));
    assert_eq!(sim.shown("a"), Shown::Failed);
    sim.wish("a", Wish::Forget);
    assert_eq!(sim.shown("a"), Shown::Stopped);
    sim.wish("b", Wish::Forget);
    assert_eq!(sim.because("b"), Because::Ready);
}

#[test]
fn one_that_merely_comes_after_does_not_wait_for_restarts() {
    let mut sim = Sim::of([
        service("b", |b| b.depends.after = names(&["a"])),
        service("a", |a| a.restart.delay = s(60)),
    ]);
    sim.actor("a", |a| a.missing = vec![Task::Main(0)]);
    sim.start("a");
    sim.start("b");
    assert_eq!(shown(&sim), (Shown::StartPending, Shown::Running));
}

#[test]
fn a_dependent_waits_for_the_restarts_of_what_it_requires() {
    let mut sim = Sim::of([
        service("b", |b| {
            b.depends.requires = names(&["a"]);
            b.depends.after = names(&["a"]);
        }),
        service("a", |_| {}),
    ]);
    sim.actor("a", |a| a.missing = vec![Task::Main(0)]);
    sim.start("b");
    assert_eq!(shown(&sim), (Shown::StartPending, Shown::StartPending));
    sim.actor("a", |a| a.missing = Vec::new());
    sim.pass(s(1));
    assert_eq!(shown(&sim), (Shown::Running, Shown::Running));
}

#[test]
fn a_oneshot_that_is_done_lets_its_dependents_start() {
    let mut sim = Sim::of([
        service("b", |b| {
            b.depends.requires = names(&["a"]);
            b.depends.after = names(&["a"]);
        }),
        service("a", |a| a.kind = Kind::Oneshot),
    ]);
    sim.actor("a", |a| {
        a.takes.insert(Task::Main(0), (s(1), code(0)));
    });
    sim.start("b");
    sim.pass(s(1));
    assert_eq!(shown(&sim), (Shown::Stopped, Shown::Running));
}
