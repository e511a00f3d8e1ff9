//! One service: how a stop goes, whoever wanted it, and how it ends.

use std::vec;
use std::vec::Vec;

use super::sim::*;
use crate::spec::{
    Hook, Kind, Moment, NotifyFrom, PreStop, Ready, Request, RestartWhen, Spec, StopStep, Whom,
};
use crate::{Because, Do, Fact, How, Notify, RunEvent, Shown, Signal, Target, Task, Wish};

fn force(sim: &mut Sim, name: &str) {
    sim.wish(name, Wish::Stop(How::Force));
}

fn spawned(sim: &Sim, name: &str) -> Vec<Task> {
    sim.programs(name)
}

fn step(request: Request, grace: u64) -> StopStep {
    StopStep {
        request,
        grace: Some(s(grace)),
    }
}

/// Neither signals nor time end it; the kill does.
fn stubborn(with: impl FnOnce(&mut Spec)) -> Sim {
    let mut sim = Sim::up(service("a", with));
    sim.actor("a", |a| a.dies_in = None);
    sim
}

#[test]
fn what_ignores_the_plan_is_killed_inside_the_budget() {
    let mut sim = stubborn(|_| {});
    sim.stop("a");
    sim.pass(ms(27_999));
    assert_eq!(sim.shown("a"), Shown::StopPending);
    sim.pass(ms(1));
    assert_eq!(sim.shown("a"), Shown::Stopped);
    assert!(sim.did("a").contains(&Do::Kill(Target::Tree)));
}

#[test]
fn the_steps_of_the_plan_follow_each_other_after_their_grace() {
    let mut sim = stubborn(|a| {
        a.stop.plan = vec![
            step(Request::Signal(Signal::INT), 3),
            step(Request::Signal(Signal::TERM), 4),
        ];
    });
    sim.stop("a");
    sim.pass(ms(2999));
    assert!(
        !sim.did("a")
            .contains(&Do::Signal(Signal::TERM, Target::Tree))
    );
    sim.pass(ms(1));
    assert!(
        sim.did("a")
            .contains(&Do::Signal(Signal::TERM, Target::Tree))
    );
    sim.pass(s(4));
    assert_eq!(sim.shown("a"), Shown::Stopped);
}

#[test]
fn a_request_nobody_heard_gives_its_time_to_the_next() {
    let mut sim = stubborn(|a| {
        a.stop.plan = vec![
            step(Request::CtrlC, 5),
            step(Request::CloseWindows, 5),
            step(Request::Signal(Signal::TERM), 5),
        ];
    });
    sim.stop("a");
    assert!(sim.did("a").contains(&Do::Request(0)));
    sim.happens("a", RunEvent::Unheard(Some(Request::CtrlC)));
    assert!(sim.did("a").contains(&Do::Request(1)));
    // Word of the first comes once more, too late: it is not about the second.
    sim.happens("a", RunEvent::Unheard(Some(Request::CtrlC)));
    let term = Do::Signal(Signal::TERM, Target::Tree);
    assert!(!sim.did("a").contains(&term));
    sim.happens("a", RunEvent::Unheard(Some(Request::CloseWindows)));
    assert!(sim.did("a").contains(&term));
    sim.happens("a", RunEvent::Unheard(None));
    assert!(sim.did("a").contains(&Do::Kill(Target::Tree)));
}

#[test]
fn grace_periods_are_cut_to_the_budget() {
    let mut sim = stubborn(|a| {
        a.stop.budget = Some(s(5));
        a.stop.kill_margin = s(1);
        a.stop.plan = vec![step(Request::Signal(Signal::TERM), 60)];
    });
    sim.stop("a");
    sim.pass(s(4));
    assert_eq!(sim.shown("a"), Shown::Stopped);
}

#[test]
fn second_stop_with_force_kills_at_once() {
    let mut sim = stubborn(|_| {});
    sim.stop("a");
    sim.pass(s(1));
    force(&mut sim, "a");
    assert_eq!(sim.shown("a"), Shown::Stopped);
}

#[test]
fn force_does_not_wait_for_commands_after_the_stop() {
    let mut sim = stubborn(|a| a.stop.post = commands(2));
    sim.actor("a", |a| a.hangs = vec![Task::StopPost(0)]);
    force(&mut sim, "a");
    assert_eq!(spawned(&sim, "a"), [Task::StopPost(0)]);
    force(&mut sim, "a");
    assert_eq!(sim.shown("a"), Shown::Stopped);
    assert!(sim.did("a").contains(&Do::Abandon(Task::StopPost(0))));
}

#[test]
fn force_kills_even_where_the_plan_has_no_kill() {
    let mut sim = stubborn(|a| a.stop.kill = None);
    force(&mut sim, "a");
    assert!(sim.did("a").contains(&Do::Kill(Target::Tree)));
    assert_eq!(sim.shown("a"), Shown::Stopped);
}

#[test]
fn without_a_kill_what_is_left_is_left() {
    let mut sim = stubborn(|a| a.stop.kill = None);
    sim.stop("a");
    sim.pass(s(28));
    assert_eq!(sim.shown("a"), Shown::Stopped);
    assert!(!sim.did("a").contains(&Do::Kill(Target::Tree)));
}

#[test]
fn what_the_kill_does_not_end_is_said_and_killed_again() {
    let mut sim = stubborn(|_| {});
    sim.actor("a", |a| a.immortal = true);
    sim.stop("a");
    sim.pass(s(30));
    assert_eq!(sim.because("a"), Because::Unkillable);
    assert!(sim.standing("a").settled);
    sim.pass(s(5));
    let kills = sim
        .did("a")
        .iter()
        .filter(|act| matches!(act, Do::Kill(_)))
        .count();
    assert_eq!(kills, 2);
    sim.actor("a", |a| a.immortal = false);
    sim.pass(s(5));
    assert_eq!(sim.shown("a"), Shown::Stopped);
}

#[test]
fn leftovers_of_a_program_that_ended_get_the_plan() {
    let mut sim = Sim::of([service("a", |a| a.restart.when = RestartWhen::Never)]);
    sim.actor("a", |a| a.strays = 1);
    sim.start("a");
    sim.ends("a", code(0));
    assert_eq!(sim.shown("a"), Shown::StopPending);
    sim.pass(ms(10));
    assert_eq!(sim.shown("a"), Shown::Stopped);
    assert!(
        sim.did("a")
            .contains(&Do::Signal(Signal::TERM, Target::Tree))
    );
}

#[test]
fn mixed_kills_the_rest_as_soon_as_the_main_process_is_gone() {
    let mut sim = Sim::of([service("a", |a| a.stop.whom = Whom::Mixed)]);
    sim.actor("a", |a| a.strays = 2);
    sim.start("a");
    sim.stop("a");
    assert!(
        sim.did("a")
            .contains(&Do::Signal(Signal::TERM, Target::Main))
    );
    sim.pass(ms(10));
    assert!(sim.did("a").contains(&Do::Kill(Target::Tree)));
    assert_eq!(sim.shown("a"), Shown::Stopped);
}

#[test]
fn main_leaves_the_rest_of_the_tree_running() {
    let mut sim = Sim::of([service("a", |a| a.stop.whom = Whom::Main)]);
    sim.actor("a", |a| a.strays = 2);
    sim.start("a");
    sim.stop("a");
    assert_eq!(sim.shown("a"), Shown::Stopped);
    assert!(!sim.did("a").iter().any(|act| matches!(act, Do::Kill(_))));
}

#[test]
fn main_without_a_main_process_has_nobody_to_wait_for() {
    let mut sim = Sim::of([service("a", |a| {
        a.stop.whom = Whom::Main;
        a.start_pre = commands(1);
        a.restart.when = RestartWhen::Never;
    })]);
    sim.actor("a", |a| {
        a.strays = 1;
        a.takes.insert(Task::StartPre(0), (ms(0), code(1)));
    });
    sim.start("a");
    sim.pass(ms(10));
    assert_eq!(sim.shown("a"), Shown::Failed);
}

#[test]
fn nobody_gets_no_signal_at_all() {
    let mut sim = Sim::up(service("a", |a| a.stop.whom = Whom::Nobody));
    sim.stop("a");
    assert_eq!(sim.did("a"), vec![Do::Uproot]);
    assert_eq!(sim.shown("a"), Shown::Stopped);
}

#[test]
fn stop_during_spawn_ends_within_its_budget() {
    let mut sim = Sim::of([service("a", |a| a.kind = Kind::Forking { pid_file: None })]);
    sim.actor("a", |a| {
        a.hangs = vec![Task::Main(0)];
        a.dies_in = None;
    });
    sim.start("a");
    sim.stop("a");
    sim.pass(s(28));
    assert_eq!(sim.shown("a"), Shown::Stopped);
}

#[test]
fn stop_while_waiting_for_readiness_calls_off_the_proof() {
    let mut sim = Sim::of([service("a", |a| a.ready = Ready::Notify(NotifyFrom::Main))]);
    sim.actor("a", |a| a.ready_in = None);
    sim.start("a");
    sim.stop("a");
    assert!(sim.did("a").contains(&Do::StopProving));
    assert_eq!(sim.shown("a"), Shown::Stopped);
}

#[test]
fn stop_while_conditions_are_checked_ends_at_once() {
    let mut sim = Sim::of([with_condition()]);
    let mut actions = Vec::new();
    let id = sim.id("a");
    // Straight into the world: the answer is still on its way.
    for wish in [Wish::Start, Wish::Stop(How::Plan)] {
        let because = Because::Asked;
        let event = crate::Event::Wish {
            instance: id,
            wish,
            because,
        };
        sim.world.on(event, sim.now, &mut actions);
    }
    assert_eq!(sim.shown("a"), Shown::Stopped);
}

fn with_condition() -> Spec {
    use crate::spec::{Condition, ConditionKind};
    service("a", |a| {
        a.conditions = vec![Condition {
            kind: ConditionKind::PathExists,
            parameter: "/x".into(),
            negated: false,
            alternative: false,
            assert: false,
        }];
    })
}

#[test]
fn stop_during_backoff_cancels_the_restart() {
    let mut sim = Sim::up(service("a", |_| {}));
    sim.ends("a", code(1));
    sim.stop("a");
    assert_eq!(sim.shown("a"), Shown::Stopped);
    sim.finish();
    assert_eq!(sim.engine.begun, 1);
}

#[test]
fn hooks_and_the_pre_stop_command_come_before_the_first_step() {
    let mut sim = Sim::up(service("a", |a| {
        a.hooks = vec![Hook {
            on: Moment::StopPre,
            command: command(),
            timeout: s(2),
        }];
        a.stop.pre = Some(PreStop {
            command: command(),
            grace: s(3),
        });
    }));
    sim.actor("a", |a| a.hangs = vec![Task::Hook(0), Task::PreStop]);
    sim.stop("a");
    assert_eq!(spawned(&sim, "a"), [Task::Hook(0)]);
    sim.pass(s(2));
    assert_eq!(spawned(&sim, "a"), [Task::Hook(0), Task::PreStop]);
    sim.pass(s(3));
    assert_eq!(sim.shown("a"), Shown::Stopped);
    let abandoned = [Task::Hook(0), Task::PreStop].map(Do::Abandon);
    assert!(abandoned.iter().all(|act| sim.did("a").contains(act)));
}

#[test]
fn stop_commands_run_in_turn_even_when_the_first_has_ended_the_program() {
    let mut sim = Sim::up(with_stop_commands());
    sim.actor("a", |a| {
        a.takes.insert(Task::StopStep(0), (s(1), code(0)));
    });
    sim.stop("a");
    sim.ends("a", code(0));
    sim.finish();
    assert_eq!(spawned(&sim, "a"), [Task::StopStep(0), Task::StopStep(1)]);
}

#[test]
fn stop_commands_run_after_an_end_of_its_own() {
    let mut sim = Sim::up(with_stop_commands());
    sim.ends("a", code(0));
    sim.finish();
    assert_eq!(spawned(&sim, "a"), [Task::StopStep(0), Task::StopStep(1)]);
}

fn with_stop_commands() -> Spec {
    service("a", |a| {
        let only = || step(Request::CommandOnly(command()), 5);
        a.stop.plan = vec![only(), only(), step(Request::Signal(Signal::TERM), 5)];
    })
}

#[test]
fn post_commands_run_in_turn_after_the_tree_is_empty() {
    let mut sim = Sim::up(service("a", |a| a.stop.post = commands(2)));
    sim.actor("a", |a| {
        a.takes.insert(Task::StopPost(0), (s(1), code(1)));
    });
    sim.stop("a");
    assert_eq!(spawned(&sim, "a"), [Task::StopPost(0)]);
    sim.pass(s(1));
    assert_eq!(spawned(&sim, "a"), [Task::StopPost(0), Task::StopPost(1)]);
    assert_eq!(sim.shown("a"), Shown::Stopped);
}

#[test]
fn a_program_that_says_it_stops_is_left_to_it() {
    let mut sim = Sim::up(service("a", |_| {}));
    sim.happens("a", RunEvent::Notify(Notify::Stopping));
    sim.pass(s(20));
    assert_eq!(sim.shown("a"), Shown::StopPending);
    sim.ends("a", code(0));
    assert_eq!(sim.shown("a"), Shown::Stopped);
    assert!(!sim.did("a").iter().any(|act| matches!(act, Do::Signal(..))));
}

#[test]
fn a_program_that_says_it_stops_and_does_not_has_failed_by_timeout() {
    let mut sim = Sim::up(service("a", |a| a.restart.when = RestartWhen::Never));
    sim.happens("a", RunEvent::Notify(Notify::Stopping));
    sim.pass(s(28));
    assert_eq!(sim.shown("a"), Shown::Failed);
}

#[test]
fn a_wish_for_the_end_outlives_what_the_program_ends_with() {
    for when in [RestartWhen::Never, RestartWhen::OnFailure] {
        let mut sim = Sim::up(service("a", |a| a.restart.when = when));
        sim.happens("a", RunEvent::Notify(Notify::Stopping));
        sim.stop("a");
        sim.ends("a", code(1));
        assert_eq!(sim.shown("a"), Shown::Stopped);
        assert_eq!(sim.because("a"), Because::Asked);
        let planned = |fact: &Fact| matches!(fact, Fact::RestartPlanned { .. });
        assert!(!sim.facts("a").iter().any(planned));
    }
}

#[test]
fn more_time_to_stop_is_given_to_who_asks_for_it() {
    let mut sim = stubborn(|_| {});
    sim.stop("a");
    sim.pass(s(20));
    sim.happens("a", RunEvent::Notify(Notify::ExtendTimeout(s(60))));
    sim.pass(ms(59_999));
    assert_eq!(sim.shown("a"), Shown::StopPending);
    sim.pass(ms(1));
    assert_eq!(sim.shown("a"), Shown::Stopped);
}

#[test]
fn a_failing_stop_command_is_told_unless_its_failure_is_no_matter() {
    for ignore_failure in [false, true] {
        let mut sim = Sim::up(service("a", |a| {
            a.stop.post = vec![crate::spec::Command {
                ignore_failure,
                ..command()
            }];
        }));
        sim.actor("a", |a| {
            a.takes.insert(Task::StopPost(0), (ms(0), code(1)));
        });
        sim.stop("a");
        let failed = |fact: &Fact| matches!(fact, Fact::CommandFailed { .. });
        assert_eq!(sim.facts("a").iter().any(failed), !ignore_failure);
    }
}

#[test]
fn what_cannot_be_killed_is_killed_again_as_its_plan_says_whom() {
    for (whom, target) in [(Whom::Main, Target::Main), (Whom::Mixed, Target::Tree)] {
        let mut sim = stubborn(|a| a.stop.whom = whom);
        sim.actor("a", |a| a.immortal = true);
        sim.stop("a");
        sim.pass(s(36));
        let kills = sim.did("a").into_iter();
        let kills: Vec<_> = kills.filter(|act| matches!(act, Do::Kill(_))).collect();
        assert_eq!(kills, [Do::Kill(target), Do::Kill(target)]);
    }
}

#[test]
fn a_pre_stop_command_has_its_grace_period_and_no_more() {
    let mut sim = Sim::up(service("a", |a| {
        a.stop.pre = Some(PreStop {
            command: command(),
            grace: s(3),
        });
    }));
    sim.actor("a", |a| a.hangs = vec![Task::PreStop]);
    sim.stop("a");
    sim.pass(ms(2999));
    assert_eq!(sim.programs("a"), [Task::PreStop]);
    assert_eq!(sim.shown("a"), Shown::StopPending);
    sim.pass(ms(1));
    assert_eq!(sim.shown("a"), Shown::Stopped);
}

#[test]
fn a_hangup_follows_each_signal_where_it_is_wanted() {
    let mut sim = Sim::up(service("a", |a| a.stop.also_hup = true));
    sim.stop("a");
    let signals = [Signal::TERM, Signal::HUP, Signal::CONT];
    let signals = signals.map(|signal| Do::Signal(signal, Target::Tree));
    assert_eq!(sim.did("a")[..3], signals);
}

#[test]
fn a_kill_is_told_with_its_reason_and_to_the_hooks() {
    let mut sim = stubborn(|_| {});
    sim.stop("a");
    sim.pass(s(28));
    let because = Because::Asked;
    assert!(sim.facts("a").contains(&Fact::Killing { because }));
    assert!(sim.facts("a").contains(&Fact::Moment(Moment::Kill)));
}

#[test]
fn the_kill_has_its_margin_to_take_effect() {
    let mut sim = stubborn(|a| a.stop.kill_margin = s(6));
    sim.actor("a", |a| a.immortal = true);
    sim.stop("a");
    sim.pass(ms(29_999));
    assert_eq!(sim.because("a"), Because::Asked);
    sim.pass(ms(1));
    assert_eq!(sim.because("a"), Because::Unkillable);
}

#[test]
fn a_stop_command_that_cannot_be_executed_is_told_and_the_stop_goes_on() {
    let mut sim = Sim::up(service("a", |a| a.stop.post = commands(1)));
    sim.actor("a", |a| a.missing = vec![Task::StopPost(0)]);
    sim.stop("a");
    let failed = |fact: &Fact| matches!(fact, Fact::CommandFailed { .. });
    assert!(sim.facts("a").iter().any(failed));
    assert_eq!(sim.shown("a"), Shown::Stopped);
}
