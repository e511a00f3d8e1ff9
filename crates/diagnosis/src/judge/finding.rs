//! What judging finds: one cause, the chain that leads to it, and what it rests on.

use std::time::Duration;

use crate::graph::Node;
use crate::verdict::{Evidence, Strength, VerdictKind};

/// One cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong.
    pub kind: VerdictKind,
    /// How sure that is: as sure as the weakest link of the chain.
    pub strength: Strength,
    /// From a thread of the process asked about to the root, which is its last step.
    pub chain: Vec<Step>,
    /// The members of a circle, each waiting for the next, the last for the first.
    pub cycle: Vec<Node>,
    /// How many threads of the processes asked about it keeps.
    pub harmed: usize,
    /// Since when, if the system keeps that.
    pub since: Option<Duration>,
    /// What it rests on, the most telling first.
    pub evidence: Vec<Evidence>,
    /// Other explanations of the same facts, for findings that are not sure.
    pub alternatives: Vec<&'static str>,
}

/// One step of a chain: who, and what keeps him.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// A thread, a process, or somebody outside.
    pub who: Node,
    /// The thing between him and the next, if there is one.
    pub through: Option<Node>,
    /// How sure it is that the next step is what he waits for.
    pub strength: Strength,
}

/// What is at the end of a chain when it is no cause by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// A cause.
    Cause(VerdictKind),
    /// It sleeps; for so long, if that is known.
    Asleep(Option<Duration>),
    /// It runs all the time.
    Busy,
    /// It runs all the time, in the same few instructions.
    Circling,
    /// It lives and moves on.
    Working,
    /// It waits for work, as it should.
    Awaits,
    /// It waits for something that was not understood.
    Unclear,
}

impl End {
    /// The most telling first.
    pub(super) fn order(self) -> u32 {
        match self {
            End::Cause(kind) => kind as u32,
            End::Circling => 100,
            End::Busy => 101,
            End::Asleep(_) => 102,
            End::Unclear => 103,
            End::Working => 104,
            End::Awaits => 105,
        }
    }
}

/// What following one node found.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) end: End,
    pub(super) strength: Strength,
    pub(super) chain: Vec<Step>,
    pub(super) cycle: Vec<Node>,
    /// Which circle that is.
    pub(super) circle: Option<usize>,
    pub(super) evidence: Vec<Evidence>,
    pub(super) since: Option<Duration>,
    pub(super) alternatives: Vec<&'static str>,
}

impl Found {
    /// At the end of a chain.
    pub(super) fn end(who: Node, end: End, strength: Strength) -> Found {
        Found {
            end,
            strength,
            chain: vec![Step {
                who,
                through: None,
                strength,
            }],
            cycle: Vec::new(),
            circle: None,
            evidence: Vec::new(),
            since: None,
            alternatives: Vec::new(),
        }
    }

    /// The same with evidence.
    pub(super) fn with(mut self, evidence: impl IntoIterator<Item = Evidence>) -> Found {
        self.evidence.extend(evidence);
        self
    }
}
