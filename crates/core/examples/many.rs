//! What a decision costs: 5,000 independent instances are loaded, started and stopped, and so is one that needs all of
//! them. Prints microseconds per event. `cargo run --release -p aplomb-core --example many`

use std::time::{Duration, Instant as Clock};

use aplomb_core::spec::{Command, Spec};
use aplomb_core::{
    Action, Because, Do, End, Event, How, InstanceId, Instant, RunEvent, RunId, Signal, Task, Wish,
    World,
};

const COUNT: usize = 5_000;

/// Answers as a system does whose processes start and end at once.
fn answer(action: &Action) -> Vec<Event> {
    let Action::Run { instance, run, act } = action else {
        return Vec::new();
    };
    let (instance, run) = (*instance, *run);
    let tell = |what| Event::Run {
        instance,
        run,
        what,
    };
    let ended = End::Signal {
        signal: Signal::TERM,
        core_dumped: false,
    };
    if let Do::Spawn(task) = act {
        vec![tell(RunEvent::Spawned(*task))]
    } else if *act == Do::WatchTree {
        vec![
            tell(RunEvent::Ended(Task::Main(0), ended)),
            tell(RunEvent::TreeEmpty),
        ]
    } else {
        Vec::new()
    }
}

/// Lets everything happen that follows from `events`; how many events that were, and how many actions.
fn carry(world: &mut World, mut events: Vec<Event>) -> (usize, usize) {
    let now = Instant::from_nanos(1);
    let (mut seen, mut done) = (0, 0);
    let mut actions = Vec::new();
    while !events.is_empty() {
        for event in std::mem::take(&mut events) {
            world.on(event, now, &mut actions);
            seen += 1;
            done += actions.len();
            events.extend(actions.drain(..).flat_map(|action| answer(&action)));
        }
    }
    (seen, done)
}

fn wishes(ids: &[InstanceId], wish: Wish) -> Vec<Event> {
    let because = Because::Asked;
    ids.iter()
        .map(|instance| Event::Wish {
            instance: *instance,
            wish,
            because: because.clone(),
        })
        .collect()
}

fn report(what: &str, took: Duration, events: usize, actions: usize) {
    let each = took.as_secs_f64() * 1e6 / events as f64;
    println!("{what:34} {events:6} events {actions:7} actions {took:10.1?} {each:8.2} µs/event");
}

fn specs() -> Vec<Spec> {
    let mut specs: Vec<Spec> = (0..COUNT).map(|at| Spec::new(format!("s{at}"))).collect();
    for spec in &mut specs {
        spec.start = vec![Command {
            program: "/bin/x".into(),
            ..Command::default()
        }];
    }
    specs
}

fn run(what: &str, world: &mut World, first: Vec<Event>) {
    let clock = Clock::now();
    let (events, actions) = carry(world, first);
    report(what, clock.elapsed(), events, actions);
}

fn main() {
    let mut world = World::new(1, RunId(1));
    let clock = Clock::now();
    let ids = world.load(specs(), Instant::ORIGIN);
    report("load", clock.elapsed(), COUNT, 0);
    run(
        "start, each by its own wish",
        &mut world,
        wishes(&ids, Wish::Start),
    );
    let stop = wishes(&ids, Wish::Stop(How::Plan));
    run("stop, each by its own wish", &mut world, stop);

    let mut all = specs();
    let mut hub = Spec::new("all");
    hub.kind = aplomb_core::spec::Kind::Target;
    hub.depends.requires = all.iter().map(|spec| spec.name.clone()).collect();
    hub.depends.after = hub.depends.requires.clone();
    all.push(hub);
    let clock = Clock::now();
    let ids = world.load(all, Instant::ORIGIN);
    report(
        "load again, and one that needs all",
        clock.elapsed(),
        COUNT,
        0,
    );
    let hub = ids.last().copied().into_iter().collect::<Vec<_>>();
    run(
        "start the one that needs all",
        &mut world,
        wishes(&hub, Wish::Start),
    );
    let down = vec![Event::Shutdown { how: How::Plan }];
    run("shutdown", &mut world, down);
}
