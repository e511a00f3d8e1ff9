//! What the code of a component is given: when to stop, how long it has, and ways to say what it is doing.
//!
//! Nothing here needs a runtime: the futures work on any, threads have `park_timeout`, poll loops a descriptor.

use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use crate::cell::Cell;
use crate::life::{Link, Message};
use crate::machine::{Event, Level, Run};
use crate::part::PartId;

/// The view a component has of its application.
///
/// ```
/// use std::time::Duration;
/// use aplomb_lifecycle::{BoxError, Ctx, Stage, app};
///
/// fn tail(ctx: Ctx) -> Result<(), BoxError> {
///     while !ctx.park_timeout(Duration::from_millis(1)) {
///         let _busy = ctx.in_flight("step");
///     }
///     ctx.progress("the rest is written");
///     Ok(())
/// }
///
/// let code = app("importer").run_sync(|app| {
///     app.thread(Stage::WORKERS.part("tail"), tail);
///     app.stop();
///     Ok(())
/// });
/// assert_eq!(code, std::process::ExitCode::SUCCESS);
/// ```
#[derive(Debug, Clone)]
pub struct Ctx {
    pub(crate) cell: Arc<Cell>,
    /// The application as a whole: its level is Stop from the stop request on.
    pub(crate) whole: Arc<Cell>,
    pub(crate) link: Link,
    pub(crate) id: PartId,
    pub(crate) run: Run,
}

impl Ctx {
    /// The name it was declared with.
    ///
    /// ```no_run
    /// # fn component(ctx: aplomb_lifecycle::Ctx) {
    /// eprintln!("{} begins", ctx.name());
    /// # }
    /// ```
    #[must_use]
    pub fn name(&self) -> &str {
        &self.cell.name
    }

    /// Resolves when this component is to stop: finish what you hold, take nothing new.
    ///
    /// ```no_run
    /// # async fn component(ctx: aplomb_lifecycle::Ctx) {
    /// ctx.stopping().await;
    /// // finish what you hold
    /// # }
    /// ```
    pub fn stopping(&self) -> impl Future<Output = ()> + Send + Unpin + use<> {
        self.reached(Level::Stop)
    }

    /// Resolves when time runs short or somebody asked again: drop retries, break streams.
    ///
    /// ```no_run
    /// # async fn component(ctx: aplomb_lifecycle::Ctx) {
    /// ctx.hurry().await;
    /// // no more retries
    /// # }
    /// ```
    pub fn hurry(&self) -> impl Future<Output = ()> + Send + Unpin + use<> {
        self.reached(Level::Hurry)
    }

    /// Resolves when the time of this component is over.
    ///
    /// ```no_run
    /// # async fn component(ctx: aplomb_lifecycle::Ctx, child: u32, kill: fn(u32)) {
    /// ctx.aborted().await;
    /// kill(child); // what this component would otherwise leave behind
    /// # }
    /// ```
    pub fn aborted(&self) -> impl Future<Output = ()> + Send + Unpin + use<> {
        self.reached(Level::Abort)
    }

    /// Resolves when the application as a whole was asked to stop, before this component's turn.
    ///
    /// ```no_run
    /// # async fn component(ctx: aplomb_lifecycle::Ctx, announce: fn(bool)) {
    /// announce(true);
    /// ctx.unready().await;
    /// announce(false); // while requests are still served
    /// ctx.stopping().await;
    /// # }
    /// ```
    pub fn unready(&self) -> impl Future<Output = ()> + Send + Unpin + use<> {
        self.whole.until(|seen| seen.level >= Level::Stop)
    }

    /// True from the moment the application was asked to stop.
    ///
    /// ```no_run
    /// # fn component(ctx: aplomb_lifecycle::Ctx) {
    /// let keep_alive = !ctx.is_unready();
    /// # let _ = keep_alive;
    /// # }
    /// ```
    #[must_use]
    pub fn is_unready(&self) -> bool {
        self.whole.seen().level >= Level::Stop
    }

    fn reached(&self, level: Level) -> impl Future<Output = ()> + Send + Unpin + use<> {
        self.cell.until(move |seen| seen.level >= level)
    }

    /// The level the stop has reached for this component.
    ///
    /// ```no_run
    /// # fn component(ctx: aplomb_lifecycle::Ctx, left: Vec<u8>, send: fn(u8), requeue: fn(u8)) {
    /// use aplomb_lifecycle::Level;
    /// for message in left {
    ///     if ctx.level() < Level::Hurry { send(message) } else { requeue(message) }
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn level(&self) -> Level {
        self.cell.seen().level
    }

    /// When this component is cut, once it is stopping. Carry it into the calls you make.
    ///
    /// ```no_run
    /// # fn component(ctx: aplomb_lifecycle::Ctx) {
    /// let left = ctx.deadline().map(|at| at.saturating_duration_since(std::time::Instant::now()));
    /// # let _ = left;
    /// # }
    /// ```
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.cell.seen().until
    }

    /// Runs `work` unless the stop comes first; then `work` is dropped and the answer is `None`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # async fn sweep(ctx: aplomb_lifecycle::Ctx) {
    /// # #[cfg(feature = "tokio")]
    /// while ctx.until_stop(tokio::time::sleep(Duration::from_secs(60))).await.is_some() {
    ///     // sweep
    /// }
    /// # }
    /// ```
    pub async fn until_stop<F: Future>(&self, work: F) -> Option<F::Output> {
        either(self.stopping(), work).await
    }

    /// Sleeps on the calling thread for `time`, or until the stop; true when it is time to stop.
    ///
    /// ```no_run
    /// # fn component(ctx: aplomb_lifecycle::Ctx) {
    /// while !ctx.park_timeout(std::time::Duration::from_secs(5)) {
    ///     // every five seconds, until the stop
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn park_timeout(&self, time: Duration) -> bool {
        self.cell.wait(Some(Instant::now() + time), |seen| {
            seen.level >= Level::Stop
        })
    }

    /// Sleeps on the calling thread until the stop.
    ///
    /// ```no_run
    /// # fn register(app: &aplomb_lifecycle::App, open: fn() -> std::fs::File) {
    /// # use aplomb_lifecycle::Stage;
    /// app.thread(Stage::TELEMETRY.part("spans"), move |ctx| {
    ///     let file = open();
    ///     ctx.park(); // until the stop
    ///     Ok(file.sync_all()?)
    /// });
    /// # }
    /// ```
    pub fn park(&self) {
        self.cell.wait(None, |seen| seen.level >= Level::Stop);
    }

    /// Marks a piece of work as under way until the guard is dropped. Should the stop wait for it, it is named with the
    /// place of this call.
    ///
    /// ```no_run
    /// # fn component(ctx: aplomb_lifecycle::Ctx) {
    /// let _busy = ctx.in_flight("nightly export");
    /// // "still waiting for: exporter (4 s; nightly export for 9 s, taken at src/export.rs:12)"
    /// # }
    /// ```
    #[track_caller]
    pub fn in_flight(&self, name: impl Into<String>) -> InFlight {
        let key = self.cell.take_off(name.into(), Some(Location::caller()));
        InFlight {
            cell: Arc::clone(&self.cell),
            key,
        }
    }

    /// As [`Ctx::in_flight`], for work the library itself has begun: its place would tell nobody anything.
    #[cfg(feature = "http")]
    pub(crate) fn in_flight_nowhere(&self, name: String) -> InFlight {
        InFlight {
            cell: Arc::clone(&self.cell),
            key: self.cell.take_off(name, None),
        }
    }

    /// Says that work goes on while starting or stopping ("sending 3 of 10"). Where the platform grants more time for
    /// progress (systemd, Aplomb, the service control manager), this is what buys it.
    ///
    /// ```no_run
    /// # fn component(ctx: aplomb_lifecycle::Ctx, parts: Vec<String>) {
    /// for (index, part) in parts.iter().enumerate() {
    ///     ctx.progress(format!("sending {part}, {index} of {}", parts.len()));
    /// }
    /// # }
    /// ```
    pub fn progress(&self, note: impl Into<String>) {
        self.cell.note(note.into());
        self.link.send(Message::Event(Event::Progress(self.id)));
    }

    /// Adds to a number that stands in the report under this name ("drained_from_queue").
    ///
    /// ```no_run
    /// # fn component(ctx: aplomb_lifecycle::Ctx) {
    /// ctx.count("messages_requeued", 12);
    /// # }
    /// ```
    pub fn count(&self, fact: &'static str, by: u64) {
        *self.cell.seen().facts.entry(fact).or_default() += by;
    }

    /// For a component declared with [`crate::Part::announces`]: it is up now.
    ///
    /// ```no_run
    /// # fn register(app: &aplomb_lifecycle::App, join: fn()) {
    /// # use aplomb_lifecycle::Stage;
    /// app.thread(Stage::INTAKE.part("consumer").announces(), move |ctx| {
    ///     join();
    ///     ctx.ready(); // from here on the application may be ready, too
    ///     ctx.park();
    ///     Ok(())
    /// });
    /// # }
    /// ```
    pub fn ready(&self) {
        self.cell.came_up(self.run);
        self.link.send(Message::Event(Event::Up(self.id, self.run)));
    }

    /// Resolves when this run has to end: the attempt to start was given up, or its time is over.
    #[cfg(feature = "tokio")]
    pub(crate) fn dropped(&self) -> impl Future<Output = ()> + Send + Unpin + use<> {
        let run = self.run;
        self.cell
            .until(move |seen| seen.level >= Level::Abort || seen.is_cancelled(run))
    }
}

/// `work`, or `None` when `end` comes first. `end` is asked first, so that a busy loop cannot miss it.
pub(crate) async fn either<F: Future>(
    end: impl Future<Output = ()> + Unpin,
    work: F,
) -> Option<F::Output> {
    let mut end = pin!(end);
    let mut work = pin!(work);
    poll_fn(move |context| {
        if end.as_mut().poll(context).is_ready() {
            return Poll::Ready(None);
        }
        work.as_mut().poll(context).map(Some)
    })
    .await
}

/// A piece of work under way; see [`Ctx::in_flight`].
///
/// ```no_run
/// # fn component(ctx: aplomb_lifecycle::Ctx, export: fn()) {
/// let busy = ctx.in_flight("nightly export");
/// export();
/// drop(busy); // done
/// # }
/// ```
#[derive(Debug)]
#[must_use = "the work counts as done when the guard is dropped"]
pub struct InFlight {
    pub(crate) cell: Arc<Cell>,
    pub(crate) key: u64,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.cell.land(self.key);
    }
}
