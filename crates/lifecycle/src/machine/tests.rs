//! Stories on simulated time: a world of components that take as long as they are told to, and promises about every stop.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::*;
use crate::cause::Sender;

/// How a component of the simulated world behaves, in ms.
#[derive(Debug, Clone, Default)]
struct Script {
    /// Until it is up; `None` never comes up.
    up_after: Option<u64>,
    /// How many attempts fail before one succeeds.
    failures: u32,
    /// From being told to stop until it ends; `None` never ends by itself.
    stops_after: Option<u64>,
    /// Ends this long after being aborted, as a future does; `None` is a thread.
    drops: bool,
    panics_on_stop: bool,
    /// Reports progress every so often while stopping.
    progress_every: Option<u64>,
}

struct World {
    machine: Machine,
    begun: Instant,
    now: Instant,
    scripts: BTreeMap<PartId, Script>,
    pending: Vec<(Instant, Event)>,
    seen: Vec<(u64, Action)>,
    failures: BTreeMap<PartId, u32>,
}

impl World {
    fn new(settings: Settings) -> Self {
        let begun = Instant::now();
        let scripts = BTreeMap::new();
        let failures = BTreeMap::new();
        Self {
            machine: Machine::new(settings),
            begun,
            now: begun,
            scripts,
            pending: Vec::new(),
            seen: Vec::new(),
            failures,
        }
    }

    fn declare(&mut self, part: Part, script: Script) -> PartId {
        let id = PartId(u32::try_from(self.scripts.len()).unwrap());
        self.scripts.insert(id, script);
        self.give(Event::Declared(id, Box::new(part)));
        id
    }

    fn ms(&self) -> u64 {
        u64::try_from((self.now - self.begun).as_millis()).unwrap()
    }

    fn later(&mut self, ms: u64, event: Event) {
        self.pending
            .push((self.now + Duration::from_millis(ms), event));
    }

    fn give(&mut self, event: Event) {
        let mut actions = Vec::new();
        self.machine.on(event, self.now, &mut actions);
        for action in actions {
            self.play(&action);
            self.seen.push((self.ms(), action));
        }
    }

    fn play(&mut self, action: &Action) {
        match action {
            Action::Start { id, run } => {
                let script = self.scripts[id].clone();
                let failed = self.failures.entry(*id).or_default();
                let Some(after) = script.up_after else { return };
                let event = if *failed < script.failures {
                    *failed += 1;
                    Event::Ended(*id, *run, Ending::Failed("refused".into()))
                } else {
                    Event::Up(*id, *run)
                };
                self.later(after, event);
            }
            Action::Cancel { id, run } => self.later(0, Event::Ended(*id, *run, Ending::Dropped)),
            Action::Tell { id, level, .. } => self.told(*id, *level),
            Action::GaveUp { .. }
            | Action::Ready
            | Action::Unready { .. }
            | Action::StageBegan { .. } => {}
            Action::Extend { .. } | Action::StillWaiting | Action::Dump | Action::Failed { .. } => {
            }
            Action::Forced | Action::Finish { .. } | Action::Kill { .. } => {}
        }
    }

    fn told(&mut self, id: PartId, level: Level) {
        let script = self.scripts[&id].clone();
        let run = self.machine.entries()[&id].run;
        let first = !self
            .seen
            .iter()
            .any(|(_, seen)| matches!(seen, Action::Tell { id: other, .. } if *other == id));
        if level < Level::Abort && first {
            let ending = if script.panics_on_stop {
                Ending::Panicked("oops".into())
            } else {
                Ending::Done
            };
            if let Some(after) = script.stops_after {
                self.later(after, Event::Ended(id, run, ending));
            }
            for step in 1..60 {
                if let Some(every) = script.progress_every {
                    self.later(every * step, Event::Progress(id));
                }
            }
        }
        if level == Level::Abort && script.drops {
            self.later(0, Event::Ended(id, run, Ending::Dropped));
        }
    }

    fn ask(&mut self, urgency: Urgency) {
        let cause = Cause {
            kind: CauseKind::Signal,
            signal: Some("SIGTERM".into()),
            sender: Some(Sender::Terminal),
        };
        self.give(Event::Asked(Ask { cause, urgency }));
    }

    /// Lets time pass up to `ms`, giving every event at its moment.
    fn run_to(&mut self, ms: u64) {
        let end = self.begun + Duration::from_millis(ms);
        loop {
            let event = self.pending.iter().map(|(at, _)| *at).min();
            let next = [event, self.machine.wakes_at()].into_iter().flatten().min();
            let Some(at) = next.filter(|at| *at <= end) else {
                break;
            };
            self.now = self.now.max(at);
            match self.pending.iter().position(|(when, _)| *when <= self.now) {
                Some(index) => {
                    let (_, event) = self.pending.remove(index);
                    self.give(event);
                }
                None => self.give(Event::Time),
            }
        }
        self.now = end;
    }

    fn finished(&self) -> Option<(u64, u8)> {
        self.seen.iter().find_map(|(at, action)| {
            if let Action::Finish { code } = action {
                Some((*at, *code))
            } else {
                None
            }
        })
    }

    fn told_at(&self, id: PartId, level: Level) -> Option<u64> {
        let told = |action: &Action| matches!(action, Action::Tell { id: other, level: told, .. } if *other == id && *told == level);
        self.seen
            .iter()
            .find(|(_, action)| told(action))
            .map(|(at, _)| *at)
    }

    fn count(&self, wanted: impl Fn(&Action) -> bool) -> usize {
        self.seen
            .iter()
            .filter(|(_, action)| wanted(action))
            .count()
    }

    fn outcome(&self, id: PartId) -> Option<Outcome> {
        if let State::Over(outcome) = self.machine.entries()[&id].state {
            Some(outcome)
        } else {
            None
        }
    }
}

fn quick() -> Script {
    Script {
        up_after: Some(10),
        stops_after: Some(10),
        drops: true,
        ..Script::default()
    }
}

fn stuck() -> Script {
    Script {
        stops_after: None,
        ..quick()
    }
}

fn settings() -> Settings {
    Settings {
        ends_when_idle: false,
        ..Settings::default()
    }
}

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
fn the_lame_duck_lasts_even_when_nothing_is_left_to_do() {
    let mut world = World::new(settings());
    world.declare(Stage::DRAIN.part("api"), quick());
    world.run_to(100);
    world.ask(Urgency::Stop);
    world.run_to(60_000);
    assert_eq!(world.finished(), Some((100 + 10_010, 0)));
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

/// Worlds nobody thought of: whatever components do and whenever whatever request comes, the stop ends in its time, in
/// order, and tells each component once.
#[test]
fn a_thousand_seeded_stops_keep_every_promise() {
    for seed in 0..1_000 {
        let mut dice = Dice(seed);
        let mut world = World::new(Settings {
            extends: false,
            seed,
            ..settings()
        });
        let mut ids: Vec<PartId> = Vec::new();
        for _ in 0..dice.roll(12) {
            let stage = Stage::ALL[usize::try_from(dice.roll(8)).unwrap()];
            let mut part = stage.part("x");
            part.restartable = dice.roll(2) == 0;
            part.required = dice.roll(3) > 0;
            part.on_failure = [OnFailure::Stop, OnFailure::Ignore, OnFailure::Restart]
                [usize::try_from(dice.roll(3)).unwrap()];
            if let Some(before) = ids.last().filter(|_| dice.roll(3) == 0) {
                part = part.after(before);
            }
            let script = Script {
                up_after: (dice.roll(10) > 0).then(|| dice.roll(400)),
                failures: u32::try_from(dice.roll(3)).unwrap(),
                stops_after: (dice.roll(4) > 0).then(|| dice.roll(6_000)),
                drops: dice.roll(3) > 0,
                panics_on_stop: dice.roll(10) == 0,
                progress_every: None,
            };
            ids.push(world.declare(part, script));
        }
        world.run_to(dice.roll(1_000));
        let urgency = [
            Urgency::Stop,
            Urgency::StopAtOnce,
            Urgency::Interrupt,
            Urgency::Quit,
        ];
        world.ask(urgency[usize::try_from(dice.roll(4)).unwrap()]);
        if dice.roll(3) == 0 {
            world.run_to(world.ms() + dice.roll(20_000));
            world.ask(urgency[usize::try_from(dice.roll(4)).unwrap()]);
        }
        world.run_to(world.ms() + 60_000);
        check(&world, seed);
    }
}

fn check(world: &World, seed: u64) {
    let Some((end, _)) = world.finished() else {
        panic!("seed {seed}: never finished")
    };
    let asked = world
        .seen
        .iter()
        .find(|(_, action)| matches!(action, Action::Unready { .. }))
        .map(|(at, _)| *at);
    let asked = asked.unwrap_or_else(|| panic!("seed {seed}: nobody was told"));
    assert!(end <= asked + 28_000, "seed {seed}: {} ms", end - asked);
    let mut last = 0;
    for (_, action) in &world.seen {
        if let Action::Tell {
            id,
            level: Level::Stop,
            ..
        } = action
        {
            let stage = world.machine.entries()[id].part.stage.number();
            assert!(stage >= last, "seed {seed}: stage {stage} after {last}");
            last = stage;
        }
    }
    for id in world.machine.entries().keys() {
        let told = |wanted: Level| {
            world.count(|action| matches!(action, Action::Tell { id: other, level, .. } if other == id && *level == wanted))
        };
        assert!(
            told(Level::Stop) <= 1 && told(Level::Hurry) <= 1 && told(Level::Abort) <= 1,
            "seed {seed}: {id:?}"
        );
        assert!(
            world.machine.entries()[id].gone(),
            "seed {seed}: {id:?} is {:?}",
            world.machine.entries()[id].state
        );
    }
}

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}
