//! Going on with what an earlier engine left: definitions first, then what the system still holds, then the core, which
//! is told what became of the rest.

use std::collections::{BTreeMap, BTreeSet};

use aplomb_core::{Action, Do, Duration, How, InstanceId, RunEvent, RunId, Spec, Task};
use aplomb_logs::{Outputs, Settings};
use aplomb_platform::{Found, Platform, TreeId};
use aplomb_protocol::EventKind;

use super::{Inheritance, Legacy, Succession};
use crate::carry::streams;
use crate::engine::Engine;
use crate::library::Library;
use crate::load::Surroundings;
use crate::outlet::ToPump;
use crate::record::{self, Head, Journal, Left, Service};
use crate::timers::Timer;

/// How long a client may take to hold a lifeline to a new engine.
const LIFELINE: Duration = Duration::from_secs(10);

/// What was found of a service's programs.
struct Programs {
    main: Option<Found>,
    commands: Vec<(Task, Found)>,
}

impl<P: Platform> Engine<P> {
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
