//! Who asks, how often, and what buys time.

use super::*;

#[test]
fn a_person_needs_no_lame_duck_and_forces_with_the_second_press() {
    let mut world = World::new(settings());
    let api = world.declare(Stage::DRAIN.part("api"), stuck());
    let db = world.declare(Stage::STORES.part("db"), quick());
    world.run_to(100);
    world.ask(Urgency::Interrupt);
    world.run_to(1_100);
    assert_eq!(world.told_at(api, Level::Stop), Some(100));
    world.ask(Urgency::Interrupt);
    world.run_to(10_000);
    let (at, code) = world.finished().unwrap();
    assert!(at <= 1_100 + 2_000, "{at}");
    assert_eq!((code, world.outcome(db)), (143, Some(Outcome::Closed)));
}

#[test]
fn the_third_press_waits_for_nothing() {
    let mut world = World::new(settings());
    world.declare(Stage::DRAIN.part("api"), stuck());
    world.declare(
        Stage::STORES.part("db"),
        Script {
            drops: false,
            ..stuck()
        },
    );
    world.run_to(100);
    world.ask(Urgency::Interrupt);
    world.ask(Urgency::Interrupt);
    assert_eq!(world.finished(), None);
    world.ask(Urgency::Interrupt);
    assert_eq!(
        world.count(|action| matches!(action, Action::Kill { .. })),
        1
    );
}

#[test]
fn doubles_of_a_term_are_one_and_a_later_one_hurries() {
    let mut world = World::new(settings());
    let api = world.declare(Stage::DRAIN.part("api"), stuck());
    world.run_to(100);
    world.ask(Urgency::StopAtOnce);
    world.run_to(150);
    world.ask(Urgency::Stop);
    world.run_to(1_000);
    assert_eq!(world.told_at(api, Level::Hurry), None);
    world.ask(Urgency::Stop);
    assert_eq!(world.told_at(api, Level::Hurry), Some(1_000));
    assert_eq!(
        world.count(|action| matches!(action, Action::Unready { .. })),
        1
    );
}

#[test]
fn a_platform_limit_drops_the_lame_duck_and_is_kept() {
    let mut world = World::new(settings());
    world.declare(Stage::DRAIN.part("api"), stuck());
    world.declare(
        Stage::WORKERS.part("worker"),
        Script {
            drops: false,
            ..stuck()
        },
    );
    world.run_to(100);
    world.ask(Urgency::Within(Duration::from_millis(4_500)));
    world.run_to(60_000);
    assert!(world.finished().unwrap().0 <= 100 + 4_500);
}

#[test]
fn progress_buys_time_where_the_platform_grants_it() {
    let slow = Script {
        stops_after: Some(45_000),
        progress_every: Some(1_000),
        ..quick()
    };
    let mut granted = World::new(Settings {
        extends: true,
        ..settings()
    });
    let upload = granted.declare(Stage::DRAIN.part("upload"), slow.clone());
    granted.run_to(100);
    granted.ask(Urgency::StopAtOnce);
    granted.run_to(120_000);
    assert_eq!(granted.outcome(upload), Some(Outcome::Closed));
    assert_eq!(granted.finished(), Some((45_100, 0)));

    let mut fixed = World::new(settings());
    let upload = fixed.declare(Stage::DRAIN.part("upload"), slow);
    fixed.run_to(100);
    fixed.ask(Urgency::StopAtOnce);
    fixed.run_to(120_000);
    assert_eq!(fixed.outcome(upload), Some(Outcome::Aborted));
    assert!(fixed.machine.stop().unwrap().stalled);
}

#[test]
fn stalled_progress_stops_buying_time() {
    let mut world = World::new(Settings {
        extends: true,
        ..settings()
    });
    let upload = world.declare(Stage::DRAIN.part("upload"), stuck());
    world.run_to(100);
    world.ask(Urgency::StopAtOnce);
    world.run_to(10_000);
    world.give(Event::Progress(upload));
    world.run_to(200_000);
    assert_eq!(
        world.count(|action| matches!(action, Action::Extend { .. })),
        1
    );
    assert_eq!(world.finished().unwrap().1, 124);
}
