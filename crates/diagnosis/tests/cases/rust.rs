//! Rust's own locks, which name no owner: whoever has them is found on the stacks, and never called certain.

use aplomb_diagnosis::{Strength, VerdictKind};

use crate::stage::{Case, cycle, root};

fn start(name: &str) -> Case {
    Case::start("std_locks.rs", name)
}

#[test]
fn two_threads_take_two_locks_crosswise() {
    for name in ["circle", "static-circle"] {
        let case = start(name);
        let report = case.expect(VerdictKind::Deadlock);
        let mut members = case.said("cycle");
        members.sort_unstable();
        assert_eq!(cycle(&report), members, "{name}: {}", report.summary);
        assert_eq!(report.confidence, Strength::Strong, "{name}");
        assert!(report.summary.contains("probably"), "{}", report.summary);
    }
}

#[test]
fn a_thread_waits_for_its_own_lock() {
    let case = start("own-lock");
    let report = case.expect(VerdictKind::SelfDeadlock);
    assert_eq!(root(&report).1, Some(case.the("root")));
    let function = report
        .root
        .and_then(|root| root.function)
        .unwrap_or_default();
    assert!(function.ends_with("lock_again"), "{function}");
}

#[test]
fn the_holder_is_found_on_its_stack() {
    for name in ["held-by-sleeper", "held-by-reader"] {
        let case = start(name);
        let report = case.expect(VerdictKind::LockHeld);
        assert_eq!(
            root(&report).1,
            Some(case.the("root")),
            "{name}: {}",
            report.summary
        );
        assert!(report.confidence < Strength::Certain, "{name}");
    }
}

#[test]
fn nobody_is_left_who_could_send() {
    for name in ["lost-message", "lost-wakeup"] {
        let case = start(name);
        let report = case.expect(VerdictKind::WaitForEvent);
        assert_eq!(root(&report).1, Some(case.the("root")), "{name}");
    }
}

#[test]
fn workers_without_work_are_idle() {
    for name in ["worker-pool", "parked"] {
        start(name).expect_idle();
    }
}
