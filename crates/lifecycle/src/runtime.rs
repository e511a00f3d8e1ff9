//! Components as futures on a tokio runtime.
//!
//! A future is dropped at its next await when its time is over, and when it panics only it does. The runtime's heartbeat
//! is a task like any other: when it stops beating, the runtime is stuck, and the watchdog is no longer pinged.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::Handle as Runtime;

use crate::app::{App, BoxError, Handle};
use crate::budget::IoBudget;
use crate::ctx::{Ctx, InFlight, either};
use crate::fault;
use crate::life::{Driver, Whole};
use crate::machine::Ending;
use crate::nested::Nested;
use crate::part::Part;
use crate::resource::{Resource, Slot, TimedOut, fill};

const BEAT: Duration = Duration::from_secs(1);

impl App {
    /// Registers a component that runs as a task of the runtime.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use aplomb_lifecycle::{App, Stage};
    /// # fn register(app: &App) {
    /// app.spawn(Stage::WORKERS.part("sweeper"), async move |ctx| {
    ///     while ctx.until_stop(tokio::time::sleep(Duration::from_secs(60))).await.is_some() {
    ///         let _busy = ctx.in_flight("sweep");
    ///     }
    ///     Ok(())
    /// });
    /// # }
    /// ```
    ///
    /// # Panics
    /// When the application has no runtime (it was made with `run_sync`).
    pub fn spawn<F, Fut>(&self, part: Part, work: F) -> Handle
    where
        F: FnOnce(Ctx) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        let runtime = self.runtime();
        let mut work = Some(work);
        self.declare(
            part,
            Driver::Code(Box::new(move |ctx| {
                if let Some(work) = work.take() {
                    drive(&runtime, ctx.clone(), async move { work(ctx).await });
                }
            })),
        )
    }

    /// As [`App::spawn`], for work that can be started again: [`crate::OnFailure::Restart`] and repeated attempts apply.
    ///
    /// ```no_run
    /// # use aplomb_lifecycle::{App, BoxError, OnFailure, Stage};
    /// # async fn connect_and_consume() -> Result<(), BoxError> { Ok(()) }
    /// # fn register(app: &App) {
    /// let part = Stage::INTAKE.part("consumer").on_failure(OnFailure::Restart);
    /// app.spawn_restarting(part, |ctx| async move {
    ///     match ctx.until_stop(connect_and_consume()).await {
    ///         Some(ended) => ended, // an error or a panic: again, after a growing delay
    ///         None => Ok(()),
    ///     }
    /// });
    /// # }
    /// ```
    ///
    /// # Panics
    /// As [`App::spawn`].
    pub fn spawn_restarting<F, Fut>(&self, mut part: Part, mut work: F) -> Handle
    where
        F: FnMut(Ctx) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        part.restartable = true;
        let runtime = self.runtime();
        self.declare(
            part,
            Driver::Code(Box::new(move |ctx| {
                // On the life thread, so a panic while the future is only made must not pass.
                match catch_unwind(AssertUnwindSafe(|| work(ctx.clone()))) {
                    Ok(future) => drive(&runtime, ctx, future),
                    Err(payload) => ctx.ended(Ending::Panicked(fault::describe(&*payload))),
                }
            })),
        )
    }

    /// Registers a resource. `open` begins at once (or on first use, if `part` is lazy), may take `budget.connect` per
    /// attempt and is repeated until the start deadline; `close` runs in the part's stage and may take `budget.read`.
    ///
    /// ```no_run
    /// # use aplomb_lifecycle::{App, BoxError, IoBudget, Stage};
    /// # #[derive(Clone)] struct Pool;
    /// # impl Pool { async fn connect() -> Result<Pool, BoxError> { Ok(Pool) } async fn close(&self) {} }
    /// # async fn register(app: &App) -> Result<(), BoxError> {
    /// let db = app.resource(
    ///     Stage::STORES.part("db"),
    ///     IoBudget::DATABASE,
    ///     || Pool::connect(),
    ///     |pool: Pool| async move {
    ///         pool.close().await;
    ///         Ok(())
    ///     },
    /// );
    /// let pool = db.get().await?;
    /// # drop(pool); Ok(()) }
    /// ```
    ///
    /// # Panics
    /// As [`App::spawn`].
    pub fn resource<T, O, OFut, C, CFut>(
        &self,
        part: Part,
        budget: IoBudget,
        mut open: O,
        close: C,
    ) -> Resource<T>
    where
        T: Clone + Send + Sync + 'static,
        O: FnMut() -> OFut + Send + 'static,
        OFut: Future<Output = Result<T, BoxError>> + Send + 'static,
        C: Fn(T) -> CFut + Send + Sync + 'static,
        CFut: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        let runtime = self.runtime();
        let slot: Slot<T> = Arc::default();
        let filled = Arc::clone(&slot);
        let close = Arc::new(close);
        let begin = move |ctx: Ctx| {
            let opening = match catch_unwind(AssertUnwindSafe(&mut open)) {
                Ok(opening) => opening,
                Err(payload) => return ctx.ended(Ending::Panicked(fault::describe(&*payload))),
            };
            let (slot, close, own) = (Arc::clone(&filled), Arc::clone(&close), ctx.clone());
            drive(&runtime, ctx, async move {
                let value = opening.await?;
                fill(&slot, Some(value.clone()));
                own.ready();
                own.stopping().await;
                fill(&slot, None);
                close(value).await
            });
        };
        self.register(part, budget, slot, Driver::Code(Box::new(begin)))
    }

    /// Registers an application within this one: its own components and stages, stopped together in the part's stage
    /// within that stage's time, and alone through the handle.
    ///
    /// ```no_run
    /// # use aplomb_lifecycle::{App, Stage};
    /// # fn register(app: &App) {
    /// let ingest = app.nest(Stage::INTAKE.part("ingest"), |sub| async move {
    ///     let offsets = sub.spawn(Stage::EGRESS.part("offset-commits"), async |ctx| { ctx.stopping().await; Ok(()) });
    ///     sub.spawn(Stage::INTAKE.part("consumer").after(&offsets), async |ctx| { ctx.stopping().await; Ok(()) });
    ///     Ok(())
    /// });
    /// ingest.restart();
    /// # }
    /// ```
    ///
    /// # Panics
    /// As [`App::spawn`].
    pub fn nest<F, Fut>(&self, part: Part, mut setup: F) -> Nested
    where
        F: FnMut(App) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        self.declare_nested(part, move |app: App| {
            let future = setup(app.clone());
            app.set_up(move || future);
        })
    }

    /// Declares the code that registers everything else. It is a component itself: a stop during start drops it.
    pub(crate) fn set_up<F, Fut>(&self, setup: F)
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        let part = crate::Stage::UNREADY.part("setup").announces();
        self.spawn(part, move |_| async move { setup().await });
    }

    fn runtime(&self) -> Runtime {
        #[expect(
            clippy::expect_used,
            reason = "a wrong use of the library, documented under Panics"
        )]
        self.runtime
            .clone()
            .expect("this application has no tokio runtime: use `run` instead of `run_sync`")
    }
}

impl<T: Clone> Resource<T> {
    /// Runs one operation within the resource's read budget, cut to what is left of a stop. Over it, the operation is
    /// dropped, which releases what it held; the error names the resource. Meanwhile it counts as in flight.
    ///
    /// ```no_run
    /// # async fn query(db: &aplomb_lifecycle::Resource<u8>) -> Result<(), aplomb_lifecycle::TimedOut> {
    /// let rows = db.bounded(async { 42 }).await?;
    /// # let _ = rows; Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`TimedOut`], never the operation's own error: that is inside the answer.
    #[track_caller]
    pub fn bounded<F: Future>(&self, work: F) -> impl Future<Output = Result<F::Output, TimedOut>> {
        let key = self
            .cell
            .take_off("operation".into(), Some(std::panic::Location::caller()));
        let landing = InFlight {
            cell: Arc::clone(&self.cell),
            key,
        };
        let within = self.time_left();
        let resource = self.cell.name.clone();
        async move {
            let _landing = landing;
            tokio::time::timeout(within, work)
                .await
                .map_err(|_| TimedOut { resource, within })
        }
    }
}

/// Tells how a run ended, whatever happens to its task.
struct Teller {
    ctx: Ctx,
    ending: Ending,
}

impl Teller {
    fn hear(&mut self, ending: Ending) {
        self.ending = ending;
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.ctx
            .ended(std::mem::replace(&mut self.ending, Ending::Dropped));
    }
}

/// Runs one life of a component.
fn drive(
    runtime: &Runtime,
    ctx: Ctx,
    work: impl Future<Output = Result<(), BoxError>> + Send + 'static,
) {
    let mut teller = Teller {
        ctx,
        ending: Ending::Dropped,
    };
    runtime.spawn(async move {
        let dropped = teller.ctx.dropped();
        if let Some(ending) = either(dropped, caught(work)).await {
            teller.hear(ending);
        }
    });
}

/// `work` with its panics turned into an ending.
async fn caught(work: impl Future<Output = Result<(), BoxError>>) -> Ending {
    let mut work = pin!(work);
    poll_fn(
        move |context| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(Ok(()))) => Poll::Ready(Ending::Done),
            Ok(Poll::Ready(Err(error))) => Poll::Ready(Ending::Failed(fault::chain(&*error))),
            Err(payload) => Poll::Ready(Ending::Panicked(fault::describe(&*payload))),
        },
    )
    .await
}

/// Lets the life thread see that the runtime turns.
pub(crate) fn beat(runtime: &Runtime, whole: &Arc<Whole>) {
    let whole = Arc::clone(whole);
    whole.beats.store(true, Ordering::Relaxed);
    runtime.spawn(async move {
        loop {
            whole.beat.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(BEAT).await;
        }
    });
}
