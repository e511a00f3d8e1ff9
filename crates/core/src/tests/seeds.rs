//! Long stories by chance: small random stacks, hundreds of thousands of events, the same laws as the explorer's.
//!
//! A failure prints the world's seed; `APLOMB_SEED=N cargo test -p aplomb-core long_stories` tells that one again.
//! `APLOMB_EVENTS=N` asks for more than the usual number.

use std::boxed::Box;
use std::string::{String, ToString};
use std::vec::Vec;
use std::{env, format, println, vec};

use super::place::{Alphabet, Choice, Place, notifies};
use super::sim::{code, command, commands, ms, s, service};
use crate::quantity::Duration;
use crate::spec::{
    Check, GiveUp, Growth, Health, HealthAction, Hook, Kind, Moment, Pause, PreStop, Ready, Reload,
    Request, RestartWhen, Spec, StartLimit, StopStep, Whom,
};
use crate::{How, Notify, Signal, Wish};

const EVENTS: u64 = 240_000;
const EVENTS_PER_WORLD: u64 = 600;
const FIRST_SEED: u64 = 20_260_101;

/// splitmix64: small, and every seed is as good as another.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end.max(1)).unwrap();
        usize::try_from(self.next() % end).unwrap()
    }

    /// Once in so many times.
    fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }
}

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

/// A service that may relate to those named, in any direction.
fn random_spec(name: &str, earlier: &[&str], chance: &mut Chance) -> Spec {
    service(name, |spec| {
        spec.restart.when = chance.of(&[
            RestartWhen::Never,
            RestartWhen::OnFailure,
            RestartWhen::OnAbnormal,
        ]);
        spec.restart.growth = Growth::None;
        spec.restart.delay = chance.of(&[ms(0), ms(100), s(3)]);
        if chance.one_in(2) {
            spec.restart.limit = Some(StartLimit {
                starts: 3,
                window: s(10),
            });
            spec.restart.then = chance.of(&[
                GiveUp::Fail,
                GiveUp::KeepTrying { every: s(30) },
                GiveUp::Shutdown,
            ]);
        }
        random_life(spec, chance);
        random_stop(spec, chance);
        for peer in earlier {
            relate(spec, peer, chance);
        }
    })
}

fn random_life(spec: &mut Spec, chance: &mut Chance) {
    match chance.below(8) {
        0 => spec.kind = Kind::Forking { pid_file: None },
        1 => {
            spec.kind = Kind::Oneshot;
            spec.start = commands(chance.below(3));
            spec.exit.remain_after_exit = chance.one_in(2) || spec.start.is_empty();
        }
        2 => spec.kind = Kind::Idle,
        3 => {
            spec.kind = Kind::Target;
            spec.start = Vec::new();
        }
        _ => {}
    }
    let oneshot = spec.kind == Kind::Oneshot || spec.kind == Kind::Target;
    match chance.below(4) {
        0 if !oneshot => spec.ready = notifies(),
        1 => spec.ready = Ready::Delay(s(1)),
        _ => {}
    }
    spec.start_pre = commands(chance.below(2));
    spec.start_post = commands(chance.below(2));
    spec.start_condition = commands(usize::from(chance.one_in(4)));
    if chance.one_in(4) {
        spec.watchdog = Some(s(5));
    }
    if chance.one_in(4) {
        spec.max_run_time = Some(s(50));
    }
    if chance.one_in(4) {
        spec.health = Some(Box::new(Health {
            check: Check::File("x".to_string()),
            interval: s(10),
            timeout: s(1),
            threshold: 2,
            then: chance.of(&[HealthAction::Nothing, HealthAction::Restart]),
        }));
    }
    spec.reload = match chance.below(4) {
        0 => Reload::Commands(commands(chance.below(3))),
        1 => Reload::Signal(Signal::HUP),
        2 => Reload::Notify(Signal::HUP),
        _ => Reload::Impossible,
    };
    if chance.one_in(3) {
        spec.pause = Pause::Commands {
            pause: Box::new(command()),
            resume: Box::new(command()),
        };
    }
    for on in [Moment::StartPre, Moment::StopPre] {
        if chance.one_in(4) {
            spec.hooks.push(Hook {
                on,
                command: command(),
                timeout: s(2),
            });
        }
    }
}

fn random_stop(spec: &mut Spec, chance: &mut Chance) {
    spec.stop.whom = chance.of(&[
        Whom::Tree,
        Whom::Tree,
        Whom::Mixed,
        Whom::Main,
        Whom::Nobody,
    ]);
    spec.stop.kill = chance.of(&[Some(Signal::KILL), Some(Signal::KILL), None]);
    spec.stop.post = commands(chance.below(2));
    if chance.one_in(3) {
        spec.stop.pre = Some(PreStop {
            command: command(),
            grace: s(3),
        });
    }
    for _ in 0..chance.below(3) {
        let request = chance.of(&[
            Request::Signal(Signal::INT),
            Request::Command(command()),
            Request::CommandOnly(command()),
            Request::CtrlBreak,
        ]);
        let grace = chance.of(&[Some(s(2)), Some(s(60)), None]);
        let step = StopStep { request, grace };
        spec.stop.plan.insert(0, step);
    }
}

fn relate(spec: &mut Spec, peer: &str, chance: &mut Chance) {
    let peer = || vec![peer.to_string()];
    let depends = &mut *spec.depends;
    if chance.one_in(2) {
        let (after, before) = (&mut depends.after, &mut depends.before);
        // Once in a while against the order of the others, which may make a circle.
        if chance.one_in(10) {
            before.extend(peer());
        } else {
            after.extend(peer());
        }
    }
    match chance.below(14) {
        0..3 => depends.requires.extend(peer()),
        3 => depends.wants.extend(peer()),
        4 => depends.binds_to.extend(peer()),
        5 => depends.part_of.extend(peer()),
        6 => depends.conflicts.extend(peer()),
        7 => depends.on_failure.extend(peer()),
        // Not `on_success`: with it a stack may well wish for itself for ever.
        9 => depends.requisite.extend(peer()),
        10 => depends.wanted_by.extend(peer()),
        11 => depends.required_by.extend(peer()),
        _ => {}
    }
}

fn random_world(chance: &mut Chance) -> Vec<Spec> {
    let count = 1 + chance.below(NAMES.len());
    let mut specs: Vec<Spec> = (0..count)
        .map(|at| random_spec(NAMES[at], &NAMES[..at], chance))
        .collect();
    // The order they are told in is not that of their relations.
    for at in (1..specs.len()).rev() {
        specs.swap(at, chance.below(at + 1));
    }
    specs
}

fn alphabet() -> Alphabet {
    Alphabet {
        wishes: vec![
            Wish::Start,
            Wish::Start,
            Wish::Start,
            Wish::Stop(How::Plan),
            Wish::Stop(How::Force),
            Wish::Restart,
            Wish::Reload,
            Wish::Pause,
            Wish::Continue,
            Wish::Forget,
        ],
        ends: vec![code(0), code(1)],
        notify: vec![
            Notify::Ready,
            Notify::Reloading,
            Notify::Stopping,
            Notify::Watchdog,
            Notify::WatchdogInterval(s(7)),
        ],
        strays: true,
        failures: true,
        shutdown: false,
    }
}

/// Mostly what runs do, now and then what people wish.
fn pick(place: &Place, alphabet: &Alphabet, chance: &mut Chance) -> Option<Choice> {
    let (wishes, rest): (Vec<_>, Vec<_>) = place
        .choices(alphabet)
        .into_iter()
        .partition(|choice| matches!(choice, Choice::Wish(..)));
    let from = if rest.is_empty() || chance.one_in(4) {
        wishes
    } else {
        rest
    };
    (!from.is_empty()).then(|| chance.of(&from))
}

fn tell(seed: u64, events: u64) -> Result<(), String> {
    let mut chance = Chance(seed);
    let mut place = Place::of(random_world(&mut chance));
    if chance.one_in(6) {
        place.world.one_at_a_time();
    }
    let alphabet = alphabet();
    let mut course = Vec::new();
    for event in 0..events {
        let Some(choice) = pick(&place, &alphabet, &mut chance) else {
            break;
        };
        // The engine may look at the clock late.
        if matches!(choice, Choice::Time) && chance.one_in(8) {
            place.sleep_past(Duration::from_millis(chance.next() % 100_000));
        }
        if chance.one_in(60) {
            let at = chance.below(NAMES.len());
            let name = NAMES[at];
            let known = place.world.find(name);
            match known {
                Some(id) if chance.one_in(3) => {
                    place.unload(id);
                    continue;
                }
                _ => place.load(random_spec(name, &NAMES[..at], &mut chance)),
            }
        }
        course.push(choice.clone());
        place
            .take(&choice)
            .map_err(|broken| format!("event {event}: {broken}\n{}", last(&course, &place)))?;
        if event.is_multiple_of(100) {
            place.clone().must_settle().map_err(|broken| {
                format!("after event {event}: {broken}\n{}", last(&course, &place))
            })?;
            place.clone().must_end().map_err(|broken| {
                format!("after event {event}: {broken}\n{}", last(&course, &place))
            })?;
        }
    }
    place.must_end()
}

/// What happened last, and how everybody stands.
fn last(course: &[Choice], place: &Place) -> String {
    let choices = course.iter().rev().take(25).rev();
    let mut lines: Vec<String> = choices.map(|choice| format!("{choice:?}")).collect();
    for id in place.world.instances() {
        let Some(it) = place.world.standing(id) else {
            continue;
        };
        let state = place.world.inside(id).map(|(it, ..)| &it.state);
        let (name, kind, depends) = (it.name, &it.spec.kind, &it.spec.depends);
        lines.push(format!(
            "{id:?} `{name}` {kind:?} {:?}: {}",
            it.wanted, it.because
        ));
        lines.push(format!("  {state:?}\n  {depends:?}"));
    }
    lines.join("\n")
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}

#[test]
fn long_stories_by_chance_keep_the_laws() {
    let events = number("APLOMB_EVENTS").unwrap_or(EVENTS);
    let given = number("APLOMB_SEED");
    let first = given.unwrap_or(FIRST_SEED);
    let worlds = given.map_or(events.div_ceil(EVENTS_PER_WORLD), |_| 1);
    println!("{worlds} worlds from seed {first}, {EVENTS_PER_WORLD} events each");
    for seed in first..first + worlds {
        if let Err(broken) = tell(seed, EVENTS_PER_WORLD) {
            panic!("APLOMB_SEED={seed}: {broken}");
        }
    }
}
