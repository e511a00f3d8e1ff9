//! The way down: stage after stage, and what hangs, panics or waits behind another.

use super::*;

#[test]
fn a_hanging_stage_is_hurried_cut_and_named_and_the_next_still_gets_its_time() {
    let mut world = World::new(settings());
    let api = world.declare(Stage::DRAIN.part("api"), stuck());
    let db = world.declare(
        Stage::STORES.part("db"),
        Script {
            stops_after: Some(900),
            ..quick()
        },
    );
    world.run_to(1_000);
    world.ask(Urgency::Stop);
    world.run_to(60_000);
    // 10 s lame duck, then 28 − 3.2 s of reserves; hurried after four fifths of its time.
    assert_eq!(world.told_at(api, Level::Abort), Some(1_000 + 24_800));
    assert_eq!(
        world.told_at(api, Level::Hurry),
        Some(1_000 + 24_800 - 14_800 / 5)
    );
    assert_eq!(
        (world.outcome(api), world.outcome(db)),
        (Some(Outcome::Aborted), Some(Outcome::Closed))
    );
    assert_eq!(world.finished().unwrap().1, 124);
    // From 2 s after its begin, each second until it was cut.
    assert_eq!(world.count(|action| *action == Action::StillWaiting), 13);
}

#[test]
fn a_close_has_its_own_limit_and_the_others_go_on() {
    let mut world = World::new(settings());
    let cache = world.declare(
        Stage::STORES.part("cache").budget(crate::IoBudget::CACHE),
        stuck(),
    );
    let db = world.declare(
        Stage::STORES.part("db"),
        Script {
            stops_after: Some(3_000),
            ..quick()
        },
    );
    world.run_to(100);
    world.ask(Urgency::Interrupt);
    world.run_to(60_000);
    assert_eq!(world.told_at(cache, Level::Abort), Some(100 + 2_000));
    assert_eq!(world.outcome(db), Some(Outcome::Closed));
}

#[test]
fn within_a_stage_what_came_after_stops_before() {
    let mut world = World::new(settings());
    let offsets = world.declare(Stage::WORKERS.part("offsets"), quick());
    let consumer = world.declare(
        Stage::WORKERS.part("consumer").after(&offsets),
        Script {
            stops_after: Some(500),
            ..quick()
        },
    );
    world.run_to(100);
    world.ask(Urgency::Interrupt);
    world.run_to(60_000);
    assert_eq!(world.told_at(consumer, Level::Stop), Some(100));
    assert_eq!(world.told_at(offsets, Level::Stop), Some(600));
}

#[test]
fn what_waits_behind_a_hang_still_gets_its_chance_to_close() {
    let mut world = World::new(settings());
    let offsets = world.declare(Stage::WORKERS.part("offsets"), quick());
    world.declare(Stage::WORKERS.part("consumer").after(&offsets), stuck());
    world.run_to(100);
    world.ask(Urgency::Interrupt);
    world.run_to(60_000);
    assert_eq!(world.told_at(offsets, Level::Hurry), Some(100 + 8_000));
    assert_eq!(world.outcome(offsets), Some(Outcome::Late));
}

#[test]
fn the_lame_duck_lasts_even_when_nothing_is_left_to_do() {
    let mut world = World::new(settings());
    world.declare(Stage::DRAIN.part("api"), quick());
    world.run_to(100);
    world.ask(Urgency::Stop);
    world.run_to(60_000);
    assert_eq!(world.finished(), Some((100 + 10_010, 0)));
}

#[test]
fn a_panic_while_closing_is_reported_and_stops_nothing() {
    let mut world = World::new(settings());
    let bad = world.declare(
        Stage::WORKERS.part("bad"),
        Script {
            panics_on_stop: true,
            ..quick()
        },
    );
    let db = world.declare(Stage::STORES.part("db"), quick());
    world.run_to(100);
    world.ask(Urgency::StopAtOnce);
    world.run_to(60_000);
    assert_eq!(
        (world.outcome(bad), world.outcome(db)),
        (Some(Outcome::Panicked), Some(Outcome::Closed))
    );
    assert_eq!(world.finished().unwrap().1, 70);
}
