//! What goes on between processes: pipes, locks on files, children, connections, limits, signals.

use std::path::PathBuf;
use std::process::Command;

use aplomb_diagnosis::scene::Question;
use aplomb_diagnosis::{Report, Strength, VerdictKind};

use crate::stage::{Case, chain, cycle, root};

fn start(name: &str) -> Case {
    Case::start("between.c", name)
}

/// Asks the case; the root must be the process it named, or itself if it named none.
#[track_caller]
fn rooted(name: &str, kind: VerdictKind) -> Report {
    let case = start(name);
    let report = case.expect(kind);
    let expected = case.said("root").first().copied().unwrap_or(case.pid());
    assert_eq!(
        root(&report).0,
        Some(expected),
        "{name}: {}",
        report.summary
    );
    report
}

#[test]
fn a_pipe_is_full_and_its_reader_sleeps() {
    let report = rooted("pipe-full", VerdictKind::PipeFull);
    assert_eq!(report.confidence, Strength::Certain);
    assert_eq!(report.chain.len(), 2);
}

#[test]
fn a_parent_waits_for_a_child_whose_output_it_does_not_read() {
    let case = start("pipe-unread");
    let report = case.expect(VerdictKind::PipeFull);
    let mut members = vec![case.pid(), case.the("writer")];
    members.sort_unstable();
    assert_eq!(cycle(&report), members, "{}", report.summary);
    let asked_of_the_child =
        case.expect_of(case.the("writer"), Question::Hang, VerdictKind::PipeFull);
    assert_eq!(root(&asked_of_the_child).0, Some(case.pid()));
}

#[test]
fn a_process_fills_its_own_pipe() {
    rooted("pipe-to-itself", VerdictKind::PipeFull);
}

#[test]
fn the_end_of_a_pipe_never_comes() {
    let report = rooted("pipe-held-open", VerdictKind::PipeHeldOpen);
    assert!(report.confidence < Strength::Certain);
    rooted("pipe-own-end", VerdictKind::PipeHeldOpen);
}

#[test]
fn locks_on_files_of_every_kind_lead_to_their_holder() {
    for name in ["file-posix", "file-flock", "file-description"] {
        let report = rooted(name, VerdictKind::FileLock);
        assert_eq!(report.confidence, Strength::Certain, "{name}");
    }
}

#[test]
fn children_are_followed() {
    rooted("waits-for-child", VerdictKind::ChildWait);
    rooted("waits-for-spinner", VerdictKind::ChildWait);
    rooted("waits-for-stopped", VerdictKind::Stopped);
}

#[test]
fn children_that_ended_are_not_reaped() {
    rooted("never-reaps", VerdictKind::ChildNotReaped);
}

#[test]
fn a_server_on_this_host_does_not_answer() {
    let report = rooted("server-sleeps", VerdictKind::DownstreamSlow);
    assert_eq!(report.confidence, Strength::Certain, "{}", report.summary);
    rooted("server-spins", VerdictKind::DownstreamSlow);
    rooted("unix-sleeps", VerdictKind::DownstreamSlow);
    rooted("never-accepted", VerdictKind::DownstreamSlow);
}

#[test]
fn the_peers_own_trouble_is_the_cause() {
    rooted("server-stopped", VerdictKind::Stopped);
    rooted("server-deadlocked", VerdictKind::SelfDeadlock);
}

#[test]
fn both_ends_wait_for_the_other() {
    let report = rooted("server-reads", VerdictKind::NetWait);
    assert!(report.confidence < Strength::Certain);
}

#[test]
fn a_chain_over_three_processes_leads_to_the_last() {
    let case = start("chain-of-three");
    let report = case.expect(VerdictKind::DownstreamSlow);
    assert_eq!(
        chain(&report),
        [case.pid(), case.the("via"), case.the("root")]
    );
}

#[test]
fn a_peer_that_does_not_read_stops_the_writer() {
    rooted("send-full", VerdictKind::DownstreamSlow);
}

#[test]
fn nobody_accepts() {
    rooted("queue-full", VerdictKind::BacklogFull);
}

#[test]
fn nobody_reads_the_questions() {
    rooted("loop-sleeps", VerdictKind::EventLoopBlocked);
}

#[test]
fn limits_are_told() {
    rooted("out-of-files", VerdictKind::FdExhausted);
    rooted("out-of-memory", VerdictKind::MemoryExhausted);
}

#[test]
fn what_is_stopped_is_stopped() {
    let report = rooted("stopped", VerdictKind::Stopped);
    assert_eq!(report.confidence, Strength::Certain);
}

#[test]
fn why_it_does_not_stop() {
    let stop = |name: &str, kind| {
        let case = start(name);
        case.expect_of(case.pid(), Question::Stop, kind)
    };
    assert_eq!(
        stop("ignores", VerdictKind::SignalIgnored).confidence,
        Strength::Certain
    );
    assert_eq!(
        stop("blocks", VerdictKind::SignalBlocked).confidence,
        Strength::Certain
    );
    let report = stop("cleans-up", VerdictKind::CleanupRunning);
    assert!(
        report.summary.contains("asked to end"),
        "{}",
        report.summary
    );
}

#[test]
fn who_goes_round_is_told_with_the_place() {
    let case = start("circles");
    let report = case.expect(VerdictKind::CpuSpin);
    assert_eq!(report.confidence, Strength::Weak, "{}", report.summary);
    let function = report.root.and_then(|root| root.function);
    assert_eq!(function.as_deref(), Some("spinner"));
}

#[test]
fn the_first_process_of_a_namespace_is_not_ended_by_a_signal() {
    // Making a namespace is a right not everyone has.
    let allowed = Command::new("unshare")
        .args(["--pid", "--fork", "true"])
        .status();
    if !allowed.is_ok_and(|status| status.success()) {
        return;
    }
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "sh", "-c", "echo ready; exec sleep 1000"]);
    let case = Case::run("pid-1", command);
    let children = format!("/proc/{0}/task/{0}/children", case.pid());
    let child = std::fs::read_to_string(children).expect("a kernel that lists children");
    let child = child.trim().parse().expect("one child");
    let report = case.expect_of(child, Question::Stop, VerdictKind::Pid1Signal);
    assert_eq!(root(&report).0, Some(child));
    assert_eq!(report.confidence, Strength::Certain);
}

/// A control group of either version whose members are frozen; thawed and removed when dropped.
struct Freezer {
    group: PathBuf,
    state: &'static str,
    words: (&'static str, &'static str),
}

impl Freezer {
    /// None without the right to make one.
    fn make(name: &str) -> Option<Freezer> {
        let kinds = [
            (
                "/sys/fs/cgroup/freezer",
                "freezer.state",
                ("FROZEN", "THAWED"),
            ),
            ("/sys/fs/cgroup", "cgroup.freeze", ("1", "0")),
        ];
        kinds.into_iter().find_map(|(mount, state, words)| {
            let group =
                PathBuf::from(mount).join(format!("aplomb-case-{name}-{}", std::process::id()));
            std::fs::create_dir(&group).ok()?;
            let freezer = Freezer {
                group,
                state,
                words,
            };
            freezer.group.join(state).exists().then_some(freezer)
        })
    }

    fn freeze(&self, pid: u32) {
        std::fs::write(self.group.join("cgroup.procs"), pid.to_string()).expect("a member");
        std::fs::write(self.group.join(self.state), self.words.0).expect("frozen");
    }
}

impl Drop for Freezer {
    fn drop(&mut self) {
        let _ = std::fs::write(self.group.join(self.state), self.words.1);
        let members =
            || std::fs::read_to_string(self.group.join("cgroup.procs")).unwrap_or_default();
        for _ in 0..200 {
            if members().is_empty() && std::fs::remove_dir(&self.group).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }
}

#[test]
fn what_is_frozen_is_frozen() {
    let Some(freezer) = Freezer::make("frozen") else {
        return;
    };
    let case = start("circles");
    freezer.freeze(case.pid());
    let report = case.expect(VerdictKind::Frozen);
    assert_eq!(root(&report).0, Some(case.pid()));
    assert_eq!(report.confidence, Strength::Certain);
    // Killed while frozen it would not end before it is thawed.
    std::fs::write(freezer.group.join(freezer.state), freezer.words.1).expect("thawed");
    drop(case);
}
