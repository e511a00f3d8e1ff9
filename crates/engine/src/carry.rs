//! Doing what the core says, in the words of the platform.

use std::rc::Rc;

use aplomb_core::spec::{
    Command, LogTo, Moment, Pause, Reload, Request, Spec, Stop, StopStep, Whom,
};
use aplomb_core::{
    Action, Do, Duration, Fact, How, InstanceId, RunEvent, RunId, Shown, Target, Task,
};
use aplomb_logs::{Outputs, Settings, Sink};
use aplomb_platform::{Asking, Launch, Member, Output, Platform, StreamId, TreeId};
use aplomb_protocol::EventKind;
use aplomb_units::words::is_absolute;

use crate::books::event_of;
use crate::engine::Engine;
use crate::launch::{self, Facts};
use crate::outlet::ToPump;
use crate::runs::Run;
use crate::timers::Timer;

/// A stop that takes no longer than this needs no word on what it waits for.
const SILENCE: Duration = Duration::from_secs(1);
/// From one word to the next.
const PERIOD: Duration = Duration::from_secs(2);
/// Processes named in such a word.
const NAMED: usize = 5;

/// Standard output's way, and standard error's.
pub(crate) fn streams(instance: InstanceId) -> [StreamId; 2] {
    [
        StreamId(u64::from(instance.0) * 2),
        StreamId(u64::from(instance.0) * 2 + 1),
    ]
}

/// The instance a stream belongs to.
pub(crate) fn of_stream(stream: StreamId) -> InstanceId {
    InstanceId(u32::try_from(stream.0 / 2).unwrap_or(u32::MAX))
}

impl<P: Platform> Engine<P> {
    pub(crate) fn carry(&mut self, action: Action) {
        match action {
            Action::Run { instance, run, act } => self.act(instance, run, act),
            Action::Tell {
                instance,
                run,
                fact,
            } => self.told(instance, run, fact),
            Action::Shutdown { code, instance } => {
                let name = self
                    .world
                    .standing(instance)
                    .map(|standing| standing.name.to_string())
                    .unwrap_or_default();
                self.shut_down(
                    How::Plan,
                    code,
                    &format!("`{name}` asks for it by its definition"),
                );
            }
            Action::Finished => self.finished(),
        }
    }

    fn act(&mut self, instance: InstanceId, run: RunId, act: Do) {
        match act {
            Do::CheckConditions => self.check_conditions(instance, run),
            Do::Spawn(task) => self.spawn(instance, run, task),
            Do::Abandon(task) => self.abandon(run, task),
            Do::FindMain => self.find_main(run),
            Do::Prove => self.prove(instance, run),
            Do::StopProving => self.stop_proving(instance, run),
            Do::WatchHealth => self.watch_health(instance, run),
            Do::StopWatchingHealth => self.stop_watching_health(run),
            Do::Signal(signal, target) => self.signal(run, signal, target),
            Do::Request(at) => self.request_step(instance, run, at),
            Do::Kill(target) => self.kill(run, target),
            Do::Freeze => {
                let frozen = self.with_tree(run, |platform, tree| platform.freeze(tree));
                self.run_event(instance, run, RunEvent::Frozen(frozen));
            }
            Do::Thaw => {
                let thawed = self.with_tree(run, |platform, tree| platform.thaw(tree));
                self.run_event(instance, run, RunEvent::Thawed(thawed));
            }
            Do::Explain(question) => self.explain(instance, run, question),
            Do::WatchTree => match self.runs.get(run).and_then(|held| held.tree) {
                Some(tree) => self.platform.watch_empty(tree),
                None => self.run_event(instance, run, RunEvent::TreeEmpty),
            },
            Do::Uproot => self.uproot(instance, run),
        }
    }

    fn with_tree(
        &mut self,
        run: RunId,
        act: impl FnOnce(&mut P, TreeId) -> std::io::Result<()>,
    ) -> Result<(), Rc<str>> {
        let Some(tree) = self.runs.get(run).and_then(|held| held.tree) else {
            return Ok(());
        };
        act(&mut self.platform, tree).map_err(|why| why.to_string().into())
    }

    fn signal(&mut self, run: RunId, signal: aplomb_core::Signal, target: Target) {
        let Some(held) = self.runs.get(run) else {
            return;
        };
        let instance = held.instance;
        let sent = match (target, held.main, held.tree) {
            (Target::Main, Some(main), _) => self.platform.signal(main.process, signal),
            (Target::Tree, _, Some(tree)) => self.platform.signal_tree(tree, signal),
            (Target::Main, None, _) | (Target::Tree, _, None) => return,
        };
        // Whom a signal does not reach any more is on the way to being told as ended.
        if let Err(why) = sent
            && why.kind() == std::io::ErrorKind::Unsupported
        {
            self.tell(instance, Some(run), EventKind::Remark, why.to_string());
        }
    }

    /// A step of the stop plan that is neither signal nor command.
    fn request_step(&mut self, instance: InstanceId, run: RunId, at: u16) {
        let standing = self.world.standing(instance);
        let stop = standing.map(|standing| &standing.spec.stop);
        let step = stop.and_then(|stop| Some((stop.plan.get(usize::from(at))?, stop.whom)));
        let asking = step.and_then(|(step, whom)| Some((asking_of(&step.request)?, whom)));
        let (Some((asking, whom)), Some(held)) = (asking, self.runs.get(run)) else {
            return;
        };
        let asked = match (whom, held.main, held.tree) {
            (Whom::Tree, _, Some(tree)) => self.platform.ask_tree(tree, asking),
            (Whom::Mixed | Whom::Main, Some(main), _) => self.platform.ask(main.process, asking),
            (Whom::Tree, _, None) | (Whom::Mixed | Whom::Main, None, _) | (Whom::Nobody, ..) => {
                return;
            }
        };
        if let Err(why) = asked {
            self.unheard_by_run(instance, run, Some(asking), why.to_string());
        }
    }

    /// A request reached nobody in a tree.
    pub(crate) fn unheard(&mut self, tree: TreeId, asking: Option<Asking>, why: String) {
        if let Some((run, held)) = self.runs.of_tree(tree) {
            let instance = held.instance;
            self.unheard_by_run(instance, run, asking, why);
        }
    }

    fn unheard_by_run(
        &mut self,
        instance: InstanceId,
        run: RunId,
        asking: Option<Asking>,
        why: String,
    ) {
        let what = "stop".to_owned();
        self.tell(instance, Some(run), EventKind::CommandFailed { what }, why);
        let request = asking.map(request_of);
        self.run_event(instance, run, RunEvent::Unheard(request));
    }

    fn kill(&mut self, run: RunId, target: Target) {
        let Some(held) = self.runs.get(run) else {
            return;
        };
        let failed = match (target, held.main, held.tree) {
            (Target::Main, Some(main), _) => self
                .platform
                .signal(main.process, aplomb_core::Signal::KILL)
                .err(),
            (Target::Tree, _, Some(tree)) => self.platform.kill_tree(tree).err(),
            (Target::Main, None, _) | (Target::Tree, _, None) => None,
        };
        if let Some(why) = failed {
            let instance = held_instance(self.runs.get(run));
            self.tell(
                instance,
                Some(run),
                EventKind::Remark,
                format!("the kill could not be carried out: {why}"),
            );
        }
    }

    fn uproot(&mut self, instance: InstanceId, run: RunId) {
        for probe in self.probes.of_run(run) {
            self.drop_probe(probe);
        }
        self.matched.remove(&run);
        // There is nothing left to look at.
        self.look_due(run);
        self.name_those_left(instance, run);
        let Some(held) = self.runs.over(run) else {
            return;
        };
        if let Some(tree) = held.tree {
            self.platform.uproot(tree);
        }
        for stream in streams(instance) {
            if self.streams.contains(&stream) {
                self.outlet.tell(ToPump::RunEnded { stream });
            }
        }
    }

    fn told(&mut self, instance: InstanceId, run: Option<RunId>, fact: Fact) {
        let when = self.when();
        self.books.keep(instance, run, &fact, when);
        self.news |= matches!(
            fact,
            Fact::State { .. }
                | Fact::Reloaded
                | Fact::ReloadFailed(_)
                | Fact::Refused { .. }
                | Fact::Failed(_)
        );
        let mut killed = 0;
        match &fact {
            Fact::Reloaded => self.reload_over(instance, Ok(())),
            Fact::ReloadFailed(because) => self.reload_over(instance, Err(because.to_string())),
            Fact::Refused { why, .. } => self.wish_refused(instance, why),
            Fact::Moment(moment) => return self.fire_hooks(instance, run, *moment),
            Fact::Killing { .. } => killed = self.name_those_killed(instance, run),
            Fact::StopStep { .. } => {
                if let Some(run) = run {
                    self.timers
                        .at(self.now + SILENCE, Timer::StillStopping(run));
                }
            }
            Fact::State { .. }
            | Fact::Spawned
            | Fact::Ready
            | Fact::Says(_)
            | Fact::Exited(_)
            | Fact::RestartPlanned { .. }
            | Fact::Health { .. }
            | Fact::Watchdog
            | Fact::Failed(_)
            | Fact::Skipped(_)
            | Fact::CommandFailed { .. } => {}
        }
        self.legacy.dirty.insert(instance);
        let pid = run.and_then(|run| self.main_pid(run));
        if let Some((mut kind, because)) = event_of(fact, pid) {
            if let EventKind::Killed { processes } = &mut kind {
                *processes = killed;
            }
            self.tell(instance, run, kind, because);
        }
    }

    /// While a stop goes on: who is waited for, and how long yet.
    pub(crate) fn still_stopping(&mut self, run: RunId) {
        let Some(held) = self.runs.get(run) else {
            return;
        };
        let (instance, tree) = (held.instance, held.tree);
        let Some(standing) = self.world.standing(instance) else {
            return;
        };
        if standing.run != Some(run) || standing.shown != Shown::StopPending {
            return;
        }
        let left = standing.next.map(|(_, at)| at.since(self.now));
        let left_ms = left.map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
        let members = tree.map_or_else(Vec::new, |tree| self.platform.members(tree));
        let names: Vec<_> = members.iter().take(NAMED).map(named).collect();
        let more = if members.len() > NAMED { ", …" } else { "" };
        let processes = u32::try_from(members.len()).unwrap_or(u32::MAX);
        let kind = EventKind::StillStopping { left_ms, processes };
        self.tell(instance, Some(run), kind, names.join(", ") + more);
        // A step taken meanwhile has an appointment of its own: one word a period is enough.
        self.timers.forget(Timer::StillStopping(run));
        self.timers.at(self.now + PERIOD, Timer::StillStopping(run));
    }

    /// Where nothing is killed in the end: who lives on.
    fn name_those_left(&mut self, instance: InstanceId, run: RunId) {
        let standing = self.world.standing(instance);
        if standing.is_none_or(|standing| standing.spec.stop.kill.is_some()) {
            return;
        }
        let tree = self.runs.get(run).and_then(|held| held.tree);
        let members = tree.map_or_else(Vec::new, |tree| self.platform.members(tree));
        if members.is_empty() {
            return;
        }
        let names: Vec<_> = members.iter().map(named).collect();
        let because = format!("they live on, for nothing is killed: {}", names.join(", "));
        self.tell(instance, Some(run), EventKind::Leftovers { names }, because);
    }

    /// Before the kill: who will be killed, for the event log; and how many they are.
    fn name_those_killed(&mut self, instance: InstanceId, run: Option<RunId>) -> u32 {
        let Some(tree) = run
            .and_then(|run| self.runs.get(run))
            .and_then(|held| held.tree)
        else {
            return 0;
        };
        let members = self.platform.members(tree);
        if members.is_empty() {
            return 0;
        }
        let names: Vec<_> = members.iter().map(named).collect();
        let because = format!("left when the stop plan was done: {}", names.join(", "));
        self.tell(instance, run, EventKind::Leftovers { names }, because);
        u32::try_from(members.len()).unwrap_or(u32::MAX)
    }

    /// Executes a command of a run, and answers the core.
    fn spawn(&mut self, instance: InstanceId, run: RunId, task: Task) {
        let Some(standing) = self.world.standing(instance) else {
            return;
        };
        let spec = standing.spec.clone();
        let answer = match self.try_spawn(instance, run, &spec, task) {
            Ok(()) => RunEvent::Spawned(task),
            Err(why) => RunEvent::SpawnFailed(task, why.into()),
        };
        // At once, not in its turn: nothing else may happen to the run before the answer.
        self.queue.push_front(aplomb_core::Event::Run {
            instance,
            run,
            what: answer,
        });
    }

    fn try_spawn(
        &mut self,
        instance: InstanceId,
        run: RunId,
        spec: &Rc<Spec>,
        task: Task,
    ) -> Result<(), String> {
        let command = command_of(spec, task).ok_or("the definition has no such command")?;
        let tree = self.tree_of(instance, run, spec)?;
        let notify = self.notify_address(spec)?;
        let (sockets, socket_names) = self.sockets_for(instance, spec, task)?;
        let end = matches!(task, Task::StopPost(_))
            .then(|| self.books.get(instance).and_then(|book| book.end))
            .flatten();
        let extra = if let Task::Hook(at) = task {
            self.hook_facts(instance, Some(run), hook_moment(spec, at))
        } else {
            Vec::new()
        };
        let main = matches!(task, Task::Main(_));
        let directories = self.own_directories(spec);
        let facts = Facts {
            directories: &directories,
            spec,
            run,
            main_pid: self.main_pid(run).filter(|_| !main),
            notify: notify.as_deref(),
            watchdog: spec.watchdog.filter(|_| main),
            sockets: &socket_names,
            end,
            extra: &extra,
        };
        let env = launch::environment(&facts, &self.machine).map_err(|why| why.to_string())?;
        let words = launch::words(command, &env);
        let (stdout, stderr) = self.outputs(instance, spec)?;
        if task == Task::Main(0) && matches!(spec.log.to, LogTo::Truncate(_)) {
            self.outlet.tell(ToPump::RunBegins {
                stream: streams(instance)[0],
            });
        }
        if main {
            self.watch_lines(instance, run, spec);
        }
        let ready_fd = ready_fd(spec).filter(|_| main);
        let launch = Launch {
            tree,
            program: &command.program,
            argv: &words,
            env: &env,
            search_path: &spec.process.search_path,
            process: &spec.process,
            privilege: command.privilege,
            stdout,
            stderr,
            sockets: &sockets,
            ready_fd,
        };
        let started = self
            .platform
            .spawn(&launch)
            .map_err(|why| with_cause(&why))?;
        self.runs.began(run, task, started);
        Ok(())
    }

    /// The service's own directories, as variables with their paths.
    pub(crate) fn own_directories(&self, spec: &Spec) -> Vec<(&'static str, String)> {
        let mut variables: Vec<(&'static str, String)> = Vec::new();
        for directory in &spec.process.own_directories {
            let name = launch::directory_variable(directory.kind);
            let path = self.platform.directory_of(directory);
            match variables.iter_mut().find(|(known, _)| *known == name) {
                Some((_, paths)) => {
                    paths.push_str(aplomb_platform::variables::BETWEEN_PATHS);
                    paths.push_str(&path);
                }
                None => variables.push((name, path)),
            }
        }
        variables
    }

    /// The run's tree, planted on first need.
    pub(crate) fn tree_of(
        &mut self,
        instance: InstanceId,
        run: RunId,
        spec: &Spec,
    ) -> Result<TreeId, String> {
        if let Some(tree) = self.runs.of(run, instance).tree {
            return Ok(tree);
        }
        let tree = self
            .platform
            .plant(&spec.name, &spec.process.resources)
            .map_err(|why| format!("cannot hold its process tree: {why}"))?;
        self.runs.planted(run, tree);
        Ok(tree)
    }

    fn notify_address(&mut self, spec: &Spec) -> Result<Option<String>, String> {
        if !launch::wants_notify(spec) {
            return Ok(None);
        }
        let address = self
            .platform
            .notify_address()
            .map_err(|why| format!("cannot open the notify socket: {why}"))?;
        self.legacy.platform_changed |= !std::mem::replace(&mut self.notifies, true);
        Ok(Some(address))
    }

    /// The sockets held for a service, opened at its first start; only its main program gets them.
    fn sockets_for(
        &mut self,
        instance: InstanceId,
        spec: &Spec,
        task: Task,
    ) -> Result<(Vec<aplomb_platform::SocketId>, Vec<String>), String> {
        if spec.listen.is_empty() || !matches!(task, Task::Main(_)) {
            return Ok((Vec::new(), Vec::new()));
        }
        if !self.sockets.contains_key(&instance) {
            let mut opened = Vec::new();
            for listen in &spec.listen {
                match self.platform.open_socket(listen) {
                    Ok(socket) => opened.push(socket),
                    Err(why) => {
                        for socket in opened {
                            self.platform.close_socket(socket);
                        }
                        return Err(format!("cannot listen on {:?}: {why}", listen.address));
                    }
                }
            }
            self.sockets.insert(instance, opened);
        }
        let names = spec
            .listen
            .iter()
            .map(|listen| listen.name.clone().unwrap_or_else(|| spec.name.clone()));
        Ok((
            self.sockets.get(&instance).cloned().unwrap_or_default(),
            names.collect(),
        ))
    }

    /// Where the outputs of a service's programs go; the pipes are made at the first start and outlive its runs.
    pub(crate) fn outputs(
        &mut self,
        instance: InstanceId,
        spec: &Spec,
    ) -> Result<(Output, Output), String> {
        if spec.log.to == LogTo::Inherit
            && spec.log.stderr == aplomb_core::spec::StderrTo::Same
            && is_untouched(spec)
            && self.platform.lends_output()
        {
            return Ok((Output::Inherit, Output::Inherit));
        }
        if spec.log.to == LogTo::Nothing
            && spec.log.stderr == aplomb_core::spec::StderrTo::Same
            && !self.is_watched(spec)
        {
            return Ok((Output::Null, Output::Null));
        }
        let [out, err] = streams(instance);
        if self.streams.contains(&out) {
            let own_err = self.streams.contains(&err);
            return Ok((
                Output::Pump(out),
                if own_err {
                    Output::Pump(err)
                } else {
                    Output::SameAsStdout
                },
            ));
        }
        let Outputs { stdout, stderr } =
            Settings::from_spec(&spec.log, &spec.name, &self.options.log_directory);
        let no_pipe = |why: std::io::Error| format!("cannot make a pipe for its output: {why}");
        self.outlet.open(out, stdout).map_err(no_pipe)?;
        self.streams.insert(out);
        let Some(stderr) = stderr else {
            return Ok((Output::Pump(out), Output::SameAsStdout));
        };
        self.outlet.open(err, stderr).map_err(no_pipe)?;
        self.streams.insert(err);
        Ok((Output::Pump(out), Output::Pump(err)))
    }

    /// Somebody reads what the program says, even where it is stored nowhere.
    fn is_watched(&self, spec: &Spec) -> bool {
        matches!(spec.ready, aplomb_core::spec::Ready::LogLine(_))
    }

    /// Files of an instance's log, for status and `logs`.
    pub(crate) fn log_files(&self, spec: &Spec) -> Vec<String> {
        let Outputs { stdout, stderr } =
            Settings::from_spec(&spec.log, &spec.name, &self.options.log_directory);
        let all = std::iter::once(stdout).chain(stderr);
        all.filter_map(|settings| match &settings.sink {
            Sink::File(path) => Some(path.display().to_string()),
            Sink::Journal | Sink::Inherit | Sink::Nothing => None,
        })
        .collect()
    }

    /// Looks for the main process of a program that forked; again a little later where it is not there yet.
    pub(crate) fn find_main(&mut self, run: RunId) {
        let Some(held) = self.runs.get_mut(run) else {
            return;
        };
        let (instance, Some(tree)) = (held.instance, held.tree) else {
            return;
        };
        held.searches += 1;
        let Some(standing) = self.world.standing(instance) else {
            return;
        };
        if standing.run != Some(run) || standing.shown != Shown::StartPending {
            return;
        }
        let aplomb_core::spec::Kind::Forking { pid_file } = &standing.spec.kind else {
            return;
        };
        let candidate = match pid_file {
            Some(path) => read_pid(path),
            None => oldest(&self.platform.members(tree)),
        };
        match candidate {
            Some(pid) => match self.platform.adopt(tree, pid) {
                Ok(started) => {
                    self.runs.began(run, Task::Main(0), started);
                    self.run_event(instance, run, RunEvent::MainFound);
                }
                Err(why) if pid_file.is_some() => {
                    let because =
                        format!("the process {pid} of its PID file is not one of its own: {why}");
                    self.run_event(instance, run, RunEvent::MainNotFound(because.into()));
                }
                Err(_) => self.search_again(run),
            },
            None if pid_file.is_none() => {
                let because = "it ended and left no process behind";
                self.run_event(instance, run, RunEvent::MainNotFound(because.into()));
            }
            None => self.search_again(run),
        }
    }

    fn search_again(&mut self, run: RunId) {
        let soon = self.now + std::time::Duration::from_millis(20);
        self.timers.at(soon, Timer::FindMain(run));
    }
}

/// A request in the platform's words; `None` for signals and commands, which have ways of their own.
fn asking_of(request: &Request) -> Option<Asking> {
    match request {
        Request::CtrlC => Some(Asking::CtrlC),
        Request::CtrlBreak => Some(Asking::CtrlBreak),
        Request::CloseWindows => Some(Asking::CloseWindows),
        Request::QuitThreads => Some(Asking::QuitThreads),
        Request::Signal(_) | Request::Command(_) | Request::CommandOnly(_) => None,
    }
}

fn request_of(asking: Asking) -> Request {
    match asking {
        Asking::CtrlC => Request::CtrlC,
        Asking::CtrlBreak => Request::CtrlBreak,
        Asking::CloseWindows => Request::CloseWindows,
        Asking::QuitThreads => Request::QuitThreads,
    }
}

/// The descriptor on which the main program says that it is ready.
fn ready_fd(spec: &Spec) -> Option<u32> {
    let aplomb_core::spec::Ready::Fd(fd) = spec.ready else {
        return None;
    };
    Some(fd)
}

fn named(member: &Member) -> String {
    format!("{} ({})", member.name, member.pid)
}

fn held_instance(run: Option<&Run>) -> InstanceId {
    run.map_or(InstanceId(u32::MAX), |run| run.instance)
}

/// An error with what lies behind it.
fn with_cause(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// Output passes through without being looked at.
fn is_untouched(spec: &Spec) -> bool {
    let watched = matches!(spec.ready, aplomb_core::spec::Ready::LogLine(_));
    let log = &spec.log;
    let plain = log.timestamps == aplomb_core::spec::Timestamps::None
        && log.rate_limit.is_none()
        && !log.level_prefix
        && log.max_level == aplomb_core::spec::Level::Debug;
    plain && !watched
}

fn read_pid(path: &str) -> Option<u32> {
    let path = if is_absolute(path) {
        path.to_owned()
    } else {
        format!("/run/{path}")
    };
    std::fs::read_to_string(path)
        .ok()?
        .trim()
        .parse()
        .ok()
        .filter(|pid| *pid > 1)
}

/// The one that all others of the tree come from; of several, the first.
fn oldest(members: &[aplomb_platform::Member]) -> Option<u32> {
    let inside = |pid| members.iter().any(|member| member.pid == pid);
    let living = members.iter().filter(|member| member.state != 'Z');
    living
        .filter(|member| !inside(member.parent))
        .map(|member| member.pid)
        .min()
}

fn hook_moment(spec: &Spec, at: u16) -> Moment {
    spec.hooks
        .get(usize::from(at))
        .map_or(Moment::StartPre, |hook| hook.on)
}

/// The words of a task in its spec.
fn command_of(spec: &Spec, task: Task) -> Option<&Command> {
    match task {
        Task::Condition(at) => spec.start_condition.get(usize::from(at)),
        Task::Hook(at) => spec.hooks.get(usize::from(at)).map(|hook| &hook.command),
        Task::StartPre(at) => spec.start_pre.get(usize::from(at)),
        Task::Main(at) => spec.start.get(usize::from(at)),
        Task::StartPost(at) => spec.start_post.get(usize::from(at)),
        Task::Reload(at) => match &spec.reload {
            Reload::Commands(commands) => commands.get(usize::from(at)),
            Reload::Impossible | Reload::Signal(_) | Reload::Notify(_) => None,
        },
        Task::Pause => pause_commands(spec).map(|(pause, _)| pause),
        Task::Continue => pause_commands(spec).map(|(_, resume)| resume),
        Task::PreStop => spec.stop.pre.as_ref().map(|pre| &pre.command),
        Task::StopStep(at) => step_command(&spec.stop, at),
        Task::StopPost(at) => spec.stop.post.get(usize::from(at)),
    }
}

fn pause_commands(spec: &Spec) -> Option<(&Command, &Command)> {
    match &spec.pause {
        Pause::Freeze => None,
        Pause::Commands { pause, resume } => Some((pause, resume)),
    }
}

fn step_command(stop: &Stop, at: u16) -> Option<&Command> {
    let StopStep { request, .. } = stop.plan.get(usize::from(at))?;
    match request {
        Request::Command(command) | Request::CommandOnly(command) => Some(command),
        Request::Signal(_)
        | Request::CtrlC
        | Request::CtrlBreak
        | Request::CloseWindows
        | Request::QuitThreads => None,
    }
}
