//! A stack in the hands of `aplomb up`: from its start through its life to its stop, as one loop over what is heard.
//!
//! Three phases follow each other: starting, running, stopping; an interrupt moves on from any of them. What the
//! services write is followed by `follow`; what is drawn is `watch`'s.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use aplomb_logs::Wall;
use aplomb_logs::read::Beginning;
use aplomb_protocol::{Answer, Ask, Event, EventKind, Outcome, ServiceStatus, State, StopHow};

use crate::client::{Client, Heard, unexpected};
use crate::failure::{Exit, Failure};
use crate::follow::{self, Follow, Look, Naming};
use crate::progress::Aim;
use crate::ui::{Form, Ui};
use crate::watch::{self, Telling, Watch};
use crate::words;

/// How often the logs are looked at.
const LOOK: Duration = Duration::from_millis(50);

/// Who started the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Belongs {
    Us,
    Others,
}

/// Where the stack stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Until this request is answered.
    Starting {
        id: u64,
    },
    Running,
    /// Until this request is answered.
    Stopping {
        id: u64,
        how: StopHow,
    },
}

/// What one thing heard leads to.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    GoOn,
    /// All is over.
    Over,
}

/// The services of one `up`.
#[derive(Debug)]
pub(crate) struct Stack {
    client: Client,
    belongs: Belongs,
    /// What we started, with what is needed for it.
    names: Vec<String>,
    standing: BTreeMap<String, Standing>,
    watch: Watch,
    /// Their logs, once it is known where they lie.
    follow: Option<Follow>,
    /// When the start began: older lines of the logs are another story.
    since: Wall,
    phase: Phase,
    /// The question whether anything is still to come, while it is open.
    settled: Option<u64>,
    begun: Instant,
}

/// Where one service stands, and why.
#[derive(Debug, Clone)]
struct Standing {
    state: State,
    because: String,
}

impl Standing {
    fn new(state: State, because: &str) -> Standing {
        Standing {
            state,
            because: because.to_owned(),
        }
    }
}

impl Stack {
    /// A stack whose services are being started.
    pub(crate) fn new(
        client: Client,
        belongs: Belongs,
        loaded: Vec<String>,
        starting: Vec<String>,
        since: Wall,
    ) -> Stack {
        let pending = |name: &String| (name.clone(), Standing::new(State::StartPending, ""));
        let standing = starting.iter().map(pending).collect();
        // Nothing starts by itself: what was loaded may still be started by hand, and followed.
        let names = if starting.is_empty() {
            loaded
        } else {
            starting
        };
        Stack {
            client,
            belongs,
            names,
            standing,
            watch: Watch::new(Aim::Up, Telling::Lines),
            follow: None,
            since,
            phase: Phase::Running,
            settled: None,
            begun: Instant::now(),
        }
    }

    /// All services of an engine that is to be ended.
    pub(crate) fn of_all(client: Client, services: &[ServiceStatus]) -> Stack {
        let names = services.iter().map(|status| status.service.clone());
        let since = Wall::default();
        let mut stack = Stack::new(client, Belongs::Us, names.collect(), Vec::new(), since);
        for status in services {
            stack.stands(&status.service, status.state, &status.because);
        }
        stack
    }

    /// Ends the engine with all its services.
    pub(crate) fn take_down(mut self, how: StopHow, ui: &mut Ui) -> Result<(), Failure> {
        self.stop(how)?;
        self.until_over(ui)
    }

    /// Waits until all have arrived, and leaves them to the engine.
    pub(crate) fn bring_up(mut self, ui: &mut Ui) -> Result<Exit, Failure> {
        if self.standing.is_empty() {
            ui.note("nothing starts by itself; `aplomb start NAME` starts a service");
            return Ok(Exit::Done);
        }
        let id = self.ask_for_all()?;
        loop {
            let until = self.watch.draw(ui);
            match self.client.hear(until)? {
                Heard::Answer(answered, Answer::Outcomes { outcomes }) if answered == id => {
                    self.watch.finish(ui);
                    return tell_arrival(ui, &outcomes, self.begun);
                }
                Heard::Fault(answered, fault) if answered == id => return Err(fault.into()),
                Heard::Event(event) => self.watch.on(&event, ui),
                Heard::Interrupt => {
                    self.watch.finish(ui);
                    return Err(
                        Failure::failed("stopped waiting; the engine goes on starting")
                            .action("`aplomb down` ends it"),
                    );
                }
                Heard::Answer(..) | Heard::Fault(..) | Heard::Nothing => {}
            }
        }
    }

    /// Carries the stack to its end: start, logs, stop.
    pub(crate) fn carry(mut self, ui: &mut Ui) -> Result<Exit, Failure> {
        if ui.form == Form::People {
            self.open_logs(ui)?;
        }
        if self.standing.is_empty() {
            ui.note("nothing starts by itself; `aplomb start NAME` starts a service");
        } else {
            let id = self.ask_for_all()?;
            self.phase = Phase::Starting { id };
        }
        self.until_over(ui)?;
        self.verdict()
    }

    fn until_over(&mut self, ui: &mut Ui) -> Result<(), Failure> {
        loop {
            let until = self.look(ui)?;
            let heard = self.client.hear(until);
            let turn = match heard {
                Ok(heard) => self.on(heard, ui)?,
                // With nothing left to carry an engine ends because it was told to, by us or by somebody else.
                Err(_) if self.is_down() => Turn::Over,
                Err(failure) => self.go_on_with_successor(failure, ui)?,
            };
            if turn == Turn::Over {
                self.watch.finish(ui);
                return self.print_logs(ui);
            }
        }
    }

    /// The engine is gone; if another one carries the services, so does this with it.
    fn go_on_with_successor(&mut self, failure: Failure, ui: &mut Ui) -> Result<Turn, Failure> {
        let before = self.client.greeting.pid;
        if self.client.turn_to_successor().is_err() || self.client.greeting.pid == before {
            return Err(failure);
        }
        ui.note(&format!(
            "the engine (pid {before}) died, and another one (pid {}) took over; the services run on",
            self.client.greeting.pid
        ));
        watch::subscribe(&mut self.client)?;
        self.client.hear_interrupts();
        if self.belongs == Belongs::Us {
            self.client.ask(Ask::Lifeline)?;
        }
        self.settled = None;
        match self.phase {
            Phase::Starting { .. } => {
                let id = self.ask_for_all()?;
                self.phase = Phase::Starting { id };
            }
            Phase::Running => self.ask_whether_settled()?,
            Phase::Stopping { how, .. } => self.stop(how)?,
        }
        Ok(Turn::GoOn)
    }

    /// A start of what is being started anyway: its answer tells when all have arrived.
    fn ask_for_all(&mut self) -> Result<u64, Failure> {
        let names = self.names.clone();
        self.client.send(Ask::Start { names })
    }

    fn open_logs(&mut self, ui: &mut Ui) -> Result<(), Failure> {
        let ask = Ask::Status {
            names: self.names.clone(),
            detail: false,
        };
        let Answer::Status { services } = self.client.ask(ask)? else {
            return Err(unexpected("status"));
        };
        for status in &services {
            let by = &status.readiness.by;
            self.watch.progress.proof(&status.service, by);
        }
        let sources = follow::sources(&services);
        let look = Look {
            form: ui.form,
            paint: ui.paint,
            terminal: ui.is_watched(),
            naming: Naming::Named(self.names.clone()),
            times: None,
        };
        self.follow = Some(Follow::open(
            sources,
            Beginning::Since(self.since),
            None,
            look,
            ui,
        ));
        Ok(())
    }

    /// Prints what was written and draws what is under way; returns when to do so again.
    fn look(&mut self, ui: &mut Ui) -> Result<Option<Instant>, Failure> {
        self.print_logs(ui)?;
        let drawn = match self.phase {
            Phase::Starting { .. } | Phase::Stopping { .. } => self.watch.draw(ui),
            Phase::Running => None,
        };
        let looked = self.follow.as_ref().map(|_| Instant::now() + LOOK);
        Ok([drawn, looked].into_iter().flatten().min())
    }

    fn print_logs(&mut self, ui: &mut Ui) -> Result<(), Failure> {
        match &mut self.follow {
            Some(follow) => follow.print_new(ui),
            None => Ok(()),
        }
    }

    fn on(&mut self, heard: Heard, ui: &mut Ui) -> Result<Turn, Failure> {
        match heard {
            Heard::Event(event) => self.hear_event(&event, ui)?,
            Heard::Interrupt => return self.interrupt(ui),
            Heard::Answer(id, answer) => return self.answered(id, answer, ui),
            Heard::Fault(id, fault) => {
                if self.awaited(id) {
                    return Err(fault.into());
                }
            }
            Heard::Nothing => {}
        }
        Ok(Turn::GoOn)
    }

    fn awaited(&self, id: u64) -> bool {
        match self.phase {
            Phase::Starting { id: awaited } | Phase::Stopping { id: awaited, .. } => id == awaited,
            Phase::Running => false,
        }
    }

    fn answered(&mut self, id: u64, answer: Answer, ui: &mut Ui) -> Result<Turn, Failure> {
        if self.settled == Some(id)
            && let Answer::Status { services } = &answer
        {
            self.settled = None;
            return self.over_if_settled(services, ui);
        }
        match self.phase {
            Phase::Starting { id: awaited } if awaited == id => {
                if let Answer::Outcomes { outcomes } = answer {
                    self.arrived(&outcomes, ui)?;
                }
                Ok(Turn::GoOn)
            }
            Phase::Stopping { id: awaited, .. } if awaited == id => {
                let Answer::Outcomes { outcomes } = answer else {
                    // A shutdown has begun; it is over when the engine has closed the connection.
                    return Ok(Turn::GoOn);
                };
                for outcome in outcomes {
                    self.stands(&outcome.service, outcome.state, &outcome.because);
                }
                Ok(Turn::Over)
            }
            Phase::Starting { .. } | Phase::Stopping { .. } | Phase::Running => Ok(Turn::GoOn),
        }
    }

    /// The start is over.
    fn arrived(&mut self, outcomes: &[Outcome], ui: &mut Ui) -> Result<(), Failure> {
        self.watch.finish(ui);
        self.phase = Phase::Running;
        for outcome in outcomes {
            self.stands(&outcome.service, outcome.state, &outcome.because);
        }
        if ui.form == Form::People {
            ui.note(&arrival(outcomes, self.begun));
        }
        self.ask_whether_settled()
    }

    fn hear_event(&mut self, event: &Event, ui: &mut Ui) -> Result<(), Failure> {
        if !self.standing.contains_key(&event.service) {
            return Ok(());
        }
        if ui.form == Form::Json {
            ui.answer_json(event)?;
        }
        self.watch.on(event, ui);
        if let EventKind::State { to, .. } = &event.kind {
            self.stands(&event.service, *to, &event.because);
            self.ask_whether_settled()?;
        }
        Ok(())
    }

    fn stands(&mut self, service: &str, state: State, because: &str) {
        self.standing
            .insert(service.to_owned(), Standing::new(state, because));
    }

    /// If nothing is up any more, the engine knows whether anything is still to come.
    fn ask_whether_settled(&mut self) -> Result<(), Failure> {
        let quiet = !self.standing.is_empty() && self.is_down();
        if self.phase == Phase::Running && self.settled.is_none() && quiet {
            let names = self.names.clone();
            let detail = false;
            self.settled = Some(self.client.send(Ask::Status { names, detail })?);
        }
        Ok(())
    }

    fn over_if_settled(
        &mut self,
        services: &[ServiceStatus],
        ui: &mut Ui,
    ) -> Result<Turn, Failure> {
        let to_come = |status: &ServiceStatus| status.next.is_some() || !is_down(status.state);
        if self.phase != Phase::Running || services.iter().any(to_come) {
            return Ok(Turn::GoOn);
        }
        if ui.form == Form::People {
            ui.note("all services have ended");
        }
        match self.belongs {
            Belongs::Us => {
                self.stop(StopHow::Plan)?;
                Ok(Turn::GoOn)
            }
            Belongs::Others => Ok(Turn::Over),
        }
    }

    fn is_down(&self) -> bool {
        self.standing
            .values()
            .all(|standing| is_down(standing.state))
    }

    fn interrupt(&mut self, ui: &mut Ui) -> Result<Turn, Failure> {
        let how = match self.phase {
            Phase::Starting { .. } | Phase::Running => {
                if self.phase != Phase::Running {
                    self.watch.finish(ui);
                }
                if ui.form == Form::People {
                    ui.note("stopping; Ctrl+C again forces");
                }
                StopHow::Plan
            }
            Phase::Stopping {
                how: StopHow::Plan, ..
            } => {
                if ui.form == Form::People {
                    ui.note("forcing");
                }
                StopHow::Force
            }
            Phase::Stopping {
                how: StopHow::Force,
                ..
            } => {
                self.watch.finish(ui);
                return Err(Failure::failed("left before everything was stopped")
                    .action("`aplomb status` tells what the engine still does"));
            }
        };
        self.stop(how)?;
        Ok(Turn::GoOn)
    }

    /// Everything with the engine if it is ours, else only what we started.
    fn stop(&mut self, how: StopHow) -> Result<(), Failure> {
        let ask = match self.belongs {
            Belongs::Us => Ask::Shutdown { how },
            Belongs::Others => Ask::Stop {
                names: self.names.clone(),
                how,
            },
        };
        let id = self.client.send(ask)?;
        if how == StopHow::Plan {
            self.watch.turn(Aim::Down);
        }
        self.phase = Phase::Stopping { id, how };
        Ok(())
    }

    /// Failed if any service is.
    fn verdict(&self) -> Result<Exit, Failure> {
        let failed: Vec<String> = self
            .standing
            .iter()
            .filter(|(_, standing)| standing.state == State::Failed)
            .map(|(name, standing)| format!("`{name}` ({})", standing.because))
            .collect();
        if failed.is_empty() {
            return Ok(Exit::Done);
        }
        Err(Failure::failed(format!("{} failed", words::list(&failed))))
    }
}

fn is_down(state: State) -> bool {
    match state {
        State::Stopped | State::Failed => true,
        State::StartPending
        | State::Running
        | State::PausePending
        | State::Paused
        | State::ContinuePending
        | State::StopPending => false,
    }
}

/// The end of a start for whoever does not stay.
fn tell_arrival(ui: &mut Ui, outcomes: &[Outcome], begun: Instant) -> Result<Exit, Failure> {
    match ui.form {
        Form::Json => ui.answer_json(&outcomes)?,
        Form::People => ui.note(&arrival(outcomes, begun)),
    }
    watch::verdict(outcomes)
}

/// `4 services are up after 620 ms; Ctrl+C stops them`.
fn arrival(outcomes: &[Outcome], begun: Instant) -> String {
    let all = outcomes.len();
    let arrived = outcomes.iter().filter(|outcome| outcome.arrived).count();
    let took = words::duration_ms(u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX));
    if arrived == all {
        let services = words::count(all as u64, "service", "services");
        return format!("{services} up after {took}");
    }
    format!("{arrived} of {all} services up after {took}")
}
