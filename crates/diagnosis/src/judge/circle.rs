//! Circles of waits as findings: what they are called, how sure they are, and how they are told from each member on.
//!
//! Each circle is judged once, however many threads lead to it. One of whose members ran meanwhile, or waits for other
//! things too, is none.

use std::collections::HashMap;

use super::dead;
use super::finding::{End, Found, Step};
use super::whole;
use crate::graph::{self, Graph, Node};
use crate::scene::{Doing, Pace, Scene, Thread, Wait};
use crate::verdict::{Evidence, Strength, VerdictKind};

/// As many members of one circle as are told.
const MOST_TOLD: usize = 64;

/// The circles of a graph.
#[derive(Debug, Default)]
pub(super) struct Circles {
    circles: Vec<Circle>,
    /// By the place of a member in the graph: its circle, and where in it.
    members: HashMap<usize, (usize, usize)>,
}

#[derive(Debug)]
struct Circle {
    kind: VerdictKind,
    strength: Strength,
    steps: Vec<Step>,
}

impl Circles {
    /// Those along edges that are at least strong.
    pub(super) fn of(scene: &Scene, graph: &Graph) -> Circles {
        let mut circles = Circles::default();
        for places in graph::cycles(graph, Strength::Strong) {
            let Some(circle) = judged(scene, graph, &places) else {
                continue;
            };
            for (nth, step) in circle.steps.iter().enumerate() {
                if let Some(place) = graph.place(&step.who) {
                    circles.members.insert(place, (circles.circles.len(), nth));
                }
            }
            circles.circles.push(circle);
        }
        circles
    }

    /// What a member of a circle is kept by; none for those of no circle.
    pub(super) fn found(&self, scene: &Scene, place: usize) -> Option<Found> {
        let (nth, from) = *self.members.get(&place)?;
        let circle = &self.circles[nth];
        let around = circle
            .steps
            .iter()
            .cycle()
            .skip(from)
            .take(circle.steps.len());
        let chain: Vec<Step> = around.take(MOST_TOLD).cloned().collect();
        let evidence: Vec<Evidence> = chain
            .iter()
            .flat_map(|step| {
                let own = thread(scene, &step.who).map(|thread| thread.evidence.clone());
                own.into_iter()
                    .flatten()
                    .chain(whole::told(scene, step.through.as_ref()))
            })
            .take(MOST_TOLD)
            .collect();
        let mut found = Found::end(
            chain.first()?.who.clone(),
            End::Cause(circle.kind),
            circle.strength,
        );
        found.circle = Some(nth);
        found.cycle = chain.iter().map(|step| step.who.clone()).collect();
        found.chain = chain;
        Some(found.with(evidence))
    }
}

fn judged(scene: &Scene, graph: &Graph, places: &[usize]) -> Option<Circle> {
    let mut steps: Vec<Step> = Vec::new();
    let mut strength = Strength::Certain;
    // Begin with a thread, so that every thing has somebody before it who waits for it.
    let first = places
        .iter()
        .position(|place| matches!(graph.at(*place), Node::Thread { .. }))?;
    let around = || places.iter().cycle().skip(first);
    for (place, next) in around().zip(around().skip(1)).take(places.len()) {
        let edge = graph.from(*place).find(|edge| edge.to == *next)?;
        strength = strength.min(edge.strength);
        let node = graph.at(*place);
        let Some(thread) = thread(scene, node) else {
            if let (Some(step), None) = (steps.last_mut(), node.actor()) {
                step.through = Some(node.clone());
                step.strength = step.strength.min(edge.strength);
            }
            continue;
        };
        // Who waits for several things at once is not held by one of them.
        let has_choice = matches!(&thread.wait, Wait::Any { sources, .. } if sources.len() != 1);
        if thread.pace != Pace::Still || has_choice {
            return None;
        }
        if thread.wait.is_timed() {
            strength = strength.min(Strength::Strong);
        }
        steps.push(Step {
            who: node.clone(),
            through: None,
            strength: edge.strength,
        });
    }
    if has_other_hands(scene, &steps) {
        return None;
    }
    Some(Circle {
        kind: kind(scene, &steps),
        strength,
        steps,
    })
}

fn thread<'a>(scene: &'a Scene, node: &Node) -> Option<&'a Thread> {
    let (pid, tid) = node.actor()?;
    scene.thread(pid, tid?)
}

/// A process that waits at a pipe of its own may have another thread, or a signal's handler, for its other end.
fn has_other_hands(scene: &Scene, steps: &[Step]) -> bool {
    let [
        Step {
            who: Node::Thread { pid, .. },
            through: Some(Node::Pipe { .. }),
            ..
        },
    ] = steps
    else {
        return false;
    };
    let process = scene.processes.get(pid);
    process.is_none_or(|process| process.threads.len() > 1 || dead::handles_signals(process))
}

fn kind(scene: &Scene, steps: &[Step]) -> VerdictKind {
    let waits: Vec<&Wait> = steps
        .iter()
        .filter_map(|step| thread(scene, &step.who))
        .map(|thread| &thread.wait)
        .collect();
    let at_pipe = |wanted: Doing| {
        waits
            .iter()
            .any(|wait| matches!(wait, Wait::Pipe { doing, .. } if *doing == wanted))
    };
    let waits_for_child = waits.iter().any(|wait| matches!(wait, Wait::Child { .. }));
    if at_pipe(Doing::Send) {
        return VerdictKind::PipeFull;
    }
    if at_pipe(Doing::Receive) && (steps.len() == 1 || waits_for_child) {
        return VerdictKind::PipeHeldOpen;
    }
    match steps {
        [
            Step {
                through: Some(Node::File { .. }),
                ..
            },
        ] => VerdictKind::FileLock,
        [_] => VerdictKind::SelfDeadlock,
        [..] => VerdictKind::Deadlock,
    }
}
