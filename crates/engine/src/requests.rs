//! What clients ask, and when they get their answer: not when it is begun, but when it is done.

use aplomb_core::spec::{Reload, StartMode};
use aplomb_core::{Because, Event, How, InstanceId, Shown, Wish};
use aplomb_platform::{ChannelId, Platform};
use aplomb_protocol::{
    Answer, Ask, EventKind, Fault, FaultKind, Outcome, Request, StopHow, VERSION,
};

use crate::books::state;
use crate::carry::streams;
use crate::engine::Engine;
use crate::load::Taken;
use crate::names::resolve;
use crate::outlet::ToPump;
use crate::record::Entry;

/// A request that is answered later.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub channel: ChannelId,
    pub id: u64,
    pub goal: Goal,
    pub instances: Vec<InstanceId>,
    /// Those of which is known already what came of it.
    pub known: Vec<(InstanceId, Result<(), String>)>,
}

/// Where the instances must arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goal {
    Up,
    Down,
    /// Down and forgotten.
    Unloaded,
    Paused,
    /// Answered by the facts of the reload itself.
    Reloaded,
}

impl<P: Platform> Engine<P> {
    pub(crate) fn request(&mut self, channel: ChannelId, request: Request) {
        let Request { v, id, ask } = request;
        if v != VERSION {
            let message =
                format!("this engine speaks version {VERSION} of the control protocol, not {v}");
            let action = Some("use the `aplomb` of the engine's version".to_owned());
            let fault = Fault {
                kind: FaultKind::BadRequest,
                message,
                action,
                diagnostics: Vec::new(),
            };
            return self.desk.fault(&mut self.platform, channel, id, fault);
        }
        match self.answer_to(channel, id, ask) {
            Ok(Some(answer)) => self.desk.answer(&mut self.platform, channel, id, answer),
            Ok(None) => {}
            Err(fault) => self.desk.fault(&mut self.platform, channel, id, fault),
        }
    }

    /// The answer, unless it comes later.
    fn answer_to(
        &mut self,
        channel: ChannelId,
        id: u64,
        ask: Ask,
    ) -> Result<Option<Answer>, Fault> {
        match ask {
            Ask::Hello => Ok(Some(self.hello())),
            Ask::Load {
                files,
                lenient,
                start,
            } => {
                let taken = self.load(&files, lenient)?;
                let starting = if start {
                    self.start_automatic(&taken.all)
                } else {
                    Vec::new()
                };
                Ok(Some(self.loaded(taken, &starting)))
            }
            Ask::Start { names } => self.wish(channel, id, &names, Wish::Start, Goal::Up),
            Ask::Stop { names, how } => {
                self.wish(channel, id, &names, Wish::Stop(firmness(how)), Goal::Down)
            }
            Ask::Restart { names } => self.wish(channel, id, &names, Wish::Restart, Goal::Up),
            Ask::Reload { names } => self.wish(channel, id, &names, Wish::Reload, Goal::Reloaded),
            Ask::Pause { names } => self.wish(channel, id, &names, Wish::Pause, Goal::Paused),
            Ask::Continue { names } => self.wish(channel, id, &names, Wish::Continue, Goal::Up),
            Ask::Unload { names } => {
                self.wish(channel, id, &names, Wish::Stop(How::Plan), Goal::Unloaded)
            }
            Ask::ResetFailed { names } => {
                for instance in resolve(&self.world, &names)? {
                    let because = Because::Asked;
                    self.queue.push_back(Event::Wish {
                        instance,
                        wish: Wish::Forget,
                        because,
                    });
                }
                Ok(Some(Answer::Done))
            }
            Ask::Rotate { names } => {
                for instance in resolve(&self.world, &names)? {
                    for stream in streams(instance) {
                        self.outlet.tell(ToPump::Rotate { stream });
                    }
                }
                Ok(Some(Answer::Done))
            }
            Ask::Status { names, detail } => self.statuses(&names, detail).map(Some),
            Ask::Events { names, replay } => {
                self.subscribe(channel, id, &names, replay)?;
                Ok(None)
            }
            Ask::Show { name, defaults } => self.show(&name, defaults).map(Some),
            Ask::Shutdown { how } => {
                self.shut_down(firmness(how), 0, "asked by an operator");
                Ok(Some(Answer::Done))
            }
            Ask::Upgrade { program } => self.upgrade(&program).map(Some),
            Ask::Lifeline => {
                self.desk.make_lifeline(channel);
                self.legacy.journal.note(&Entry::Lifeline);
                Ok(Some(Answer::Done))
            }
        }
    }

    fn hello(&self) -> Answer {
        Answer::Hello {
            v: VERSION,
            version: self.options.version.clone(),
            pid: std::process::id(),
            started: self.started.wall.0,
            log_directory: self.options.log_directory.display().to_string(),
            holding: holding_words(&self.platform.holding()),
            services: self.world.instances().count() as u64,
        }
    }

    fn loaded(&self, taken: Taken, starting: &[InstanceId]) -> Answer {
        let names = |ids: &[InstanceId]| {
            ids.iter()
                .filter_map(|id| Some(self.world.standing(*id)?.name.to_string()))
                .collect()
        };
        let starting = self.world.with_needed(starting);
        Answer::Loaded {
            services: names(&taken.changed),
            starting: names(&starting),
            remarks: taken.remarks,
        }
    }

    fn wish(
        &mut self,
        channel: ChannelId,
        id: u64,
        names: &[String],
        wish: Wish,
        goal: Goal,
    ) -> Result<Option<Answer>, Fault> {
        let instances = resolve(&self.world, names)?;
        for instance in &instances {
            self.may_wish(*instance, wish)?;
        }
        // Those that begin later in a list stop first: the core has the order, the wishes only have to be there.
        for instance in &instances {
            self.queue.push_back(Event::Wish {
                instance: *instance,
                wish,
                because: Because::Asked,
            });
        }
        self.waiting.push(Waiting {
            channel,
            id,
            goal,
            instances,
            known: Vec::new(),
        });
        self.news = true;
        Ok(None)
    }

    /// What can be told to be impossible before anything is begun.
    fn may_wish(&self, instance: InstanceId, wish: Wish) -> Result<(), Fault> {
        let Some(standing) = self.world.standing(instance) else {
            return Ok(());
        };
        let name = standing.name;
        let refuse = |kind, message: String, action: &str| {
            Err(Fault {
                kind,
                message,
                action: Some(action.to_owned()),
                diagnostics: Vec::new(),
            })
        };
        let up = matches!(
            standing.shown,
            Shown::Running | Shown::Paused | Shown::PausePending | Shown::ContinuePending
        );
        match wish {
            Wish::Start | Wish::Restart if standing.spec.start_mode == StartMode::Disabled => {
                refuse(
                    FaultKind::Refused,
                    format!("`{name}` is disabled by its definition"),
                    "set its start-mode to `auto` or `manual`",
                )
            }
            Wish::Reload if standing.spec.reload == Reload::Impossible => refuse(
                FaultKind::Refused,
                format!("`{name}` cannot be told to reload: its definition does not say how"),
                "give it `reload`, or use `aplomb restart`",
            ),
            Wish::Reload | Wish::Pause | Wish::Continue if !up => refuse(
                FaultKind::NotRunning,
                format!("`{name}` is not running"),
                "start it first",
            ),
            Wish::Start
            | Wish::Stop(_)
            | Wish::Restart
            | Wish::Reload
            | Wish::Pause
            | Wish::Continue
            | Wish::Forget => Ok(()),
        }
    }

    fn statuses(&mut self, names: &[String], detail: bool) -> Result<Answer, Fault> {
        let ids = if names.is_empty() {
            self.world.instances().collect()
        } else {
            resolve(&self.world, names)?
        };
        let services = ids
            .into_iter()
            .filter_map(|id| self.status(id, detail))
            .collect();
        Ok(Answer::Status { services })
    }

    fn subscribe(
        &mut self,
        channel: ChannelId,
        id: u64,
        names: &[String],
        replay: bool,
    ) -> Result<(), Fault> {
        let ids = resolve(&self.world, names)?;
        let names: Vec<_> = ids
            .iter()
            .filter_map(|id| Some(self.world.standing(*id)?.name.to_string()))
            .collect();
        self.desk
            .answer(&mut self.platform, channel, id, Answer::Done);
        if replay {
            let wanted = |service: &String| {
                names.is_empty() || service.is_empty() || names.contains(service)
            };
            for event in self.books.latest().filter(|event| wanted(&event.service)) {
                self.desk.event(&mut self.platform, channel, event);
            }
        }
        self.desk.subscribe(channel, names);
        Ok(())
    }

    fn show(&self, name: &str, defaults: bool) -> Result<Answer, Fault> {
        let ids = resolve(&self.world, &[name.to_owned()])?;
        let specs = ids
            .into_iter()
            .filter_map(|id| Some(self.world.standing(id)?.spec.clone()));
        let write = |spec: std::rc::Rc<aplomb_core::Spec>| {
            if defaults {
                aplomb_units::toml::write_all(&spec)
            } else {
                aplomb_units::toml::write(&spec)
            }
        };
        Ok(Answer::Text {
            text: specs.map(write).collect::<Vec<_>>().join("\n"),
        })
    }

    /// Answers those whose services have arrived.
    pub(crate) fn answer_waiting(&mut self) {
        if !self.queue.is_empty() {
            // Wishes are still on their way; what stands now is not yet what was asked for.
            self.news = true;
            return;
        }
        let mut still = Vec::new();
        for waiting in std::mem::take(&mut self.waiting) {
            let settled = waiting.instances.iter().all(|id| self.is_settled(*id));
            if waiting.instances.is_empty() || (waiting.goal != Goal::Reloaded && settled) {
                self.arrived(waiting);
            } else {
                still.push(waiting);
            }
        }
        self.waiting.append(&mut still);
    }

    fn is_settled(&self, id: InstanceId) -> bool {
        self.world
            .standing(id)
            .is_none_or(|standing| standing.settled)
    }

    fn arrived(&mut self, waiting: Waiting) {
        let Waiting {
            channel,
            id,
            goal,
            instances,
            known,
        } = waiting;
        let mut outcomes: Vec<_> = instances
            .iter()
            .filter_map(|id| self.outcome(*id, goal))
            .collect();
        for (instance, what) in known {
            if let Some(standing) = self.world.standing(instance) {
                outcomes.push(Outcome {
                    service: standing.name.to_string(),
                    state: state(standing.shown),
                    arrived: what.is_ok(),
                    because: what.err().unwrap_or_else(|| "done".to_owned()),
                });
            }
        }
        if goal == Goal::Unloaded {
            for instance in instances {
                self.unload(instance);
            }
        }
        self.desk.answer(
            &mut self.platform,
            channel,
            id,
            Answer::Outcomes { outcomes },
        );
    }

    fn outcome(&self, id: InstanceId, goal: Goal) -> Option<Outcome> {
        let standing = self.world.standing(id)?;
        let down = matches!(standing.shown, Shown::Stopped | Shown::Failed);
        let arrived = match goal {
            Goal::Up => standing.arrived,
            Goal::Down | Goal::Unloaded => down,
            Goal::Paused => standing.shown == Shown::Paused,
            Goal::Reloaded => true,
        };
        Some(Outcome {
            service: standing.name.to_string(),
            state: state(standing.shown),
            arrived,
            because: standing.because.to_string(),
        })
    }

    fn unload(&mut self, instance: InstanceId) {
        let Some(name) = self
            .world
            .standing(instance)
            .map(|standing| standing.name.clone())
        else {
            return;
        };
        if !self.world.unload(instance) {
            return;
        }
        for stream in streams(instance) {
            if self.streams.remove(&stream) {
                self.outlet.close(stream);
            }
        }
        for socket in self.sockets.remove(&instance).unwrap_or_default() {
            self.platform.close_socket(socket);
        }
        self.books.forget(instance);
        self.write_gone(instance, &name);
        let when = self.when();
        let event = self.books.note(
            &name,
            None,
            EventKind::Unloaded,
            "its definition was dropped".to_owned(),
            when,
        );
        self.desk.publish(event);
    }

    /// A reload has come to its end.
    pub(crate) fn reload_over(&mut self, instance: InstanceId, outcome: Result<(), String>) {
        for waiting in self
            .waiting
            .iter_mut()
            .filter(|waiting| waiting.goal == Goal::Reloaded)
        {
            let Some(at) = waiting.instances.iter().position(|id| *id == instance) else {
                continue;
            };
            waiting.instances.swap_remove(at);
            waiting.known.push((instance, outcome.clone()));
        }
        self.news = true;
    }

    /// The core does not do what was wished.
    pub(crate) fn wish_refused(&mut self, instance: InstanceId, why: &str) {
        for waiting in &mut self.waiting {
            if let Some(at) = waiting.instances.iter().position(|id| *id == instance) {
                waiting.instances.swap_remove(at);
                waiting.known.push((instance, Err(why.to_owned())));
            }
        }
        self.news = true;
    }
}

fn firmness(how: StopHow) -> How {
    match how {
        StopHow::Plan => How::Plan,
        StopHow::Force => How::Force,
    }
}

fn holding_words(holding: &aplomb_platform::Holding) -> String {
    match holding {
        aplomb_platform::Holding::ControlGroup { root } => {
            format!("a control group each, below {root}")
        }
        aplomb_platform::Holding::Subreaper { because } => {
            format!("descent: parents, and orphans that come to us ({because})")
        }
        aplomb_platform::Holding::Job => "a job object each".to_owned(),
        aplomb_platform::Holding::Fake => "a simulation".to_owned(),
    }
}
