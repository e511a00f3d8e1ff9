//! `start`, `stop`, `restart`, `pause`, `continue`, `rotate`, `status`, `statuscode`.

use std::time::Duration;

use super::{Done, Ended, Session, text};
use crate::host::scm::{Refused, State, Status, control, reason};

/// Milliseconds a service of somebody else's is given to start; what the manager itself gives it to answer.
const PATIENCE: u32 = 30_000;

/// What is asked of a running service, with NSSM's word for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    Start,
    Stop,
    Pause,
    Continue,
    Rotate,
}

/// What a state means for who waits after asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Reached,
    Under,
    Wrong,
}

impl Ask {
    fn word(self) -> &'static str {
        match self {
            Ask::Start => "START",
            Ask::Stop => "STOP",
            Ask::Pause => "PAUSE",
            Ask::Continue => "CONTINUE",
            Ask::Rotate => "ROTATE",
        }
    }

    fn sign(self, state: Option<State>) -> Sign {
        let (reached, under): (State, &[State]) = match self {
            Ask::Rotate => return Sign::Reached,
            Ask::Start => (State::Running, &[State::StartPending]),
            Ask::Stop => (State::Stopped, &[State::Running, State::StopPending]),
            Ask::Pause => (State::Paused, &[State::PausePending]),
            Ask::Continue => (State::Running, &[State::ContinuePending]),
        };
        match state {
            Some(state) if state == reached => Sign::Reached,
            Some(state) if under.contains(&state) => Sign::Under,
            Some(_) | None => Sign::Wrong,
        }
    }
}

impl Session<'_> {
    /// The words after the name are the service's start arguments.
    pub(super) fn start(&mut self, args: &[String]) -> Done {
        let service = self.named(args)?;
        if let Err(refused) = self.system.manager.start(&service, args)
            && refused.code != reason::IO_PENDING
        {
            return self.refused(&service, Ask::Start, refused);
        }
        // As long as the program needs to count as started, if it is one of ours.
        let throttle = self
            .system
            .registry
            .value(&Session::parameters(&service), "AppThrottle");
        let ours = self.system.registry.exists(&Session::parameters(&service));
        let patience = match ours {
            Ok(true) => {
                let said = throttle.ok().flatten().and_then(|value| value.number());
                said.unwrap_or(aplomb_units::nssm::THROTTLE)
            }
            // NSSM waits for ever, also for a service that has ended meanwhile.
            Ok(false) | Err(_) => PATIENCE,
        };
        self.watch(&service, Ask::Start, Some(State::Stopped), Some(patience))
    }

    pub(super) fn stop(&mut self, args: &[String]) -> Done {
        self.ask(args, Ask::Stop, control::STOP)
    }

    pub(super) fn pause(&mut self, args: &[String]) -> Done {
        self.ask(args, Ask::Pause, control::PAUSE)
    }

    pub(super) fn resume(&mut self, args: &[String]) -> Done {
        self.ask(args, Ask::Continue, control::CONTINUE)
    }

    pub(super) fn rotate(&mut self, args: &[String]) -> Done {
        self.ask(args, Ask::Rotate, control::ROTATE)
    }

    fn ask(&mut self, args: &[String], ask: Ask, number: u32) -> Done {
        let service = self.named(args)?;
        match self.system.manager.control(&service, number) {
            Ok(initial) => self.watch(&service, ask, initial.state, None),
            Err(refused) if refused.code == reason::IO_PENDING => {
                self.watch(&service, ask, None, None)
            }
            Err(refused) => {
                let stopped = ask == Ask::Stop && refused.code == reason::SERVICE_NOT_ACTIVE;
                let ended = self.refused(&service, ask, refused);
                // What is stopped need not be stopped.
                if stopped { Ok(()) } else { ended }
            }
        }
    }

    pub(super) fn status(&mut self, args: &[String]) -> Done<Status> {
        let service = self.named(args)?;
        match self.system.manager.status(&service) {
            Ok(status) => {
                self.out.push_str(word(status.state));
                self.out.push('\n');
                Ok(status)
            }
            Err(refused) => {
                let why = self.words(refused.code);
                self.err.push_str(&format!("{service}: {why}\n"));
                Err(Ended(1))
            }
        }
    }

    /// The state as the exit code; 0 where there is none.
    pub(super) fn status_code(&mut self, args: &[String]) -> Done {
        if args.is_empty() {
            return self.usage();
        }
        match self.status(args) {
            Ok(Status {
                state: Some(state), ..
            }) => Err(Ended(state as u8)),
            Ok(Status { state: None, .. }) | Err(_) => Err(Ended(0)),
        }
    }

    fn named(&mut self, args: &[String]) -> Done<String> {
        match args.first() {
            Some(name) => self.found(name),
            None => self.usage(),
        }
    }

    fn refused(&mut self, service: &str, ask: Ask, refused: Refused) -> Done {
        if refused.call == "OpenService" {
            self.complain_of_opening(refused);
            return Err(Ended(3));
        }
        let why = self.words(refused.code);
        self.err
            .push_str(&format!("{service}: {}: {why}", ask.word()));
        Err(Ended(1))
    }

    /// Looks again and again until the service is where it was asked to be, moves no more, or `patience` (in
    /// milliseconds) is over.
    fn watch(
        &mut self,
        service: &str,
        ask: Ask,
        initial: Option<State>,
        patience: Option<u32>,
    ) -> Done {
        let mut tries = 0;
        let mut last = (0, 0);
        let mut waited = 0;
        let state = loop {
            let Ok(status) = self.system.manager.status(service) else {
                break None;
            };
            let sign = ask.sign(status.state);
            if sign == Sign::Reached {
                self.out
                    .push_str(&format!("{service}: {}: {}", ask.word(), self.words(0)));
                return Ok(());
            }
            if sign == Sign::Wrong && status.state != initial {
                break status.state;
            }
            let progress = (status.checkpoint, status.wait_hint);
            if progress != last {
                tries = 0;
            }
            last = progress;
            tries = (tries + 1).min(10);
            let wait = 50 * tries;
            if let Some(patience) = patience.filter(|patience| *patience > 0) {
                if waited > patience {
                    break status.state;
                }
                waited += wait;
            }
            self.system
                .manager
                .pause(Duration::from_millis(wait.into()));
        };
        self.complain(&text::unexpected_status(service, word(state), ask.word()));
        Err(Ended(1))
    }
}

/// NSSM's word for a state.
pub(super) fn word(state: Option<State>) -> &'static str {
    match state {
        Some(State::Stopped) => "SERVICE_STOPPED",
        Some(State::StartPending) => "SERVICE_START_PENDING",
        Some(State::StopPending) => "SERVICE_STOP_PENDING",
        Some(State::Running) => "SERVICE_RUNNING",
        Some(State::ContinuePending) => "SERVICE_CONTINUE_PENDING",
        Some(State::PausePending) => "SERVICE_PAUSE_PENDING",
        Some(State::Paused) => "SERVICE_PAUSED",
        None => "?",
    }
}
