//! The notify protocol: what a program tells the manager that started it, and when it owes a sign of life.
//!
//! The words are systemd's `sd_notify`, which Aplomb's engine takes on every system. How they travel is the system's part
//! (`unix/notify.rs`: datagrams; `windows/notify.rs`: messages into a named pipe). Everything is said by the life thread,
//! so the order is ours; a manager that went away or does not read never holds anything up: what it does not take is lost.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::life::Whole;
use crate::notice::Notice;
use crate::os::Line;
use crate::stage::Stage;

/// A runtime that has not turned for this long is stuck.
const STUCK: Duration = Duration::from_secs(5);

/// The manager that started us and wants to be told.
#[derive(Debug)]
pub(crate) struct Notify {
    line: Line,
    watchdog: Option<Watchdog>,
}

/// The longest message that systemd and Aplomb's engine take.
const LONGEST: usize = 4096;

/// What a manager that wants signs of life gets.
#[derive(Debug)]
struct Watchdog {
    every: Duration,
    next: Instant,
    beat: u64,
    turned: Instant,
}

impl Notify {
    /// Reads `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`.
    pub(crate) fn from_env() -> Option<Self> {
        let line = Line::open(&std::env::var_os("NOTIFY_SOCKET")?)?;
        let number = |name| std::env::var(name).ok()?.parse::<u64>().ok();
        let for_us = std::env::var_os("WATCHDOG_PID").is_none()
            || number("WATCHDOG_PID") == Some(u64::from(std::process::id()));
        let usec = number("WATCHDOG_USEC").filter(|usec| for_us && *usec > 0);
        let watchdog = usec.map(|usec| Watchdog::new(Duration::from_micros(usec / 2)));
        Some(Self { line, watchdog })
    }

    pub(crate) fn say(&self, message: &str) {
        self.line.send(fitting(message));
    }

    pub(crate) fn ready(&self) {
        self.say("READY=1");
    }

    pub(crate) fn stopping(&self) {
        self.say("STOPPING=1");
    }

    pub(crate) fn stage(&self, stage: Stage) {
        self.say(&format!("STATUS=stopping, stage {stage}"));
    }

    /// Work progresses: the start or stop may last this long from now on.
    pub(crate) fn extend(&self, remaining: Duration) {
        let usec = remaining.as_micros();
        self.say(&format!("EXTEND_TIMEOUT_USEC={usec}"));
    }

    pub(crate) fn status(&self, notice: &Notice) {
        if let Notice::StillWaiting { .. } = notice {
            self.say(&format!("STATUS={notice}"));
        }
    }

    pub(crate) fn wakes_at(&self) -> Option<Instant> {
        self.watchdog.as_ref().map(|watchdog| watchdog.next)
    }

    /// Pings the watchdog, but only while the runtime turns: a stuck runtime must not look alive.
    pub(crate) fn beat(&mut self, now: Instant, whole: &Whole) {
        let Some(watchdog) = &mut self.watchdog else {
            return;
        };
        let beat = whole.beat.load(Ordering::Relaxed);
        let turns = !whole.beats.load(Ordering::Relaxed) || beat != watchdog.beat;
        if watchdog.pings(now, beat, turns) {
            self.line.send("WATCHDOG=1");
        }
    }
}

/// As much of `message` as a manager takes.
fn fitting(message: &str) -> &str {
    let mut end = message.len().min(LONGEST);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    &message[..end]
}

impl Watchdog {
    fn new(every: Duration) -> Self {
        let now = Instant::now();
        Self {
            every,
            next: now + every,
            beat: 0,
            turned: now,
        }
    }

    /// Whether a ping is due at `now` and deserved.
    fn pings(&mut self, now: Instant, beat: u64, turns: bool) -> bool {
        if now < self.next {
            return false;
        }
        self.next = now + self.every;
        if turns {
            self.beat = beat;
            self.turned = now;
        }
        now.saturating_duration_since(self.turned) < STUCK.max(self.every)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_cut_to_what_a_manager_takes() {
        let long = "ä".repeat(4_000);
        assert_eq!(fitting(&long[..10]).len(), 10);
        assert_eq!(fitting(&format!("x{long}")).len(), 4_095);
    }

    #[test]
    fn pings_end_when_the_runtime_has_not_turned_for_the_stuck_time() {
        let mut dog = Watchdog::new(Duration::from_secs(1));
        let begun = dog.turned;
        let at = |seconds| begun + Duration::from_secs(seconds);
        assert!(!dog.pings(begun + Duration::from_millis(999), 1, true));
        assert!(dog.pings(at(1), 1, true));
        assert!((2..6).all(|second| dog.pings(at(second), 1, false)));
        assert!(!dog.pings(at(6), 1, false));
        assert!(dog.pings(at(7), 2, true));
    }
}
