//! The way up: order, laziness, repetition, failure, and a stop that comes in between.

use super::*;

#[test]
fn independent_components_start_at_once_and_dependent_ones_after() {
    let mut world = World::new(settings());
    let db = world.declare(
        Stage::STORES.part("db"),
        Script {
            up_after: Some(300),
            ..quick()
        },
    );
    world.declare(
        Stage::STORES.part("cache"),
        Script {
            up_after: Some(200),
            ..quick()
        },
    );
    world.declare(Stage::DRAIN.part("api").after(&db), quick());
    world.run_to(1_000);
    let starts: Vec<u64> = world
        .seen
        .iter()
        .filter(|(_, action)| matches!(action, Action::Start { .. }))
        .map(|(at, _)| *at)
        .collect();
    assert_eq!(starts, [0, 0, 300]);
    assert!(world.seen.contains(&(310, Action::Ready)));
}

#[test]
fn a_lazy_component_sleeps_until_it_or_what_needs_it_is_wanted() {
    let mut world = World::new(settings());
    world.declare(Stage::WORKERS.part("other"), quick());
    let search = world.declare(Stage::STORES.part("search").lazy(), quick());
    world.run_to(100);
    assert!(world.seen.contains(&(10, Action::Ready)));
    assert_eq!(
        world.count(|action| matches!(action, Action::Start { id, .. } if *id == search)),
        0
    );
    world.declare(Stage::WORKERS.part("indexer").after(&search), quick());
    world.run_to(200);
    assert_eq!(
        world.count(|action| matches!(action, Action::Start { id, .. } if *id == search)),
        1
    );
}

#[test]
fn failed_attempts_are_repeated_with_growing_pauses_until_one_succeeds() {
    let mut world = World::new(settings());
    let mut part = Stage::STORES.part("db");
    part.restartable = true;
    let db = world.declare(
        part,
        Script {
            failures: 3,
            ..quick()
        },
    );
    world.run_to(29_000);
    assert_eq!(world.machine.entries()[&db].attempts, 4);
    assert_eq!(world.count(|action| *action == Action::Ready), 1);
}

#[test]
fn a_required_component_that_never_comes_up_stops_the_application_with_75() {
    let mut world = World::new(settings());
    let mut part = Stage::STORES.part("db").budget(crate::IoBudget::DATABASE);
    part.restartable = true;
    let db = world.declare(
        part,
        Script {
            up_after: None,
            ..quick()
        },
    );
    let worker = world.declare(Stage::WORKERS.part("worker"), quick());
    world.run_to(60_000);
    let (at, code) = world.finished().unwrap();
    assert!((25_000..31_000).contains(&at), "{at}");
    assert_eq!((code, world.outcome(db)), (75, Some(Outcome::Failed)));
    assert_eq!(world.outcome(worker), Some(Outcome::Closed));
}

#[test]
fn an_optional_component_that_never_comes_up_only_degrades() {
    let mut world = World::new(settings());
    let mut part = Stage::STORES.part("cache").optional();
    part.restartable = true;
    world.declare(
        part,
        Script {
            failures: u32::MAX,
            ..quick()
        },
    );
    world.declare(Stage::WORKERS.part("worker"), quick());
    world.run_to(60_000);
    assert_eq!(world.finished(), None);
    assert_eq!(
        world.count(|action| matches!(action, Action::GaveUp { .. })),
        1
    );
}

#[test]
fn a_stop_during_start_ends_pending_starts_at_once_and_stops_what_was_up() {
    for stop_at in [0, 50, 150, 290] {
        let mut world = World::new(settings());
        let slow = world.declare(
            Stage::STORES.part("slow"),
            Script {
                up_after: Some(300),
                ..quick()
            },
        );
        let fast = world.declare(Stage::STORES.part("fast"), quick());
        let after = world.declare(Stage::DRAIN.part("api").after(&slow), quick());
        world.run_to(stop_at);
        world.ask(Urgency::Stop);
        world.run_to(30_000);
        let (at, code) = world.finished().unwrap();
        assert!(at <= stop_at + 50, "stop at {stop_at} ended at {at}");
        assert_eq!(code, 0);
        assert_eq!(world.outcome(slow), Some(Outcome::NeverStarted));
        assert_eq!(world.outcome(after), Some(Outcome::NeverStarted));
        let fast_outcome = if stop_at == 0 {
            Outcome::NeverStarted
        } else {
            Outcome::Closed
        };
        assert_eq!(world.outcome(fast), Some(fast_outcome));
    }
}

#[test]
fn a_failure_stops_restarts_or_is_ignored_as_declared() {
    for (policy, restartable, ends) in [
        (OnFailure::Stop, false, Some(70)),
        (OnFailure::Ignore, false, None),
        (OnFailure::Restart, true, None),
        (OnFailure::Restart, false, Some(70)),
    ] {
        let mut world = World::new(settings());
        let mut part = Stage::WORKERS.part("worker").on_failure(policy);
        part.restartable = restartable;
        let worker = world.declare(part, quick());
        world.declare(Stage::STORES.part("db"), quick());
        world.run_to(100);
        let run = world.machine.entries()[&worker].run;
        world.give(Event::Ended(worker, run, Ending::Panicked("oops".into())));
        world.run_to(20_000);
        assert_eq!(
            world.finished().map(|(_, code)| code),
            ends,
            "{policy:?}, restartable: {restartable}"
        );
        let attempts = world.machine.entries()[&worker].attempts;
        assert_eq!(attempts, if restartable { 2 } else { 1 });
    }
}

#[test]
fn an_application_with_nothing_left_to_run_ends() {
    let mut world = World::new(Settings::default());
    let job = world.declare(Stage::WORKERS.part("job"), quick());
    world.run_to(100);
    world.give(Event::Ended(job, 1, Ending::Done));
    assert_eq!(world.finished(), Some((100, 0)));
}

#[test]
fn news_of_an_earlier_life_is_ignored() {
    let mut world = World::new(settings());
    let mut part = Stage::STORES.part("db");
    part.restartable = true;
    let db = world.declare(
        part,
        Script {
            failures: 1,
            ..quick()
        },
    );
    world.run_to(5_000);
    assert_eq!(world.machine.entries()[&db].run, 2);
    world.give(Event::Ended(db, 1, Ending::Failed("late".into())));
    assert!(matches!(
        world.machine.entries()[&db].state,
        State::Up { .. }
    ));
}

#[test]
fn a_long_start_tells_the_platform_that_it_goes_on_and_a_stalled_one_does_not() {
    let mut world = World::new(settings());
    let slow = Script {
        up_after: Some(20_000),
        ..quick()
    };
    let index = world.declare(Stage::STORES.part("index").announces(), slow);
    for second in 1..=5 {
        world.run_to(second * 1_000);
        world.give(Event::Progress(index));
        // Twice in a moment is told once.
        world.give(Event::Progress(index));
    }
    world.run_to(25_000);
    let told: Vec<(u64, u128)> = world
        .seen
        .iter()
        .filter_map(|(at, action)| {
            let Action::StillStarting { within } = action else {
                return None;
            };
            Some((*at, within.as_millis()))
        })
        .collect();
    let expected: Vec<(u64, u128)> = (1..=5)
        .map(|second| (second * 1_000, 30_000 - u128::from(second) * 1_000))
        .collect();
    assert_eq!(told, expected);
}

/// The stop cancels the attempt while word that it is up is already on its way.
#[test]
fn what_comes_up_in_the_moment_of_the_stop_is_closed_and_nothing_was_cut() {
    let mut world = World::new(settings());
    let slow = Script {
        up_after: None,
        ..quick()
    };
    let db = world.declare(Stage::STORES.part("db"), slow);
    world.run_to(100);
    let mut actions = Vec::new();
    let ask = Ask {
        cause: Cause::plain(CauseKind::Program),
        urgency: Urgency::Stop,
    };
    world.machine.on(Event::Asked(ask), world.now, &mut actions);
    assert!(actions.contains(&Action::Cancel { id: db, run: 1 }));
    world.give(Event::Up(db, 1));
    world.run_to(5_000);
    assert_eq!(world.outcome(db), Some(Outcome::Closed));
    assert_eq!(world.finished().map(|(_, code)| code), Some(0));
}

#[test]
fn an_attempt_over_its_budget_that_comes_up_after_all_is_the_one_that_counts() {
    let mut world = World::new(settings());
    let mut part = Stage::STORES.part("db").budget(crate::IoBudget::CACHE);
    part.restartable = true;
    let slow = Script {
        up_after: None,
        ..quick()
    };
    let db = world.declare(part, slow);
    world.now += Duration::from_millis(1_000);
    let mut actions = Vec::new();
    world.machine.on(Event::Time, world.now, &mut actions);
    assert!(actions.contains(&Action::Cancel { id: db, run: 1 }));
    world.give(Event::Up(db, 1));
    world.run_to(10_000);
    assert_eq!(world.machine.entries()[&db].attempts, 1);
    assert_eq!(world.count(|action| *action == Action::Ready), 1);
}

#[test]
fn what_may_fail_and_fails_before_readiness_does_not_hold_it_back() {
    let mut world = World::new(settings());
    let part = Stage::WORKERS.part("metrics").on_failure(OnFailure::Ignore);
    let metrics = world.declare(part, quick());
    let slow = Script {
        up_after: Some(500),
        ..quick()
    };
    world.declare(Stage::STORES.part("db"), slow);
    world.run_to(100);
    world.give(Event::Ended(metrics, 1, Ending::Failed("nobody".into())));
    world.run_to(1_000);
    assert_eq!(world.count(|action| *action == Action::Ready), 1);
}
