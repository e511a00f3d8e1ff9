//! A situation of a small world, and everything that can happen in it.
//!
//! The explorer takes every choice, the long stories take one by chance. What is told to the core is always something
//! an engine could tell; what the core then does is held against the laws.

use std::collections::{BTreeMap, BTreeSet};
use std::format;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::string::String;
use std::vec::Vec;

use super::engine::{Engine, Tree, follow, rule};
use super::laws;
use crate::instance::{Instance, Mode, Stage, State};
use crate::spec::{Kind, NotifyFrom, Ready, Spec};
use crate::{
    Action, Because, Checked, Duration, End, Event, ExitCode, Health, How, InstanceId, Instant,
    Notify, RunEvent, RunId, Signal, Target, Task, Wish, World,
};

/// What can be brought about.
#[derive(Debug, Clone)]
pub(super) struct Alphabet {
    pub wishes: Vec<Wish>,
    pub ends: Vec<End>,
    pub notify: Vec<Notify>,
    /// Programs leave processes behind.
    pub strays: bool,
    /// What can fail fails.
    pub failures: bool,
    pub shutdown: bool,
}

impl Default for Alphabet {
    fn default() -> Alphabet {
        Alphabet {
            wishes: [
                Wish::Start,
                Wish::Stop(How::Plan),
                Wish::Stop(How::Force),
                Wish::Restart,
            ]
            .into(),
            ends: [End::Code(ExitCode(0)), End::Code(ExitCode(1))].into(),
            notify: Vec::new(),
            strays: false,
            failures: true,
            shutdown: true,
        }
    }
}

/// One thing that can happen.
#[derive(Debug, Clone)]
pub(super) enum Choice {
    Wish(InstanceId, Wish),
    Shutdown,
    Run(InstanceId, RunEvent),
    /// The next deadline comes.
    Time,
    /// The program leaves a process in its tree; such a process ends.
    Fork(InstanceId),
    StrayEnds(InstanceId),
}

#[derive(Debug, Clone)]
pub(super) struct Place {
    pub world: World,
    pub engine: Engine,
    pub now: Instant,
    shut: bool,
}

impl Place {
    pub(super) fn of(specs: Vec<Spec>) -> Place {
        let now = Instant::ORIGIN + Duration::from_secs(1_000_000);
        let mut world = World::new(1, RunId(1));
        world.load(specs, now);
        Place {
            world,
            engine: Engine::default(),
            now,
            shut: false,
        }
    }

    pub(super) fn choices(&self, alphabet: &Alphabet) -> Vec<Choice> {
        let mut choices = Vec::new();
        for id in self.world.instances() {
            choices.extend(alphabet.wishes.iter().map(|wish| Choice::Wish(id, *wish)));
            if let Some((_, tree)) = self.engine.runs.get(&id) {
                self.of_run(id, tree, alphabet, &mut choices);
            }
        }
        if alphabet.shutdown && !self.shut {
            choices.push(Choice::Shutdown);
        }
        if self.world.wakes_at().is_some() {
            choices.push(Choice::Time);
        }
        choices
    }

    fn of_run(&self, id: InstanceId, tree: &Tree, alphabet: &Alphabet, to: &mut Vec<Choice>) {
        let fails = alphabet.failures;
        let mut tell = |what| to.push(Choice::Run(id, what));
        // A spawn is answered before anything else happens to the run.
        for task in &tree.spawning {
            tell(RunEvent::Spawned(*task));
            if fails {
                tell(RunEvent::SpawnFailed(*task, "not found".into()));
            }
        }
        if !tree.spawning.is_empty() {
            return;
        }
        if tree.conditions {
            tell(RunEvent::Conditions(Checked::Hold));
            if fails {
                tell(RunEvent::Conditions(Checked::Skip("x".into())));
                tell(RunEvent::Conditions(Checked::Fail("x".into())));
            }
        }
        if tree.finding {
            if tree.strays > 0 {
                tell(RunEvent::MainFound);
            }
            if fails || tree.strays == 0 {
                tell(RunEvent::MainNotFound("no pid file".into()));
            }
        }
        if tree.proving {
            tell(RunEvent::Ready);
            if fails {
                tell(RunEvent::ReadyImpossible("closed".into()));
            }
        }
        if tree.freezing {
            tell(RunEvent::Frozen(Ok(())));
            if fails {
                tell(RunEvent::Frozen(Err("no freezer".into())));
            }
        } else if tree.thawing {
            tell(RunEvent::Thawed(Ok(())));
        }
        if tree.explaining {
            tell(RunEvent::Explained);
        }
        if tree.health {
            tell(RunEvent::Health(Health::Good));
            tell(RunEvent::Health(Health::Bad));
        }
        if tree.watching && tree.is_empty() {
            tell(RunEvent::TreeEmpty);
        }
        for task in &tree.alive {
            for end in &alphabet.ends {
                tell(RunEvent::Ended(*task, *end));
            }
            if tree.killed.is_some() {
                tell(RunEvent::Ended(*task, KILLED));
            }
        }
        if tree.main().is_some() {
            for notify in &alphabet.notify {
                tell(RunEvent::Notify(notify.clone()));
            }
        }
        if alphabet.strays && tree.main().is_some() && tree.strays == 0 {
            to.push(Choice::Fork(id));
        }
        if tree.strays > 0 {
            to.push(Choice::StrayEnds(id));
        }
    }

    /// Lets it happen, and holds what follows against the laws.
    pub(super) fn take(&mut self, choice: &Choice) -> Result<(), String> {
        let event = match choice {
            Choice::Wish(instance, wish) => Event::Wish {
                instance: *instance,
                wish: *wish,
                because: Because::Asked,
            },
            Choice::Shutdown => {
                self.shut = true;
                Event::Shutdown { how: How::Plan }
            }
            Choice::Time => {
                self.now = self
                    .world
                    .wakes_at()
                    .map_or(self.now, |at| at.max(self.now));
                Event::Time
            }
            Choice::Run(instance, what) => {
                let Some((run, tree)) = self.engine.runs.get_mut(instance) else {
                    return Ok(());
                };
                follow(tree, what);
                Event::Run {
                    instance: *instance,
                    run: *run,
                    what: what.clone(),
                }
            }
            Choice::Fork(id) | Choice::StrayEnds(id) => {
                if let Some((_, tree)) = self.engine.runs.get_mut(id) {
                    let forks = matches!(choice, Choice::Fork(_));
                    tree.strays = u8::from(forks);
                }
                return Ok(());
            }
        };
        self.on(event)
    }

    fn on(&mut self, event: Event) -> Result<(), String> {
        let mut actions = Vec::new();
        let before = self.runs();
        let stopping = self.stopping();
        let was_shut = self.shut;
        let forced = matches!(
            event,
            Event::Wish {
                wish: Wish::Stop(How::Force),
                ..
            }
        );
        self.world.on(event, self.now, &mut actions);
        for action in &actions {
            self.engine
                .take(action, &self.world)
                .map_err(|broken| format!("{broken} ({action:?})"))?;
            if *action == Action::Finished {
                laws::finished(&self.engine)?;
            }
        }
        // Force waits for nobody.
        for id in self.stopping().difference(&stopping).filter(|_| !forced) {
            laws::stop_order(&self.world, &self.engine, *id)?;
        }
        let runs = self.runs();
        for (run, id) in runs.iter().filter(|(run, _)| !before.contains_key(run)) {
            laws::start_order(&self.world, *id)?;
            rule(!was_shut, || format!("{run:?} begins during shutdown"))?;
        }
        laws::check(&self.world, &self.engine)
    }

    /// The clock goes on although something is due.
    pub(super) fn sleep_past(&mut self, span: Duration) {
        self.now = self.now + span;
    }

    pub(super) fn load(&mut self, spec: Spec) {
        self.world.load([spec], self.now);
    }

    pub(super) fn unload(&mut self, id: InstanceId) {
        self.world.unload(id);
    }

    fn runs(&self) -> BTreeMap<RunId, InstanceId> {
        let all = self.world.instances();
        all.filter_map(|id| Some((self.world.standing(id)?.run?, id)))
            .collect()
    }

    /// Those that are ending, for whatever reason.
    fn stopping(&self) -> BTreeSet<InstanceId> {
        let inside = |id: &InstanceId| self.world.inside(*id).map(|(it, ..)| &it.state);
        let ends = |id: &InstanceId| matches!(inside(id), Some(State::Stopping(_)));
        self.world.instances().filter(ends).collect()
    }

    /// From here, with processes that heed nothing but the kill and a shutdown by plan: everything is over within the
    /// sum of the budgets.
    pub(super) fn must_end(mut self) -> Result<(), String> {
        let bound = self.longest_stop();
        let begun_at = self.now;
        if !self.shut {
            self.take(&Choice::Shutdown)?;
        }
        for _ in 0..400 {
            if self.engine.finished == 1 {
                let took = self.now.since(begun_at);
                return rule(took <= bound, || {
                    format!("a shutdown took {took:?}, {bound:?} allowed")
                });
            }
            let Some(choice) = self.hostile() else { break };
            self.take(&choice)?;
        }
        Err("a shutdown does not end".into())
    }

    fn longest_stop(&self) -> Duration {
        let all = self.world.instances();
        let specs = all.filter_map(|id| self.world.standing(id));
        specs
            .map(|it| {
                let stop = &it.spec.stop;
                let budget = stop.budget.unwrap_or(Duration::from_secs(90));
                let posts = u32::try_from(stop.post.len()).unwrap_or(u32::MAX);
                budget * (1 + posts) + stop.kill_margin + Duration::from_secs(1)
            })
            .sum()
    }

    /// From here, with processes that do as they are asked and nobody wishing for more: everything comes to rest.
    pub(super) fn must_settle(mut self) -> Result<(), String> {
        for _ in 0..400 {
            if self.restless().is_empty() {
                return Ok(());
            }
            let Some(choice) = self.kind() else { break };
            self.take(&choice)?;
        }
        Err(format!("never at rest: {}", self.restless().join("; ")))
    }

    fn restless(&self) -> Vec<String> {
        let all = self.world.instances();
        let standing = all.filter_map(|id| self.world.standing(id));
        standing
            .filter(|it| !it.settled)
            .map(|it| format!("`{}`, {:?}: {}", it.name, it.shown, it.because))
            .collect()
    }

    /// What an engine owes, with the answer that asks for the most.
    fn owed(&self) -> Option<Choice> {
        for (id, (_, tree)) in &self.engine.runs {
            let what = if let Some(task) = tree.spawning.first() {
                RunEvent::Spawned(*task)
            } else if tree.conditions {
                RunEvent::Conditions(Checked::Hold)
            } else if tree.finding && tree.strays > 0 {
                RunEvent::MainFound
            } else if tree.finding {
                RunEvent::MainNotFound("no pid file".into())
            } else if tree.freezing {
                RunEvent::Frozen(Ok(()))
            } else if tree.thawing {
                RunEvent::Thawed(Ok(()))
            } else if tree.explaining {
                RunEvent::Explained
            } else if tree.watching && tree.is_empty() {
                RunEvent::TreeEmpty
            } else {
                continue;
            };
            return Some(Choice::Run(*id, what));
        }
        None
    }

    fn hostile(&self) -> Option<Choice> {
        let killed = || {
            let mut runs = self.engine.runs.iter();
            runs.find_map(|(id, (_, tree))| ends(*id, tree, tree.killed?, KILLED))
        };
        let time = || self.world.wakes_at().map(|_| Choice::Time);
        self.owed().or_else(killed).or_else(time)
    }

    fn kind(&self) -> Option<Choice> {
        let obeys = || {
            let mut runs = self.engine.runs.iter();
            runs.find_map(|(id, (_, tree))| self.does_its_part(*id, tree))
        };
        let time = || self.world.wakes_at().map(|_| Choice::Time);
        self.owed().or_else(obeys).or_else(time)
    }

    fn does_its_part(&self, id: InstanceId, tree: &Tree) -> Option<Choice> {
        if let Some(target) = tree.killed.or(tree.asked)
            && let Some(choice) = ends(id, tree, target, TERMINATED)
        {
            return Some(choice);
        }
        let spec = self.world.standing(id)?.spec;
        let works = matches!(spec.kind, Kind::Oneshot | Kind::Forking { .. });
        // A main process that was found stays; one that is to leave another behind does so first.
        let parent = spec.kind != Kind::Oneshot && self.is_up(id);
        let ours = tree
            .alive
            .iter()
            .find(|task| !matches!(task, Task::Main(_)) || (works && !parent));
        if let Some(task) = ours {
            if matches!(spec.kind, Kind::Forking { .. })
                && matches!(task, Task::Main(_))
                && tree.strays == 0
            {
                return Some(Choice::Fork(id));
            }
            let end = End::Code(ExitCode(0));
            return Some(Choice::Run(id, RunEvent::Ended(*task, end)));
        }
        if tree.proving {
            return Some(Choice::Run(id, RunEvent::Ready));
        }
        let notifies = tree.reloading
            || self
                .mode(id)
                .is_some_and(|mode| matches!(mode, Mode::Reloading { command: None, .. }));
        (notifies && tree.main().is_some())
            .then_some(Choice::Run(id, RunEvent::Notify(Notify::Ready)))
    }

    fn mode(&self, id: InstanceId) -> Option<Mode> {
        let (instance, ..) = self.world.inside(id)?;
        if let State::Up(up) = &instance.state {
            return Some(up.mode.clone());
        }
        None
    }

    fn is_up(&self, id: InstanceId) -> bool {
        let found = |instance: &Instance| match &instance.state {
            State::Up(_) | State::Stopping(_) => true,
            State::Starting(starting) => matches!(
                starting.stage,
                Stage::Proving { .. } | Stage::Command(Task::StartPost(_))
            ),
            State::Down(_) | State::Backoff { .. } => false,
        };
        self.world.inside(id).is_some_and(|(it, ..)| found(it))
    }

    /// What makes two situations the same: everything but the clock's hands and the numbers of runs.
    pub(super) fn mark(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.shut.hash(&mut hasher);
        self.engine.finished.hash(&mut hasher);
        for id in self.world.instances() {
            let tree = self.engine.runs.get(&id).map(|(_, tree)| tree);
            tree.hash(&mut hasher);
            self.mark_instance(id, &mut hasher);
        }
        hasher.finish()
    }

    fn mark_instance(&self, id: InstanceId, hasher: &mut DefaultHasher) {
        let (Some((instance, job, idle)), Some(it)) =
            (self.world.inside(id), self.world.standing(id))
        else {
            return;
        };
        let window = it.spec.restart.limit.map(|limit| limit.window);
        let ages = instance.starts.ages(self.now, window.unwrap_or_default());
        (job, it.wanted, it.shown, ages).hash(hasher);
        idle.map(|at| at.since(self.now)).hash(hasher);
        relative(&instance.state, self.now).hash(hasher);
    }
}

const KILLED: End = End::Signal {
    signal: Signal::KILL,
    core_dumped: false,
};
const TERMINATED: End = End::Signal {
    signal: Signal::TERM,
    core_dumped: false,
};

/// The next of those meant that ends.
fn ends(id: InstanceId, tree: &Tree, target: Target, end: End) -> Option<Choice> {
    let task = match target {
        Target::Main => tree.main(),
        Target::Tree => tree.alive.first().copied(),
    };
    let stray = target == Target::Tree && tree.strays > 0;
    task.map(|task| Choice::Run(id, RunEvent::Ended(task, end)))
        .or_else(|| stray.then_some(Choice::StrayEnds(id)))
}

/// The state as it would be if it were the beginning of time and the first run.
fn relative(state: &State, now: Instant) -> State {
    let at = |at: Instant| Instant::ORIGIN + at.since(now);
    let maybe = |when: Option<Instant>| when.map(at);
    let mut state = state.clone();
    match &mut state {
        State::Down(_) => {}
        State::Backoff { until } => *until = at(*until),
        State::Starting(starting) => {
            starting.run.id = RunId(0);
            starting.until = maybe(starting.until);
            starting.command_until = maybe(starting.command_until);
            if let Stage::Proving { delay } = &mut starting.stage {
                *delay = maybe(*delay);
            }
        }
        State::Up(up) => {
            up.run.id = RunId(0);
            up.since = Instant::ORIGIN;
            up.watchdog = up.watchdog.map(|(interval, due)| (interval, at(due)));
            up.max_until = maybe(up.max_until);
            match &mut up.mode {
                Mode::Serving | Mode::Paused => {}
                Mode::Reloading { until, .. }
                | Mode::Pausing { until }
                | Mode::Continuing { until } => *until = maybe(*until),
            }
        }
        State::Stopping(stopping) => {
            stopping.run.id = RunId(0);
            stopping.until = maybe(stopping.until);
            stopping.polite_until = maybe(stopping.polite_until);
            stopping.up_since = stopping.up_since.map(|_| Instant::ORIGIN);
            stopping.cause = Because::Asked;
        }
    }
    state
}

/// Whether a service proves itself by messages of its own.
pub(super) fn notifies() -> Ready {
    Ready::Notify(NotifyFrom::Main)
}
