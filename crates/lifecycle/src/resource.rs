//! Something that is opened before use and closed in its stage: a pool, a connection, a file.
//!
//! Registering one returns at once and the opening begins; who needs the value waits for it. So three resources open in
//! the time of the slowest without a `join!` in sight, and a lazy one opens on first use.

use std::panic::Location;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::app::{App, BoxError, Handle};
use crate::budget::IoBudget;
use crate::cell::{Cell, Lending, Start};
use crate::ctx::{Ctx, InFlight};
use crate::life::{Driver, Link, Message};
use crate::machine::{Ending, Event};
use crate::part::{Part, PartId, Prerequisite};

/// Why a resource is not there.
///
/// ```
/// use std::time::Duration;
/// use aplomb_lifecycle::{IoBudget, NotStarted, Stage, app};
///
/// app("batch").start_deadline(Duration::from_millis(50)).observe(|_| {}).run_sync(|app| {
///     let part = Stage::STORES.part("db").optional();
///     let db = app.resource_blocking(part, IoBudget::DATABASE, || Err::<u8, _>("refused".into()), |_| Ok(()));
///     let NotStarted::GaveUp { resource, why } = db.get_blocking().unwrap_err() else { unreachable!() };
///     assert_eq!(resource, "db");
///     assert!(why.ends_with("refused"));
///     app.stop();
///     Ok(())
/// });
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotStarted {
    /// It could not be opened, or the application is stopping.
    #[error("`{resource}` is not available: {why}")]
    GaveUp {
        /// Its name.
        resource: String,
        /// The last error, or "the application is stopping".
        why: String,
    },
}

/// An operation took longer than its budget. It was dropped, with all it held.
///
/// ```
/// use std::time::Duration;
/// use aplomb_lifecycle::TimedOut;
/// let error = TimedOut { resource: "db".into(), within: Duration::from_secs(10) };
/// assert_eq!(error.to_string(), "`db` did not answer within 10000 ms");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{resource}` did not answer within {} ms", within.as_millis())]
pub struct TimedOut {
    /// The resource's name.
    pub resource: String,
    /// The time it had.
    pub within: Duration,
}

pub(crate) type Slot<T> = Arc<Mutex<Option<T>>>;

/// A registered resource. Clones are the same one.
///
/// ```
/// use aplomb_lifecycle::{IoBudget, Stage, app};
///
/// app("batch").run_sync(|app| {
///     let db = app.resource_blocking(Stage::STORES.part("db"), IoBudget::DATABASE, || Ok(7), |_| Ok(()));
///     assert_eq!(db.get_blocking()?, 7);
///     assert_eq!(db.time_left(), IoBudget::DATABASE.read);
///     app.stop();
///     Ok(())
/// });
/// ```
#[derive(Debug, Clone)]
pub struct Resource<T> {
    pub(crate) handle: Handle,
    pub(crate) cell: Arc<Cell>,
    pub(crate) slot: Slot<T>,
    pub(crate) budget: IoBudget,
    pub(crate) link: Link,
}

impl<T> Prerequisite for Resource<T> {
    fn part_id(&self) -> PartId {
        self.handle.part_id()
    }
}

impl<T: Clone> Resource<T> {
    /// Waits until it is open. A lazy one begins to open now.
    ///
    /// ```no_run
    /// # use aplomb_lifecycle::{BoxError, Resource};
    /// # async fn component(db: Resource<u8>) -> Result<(), BoxError> {
    /// let pool = db.get().await?;
    /// # let _ = pool; Ok(()) }
    /// ```
    ///
    /// # Errors
    /// When it could not be opened before the start deadline, or the application stops.
    pub async fn get(&self) -> Result<T, NotStarted> {
        self.want();
        self.cell.until(|seen| seen.start != Start::Pending).await;
        self.taken()
    }

    /// As [`Resource::get`], blocking the calling thread.
    ///
    /// ```
    /// use aplomb_lifecycle::{IoBudget, Stage, app};
    ///
    /// app("batch").run_sync(|app| {
    ///     let db = app.resource_blocking(Stage::STORES.part("db"), IoBudget::DATABASE, || Ok(7), |_| Ok(()));
    ///     assert_eq!(db.get_blocking()?, 7);
    ///     app.stop();
    ///     Ok(())
    /// });
    /// ```
    ///
    /// # Errors
    /// As [`Resource::get`].
    pub fn get_blocking(&self) -> Result<T, NotStarted> {
        self.want();
        self.cell.wait(None, |seen| seen.start != Start::Pending);
        self.taken()
    }

    /// The value, if it is open now.
    ///
    /// ```
    /// use aplomb_lifecycle::{IoBudget, Stage, app};
    ///
    /// app("batch").run_sync(|app| {
    ///     let db = app.resource_blocking(Stage::STORES.part("db"), IoBudget::DATABASE, || Ok(7), |_| Ok(()));
    ///     db.get_blocking()?;
    ///     assert_eq!(db.try_get(), Some(7));
    ///     app.stop();
    ///     Ok(())
    /// });
    /// ```
    #[must_use]
    pub fn try_get(&self) -> Option<T> {
        self.slot
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The time one operation may take now: the read budget, cut to what is left of a stop. For drivers that take a
    /// timeout; futures have [`Resource::bounded`].
    ///
    /// ```no_run
    /// # fn query(db: &aplomb_lifecycle::Resource<u8>) {
    /// let timeout = db.time_left();
    /// # let _ = timeout;
    /// # }
    /// ```
    #[must_use]
    pub fn time_left(&self) -> Duration {
        let left = self
            .cell
            .seen()
            .until
            .map(|until| until.saturating_duration_since(Instant::now()));
        left.map_or(self.budget.read, |left| left.min(self.budget.read))
    }

    /// Says that this resource is a pool of `total` things called `what`, so that a stop which waits for them can say
    /// "1 of 8 connections out, taken at src/report.rs:41". Each is announced with [`Resource::lend`].
    ///
    /// ```no_run
    /// # use aplomb_lifecycle::{App, BoxError, IoBudget, Stage};
    /// # fn register(app: &App, open: fn() -> Result<u8, BoxError>) {
    /// let db = app
    ///     .resource_blocking(Stage::STORES.part("db"), IoBudget::DATABASE, open, |_| Ok(()))
    ///     .lending(8, "connections");
    /// # let _ = db;
    /// # }
    /// ```
    #[must_use]
    pub fn lending(self, total: usize, what: impl Into<String>) -> Self {
        self.cell.seen().lending = Some(Lending {
            total,
            what: what.into(),
        });
        self
    }

    /// One of the pool is out until the guard is dropped. Keep the guard beside what was taken.
    ///
    /// ```no_run
    /// # fn report(db: &aplomb_lifecycle::Resource<u8>) {
    /// let loan = db.lend(); // beside the connection, with this line
    /// // ...
    /// drop(loan);
    /// # }
    /// ```
    #[track_caller]
    pub fn lend(&self) -> InFlight {
        let key = self.cell.lend(Location::caller());
        InFlight {
            cell: Arc::clone(&self.cell),
            key,
        }
    }

    fn want(&self) {
        if self.cell.seen().start == Start::Pending {
            self.link
                .send(Message::Event(Event::Wanted(self.handle.part_id())));
        }
    }

    fn taken(&self) -> Result<T, NotStarted> {
        self.try_get().ok_or_else(|| {
            let why = match &self.cell.seen().start {
                Start::GaveUp(why) => why.clone(),
                Start::Pending | Start::Up => "it was closed".into(),
            };
            NotStarted::GaveUp {
                resource: self.cell.name.clone(),
                why,
            }
        })
    }
}

impl App {
    /// Registers a resource whose `open` and `close` block; they run on a thread of its own.
    /// `open` may take `budget.connect` and is repeated until the start deadline; `close` may take `budget.read`.
    ///
    /// ```no_run
    /// # use std::sync::Arc;
    /// # use aplomb_lifecycle::{App, IoBudget, Stage};
    /// # fn register(app: &App) {
    /// let log = app.resource_blocking(
    ///     Stage::TELEMETRY.part("audit-log"),
    ///     IoBudget::CACHE,
    ///     || Ok(Arc::new(std::fs::File::create("audit.log")?)),
    ///     |file: Arc<std::fs::File>| Ok(file.sync_all()?),
    /// );
    /// let file = log.get_blocking();
    /// # drop(file);
    /// # }
    /// ```
    pub fn resource_blocking<T, O, C>(
        &self,
        part: Part,
        budget: IoBudget,
        open: O,
        close: C,
    ) -> Resource<T>
    where
        T: Clone + Send + 'static,
        O: FnMut() -> Result<T, BoxError> + Clone + Send + 'static,
        C: Fn(T) -> Result<(), BoxError> + Clone + Send + 'static,
    {
        let slot: Slot<T> = Arc::default();
        let filled = Arc::clone(&slot);
        let begin = move |ctx: Ctx| {
            let (mut open, close, slot, told) = (
                open.clone(),
                close.clone(),
                Arc::clone(&filled),
                ctx.clone(),
            );
            let spawned = std::thread::Builder::new()
                .name(ctx.name().to_owned())
                .spawn(move || {
                    let ending = crate::app::caught(|| {
                        let value = open()?;
                        if ctx.is_cancelled() {
                            // Too late: the attempt was given up, so nobody else would close it.
                            return close(value);
                        }
                        fill(&slot, Some(value.clone()));
                        ctx.ready();
                        ctx.park();
                        fill(&slot, None);
                        close(value)
                    });
                    ctx.ended(ending);
                });
            if let Err(error) = spawned {
                told.ended(Ending::Failed(format!("cannot start a thread: {error}")));
            }
        };
        self.register(part, budget, slot, Driver::Code(Box::new(begin)))
    }

    pub(crate) fn register<T>(
        &self,
        part: Part,
        budget: IoBudget,
        slot: Slot<T>,
        driver: Driver,
    ) -> Resource<T> {
        let mut part = part.budget(budget).announces();
        part.restartable = true;
        let handle = self.declare(part, driver);
        Resource {
            cell: App::cell_of(&handle),
            handle,
            slot,
            budget,
            link: self.link.clone(),
        }
    }
}

pub(crate) fn fill<T>(slot: &Slot<T>, value: Option<T>) {
    *slot.lock().unwrap_or_else(PoisonError::into_inner) = value;
}

impl Ctx {
    /// True when this attempt to start was given up.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cell.seen().is_cancelled(self.run)
    }
}
