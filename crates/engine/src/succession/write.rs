//! Writing down what the next engine needs, and making room for it.

use std::collections::BTreeSet;

use aplomb_core::{Action, Do, InstanceId, RunId};
use aplomb_platform::{Platform, Started};
use aplomb_protocol::{Answer, EventKind, Fault, FaultKind};

use crate::carry::streams;
use crate::engine::Engine;
use crate::record::{self, Entry, News, Service};

impl<P: Platform> Engine<P> {
    /// Before orders are carried out: what was decided.
    pub(crate) fn write_before(&mut self, actions: &[Action]) {
        if !self.legacy.journal.is_wanted() {
            return;
        }
        let ordered: BTreeSet<InstanceId> = actions.iter().filter_map(ordered).collect();
        if ordered.is_empty() {
            return;
        }
        self.write_changed(&ordered);
        self.legacy.dirty.extend(ordered);
    }

    /// What has changed, at the end of a turn.
    pub(crate) fn write_down(&mut self) {
        if self.legacy.journal.is_wanted() {
            self.write_changed(&BTreeSet::new());
        }
    }

    fn write_changed(&mut self, pending: &BTreeSet<InstanceId>) {
        let mut changed = self.world.take_changed();
        changed.append(&mut self.legacy.dirty);
        if std::mem::take(&mut self.legacy.platform_changed)
            && let Some(platform) = self.platform.keepsake()
        {
            self.legacy.journal.note(&Entry::Platform(platform));
        }
        for id in changed {
            if let Some(service) = self.describe(id, pending.contains(&id)) {
                self.legacy.journal.note(&Entry::Service(Box::new(service)));
            }
        }
        let written = self.legacy.journal.flush();
        if !written || self.legacy.journal.is_long() {
            self.snapshot(pending);
        }
    }

    /// All there is to know, anew.
    pub(crate) fn snapshot(&mut self, pending: &BTreeSet<InstanceId>) {
        let mut entries: Vec<Entry> = Vec::new();
        entries.extend(self.platform.keepsake().map(Entry::Platform));
        let ids: Vec<_> = self.world.instances().collect();
        let services: Vec<_> = ids
            .into_iter()
            .filter_map(|id| self.describe(id, pending.contains(&id)))
            .collect();
        let batches = self.legacy.library.in_use();
        entries.extend(batches.cloned().map(Entry::Definitions));
        entries.extend(
            services
                .into_iter()
                .map(|one| Entry::Service(Box::new(one))),
        );
        let waited_for = self.desk.has_lifeline() || self.legacy.awaits_lifeline;
        entries.extend(waited_for.then_some(Entry::Lifeline));
        entries.extend(self.ending_code().map(|code| Entry::Ending { code }));
        let news = self.legacy.journal.snapshot(entries.into_iter());
        let words = match news {
            None => return,
            Some(News::Refused { why, kept: true }) => format!(
                "the state directory cannot be written ({why}): what runs is remembered in memory, as long as this engine's keeper lives"
            ),
            Some(News::Refused { why, kept: false }) => format!(
                "the state directory cannot be written ({why}): an engine after this one will not find what runs"
            ),
            Some(News::Accepted) => "the state directory can be written again".to_owned(),
        };
        self.tell_engine(EventKind::Remark, words);
    }

    fn describe(&mut self, id: InstanceId, pending: bool) -> Option<Service> {
        let name = self.world.standing(id)?.name.to_string();
        let carried = self.world.carried(id)?;
        let waits = self.world.has_newer_definition(id);
        let defined = self.legacy.library.defined(id, waits);
        let run = carried.run().map(|run| self.describe_run(run));
        let sockets = self.sockets.get(&id).into_iter().flatten();
        let sockets = sockets.filter_map(|socket| self.platform.socket_keepsake(*socket));
        Some(Service {
            name,
            defined: defined.in_force,
            newer: defined.newest.filter(|_| waits),
            carried,
            pending,
            run,
            sockets: sockets.collect(),
            streams: streams(id).map(|stream| self.outlet.keepsake(stream)),
            book: self.books.of(id).clone(),
        })
    }

    fn describe_run(&mut self, id: RunId) -> record::Run {
        let Some(held) = self.runs.get(id) else {
            return record::Run {
                id,
                tree: None,
                main: None,
                commands: Vec::new(),
            };
        };
        let platform = &mut self.platform;
        let mut process = |started: &Started| platform.process_keepsake(started.process);
        let main = held.main.as_ref().and_then(&mut process);
        let commands = held.commands.iter();
        let commands = commands
            .filter_map(|(task, started)| Some((*task, process(started)?)))
            .collect();
        record::Run {
            id,
            main,
            commands,
            tree: held.tree.and_then(|tree| platform.tree_keepsake(tree)),
        }
    }

    /// The definition of this instance was dropped.
    pub(crate) fn write_gone(&mut self, instance: InstanceId, name: &str) {
        self.legacy.library.forget(instance);
        if self.legacy.journal.is_wanted() {
            let name = name.to_owned();
            self.legacy.journal.note(&Entry::Gone { name });
        }
    }

    /// These files were read together; what they define is of their batch.
    pub(crate) fn write_batch(&mut self, batch: u32) {
        if self.legacy.journal.is_wanted()
            && let Some(batch) = self.legacy.library.batch(batch)
        {
            let entry = Entry::Definitions(batch.clone());
            self.legacy.journal.note(&entry);
        }
    }

    /// Another program is to go on in our place.
    pub(crate) fn upgrade(&mut self, program: &str) -> Result<Answer, Fault> {
        let refused = |message: String, action: &str| Fault {
            kind: FaultKind::Refused,
            message,
            action: Some(action.to_owned()),
            diagnostics: Vec::new(),
        };
        if self.ending_code().is_some() {
            let message = "the engine is stopping everything, and ends".to_owned();
            return Err(refused(message, "start the new program instead"));
        }
        if !program.starts_with('/') {
            let message = format!("`{program}` is no absolute path");
            return Err(refused(message, "name the program by its full path"));
        }
        self.platform
            .hand_over_to(std::path::Path::new(program))
            .map_err(|_| {
                let message = "this engine has no keeper that could execute another program";
                refused(message.to_owned(), "stop it, and start the new program")
            })?;
        self.legacy.handed_over = true;
        Ok(Answer::Done)
    }
}

/// Whom an order concerns that has effects outside.
fn ordered(action: &Action) -> Option<InstanceId> {
    let Action::Run { instance, act, .. } = action else {
        return None;
    };
    let has_effects = match act {
        Do::Spawn(_)
        | Do::Abandon(_)
        | Do::Signal(..)
        | Do::Request(_)
        | Do::Kill(_)
        | Do::Freeze
        | Do::Thaw => true,
        Do::CheckConditions
        | Do::FindMain
        | Do::Prove
        | Do::StopProving
        | Do::WatchHealth
        | Do::StopWatchingHealth
        | Do::Explain(_)
        | Do::WatchTree
        | Do::Uproot => false,
    };
    has_effects.then_some(*instance)
}
