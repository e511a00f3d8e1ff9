//! The handle a program registers its components with, and asks for a stop.
//!
//! Registration returns at once: components start in parallel, gated by `after` alone. Clones are the same application.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use crate::cause::{Ask, Cause, CauseKind, Urgency};
use crate::cell::Cell;
use crate::ctx::Ctx;
use crate::fault;
use crate::life::{Declaration, Driver, GroupId, Link, Message, Whole};
use crate::machine::{Ending, Event};
use crate::part::{Part, PartId, Prerequisite};

/// What the code of a component may fail with.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// An application under way.
///
/// ```
/// use aplomb_lifecycle::{App, BoxError, Stage, app};
///
/// fn set_up(app: App) -> Result<(), BoxError> {
///     app.thread(Stage::WORKERS.part("once"), |_| Ok(()));
///     Ok(())
/// }
/// assert_eq!(app("batch").run_sync(set_up), std::process::ExitCode::SUCCESS);
/// ```
#[derive(Debug, Clone)]
pub struct App {
    pub(crate) name: Arc<str>,
    pub(crate) link: Link,
    pub(crate) whole: Arc<Whole>,
    pub(crate) next: Arc<AtomicU32>,
    #[cfg(feature = "tokio")]
    pub(crate) runtime: Option<tokio::runtime::Handle>,
}

/// A registered component.
///
/// ```no_run
/// # use aplomb_lifecycle::{App, Stage};
/// # fn register(app: &App) {
/// let writer = app.thread(Stage::STORES.part("writer"), |ctx| { ctx.park(); Ok(()) });
/// assert_eq!(writer.name(), "writer");
/// app.thread(Stage::STORES.part("indexer").after(&writer), |ctx| { ctx.park(); Ok(()) });
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Handle {
    id: PartId,
    cell: Arc<Cell>,
}

impl Handle {
    /// The name it was declared with.
    ///
    /// ```no_run
    /// # use aplomb_lifecycle::{App, Stage};
    /// # fn register(app: &App) {
    /// let handle = app.thread(Stage::WORKERS.part("tail"), |ctx| { ctx.park(); Ok(()) });
    /// eprintln!("{}: registered {}", app.name(), handle.name());
    /// # }
    /// ```
    #[must_use]
    pub fn name(&self) -> &str {
        &self.cell.name
    }
}

impl Prerequisite for Handle {
    fn part_id(&self) -> PartId {
        self.id
    }
}

impl App {
    pub(crate) fn new(name: &str, link: Link) -> Self {
        Self {
            name: name.into(),
            link,
            whole: Whole::new(),
            next: Arc::new(AtomicU32::new(0)),
            #[cfg(feature = "tokio")]
            runtime: None,
        }
    }

    /// The application nested in this one as `group`.
    ///
    /// ```no_run
    /// # use aplomb_lifecycle::{App, Stage};
    /// # fn register(app: &App) {
    /// let handle = app.thread(Stage::WORKERS.part("tail"), |ctx| { ctx.park(); Ok(()) });
    /// eprintln!("{}: registered {}", app.name(), handle.name());
    /// # }
    /// ```
    pub(crate) fn nested(&self, group: GroupId, name: String) -> Self {
        let link = Link {
            post: self.link.post.clone(),
            group,
        };
        Self {
            name: name.into(),
            link,
            whole: Whole::new(),
            next: Arc::new(AtomicU32::new(0)),
            #[cfg(feature = "tokio")]
            runtime: self.runtime.clone(),
        }
    }

    /// The application's name.
    ///
    /// ```
    /// aplomb_lifecycle::app("orders").run_sync(|app| {
    ///     assert_eq!(app.name(), "orders");
    ///     Ok(())
    /// });
    /// ```
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Registers a component that runs on a thread of its own. Its code must come back soon after [`Ctx::stopping`];
    /// a thread cannot be interrupted, only left behind.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use aplomb_lifecycle::{App, Stage};
    /// # fn register(app: &App) {
    /// app.thread(Stage::WORKERS.part("tail"), |ctx| {
    ///     while !ctx.park_timeout(Duration::from_millis(200)) {
    ///         // one step
    ///     }
    ///     Ok(())
    /// });
    /// # }
    /// ```
    pub fn thread<F>(&self, part: Part, work: F) -> Handle
    where
        F: FnOnce(Ctx) -> Result<(), BoxError> + Send + 'static,
    {
        let mut work = Some(work);
        self.declare(
            part,
            Driver::Code(Box::new(move |ctx| {
                if let Some(work) = work.take() {
                    spawn_thread(ctx, work);
                }
            })),
        )
    }

    /// As [`App::thread`], for work that can be started again: [`crate::OnFailure::Restart`] and repeated attempts apply.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicU32, Ordering};
    /// use aplomb_lifecycle::{OnFailure, Stage, app};
    ///
    /// let lives = Arc::new(AtomicU32::new(0));
    /// let counted = Arc::clone(&lives);
    /// app("moody").observe(|_| {}).run_sync(move |app| {
    ///     let part = Stage::WORKERS.part("moody").on_failure(OnFailure::Restart);
    ///     app.thread_restarting(part, move |_| match counted.fetch_add(1, Ordering::SeqCst) {
    ///         0 => Err("not yet".into()),
    ///         _ => Ok(()),
    ///     });
    ///     Ok(())
    /// });
    /// assert_eq!(lives.load(Ordering::SeqCst), 2);
    /// ```
    pub fn thread_restarting<F>(&self, mut part: Part, work: F) -> Handle
    where
        F: FnMut(Ctx) -> Result<(), BoxError> + Clone + Send + 'static,
    {
        part.restartable = true;
        self.declare(
            part,
            Driver::Code(Box::new(move |ctx| spawn_thread(ctx, work.clone()))),
        )
    }

    /// Asks the whole application to stop, as SIGTERM would, without the lame duck.
    ///
    /// ```
    /// use aplomb_lifecycle::{Stage, app};
    /// app("batch").run_sync(|app| {
    ///     let own = app.clone();
    ///     app.thread(Stage::WORKERS.part("batch"), move |_| {
    ///         own.stop(); // the work is done, whatever else still runs
    ///         Ok(())
    ///     });
    ///     app.thread(Stage::WORKERS.part("ticker"), |ctx| { ctx.park(); Ok(()) });
    ///     Ok(())
    /// });
    /// ```
    pub fn stop(&self) {
        self.ask(Urgency::StopAtOnce);
    }

    /// As [`App::stop`], but goes on serving for the lame-duck time: for a stop that a program takes from its own
    /// administrators, behind a balancer.
    ///
    /// ```no_run
    /// # use aplomb_lifecycle::App;
    /// # fn on_admin_request(app: &App) {
    /// app.stop_after_lame_duck();
    /// # }
    /// ```
    pub fn stop_after_lame_duck(&self) {
        self.ask(Urgency::Stop);
    }

    fn ask(&self, urgency: Urgency) {
        let cause = Cause::plain(CauseKind::Program);
        self.link
            .send(Message::Event(Event::Asked(Ask { cause, urgency })));
    }

    /// True from readiness until the stop request.
    ///
    /// ```
    /// use aplomb_lifecycle::app;
    /// app("once").run_sync(|app| {
    ///     assert!(!app.is_ready(), "this set-up is not over");
    ///     Ok(())
    /// });
    /// ```
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.whole.ready.load(Ordering::SeqCst)
    }

    /// Resolves when the application was asked to stop.
    ///
    /// ```no_run
    /// # async fn deregister_from_the_registry() {}
    /// # async fn heartbeat(app: aplomb_lifecycle::App) {
    /// app.unready().await;
    /// deregister_from_the_registry().await;
    /// # }
    /// ```
    pub fn unready(&self) -> impl Future<Output = ()> + Send + Unpin + use<> {
        self.whole
            .cell
            .until(|seen| seen.level >= crate::Level::Stop)
    }

    pub(crate) fn declare(&self, part: Part, driver: Driver) -> Handle {
        let id = PartId(self.next.fetch_add(1, Ordering::SeqCst));
        let cell = Cell::new(part.name.clone());
        let declaration = Declaration {
            id,
            part,
            cell: Arc::clone(&cell),
            driver,
        };
        self.link.send(Message::Declare(Box::new(declaration)));
        Handle { id, cell }
    }

    pub(crate) fn cell_of(handle: &Handle) -> Arc<Cell> {
        Arc::clone(&handle.cell)
    }
}

impl Whole {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            ready: AtomicBool::new(false),
            beat: AtomicU64::new(0),
            beats: AtomicBool::new(false),
            finished: OnceLock::new(),
            cell: Cell::new("application".into()),
        })
    }
}

fn spawn_thread<F>(ctx: Ctx, work: F)
where
    F: FnOnce(Ctx) -> Result<(), BoxError> + Send + 'static,
{
    let told = ctx.clone();
    let name = ctx.name().to_owned();
    let spawned = std::thread::Builder::new().name(name).spawn(move || {
        let ending = caught(|| work(ctx.clone()));
        ctx.ended(ending);
    });
    if let Err(error) = spawned {
        told.ended(Ending::Failed(format!("cannot start a thread: {error}")));
    }
}

/// Runs `work` and says how it ended.
pub(crate) fn caught(work: impl FnOnce() -> Result<(), BoxError>) -> Ending {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(())) => Ending::Done,
        Ok(Err(error)) => Ending::Failed(fault::chain(&*error)),
        Err(payload) => Ending::Panicked(fault::describe(&*payload)),
    }
}

impl Ctx {
    pub(crate) fn ended(&self, ending: Ending) {
        self.link
            .send(Message::Event(Event::Ended(self.id, self.run, ending)));
    }
}
