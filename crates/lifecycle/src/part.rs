//! What a program declares about a component before it hands over the code: name, stage, order, and what its failure means.
//!
//! A builder, so that a registration reads as a sentence: `Stage::WORKERS.part("sweeper").after(&db).optional()`.

use std::time::Duration;

use crate::{IoBudget, Stage};

/// Identifies a component within its application. Never reused.
///
/// ```no_run
/// # use aplomb_lifecycle::{App, Prerequisite, Stage};
/// # fn register(app: &App) {
/// let writer = app.thread(Stage::STORES.part("writer"), |ctx| { ctx.park(); Ok(()) });
/// let id = writer.part_id(); // small enough to pass around
/// app.thread(Stage::STORES.part("indexer").after(&id), |ctx| { ctx.park(); Ok(()) });
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartId(pub(crate) u32);

/// Whatever can be waited for with [`Part::after`].
///
/// ```no_run
/// # use aplomb_lifecycle::{App, Prerequisite, Resource, Stage};
/// fn reporter(app: &App, needs: &impl Prerequisite) {
///     app.thread(Stage::WORKERS.part("reporter").after(needs), |ctx| { ctx.park(); Ok(()) });
/// }
/// # fn register(app: &App, db: &Resource<u8>) {
/// reporter(app, db);
/// # }
/// ```
pub trait Prerequisite {
    /// The component that has to be up first, and to be stopped last.
    fn part_id(&self) -> PartId;
}

impl Prerequisite for PartId {
    fn part_id(&self) -> PartId {
        *self
    }
}

/// What happens when a component that was up fails or panics.
///
/// ```
/// use aplomb_lifecycle::{OnFailure, Stage, app};
/// let code = app("tolerant").observe(|_| {}).run_sync(|app| {
///     let part = Stage::WORKERS.part("metrics").on_failure(OnFailure::Ignore);
///     app.thread(part, |_| Err("nobody takes them".into()));
///     Ok(())
/// });
/// assert_eq!(code, std::process::ExitCode::SUCCESS);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// The application is stopped in order; exit code 1, or 70 after a panic. The default.
    #[default]
    Stop,
    /// The application goes on without it; the report tells.
    Ignore,
    /// It is started again after a growing, jittered delay (100 ms doubling to 5 s). Only for components that can be
    /// started twice; for others this is [`OnFailure::Stop`].
    Restart,
}

/// The declaration of one component.
///
/// ```
/// use aplomb_lifecycle::{IoBudget, OnFailure, Stage};
/// let part = Stage::STORES.part("cache").optional().budget(IoBudget::CACHE).on_failure(OnFailure::Restart);
/// # let _ = part;
/// ```
#[derive(Debug, Clone)]
pub struct Part {
    pub(crate) name: String,
    pub(crate) stage: Stage,
    pub(crate) after: Vec<PartId>,
    pub(crate) required: bool,
    pub(crate) lazy: bool,
    pub(crate) announces: bool,
    pub(crate) on_failure: OnFailure,
    pub(crate) connect: Option<Duration>,
    pub(crate) close: Option<Duration>,
    pub(crate) restartable: bool,
}

impl Part {
    pub(crate) fn new(name: String, stage: Stage) -> Self {
        Self {
            name,
            stage,
            after: Vec::new(),
            required: true,
            lazy: false,
            announces: false,
            on_failure: OnFailure::Stop,
            connect: None,
            close: None,
            restartable: false,
        }
    }

    /// Starts after `other` is up and, within the same stage, stops before it.
    ///
    /// ```no_run
    /// # use aplomb_lifecycle::{App, Stage};
    /// # fn register(app: &App) {
    /// let writer = app.thread(Stage::STORES.part("writer"), |ctx| { ctx.park(); Ok(()) });
    /// app.thread(Stage::STORES.part("indexer").after(&writer), |ctx| { ctx.park(); Ok(()) });
    /// # }
    /// ```
    #[must_use]
    pub fn after(mut self, other: &impl Prerequisite) -> Self {
        self.after.push(other.part_id());
        self
    }

    /// The application becomes ready without it, and its failure to start only degrades it.
    ///
    /// ```
    /// use aplomb_lifecycle::Stage;
    /// let cache = Stage::STORES.part("cache").optional();
    /// # let _ = cache;
    /// ```
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.required = false;
        self
    }

    /// Starts on first use instead of at once, and does not hold readiness back.
    ///
    /// ```
    /// use aplomb_lifecycle::Stage;
    /// let search = Stage::STORES.part("search-index").lazy();
    /// # let _ = search;
    /// ```
    #[must_use]
    pub fn lazy(mut self) -> Self {
        self.lazy = true;
        self.required = false;
        self
    }

    /// Counts as up only when its code calls [`crate::Ctx::ready`]; without this, as soon as it runs.
    ///
    /// ```no_run
    /// # use aplomb_lifecycle::{App, Stage};
    /// # fn register(app: &App) {
    /// app.thread(Stage::WORKERS.part("consumer").announces(), |ctx| {
    ///     // join the group, then:
    ///     ctx.ready();
    ///     ctx.park();
    ///     Ok(())
    /// });
    /// # }
    /// ```
    #[must_use]
    pub fn announces(mut self) -> Self {
        self.announces = true;
        self
    }

    /// What its failure means for the rest.
    ///
    /// ```
    /// use aplomb_lifecycle::{OnFailure, Stage};
    /// let moody = Stage::WORKERS.part("importer").on_failure(OnFailure::Restart);
    /// # let _ = moody;
    /// ```
    #[must_use]
    pub fn on_failure(mut self, policy: OnFailure) -> Self {
        self.on_failure = policy;
        self
    }

    /// Limits each attempt to start by `budget.connect`, and its close by `budget.read`.
    ///
    /// ```
    /// use aplomb_lifecycle::{IoBudget, Stage};
    /// let warm_up = Stage::WORKERS.part("warm-up").budget(IoBudget::new(2_000, 500));
    /// # let _ = warm_up;
    /// ```
    #[must_use]
    pub fn budget(mut self, budget: IoBudget) -> Self {
        self.connect = Some(budget.connect);
        self.close = Some(budget.read);
        self
    }
}
