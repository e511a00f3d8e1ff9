//! The service control manager, driven by `sc` as an administrator would. Pause and continue have no verb in Wine's `sc`, so
//! they are left to a real Windows.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::process::PATIENCE;

const NAME: &str = "AplombLifecycleVictim";

fn sc(words: &[&str]) -> String {
    let output = Command::new("sc").args(words).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Removes the service whatever happens.
struct Service;

impl Drop for Service {
    fn drop(&mut self) {
        sc(&["stop", NAME]);
        sc(&["delete", NAME]);
    }
}

pub(crate) fn story() {
    let report = std::env::temp_dir().join(format!("aplomb-service-{}.json", std::process::id()));
    let own = std::env::current_exe().unwrap();
    let command = format!("\"{}\" --service={}", own.display(), report.display());
    let _service = Service;
    sc(&["create", NAME, "binPath=", &command]);
    sc(&["start", NAME]);
    until("RUNNING");
    sc(&["stop", NAME]);
    until("STOPPED");
    let text = std::fs::read_to_string(&report).unwrap();
    std::fs::remove_file(&report).ok();
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&report["cause"]["kind"], &report["cause"]["signal"]),
        (&"service-control".into(), &"STOP".into())
    );
    assert_eq!(report["exit"], 0);
}

/// The service control manager tells nobody; it has to be asked.
fn until(state: &str) {
    let begun = Instant::now();
    loop {
        let answer = sc(&["query", NAME]);
        if answer.contains(state) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "not {state}: {answer}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
