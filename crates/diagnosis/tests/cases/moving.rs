//! Processes that end, fork and become others while they are looked at.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use aplomb_diagnosis::scene::Question;
use aplomb_diagnosis::{Budget, Strength, VerdictKind, ask, capture};

/// Short, so that many can be looked at.
const SHORT: Budget = Budget {
    time: std::time::Duration::from_millis(20),
    bytes: 1 << 20,
};

#[test]
fn who_ends_meanwhile_is_never_told_to_be_stuck_for_sure() {
    for nth in 0..150 {
        let lives = format!("0.0{}", nth % 10);
        let child = Command::new("sleep")
            .arg(lives)
            .stdout(Stdio::null())
            .spawn();
        let mut child = child.expect("sleep");
        let report = capture(Question::Hang, &[child.id()], SHORT);
        let is_wrong = report.verdict.is_stuck() && report.confidence == Strength::Certain;
        assert!(!is_wrong, "{}", report.summary);
        child.wait().expect("it ends");
    }
}

#[test]
fn threads_that_come_and_go_do_no_harm() {
    let ends = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ends.load(Ordering::Relaxed) {
                std::thread::spawn(|| {}).join().expect("a thread");
            }
        });
        for _ in 0..50 {
            let report = capture(Question::Hang, &[std::process::id()], SHORT);
            let is_wrong = report.verdict.is_stuck() && report.confidence == Strength::Certain;
            assert!(!is_wrong, "{}", report.summary);
        }
        ends.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_process_that_was_never_there_is_unknown() {
    let answer = ask(Question::Hang, &[4_194_305], Budget::default());
    let report = answer.report();
    assert_eq!(report.verdict, VerdictKind::Unknown);
    assert_eq!(report.root, None);
    assert!(
        report.limits.iter().any(|limit| limit.contains("4194305")),
        "{:?}",
        report.limits
    );
}

#[test]
fn a_capture_keeps_to_its_time() {
    let begun = std::time::Instant::now();
    capture(Question::Stop, &[std::process::id()], Budget::BEFORE_A_KILL);
    let took = begun.elapsed();
    assert!(took < std::time::Duration::from_secs(3), "{took:?}");
}
