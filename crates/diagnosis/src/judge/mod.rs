//! Judges a scene: follows every wait of the processes asked about to its end, adds what is wrong with them as a whole,
//! and says which of it is the cause.
//!
//! Nothing is invented: what fits nothing known is *unknown*, what waits for work is *idle*, and a finding is only as
//! sure as the weakest link of its chain. The words for it are made elsewhere (`words`).

mod alone;
mod chain;
mod circle;
mod dead;
mod finding;
mod meaning;
mod whole;

use std::cmp::Reverse;
use std::collections::HashMap;

use crate::graph::{self, Graph, Node};
use crate::scene::{Pace, Process, Question, Scene, Thread};
use crate::verdict::{Evidence, Strength, VerdictKind};
use chain::Follower;
use finding::{End, Found};
pub use finding::{Finding, Step};

/// The judgement of a scene.
#[derive(Debug, Clone)]
pub struct Judgement {
    /// The cause, or that there is none.
    pub main: Finding,
    /// What else was found, the most telling first.
    pub others: Vec<Finding>,
    /// Questions that processes asked about have been asked and not answered.
    pub owed: usize,
}

/// Judges a scene.
pub fn judge(scene: &Scene) -> (Judgement, Graph) {
    let graph = graph::build(scene);
    let mut judge = Judge {
        scene,
        follower: Follower::new(scene, &graph),
        findings: Vec::new(),
        places: HashMap::new(),
        of_processes: Vec::new(),
        ends: Vec::new(),
    };
    for pid in &scene.asked {
        if let Some(process) = scene.processes.get(pid) {
            judge.process(process);
        }
    }
    let judgement = judge.conclude();
    (judgement, graph)
}

struct Judge<'a> {
    scene: &'a Scene,
    follower: Follower<'a>,
    findings: Vec<Finding>,
    /// Where the finding stands that has this verdict and this circle, or this root.
    places: HashMap<(VerdictKind, Option<usize>, Option<Node>), usize>,
    /// What is wrong with processes as a whole.
    of_processes: Vec<Finding>,
    /// How the threads without a finding stand.
    ends: Vec<Found>,
}

impl Judge<'_> {
    fn process(&mut self, process: &Process) {
        let is_missed = process.threads.len() == 1 && whole::is_missed(self.scene, process);
        for thread in &process.threads {
            let mut found = self.follower.thread(process.pid, thread.tid);
            found.end = self.lonely(thread, found.end, is_missed, &mut found.strength);
            match found.end {
                End::Cause(kind) => self.add(kind, found),
                End::Asleep(_)
                | End::Busy
                | End::Circling
                | End::Working
                | End::Awaits
                | End::Unclear => self.ends.push(found),
            }
        }
        self.of_processes
            .extend(whole::findings(self.scene, process));
    }

    /// A thread that runs without a pause is a cause only if somebody waits for it, or if it gets nowhere.
    fn lonely(&self, thread: &Thread, end: End, is_missed: bool, strength: &mut Strength) -> End {
        let is_running = matches!(thread.pace, Pace::Busy | Pace::Circling);
        let limit = match end {
            End::Circling => Strength::Weak,
            End::Busy if is_running && (is_missed || self.scene.question != Question::Hang) => {
                Strength::Strong
            }
            End::Busy
            | End::Cause(_)
            | End::Asleep(_)
            | End::Working
            | End::Awaits
            | End::Unclear => return end,
        };
        *strength = limit.min(*strength);
        End::Cause(VerdictKind::CpuSpin)
    }

    /// Adds what a thread is kept by; threads with the same root, or the same circle, are counted together.
    fn add(&mut self, kind: VerdictKind, found: Found) {
        let root = found.chain.last().map(|step| step.who.clone());
        let key = match found.circle {
            Some(circle) => (kind, Some(circle), None),
            None => (kind, None, root),
        };
        let at = *self.places.entry(key).or_insert(self.findings.len());
        let same = self.findings.get_mut(at);
        match same {
            Some(known) => {
                known.harmed += 1;
                known.since = known.since.max(found.since);
                // The longest chain tells most of the way; the surest is kept among equals.
                let is_better =
                    (found.chain.len(), found.strength) > (known.chain.len(), known.strength);
                if is_better && found.strength >= known.strength {
                    *known = finding_of(kind, found, known.harmed);
                }
            }
            None => self.findings.push(finding_of(kind, found, 1)),
        }
    }

    fn conclude(mut self) -> Judgement {
        let owed = self.owed();
        self.findings.append(&mut self.of_processes);
        self.findings.sort_by_key(rank);
        let mut findings = self.findings.into_iter();
        let first = findings.next();
        let main = match first {
            Some(first) => first,
            None => nothing(self.scene, &self.ends, owed),
        };
        Judgement {
            main,
            others: findings.collect(),
            owed,
        }
    }

    fn owed(&self) -> usize {
        let asked = self.scene.asked.iter();
        let processes = asked.filter_map(|pid| self.scene.processes.get(pid));
        processes
            .map(|process| whole::owed(self.scene, process).len())
            .sum()
    }
}

fn finding_of(kind: VerdictKind, found: Found, harmed: usize) -> Finding {
    Finding {
        kind,
        strength: found.strength,
        chain: found.chain,
        cycle: found.cycle,
        harmed,
        since: found.since,
        evidence: found.evidence,
        alternatives: found.alternatives,
    }
}

/// What ends for good before what may pass, the sure before the guessed, many before few.
fn rank(finding: &Finding) -> (bool, u8, Reverse<usize>, VerdictKind) {
    let class = match finding.kind {
        VerdictKind::Frozen
        | VerdictKind::Stopped
        | VerdictKind::SignalBlocked
        | VerdictKind::Deadlock
        | VerdictKind::SelfDeadlock
        | VerdictKind::OrphanedLock => 0,
        VerdictKind::SignalIgnored | VerdictKind::Pid1Signal
            if finding.strength == Strength::Weak =>
        {
            4
        }
        VerdictKind::SignalIgnored | VerdictKind::Pid1Signal => 0,
        VerdictKind::DiskWait
        | VerdictKind::CpuSpin
        | VerdictKind::EventLoopBlocked
        | VerdictKind::DbLock
        | VerdictKind::FileLock
        | VerdictKind::PipeFull
        | VerdictKind::PipeHeldOpen
        | VerdictKind::DownstreamSlow
        | VerdictKind::NetWait
        | VerdictKind::FdExhausted
        | VerdictKind::ThreadExhausted
        | VerdictKind::MemoryExhausted
        | VerdictKind::BacklogFull
        | VerdictKind::LockHeld
        | VerdictKind::LockConvoy => 1,
        VerdictKind::ChildWait | VerdictKind::ChildNotReaped | VerdictKind::WaitForEvent => 2,
        VerdictKind::ThreadJoin | VerdictKind::CleanupRunning => 3,
        VerdictKind::Idle | VerdictKind::Unknown => 5,
    };
    let is_weak = finding.strength == Strength::Weak;
    (is_weak, class, Reverse(finding.harmed), finding.kind)
}

/// No cause: at rest, on its way to the end it was asked for, or not understood.
fn nothing(scene: &Scene, ends: &[Found], owed: usize) -> Finding {
    let unclear = ends.iter().filter(|found| found.end == End::Unclear);
    let first_is_unclear = ends.first().is_none_or(|found| found.end == End::Unclear);
    let all_unclear = unclear.clone().count() == ends.len();
    let is_unclear = all_unclear || (first_is_unclear && scene.question != Question::Hang);
    let catches = |process: &Process| process.signals.caught & (1 << 14) != 0;
    let asked = scene
        .asked
        .iter()
        .filter_map(|pid| scene.processes.get(pid));
    let is_leaving = scene.question == Question::Stop && asked.clone().any(catches);
    let (kind, strength) = if is_leaving {
        (VerdictKind::CleanupRunning, Strength::Strong)
    } else if is_unclear || first_is_unclear {
        (VerdictKind::Unknown, Strength::Weak)
    } else if owed > 0 {
        (VerdictKind::Idle, Strength::Weak)
    } else {
        (VerdictKind::Idle, Strength::Strong)
    };
    let evidence: Vec<Evidence> = ends
        .iter()
        .flat_map(|found| found.evidence.iter().cloned())
        .take(20)
        .collect();
    let mut finding = Finding {
        kind,
        strength,
        chain: Vec::new(),
        cycle: Vec::new(),
        harmed: 0,
        since: None,
        evidence,
        alternatives: Vec::new(),
    };
    if kind == VerdictKind::Idle && owed > 0 {
        finding
            .alternatives
            .push("answers it owes are kept back on purpose (a long poll), or were forgotten");
    }
    if kind != VerdictKind::Idle {
        finding
            .chain
            .extend(ends.first().and_then(|found| found.chain.first().cloned()));
    }
    finding
}

impl Finding {
    /// Who is the cause: the last step of the chain. None where nothing is wrong.
    pub fn root(&self) -> Option<&Node> {
        self.chain.last().map(|step| &step.who)
    }
}
