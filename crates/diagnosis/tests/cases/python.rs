//! Python as the system sees it: sockets, pipes, sleeps. Left out where there is none.

use std::path::Path;
use std::process::Command;

use aplomb_diagnosis::scene::Question;
use aplomb_diagnosis::{Report, VerdictKind};

use crate::stage::{Case, has, root};

fn start(name: &str) -> Option<Case> {
    if !has("python3") {
        return None;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/programs/scripts.py");
    // Not by a launcher's name, which may start another process in its place.
    let python = Command::new("python3")
        .args(["-c", "import sys; print(sys.executable)"])
        .output();
    let python = String::from_utf8(python.expect("python3 runs").stdout).expect("a path");
    let mut command = Command::new(python.trim());
    command.arg(script).arg(name);
    Some(Case::run(name, command))
}

#[test]
fn a_server_of_its_own_sleeps() {
    if let Some(case) = start("slow_server") {
        let report = case.expect(VerdictKind::DownstreamSlow);
        assert_eq!(
            root(&report).0,
            Some(case.the("root")),
            "{}",
            report.summary
        );
    }
}

#[test]
fn a_childs_output_is_not_read() {
    if let Some(case) = start("unread_output") {
        let is_circle = |report: &Report| report.cycle.len() == 2;
        case.expect_that(case.pid(), Question::Hang, VerdictKind::PipeFull, is_circle);
    }
}

#[test]
fn loops_and_consumers_without_work_are_idle() {
    for name in ["idle_loop", "consumers"] {
        if let Some(case) = start(name) {
            case.expect_idle();
        }
    }
}
