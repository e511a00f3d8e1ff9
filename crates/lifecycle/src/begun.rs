//! An application whose handlers and life thread are in place: running its set-up, waiting for the end, and ending.

use std::sync::{Arc, Mutex, PoisonError};

use crate::app::{self, App, BoxError};
use crate::builder::ExitStyle;
use crate::cell::Start;
use crate::ctx::Ctx;
use crate::fault;
use crate::health::Health;
use crate::life::{Driver, Message};
use crate::machine::Level;
use crate::os;
use crate::part::Prerequisite;
#[cfg(feature = "tokio")]
use crate::report::Report;
use crate::stage::Stage;

/// An application whose handlers and life thread are in place.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) app: App,
    pub(crate) exit_style: ExitStyle,
    pub(crate) installed: os::signals::Installed,
    pub(crate) health: Option<Health>,
    pub(crate) thread: std::thread::JoinHandle<()>,
}

impl Begun {
    /// Declares "setup" and returns the context of its only run.
    pub(crate) fn declare_setup(&self) -> Ctx {
        let slot: Arc<Mutex<Option<Ctx>>> = Arc::default();
        let filled = Arc::clone(&slot);
        let begin = move |ctx: Ctx| {
            *filled.lock().unwrap_or_else(PoisonError::into_inner) = Some(ctx.clone());
            ctx.cell.set_start(Start::Up);
        };
        let handle = self.app.declare(
            Stage::UNREADY.part("setup").announces(),
            Driver::Code(Box::new(begin)),
        );
        App::cell_of(&handle).wait(None, |seen| seen.start != Start::Pending);
        let begun = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A stop came first: the run never starts, and whatever is said of it is ignored.
        begun.unwrap_or_else(|| Ctx {
            cell: App::cell_of(&handle),
            whole: Arc::clone(&self.app.whole.cell),
            link: self.app.link.clone(),
            id: handle.part_id(),
            run: 0,
        })
    }

    pub(crate) fn set_up_here<F>(self, setup: F) -> u8
    where
        F: FnOnce(App) -> Result<(), BoxError>,
    {
        let ctx = self.declare_setup();
        if ctx.run > 0 {
            let app = self.app.clone();
            ctx.ended(app::caught(move || setup(app)));
        }
        self.wait();
        self.end()
    }

    pub(crate) fn wait(&self) {
        self.app
            .whole
            .cell
            .wait(None, |seen| seen.level >= Level::Abort);
    }

    /// Takes the end of the process out of the life thread's hands. Health goes last.
    pub(crate) fn end(self) -> u8 {
        let (code, report) = match self.app.whole.finished.get() {
            Some((code, report)) => (*code, Some(Arc::clone(report))),
            None => (1, None),
        };
        fault::forget();
        self.app.link.send(Message::Returned);
        drop(self.thread.join());
        drop(self.installed);
        drop(self.health);
        if let (ExitStyle::Resignal, 0, Some(report)) = (self.exit_style, code, report) {
            os::resignal(&report.cause);
        }
        code
    }
}

/// The application inside a program's own runtime; see [`crate::Builder::install`].
///
/// ```
/// use aplomb_lifecycle::{Stage, app};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let life = app("orders").install().unwrap();
/// let own = life.app().clone();
/// life.app().spawn(Stage::WORKERS.part("once"), async move |_| { own.stop(); Ok(()) });
/// life.registered();
/// assert_eq!(life.wait().await.exit, 0);
/// # });
/// ```
#[cfg(feature = "tokio")]
#[derive(Debug)]
pub struct Lifecycle {
    pub(crate) begun: Begun,
    pub(crate) setup: Ctx,
}

#[cfg(feature = "tokio")]
impl Lifecycle {
    /// Where to register components.
    ///
    /// ```no_run
    /// # use aplomb_lifecycle::{Lifecycle, Stage};
    /// # fn register(life: &Lifecycle) {
    /// life.app().spawn(Stage::WORKERS.part("sweeper"), async |ctx| { ctx.stopping().await; Ok(()) });
    /// # }
    /// ```
    #[must_use]
    pub fn app(&self) -> &App {
        &self.begun.app
    }

    /// Says that all components are registered: readiness now depends on them alone.
    ///
    /// ```no_run
    /// # use aplomb_lifecycle::{IoBudget, Lifecycle, Stage};
    /// # fn register(life: &Lifecycle) {
    /// life.app().resource(Stage::STORES.part("db"), IoBudget::DATABASE, || async { Ok(()) }, |()| async { Ok(()) });
    /// life.registered(); // ready as soon as `db` is up, and not before
    /// # }
    /// ```
    pub fn registered(&self) {
        self.setup.ended(crate::machine::Ending::Done);
    }

    /// Waits until the stop is over, and gives the signals back. The caller ends the process.
    ///
    /// ```no_run
    /// # use aplomb_lifecycle::Lifecycle;
    /// # async fn end(life: Lifecycle) {
    /// let report = life.wait().await;
    /// std::process::exit(report.exit.into())
    /// # }
    /// ```
    pub async fn wait(self) -> Arc<Report> {
        let whole = Arc::clone(&self.begun.app.whole);
        whole.cell.until(|seen| seen.level >= Level::Abort).await;
        // The exit code is in the report.
        let _ = self.begun.end();
        match whole.finished.get() {
            Some((_, report)) => Arc::clone(report),
            None => unreachable!("the level is raised after the report was stored"),
        }
    }
}
