//! `aplomb why`: of any process without an engine, of a service with one.

use std::process::{Child, Command, Stdio};

use crate::home::Home;

/// A process that sleeps, killed when dropped.
struct Sleeper(Child);

impl Sleeper {
    fn start() -> Sleeper {
        let child = Command::new("sleep")
            .arg("1000")
            .stdout(Stdio::null())
            .spawn();
        Sleeper(child.expect("runs"))
    }

    fn pid(&self) -> String {
        self.0.id().to_string()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn of_any_process_it_needs_no_engine() {
    let home = Home::new();
    let sleeper = Sleeper::start();
    let said = home.run(&["why", "--pid", &sleeper.pid()]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(
        said.out.contains("is not stuck as far as can be seen"),
        "{}",
        said.out
    );
    assert!(
        said.out.contains("nothing was stopped or signalled"),
        "{}",
        said.out
    );

    let said = home.run(&["why", "--pid", &sleeper.pid(), "--json"]);
    let report: serde_json::Value = serde_json::from_str(&said.out).expect("JSON");
    assert_eq!(report["verdict"], "idle");
    for key in [
        "root",
        "chain",
        "cycle",
        "confidence",
        "summary",
        "evidence",
        "limits",
        "cost",
    ] {
        assert!(report.get(key).is_some(), "{key}");
    }

    let drawing = home.run(&["why", "--pid", &sleeper.pid(), "--graph"]).out;
    assert!(drawing.starts_with("digraph why {"), "{drawing}");
    let threads = home.run(&["why", "--pid", &sleeper.pid(), "--raw"]).out;
    assert!(threads.contains("nanosleep"), "{threads}");
}

#[test]
fn a_stopped_process_is_told_so() {
    let home = Home::new();
    let sleeper = Sleeper::start();
    let pid = rustix::process::Pid::from_raw(sleeper.0.id() as i32).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).expect("stopped");
    let said = home.run(&["why", "--pid", &sleeper.pid()]).out;
    assert!(said.contains("is stuck because"), "{said}");
    assert!(said.contains("kill -CONT"), "{said}");
}

#[test]
fn whom_there_is_not_cannot_be_asked_about() {
    let home = Home::new();
    assert_eq!(home.run(&["why"]).code, 2);
    assert_eq!(home.run(&["why", "web", "--pid", "1"]).code, 2);
    let said = home.run(&["why", "--pid", "4194305"]);
    assert_eq!(said.code, 3);
    assert!(
        said.err.contains("there is no process 4194305"),
        "{}",
        said.err
    );
    assert_eq!(home.run(&["why", "--name", "no-such-program"]).code, 3);
    assert_eq!(home.run(&["why", "web"]).code, 69, "without an engine");
}
