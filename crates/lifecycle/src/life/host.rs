//! Talks to whoever started us: systemd and Aplomb's engine by sd_notify, the service control manager by status reports;
//! and turns what they (or a terminal) send into requests to the machine.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{Life, ROOT, Whole};
use crate::cause::{Ask, Cause, CauseKind, Urgency};
use crate::machine::Event;
use crate::notice::Notice;
use crate::os;
#[cfg(unix)]
use crate::signal::{OnSignal, Signal};
use crate::stage::Stage;

/// A runtime that has not turned for this long is stuck.
const STUCK: Duration = Duration::from_secs(5);
/// What a status report adds to the planned end, so that we are never late by our own clock.
#[cfg(windows)]
const MARGIN: Duration = Duration::from_secs(2);

/// What a pause and a continue run.
#[cfg(windows)]
pub(crate) type Pausing = (Arc<dyn Fn() + Send + Sync>, Arc<dyn Fn() + Send + Sync>);

/// Whoever started us.
#[derive(Default)]
pub(crate) struct Host {
    #[cfg(unix)]
    pub(crate) notify: Option<os::notify::Notify>,
    #[cfg(windows)]
    pub(crate) service: Option<os::service::Status>,
    #[cfg(windows)]
    pub(crate) pausing: Option<Pausing>,
    pub(crate) watchdog: Option<Duration>,
    next_ping: Option<Instant>,
    /// When the stop is planned to be over.
    end: Option<Instant>,
    beat_seen: u64,
    beat_at: Option<Instant>,
}

impl Host {
    /// Reads the environment: notify socket and watchdog.
    pub(crate) fn from_env() -> Self {
        let mut host = Self::default();
        #[cfg(unix)]
        {
            host.notify = os::notify::Notify::from_env();
            host.watchdog = host
                .notify
                .as_ref()
                .and_then(|_| os::notify::watchdog_from_env());
        }
        #[cfg(windows)]
        {
            host.service = os::service::Status::current();
        }
        host.next_ping = host.watchdog.map(|every| Instant::now() + every);
        host
    }

    /// True when this host moves its limit for work that progresses.
    pub(crate) fn extends(&self) -> bool {
        #[cfg(unix)]
        return self.notify.is_some();
        #[cfg(windows)]
        return self.service.is_some();
    }

    #[cfg(unix)]
    fn send(&self, message: &str) {
        if let Some(notify) = &self.notify {
            notify.send(message);
        }
    }

    pub(super) fn ready(&mut self) {
        #[cfg(unix)]
        self.send("READY=1");
        #[cfg(windows)]
        if let Some(service) = &self.service {
            service.running();
        }
    }

    pub(super) fn stopping(&mut self, within: Duration) {
        self.end = Some(Instant::now() + within);
        #[cfg(unix)]
        self.send("STOPPING=1");
        #[cfg(windows)]
        if let Some(service) = &self.service {
            service.stop_pending(within + MARGIN);
        }
    }

    pub(super) fn stage(&mut self, stage: Stage) {
        #[cfg(unix)]
        self.send(&format!("STATUS=stopping, stage {stage}"));
        #[cfg(windows)]
        let _ = stage;
        #[cfg(windows)]
        if let Some(service) = &self.service {
            let left = self.end.map_or(MARGIN, |end| {
                end.saturating_duration_since(Instant::now()) + MARGIN
            });
            service.stop_pending(left);
        }
    }

    pub(super) fn extend(&mut self, remaining: Duration) {
        #[cfg(unix)]
        self.send(&format!("EXTEND_TIMEOUT_USEC={}", remaining.as_micros()));
        #[cfg(windows)]
        if let Some(service) = &self.service {
            service.stop_pending(remaining);
        }
    }

    pub(super) fn status(&self, notice: &Notice) {
        #[cfg(unix)]
        if let Notice::StillWaiting { .. } = notice {
            self.send(&format!("STATUS={notice}"));
        }
        #[cfg(windows)]
        let _ = notice;
    }

    pub(super) fn wakes_at(&self) -> Option<Instant> {
        self.next_ping
    }

    /// Pings the watchdog, but only while the runtime turns: a stuck runtime must not look alive.
    pub(super) fn beat(&mut self, now: Instant, whole: &Arc<Whole>) {
        let (Some(every), Some(due)) = (self.watchdog, self.next_ping) else {
            return;
        };
        if now < due {
            return;
        }
        self.next_ping = Some(now + every);
        let beat = whole.beat.load(Ordering::Relaxed);
        if beat != self.beat_seen || self.beat_at.is_none() || !whole.beats.load(Ordering::Relaxed)
        {
            self.beat_seen = beat;
            self.beat_at = Some(now);
        }
        let fresh = self
            .beat_at
            .is_some_and(|at| now.saturating_duration_since(at) < STUCK.max(every));
        #[cfg(unix)]
        if fresh {
            self.send("WATCHDOG=1");
        }
        #[cfg(windows)]
        let _ = fresh;
    }
}

impl Life {
    /// A signal came. What it does is declared, or the custom of its number.
    #[cfg(unix)]
    pub(super) fn interrupted(&mut self, record: &os::Interruption) {
        let Ok(signal) = Signal::from_raw(record.signal) else {
            return;
        };
        let sender = os::origin(record);
        let terminal = sender == crate::cause::Sender::Terminal;
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
        let urgency = match self.signals.get(&record.signal).cloned() {
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
            Some(OnSignal::Call(work)) => return self.call(move || work()),
            None if signal == Signal::INT && terminal => Urgency::Interrupt,
            None if signal == Signal::QUIT => Urgency::Quit,
            None if terminal => Urgency::StopAtOnce,
            None => Urgency::Stop,
        };
        if urgency == Urgency::Hurry
            && self
                .groups
                .get(&ROOT)
                .is_some_and(|group| group.machine.stop().is_none())
        {
            return;
        }
        self.event(ROOT, Event::Asked(Ask { cause, urgency }));
    }

    #[cfg(unix)]
    fn reload(&mut self, work: Arc<dyn Fn() + Send + Sync>) {
        let usec = os::monotonic_usec();
        self.host
            .send(&format!("RELOADING=1\nMONOTONIC_USEC={usec}"));
        let link = self.app.link.clone();
        self.call(move || {
            work();
            link.send(super::Message::Reloaded);
        });
    }

    #[cfg(unix)]
    pub(super) fn reloaded(&mut self) {
        self.host.send("READY=1");
    }

    #[cfg(unix)]
    fn call(&mut self, work: impl FnOnce() + Send + 'static) {
        let spawned = std::thread::Builder::new()
            .name("aplomb-signal".into())
            .spawn(work);
        if let Err(error) = spawned {
            let why = format!("cannot start a thread: {error}");
            self.say(&Notice::Failed {
                component: "signal".into(),
                why,
            });
        }
    }
}

/// What Windows leaves us: about 5 s after the console was closed or the system shuts down, 10 s in a preshutdown.
#[cfg(windows)]
const CLOSE_LIMIT: Duration = Duration::from_millis(4_500);
#[cfg(windows)]
const PRESHUTDOWN_LIMIT: Duration = Duration::from_secs(9);

#[cfg(windows)]
impl Life {
    /// The console or the service control manager said something.
    pub(super) fn controlled(&mut self, control: os::Control) {
        use os::Control;
        let (kind, name, urgency) = match control {
            Control::CtrlC => (CauseKind::Terminal, "CTRL_C", Urgency::Interrupt),
            Control::CtrlBreak => (CauseKind::Terminal, "CTRL_BREAK", Urgency::Stop),
            Control::ConsoleClose => (
                CauseKind::ConsoleClose,
                "CTRL_CLOSE",
                Urgency::Within(CLOSE_LIMIT),
            ),
            Control::ConsoleShutdown => (
                CauseKind::SystemShutdown,
                "CTRL_SHUTDOWN",
                Urgency::Within(CLOSE_LIMIT),
            ),
            Control::Stop => (CauseKind::ServiceControl, "STOP", Urgency::Stop),
            Control::Shutdown => (
                CauseKind::SystemShutdown,
                "SHUTDOWN",
                Urgency::Within(CLOSE_LIMIT),
            ),
            Control::Preshutdown => (
                CauseKind::SystemShutdown,
                "PRESHUTDOWN",
                Urgency::Within(PRESHUTDOWN_LIMIT),
            ),
            Control::Pause => return self.pause(),
            Control::Continue => return self.resume(),
        };
        let cause = Cause {
            kind,
            signal: Some(name.into()),
            sender: None,
        };
        self.event(ROOT, Event::Asked(Ask { cause, urgency }));
    }

    fn pause(&mut self) {
        let Some(service) = &self.host.service else {
            return;
        };
        service.pause_pending();
        self.between(true);
    }

    fn resume(&mut self) {
        let Some(service) = &self.host.service else {
            return;
        };
        service.continue_pending();
        self.between(false);
    }

    /// Runs the program's part of a pause or continue, and has the result reported.
    fn between(&mut self, pause: bool) {
        let work = self
            .host
            .pausing
            .as_ref()
            .map(|(first, second)| Arc::clone(if pause { first } else { second }));
        let link = self.app.link.clone();
        let spawned = std::thread::Builder::new()
            .name("aplomb-pause".into())
            .spawn(move || {
                if let Some(work) = work {
                    work();
                }
                link.send(super::Message::Paused(pause));
            });
        if let Err(error) = spawned {
            let why = format!("cannot start a thread: {error}");
            self.say(&Notice::Failed {
                component: "pause".into(),
                why,
            });
        }
    }

    pub(super) fn paused(&mut self, pause: bool) {
        let Some(service) = &self.host.service else {
            return;
        };
        if pause {
            service.paused()
        } else {
            service.running()
        }
    }
}
