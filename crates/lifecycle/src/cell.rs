//! What a component and the life thread share: the level the stop has reached, the deadline, whether the start succeeded,
//! and what is in flight.
//!
//! One mutex per component, held for a few instructions and never across a wait or a call into user code. Waiting is offered
//! three ways, because programs wait in three ways: a future (any runtime), a condition variable, a file descriptor.
//! `loom/` runs it in every order in which threads can meet.

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::machine::{Level, Run};
use crate::sync::{Condvar, Mutex, MutexGuard};

/// How the start of a component stands, for whoever waits for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Start {
    Pending,
    Up,
    GaveUp(String),
}

/// One thing somebody is doing on behalf of a component.
#[derive(Debug, Clone)]
pub(crate) struct Flight {
    pub(crate) name: String,
    /// Where it was begun, if the program's own code began it.
    pub(crate) place: Option<&'static Location<'static>>,
    pub(crate) since: Instant,
    pub(crate) sort: Sort,
}

/// What is under way: work, or a loan that somebody has not given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    Work,
    Loan,
}

/// What a pool lends out: how many there are, and what they are called.
#[derive(Debug, Clone)]
pub(crate) struct Lending {
    pub(crate) total: usize,
    pub(crate) what: String,
}

/// The counts of a component's work, for the report.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) at_stop: u64,
    pub(crate) finished_after: u64,
    pub(crate) notes: u64,
}

#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) level: Level,
    pub(crate) until: Option<Instant>,
    pub(crate) start: Start,
    /// Runs up to this number are to end without the component being stopped.
    cancelled: Run,
    /// The last run that came up.
    up: Run,
    pub(crate) flights: BTreeMap<u64, Flight>,
    pub(crate) note: Option<(String, Instant)>,
    pub(crate) lending: Option<Lending>,
    pub(crate) counts: Counts,
    pub(crate) facts: BTreeMap<&'static str, u64>,
    wakers: BTreeMap<u64, Waker>,
    next: u64,
    pub(crate) bell: Option<crate::os::Bell>,
}

impl Seen {
    /// True when this attempt to start was given up. One that came up in the same moment is up: what it has opened must
    /// be closed, not dropped.
    pub(crate) fn is_cancelled(&self, run: Run) -> bool {
        self.cancelled >= run && self.up < run
    }
}

#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) name: String,
    seen: Mutex<Seen>,
    changed: Condvar,
}

impl Cell {
    pub(crate) fn new(name: String) -> Arc<Self> {
        let seen = Seen {
            level: Level::Run,
            until: None,
            start: Start::Pending,
            cancelled: 0,
            up: 0,
            flights: BTreeMap::new(),
            note: None,
            lending: None,
            counts: Counts::default(),
            facts: BTreeMap::new(),
            wakers: BTreeMap::new(),
            next: 0,
            bell: None,
        };
        Arc::new(Self {
            name,
            seen: Mutex::new(seen),
            changed: Condvar::new(),
        })
    }

    /// A panic elsewhere cannot leave these few fields half changed, so poison is no news.
    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Seen)) {
        let mut seen = self.seen();
        change(&mut seen);
        if seen.level >= Level::Stop
            && let Some(bell) = &mut seen.bell
        {
            bell.ring();
        }
        let wakers = std::mem::take(&mut seen.wakers);
        drop(seen);
        self.changed.notify_all();
        wakers.into_values().for_each(Waker::wake);
    }

    pub(crate) fn tell(&self, level: Level, until: Option<Instant>) {
        self.change(|seen| {
            if seen.level == Level::Run && level > Level::Run {
                let work = seen
                    .flights
                    .values()
                    .filter(|flight| flight.sort == Sort::Work);
                seen.counts.at_stop = u64::try_from(work.count()).unwrap_or(u64::MAX);
            }
            seen.level = seen.level.max(level);
            seen.until = until;
        });
    }

    pub(crate) fn cancel(&self, run: Run) {
        self.change(|seen| seen.cancelled = seen.cancelled.max(run));
    }

    pub(crate) fn came_up(&self, run: Run) {
        self.seen().up = run;
        self.set_start(Start::Up);
    }

    pub(crate) fn set_start(&self, start: Start) {
        self.change(|seen| {
            if seen.start != Start::Up || matches!(start, Start::GaveUp(_)) {
                seen.start = start;
            }
        });
    }

    /// Waits on the calling thread until `ready` says so or `until` passes; true when it said so.
    pub(crate) fn wait(&self, until: Option<Instant>, ready: impl Fn(&Seen) -> bool) -> bool {
        let mut seen = self.seen();
        loop {
            if ready(&seen) {
                return true;
            }
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            seen = match left {
                Some(Duration::ZERO) => return false,
                Some(left) => {
                    self.changed
                        .wait_timeout(seen, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
                None => self
                    .changed
                    .wait(seen)
                    .unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Waits in a future, on any runtime.
    pub(crate) fn until<F: Fn(&Seen) -> bool>(self: &Arc<Self>, ready: F) -> Until<F> {
        Until {
            cell: Arc::clone(self),
            ready,
            key: None,
        }
    }

    pub(crate) fn take_off(&self, name: String, place: Option<&'static Location<'static>>) -> u64 {
        self.begin(name, place, Sort::Work)
    }

    /// Something is lent out from here until it lands.
    pub(crate) fn lend(&self, place: &'static Location<'static>) -> u64 {
        self.begin(String::new(), Some(place), Sort::Loan)
    }

    fn begin(&self, name: String, place: Option<&'static Location<'static>>, sort: Sort) -> u64 {
        let mut seen = self.seen();
        seen.next += 1;
        let key = seen.next;
        seen.flights.insert(
            key,
            Flight {
                name,
                place,
                since: Instant::now(),
                sort,
            },
        );
        key
    }

    pub(crate) fn land(&self, key: u64) {
        let mut seen = self.seen();
        let landed = seen.flights.remove(&key);
        if seen.level > Level::Run && landed.is_some_and(|flight| flight.sort == Sort::Work) {
            seen.counts.finished_after += 1;
        }
        let idle = seen.flights.is_empty();
        drop(seen);
        if idle {
            self.change(|_| {});
        }
    }

    pub(crate) fn note(&self, note: String) {
        let mut seen = self.seen();
        seen.note = Some((note, Instant::now()));
        seen.counts.notes += 1;
    }
}

/// Resolves once a condition on a component holds.
#[derive(Debug)]
pub(crate) struct Until<F> {
    cell: Arc<Cell>,
    ready: F,
    key: Option<u64>,
}

impl<F: Fn(&Seen) -> bool + Unpin> Future for Until<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let cell = Arc::clone(&self.cell);
        let mut seen = cell.seen();
        if (self.ready)(&seen) {
            return Poll::Ready(());
        }
        let key = *self.key.get_or_insert_with(|| {
            seen.next += 1;
            seen.next
        });
        seen.wakers.insert(key, context.waker().clone());
        Poll::Pending
    }
}

impl<F> Drop for Until<F> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.cell.seen().wakers.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_future_dropped_while_waiting_leaves_no_waker() {
        let cell = Cell::new("x".into());
        let mut waiting = Box::pin(cell.until(|seen| seen.level >= Level::Stop));
        let mut context = Context::from_waker(Waker::noop());
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        assert_eq!(cell.seen().wakers.len(), 1);
        drop(waiting);
        assert_eq!(cell.seen().wakers.len(), 0);
    }

    #[test]
    fn an_attempt_that_came_up_is_not_cancelled_any_more() {
        let cell = Cell::new("x".into());
        cell.cancel(1);
        assert!(cell.seen().is_cancelled(1));
        cell.came_up(1);
        assert!(!cell.seen().is_cancelled(1));
        cell.cancel(2);
        assert!(cell.seen().is_cancelled(2));
    }

    #[test]
    fn a_level_never_falls() {
        let cell = Cell::new("x".into());
        cell.tell(Level::Abort, None);
        cell.tell(Level::Stop, None);
        assert_eq!(cell.seen().level, Level::Abort);
    }

    #[test]
    fn work_is_counted_from_the_stop_on() {
        let cell = Cell::new("x".into());
        let first = cell.take_off("a".into(), None);
        let second = cell.take_off("b".into(), None);
        cell.land(first);
        cell.tell(Level::Stop, None);
        cell.land(second);
        let counts = cell.seen().counts;
        assert_eq!((counts.at_stop, counts.finished_after), (1, 1));
    }
}
