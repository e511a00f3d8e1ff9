//! The loop: wait, ask the core, do what it says; and the doors through which the world comes in.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;

use aplomb_core::{
    Action, Because, Duration, End, Event, How, InstanceId, Instant, RunEvent, RunId, Shown,
    Signal, Spec, Task, Wish, World,
};
use aplomb_platform::{ChannelId, Happened, HostSignal, Platform, SocketId, StreamId};
use aplomb_protocol::EventKind;

use crate::Machine;
use crate::books::{Books, When};
use crate::desk::Desk;
use crate::explaining::{Explainer, Looks};
use crate::hooks::Hooks;
use crate::host::Host;
use crate::outlet::Outlet;
use crate::prove::Probes;
use crate::record::Entry;
use crate::requests::Waiting;
use crate::runs::{Owner, Runs};
use crate::state_directory::StateDirectory;
use crate::succession::Legacy;
use crate::timers::{Timer, Timers};

/// How an engine is set up.
#[derive(Debug)]
pub struct Options {
    /// Where clients connect; `None`: nowhere.
    pub socket: Option<String>,
    /// Where run numbers are remembered. `None`: nothing outlives this engine.
    pub state_directory: Option<StateDirectory>,
    /// Where logs without a directory of their own go.
    pub log_directory: PathBuf,
    /// One start or stop at a time.
    pub sequential: bool,
    /// End when every service has settled and none is up, with the last one's exit code.
    pub end_when_down: bool,
    /// Signals that are not about us (USR1, USR2, HUP …) go on to the main processes.
    pub forward_signals: bool,
    /// Who finds out why a run hangs before it is ended by force. `None`: nobody.
    pub explainer: Option<Explainer>,
    /// This program's version, for whoever asks.
    pub version: String,
}

/// How an engine ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// What the process should end with.
    pub code: u32,
    /// Why the only service failed, where it did.
    pub failed: Option<String>,
}

/// Why an engine could not begin, or go on.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("cannot use the state directory `{}`", path.display())]
    StateDirectory { path: PathBuf, source: io::Error },
    #[error("another engine uses the state directory `{}`", path.display())]
    StateInUse { path: PathBuf },
    #[error("cannot open the control endpoint `{address}`")]
    Endpoint { address: String, source: io::Error },
    #[error("another engine answers at `{address}`")]
    EndpointInUse { address: String },
    #[error("cannot start the log pump")]
    Pump { source: io::Error },
    #[error("cannot wait for events")]
    Wait { source: io::Error },
}

/// Everything, in one place, moved by one loop.
#[derive(Debug)]
pub struct Engine<P: Platform> {
    pub(crate) platform: P,
    pub(crate) world: World,
    pub(crate) queue: VecDeque<Event>,
    pub(crate) actions: Vec<Action>,
    pub(crate) runs: Runs,
    pub(crate) probes: Probes,
    /// Runs whose output had the line that makes them ready.
    pub(crate) matched: std::collections::BTreeSet<RunId>,
    pub(crate) hooks: Hooks,
    pub(crate) looks: Looks,
    pub(crate) timers: Timers,
    pub(crate) outlet: Outlet,
    /// Streams whose pipe has been made.
    pub(crate) streams: std::collections::BTreeSet<StreamId>,
    /// Sockets held for services.
    pub(crate) sockets: std::collections::BTreeMap<InstanceId, Vec<SocketId>>,
    pub(crate) desk: Desk,
    pub(crate) waiting: Vec<Waiting>,
    /// Something happened that those who wait may have waited for.
    pub(crate) news: bool,
    pub(crate) books: Books,
    pub(crate) machine: Machine,
    pub(crate) options: Options,
    pub(crate) started: When,
    pub(crate) now: Instant,
    pub(crate) ending: Phase,
    /// All that start by themselves have been up at once.
    pub(crate) have_been_up: bool,
    /// Why the only service failed.
    failed: Option<String>,
    /// The socket for sd_notify is open.
    pub(crate) notifies: bool,
    /// What is written down for the engine after this one.
    pub(crate) legacy: Legacy,
}

/// Where the engine itself stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Serving,
    /// Stopping everything; ends with this code.
    ShuttingDown {
        code: u32,
    },
    /// All is down; last words are being said until then.
    Leaving {
        code: u32,
        until: Instant,
    },
}

/// Events handled before the world outside is looked at again, so that a thousand starts do not make anybody deaf.
const TURN: usize = 64;
/// What clients get to take our last words.
const LAST_WORDS: Duration = Duration::from_millis(500);

impl<P: Platform> Engine<P> {
    /// An engine that has not begun.
    ///
    /// # Errors
    /// The state directory or the endpoint is taken or cannot be made; the pump cannot start.
    pub fn new(
        mut platform: P,
        machine: Machine,
        options: Options,
    ) -> Result<Engine<P>, EngineError> {
        let first_run = match &options.state_directory {
            Some(directory) => directory.reserve_runs(),
            None => RunId(1),
        };
        if let Some(address) = &options.socket {
            platform.listen_control(address).map_err(|source| {
                let address = address.clone();
                if source.kind() == io::ErrorKind::AddrInUse {
                    EngineError::EndpointInUse { address }
                } else {
                    EngineError::Endpoint { address, source }
                }
            })?;
        }
        let outlet = Outlet::start(&mut platform).map_err(|source| EngineError::Pump { source })?;
        let now = platform.now();
        let started = When {
            mono: now,
            wall: platform.wall(),
        };
        let mut world = World::new(started.wall.0 ^ u64::from(std::process::id()), first_run);
        if options.sequential {
            world.one_at_a_time();
        }
        let mut engine = Engine {
            platform,
            world,
            queue: VecDeque::new(),
            actions: Vec::new(),
            runs: Runs::default(),
            probes: Probes::default(),
            matched: std::collections::BTreeSet::new(),
            hooks: Hooks::default(),
            looks: Looks::default(),
            timers: Timers::default(),
            outlet,
            streams: std::collections::BTreeSet::new(),
            sockets: std::collections::BTreeMap::new(),
            desk: Desk::default(),
            waiting: Vec::new(),
            news: false,
            books: Books::new(),
            machine,
            options,
            started,
            now,
            ending: Phase::Serving,
            have_been_up: false,
            failed: None,
            notifies: false,
            legacy: Legacy::nothing(),
        };
        let kind = EventKind::EngineStarted {
            pid: std::process::id(),
            version: engine.options.version.clone(),
        };
        engine.tell_engine(kind, "the engine has begun".to_owned());
        Ok(engine)
    }

    /// Takes in definitions and starts those that start by themselves.
    pub fn adopt_specs(&mut self, specs: Vec<Spec>) {
        let ids = self.world.load(specs, self.now);
        self.start_automatic(&ids);
    }

    /// Reads unit files, or directories of them, and starts what starts by itself. One faulty file does not keep the
    /// others from running: what was left out is told, with its faults.
    pub fn load_and_start(&mut self, paths: &[String]) -> Vec<String> {
        let (all, left_out) = self.load_what_can_be(paths);
        for words in &left_out {
            self.tell_engine(EventKind::Remark, format!("left out: {words}"));
        }
        self.start_automatic(&all);
        left_out
    }

    /// Carries on until told to end.
    ///
    /// # Errors
    /// Only where waiting itself fails: nothing can be carried any more.
    pub fn run(self) -> Result<Ending, EngineError> {
        self.carry_on(None)
    }

    /// As [`Engine::run`], for a service manager that is told how it goes.
    ///
    /// # Errors
    /// Only where waiting itself fails.
    pub fn run_for(self, host: &mut dyn Host) -> Result<Ending, EngineError> {
        self.carry_on(Some(host))
    }

    fn carry_on(mut self, mut host: Option<&mut dyn Host>) -> Result<Ending, EngineError> {
        let mut happened = Vec::new();
        loop {
            if let Some(ending) = self.is_over() {
                self.outlet.finish();
                self.legacy.journal.clear();
                return Ok(ending);
            }
            if self.legacy.handed_over {
                return Ok(self.make_room_for_another());
            }
            let wanted = host.as_ref().and_then(|host| host.wakes_at());
            let until = self.wakes_at().into_iter().chain(wanted).min();
            self.platform
                .wait(until, &mut happened)
                .map_err(|source| EngineError::Wait { source })?;
            self.turn(&mut happened);
            if let Some(host) = host.as_mut() {
                host.see(self.overview(), self.now);
            }
        }
    }

    /// One turn of the loop: what happened, what is due, what follows.
    pub(crate) fn turn(&mut self, happened: &mut Vec<Happened>) {
        self.now = self.platform.now();
        for one in happened.drain(..) {
            self.happened(one);
        }
        self.hear_pump();
        while let Some(timer) = self.timers.take_due(self.now) {
            self.due(timer);
        }
        if self.world.wakes_at().is_some_and(|at| at <= self.now) {
            self.ask_core(Event::Time);
        }
        for _ in 0..TURN {
            let Some(event) = self.queue.pop_front() else {
                break;
            };
            self.ask_core(event);
        }
        if std::mem::take(&mut self.desk.lost_lifeline) {
            self.shut_down(How::Plan, 0, "the client this engine lived for has gone");
        }
        if std::mem::take(&mut self.news) {
            self.answer_waiting();
            self.end_when_down();
        }
        self.write_down();
        self.desk.flush_events(&mut self.platform);
        self.outlet.flush();
    }

    fn wakes_at(&self) -> Option<Instant> {
        if !self.queue.is_empty() {
            return Some(self.now);
        }
        let leaving = match self.ending {
            Phase::Leaving { until, .. } => Some(until),
            Phase::Serving | Phase::ShuttingDown { .. } => None,
        };
        [self.world.wakes_at(), self.timers.first(), leaving]
            .into_iter()
            .flatten()
            .min()
    }

    fn ask_core(&mut self, event: Event) {
        let mut actions = std::mem::take(&mut self.actions);
        self.world.on(event, self.now, &mut actions);
        self.write_before(&actions);
        for action in actions.drain(..) {
            self.carry(action);
        }
        self.actions = actions;
    }

    /// Tells the core about a run, in its turn.
    pub(crate) fn run_event(&mut self, instance: InstanceId, run: RunId, what: RunEvent) {
        self.queue.push_back(Event::Run {
            instance,
            run,
            what,
        });
    }

    fn happened(&mut self, one: Happened) {
        match one {
            Happened::Ended { process, end } => {
                if let Some(owner) = self.runs.ended(process) {
                    self.process_ended(owner, end);
                }
            }
            Happened::TreeEmpty { tree } => {
                if let Some((run, held)) = self.runs.of_tree(tree) {
                    let instance = held.instance;
                    self.run_event(instance, run, RunEvent::TreeEmpty);
                }
            }
            Happened::Unheard { tree, asking, why } => self.unheard(tree, asking, why),
            Happened::Notified(notification) => self.notified(&notification),
            Happened::ReadyLine { tree } => {
                if let Some((run, held)) = self.runs.of_tree(tree) {
                    let instance = held.instance;
                    self.run_event(instance, run, RunEvent::Ready);
                }
            }
            Happened::Host(signal) => self.host_signal(signal),
            Happened::Controlled(control) => self.controlled(control),
            Happened::Accepted { channel, .. } => self.desk.welcome(&mut self.platform, channel),
            Happened::Readable { channel } if self.desk.knows(channel) => self.hear_client(channel),
            Happened::Readable { channel } => self.probe_readable(channel),
            Happened::Writable { channel } if self.desk.knows(channel) => {
                self.desk.flush(&mut self.platform, channel)
            }
            Happened::Writable { channel } => self.probe_writable(channel),
            Happened::Connected { channel, failure } => self.probe_connected(channel, failure),
            Happened::Woken => {}
        }
    }

    fn process_ended(&mut self, owner: Owner, end: End) {
        match owner {
            Owner::Task(run, task) => {
                let Some(held) = self.runs.get(run) else {
                    return;
                };
                let instance = held.instance;
                self.run_event(instance, run, RunEvent::Ended(task, end));
            }
            Owner::Probe(probe) => self.probe_command_ended(probe, end),
            Owner::Hook(hook) => self.hook_ended(hook, end),
            Owner::Look(run) => self.look_ended(run),
        }
    }

    fn hear_client(&mut self, channel: ChannelId) {
        let heard = self.desk.hear(&mut self.platform, channel);
        for request in heard.requests {
            self.request(channel, request);
        }
        if let Some(gone) = heard.gone {
            self.waiting.retain(|waiting| waiting.channel != channel);
            if gone.was_lifeline {
                self.shut_down(How::Plan, 0, "the client this engine lived for has gone");
            }
        }
    }

    fn due(&mut self, timer: Timer) {
        match timer {
            Timer::Probe(probe) => self.probe_due(probe),
            Timer::Hook(hook) => self.hook_due(hook),
            Timer::Look(run) => self.look_due(run),
            Timer::FindMain(run) => self.find_main(run),
            Timer::StillStopping(run) => self.still_stopping(run),
            Timer::Lifeline => self.lifeline_due(),
        }
    }

    fn host_signal(&mut self, asked: HostSignal) {
        let signal = asked.signal;
        let by = asked
            .pid
            .map_or_else(String::new, |pid| format!(" from process {pid}"));
        if [Signal::TERM, Signal::INT, Signal::QUIT].contains(&signal) {
            let how = match self.ending {
                Phase::Serving => How::Plan,
                Phase::ShuttingDown { .. } | Phase::Leaving { .. } => How::Force,
            };
            return self.shut_down(how, 0, &format!("{signal}{by}"));
        }
        if self.options.forward_signals {
            self.forward(signal);
        } else {
            self.tell_engine(
                EventKind::Remark,
                format!("{signal}{by} means nothing to the engine"),
            );
        }
    }

    fn forward(&mut self, signal: Signal) {
        let running: Vec<_> = self
            .world
            .instances()
            .filter_map(|id| self.world.standing(id)?.run)
            .collect();
        for run in running {
            if let Some(main) = self.runs.get(run).and_then(|run| run.main) {
                // A process that is gone by now needs no signal.
                let _gone = self.platform.signal(main.process, signal);
            }
        }
    }

    /// Stops everything in reverse order and ends.
    pub(crate) fn shut_down(&mut self, how: How, code: u32, why: &str) {
        match self.ending {
            Phase::Serving => {
                self.ending = Phase::ShuttingDown { code };
                self.legacy.journal.note(&Entry::Ending { code });
                self.tell_engine(EventKind::EngineStopping, why.to_owned());
            }
            Phase::ShuttingDown { .. } if how == How::Plan => return,
            Phase::ShuttingDown { .. } => {
                self.tell_engine(EventKind::EngineStopping, format!("hurried: {why}"))
            }
            Phase::Leaving { .. } => return,
        }
        self.queue.push_back(Event::Shutdown { how });
    }

    /// The core says everything is down.
    pub(crate) fn finished(&mut self) {
        let code = match self.ending {
            // Asked to end while its service ran: with what the service made of that.
            Phase::ShuttingDown { code: 0 } if self.options.end_when_down => self.last_code(),
            Phase::ShuttingDown { code } => code,
            Phase::Serving | Phase::Leaving { .. } => 0,
        };
        self.ending = Phase::Leaving {
            code,
            until: self.now + LAST_WORDS,
        };
    }

    fn is_over(&mut self) -> Option<Ending> {
        let Phase::Leaving { code, until } = self.ending else {
            return None;
        };
        let quiet = self.queue.is_empty()
            && self.hooks.is_empty()
            && self.waiting.is_empty()
            && self.desk.is_quiet();
        if !quiet && self.now < until {
            return None;
        }
        for hook in self.hooks.ids() {
            self.hook_due(hook);
        }
        Some(Ending {
            code,
            failed: self.failed.take(),
        })
    }

    /// What the program of a one-service stack ended with.
    fn last_code(&self) -> u32 {
        let ends = self
            .world
            .instances()
            .filter_map(|id| self.books.get(id)?.end);
        ends.map(end_code).last().unwrap_or(0)
    }

    /// A one-service stack ends with its service.
    fn end_when_down(&mut self) {
        if !self.options.end_when_down || self.ending != Phase::Serving {
            return;
        }
        let (mut code, mut failed) = (0, None);
        for id in self.world.instances() {
            let Some(standing) = self.world.standing(id) else {
                continue;
            };
            let down = matches!(standing.shown, Shown::Stopped | Shown::Failed);
            if !down || !standing.settled || matches!(standing.because, Because::NeverStarted) {
                return;
            }
            let end = self.books.get(id).and_then(|book| book.end);
            code = end.map_or(u32::from(standing.shown == Shown::Failed), end_code);
            if standing.shown == Shown::Failed {
                code = code.max(1);
                failed = Some(standing.because.to_string());
            }
        }
        self.failed = failed;
        self.shut_down(How::Plan, code, "the service is down");
    }

    /// The code everything ends with, if everything is being stopped.
    pub(crate) fn ending_code(&self) -> Option<u32> {
        match self.ending {
            Phase::Serving => None,
            Phase::ShuttingDown { code } | Phase::Leaving { code, .. } => Some(code),
        }
    }

    /// The engine before this one was stopping everything.
    pub(crate) fn resume_ending(&mut self, code: u32) {
        self.ending = Phase::ShuttingDown { code };
        self.queue.push_back(Event::Shutdown { how: How::Plan });
    }

    /// Ends without touching anything: another engine goes on with all of it.
    fn make_room_for_another(mut self) -> Ending {
        self.outlet.leave();
        self.snapshot(&std::collections::BTreeSet::new());
        // What is dropped is closed and removed; what the next one needs must not be.
        std::mem::forget(self);
        Ending {
            code: 0,
            failed: None,
        }
    }

    /// Wishes a start for each that starts by itself.
    pub(crate) fn start_automatic(&mut self, ids: &[InstanceId]) -> Vec<InstanceId> {
        let automatic = |id: &InstanceId| {
            let standing = self.world.standing(*id);
            standing.is_some_and(|standing| {
                standing.spec.start_mode == aplomb_core::spec::StartMode::Auto
            })
        };
        let starting: Vec<_> = ids.iter().copied().filter(automatic).collect();
        for instance in &starting {
            let because = Because::Automatic;
            self.queue.push_back(Event::Wish {
                instance: *instance,
                wish: Wish::Start,
                because,
            });
        }
        self.news = true;
        starting
    }

    pub(crate) fn when(&mut self) -> When {
        When {
            mono: self.now,
            wall: self.platform.wall(),
        }
    }

    /// An event about the engine itself.
    pub(crate) fn tell_engine(&mut self, kind: EventKind, because: String) {
        let when = self.when();
        let event = self.books.note("", None, kind, because, when);
        self.desk.publish(event);
    }

    /// An event about a service.
    pub(crate) fn tell(
        &mut self,
        instance: InstanceId,
        run: Option<RunId>,
        kind: EventKind,
        because: String,
    ) {
        let Some(name) = self
            .world
            .standing(instance)
            .map(|standing| standing.name.clone())
        else {
            return;
        };
        let when = self.when();
        let event = self.books.note(&name, run, kind, because, when);
        self.desk.publish(event);
    }

    /// The main process of a run, or the program of a task.
    pub(crate) fn main_pid(&self, run: RunId) -> Option<u32> {
        self.runs.get(run)?.main.map(|main| main.pid)
    }

    /// Ends a command of ours that took too long.
    pub(crate) fn abandon(&mut self, run: RunId, task: Task) {
        if let Some(started) = self.runs.abandon(run, task) {
            let _gone = self.platform.signal(started.process, Signal::KILL);
        }
    }
}

/// What a shell would say of such an end.
fn end_code(end: End) -> u32 {
    match end {
        End::Code(code) => code.0,
        End::Signal { signal, .. } => 128 + u32::from(signal.number()),
        End::Unknown => 0,
        End::Unattended => 1,
    }
}
