//! One service that is up: signs of life, health, reload, pause, and how long a run may be.

use std::boxed::Box;
use std::vec;
use std::vec::Vec;

use super::place::notifies;
use super::sim::*;
use crate::quantity::ExitCode;
use crate::spec::{
    Check, Command, ExitAction, Growth, Health, HealthAction, Pause, Reload, RestartWhen, Spec,
};
use crate::{Do, End, Fact, Health as Answer, Notify, RunEvent, Shown, Signal, Target, Task, Wish};

fn up(with: impl FnOnce(&mut Spec)) -> Sim {
    Sim::up(service("a", with))
}

fn notify(sim: &mut Sim, what: Notify) {
    sim.happens("a", RunEvent::Notify(what));
}

fn refused(sim: &Sim) -> bool {
    let facts = sim.facts("a");
    facts
        .iter()
        .any(|fact| matches!(fact, Fact::Refused { .. }))
}

#[test]
fn a_watchdog_that_is_fed_lets_live_and_one_that_is_not_aborts_the_run() {
    let mut sim = up(|a| a.watchdog = Some(s(3)));
    sim.pass(s(2));
    notify(&mut sim, Notify::Watchdog);
    sim.pass(ms(2999));
    assert_eq!(sim.shown("a"), Shown::Running);
    sim.pass(ms(1));
    assert!(
        sim.did("a")
            .contains(&Do::Signal(Signal::ABRT, Target::Tree))
    );
    sim.pass(s(1));
    assert_eq!(
        (sim.shown("a"), sim.standing("a").restarts),
        (Shown::Running, 1)
    );
}

#[test]
fn a_run_that_ignores_the_watchdogs_signal_is_killed_inside_the_budget() {
    let mut sim = up(|a| a.watchdog = Some(s(3)));
    sim.actor("a", |a| a.dies_in = None);
    sim.pass(s(3) + s(28));
    assert!(sim.did("a").contains(&Do::Kill(Target::Tree)));
}

#[test]
fn no_watchdog_interval_means_no_watchdog() {
    let mut sim = up(|a| a.watchdog = Some(s(3)));
    notify(&mut sim, Notify::WatchdogInterval(s(0)));
    sim.finish();
    assert_eq!(sim.shown("a"), Shown::Running);
}

#[test]
fn a_program_can_pull_its_own_watchdog() {
    let mut sim = up(|a| a.restart.when = RestartWhen::OnWatchdog);
    notify(&mut sim, Notify::WatchdogTrigger);
    sim.pass(s(1));
    assert_eq!(sim.standing("a").restarts, 1);
}

#[test]
fn a_run_longer_than_it_may_be_is_ended_and_counts_as_a_timeout() {
    let mut sim = up(|a| {
        a.max_run_time = Some(s(60));
        a.restart.when = RestartWhen::OnAbnormal;
    });
    sim.pass(ms(59_999));
    assert_eq!(sim.engine.begun, 1);
    sim.pass(s(1));
    assert_eq!(sim.engine.begun, 2);
}

#[test]
fn a_longer_run_is_given_to_who_asks_for_it() {
    let mut sim = up(|a| a.max_run_time = Some(s(60)));
    sim.pass(s(50));
    notify(&mut sim, Notify::ExtendTimeout(s(60)));
    sim.pass(s(59));
    assert_eq!(sim.engine.uprooted, 0);
    sim.pass(s(1));
    assert_eq!(sim.engine.uprooted, 1);
}

fn probed(then: HealthAction) -> Sim {
    up(|a| {
        a.health = Some(Box::new(Health {
            check: Check::Port("x:1".into()),
            interval: s(10),
            timeout: s(1),
            threshold: 3,
            then,
        }));
    })
}

fn probe(sim: &mut Sim, answers: &[Answer]) {
    for answer in answers {
        sim.happens("a", RunEvent::Health(*answer));
    }
}

#[test]
fn failures_of_the_health_probe_in_a_row_end_the_run() {
    let mut sim = probed(HealthAction::Restart);
    probe(
        &mut sim,
        &[
            Answer::Bad,
            Answer::Bad,
            Answer::Good,
            Answer::Bad,
            Answer::Bad,
        ],
    );
    assert_eq!(sim.shown("a"), Shown::Running);
    probe(&mut sim, &[Answer::Bad]);
    sim.pass(s(1));
    assert_eq!(sim.standing("a").restarts, 1);
}

#[test]
fn failures_of_the_health_probe_may_be_no_more_than_a_remark() {
    let mut sim = probed(HealthAction::Nothing);
    probe(&mut sim, &[Answer::Bad; 5]);
    assert_eq!(sim.shown("a"), Shown::Running);
    let moments = sim.facts("a").into_iter();
    let unhealthy = Fact::Moment(crate::spec::Moment::Unhealthy);
    assert_eq!(moments.filter(|fact| *fact == unhealthy).count(), 1);
}

#[test]
fn reload_commands_run_in_turn_and_the_first_failure_ends_them() {
    let mut sim = up(|a| a.reload = Reload::Commands(commands(3)));
    sim.actor("a", |a| {
        a.takes.insert(Task::Reload(1), (s(1), code(1)));
    });
    sim.wish("a", Wish::Reload);
    sim.pass(s(1));
    let spawns = [Task::Reload(0), Task::Reload(1)].map(Do::Spawn);
    assert_eq!(sim.did("a"), spawns);
    assert_eq!(sim.shown("a"), Shown::Running);
    assert!(
        sim.facts("a")
            .iter()
            .any(|fact| matches!(fact, Fact::ReloadFailed(_)))
    );
}

#[test]
fn a_reload_command_whose_failure_is_no_matter_is_followed_by_the_next() {
    let mut sim = up(|a| {
        let first = Command {
            ignore_failure: true,
            ..command()
        };
        a.reload = Reload::Commands(vec![first, command()]);
    });
    sim.actor("a", |a| a.missing = vec![Task::Reload(0)]);
    sim.wish("a", Wish::Reload);
    assert!(sim.facts("a").contains(&Fact::Reloaded));
}

#[test]
fn a_reload_command_that_takes_too_long_is_ended_and_the_service_serves_on() {
    let mut sim = up(|a| a.reload = Reload::Commands(commands(1)));
    sim.actor("a", |a| a.hangs = vec![Task::Reload(0)]);
    sim.wish("a", Wish::Reload);
    assert!(!sim.standing("a").settled);
    sim.pass(s(90));
    assert!(sim.did("a").contains(&Do::Abandon(Task::Reload(0))));
    assert!(sim.standing("a").settled);
    assert_eq!(sim.shown("a"), Shown::Running);
}

#[test]
fn a_reload_by_signal_is_done_at_once() {
    let mut sim = up(|a| a.reload = Reload::Signal(Signal::HUP));
    sim.wish("a", Wish::Reload);
    assert_eq!(sim.did("a"), [Do::Signal(Signal::HUP, Target::Main)]);
    assert!(sim.facts("a").contains(&Fact::Reloaded));
}

#[test]
fn a_reload_by_message_is_done_when_the_program_says_so() {
    let mut sim = up(|a| {
        a.ready = notifies();
        a.reload = Reload::Notify(Signal::HUP);
    });
    sim.wish("a", Wish::Reload);
    notify(&mut sim, Notify::Reloading);
    assert!(!sim.facts("a").contains(&Fact::Reloaded));
    notify(&mut sim, Notify::Ready);
    assert!(sim.facts("a").contains(&Fact::Reloaded));
}

#[test]
fn a_reload_nobody_defined_is_refused() {
    let mut sim = up(|_| {});
    sim.wish("a", Wish::Reload);
    assert!(refused(&sim));
}

#[test]
fn a_reload_by_signal_without_a_main_process_is_refused() {
    let mut sim = up(|a| {
        a.reload = Reload::Signal(Signal::HUP);
        a.exit.remain_after_exit = true;
    });
    sim.ends("a", code(0));
    assert_eq!(sim.shown("a"), Shown::Running);
    sim.wish("a", Wish::Reload);
    assert!(refused(&sim));
}

#[test]
fn a_stop_during_a_reload_ends_its_command() {
    let mut sim = up(|a| a.reload = Reload::Commands(commands(1)));
    sim.actor("a", |a| a.hangs = vec![Task::Reload(0)]);
    sim.wish("a", Wish::Reload);
    sim.stop("a");
    assert!(sim.did("a").contains(&Do::Abandon(Task::Reload(0))));
    assert_eq!(sim.shown("a"), Shown::Stopped);
}

fn by_commands(a: &mut Spec) {
    a.pause = Pause::Commands {
        pause: Box::new(command()),
        resume: Box::new(command()),
    };
}

#[test]
fn pause_freezes_and_continue_thaws_and_the_watchdog_waits_meanwhile() {
    let mut sim = up(|a| a.watchdog = Some(s(3)));
    sim.wish("a", Wish::Pause);
    assert_eq!(sim.shown("a"), Shown::Paused);
    sim.pass(s(100));
    assert_eq!(sim.shown("a"), Shown::Paused);
    sim.wish("a", Wish::Continue);
    assert_eq!(sim.shown("a"), Shown::Running);
    assert_eq!(sim.did("a"), [Do::Freeze, Do::Thaw]);
    sim.pass(ms(2999));
    assert_eq!(sim.shown("a"), Shown::Running);
}

#[test]
fn the_watchdog_does_not_call_before_the_program_really_goes_on() {
    let mut sim = up(|a| {
        a.watchdog = Some(s(3));
        by_commands(a);
    });
    sim.actor("a", |a| {
        a.takes.insert(Task::Continue, (s(5), code(0)));
    });
    sim.wish("a", Wish::Pause);
    sim.pass(s(10));
    sim.wish("a", Wish::Continue);
    sim.pass(s(5));
    assert_eq!(sim.shown("a"), Shown::Running);
    assert!(!sim.facts("a").contains(&Fact::Watchdog));
}

#[test]
fn a_pause_that_fails_leaves_the_service_running() {
    let mut sim = up(|_| {});
    sim.actor("a", |a| a.freezes = false);
    sim.wish("a", Wish::Pause);
    assert_eq!(sim.shown("a"), Shown::Running);
    assert!(sim.standing("a").settled);
}

#[test]
fn a_stop_thaws_what_is_paused() {
    let mut sim = up(|_| {});
    sim.wish("a", Wish::Pause);
    sim.stop("a");
    assert_eq!(sim.did("a")[1], Do::Thaw);
    assert_eq!(sim.shown("a"), Shown::Stopped);
}

#[test]
fn a_pause_by_command_is_neither_frozen_nor_thawed() {
    let mut sim = up(by_commands);
    sim.actor("a", |a| a.hangs = vec![Task::Pause]);
    sim.wish("a", Wish::Pause);
    sim.stop("a");
    let did = sim.did("a");
    assert!(did.contains(&Do::Abandon(Task::Pause)));
    assert!(!did.iter().any(|act| matches!(act, Do::Freeze | Do::Thaw)));
}

#[test]
fn health_is_not_probed_during_a_pause() {
    let mut sim = probed(HealthAction::Restart);
    sim.wish("a", Wish::Pause);
    sim.wish("a", Wish::Continue);
    let health = |act: &Do| matches!(act, Do::WatchHealth | Do::StopWatchingHealth);
    let probes: Vec<_> = sim.did("a").into_iter().filter(health).collect();
    assert_eq!(probes, [Do::StopWatchingHealth, Do::WatchHealth]);
}

#[test]
fn what_cannot_be_paused_says_so() {
    let mut sim = Sim::of([service("a", |_| {})]);
    sim.wish("a", Wish::Pause);
    assert!(refused(&sim));
}

/// Every column of the table of causes, brought about as it really comes.
fn ended_by(cause: usize, when: RestartWhen) -> bool {
    let mut sim = up(|a| {
        a.restart.when = when;
        a.watchdog = (cause == 4).then(|| s(1));
        a.max_run_time = (cause == 3).then(|| s(1));
    });
    match cause {
        0 => sim.ends("a", code(0)),
        1 => sim.ends("a", code(1)),
        2 => sim.ends("a", by(Signal::SEGV)),
        3 | 4 => sim.pass(s(1)),
        5 => sim.stop("a"),
        _ => unreachable!(),
    }
    sim.pass(ms(500));
    sim.engine.begun > 1
}

#[test]
fn every_cause_of_an_end_is_followed_as_the_policy_says() {
    use RestartWhen::*;
    let table = [
        (Never, [false, false, false, false, false]),
        (OnSuccess, [true, false, false, false, false]),
        (OnFailure, [false, true, true, true, true]),
        (OnAbnormal, [false, false, true, true, true]),
        (OnAbort, [false, false, true, false, false]),
        (OnWatchdog, [false, false, false, false, true]),
        (Always, [true, true, true, true, true]),
    ];
    for (when, row) in table {
        for (cause, expected) in row.into_iter().enumerate() {
            assert_eq!(ended_by(cause, when), expected, "{when:?}, cause {cause}");
        }
        assert!(!ended_by(5, when), "{when:?} after a stop");
    }
}

/// What becomes of a run that ended so, under these rules.
fn after(end: End, with: impl FnOnce(&mut Spec)) -> (Shown, Vec<u32>) {
    let mut sim = up(with);
    sim.ends("a", end);
    (sim.shown("a"), sim.engine.shutdown_codes.clone())
}

#[test]
fn codes_have_the_last_word_over_the_policy() {
    let set = |a: &mut Spec, action| a.exit.actions = vec![(ExitCode(5), action)];
    let always = |a: &mut Spec| a.restart.when = RestartWhen::Always;
    let shown = |with: &dyn Fn(&mut Spec)| after(code(5), |a| with(a)).0;
    assert_eq!(shown(&|a| set(a, ExitAction::Restart)), Shown::StartPending);
    let stop = |a: &mut Spec| {
        always(a);
        set(a, ExitAction::Stop);
    };
    assert_eq!(shown(&stop), Shown::Stopped);
    let fail = |a: &mut Spec| {
        always(a);
        set(a, ExitAction::Fail);
    };
    assert_eq!(shown(&fail), Shown::Failed);
    let (shown, codes) = after(code(5), |a| set(a, ExitAction::Shutdown));
    assert_eq!((shown, codes), (Shown::Failed, vec![5]));
}

#[test]
fn success_prevented_and_forced_codes_count_as_they_say() {
    let five = || vec![ExitCode(5)];
    let shown = |with: &dyn Fn(&mut Spec)| after(code(5), |a| with(a)).0;
    assert_eq!(shown(&|a| a.exit.success.codes = five()), Shown::Stopped);
    assert_eq!(
        shown(&|a| a.exit.prevent_restart.codes = five()),
        Shown::Failed
    );
    let forced = |a: &mut Spec| {
        a.restart.when = RestartWhen::Never;
        a.exit.force_restart.codes = five();
    };
    assert_eq!(shown(&forced), Shown::StartPending);
}

#[test]
fn a_program_that_remains_after_a_clean_end_is_up_until_it_is_stopped() {
    let mut sim = up(|a| a.exit.remain_after_exit = true);
    sim.ends("a", code(0));
    sim.finish();
    assert_eq!(sim.shown("a"), Shown::Running);
    sim.stop("a");
    assert_eq!(sim.shown("a"), Shown::Stopped);
}

#[test]
fn a_run_that_was_healthy_for_long_clears_the_count_of_restarts() {
    let mut sim = up(|a| {
        a.restart.growth = Growth::Factor {
            permille: 2000,
            max: s(30),
        };
    });
    for restarts in [1, 2] {
        sim.ends("a", code(1));
        sim.pass(s(1));
        assert_eq!(sim.standing("a").restarts, restarts);
    }
    sim.pass(s(600));
    sim.ends("a", code(1));
    sim.pass(ms(100));
    assert_eq!(
        (sim.shown("a"), sim.standing("a").restarts),
        (Shown::Running, 1)
    );
}

#[test]
fn a_reload_the_program_begins_itself_ends_when_it_says_so() {
    let mut sim = up(|a| a.watchdog = Some(s(60)));
    notify(&mut sim, Notify::Reloading);
    assert!(!sim.standing("a").settled);
    notify(&mut sim, Notify::Ready);
    assert!(sim.standing("a").settled);
}

#[test]
fn a_pause_that_took_too_long_is_taken_back_and_starts_the_watchdog_anew() {
    let mut sim = up(|a| {
        a.watchdog = Some(s(3));
        by_commands(a);
    });
    sim.actor("a", |a| a.hangs = vec![Task::Pause]);
    sim.wish("a", Wish::Pause);
    assert_eq!(sim.because("a"), crate::Because::Asked);
    sim.pass(s(90) + ms(2999));
    assert_eq!(sim.shown("a"), Shown::Running);
    assert!(!sim.facts("a").contains(&Fact::Watchdog));
    sim.pass(ms(1));
    assert!(sim.facts("a").contains(&Fact::Watchdog));
}

#[test]
fn a_program_that_says_it_stops_is_probed_no_longer() {
    let mut sim = probed(HealthAction::Restart);
    notify(&mut sim, Notify::Stopping);
    assert_eq!(sim.did("a"), [Do::StopWatchingHealth]);
}

#[test]
fn a_oneshot_that_succeeded_is_not_forced_to_run_again() {
    let mut sim = Sim::of([service("a", |a| {
        a.kind = crate::spec::Kind::Oneshot;
        a.exit.force_restart.codes = vec![ExitCode(0)];
    })]);
    sim.actor("a", |a| {
        a.takes.insert(Task::Main(0), (ms(0), code(0)));
    });
    sim.start("a");
    sim.finish();
    assert_eq!((sim.shown("a"), sim.engine.begun), (Shown::Stopped, 1));
}

#[test]
fn an_end_is_told_with_how_and_to_the_hooks() {
    let mut sim = up(|_| {});
    sim.ends("a", code(1));
    let facts = sim.facts("a");
    assert!(facts.contains(&Fact::Exited(code(1))));
    assert!(facts.contains(&Fact::Moment(crate::spec::Moment::Exit)));
}

#[test]
fn a_pause_that_fails_is_told_with_its_reason() {
    let mut sim = up(|_| {});
    sim.actor("a", |a| a.freezes = false);
    sim.wish("a", Wish::Pause);
    let because = crate::Because::Protocol("no freezer".into());
    let task = Task::Pause;
    assert!(
        sim.facts("a")
            .contains(&Fact::CommandFailed { task, because })
    );
}

#[test]
fn health_that_comes_back_is_told() {
    let mut sim = probed(HealthAction::Nothing);
    probe(&mut sim, &[Answer::Bad, Answer::Good]);
    let (failures, unhealthy) = (0, false);
    assert!(sim.facts("a").contains(&Fact::Health {
        failures,
        unhealthy
    }));
}

#[test]
fn of_several_deadlines_the_first_counts() {
    let mut sim = up(|a| {
        a.watchdog = Some(s(3));
        a.max_run_time = Some(s(60));
    });
    sim.pass(s(3));
    assert!(sim.facts("a").contains(&Fact::Watchdog));
}
