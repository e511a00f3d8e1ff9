//! The answer as programs read it. The keys at the top level are part of the interface.

use serde::Serialize;

use crate::budget::Budget;
use crate::graph::Node;
use crate::judge::{Finding, Judgement};
use crate::scene::Scene;
use crate::verdict::{Evidence, Strength, VerdictKind};
use crate::words;

/// What the layout of the report is called; it changes when a key changes its meaning.
const SCHEMA: u32 = 1;

/// An answer, ready to be written as JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The layout.
    pub schema: u32,
    /// `hang`, `stop`, `start` or `health`.
    pub question: &'static str,
    /// The processes asked about.
    pub asked: Vec<u32>,
    /// What is wrong.
    pub verdict: VerdictKind,
    /// How sure that is.
    pub confidence: Strength,
    /// The answer in one sentence.
    pub summary: String,
    /// Who is the cause.
    pub root: Option<Actor>,
    /// From the process asked about to the root.
    pub chain: Vec<Actor>,
    /// Members of a circle of waits.
    pub cycle: Vec<Actor>,
    /// Who suffers from it.
    pub harmed: Harmed,
    /// What else would explain it.
    pub alternatives: Vec<&'static str>,
    /// What the verdict rests on.
    pub evidence: Vec<Evidence>,
    /// One thing to do.
    pub advice: Option<String>,
    /// What else was found.
    pub other_findings: Vec<Other>,
    /// What could not be read, and why.
    pub limits: Vec<String>,
    /// What looking cost.
    pub cost: Cost,
    /// Parts left out to keep within the size asked for.
    pub is_cut: bool,
}

/// A thread, a process, or somebody outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Actor {
    /// The process; none for somebody outside.
    pub pid: Option<u32>,
    /// The thread, where one is known.
    pub tid: Option<u32>,
    /// The name of its program.
    pub process: Option<String>,
    /// The name of the thread.
    pub thread: Option<String>,
    /// The function of the program it is in.
    pub function: Option<String>,
    /// Where somebody outside is.
    pub address: Option<String>,
    /// What it waits for, between it and the next of the chain.
    pub waits_for: Option<String>,
    /// How sure that is.
    pub strength: Strength,
}

/// Who suffers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Harmed {
    /// Threads of the processes asked about that the cause keeps.
    pub threads: usize,
    /// Questions they have not answered.
    pub connections: usize,
    /// Seconds since it began, where the system keeps that.
    pub oldest_s: Option<u64>,
}

/// Something else that was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Other {
    /// What.
    pub verdict: VerdictKind,
    /// How sure that is.
    pub confidence: Strength,
    /// Who is its cause.
    pub root: Option<Actor>,
}

/// What looking cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// Milliseconds.
    pub ms: u64,
    /// Threads looked at.
    pub threads: usize,
    /// Processes looked at.
    pub processes: usize,
    /// Snapshots of each.
    pub snapshots: u32,
    /// Whether anything was stopped for it: never.
    pub stopped: bool,
}

impl Report {
    /// Makes the report of a judgement. `name` is what the one who asks calls the process.
    pub fn of(scene: &Scene, judgement: &Judgement, name: &str, budget: Budget) -> Report {
        let main = &judgement.main;
        let is_cause = main.kind != VerdictKind::Idle;
        let chain = chain(scene, main);
        let mut report = Report {
            schema: SCHEMA,
            question: scene.question.name(),
            asked: scene.asked.clone(),
            verdict: main.kind,
            confidence: main.strength,
            summary: words::sentence(scene, judgement, name),
            root: chain.last().filter(|_| is_cause).cloned(),
            chain,
            cycle: main.cycle.iter().map(|node| actor(scene, node)).collect(),
            harmed: Harmed {
                threads: main.harmed,
                connections: judgement.owed,
                oldest_s: main.since.map(|since| since.as_secs()),
            },
            alternatives: main.alternatives.clone(),
            evidence: main.evidence.clone(),
            advice: words::advice(main),
            other_findings: judgement
                .others
                .iter()
                .map(|other| self::other(scene, other))
                .collect(),
            limits: scene.unseen.clone(),
            cost: Cost {
                ms: u64::try_from(scene.took.as_millis()).unwrap_or(u64::MAX),
                threads: scene.threads(),
                processes: scene.processes.len(),
                snapshots: scene.snapshots,
                stopped: false,
            },
            is_cut: false,
        };
        report.fit(budget.bytes);
        report
    }

    /// The report as JSON, on one line.
    pub fn json(&self) -> String {
        // Nothing in it can fail to be written: no maps, no foreign types.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Leaves out what matters least until it fits.
    fn fit(&mut self, bytes: usize) {
        while self.json().len() > bytes {
            self.is_cut = true;
            let longest = [
                self.other_findings.len(),
                self.evidence.len(),
                self.limits.len(),
                self.cycle.len(),
                self.chain.len(),
            ];
            let (nth, length) = longest
                .into_iter()
                .enumerate()
                .max_by_key(|(nth, length)| (*length, usize::MAX - nth))
                .unwrap_or((0, 0));
            if length <= 1 {
                break;
            }
            let keep = length / 2;
            match nth {
                0 => self.other_findings.truncate(keep),
                1 => self.evidence.truncate(keep),
                2 => self.limits.truncate(keep),
                3 => self.cycle.truncate(keep),
                _ => self.chain.truncate(keep),
            }
        }
    }
}

fn chain(scene: &Scene, finding: &Finding) -> Vec<Actor> {
    let steps = finding.chain.iter().map(|step| {
        let mut actor = actor(scene, &step.who);
        actor.waits_for = step
            .through
            .as_ref()
            .map(|through| words::who(scene, through));
        actor.strength = step.strength;
        actor
    });
    steps.collect()
}

fn other(scene: &Scene, finding: &Finding) -> Other {
    Other {
        verdict: finding.kind,
        confidence: finding.strength,
        root: finding.root().map(|root| actor(scene, root)),
    }
}

fn actor(scene: &Scene, node: &Node) -> Actor {
    let ids = node.actor();
    let pid = ids.map(|(pid, _)| pid);
    let tid = ids.and_then(|(_, tid)| tid);
    let process = pid.and_then(|pid| scene.processes.get(&pid));
    let thread = pid.zip(tid).and_then(|(pid, tid)| scene.thread(pid, tid));
    Actor {
        pid,
        tid,
        process: process.map(|process| words::plain(&process.name)),
        thread: thread.map(|thread| words::plain(&thread.name)),
        function: thread
            .and_then(|thread| thread.function())
            .map(words::plain),
        address: match node {
            Node::Outside { address } => Some(words::plain(address)),
            Node::Thread { .. }
            | Node::Process { .. }
            | Node::Lock { .. }
            | Node::Event { .. }
            | Node::Connection { .. }
            | Node::Pipe { .. }
            | Node::File { .. } => None,
        },
        waits_for: None,
        strength: Strength::Certain,
    }
}
