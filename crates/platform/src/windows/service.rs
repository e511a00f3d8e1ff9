//! A process of the service control manager: how it learns how the service stands. What the manager wants is told by
//! [`crate::Platform::wait`], as [`crate::Happened::Controlled`].
//!
//! The manager's dispatcher wants a thread for itself, and gets one; it only posts to the engine's port.

use std::io;
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use windows_sys::Win32::Foundation::{ERROR_SERVICE_SPECIFIC_ERROR, NO_ERROR};
use windows_sys::Win32::System::Services::{
    SERVICE_ACCEPT_PARAMCHANGE, SERVICE_ACCEPT_PAUSE_CONTINUE, SERVICE_ACCEPT_PRESHUTDOWN,
    SERVICE_ACCEPT_STOP, SERVICE_CONTINUE_PENDING, SERVICE_CONTROL_CONTINUE,
    SERVICE_CONTROL_PARAMCHANGE, SERVICE_CONTROL_PAUSE, SERVICE_CONTROL_PRESHUTDOWN,
    SERVICE_CONTROL_SHUTDOWN, SERVICE_CONTROL_STOP, SERVICE_PAUSE_PENDING, SERVICE_PAUSED,
    SERVICE_RUNNING, SERVICE_START_PENDING, SERVICE_STATUS, SERVICE_STOP_PENDING, SERVICE_STOPPED,
};

use super::Windows;
use super::poller::Source;
use super::sys::service::{self, Line};
use crate::Control;

/// How long the manager is to be patient before the first report of our own.
const FIRST: Duration = Duration::from_secs(5);

/// The states the manager knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceState {
    StartPending,
    Running,
    PausePending,
    Paused,
    ContinuePending,
    StopPending,
    Stopped,
}

/// How the service stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    pub state: ServiceState,
    /// Rises while a pending state goes on; 0 in all others.
    pub checkpoint: u32,
    /// By when the next report comes, at the latest.
    pub hint: Duration,
    /// What became of it, once stopped.
    pub outcome: ServiceOutcome,
}

/// What a stopped service ended with. Recovery actions follow a failure only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceOutcome {
    /// As it should; the code is shown, and means no failure.
    Fine(u32),
    /// It failed with this code of its own (error 1066).
    Failed(u32),
}

/// The line to the manager that started us.
#[derive(Debug)]
pub struct Service {
    /// What `StartService` was called with, the service's name first.
    pub words: Vec<String>,
    over: Sender<()>,
    dispatcher: JoinHandle<io::Result<()>>,
}

impl Windows {
    /// Serves the manager as the service of this name, from now until [`Service::stopped`].
    ///
    /// Errors: the manager did not start this process (1063); it serves already.
    pub fn serve(&self, name: &str) -> io::Result<Service> {
        let (begun, has_begun) = channel();
        let (over, is_over) = channel();
        let line = Line {
            poster: self.poller.poster(),
            key: Source::Host.pack(),
            begun: Mutex::new(begun),
            over: Mutex::new(is_over),
            name: service::name(name)?,
            first: coming_up,
        };
        let dispatcher = std::thread::Builder::new()
            .name("service control".to_owned())
            .spawn(move || service::dispatch(line))?;
        // Comes at once, or not at all: without a manager the dispatcher returns, but keeps the line.
        loop {
            match has_begun.recv_timeout(Duration::from_millis(20)) {
                Ok(words) => {
                    return Ok(Service {
                        words,
                        over,
                        dispatcher,
                    });
                }
                Err(_) if dispatcher.is_finished() => break,
                Err(_) => {}
            }
        }
        match dispatcher.join() {
            Ok(Err(error)) => Err(error),
            Ok(Ok(())) | Err(_) => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }
}

impl Service {
    /// Tells the manager how the service stands. Fails only where the manager is gone.
    pub fn report(&self, report: &Report) -> io::Result<()> {
        service::report(&status(report))
    }

    /// The last word: it has stopped.
    pub fn stopped(self, outcome: ServiceOutcome) {
        let last = Report {
            state: ServiceState::Stopped,
            checkpoint: 0,
            hint: Duration::ZERO,
            outcome,
        };
        // A manager that is gone needs no last word; the process ends in any case.
        let _ = self.report(&last);
        let _ = self.over.send(());
        let _ = self.dispatcher.join();
    }
}

fn coming_up() -> SERVICE_STATUS {
    status(&Report {
        state: ServiceState::StartPending,
        checkpoint: 1,
        hint: FIRST,
        outcome: ServiceOutcome::Fine(0),
    })
}

fn status(report: &Report) -> SERVICE_STATUS {
    // PRESHUTDOWN comes earlier and leaves more time; who takes it gets no SHUTDOWN. A user's codes always come.
    let all = SERVICE_ACCEPT_STOP
        | SERVICE_ACCEPT_PRESHUTDOWN
        | SERVICE_ACCEPT_PAUSE_CONTINUE
        | SERVICE_ACCEPT_PARAMCHANGE;
    let (current, accepted) = match report.state {
        ServiceState::StartPending => (SERVICE_START_PENDING, SERVICE_ACCEPT_STOP),
        ServiceState::Running => (SERVICE_RUNNING, all),
        ServiceState::PausePending => (SERVICE_PAUSE_PENDING, SERVICE_ACCEPT_STOP),
        ServiceState::Paused => (SERVICE_PAUSED, all),
        ServiceState::ContinuePending => (SERVICE_CONTINUE_PENDING, SERVICE_ACCEPT_STOP),
        ServiceState::StopPending => (SERVICE_STOP_PENDING, 0),
        ServiceState::Stopped => (SERVICE_STOPPED, 0),
    };
    let (code, specific) = match report.outcome {
        ServiceOutcome::Fine(code) => (NO_ERROR, code),
        ServiceOutcome::Failed(code) => (ERROR_SERVICE_SPECIFIC_ERROR, code),
    };
    SERVICE_STATUS {
        dwServiceType: 0,
        dwCurrentState: current,
        dwControlsAccepted: accepted,
        dwWin32ExitCode: code,
        dwServiceSpecificExitCode: specific,
        dwCheckPoint: report.checkpoint,
        dwWaitHint: u32::try_from(report.hint.as_millis()).unwrap_or(u32::MAX),
    }
}

/// What a control means by its number; `None` for those we do not take.
pub(super) fn control(number: u32) -> Option<Control> {
    const USERS: std::ops::RangeInclusive<u32> = 128..=255;
    match number {
        SERVICE_CONTROL_STOP => Some(Control::Stop),
        SERVICE_CONTROL_SHUTDOWN | SERVICE_CONTROL_PRESHUTDOWN => Some(Control::Shutdown),
        SERVICE_CONTROL_PAUSE => Some(Control::Pause),
        SERVICE_CONTROL_CONTINUE => Some(Control::Continue),
        SERVICE_CONTROL_PARAMCHANGE => Some(Control::Reload),
        user if USERS.contains(&user) => u8::try_from(user).ok().map(Control::User),
        _ => None,
    }
}
