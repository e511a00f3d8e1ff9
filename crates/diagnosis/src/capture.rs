//! The way in: a question about processes becomes an answer.

use crate::budget::Budget;
use crate::graph::Graph;
use crate::judge::{self, Judgement};
use crate::report::Report;
use crate::scene::{Question, Scene};
use crate::{system, words};

/// A judged scene, to be told in whichever form is wanted.
#[derive(Debug, Clone)]
pub struct Answer {
    scene: Scene,
    graph: Graph,
    judgement: Judgement,
    name: String,
    budget: Budget,
}

/// Looks at processes and answers within the budget: for whoever only stores the answer.
///
/// Never stops or signals them, and needs no help from them. Processes that do not exist, or may not be looked into, make
/// the answer *unknown*, with the reason among its limits.
pub fn capture(question: Question, pids: &[u32], budget: Budget) -> Report {
    ask(question, pids, budget).report()
}

/// The same, for whoever wants to show more of it.
pub fn ask(question: Question, pids: &[u32], budget: Budget) -> Answer {
    let mut asked: Vec<u32> = Vec::with_capacity(pids.len());
    for pid in pids {
        if !asked.contains(pid) {
            asked.push(*pid);
        }
    }
    Answer::of(system::look(question, &asked, budget), budget)
}

impl Answer {
    /// Judges a scene, recorded or just seen.
    pub fn of(scene: Scene, budget: Budget) -> Answer {
        let (judgement, graph) = judge::judge(&scene);
        let first = scene.asked.first().copied();
        let process = first.and_then(|pid| scene.processes.get(&pid));
        let name = match (process, first) {
            (Some(process), _) => process.name.clone(),
            (None, Some(pid)) => format!("process {pid}"),
            (None, None) => "nobody".to_owned(),
        };
        Answer {
            scene,
            graph,
            judgement,
            name,
            budget,
        }
    }

    /// What the one who asks calls the process: a service's name, say.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Answer {
        self.name = name.into();
        self
    }

    /// What was seen.
    pub fn scene(&self) -> &Scene {
        &self.scene
    }

    /// What it was judged to be.
    pub fn judgement(&self) -> &Judgement {
        &self.judgement
    }

    /// For programs.
    pub fn report(&self) -> Report {
        Report::of(&self.scene, &self.judgement, &self.name, self.budget)
    }

    /// For people.
    pub fn page(&self) -> String {
        words::page(&self.scene, &self.judgement, &self.name)
    }

    /// Every thread that was looked at.
    pub fn raw(&self) -> String {
        words::raw(&self.scene)
    }

    /// The graph, for Graphviz.
    pub fn dot(&self) -> String {
        words::dot(&self.scene, &self.graph, &self.judgement)
    }
}
