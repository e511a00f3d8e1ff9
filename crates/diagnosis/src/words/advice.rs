//! One thing to do about a verdict, and one that keeps it from coming back.

use crate::judge::Finding;
use crate::verdict::VerdictKind;

/// One thing to do; none where nothing is wrong.
pub(crate) fn advice(finding: &Finding) -> Option<String> {
    let root = finding.root().and_then(|root| root.actor());
    let pid = root.map_or_else(|| "PID".to_owned(), |(pid, _)| pid.to_string());
    let text = match finding.kind {
        VerdictKind::Frozen => "thaw its control group (`echo 0 > …/cgroup.freeze`)".to_owned(),
        VerdictKind::Stopped => format!("`kill -CONT {pid}`, or detach the debugger"),
        VerdictKind::SignalBlocked => {
            "unblock SIGTERM in the program, or stop it by another signal (`stop.plan`)".into()
        }
        VerdictKind::SignalIgnored => {
            "handle SIGTERM in the program, or stop it by another signal (`stop.plan`)".into()
        }
        VerdictKind::Pid1Signal => "handle SIGTERM in the program, or put an init before it".into(),
        VerdictKind::Deadlock => "restart it; take these locks in one order everywhere".into(),
        VerdictKind::SelfDeadlock => {
            "restart it; do not take the lock again while holding it".into()
        }
        VerdictKind::OrphanedLock => {
            "restart it; give the lock back before the thread ends, or make it robust".into()
        }
        VerdictKind::DiskWait => {
            "look at the disk or network file system it waits for; no signal ends this".into()
        }
        VerdictKind::CpuSpin => format!("look at what it does: `perf top -p {pid}`"),
        VerdictKind::EventLoopBlocked => {
            "move that work out of the thread that serves connections".into()
        }
        VerdictKind::DbLock => "end that transaction, and give transactions a time limit".into(),
        VerdictKind::FileLock => format!("end process {pid}, or wait until it gives the lock back"),
        VerdictKind::PipeFull => format!("let process {pid} read, or write without waiting"),
        VerdictKind::PipeHeldOpen => format!("end process {pid}, or close its copy of the pipe"),
        VerdictKind::DownstreamSlow => {
            format!("see why process {pid} does not answer; give requests a time limit")
        }
        VerdictKind::NetWait => "look at the peer; give requests a time limit".into(),
        VerdictKind::FdExhausted => {
            format!("see what is left open (`ls -l /proc/{pid}/fd`), or raise the limit")
        }
        VerdictKind::ThreadExhausted => "see what threads it starts, or raise the limit".into(),
        VerdictKind::MemoryExhausted => "see what it keeps in memory, or raise the limit".into(),
        VerdictKind::BacklogFull => "let it accept again; a longer queue only hides it".into(),
        VerdictKind::LockHeld => "do not sleep or wait for others while holding a lock".into(),
        VerdictKind::LockConvoy => "hold the lock for a shorter time, or have more than one".into(),
        VerdictKind::ChildWait => {
            format!("see why its child does not end: `aplomb why --pid {pid}`")
        }
        VerdictKind::ChildNotReaped => "reap children in the program (`waitpid`)".into(),
        VerdictKind::WaitForEvent => {
            "restart it; signal while holding the lock, and wait in a loop over the condition"
                .into()
        }
        VerdictKind::ThreadJoin => "tell that thread to end before waiting for it".into(),
        VerdictKind::CleanupRunning => "give it more time, or see what it does with `--raw`".into(),
        VerdictKind::Idle => return None,
        VerdictKind::Unknown => "`--raw` shows every thread".into(),
    };
    Some(text)
}
