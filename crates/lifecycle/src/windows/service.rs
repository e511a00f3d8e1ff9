//! Running under the service control manager.
//!
//! The program's own code stays on the main thread; the dispatcher, which the system wants for itself until the service
//! has stopped, gets a thread. Its callbacks only post. Of two stop controls that race, the first wins: from STOP_PENDING
//! on we accept none, and one that slips through is dropped.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{Control, signals, sys};

/// What the program's main thread and the dispatcher's tell each other.
#[derive(Debug)]
struct Talk {
    /// Says that the service has begun, or that there is no service control manager.
    begun: Sender<bool>,
    /// Brings the exit code.
    ended: Receiver<u8>,
}

static TALK: Mutex<Option<Talk>> = Mutex::new(None);
static STATE: Mutex<State> = Mutex::new(State::START);
static UNDER_SCM: AtomicBool = AtomicBool::new(false);
static STOP_LATCHED: AtomicBool = AtomicBool::new(false);
static CHECKPOINT: AtomicU32 = AtomicU32::new(0);

/// What we last reported; an interrogation repeats it.
#[derive(Debug, Clone, Copy)]
pub(super) struct State {
    pub(super) what: What,
    pub(super) checkpoint: u32,
    pub(super) hint: Duration,
    pub(super) code: u8,
}

impl State {
    const START: Self = Self {
        what: What::StartPending,
        checkpoint: 0,
        hint: Duration::ZERO,
        code: 0,
    };
}

/// The states of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    StartPending,
    Running,
    PausePending,
    Paused,
    ContinuePending,
    StopPending,
    Stopped,
}

/// Runs `run` as the service `name`, or plainly when no service control manager started us.
pub(super) fn hosted(name: &str, run: impl FnOnce() -> u8) -> u8 {
    let (begun, has_begun) = channel();
    let (end, ended) = channel();
    *TALK.lock().unwrap_or_else(PoisonError::into_inner) = Some(Talk {
        begun: begun.clone(),
        ended,
    });
    let name = name.to_owned();
    let dispatcher = std::thread::Builder::new()
        .name("aplomb-scm".into())
        .spawn(move || {
            if sys::dispatch(&name).is_err() {
                // Started from a terminal: there is nobody to serve.
                begun.send(false).ok();
            }
        });
    if !has_begun.recv().unwrap_or(false) {
        return run();
    }
    UNDER_SCM.store(true, Ordering::SeqCst);
    let code = run();
    end.send(code).ok();
    if let Ok(dispatcher) = dispatcher {
        // Returns once STOPPED was reported.
        drop(dispatcher.join());
    }
    code
}

/// The service's main, on a thread of the dispatcher: reports the start, waits for the program, reports the end.
pub(super) fn service_main() {
    let Some(talk) = TALK.lock().unwrap_or_else(PoisonError::into_inner).take() else {
        return;
    };
    report(What::StartPending, Duration::from_secs(30), 0);
    talk.begun.send(true).ok();
    let code = talk.ended.recv().unwrap_or(1);
    report(What::Stopped, Duration::ZERO, code);
}

fn report(what: What, hint: Duration, code: u8) {
    let pending = matches!(
        what,
        What::StartPending | What::StopPending | What::PausePending | What::ContinuePending
    );
    let checkpoint = if pending {
        CHECKPOINT.fetch_add(1, Ordering::SeqCst) + 1
    } else {
        0
    };
    if !pending {
        CHECKPOINT.store(0, Ordering::SeqCst);
    }
    let state = State {
        what,
        checkpoint,
        hint,
        code,
    };
    let mut last = STATE.lock().unwrap_or_else(PoisonError::into_inner);
    // Nothing comes after a stop but its end.
    if matches!(last.what, What::Stopped)
        || (last.what == What::StopPending && !matches!(what, What::StopPending | What::Stopped))
    {
        return;
    }
    *last = state;
    sys::report(&state);
}

/// Repeats what we last said.
pub(super) fn interrogated() {
    let last = *STATE.lock().unwrap_or_else(PoisonError::into_inner);
    sys::report(&last);
}

/// A control arrived, on a thread of the system. Returns at once.
pub(super) fn controlled(control: Control) {
    let stops = matches!(
        control,
        Control::Stop | Control::Shutdown | Control::Preshutdown
    );
    if stops && STOP_LATCHED.load(Ordering::SeqCst) {
        return;
    }
    // Latched only when somebody heard it: before the handlers are in place a stop has to be asked for again.
    if signals::post(control) && stops {
        STOP_LATCHED.store(true, Ordering::SeqCst);
    }
}

/// The life thread's voice towards the service control manager.
#[derive(Debug)]
pub(crate) struct Status(());

impl Status {
    /// Present when the service control manager started us.
    pub(crate) fn current() -> Option<Self> {
        UNDER_SCM.load(Ordering::SeqCst).then_some(Self(()))
    }

    /// A further checkpoint of the start, which may last `hint` more.
    pub(crate) fn start_pending(&self, hint: Duration) {
        report(What::StartPending, hint, 0);
    }

    pub(crate) fn running(&self) {
        report(What::Running, Duration::ZERO, 0);
    }

    pub(crate) fn pause_pending(&self) {
        report(What::PausePending, Duration::from_secs(30), 0);
    }

    pub(crate) fn paused(&self) {
        report(What::Paused, Duration::ZERO, 0);
    }

    pub(crate) fn continue_pending(&self) {
        report(What::ContinuePending, Duration::from_secs(30), 0);
    }

    /// A further checkpoint: it goes on, and the end is at most `hint` away.
    pub(crate) fn stop_pending(&self, hint: Duration) {
        report(What::StopPending, hint, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::life::Message;
    use crate::windows::{HostEvent, Received};

    /// One test, as the latch and the place to post to are the process's.
    #[test]
    fn of_stops_that_race_the_first_is_posted_and_what_came_before_there_was_anybody_is_not_latched()
     {
        controlled(Control::Stop);
        let (post, mut inbox) = crate::os::mailbox().unwrap();
        let _installed = signals::install(&[], &[], &post).unwrap();
        for control in [
            Control::Pause,
            Control::Shutdown,
            Control::Stop,
            Control::Preshutdown,
            Control::Continue,
        ] {
            controlled(control);
        }
        let mut posted = Vec::new();
        while let Received::Message((_, Message::Host(HostEvent::Control(control)))) =
            inbox.receive(Some(std::time::Instant::now()))
        {
            posted.push(control);
        }
        assert_eq!(
            posted,
            [Control::Pause, Control::Shutdown, Control::Continue]
        );
    }
}
