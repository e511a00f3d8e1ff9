//! What the system holds for us: which process is which command of which run, which tree is whose.

use std::collections::BTreeMap;

use aplomb_core::{InstanceId, RunId, Task};
use aplomb_platform::{ProcessId, Started, TreeId};

use crate::hooks::HookId;
use crate::prove::ProbeId;

/// Whose process it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    Task(RunId, Task),
    Probe(ProbeId),
    Hook(HookId),
    /// Looks why this run hangs.
    Look(RunId),
}

/// The system's side of one run.
#[derive(Debug)]
pub(crate) struct Run {
    pub instance: InstanceId,
    pub tree: Option<TreeId>,
    pub main: Option<Started>,
    /// The command of ours that runs now, beside or before the main process.
    pub commands: Vec<(Task, Started)>,
    /// Searches for the main process of a program that forked, so far.
    pub searches: u32,
}

/// All runs, and the way back from what the system tells.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    runs: BTreeMap<RunId, Box<Run>>,
    trees: BTreeMap<TreeId, RunId>,
    owners: BTreeMap<ProcessId, Owner>,
}

impl Runs {
    /// The run, made on first mention.
    pub(crate) fn of(&mut self, id: RunId, instance: InstanceId) -> &mut Run {
        self.runs.entry(id).or_insert_with(|| {
            Box::new(Run {
                instance,
                tree: None,
                main: None,
                commands: Vec::new(),
                searches: 0,
            })
        })
    }

    pub(crate) fn get(&self, id: RunId) -> Option<&Run> {
        self.runs.get(&id).map(|run| &**run)
    }

    pub(crate) fn get_mut(&mut self, id: RunId) -> Option<&mut Run> {
        self.runs.get_mut(&id).map(|run| &mut **run)
    }

    pub(crate) fn planted(&mut self, id: RunId, tree: TreeId) {
        if let Some(run) = self.runs.get_mut(&id) {
            run.tree = Some(tree);
            self.trees.insert(tree, id);
        }
    }

    /// A program of this run was begun.
    pub(crate) fn began(&mut self, id: RunId, task: Task, started: Started) {
        self.owners.insert(started.process, Owner::Task(id, task));
        let Some(run) = self.runs.get_mut(&id) else {
            return;
        };
        match task {
            Task::Main(_) => {
                // An earlier main process, if it still lives, is one of the tree from now on.
                if let Some(before) = run.main.replace(started) {
                    self.owners.remove(&before.process);
                }
            }
            Task::Condition(_)
            | Task::Hook(_)
            | Task::StartPre(_)
            | Task::StartPost(_)
            | Task::Reload(_)
            | Task::Pause
            | Task::Continue
            | Task::PreStop
            | Task::StopStep(_)
            | Task::StopPost(_) => run.commands.push((task, started)),
        }
    }

    pub(crate) fn own(&mut self, process: ProcessId, owner: Owner) {
        self.owners.insert(process, owner);
    }

    /// Whose process has ended; it is forgotten.
    pub(crate) fn ended(&mut self, process: ProcessId) -> Option<Owner> {
        let owner = self.owners.remove(&process)?;
        if let Owner::Task(id, _) = owner
            && let Some(run) = self.runs.get_mut(&id).map(|run| &mut **run)
        {
            run.commands
                .retain(|(_, started)| started.process != process);
            if run.main.is_some_and(|main| main.process == process) {
                run.main = None;
            }
        }
        Some(owner)
    }

    /// A command we do not wait for any more: its end is nobody's news.
    pub(crate) fn abandon(&mut self, id: RunId, task: Task) -> Option<Started> {
        let run = self.runs.get_mut(&id)?;
        let at = run.commands.iter().position(|(of, _)| *of == task)?;
        let (_, started) = run.commands.swap_remove(at);
        self.owners.remove(&started.process);
        Some(started)
    }

    pub(crate) fn of_tree(&self, tree: TreeId) -> Option<(RunId, &Run)> {
        let id = *self.trees.get(&tree)?;
        Some((id, self.runs.get(&id)?))
    }

    /// The run is over; its tree, for the platform to let go of.
    pub(crate) fn over(&mut self, id: RunId) -> Option<Run> {
        let run = self.runs.remove(&id)?;
        if let Some(tree) = run.tree {
            self.trees.remove(&tree);
        }
        let processes = run
            .main
            .iter()
            .chain(run.commands.iter().map(|(_, started)| started));
        for started in processes {
            self.owners.remove(&started.process);
        }
        Some(*run)
    }
}
