//! The engine and its system as far as the core can tell: which answers are owed, which processes live.
//!
//! It checks what an engine relies on: one run of an instance at a time, no action for a run that is over, nothing
//! stopped that was not begun, exactly one `Uproot` per run. What happens next is chosen elsewhere: by a story's
//! actors, by the explorer, or by chance.

use std::collections::{BTreeMap, BTreeSet};
use std::format;
use std::string::String;
use std::vec::Vec;

use crate::spec::{Reload, Spec, Whom};
use crate::{Action, Do, Fact, InstanceId, RunEvent, RunId, Signal, Target, Task, World};

/// One run as the engine sees it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Tree {
    /// Answers owed to the core.
    pub conditions: bool,
    pub spawning: BTreeSet<Task>,
    pub finding: bool,
    pub freezing: bool,
    pub thawing: bool,
    pub explaining: bool,
    pub watching: bool,
    /// What goes on until it is called off.
    pub proving: bool,
    pub health: bool,
    /// Programs of ours that live, and processes they left behind.
    pub alive: BTreeSet<Task>,
    pub strays: u8,
    /// Who was asked to end, and who was killed.
    pub asked: Option<Target>,
    pub killed: Option<Target>,
    /// Asked by signal to read its settings again.
    pub reloading: bool,
    /// Everything of it is to be gone when the run is over.
    whole: bool,
}

impl Tree {
    pub(super) fn is_empty(&self) -> bool {
        self.alive.is_empty() && self.strays == 0 && self.spawning.is_empty()
    }

    pub(super) fn main(&self) -> Option<Task> {
        self.alive
            .iter()
            .copied()
            .find(|task| matches!(task, Task::Main(_)))
    }

    /// Something will be told without any time passing.
    pub(super) fn owes_answer(&self) -> bool {
        self.conditions
            || !self.spawning.is_empty()
            || self.finding
            || self.freezing
            || self.thawing
            || self.explaining
            || (self.watching && self.is_empty())
    }
}

/// Everything the engine holds.
#[derive(Debug, Clone, Default)]
pub(super) struct Engine {
    pub runs: BTreeMap<InstanceId, (RunId, Tree)>,
    latest: BTreeMap<InstanceId, RunId>,
    pub begun: u64,
    pub uprooted: u64,
    pub finished: u32,
    pub shutdown_codes: Vec<u32>,
    /// Those told to be beyond any power.
    pub unkillable: BTreeSet<InstanceId>,
}

impl Engine {
    pub(super) fn tree(&mut self, id: InstanceId, run: RunId) -> Option<&mut Tree> {
        let (current, tree) = self.runs.get_mut(&id)?;
        (*current == run).then_some(tree)
    }

    /// Takes an action, or says which rule it breaks.
    pub(super) fn take(&mut self, action: &Action, world: &World) -> Result<(), String> {
        match action {
            Action::Run { instance, run, act } => self.act(*instance, *run, act, world),
            Action::Tell { instance, fact, .. } => {
                if *fact == Fact::Failed(crate::Because::Unkillable) {
                    self.unkillable.insert(*instance);
                }
                Ok(())
            }
            Action::Shutdown { code, .. } => {
                self.shutdown_codes.push(*code);
                Ok(())
            }
            Action::Finished => {
                self.finished += 1;
                rule(self.finished == 1, || "finished is told twice")
            }
        }
    }

    fn act(&mut self, id: InstanceId, run: RunId, act: &Do, world: &World) -> Result<(), String> {
        let latest = self.latest.get(&id).copied();
        match self.runs.get(&id) {
            Some((current, _)) => rule(
                *current == run,
                || "two runs of one instance, or an action for one that is over",
            )?,
            None => {
                rule(
                    latest.is_none_or(|latest| latest < run),
                    || "an action for a run that is over",
                )?;
                self.latest.insert(id, run);
                self.begun += 1;
                let spec = world.standing(id).map(|it| it.spec.clone());
                let tree = Tree {
                    whole: spec.is_some_and(|spec| ends_whole_trees(&spec)),
                    ..Tree::default()
                };
                self.runs.insert(id, (run, tree));
            }
        }
        let Some((_, tree)) = self.runs.get_mut(&id) else {
            return Ok(());
        };
        match act {
            Do::CheckConditions => begin(&mut tree.conditions, "conditions are checked twice"),
            Do::Spawn(task) => {
                let mut all = tree.alive.union(&tree.spawning);
                let ours = all.find(|task| !matches!(task, Task::Main(_)));
                rule(ours.is_none(), || {
                    format!("{task:?} is spawned while {ours:?} runs")
                })?;
                let twice = tree.alive.contains(task) || !tree.spawning.insert(*task);
                rule(!twice, || format!("{task:?} is spawned twice"))
            }
            Do::Abandon(task) => rule(
                tree.alive.remove(task) || tree.spawning.remove(task),
                || format!("{task:?} is abandoned and does not run"),
            ),
            Do::FindMain => begin(&mut tree.finding, "the main process is looked for twice"),
            Do::Prove => begin(&mut tree.proving, "proof is looked for twice"),
            Do::StopProving => end(
                &mut tree.proving,
                "proof is called off that nobody looks for",
            ),
            Do::WatchHealth => begin(&mut tree.health, "health is watched twice"),
            Do::StopWatchingHealth => end(
                &mut tree.health,
                "a health probe is called off that does not run",
            ),
            Do::Signal(signal, target) => {
                let spec = world.standing(id).map(|it| it.spec.clone());
                if *signal == Signal::KILL {
                    tree.killed = Some(*target);
                } else if spec.is_some_and(|spec| reloads(&spec, *signal)) {
                    tree.reloading = true;
                } else if *signal != Signal::CONT {
                    tree.asked = Some(*target);
                }
                Ok(())
            }
            Do::Request(_) => {
                tree.asked = Some(Target::Tree);
                Ok(())
            }
            Do::Kill(target) => {
                tree.killed = Some(*target);
                Ok(())
            }
            // Each takes back the other, answered or not.
            Do::Freeze => {
                tree.thawing = false;
                begin(&mut tree.freezing, "frozen twice")
            }
            Do::Thaw => {
                tree.freezing = false;
                tree.thawing = true;
                Ok(())
            }
            Do::Explain(_) => {
                tree.explaining = true;
                Ok(())
            }
            Do::WatchTree => {
                tree.watching = true;
                Ok(())
            }
            Do::Uproot => self.uproot(id),
        }
    }

    fn uproot(&mut self, id: InstanceId) -> Result<(), String> {
        let Some((_, tree)) = self.runs.remove(&id) else {
            return Err("uprooted twice".into());
        };
        self.uprooted += 1;
        rule(
            !tree.proving,
            || "a run is over whose proof is still looked for",
        )?;
        rule(
            !tree.health,
            || "a run is over whose health is still watched",
        )?;
        rule(!tree.whole || tree.is_empty(), || {
            format!("a tree is let go of that is not empty: {tree:?}")
        })
    }
}

/// Whether everything of a run is to be gone when it is over.
fn ends_whole_trees(spec: &Spec) -> bool {
    matches!(spec.stop.whom, Whom::Tree | Whom::Mixed) && spec.stop.kill.is_some()
}

/// Whether this signal asks for no end.
pub(super) fn reloads(spec: &Spec, signal: Signal) -> bool {
    match &spec.reload {
        Reload::Signal(by) | Reload::Notify(by) => *by == signal,
        Reload::Impossible | Reload::Commands(_) => false,
    }
}

/// Applies what happened to the processes, so that what is told and what is so agree.
pub(super) fn follow(tree: &mut Tree, what: &RunEvent) {
    match what {
        RunEvent::Conditions(_) => tree.conditions = false,
        RunEvent::Spawned(task) => {
            tree.spawning.remove(task);
            tree.alive.insert(*task);
        }
        RunEvent::SpawnFailed(task, _) => {
            tree.spawning.remove(task);
        }
        RunEvent::Ended(task, _) => {
            tree.alive.remove(task);
        }
        RunEvent::MainFound => {
            tree.finding = false;
            if tree.strays > 0 {
                tree.strays -= 1;
                tree.alive.insert(Task::Main(0));
            }
        }
        RunEvent::MainNotFound(_) => tree.finding = false,
        RunEvent::TreeEmpty => tree.watching = false,
        RunEvent::Frozen(_) => tree.freezing = false,
        RunEvent::Thawed(_) => tree.thawing = false,
        RunEvent::Explained => tree.explaining = false,
        RunEvent::Ready
        | RunEvent::ReadyImpossible(_)
        | RunEvent::Health(_)
        | RunEvent::Unheard(_) => {}
        RunEvent::Notify(_) => tree.reloading = false,
    }
}

/// A law holds, or here is how it is broken.
pub(super) fn rule<S: Into<String>>(
    holds: bool,
    otherwise: impl FnOnce() -> S,
) -> Result<(), String> {
    if holds {
        Ok(())
    } else {
        Err(otherwise().into())
    }
}

fn begin(going: &mut bool, otherwise: &str) -> Result<(), String> {
    rule(!core::mem::replace(going, true), || otherwise)
}

fn end(going: &mut bool, otherwise: &str) -> Result<(), String> {
    rule(core::mem::replace(going, false), || otherwise)
}
