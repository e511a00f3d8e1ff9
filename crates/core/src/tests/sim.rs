//! A small world with a stepped clock: specs, actors that behave as a story says, and a record of all that was done.
//!
//! Time passes only in `pass`; every answer an engine owes comes at once, everything else when the actor says.

use std::collections::BTreeMap;
use std::string::{String, ToString};
use std::vec::Vec;
use std::{format, vec};

use super::engine::{Engine, follow, reloads};
use super::laws;
use crate::spec::{Command, Spec};
use crate::{
    Action, Because, Checked, Do, Duration, End, Event, ExitCode, Fact, How, InstanceId, Instant,
    RunEvent, RunId, Shown, Signal, Standing, Target, Task, Wish, World,
};

pub(super) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(super) const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(super) const fn code(code: u32) -> End {
    End::Code(ExitCode(code))
}

pub(super) const fn by(signal: Signal) -> End {
    End::Signal {
        signal,
        core_dumped: false,
    }
}

pub(super) fn command() -> Command {
    Command {
        program: "x".to_string(),
        ..Command::default()
    }
}

pub(super) fn commands(count: usize) -> Vec<Command> {
    vec![command(); count]
}

/// A service with a program; `with` says what is particular about it.
pub(super) fn service(name: &str, with: impl FnOnce(&mut Spec)) -> Spec {
    let mut spec = Spec::new(name);
    spec.start = commands(1);
    spec.restart.jitter = 0;
    with(&mut spec);
    spec
}

/// How a service's processes behave.
#[derive(Debug, Clone)]
pub(super) struct Actor {
    pub conditions: Checked,
    /// These cannot be executed.
    pub missing: Vec<Task>,
    /// How long a command takes and how it ends. Not listed: commands succeed at once, the program runs on.
    pub takes: BTreeMap<Task, (Duration, End)>,
    /// These never end by themselves.
    pub hangs: Vec<Task>,
    /// Until it is proven; `None`: never.
    pub ready_in: Option<Duration>,
    /// `None`: why it hangs is never found out.
    pub explained_in: Option<Duration>,
    /// From a polite signal to the end; `None`: it does not care.
    pub dies_in: Option<Duration>,
    /// Not even the kill ends it.
    pub immortal: bool,
    /// Processes it leaves in its tree besides the main one.
    pub strays: u8,
    pub strays_care: bool,
    pub main: Result<(), &'static str>,
    pub freezes: bool,
}

impl Default for Actor {
    fn default() -> Actor {
        Actor {
            conditions: Checked::Hold,
            missing: Vec::new(),
            takes: BTreeMap::new(),
            hangs: Vec::new(),
            ready_in: Some(ms(0)),
            explained_in: Some(ms(0)),
            dies_in: Some(ms(0)),
            immortal: false,
            strays: 0,
            strays_care: true,
            main: Ok(()),
            freezes: true,
        }
    }
}

/// What will happen.
#[derive(Debug, Clone)]
enum Plan {
    Tell(RunEvent),
    StrayEnds,
}

pub(super) struct Sim {
    pub world: World,
    pub engine: Engine,
    pub now: Instant,
    actors: BTreeMap<String, Actor>,
    agenda: BTreeMap<(Instant, u64), (InstanceId, RunId, Plan)>,
    next: u64,
    pub record: Vec<(Instant, Action)>,
}

impl Sim {
    pub(super) fn of(specs: impl IntoIterator<Item = Spec>) -> Sim {
        let mut sim = Sim {
            world: World::new(1, RunId(1)),
            engine: Engine::default(),
            now: Instant::ORIGIN + s(1000),
            actors: BTreeMap::new(),
            agenda: BTreeMap::new(),
            next: 0,
            record: Vec::new(),
        };
        sim.world.load(specs, sim.now);
        sim
    }

    /// One service, already up.
    pub(super) fn up(spec: Spec) -> Sim {
        let name = spec.name.clone();
        let mut sim = Sim::of([spec]);
        sim.start(&name);
        assert_eq!(sim.shown(&name), Shown::Running);
        sim.forget();
        sim
    }

    pub(super) fn actor(&mut self, name: &str, with: impl FnOnce(&mut Actor)) {
        with(self.actors.entry(name.to_string()).or_default());
    }

    pub(super) fn id(&self, name: &str) -> InstanceId {
        self.world.find(name).expect("a known name")
    }

    pub(super) fn standing(&self, name: &str) -> Standing<'_> {
        self.world.standing(self.id(name)).expect("it stands")
    }

    pub(super) fn shown(&self, name: &str) -> Shown {
        self.standing(name).shown
    }

    pub(super) fn because(&self, name: &str) -> Because {
        self.standing(name).because.clone()
    }

    pub(super) fn wish(&mut self, name: &str, wish: Wish) {
        let instance = self.id(name);
        self.on(Event::Wish {
            instance,
            wish,
            because: Because::Asked,
        });
    }

    pub(super) fn start(&mut self, name: &str) {
        self.wish(name, Wish::Start);
    }

    pub(super) fn stop(&mut self, name: &str) {
        self.wish(name, Wish::Stop(How::Plan));
    }

    pub(super) fn shutdown(&mut self) {
        self.on(Event::Shutdown { how: How::Plan });
    }

    /// Something happens to the run under way.
    pub(super) fn happens(&mut self, name: &str, what: RunEvent) {
        let id = self.id(name);
        let run = self.standing(name).run.expect("a run under way");
        self.tell(id, run, what);
        self.pump();
    }

    /// The main process ends.
    pub(super) fn ends(&mut self, name: &str, end: End) {
        let id = self.id(name);
        let main = self.engine.runs[&id].1.main().expect("a main process");
        self.happens(name, RunEvent::Ended(main, end));
    }

    pub(super) fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        for _ in 0..100_000 {
            let agenda = self.agenda.first_key_value().map(|((at, _), _)| *at);
            let next = [agenda, self.world.wakes_at()].into_iter().flatten().min();
            let Some(next) = next.filter(|at| *at <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(next);
            if self.world.wakes_at().is_some_and(|at| at <= self.now) {
                self.on(Event::Time);
            }
            self.pump();
        }
        panic!("time does not pass: {:?}", self.world.wakes_at());
    }

    /// Until nothing is due any more; for stories that end by themselves.
    pub(super) fn finish(&mut self) {
        self.pass(s(3600));
    }

    /// The engine dies, and another one goes on with what it had written down; `pending`: before its last orders were
    /// carried out. Time passes as usual; what the programs do, they do.
    pub(super) fn succeed(&mut self, pending: bool) {
        let ids: Vec<_> = self.world.instances().collect();
        let specs = ids.iter().filter_map(|id| self.world.standing(*id));
        let specs: Vec<Spec> = specs.map(|standing| (**standing.spec).clone()).collect();
        let mut next = World::new(2, RunId(1_000_000));
        assert_eq!(next.load(specs, self.now), ids);
        let mut actions = Vec::new();
        for id in ids {
            let carried = self.world.carried(id).expect("known");
            next.resume(id, carried, (41, pending), self.now, &mut actions);
            if let Some(tree) = next
                .underway(id)
                .and_then(|it| self.engine.tree(id, it.run))
            {
                tree.proving = false;
                tree.watching = false;
                tree.health = false;
            }
        }
        self.world = next;
        self.carry(actions);
        self.pump();
    }

    pub(super) fn on(&mut self, event: Event) {
        self.step(event);
        self.pump();
    }

    fn step(&mut self, event: Event) {
        let mut actions = Vec::new();
        self.world.on(event, self.now, &mut actions);
        self.carry(actions);
    }

    fn carry(&mut self, actions: Vec<Action>) {
        for action in actions {
            if let Err(broken) = self.engine.take(&action, &self.world) {
                panic!("{broken}: {action:?}\nafter {:#?}", self.record);
            }
            self.record.push((self.now, action.clone()));
            if let Action::Run { instance, run, act } = action {
                self.answer(instance, run, &act);
            }
        }
        if let Err(broken) = laws::check(&self.world, &self.engine) {
            panic!("{broken}\nafter {:#?}", self.record);
        }
    }

    fn tell(&mut self, instance: InstanceId, run: RunId, what: RunEvent) {
        if let Some(tree) = self.engine.tree(instance, run) {
            follow(tree, &what);
        }
        if let RunEvent::Spawned(task) = what {
            self.spawned(instance, run, task);
        }
        self.step(Event::Run {
            instance,
            run,
            what,
        });
    }

    /// Lets everything happen that is due now.
    fn pump(&mut self) {
        for _ in 0..100_000 {
            let Some(((at, seq), _)) = self.agenda.first_key_value() else {
                break;
            };
            if *at > self.now {
                break;
            }
            let key = (*at, *seq);
            let Some((id, run, plan)) = self.agenda.remove(&key) else {
                break;
            };
            let Some(tree) = self.engine.tree(id, run) else {
                continue;
            };
            match plan {
                Plan::Tell(RunEvent::Ended(task, _)) if !tree.alive.contains(&task) => continue,
                Plan::Tell(RunEvent::TreeEmpty) if !tree.watching || !tree.is_empty() => continue,
                Plan::Tell(RunEvent::Ready) if !tree.proving => continue,
                Plan::Tell(RunEvent::Spawned(task)) if !tree.spawning.contains(&task) => continue,
                Plan::Tell(what) => self.tell(id, run, what),
                Plan::StrayEnds => tree.strays = tree.strays.saturating_sub(1),
            }
            self.watch(id, run);
        }
    }

    fn watch(&mut self, id: InstanceId, run: RunId) {
        if let Some(tree) = self.engine.tree(id, run)
            && tree.watching
            && tree.is_empty()
        {
            self.later(ms(0), id, run, Plan::Tell(RunEvent::TreeEmpty));
        }
    }

    fn later(&mut self, span: Duration, id: InstanceId, run: RunId, plan: Plan) {
        self.next += 1;
        self.agenda
            .insert((self.now + span, self.next), (id, run, plan));
    }

    fn actor_of(&self, id: InstanceId) -> Actor {
        let name = self.world.standing(id).map(|it| it.name.to_string());
        name.and_then(|name| self.actors.get(&name).cloned())
            .unwrap_or_default()
    }

    fn answer(&mut self, id: InstanceId, run: RunId, act: &Do) {
        let actor = self.actor_of(id);
        let soon = |what| Some(Plan::Tell(what));
        let plan = match act {
            Do::CheckConditions => soon(RunEvent::Conditions(actor.conditions)),
            Do::Spawn(task) if actor.missing.contains(task) => {
                soon(RunEvent::SpawnFailed(*task, "not found".into()))
            }
            Do::Spawn(task) => soon(RunEvent::Spawned(*task)),
            Do::FindMain => soon(match actor.main {
                Ok(()) => RunEvent::MainFound,
                Err(why) => RunEvent::MainNotFound(why.into()),
            }),
            Do::Prove => {
                if let Some(span) = actor.ready_in {
                    self.later(span, id, run, Plan::Tell(RunEvent::Ready));
                }
                None
            }
            Do::Freeze if actor.freezes => soon(RunEvent::Frozen(Ok(()))),
            Do::Freeze => soon(RunEvent::Frozen(Err("no freezer".into()))),
            Do::Thaw => soon(RunEvent::Thawed(Ok(()))),
            Do::Signal(Signal::KILL, target) | Do::Kill(target) => {
                self.kill(id, run, *target);
                None
            }
            Do::Signal(signal, target) => {
                if *signal != Signal::CONT && self.means_end(id, *signal) {
                    self.ask(id, run, *signal, *target);
                }
                None
            }
            Do::Request(_) => {
                self.ask(id, run, Signal::INT, Target::Tree);
                None
            }
            Do::Explain(_) => {
                if let Some(span) = actor.explained_in {
                    self.later(span, id, run, Plan::Tell(RunEvent::Explained));
                }
                None
            }
            Do::WatchTree => {
                self.watch(id, run);
                None
            }
            Do::Abandon(_) => None,
            Do::StopProving | Do::WatchHealth | Do::StopWatchingHealth | Do::Uproot => None,
        };
        if let Some(plan) = plan {
            self.later(ms(0), id, run, plan);
        }
    }

    /// A reload signal asks for no end.
    fn means_end(&self, id: InstanceId, signal: Signal) -> bool {
        let standing = self.world.standing(id);
        standing.is_none_or(|it| !reloads(it.spec, signal))
    }

    fn spawned(&mut self, id: InstanceId, run: RunId, task: Task) {
        let actor = self.actor_of(id);
        let is_main = matches!(task, Task::Main(_));
        if let (true, Some(tree)) = (is_main, self.engine.tree(id, run)) {
            tree.strays = tree.strays.saturating_add(actor.strays);
        }
        if actor.hangs.contains(&task) {
            return;
        }
        let plan = actor.takes.get(&task).copied();
        if let Some((span, end)) = plan.or_else(|| (!is_main).then_some((ms(0), code(0)))) {
            self.later(span, id, run, Plan::Tell(RunEvent::Ended(task, end)));
        }
    }

    fn ask(&mut self, id: InstanceId, run: RunId, signal: Signal, target: Target) {
        let actor = self.actor_of(id);
        let Some(span) = actor.dies_in else { return };
        self.end_all(id, run, span, by(signal), target, actor.strays_care);
    }

    fn kill(&mut self, id: InstanceId, run: RunId, target: Target) {
        if !self.actor_of(id).immortal {
            self.end_all(id, run, ms(0), by(Signal::KILL), target, true);
        }
    }

    fn end_all(
        &mut self,
        id: InstanceId,
        run: RunId,
        span: Duration,
        end: End,
        target: Target,
        strays: bool,
    ) {
        let Some(tree) = self.engine.tree(id, run) else {
            return;
        };
        let meant: Vec<_> = match target {
            Target::Main => tree.main().into_iter().collect(),
            Target::Tree => tree.alive.iter().copied().collect(),
        };
        let count = if target == Target::Tree && strays {
            tree.strays
        } else {
            0
        };
        for task in meant {
            self.later(span, id, run, Plan::Tell(RunEvent::Ended(task, end)));
        }
        for _ in 0..count {
            self.later(span, id, run, Plan::StrayEnds);
        }
    }

    /// What was done for this service since `forget`.
    pub(super) fn did(&self, name: &str) -> Vec<Do> {
        let id = self.id(name);
        let mine = |action: &Action| match action {
            Action::Run { instance, act, .. } if *instance == id => Some(act.clone()),
            Action::Run { .. }
            | Action::Tell { .. }
            | Action::Shutdown { .. }
            | Action::Finished => None,
        };
        self.record
            .iter()
            .filter_map(|(_, action)| mine(action))
            .collect()
    }

    /// The programs spawned for it, in order.
    pub(super) fn programs(&self, name: &str) -> Vec<Task> {
        let mut tasks = Vec::new();
        for act in self.did(name) {
            if let Do::Spawn(task) = act {
                tasks.push(task);
            }
        }
        tasks
    }

    pub(super) fn facts(&self, name: &str) -> Vec<Fact> {
        let id = self.id(name);
        let mine = |action: &Action| match action {
            Action::Tell { instance, fact, .. } if *instance == id => Some(fact.clone()),
            Action::Run { .. }
            | Action::Tell { .. }
            | Action::Shutdown { .. }
            | Action::Finished => None,
        };
        self.record
            .iter()
            .filter_map(|(_, action)| mine(action))
            .collect()
    }

    /// Who was spawned, signalled or killed, in order: `start a`, `ask a`, `kill a`, `over a`.
    pub(super) fn course(&self) -> Vec<String> {
        let mut course: Vec<String> = Vec::new();
        for (_, action) in &self.record {
            let Action::Run { instance, act, .. } = action else {
                continue;
            };
            let word = match act {
                Do::Spawn(Task::Main(0)) => "start",
                Do::Signal(Signal::CONT, _) => continue,
                Do::Signal(..) => "ask",
                Do::Kill(_) => "kill",
                Do::Uproot => "over",
                Do::CheckConditions
                | Do::Spawn(_)
                | Do::Abandon(_)
                | Do::FindMain
                | Do::Prove
                | Do::StopProving
                | Do::WatchHealth
                | Do::StopWatchingHealth
                | Do::Request(_)
                | Do::Freeze
                | Do::Thaw
                | Do::Explain(_)
                | Do::WatchTree => continue,
            };
            let name = self.world.standing(*instance).map(|it| it.name.to_string());
            course.push(format!("{word} {}", name.unwrap_or_default()));
        }
        course
    }

    pub(super) fn forget(&mut self) {
        self.record.clear();
    }
}
