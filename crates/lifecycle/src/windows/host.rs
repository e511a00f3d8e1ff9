//! Whoever started us, on Windows: the service control manager, Aplomb's engine, or a console; and what their controls mean.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::service::Status;
use super::{Control, Interruption};
use crate::cause::{Cause, CauseKind, Urgency};
use crate::life::{Life, Message, Whole};
use crate::notice::Notice;
use crate::notify::Notify;
use crate::signal::{OnSignal, Work};
use crate::stage::Stage;

/// What a status report adds to the planned end, so that we are never late by our own clock.
const MARGIN: Duration = Duration::from_secs(2);
/// What Windows leaves us: about 5 s after the console was closed or the system shuts down, 10 s in a preshutdown.
const CLOSE_LIMIT: Duration = Duration::from_millis(4_500);
const PRESHUTDOWN_LIMIT: Duration = Duration::from_secs(9);

/// What the life thread is told by callbacks of the system and by its own helpers.
#[derive(Debug)]
pub(crate) enum HostEvent {
    Control(Control),
    /// The program's part of a pause is done.
    Paused,
    /// The program's part of a continue is done.
    Continued,
}

/// Whoever started us.
pub(crate) struct Host {
    service: Option<Status>,
    notify: Option<Notify>,
    pausing: Option<(Work, Work)>,
    /// When the stop is planned to be over.
    end: Option<Instant>,
}

impl Host {
    /// Signals are Unix's; a declaration for one never fires here.
    pub(crate) fn from_env(
        _signals: BTreeMap<i32, OnSignal>,
        pausing: Option<(Work, Work)>,
    ) -> Self {
        Self {
            service: Status::current(),
            notify: Notify::from_env(),
            pausing,
            end: None,
        }
    }

    /// True when this host moves its limit for work that progresses.
    pub(crate) fn extends(&self) -> bool {
        self.service.is_some() || self.notify.is_some()
    }

    fn tell(&self, what: impl FnOnce(&Notify)) {
        if let Some(notify) = &self.notify {
            what(notify);
        }
    }

    /// The start goes on and may last this long: a further checkpoint.
    pub(crate) fn starting(&self, within: Duration) {
        self.tell(|notify| notify.extend(within));
        if let Some(service) = &self.service {
            service.start_pending(within + MARGIN);
        }
    }

    pub(crate) fn ready(&self) {
        self.tell(Notify::ready);
        if let Some(service) = &self.service {
            service.running();
        }
    }

    pub(crate) fn stopping(&mut self, within: Duration) {
        self.tell(Notify::stopping);
        self.pending(within + MARGIN);
    }

    /// A further checkpoint, with what is left until the planned end.
    pub(crate) fn stage(&self, stage: Stage) {
        self.tell(|notify| notify.stage(stage));
        let left = self
            .end
            .map(|end| end.saturating_duration_since(Instant::now()));
        if let (Some(service), Some(left)) = (&self.service, left) {
            service.stop_pending(left);
        }
    }

    pub(crate) fn extend(&mut self, remaining: Duration) {
        self.tell(|notify| notify.extend(remaining));
        self.pending(remaining);
    }

    fn pending(&mut self, remaining: Duration) {
        self.end = Some(Instant::now() + remaining);
        if let Some(service) = &self.service {
            service.stop_pending(remaining);
        }
    }

    /// The service control manager takes no words; Aplomb's engine does.
    pub(crate) fn status(&self, notice: &Notice) {
        self.tell(|notify| notify.status(notice));
    }

    pub(crate) fn wakes_at(&self) -> Option<Instant> {
        self.notify.as_ref().and_then(Notify::wakes_at)
    }

    pub(crate) fn beat(&mut self, now: Instant, whole: &Whole) {
        if let Some(notify) = &mut self.notify {
            notify.beat(now, whole);
        }
    }
}

/// There are no signals to be impatient with.
pub(crate) fn is_impatient(never: &Interruption) -> bool {
    match *never {}
}

/// No process ends by a signal here.
pub(crate) fn resignal(_: &Cause) {}

/// What a control asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    End(CauseKind, &'static str, Urgency),
    Pause,
    Continue,
}

fn meaning(control: Control) -> Meaning {
    use CauseKind::{ConsoleClose, ServiceControl, SystemShutdown, Terminal};
    let closing = Urgency::Within(CLOSE_LIMIT);
    match control {
        Control::CtrlC => Meaning::End(Terminal, "CTRL_C", Urgency::Interrupt),
        Control::CtrlBreak => Meaning::End(Terminal, "CTRL_BREAK", Urgency::Stop),
        Control::ConsoleClose => Meaning::End(ConsoleClose, "CTRL_CLOSE", closing),
        Control::ConsoleShutdown => Meaning::End(SystemShutdown, "CTRL_SHUTDOWN", closing),
        Control::Stop => Meaning::End(ServiceControl, "STOP", Urgency::Stop),
        Control::Shutdown => Meaning::End(SystemShutdown, "SHUTDOWN", closing),
        Control::Preshutdown => Meaning::End(
            SystemShutdown,
            "PRESHUTDOWN",
            Urgency::Within(PRESHUTDOWN_LIMIT),
        ),
        Control::Pause => Meaning::Pause,
        Control::Continue => Meaning::Continue,
    }
}

impl Life {
    pub(crate) fn interrupted(&mut self, never: &Interruption) {
        match *never {}
    }

    pub(crate) fn heard(&mut self, event: HostEvent) {
        match event {
            HostEvent::Control(control) => self.controlled(control),
            HostEvent::Paused => {
                if let Some(service) = &self.host.service {
                    service.paused();
                }
            }
            HostEvent::Continued => self.host.ready(),
        }
    }

    /// The console or the service control manager said something.
    fn controlled(&mut self, control: Control) {
        match meaning(control) {
            Meaning::End(kind, name, urgency) => self.ask(
                Cause {
                    kind,
                    signal: Some(name.into()),
                    sender: None,
                },
                urgency,
            ),
            Meaning::Pause => self.between(
                Status::pause_pending,
                |pausing| &pausing.0,
                HostEvent::Paused,
            ),
            Meaning::Continue => self.between(
                Status::continue_pending,
                |pausing| &pausing.1,
                HostEvent::Continued,
            ),
        }
    }

    /// Runs the program's part of a pause or continue, and has the result reported.
    fn between(&mut self, pending: fn(&Status), part: fn(&(Work, Work)) -> &Work, done: HostEvent) {
        let Some(service) = &self.host.service else {
            return;
        };
        pending(service);
        let work = self
            .host
            .pausing
            .as_ref()
            .map(|pausing| Arc::clone(part(pausing)));
        let link = self.link();
        self.call("aplomb-pause", move || {
            if let Some(work) = work {
                work();
            }
            link.send(Message::Host(done));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// These come from the system alone; no client can send them.
    #[test]
    fn what_the_system_ends_us_by_is_done_within_what_it_leaves_us() {
        for (control, limit) in [
            (Control::ConsoleClose, 5_000),
            (Control::ConsoleShutdown, 5_000),
            (Control::Shutdown, 5_000),
            (Control::Preshutdown, 10_000),
        ] {
            let Meaning::End(_, _, Urgency::Within(time)) = meaning(control) else {
                panic!("{control:?} has no limit")
            };
            assert!(time.as_millis() < limit, "{control:?}: {time:?}");
        }
    }

    #[test]
    fn a_person_may_press_again_and_an_administrator_need_not() {
        let urgency = |control| match meaning(control) {
            Meaning::End(_, _, urgency) => urgency,
            Meaning::Pause | Meaning::Continue => panic!("{control:?} ends nothing"),
        };
        assert_eq!(urgency(Control::CtrlC), Urgency::Interrupt);
        assert_eq!(urgency(Control::CtrlBreak), Urgency::Stop);
        assert_eq!(urgency(Control::Stop), Urgency::Stop);
    }
}
