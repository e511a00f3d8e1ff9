//! Locks of threads: circles, holders, queues, and what nobody gives back.

use aplomb_diagnosis::{Strength, VerdictKind};

use crate::stage::{Case, chain, cycle, root};

fn start(name: &str) -> Case {
    Case::start("locks.c", name)
}

#[track_caller]
fn circle(name: &str) {
    let case = start(name);
    let report = case.expect(VerdictKind::Deadlock);
    let mut members = case.said("cycle");
    members.sort_unstable();
    assert_eq!(cycle(&report), members, "{name}: {}", report.summary);
    assert_eq!(report.confidence, Strength::Certain, "{name}");
    let (_, tid) = root(&report);
    assert!(
        tid.is_some_and(|tid| members.contains(&tid)),
        "{name}: {}",
        report.summary
    );
    assert!(
        members.iter().all(|member| chain(&report).contains(member)),
        "{name}"
    );
    assert!(
        report.summary.contains("because"),
        "{name}: {}",
        report.summary
    );
}

#[test]
fn two_threads_take_two_locks_crosswise() {
    circle("circle-of-two");
}

#[test]
fn every_kind_of_mutex_names_its_owner() {
    for name in [
        "circle-of-recursive",
        "circle-of-checking",
        "circle-of-adaptive",
        "circle-of-robust",
    ] {
        circle(name);
    }
}

#[test]
fn four_threads_in_a_circle_of_mutexes_and_an_rwlock() {
    circle("circle-of-four");
}

#[test]
fn two_threads_join_each_other() {
    let case = start("circle-of-joins");
    let report = case.expect(VerdictKind::Deadlock);
    assert_eq!(report.cycle.len(), 2, "{}", report.summary);
    assert!(cycle(&report).contains(&case.the("cycle")));
}

#[test]
fn a_thread_waits_for_its_own_lock() {
    for name in ["own-lock", "own-write-lock"] {
        let case = start(name);
        let report = case.expect(VerdictKind::SelfDeadlock);
        assert_eq!(
            root(&report),
            (Some(case.pid()), Some(case.the("root"))),
            "{name}"
        );
    }
}

#[test]
fn a_lock_is_left_behind_by_a_thread_that_ended() {
    let case = start("left-behind");
    let report = case.expect(VerdictKind::OrphanedLock);
    assert_eq!(root(&report).1, Some(case.the("root")));
    assert_eq!(report.confidence, Strength::Certain);
}

#[test]
fn a_lock_is_held_by_a_sleeper() {
    for name in [
        "held-by-sleeper",
        "held-timed",
        "held-for-writing",
        "stream-held",
    ] {
        let case = start(name);
        let report = case.expect(VerdictKind::LockHeld);
        assert_eq!(
            root(&report),
            (Some(case.pid()), Some(case.the("root"))),
            "{name}"
        );
        assert_eq!(report.confidence, Strength::Certain, "{name}");
        assert!(report.summary.contains("sleeps"), "{}", report.summary);
    }
}

#[test]
fn all_threads_at_one_lock_are_counted() {
    let case = start("held-for-writing");
    let report = case.expect(VerdictKind::LockHeld);
    assert_eq!(report.harmed.threads, 4, "{}", report.summary);
}

#[test]
fn the_chain_leads_over_those_between() {
    let case = start("held-in-two-steps");
    let report = case.expect(VerdictKind::LockHeld);
    assert_eq!(
        chain(&report),
        [case.pid(), case.the("via"), case.the("root")]
    );
}

#[test]
fn a_lock_is_held_by_one_who_spins() {
    let case = start("held-by-spinner");
    let report = case.expect(VerdictKind::CpuSpin);
    assert_eq!(root(&report).1, Some(case.the("root")));
}

#[test]
fn many_queue_for_one_lock() {
    let case = start("convoy");
    let report = case.expect(VerdictKind::LockConvoy);
    assert!(report.confidence < Strength::Certain, "{}", report.summary);
}

#[test]
fn nobody_is_left_who_could_wake_it() {
    for name in ["lost-wakeup", "lost-post", "lost-partner"] {
        let case = start(name);
        let report = case.expect(VerdictKind::WaitForEvent);
        assert_eq!(root(&report).1, Some(case.the("root")), "{name}");
        assert!(report.summary.contains("probably"), "{}", report.summary);
    }
}

#[test]
fn a_thread_that_sleeps_is_joined() {
    let case = start("joins-sleeper");
    let report = case.expect(VerdictKind::ThreadJoin);
    assert_eq!(root(&report).1, Some(case.the("root")));
}
