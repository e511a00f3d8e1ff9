//! Whoever started us, on Unix: systemd, or Aplomb's engine, by the notify protocol; and what a signal means.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Interruption;
use super::sender::origin;
use super::sys::monotonic_usec;
use crate::cause::{Cause, CauseKind, Sender, Urgency};
use crate::life::{Life, Message, Whole};
use crate::notice::Notice;
use crate::notify::Notify;
use crate::signal::{OnSignal, Signal, Work};
use crate::stage::Stage;

/// What the life thread is told by its own helpers.
#[derive(Debug)]
pub(crate) enum HostEvent {
    /// A reload is done.
    Reloaded,
}

/// Whoever started us.
pub(crate) struct Host {
    signals: BTreeMap<i32, OnSignal>,
    notify: Option<Notify>,
}

impl Host {
    /// Reads the environment. Nobody can pause us here.
    pub(crate) fn from_env(
        signals: BTreeMap<i32, OnSignal>,
        _pausing: Option<(Work, Work)>,
    ) -> Self {
        let notify = Notify::from_env();
        Self { signals, notify }
    }

    /// True when this host moves its limit for work that progresses.
    pub(crate) fn extends(&self) -> bool {
        self.notify.is_some()
    }

    fn tell(&self, what: impl FnOnce(&Notify)) {
        if let Some(notify) = &self.notify {
            what(notify);
        }
    }

    /// The start goes on and may last this long.
    pub(crate) fn starting(&self, within: Duration) {
        self.tell(|notify| notify.extend(within));
    }

    pub(crate) fn ready(&self) {
        self.tell(Notify::ready);
    }

    pub(crate) fn stopping(&mut self, _within: Duration) {
        self.tell(Notify::stopping);
    }

    pub(crate) fn stage(&self, stage: Stage) {
        self.tell(|notify| notify.stage(stage));
    }

    pub(crate) fn extend(&mut self, remaining: Duration) {
        self.tell(|notify| notify.extend(remaining));
    }

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

/// True for a person at the terminal who asks while we are already ending.
pub(crate) fn is_impatient(record: &Interruption) -> bool {
    origin(record) == Sender::Terminal
}

/// Ends the process by the signal that asked for its end, if one did, so that a parent sees it.
pub(crate) fn resignal(cause: &Cause) {
    let named = |signal: &Signal| cause.signal.as_deref() == Some(&*signal.name());
    if let Some(signal) = [Signal::TERM, Signal::INT, Signal::QUIT, Signal::HUP]
        .iter()
        .find(|signal| named(signal))
    {
        super::sys::raise_default(signal.number());
    }
}

impl Life {
    /// A signal came. What it does is declared, or the custom of its number.
    pub(crate) fn interrupted(&mut self, record: &Interruption) {
        let Ok(signal) = Signal::from_raw(record.signal) else {
            return;
        };
        let sender = origin(record);
        let terminal = sender == Sender::Terminal;
        let kind = if terminal {
            CauseKind::Terminal
        } else {
            CauseKind::Signal
        };
        let cause = Cause {
            kind,
            signal: Some(signal.name()),
            sender: Some(sender),
        };
        let urgency = match self.host.signals.get(&record.signal).cloned() {
            Some(OnSignal::Stop) => Urgency::Stop,
            Some(OnSignal::StopAtOnce) => Urgency::StopAtOnce,
            Some(OnSignal::Quit) => Urgency::Quit,
            Some(OnSignal::Hurry) => Urgency::Hurry,
            Some(OnSignal::Force) => Urgency::Force,
            Some(OnSignal::Ignore) => return,
            // A terminal that hangs up is gone, whatever the program uses the signal for.
            Some(OnSignal::Reload(_) | OnSignal::Call(_)) if terminal && signal == Signal::HUP => {
                Urgency::StopAtOnce
            }
            Some(OnSignal::Reload(work)) => return self.reload(work),
            Some(OnSignal::Call(work)) => return self.call("aplomb-signal", move || work()),
            None if signal == Signal::INT && terminal => Urgency::Interrupt,
            None if signal == Signal::QUIT => Urgency::Quit,
            None if terminal => Urgency::StopAtOnce,
            None => Urgency::Stop,
        };
        self.ask(cause, urgency);
    }

    fn reload(&mut self, work: Arc<dyn Fn() + Send + Sync>) {
        self.host.tell(|notify| {
            notify.say(&format!("RELOADING=1\nMONOTONIC_USEC={}", monotonic_usec()))
        });
        let link = self.link();
        self.call("aplomb-reload", move || {
            work();
            link.send(Message::Host(HostEvent::Reloaded));
        });
    }

    pub(crate) fn heard(&mut self, event: HostEvent) {
        match event {
            HostEvent::Reloaded => self.host.ready(),
        }
    }
}
