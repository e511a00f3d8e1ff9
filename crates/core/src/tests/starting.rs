//! One service: the stages of a start, how long each may take, and what follows when one fails.

use std::string::ToString;
use std::vec;
use std::vec::Vec;

use super::place::notifies;
use super::sim::*;
use crate::spec::{
    Command, Condition, ConditionKind, Hook, Kind, Moment, Ready, RestartWhen, Spec,
};
use crate::{Because, Checked, Do, End, Fact, Notify, RunEvent, Shown, Signal, Task};

/// Failures of this one stay failures.
fn once(with: impl FnOnce(&mut Spec)) -> Sim {
    Sim::of([service("a", |a| {
        a.restart.when = RestartWhen::Never;
        with(a);
    })])
}

fn spawned(sim: &Sim) -> Vec<Task> {
    sim.programs("a")
}

fn tells(sim: &Sim, moment: Moment) -> usize {
    let facts = sim.facts("a").into_iter();
    facts.filter(|fact| *fact == Fact::Moment(moment)).count()
}

fn conditional(a: &mut Spec) {
    a.conditions = vec![Condition {
        kind: ConditionKind::PathExists,
        parameter: "/x".to_string(),
        negated: false,
        alternative: false,
        assert: false,
    }];
}

#[test]
fn a_condition_that_does_not_hold_skips_the_start() {
    let mut sim = once(|a| {
        conditional(a);
        a.stop.post = commands(1);
    });
    sim.actor("a", |a| a.conditions = Checked::Skip("path".into()));
    sim.start("a");
    assert_eq!(sim.shown("a"), Shown::Stopped);
    assert_eq!(sim.because("a"), Because::ConditionFailed("path".into()));
    assert!(sim.standing("a").arrived);
    assert_eq!(sim.did("a"), [Do::CheckConditions, Do::Uproot]);
}

#[test]
fn an_assertion_that_does_not_hold_fails_the_start() {
    let mut sim = once(conditional);
    sim.actor("a", |a| a.conditions = Checked::Fail("path".into()));
    sim.start("a");
    assert_eq!(sim.shown("a"), Shown::Failed);
    assert_eq!(sim.because("a"), Because::AssertFailed("path".into()));
}

#[test]
fn a_condition_command_skips_with_1_to_254_and_fails_with_more() {
    let ends = [
        (code(1), Shown::Stopped),
        (code(254), Shown::Stopped),
        (code(255), Shown::Failed),
        (by(Signal::TERM), Shown::Failed),
    ];
    for (end, shown) in ends {
        let mut sim = once(|a| a.start_condition = commands(1));
        sim.actor("a", |a| {
            a.takes.insert(Task::Condition(0), (ms(0), end));
        });
        sim.start("a");
        assert_eq!(sim.shown("a"), shown, "{end:?}");
        assert_eq!(spawned(&sim), [Task::Condition(0)]);
    }
}

#[test]
fn the_stages_of_a_start_follow_each_other() {
    let mut sim = once(|a| {
        conditional(a);
        a.start_condition = commands(1);
        a.start_pre = commands(2);
        a.start_post = commands(1);
        a.hooks = vec![
            hook(Moment::StartPre),
            hook(Moment::Ready),
            hook(Moment::StartPre),
        ];
    });
    sim.start("a");
    let stages = [
        Task::Condition(0),
        Task::Hook(0),
        Task::Hook(2),
        Task::StartPre(0),
        Task::StartPre(1),
        Task::Main(0),
        Task::StartPost(0),
    ];
    assert_eq!(spawned(&sim), stages);
    assert_eq!(sim.shown("a"), Shown::Running);
}

fn hook(on: Moment) -> Hook {
    Hook {
        on,
        command: command(),
        timeout: s(5),
    }
}

#[test]
fn a_failing_command_before_the_start_fails_it_unless_its_failure_is_no_matter() {
    for ignore_failure in [false, true] {
        let mut sim = once(|a| {
            a.start_pre = vec![Command {
                ignore_failure,
                ..command()
            }];
        });
        sim.actor("a", |a| {
            a.takes.insert(Task::StartPre(0), (ms(0), code(3)));
        });
        sim.start("a");
        let shown = if ignore_failure {
            Shown::Running
        } else {
            Shown::Failed
        };
        assert_eq!(sim.shown("a"), shown);
    }
}

#[test]
fn a_start_that_never_was_is_not_signalled() {
    let mut sim = once(|_| {});
    sim.actor("a", |a| a.missing = vec![Task::Main(0)]);
    sim.start("a");
    assert_eq!(sim.shown("a"), Shown::Failed);
    assert_eq!(sim.because("a"), Because::SpawnFailed("not found".into()));
    assert!(!sim.did("a").iter().any(|act| matches!(act, Do::Signal(..))));
}

#[test]
fn a_program_that_may_be_missing_is_done_at_once() {
    let mut sim = once(|a| a.start[0].ignore_failure = true);
    sim.actor("a", |a| a.missing = vec![Task::Main(0)]);
    sim.start("a");
    assert_eq!(sim.shown("a"), Shown::Stopped);
    assert!(sim.standing("a").arrived);
}

#[test]
fn a_program_whose_failures_are_no_matter_ends_cleanly() {
    let mut sim = once(|a| a.start[0].ignore_failure = true);
    sim.start("a");
    sim.ends("a", code(9));
    assert_eq!(sim.shown("a"), Shown::Stopped);
}

#[test]
fn a_oneshot_whose_last_failure_is_no_matter_is_done() {
    let mut sim = once(|a| {
        a.kind = Kind::Oneshot;
        a.start[0].ignore_failure = true;
    });
    sim.actor("a", |a| {
        a.takes.insert(Task::Main(0), (ms(0), code(1)));
    });
    sim.start("a");
    assert_eq!(sim.shown("a"), Shown::Stopped);
}

#[test]
fn the_first_failure_of_a_oneshot_ends_its_list() {
    let mut sim = once(|a| {
        a.kind = Kind::Oneshot;
        a.start = commands(2);
    });
    sim.actor("a", |a| {
        a.takes.insert(Task::Main(0), (ms(0), code(1)));
    });
    sim.start("a");
    assert_eq!(spawned(&sim), [Task::Main(0)]);
    assert_eq!(sim.shown("a"), Shown::Failed);
    assert_eq!(tells(&sim, Moment::Exit), 1);
}

#[test]
fn a_oneshot_that_remains_is_up_until_it_is_stopped() {
    let mut sim = once(|a| {
        a.kind = Kind::Oneshot;
        a.exit.remain_after_exit = true;
    });
    sim.actor("a", |a| {
        a.takes.insert(Task::Main(0), (ms(0), code(0)));
    });
    sim.start("a");
    sim.finish();
    assert_eq!(sim.shown("a"), Shown::Running);
    sim.stop("a");
    assert_eq!(sim.shown("a"), Shown::Stopped);
}

#[test]
fn a_start_may_take_its_timeout_in_every_stage_and_no_longer() {
    let stages = [
        Task::Condition(0),
        Task::StartPre(0),
        Task::Main(0),
        Task::StartPost(0),
    ];
    for hangs in stages {
        let mut sim = once(|a| {
            a.kind = if hangs == Task::Main(0) {
                Kind::Oneshot
            } else {
                Kind::Simple
            };
            a.start_timeout = Some(s(7));
            a.start_condition = commands(1);
            a.start_pre = commands(1);
            a.start_post = commands(1);
        });
        sim.actor("a", |a| a.hangs = vec![hangs]);
        sim.start("a");
        sim.pass(ms(6999));
        assert_eq!(sim.shown("a"), Shown::StartPending, "{hangs:?}");
        sim.pass(ms(11));
        assert_eq!(sim.shown("a"), Shown::Failed, "{hangs:?}");
        assert_eq!(sim.because("a"), Because::StartTimeout(s(7)), "{hangs:?}");
    }
}

#[test]
fn a_hook_has_its_own_time_and_is_ended_after_it() {
    let mut sim = once(|a| a.hooks = vec![hook(Moment::StartPre)]);
    sim.actor("a", |a| a.hangs = vec![Task::Hook(0)]);
    sim.start("a");
    sim.pass(ms(4999));
    assert_eq!(sim.shown("a"), Shown::StartPending);
    sim.pass(ms(11));
    assert!(sim.did("a").contains(&Do::Abandon(Task::Hook(0))));
    let failed = |fact: &Fact| matches!(fact, Fact::CommandFailed { .. });
    assert!(sim.facts("a").iter().any(failed));
    assert_eq!(sim.shown("a"), Shown::Failed);
}

#[test]
fn more_time_to_start_is_given_to_who_asks_for_it() {
    let mut sim = once(|a| {
        a.ready = notifies();
        a.start_timeout = Some(s(5));
    });
    sim.actor("a", |a| a.ready_in = None);
    sim.start("a");
    sim.pass(s(4));
    sim.happens("a", RunEvent::Notify(Notify::ExtendTimeout(s(10))));
    sim.pass(ms(9999));
    assert_eq!(sim.shown("a"), Shown::StartPending);
    sim.pass(ms(1));
    assert_eq!(sim.shown("a"), Shown::Failed);
}

#[test]
fn ready_by_message_counts_only_while_it_is_asked_for() {
    let mut sim = once(|a| a.ready = notifies());
    sim.actor("a", |a| a.ready_in = None);
    sim.start("a");
    assert_eq!(sim.shown("a"), Shown::StartPending);
    sim.happens("a", RunEvent::Notify(Notify::Ready));
    assert_eq!(sim.shown("a"), Shown::Running);
    assert!(sim.did("a").contains(&Do::StopProving));
    assert_eq!(tells(&sim, Moment::Ready), 1);
}

#[test]
fn an_end_before_readiness_is_a_failure_even_when_clean() {
    let mut sim = once(|a| a.ready = notifies());
    sim.actor("a", |a| a.ready_in = None);
    sim.start("a");
    sim.ends("a", code(0));
    assert_eq!(sim.shown("a"), Shown::Failed);
    assert!(matches!(sim.because("a"), Because::Protocol(_)));
    assert!(sim.facts("a").contains(&Fact::Exited(code(0))));
    assert_eq!(tells(&sim, Moment::Exit), 1);
}

#[test]
fn readiness_that_cannot_be_proven_any_more_fails_the_start() {
    let mut sim = once(|a| a.ready = Ready::Fd(3));
    sim.actor("a", |a| a.ready_in = None);
    sim.start("a");
    sim.happens("a", RunEvent::ReadyImpossible("closed".into()));
    assert_eq!(sim.shown("a"), Shown::Failed);
    assert_eq!(sim.because("a"), Because::Protocol("closed".into()));
}

#[test]
fn readiness_by_delay_takes_that_long() {
    let mut sim = once(|a| a.ready = Ready::Delay(s(2)));
    sim.start("a");
    sim.pass(ms(1999));
    assert_eq!(sim.shown("a"), Shown::StartPending);
    sim.pass(ms(1));
    assert_eq!(sim.shown("a"), Shown::Running);
}

#[test]
fn a_program_that_has_done_its_work_while_the_commands_after_it_run_has_not_failed() {
    let mut sim = once(|a| a.start_post = commands(1));
    sim.actor("a", |a| {
        a.takes.insert(Task::StartPost(0), (s(2), code(0)));
    });
    sim.start("a");
    sim.ends("a", code(0));
    assert!(sim.facts("a").contains(&Fact::Exited(code(0))));
    assert_eq!(sim.shown("a"), Shown::StartPending);
    sim.pass(s(2));
    assert_eq!(sim.shown("a"), Shown::Stopped);
    assert!(sim.standing("a").arrived);
}

#[test]
fn a_crash_while_the_commands_after_it_run_ends_them() {
    let mut sim = once(|a| a.start_post = commands(1));
    sim.actor("a", |a| a.hangs = vec![Task::StartPost(0)]);
    sim.start("a");
    sim.ends("a", code(1));
    assert!(sim.did("a").contains(&Do::Abandon(Task::StartPost(0))));
    assert_eq!(sim.because("a"), Because::Ended(code(1)));
    assert_eq!(sim.shown("a"), Shown::Failed);
}

fn forking(pid_file: Option<&str>) -> Sim {
    let mut sim = once(|a| {
        let pid_file = pid_file.map(ToString::to_string);
        a.kind = Kind::Forking { pid_file };
    });
    sim.actor("a", |a| {
        a.strays = 1;
        a.takes.insert(Task::Main(0), (s(1), code(0)));
    });
    sim
}

#[test]
fn a_forking_service_is_started_when_its_parent_has_ended_and_its_main_process_is_known() {
    let mut sim = forking(Some("/run/a.pid"));
    sim.start("a");
    assert_eq!(sim.shown("a"), Shown::StartPending);
    sim.pass(s(1));
    assert_eq!(sim.shown("a"), Shown::Running);
    assert_eq!(tells(&sim, Moment::Started), 1);
    sim.ends("a", code(3));
    sim.pass(s(1));
    assert_eq!(sim.shown("a"), Shown::Failed);
}

#[test]
fn a_forking_service_without_its_pid_file_has_failed() {
    let mut sim = forking(Some("/run/a.pid"));
    sim.actor("a", |a| a.main = Err("no pid file"));
    sim.start("a");
    sim.pass(s(2));
    assert_eq!(sim.shown("a"), Shown::Failed);
    assert_eq!(sim.because("a"), Because::Protocol("no pid file".into()));
}

#[test]
fn a_forking_service_nobody_can_guess_the_main_process_of_lives_as_long_as_its_tree() {
    let mut sim = forking(None);
    sim.actor("a", |a| {
        a.main = Err("two are left");
        a.strays = 2;
    });
    sim.start("a");
    sim.pass(s(1));
    assert_eq!(sim.shown("a"), Shown::Running);
    sim.happens("a", RunEvent::TreeEmpty);
    assert_eq!(sim.because("a"), Because::Ended(End::Unknown));
}

#[test]
fn a_forking_parent_that_fails_fails_the_start() {
    let mut sim = forking(None);
    sim.actor("a", |a| {
        a.takes.insert(Task::Main(0), (s(1), code(1)));
    });
    sim.start("a");
    sim.pass(s(2));
    assert_eq!(sim.shown("a"), Shown::Failed);
    assert!(!sim.did("a").contains(&Do::FindMain));
}

#[test]
fn a_target_with_commands_stays_up_until_it_is_stopped() {
    let mut sim = once(|a| {
        a.kind = Kind::Target;
        a.start = Vec::new();
        a.start_pre = commands(1);
        a.hooks = vec![hook(Moment::StopPre)];
    });
    sim.start("a");
    sim.finish();
    assert_eq!(sim.shown("a"), Shown::Running);
    sim.stop("a");
    assert_eq!(spawned(&sim), [Task::StartPre(0), Task::Hook(0)]);
    assert_eq!(sim.shown("a"), Shown::Stopped);
}

#[test]
fn a_watchdog_interval_told_during_the_start_is_in_force_after_it() {
    let mut sim = once(|a| {
        a.ready = notifies();
        a.watchdog = Some(s(60));
    });
    sim.actor("a", |a| a.ready_in = Some(s(1)));
    sim.start("a");
    sim.happens("a", RunEvent::Notify(Notify::WatchdogInterval(s(2))));
    sim.pass(s(1));
    assert_eq!(sim.shown("a"), Shown::Running);
    sim.pass(s(2));
    assert_eq!(sim.shown("a"), Shown::Failed);
}
