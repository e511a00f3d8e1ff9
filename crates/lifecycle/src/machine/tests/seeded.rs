//! A thousand stops that nobody wrote down.

use super::*;

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
