//! Every situation a small world can come into, breadth first, each held against the laws.
//!
//! Situations that differ only in the time of day and the numbers of runs count as one. When a law is broken the
//! shortest story that breaks it is printed; it then becomes a story of its own.

use std::boxed::Box;
use std::collections::HashSet;
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;
use std::{format, println};

use super::place::{Alphabet, Choice, Place, notifies};
use super::sim::{code, command, commands, ms, s, service};
use crate::spec::{
    Check, Condition, ConditionKind, GiveUp, Growth, Health, HealthAction, Hook, Kind, Moment,
    Pause, PreStop, Ready, Reload, Request, RestartWhen, Spec, StartLimit, StopStep, Whom,
};
use crate::{How, Notify, Signal, Wish};

/// How many situations were looked at, and whether that was all there are.
struct Seen {
    situations: usize,
    complete: bool,
}

/// Explores up to `most` situations; from every `share`th the two promises of progress are tried.
fn explore(start: Place, alphabet: &Alphabet, most: usize, share: usize) -> Seen {
    let mut known = HashSet::from([start.mark()]);
    // How each situation was come to: from which, by what.
    let mut from: Vec<(usize, Option<Choice>)> = vec![(0, None)];
    let mut front = vec![(0, start)];
    while !front.is_empty() {
        let mut next = Vec::new();
        for (at, place) in front {
            for choice in place.choices(alphabet) {
                let mut there = place.clone();
                let taken = there.take(&choice);
                let fresh = known.insert(there.mark());
                let index = from.len();
                let taken = taken.and_then(|()| {
                    let tried = fresh && index.is_multiple_of(share);
                    if tried {
                        there.clone().must_end()?;
                        there.clone().must_settle()?;
                    }
                    Ok(())
                });
                if let Err(broken) = taken {
                    panic!("{broken}\n{}", story(&from, at, &choice));
                }
                if fresh {
                    from.push((at, Some(choice)));
                    if from.len() >= most {
                        return Seen {
                            situations: from.len(),
                            complete: false,
                        };
                    }
                    next.push((index, there));
                }
            }
        }
        front = next;
    }
    Seen {
        situations: from.len(),
        complete: true,
    }
}

fn story(from: &[(usize, Option<Choice>)], mut at: usize, last: &Choice) -> String {
    let mut lines = vec![format!("{last:?}")];
    while let (before, Some(choice)) = &from[at] {
        lines.push(format!("{choice:?}"));
        at = *before;
    }
    lines.reverse();
    lines.join("\n")
}

/// As `service`, with what keeps the number of situations finite.
fn small(name: &str, with: impl FnOnce(&mut Spec)) -> Spec {
    service(name, |spec| {
        spec.restart.growth = Growth::None;
        spec.restart.healthy_after = None;
        spec.restart.limit = None;
        with(spec);
    })
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

#[track_caller]
fn all(what: &str, specs: Vec<Spec>, alphabet: &Alphabet) {
    few(what, specs, alphabet, 40_000, true);
}

#[track_caller]
fn few(what: &str, specs: Vec<Spec>, alphabet: &Alphabet, most: usize, complete: bool) {
    let seen = explore(Place::of(specs), alphabet, most, 16);
    let Seen {
        situations,
        complete: all,
    } = seen;
    println!("{what}: {situations} situations, all of them: {all}");
    assert!(
        all || !complete,
        "{what}: more than {situations} situations"
    );
}

#[test]
fn every_situation_of_a_simple_service_keeps_the_laws() {
    let spec = small("a", |a| a.stop.post = commands(1));
    let alphabet = Alphabet {
        strays: true,
        ..Alphabet::default()
    };
    all("simple", vec![spec], &alphabet);
}

#[test]
fn every_situation_of_a_start_of_many_stages_keeps_the_laws() {
    let spec = small("a", |a| {
        a.conditions = vec![Condition {
            kind: ConditionKind::PathExists,
            parameter: "/x".into(),
            negated: false,
            alternative: false,
            assert: false,
        }];
        a.start_condition = commands(1);
        a.start_pre = commands(2);
        a.start_post = commands(1);
        a.hooks = [Moment::StartPre, Moment::StopPre]
            .map(|on| Hook {
                on,
                command: command(),
                timeout: s(5),
            })
            .into();
        a.stop.pre = Some(PreStop {
            command: command(),
            grace: s(10),
        });
    });
    all("stages", vec![spec], &Alphabet::default());
}

#[test]
fn every_situation_of_a_service_that_notifies_keeps_the_laws() {
    let spec = small("a", |a| {
        a.ready = notifies();
        a.reload = Reload::Notify(Signal::HUP);
        a.watchdog = Some(s(3));
        a.health = Some(Box::new(Health {
            check: Check::Port("x:1".into()),
            interval: s(10),
            timeout: s(1),
            threshold: 2,
            then: HealthAction::Restart,
        }));
    });
    let mut alphabet = Alphabet {
        notify: vec![
            Notify::Ready,
            Notify::Reloading,
            Notify::Stopping,
            Notify::Watchdog,
            Notify::WatchdogTrigger,
        ],
        ..Alphabet::default()
    };
    alphabet.wishes.push(Wish::Reload);
    few("notify", vec![spec], &alphabet, 5_000, false);
}

#[test]
fn every_situation_of_a_oneshot_keeps_the_laws() {
    for remain in [false, true] {
        let spec = small("a", |a| {
            a.kind = Kind::Oneshot;
            a.start = commands(2);
            a.start_post = commands(1);
            a.exit.remain_after_exit = remain;
            a.stop.plan.insert(
                0,
                StopStep {
                    request: Request::CommandOnly(command()),
                    grace: Some(s(4)),
                },
            );
        });
        all("oneshot", vec![spec], &Alphabet::default());
    }
}

#[test]
fn every_situation_of_a_forking_service_keeps_the_laws() {
    for pid_file in [None, Some("/run/a.pid".to_string())] {
        let spec = small("a", |a| a.kind = Kind::Forking { pid_file });
        let alphabet = Alphabet {
            strays: true,
            ..Alphabet::default()
        };
        all("forking", vec![spec], &alphabet);
    }
}

#[test]
fn every_situation_of_pause_and_reload_keeps_the_laws() {
    let by_commands = Pause::Commands {
        pause: Box::new(command()),
        resume: Box::new(command()),
    };
    for pause in [Pause::Freeze, by_commands] {
        let spec = small("a", |a| {
            a.pause = pause;
            a.reload = Reload::Commands(commands(2));
            a.watchdog = Some(s(100));
            a.max_run_time = Some(s(1000));
        });
        let mut alphabet = Alphabet {
            notify: vec![Notify::Watchdog],
            ..Alphabet::default()
        };
        alphabet
            .wishes
            .extend([Wish::Reload, Wish::Pause, Wish::Continue]);
        few("pause", vec![spec], &alphabet, 4_000, false);
    }
}

#[test]
fn every_situation_of_a_stop_keeps_the_laws_whoever_is_meant() {
    let kill = Some(Signal::KILL);
    let cases = [
        (Whom::Tree, kill),
        (Whom::Mixed, kill),
        (Whom::Main, kill),
        (Whom::Main, None),
        (Whom::Nobody, kill),
    ];
    for (whom, kill) in cases {
        let spec = small("a", |a| {
            a.stop.whom = whom;
            a.stop.kill = kill;
            a.stop.plan = vec![
                StopStep {
                    request: Request::Command(command()),
                    grace: Some(s(4)),
                },
                StopStep {
                    request: Request::CtrlC,
                    grace: Some(s(24)),
                },
                StopStep {
                    request: Request::Signal(Signal::TERM),
                    grace: None,
                },
            ];
        });
        let alphabet = Alphabet {
            strays: true,
            ends: vec![code(1)],
            ..Alphabet::default()
        };
        all("whom", vec![spec], &alphabet);
    }
}

#[test]
fn every_situation_of_a_start_limit_keeps_the_laws() {
    let ways = [
        GiveUp::Fail,
        GiveUp::KeepTrying { every: s(60) },
        GiveUp::Shutdown,
    ];
    for then in ways {
        let spec = small("a", |a| {
            a.restart.when = RestartWhen::Always;
            a.restart.limit = Some(StartLimit {
                starts: 2,
                window: s(10),
            });
            a.restart.then = then;
        });
        let mut alphabet = Alphabet::default();
        alphabet.wishes.push(Wish::Forget);
        let what = format!("limit, then {then:?}");
        all(&what, vec![spec], &alphabet);
    }
}

#[test]
fn every_situation_of_a_target_and_of_delayed_readiness_keeps_the_laws() {
    let target = small("a", |a| {
        a.kind = Kind::Target;
        a.start = Vec::new();
        a.start_pre = commands(1);
        a.hooks = vec![Hook {
            on: Moment::StopPre,
            command: command(),
            timeout: s(5),
        }];
    });
    all("target", vec![target], &Alphabet::default());
    let delayed = small("a", |a| {
        a.ready = Ready::Delay(s(2));
        a.max_run_time = Some(s(60));
    });
    all("delay", vec![delayed], &Alphabet::default());
}

/// Two services, related as `with` says; few words, so that all their situations fit.
fn pair(what: &str, with: impl FnOnce(&mut Spec, &mut Spec)) {
    let (mut a, mut b) = (small("a", |_| {}), small("b", |_| {}));
    with(&mut a, &mut b);
    let alphabet = Alphabet {
        wishes: vec![Wish::Start, Wish::Stop(How::Plan), Wish::Restart],
        ends: vec![code(1)],
        ..Alphabet::default()
    };
    few(what, vec![b, a], &alphabet, 3_000, false);
}

#[test]
fn every_situation_of_two_services_keeps_the_laws_requires() {
    pair("requires", |_, b| {
        b.depends.requires = names(&["a"]);
        b.depends.after = names(&["a"]);
    });
}

#[test]
fn every_situation_of_two_services_keeps_the_laws_requires_unordered() {
    pair("unordered", |_, b| b.depends.requires = names(&["a"]));
}

#[test]
fn every_situation_of_two_services_keeps_the_laws_binds_to() {
    pair("binds", |_, b| {
        b.depends.binds_to = names(&["a"]);
        b.depends.after = names(&["a"]);
    });
}

#[test]
fn every_situation_of_two_services_keeps_the_laws_part_of() {
    pair("part", |_, b| {
        b.depends.part_of = names(&["a"]);
        b.depends.wants = names(&["a"]);
        b.depends.after = names(&["a"]);
    });
}

#[test]
fn every_situation_of_two_services_keeps_the_laws_conflicts() {
    pair("conflicts", |_, b| b.depends.conflicts = names(&["a"]));
}

#[test]
fn every_situation_of_two_services_keeps_the_laws_conflicts_in_order() {
    pair("conflicts in order", |_, b| {
        b.depends.conflicts = names(&["a"]);
        b.depends.after = names(&["a"]);
    });
}

#[test]
fn every_situation_of_two_services_keeps_the_laws_on_failure() {
    pair("on failure", |a, b| {
        b.depends.on_failure = names(&["a"]);
        b.depends.before = names(&["a"]);
        a.depends.conflicts = names(&["b"]);
        b.restart.when = RestartWhen::Never;
    });
}

#[test]
fn every_situation_of_two_services_keeps_the_laws_requisite() {
    pair("requisite", |a, b| {
        a.ready = notifies();
        b.depends.requisite = names(&["a"]);
    });
}

#[test]
fn every_situation_of_two_services_keeps_the_laws_idle() {
    pair("idle", |a, b| {
        a.ready = notifies();
        a.start_timeout = Some(s(9));
        b.kind = Kind::Idle;
        b.restart.delay = ms(50);
    });
}

#[test]
fn every_situation_of_three_services_in_a_chain_keeps_the_laws() {
    let follow = |name: &str, needs: &str| {
        small(name, |spec| {
            spec.depends.requires = names(&[needs]);
            spec.depends.after = names(&[needs]);
            spec.restart.when = RestartWhen::Never;
        })
    };
    let alphabet = Alphabet {
        wishes: vec![Wish::Start, Wish::Stop(How::Plan)],
        ends: vec![code(1)],
        failures: false,
        ..Alphabet::default()
    };
    let specs = || vec![follow("c", "b"), follow("b", "a"), small("a", |_| {})];
    few("chain", specs(), &alphabet, 4_000, false);
    let mut place = Place::of(specs());
    place.world.one_at_a_time();
    let seen = explore(place, &alphabet, 4_000, 16);
    println!("one at a time: {} situations", seen.situations);
}
