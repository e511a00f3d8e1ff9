//! From one engine to the next: writing down what has changed, and going on with what was left.
//!
//! Written before an order is carried out and after it, so that a successor knows what was decided even where it cannot
//! know what was done; then it looks. Nothing is trusted that can be asked: a process counts only if the platform has
//! found it to be the same one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::mem::ManuallyDrop;

use aplomb_core::{Action, Do, Duration, How, InstanceId, RunEvent, RunId, Spec, Task};
use aplomb_logs::{Outputs, Settings};
use aplomb_platform::{Found, Platform, PlatformKeepsake, Started, StreamId, TreeId};
use aplomb_protocol::{Answer, EventKind, Fault, FaultKind};

use crate::carry::streams;
use crate::engine::Engine;
use crate::library::Library;
use crate::load::Surroundings;
use crate::outlet::ToPump;
use crate::record::{self, Entry, Head, Journal, Left, News, Service, Storage, Unreadable};
use crate::timers::Timer;

/// How long a client may take to hold a lifeline to a new engine.
const LIFELINE: Duration = Duration::from_secs(10);

/// What stands behind an engine: where it writes, who keeps it, who was before it.
#[derive(Debug, Default)]
pub struct Succession {
    pub storage: Storage,
    /// Memory that outlives this process, for the texts of definitions.
    pub texts: Option<ManuallyDrop<fs::File>>,
    /// The keeper's process number.
    pub keeper: Option<u32>,
    /// The engine before this one, whose descriptors are open here, and why it is no more.
    pub predecessor: Option<(u32, String)>,
    /// Why an upgrade did not succeed.
    pub failed_upgrade: Option<String>,
    /// The boot, and the PID namespace, that process numbers belong to.
    pub boot: String,
    pub namespace: u64,
}

/// What an earlier engine left, if it is ours to go on with.
#[derive(Debug)]
pub struct Inheritance {
    left: Option<Left>,
    /// Why what was found is not gone on with.
    remarks: Vec<String>,
    succession: Succession,
}

impl Succession {
    /// Reads what an earlier engine left. Of two records the later one counts; one of another boot, another PID
    /// namespace or a newer format is left alone, with a word.
    pub fn read(mut self) -> Inheritance {
        let (found, fault) = self.storage.read();
        let mut remarks: Vec<String> = fault.iter().map(unreadable).collect();
        let mut chosen: Option<Left> = None;
        for left in found {
            match self.refusal(&left.head) {
                Some(words) => remarks.extend(words),
                None if chosen
                    .as_ref()
                    .is_none_or(|other| other.head.serial < left.head.serial) =>
                {
                    chosen = Some(left)
                }
                None => {}
            }
        }
        if let Some(left) = &chosen
            && left.damaged > 0
        {
            remarks.push(format!(
                "{} lines of the record of engine {} are damaged and were passed over",
                left.damaged, left.head.engine
            ));
        }
        Inheritance {
            left: chosen,
            remarks,
            succession: self,
        }
    }

    /// Why this record is not for us; where nobody need know, without words.
    fn refusal(&self, head: &Head) -> Option<Option<String>> {
        if head.boot != self.boot {
            // Its processes ended with the machine.
            return Some(None);
        }
        if head.namespace != self.namespace {
            let words = "the record in the state directory was written in another PID namespace: nothing is taken over";
            return Some(Some(words.to_owned()));
        }
        let (Some((engine, _)), Some(keeper)) = (&self.predecessor, self.keeper) else {
            return None;
        };
        // After an upgrade that failed, two engines may have died since somebody wrote.
        (head.keeper != Some(keeper)).then(|| {
            Some(format!(
                "the record in the state directory is of engine {}, and the one before this was {engine}: nothing is taken over from it",
                head.engine
            ))
        })
    }
}

fn unreadable(why: &Unreadable) -> String {
    format!(
        "the record in the state directory cannot be used: {why}; nothing is taken over from it"
    )
}

impl Inheritance {
    /// The descriptors of the dead engine that are needed; all others may be closed.
    pub fn descriptors(&self) -> BTreeSet<i32> {
        let lineage = self.succession.predecessor.is_some();
        let left = self.left.iter().filter(|_| lineage);
        left.flat_map(|left| left.descriptors().collect::<Vec<_>>())
            .collect()
    }

    /// What the platform goes on with.
    pub fn platform(&self) -> PlatformKeepsake {
        let Some(left) = &self.left else {
            return PlatformKeepsake::default();
        };
        let mut platform = left.platform.clone();
        if self.succession.predecessor.is_none() {
            platform.notify = None;
            platform.control = None;
        }
        platform
    }

    /// Whether there is anything to go on with.
    pub fn is_empty(&self) -> bool {
        self.left.is_none()
    }
}

/// The engine's side of what outlives it.
#[derive(Debug)]
pub(crate) struct Legacy {
    pub journal: Journal,
    pub library: Library,
    /// Instances of which something changed that the core does not know.
    pub dirty: BTreeSet<InstanceId>,
    /// What belongs to no service has changed.
    pub platform_changed: bool,
    /// This engine ends for another one.
    pub handed_over: bool,
    /// A client held a lifeline to the engine before, and has some time to hold one to this.
    pub awaits_lifeline: bool,
    /// Outputs found whose runs had ended.
    ended_outputs: Vec<StreamId>,
}

impl Legacy {
    pub(crate) fn nothing() -> Legacy {
        let head = Head {
            format: record::FORMAT,
            engine: std::process::id(),
            keeper: None,
            boot: String::new(),
            namespace: 0,
            serial: 0,
        };
        Legacy::new(Journal::new(Storage::default(), head), Library::new(None))
    }

    fn new(journal: Journal, library: Library) -> Legacy {
        Legacy {
            journal,
            library,
            dirty: BTreeSet::new(),
            platform_changed: false,
            handed_over: false,
            awaits_lifeline: false,
            ended_outputs: Vec::new(),
        }
    }
}

/// What was found of a service's programs.
struct Programs {
    main: Option<Found>,
    commands: Vec<(Task, Found)>,
}

impl<P: Platform> Engine<P> {
    // ---- writing down ----

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

    // ---- making room ----

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

    // ---- going on ----

    /// Goes on with what an earlier engine left, and from now on writes down what the next one needs. `given`: specs
    /// that are in no file. Tells whether there was anything to go on with.
    pub fn take_over(&mut self, inheritance: Inheritance, given: Vec<Spec>) -> bool {
        let Inheritance {
            left,
            remarks,
            mut succession,
        } = inheritance;
        let head = Head {
            format: record::FORMAT,
            engine: std::process::id(),
            keeper: succession.keeper,
            boot: std::mem::take(&mut succession.boot),
            namespace: succession.namespace,
            serial: left.as_ref().map_or(0, |left| left.head.serial),
        };
        let journal = Journal::new(std::mem::take(&mut succession.storage), head);
        let library = Library::new(succession.texts.take());
        self.legacy = Legacy::new(journal, library);
        for words in remarks {
            self.tell_engine(EventKind::Remark, words);
        }
        if let Some(words) = &succession.failed_upgrade {
            self.tell_engine(EventKind::Remark, format!("the upgrade failed: {words}"));
        }
        let found = left.is_some();
        match left {
            Some(left) => self.go_on(left, &succession, given),
            None if succession.predecessor.is_some() => self.begin_anew(),
            None => {}
        }
        self.outlet.tell(ToPump::Begin);
        for stream in std::mem::take(&mut self.legacy.ended_outputs) {
            self.outlet.tell(ToPump::RunEnded { stream });
        }
        self.outlet.flush();
        self.snapshot(&BTreeSet::new());
        self.platform.settled();
        found
    }

    /// There was an engine before us, and nobody knows what it ran: so that nothing runs twice, all of it ends.
    fn begin_anew(&mut self) {
        let ended = self.platform.end_unrecorded();
        if ended > 0 {
            let words = format!(
                "{ended} processes of services that nobody has a record of were killed, so that none of them runs twice; what starts by itself starts anew"
            );
            self.tell_engine(EventKind::Remark, words);
        }
    }

    fn go_on(&mut self, left: Left, succession: &Succession, given: Vec<Spec>) {
        let from = left.head.engine;
        let lineage = succession.predecessor.is_some();
        let names = left.services.iter().map(|service| service.name.clone());
        let surroundings = self.surroundings_with(names);
        let (mut defined, changed) = self.read_again(left.definitions, given, &surroundings);
        for path in changed {
            let words =
                format!("`{path}` has changed, or is gone, since its services were started");
            self.tell_engine(EventKind::Remark, words);
        }
        let mut actions = Vec::new();
        let mut newer = Vec::new();
        let mut carried = Vec::new();
        for service in left.services {
            let spec = defined.remove(&(service.defined, service.name.clone()));
            let spec = spec.unwrap_or_else(|| {
                let words = format!(
                    "the definition of `{}` cannot be read any more: it can be stopped, and nothing else is known of it",
                    service.name
                );
                self.tell_engine(EventKind::Remark, words);
                Spec::new(&service.name)
            });
            carried.push((service, spec));
        }
        let specs: Vec<Spec> = carried.iter().map(|(_, spec)| spec.clone()).collect();
        let ids = self.world.load(specs, self.now);
        if let Err(why) = self.platform.make_room(ids.len()) {
            self.tell_engine(EventKind::Remark, why.to_string());
        }
        let mut programs = Vec::new();
        for (id, (service, spec)) in ids.iter().zip(carried) {
            let Service {
                name,
                defined: batch,
                newer: newer_batch,
                carried,
                pending,
                run,
                sockets,
                streams,
                book,
            } = service;
            if let Some(batch) = batch {
                self.legacy.library.define(*id, batch);
                self.legacy.library.defined(*id, false);
            }
            if let Some(batch) = newer_batch
                && let Some(spec) = defined.remove(&(Some(batch), name))
            {
                newer.push((*id, batch, spec));
            }
            *self.books.of(*id) = book;
            if lineage {
                self.find_outputs(*id, &spec, streams);
                let found = sockets
                    .iter()
                    .map(|socket| self.platform.find_socket(socket));
                let found: Result<Vec<_>, _> = found.collect();
                if let Ok(found) = found
                    && !found.is_empty()
                {
                    self.sockets.insert(*id, found);
                }
            }
            self.world
                .resume(*id, carried, (from, pending), self.now, &mut actions);
            if let Some(run) = run {
                programs.push((*id, self.find_programs(*id, &spec, &run), pending));
            }
        }
        for (id, batch, spec) in newer {
            self.world.load([spec], self.now);
            self.legacy.library.define(id, batch);
        }
        let counts = self.tell_takeover(from, succession, &programs);
        self.tell_engine(EventKind::Remark, counts);
        for action in actions {
            self.carry(action);
        }
        for (id, programs, pending) in programs {
            self.tell_found(id, programs, pending);
        }
        for id in ids {
            self.end_outputs_of_ended(id);
        }
        if left.lifeline {
            self.legacy.awaits_lifeline = true;
            self.timers.at(self.now + LIFELINE, Timer::Lifeline);
        }
        if let Some(code) = left.ending {
            self.resume_ending(code);
        }
        self.news = true;
    }

    /// Whoever held the dead engine's lifeline has had his time.
    pub(crate) fn lifeline_due(&mut self) {
        self.legacy.awaits_lifeline = false;
        if !self.desk.has_lifeline() {
            let why = "the client an engine before this one lived for has not come back";
            self.shut_down(How::Plan, 0, why);
        }
    }

    /// Reads the definitions as the dead engine did, by batch and name; tells the files that are not what they were.
    #[expect(clippy::type_complexity, reason = "a key and a spec, and names")]
    fn read_again(
        &mut self,
        batches: BTreeMap<u32, record::Definitions>,
        given: Vec<Spec>,
        surroundings: &Surroundings,
    ) -> (BTreeMap<(Option<u32>, String), Spec>, Vec<String>) {
        let mut all = BTreeMap::new();
        let mut changed = Vec::new();
        all.extend(
            given
                .into_iter()
                .map(|spec| ((None, spec.name.clone()), spec)),
        );
        for (number, batch) in batches {
            let read = self.legacy.library.read_again(batch, surroundings);
            changed.extend(read.changed);
            let specs = read.specs.into_iter();
            all.extend(specs.map(|spec| ((Some(number), spec.name.clone()), spec)));
        }
        (all, changed)
    }

    fn find_outputs(
        &mut self,
        id: InstanceId,
        spec: &Spec,
        keepsakes: [Option<aplomb_platform::StreamKeepsake>; 2],
    ) {
        let Outputs { stdout, stderr } =
            Settings::from_spec(&spec.log, &spec.name, &self.options.log_directory);
        let settings = [Some(stdout), stderr];
        let all = streams(id).into_iter().zip(settings).zip(keepsakes);
        for ((stream, settings), keepsake) in all {
            let (Some(settings), Some(keepsake)) = (settings, keepsake) else {
                continue;
            };
            // One that is not there any more is made anew at the next start.
            if self.outlet.find(stream, settings, &keepsake).is_ok() {
                self.streams.insert(stream);
            }
        }
    }

    /// A service without a run has said all: the dead engine may not have come to say so.
    fn end_outputs_of_ended(&mut self, id: InstanceId) {
        if self
            .world
            .standing(id)
            .is_some_and(|standing| standing.run.is_none())
        {
            for stream in streams(id) {
                if self.streams.contains(&stream) {
                    self.legacy.ended_outputs.push(stream);
                }
            }
        }
    }

    fn find_programs(&mut self, id: InstanceId, spec: &Spec, run: &record::Run) -> Programs {
        let mut programs = Programs {
            main: None,
            commands: Vec::new(),
        };
        self.runs.of(run.id, id);
        let Some(keepsake) = &run.tree else {
            return programs;
        };
        let Ok(tree) = self.platform.find_tree(keepsake) else {
            return programs;
        };
        self.runs.planted(run.id, tree);
        let awaited = self
            .world
            .underway(id)
            .and_then(|underway| underway.awaited);
        programs.main = run.main.map(|main| {
            let found = self.platform.find_process(tree, main);
            self.begun_before(run.id, main_task(awaited), found);
            found
        });
        for (task, command) in &run.commands {
            let found = self.platform.find_process(tree, *command);
            self.begun_before(run.id, *task, found);
            programs.commands.push((*task, found));
        }
        if matches!(spec.ready, aplomb_core::spec::Ready::LogLine(_)) {
            self.watch_lines(id, run.id, spec);
        }
        programs
    }

    fn begun_before(&mut self, run: RunId, task: Task, found: Found) {
        if let Found::Living(started) = found {
            self.runs.began(run, task, started);
        }
    }

    /// Tells the core what became of the programs it knows of.
    fn tell_found(&mut self, id: InstanceId, programs: Programs, pending: bool) {
        let Some(underway) = self.world.underway(id) else {
            return;
        };
        let run = underway.run;
        for (task, found) in &programs.commands {
            if let Found::Ended(end) = found {
                self.run_event(id, run, RunEvent::Ended(*task, *end));
            }
        }
        let main = main_task(underway.awaited);
        let is_born = |task| programs.commands.iter().any(|(known, _)| *known == task);
        match (programs.main, underway.awaited) {
            (Some(found), _) => {
                if !underway.main_lives && underway.awaited == Some(main) {
                    self.run_event(id, run, RunEvent::Spawned(main));
                }
                if let Found::Ended(end) = found {
                    self.run_event(id, run, RunEvent::Ended(main, end));
                }
            }
            (None, Some(task)) if task == main && !underway.main_lives => {
                self.find_newborn(id, run, task, pending);
            }
            (None, _) if underway.main_lives => {
                let end = aplomb_core::End::Unattended;
                self.run_event(id, run, RunEvent::Ended(main, end));
            }
            (None, _) => {}
        }
        if let Some(task) = underway.awaited.filter(|task| *task != main)
            && !is_born(task)
        {
            self.find_newborn(id, run, task, pending);
        }
        if self
            .world
            .standing(id)
            .is_some_and(|standing| standing.shown == aplomb_core::Shown::StopPending)
        {
            self.timers.at(self.now, Timer::StillStopping(run));
        }
    }

    /// A program was about to be begun, and nobody wrote down whether it was: it is looked for, and begun if it is
    /// not there.
    fn find_newborn(&mut self, id: InstanceId, run: RunId, task: Task, pending: bool) {
        if let Some((process, mut keepsake)) =
            self.platform.find_unrecorded(&format!("APLOMB_RUN={run}"))
            && let Some(tree) = self.tree_of_newborn(id, run, &mut keepsake)
        {
            let found = self.platform.find_process(tree, process);
            self.begun_before(run, task, found);
            self.run_event(id, run, RunEvent::Spawned(task));
            if let Found::Ended(end) = found {
                self.run_event(id, run, RunEvent::Ended(task, end));
            }
        } else if pending {
            self.carry(Action::Run {
                instance: id,
                run,
                act: Do::Spawn(task),
            });
        } else {
            let end = aplomb_core::End::Unattended;
            self.run_event(id, run, RunEvent::Ended(task, end));
        }
    }

    fn tree_of_newborn(
        &mut self,
        id: InstanceId,
        run: RunId,
        keepsake: &mut aplomb_platform::TreeKeepsake,
    ) -> Option<TreeId> {
        let held = self.runs.of(run, id);
        if let Some(tree) = held.tree {
            return Some(tree);
        }
        keepsake.name = self.world.standing(id)?.name.to_string();
        let tree = self.platform.find_tree(keepsake).ok()?;
        self.runs.planted(run, tree);
        Some(tree)
    }

    fn tell_takeover(
        &self,
        from: u32,
        succession: &Succession,
        programs: &[(InstanceId, Programs, bool)],
    ) -> String {
        let is_living = |found: &Found| matches!(found, Found::Living(_));
        let main = programs.iter().filter_map(|(_, programs, _)| programs.main);
        let (living, ended): (Vec<_>, Vec<_>) = main.partition(|found| is_living(found));
        let why = succession
            .predecessor
            .as_ref()
            .map_or_else(String::new, |(_, why)| format!(", {why}"));
        let ended = match ended.len() {
            0 => String::new(),
            1 => "; one had ended meanwhile".to_owned(),
            many => format!("; {many} had ended meanwhile"),
        };
        format!(
            "took over from engine {from}{why}: {} {} on{ended}",
            living.len(),
            if living.len() == 1 {
                "service runs"
            } else {
                "services run"
            },
        )
    }
}

/// Which of its programs the main process is.
fn main_task(awaited: Option<Task>) -> Task {
    match awaited {
        Some(task @ Task::Main(_)) => task,
        Some(_) | None => Task::Main(0),
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
