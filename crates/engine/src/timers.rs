//! The engine's own appointments: probes, hooks, searches. Those of services live in the core.

use std::collections::BTreeSet;

use aplomb_core::{Instant, RunId};

use crate::hooks::HookId;
use crate::prove::ProbeId;

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// A probe's next try, or the end of patience with the one under way.
    Probe(ProbeId),
    /// A hook has used up its time.
    Hook(HookId),
    /// Whoever looks why this run hangs has used up its time.
    Look(RunId),
    /// Another look for the main process of a program that forked.
    FindMain(RunId),
    /// Another word on what a stop still waits for.
    StillStopping(RunId),
    /// The client whose lifeline a dead engine held must have come back.
    Lifeline,
}

/// Appointments in the order of time. The same one twice is two appointments; late ones must be harmless.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    due: BTreeSet<(Instant, Timer)>,
}

impl Timers {
    pub(crate) fn at(&mut self, at: Instant, timer: Timer) {
        self.due.insert((at, timer));
    }

    pub(crate) fn first(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Drops every appointment of this kind. Walks through all: for those that are few.
    pub(crate) fn forget(&mut self, timer: Timer) {
        self.due.retain(|(_, other)| *other != timer);
    }

    /// The next that is due by now.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<Timer> {
        let first = *self.due.first()?;
        if first.0 > now {
            return None;
        }
        self.due.remove(&first);
        Some(first.1)
    }
}
