//! C++: its locks are the C library's, its names are demangled. Left out where there is no compiler for it.

use aplomb_diagnosis::{Strength, VerdictKind};

use crate::stage::{Case, cycle, has, root};

#[test]
fn two_threads_take_two_locks_crosswise() {
    if !has("c++") {
        return;
    }
    let case = Case::start("cpp_locks.cpp", "circle");
    let report = case.expect(VerdictKind::Deadlock);
    let mut members = case.said("cycle");
    members.sort_unstable();
    assert_eq!(cycle(&report), members, "{}", report.summary);
    assert_eq!(report.confidence, Strength::Certain);
    let function = report.root.and_then(|root| root.function);
    assert_eq!(function.as_deref(), Some("bank::transfer"));
}

#[test]
fn a_shared_lock_is_held_for_writing() {
    if !has("c++") {
        return;
    }
    let case = Case::start("cpp_locks.cpp", "shared");
    let report = case.expect(VerdictKind::LockHeld);
    assert_eq!(root(&report).1, Some(case.the("root")));
}

#[test]
fn a_promise_nobody_keeps() {
    if !has("c++") {
        return;
    }
    let case = Case::start("cpp_locks.cpp", "lost-promise");
    let report = case.expect(VerdictKind::WaitForEvent);
    assert_eq!(root(&report).1, Some(case.the("root")));
}
