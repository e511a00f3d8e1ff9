//! An application within an application: its own components and stages, its own report inside the parent's.
//!
//! To its parent it is one component. The life thread carries both machines, so nesting costs no thread.

use std::time::Duration;

use crate::app::{App, BoxError, Handle, caught};
use crate::life::{Driver, Message};
use crate::machine::Settings;
use crate::part::{Part, PartId, Prerequisite};
use crate::stage::Stage;

/// A registered nested application.
///
/// ```no_run
/// # use aplomb_lifecycle::{App, Stage};
/// # fn register(app: &App) {
/// let ingest = app.nest_blocking(Stage::INTAKE.part("ingest"), |sub| {
///     sub.thread(Stage::INTAKE.part("consumer"), |ctx| { ctx.park(); Ok(()) });
///     Ok(())
/// });
/// app.thread(Stage::WORKERS.part("reporter").after(&ingest), |ctx| { ctx.park(); Ok(()) });
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Nested {
    handle: Handle,
    app: App,
}

impl Nested {
    /// Stops it alone, stage by stage; the rest of the program goes on.
    ///
    /// ```no_run
    /// # fn on_maintenance(ingest: &aplomb_lifecycle::Nested) {
    /// ingest.stop(); // `restart` brings it back
    /// # }
    /// ```
    pub fn stop(&self) {
        self.tell(false);
    }

    /// Stops it alone and starts it again.
    ///
    /// ```no_run
    /// # fn on_new_settings(ingest: &aplomb_lifecycle::Nested) {
    /// ingest.restart();
    /// # }
    /// ```
    pub fn restart(&self) {
        self.tell(true);
    }

    fn tell(&self, again: bool) {
        self.app.link.send(Message::Nested {
            id: self.handle.part_id(),
            again,
        });
    }
}

impl Prerequisite for Nested {
    fn part_id(&self) -> PartId {
        self.handle.part_id()
    }
}

impl App {
    /// Registers an application within this one whose components run on threads; `setup` runs on a thread of its own.
    ///
    /// ```no_run
    /// # use aplomb_lifecycle::{App, Stage};
    /// # fn register(app: &App) {
    /// let ingest = app.nest_blocking(Stage::INTAKE.part("ingest"), |sub| {
    ///     sub.thread(Stage::INTAKE.part("consumer"), |ctx| { ctx.park(); Ok(()) });
    ///     Ok(())
    /// });
    /// ingest.stop();
    /// # }
    /// ```
    pub fn nest_blocking<F>(&self, part: Part, setup: F) -> Nested
    where
        F: FnMut(App) -> Result<(), BoxError> + Clone + Send + 'static,
    {
        self.declare_nested(part, move |app: App| {
            let (mut setup, inner) = (setup.clone(), app.clone());
            app.thread(Stage::UNREADY.part("setup").announces(), move |_| {
                setup(inner)
            });
        })
    }

    pub(crate) fn declare_nested(
        &self,
        part: Part,
        open: impl FnMut(App) + Send + 'static,
    ) -> Nested {
        let mut part = part.announces();
        part.restartable = true;
        let settings = Settings {
            ends_when_idle: false,
            lame_duck: Duration::ZERO,
            ..Settings::default()
        };
        let handle = self.declare(part, Driver::Nest(guarded(open), Box::new(settings)));
        Nested {
            handle,
            app: self.clone(),
        }
    }
}

/// `open` runs on the life thread, where a panic of the program's code must not pass: it fails the nested start instead.
fn guarded(mut open: impl FnMut(App) + Send + 'static) -> Box<dyn FnMut(App) + Send> {
    Box::new(move |app| {
        let tried = app.clone();
        let ending = caught(|| {
            open(tried);
            Ok(())
        });
        if ending != crate::machine::Ending::Done {
            app.thread(Stage::UNREADY.part("setup").announces(), move |_| {
                Err(format!("{ending:?}").into())
            });
        }
    })
}
