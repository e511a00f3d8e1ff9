//! The engine's side of readiness and health: begins probes, feeds them, hands their answers to the core.

use std::io;

use aplomb_core::spec::{Check, NotifyFrom, Privilege, Ready, Spec};
use aplomb_core::{Checked, End, ExitCode, Health, InstanceId, RunEvent, RunId, Signal, Task};
use aplomb_platform::{ChannelId, Launch, Notification, Output, Platform};
use aplomb_protocol::EventKind;
use aplomb_units::systemd::{Outcome, evaluate};

use crate::carry::{of_stream, streams};
use crate::engine::Engine;
use crate::http;
use crate::launch::{self, Facts};
use crate::notify::{self, Line};
use crate::outlet::{FromPump, ToPump};
use crate::prove::{Attempt, Judgement, Probe, ProbeId, Purpose, judge};
use crate::runs::Owner;
use crate::timers::Timer;

impl<P: Platform> Engine<P> {
    pub(crate) fn check_conditions(&mut self, instance: InstanceId, run: RunId) {
        let Some(standing) = self.world.standing(instance) else {
            return;
        };
        let checked = match evaluate(&standing.spec.conditions, &self.machine) {
            Outcome::Holds => Checked::Hold,
            Outcome::Skip { because } => Checked::Skip(because.into()),
            Outcome::Fail { because } => Checked::Fail(because.into()),
        };
        self.run_event(instance, run, RunEvent::Conditions(checked));
    }

    /// Begins to look for the proof that a run serves. Messages and descriptors come by themselves.
    pub(crate) fn prove(&mut self, instance: InstanceId, run: RunId) {
        let Some(standing) = self.world.standing(instance) else {
            return;
        };
        match &standing.spec.ready {
            Ready::Started | Ready::Delay(_) | Ready::Notify(_) | Ready::Fd(_) => {}
            Ready::LogLine(_) => {
                if self.matched.contains(&run) {
                    self.run_event(instance, run, RunEvent::Ready);
                }
            }
            Ready::Probe {
                check,
                interval,
                timeout,
            } => {
                let (check, interval, timeout) = (check.clone(), *interval, *timeout);
                let began = self.now;
                let (purpose, attempt) = (Purpose::Ready, Attempt::Waiting);
                let probe = self.probes.add(Probe {
                    instance,
                    run,
                    purpose,
                    check,
                    interval,
                    timeout,
                    began,
                    attempt,
                });
                self.try_probe(probe);
            }
        }
    }

    /// Looks for the line that will make a run ready, before there is a program that could write it.
    pub(crate) fn watch_lines(&mut self, instance: InstanceId, run: RunId, spec: &Spec) {
        let Ready::LogLine(pattern) = &spec.ready else {
            return;
        };
        for stream in streams(instance) {
            if self.streams.contains(&stream) {
                let pattern = pattern.as_str().into();
                self.outlet.tell(ToPump::Watch {
                    stream,
                    run,
                    pattern,
                });
            }
        }
    }

    pub(crate) fn stop_proving(&mut self, instance: InstanceId, run: RunId) {
        if let Some(probe) = self.probes.find(run, Purpose::Ready) {
            self.drop_probe(probe);
        }
        let watched = self
            .world
            .standing(instance)
            .is_some_and(|s| matches!(s.spec.ready, Ready::LogLine(_)));
        if watched {
            for stream in streams(instance) {
                self.outlet.tell(ToPump::Unwatch { stream });
            }
        }
    }

    pub(crate) fn watch_health(&mut self, instance: InstanceId, run: RunId) {
        let Some(standing) = self.world.standing(instance) else {
            return;
        };
        let Some(health) = &standing.spec.health else {
            return;
        };
        if self.probes.find(run, Purpose::Health).is_some() {
            return;
        }
        let (check, interval, timeout) = (health.check.clone(), health.interval, health.timeout);
        let began = self.now;
        let (purpose, attempt) = (Purpose::Health, Attempt::Waiting);
        let probe = self.probes.add(Probe {
            instance,
            run,
            purpose,
            check,
            interval,
            timeout,
            began,
            attempt,
        });
        self.timers.at(began + interval, Timer::Probe(probe));
    }

    pub(crate) fn stop_watching_health(&mut self, run: RunId) {
        if let Some(probe) = self.probes.find(run, Purpose::Health) {
            self.drop_probe(probe);
        }
    }

    pub(crate) fn drop_probe(&mut self, id: ProbeId) {
        if let Some(probe) = self.probes.remove(id) {
            self.end_attempt(probe.attempt);
        }
    }

    fn end_attempt(&mut self, attempt: Attempt) {
        match attempt {
            Attempt::Waiting => {}
            Attempt::Connecting { channel, .. } | Attempt::Asking { channel, .. } => {
                self.platform.close(channel)
            }
            Attempt::Command { process, .. } => {
                self.runs.ended(process);
                let _gone = self.platform.signal(process, Signal::KILL);
            }
        }
    }

    /// A probe's time has come: for its next try, or for the end of the one under way.
    pub(crate) fn probe_due(&mut self, id: ProbeId) {
        let Some(probe) = self.probes.get(id) else {
            return;
        };
        match probe.attempt.until() {
            Some(until) if until <= self.now => self.probe_answer(id, Judgement::No),
            Some(until) => self.timers.at(until, Timer::Probe(id)),
            None => {
                let next = probe.began + probe.interval;
                if probe.purpose == Purpose::Health && next > self.now {
                    return self.timers.at(next, Timer::Probe(id));
                }
                self.try_probe(id);
            }
        }
    }

    /// One try.
    fn try_probe(&mut self, id: ProbeId) {
        self.probes.began(id, self.now);
        let Some(probe) = self.probes.get(id) else {
            return;
        };
        let until = self.now + probe.timeout;
        let (instance, run, check) = (probe.instance, probe.run, probe.check.clone());
        let attempt = match &check {
            Check::Port(address) => self.connect(address, until),
            Check::Http { url, .. } => {
                http::parse_url(url).and_then(|url| self.connect(&url.address, until))
            }
            Check::File(path) => {
                let path = self.in_directory(instance, path);
                let found = if std::path::Path::new(&path).exists() {
                    Judgement::Yes
                } else {
                    Judgement::No
                };
                return self.probe_answer(id, found);
            }
            Check::Command(command) => self.probe_command(id, instance, run, command, until),
        };
        match attempt {
            Some(attempt) => {
                self.probes.attempt(id, attempt);
                self.timers.at(until, Timer::Probe(id));
            }
            None => self.probe_answer(id, Judgement::No),
        }
    }

    fn connect(&mut self, address: &str, until: aplomb_core::Instant) -> Option<Attempt> {
        let channel = self.platform.connect(address).ok()?;
        Some(Attempt::Connecting { channel, until })
    }

    fn in_directory(&self, instance: InstanceId, path: &str) -> String {
        let directory = self
            .world
            .standing(instance)
            .and_then(|standing| standing.spec.process.directory.clone());
        match directory {
            Some(directory) if !aplomb_units::words::is_absolute(path) => {
                format!("{}/{path}", directory.path)
            }
            Some(_) | None => path.to_owned(),
        }
    }

    fn probe_command(
        &mut self,
        id: ProbeId,
        instance: InstanceId,
        run: RunId,
        command: &aplomb_core::spec::Command,
        until: aplomb_core::Instant,
    ) -> Option<Attempt> {
        let spec = self.world.standing(instance)?.spec.clone();
        let tree = self.tree_of(instance, run, &spec).ok()?;
        let main_pid = self.main_pid(run);
        let directories = self.own_directories(&spec);
        let facts = Facts {
            directories: &directories,
            spec: &spec,
            run,
            main_pid,
            notify: None,
            watchdog: None,
            sockets: &[],
            end: None,
            extra: &[],
        };
        let env = launch::environment(&facts, &self.machine).ok()?;
        let words = launch::words(command, &env);
        let launch = Launch {
            tree,
            program: &command.program,
            argv: &words,
            env: &env,
            search_path: &spec.process.search_path,
            process: &spec.process,
            privilege: Privilege::Service,
            stdout: Output::Null,
            stderr: Output::Null,
            sockets: &[],
            ready_fd: None,
        };
        let started = self.platform.spawn(&launch).ok()?;
        self.runs.own(started.process, Owner::Probe(id));
        Some(Attempt::Command {
            process: started.process,
            until,
        })
    }

    /// A try is over.
    fn probe_answer(&mut self, id: ProbeId, judgement: Judgement) {
        if let Some(before) = self.probes.attempt(id, Attempt::Waiting) {
            self.end_attempt(before);
        }
        let Some(probe) = self.probes.get(id) else {
            return;
        };
        let (instance, run) = (probe.instance, probe.run);
        let next = probe.began + probe.interval;
        match (probe.purpose, judgement) {
            (Purpose::Ready, Judgement::Yes) => {
                self.probes.remove(id);
                self.run_event(instance, run, RunEvent::Ready);
            }
            (Purpose::Ready, Judgement::No) => self.timers.at(next.max(self.now), Timer::Probe(id)),
            (Purpose::Health, Judgement::Yes | Judgement::No) => {
                let health = if judgement == Judgement::Yes {
                    Health::Good
                } else {
                    Health::Bad
                };
                self.timers.at(next.max(self.now), Timer::Probe(id));
                self.run_event(instance, run, RunEvent::Health(health));
            }
            (Purpose::Ready | Purpose::Health, Judgement::NotYet) => {}
        }
    }

    pub(crate) fn probe_connected(&mut self, channel: ChannelId, failure: Option<io::ErrorKind>) {
        let Some(id) = self.probes.of_channel(channel) else {
            return;
        };
        if failure.is_some() {
            return self.probe_answer(id, Judgement::No);
        }
        let Some(probe) = self.probes.get(id) else {
            return;
        };
        let Check::Http { url, .. } = &probe.check else {
            return self.probe_answer(id, Judgement::Yes);
        };
        let (Some(url), Some(until)) = (http::parse_url(url), probe.attempt.until()) else {
            return;
        };
        let unsent = http::request(&url);
        self.probes.attempt(
            id,
            Attempt::Asking {
                channel,
                until,
                unsent,
                answer: Vec::new(),
            },
        );
        self.probe_writable(channel);
        self.probe_readable(channel);
    }

    pub(crate) fn probe_writable(&mut self, channel: ChannelId) {
        let Some(id) = self.probes.of_channel(channel) else {
            return;
        };
        let Some(Probe {
            attempt: Attempt::Asking { unsent, .. },
            ..
        }) = self.probes.get_mut(id)
        else {
            return;
        };
        while !unsent.is_empty() {
            match self.platform.write(channel, unsent) {
                Ok(0) => break,
                Ok(count) => drop(unsent.drain(..count)),
                Err(why) if why.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => return self.probe_answer(id, Judgement::No),
            }
        }
    }

    pub(crate) fn probe_readable(&mut self, channel: ChannelId) {
        let Some(id) = self.probes.of_channel(channel) else {
            return;
        };
        let mut buffer = [0; 8 << 10];
        loop {
            let read = self.platform.read(channel, &mut buffer);
            let Some(Probe {
                check,
                attempt: Attempt::Asking { answer, .. },
                ..
            }) = self.probes.get_mut(id)
            else {
                return;
            };
            let ended = match read {
                Ok(0) => true,
                Ok(count) => {
                    answer.extend_from_slice(&buffer[..count]);
                    false
                }
                Err(why) if why.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => true,
            };
            let judgement = judge(check, answer, ended);
            if judgement != Judgement::NotYet {
                return self.probe_answer(id, judgement);
            }
        }
    }

    pub(crate) fn probe_command_ended(&mut self, id: ProbeId, end: End) {
        let good = end == End::Code(ExitCode(0));
        // The process is gone already: nothing to end.
        self.probes.attempt(id, Attempt::Waiting);
        self.probe_answer(id, if good { Judgement::Yes } else { Judgement::No });
    }

    /// A message of sd_notify(3) has come.
    pub(crate) fn notified(&mut self, notification: &Notification) {
        let Some((run, held)) = self.runs.of_tree(notification.tree) else {
            return;
        };
        let instance = held.instance;
        let is_main = held.main.is_some_and(|main| main.pid == notification.pid);
        let is_ours = is_main
            || held
                .commands
                .iter()
                .any(|(_, started)| started.pid == notification.pid);
        let Some(standing) = self.world.standing(instance) else {
            return;
        };
        let from = match standing.spec.ready {
            Ready::Notify(from) => from,
            Ready::Started
            | Ready::Fd(_)
            | Ready::Probe { .. }
            | Ready::LogLine(_)
            | Ready::Delay(_) => NotifyFrom::Main,
        };
        let heard = match from {
            NotifyFrom::Main => is_main,
            NotifyFrom::Exec => is_ours,
            NotifyFrom::All => true,
            NotifyFrom::Nobody => false,
        };
        if !heard {
            let because = format!(
                "a notify message from process {} is not heard: only {from:?} may send",
                notification.pid
            );
            return self.tell(instance, Some(run), EventKind::Remark, because);
        }
        for line in notify::parse(&notification.text) {
            match line {
                Line::Told(told) => self.run_event(instance, run, RunEvent::Notify(told)),
                Line::MainPid(pid) => self.new_main(instance, run, pid),
                Line::StoreRefused => {
                    let because =
                        "FDSTORE=1 is refused: descriptors are not kept from one run to the next"
                            .to_owned();
                    self.tell(instance, Some(run), EventKind::Remark, because);
                }
            }
        }
    }

    fn new_main(&mut self, instance: InstanceId, run: RunId, pid: u32) {
        let Some(held) = self.runs.get(run) else {
            return;
        };
        let Some(tree) = held
            .tree
            .filter(|_| held.main.is_none_or(|main| main.pid != pid))
        else {
            return;
        };
        match self.platform.adopt(tree, pid) {
            Ok(started) => {
                self.runs.began(run, Task::Main(0), started);
                self.run_event(instance, run, RunEvent::MainFound);
            }
            Err(why) => {
                let because = format!("MAINPID={pid} is refused: {why}");
                self.tell(instance, Some(run), EventKind::Remark, because);
            }
        }
    }

    /// What the log pump has to say.
    pub(crate) fn hear_pump(&mut self) {
        while let Some(message) = self.outlet.next() {
            match message {
                FromPump::Matched { stream, run } => {
                    if self.runs.get(run).is_some() {
                        self.matched.insert(run);
                        self.run_event(of_stream(stream), run, RunEvent::Ready);
                    }
                }
                FromPump::BadPattern { stream, why } => {
                    let instance = of_stream(stream);
                    if let Some(run) = self
                        .world
                        .standing(instance)
                        .and_then(|standing| standing.run)
                    {
                        self.run_event(instance, run, RunEvent::ReadyImpossible(why.into()));
                    }
                }
                FromPump::Rotated { stream, file } => self.rotated(of_stream(stream), file),
                FromPump::Dropping { stream, lines } => {
                    let book = self.books.of(of_stream(stream));
                    book.dropping.insert(stream, lines);
                }
                FromPump::Trouble {
                    stream,
                    dropped_lines,
                    because,
                } => {
                    let instance = of_stream(stream);
                    let book = self.books.of(instance);
                    book.dropped_lines += dropped_lines;
                    if dropped_lines > 0 {
                        book.dropping.remove(&stream);
                    }
                    self.tell(instance, None, EventKind::Log, because);
                }
            }
        }
    }

    fn rotated(&mut self, instance: InstanceId, file: String) {
        self.tell(
            instance,
            None,
            EventKind::Rotated { file: file.clone() },
            "a new log file was begun".to_owned(),
        );
        self.fire_hooks(instance, None, aplomb_core::spec::Moment::Rotate);
    }
}

/// How the readiness of this spec is known, in words.
pub(crate) fn by_words(spec: &Spec) -> String {
    match &spec.ready {
        Ready::Started => "up without proof".to_owned(),
        Ready::Notify(_) => "notify".to_owned(),
        Ready::Fd(fd) => format!("a newline on descriptor {fd}"),
        Ready::LogLine(pattern) => format!("a log line like `{pattern}`"),
        Ready::Delay(span) => format!("up for {}", aplomb_core::seconds(*span)),
        Ready::Probe { check, .. } => match check {
            Check::Port(address) => format!("port {address}"),
            Check::Http { url, .. } => format!("answer of {url}"),
            Check::File(path) => format!("file `{path}`"),
            Check::Command(command) => format!("command `{}`", command.program),
        },
    }
}
