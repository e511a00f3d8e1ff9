//! Making an application: its numbers, its signals, what it says and where. `run.rs` runs it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::machine::{Again, Settings};
use crate::notice::{Notice, Observer};
use crate::signal::{OnSignal, Signal, Work};
use crate::stage::{Stage, StageTimes};

/// How the process ends after a stop that a signal asked for.
///
/// ```
/// use aplomb_lifecycle::{ExitStyle, app};
/// let builder = app("tool").exit_style(ExitStyle::Resignal); // `set -e` sees the Ctrl+C
/// # let _ = builder;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExitStyle {
    /// With the exit code of the report. The default.
    #[default]
    Code,
    /// After a clean stop, by the signal itself, so that shells and `set -e` see it. Other outcomes as [`ExitStyle::Code`].
    Resignal,
}

/// An application in the making; see [`app`](crate::app()).
///
/// ```no_run
/// use std::process::ExitCode;
/// use std::time::Duration;
/// use aplomb_lifecycle::app;
///
/// fn main() -> ExitCode {
///     app("orders").grace(Duration::from_secs(60)).lame_duck(Duration::from_secs(15)).run_sync(|_| Ok(()))
/// }
/// ```
#[must_use = "an application does nothing until it is run"]
pub struct Builder {
    pub(crate) name: String,
    pub(crate) settings: Settings,
    pub(crate) grace: Option<Duration>,
    pub(crate) signals: BTreeMap<i32, OnSignal>,
    pub(crate) health: Option<SocketAddr>,
    pub(crate) observer: Option<Observer>,
    pub(crate) exit_style: ExitStyle,
    pub(crate) report_to: Option<PathBuf>,
    pub(crate) service: Option<String>,
    pub(crate) pausing: Option<(Work, Work)>,
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder")
            .field("name", &self.name)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Builder {
    pub(crate) fn new(name: String) -> Self {
        Self {
            name,
            settings: Settings::default(),
            grace: None,
            signals: BTreeMap::new(),
            health: None,
            observer: None,
            exit_style: ExitStyle::default(),
            report_to: None,
            service: None,
            pausing: None,
        }
    }

    /// The time from the stop request until the platform kills, 30 s by default. All stages together get this less the
    /// kill margin. Without this call `APLOMB_GRACE` (`30`, `30s`, `1500ms`) is asked first.
    ///
    /// ```
    /// use std::time::Duration;
    /// let builder = aplomb_lifecycle::app("orders").grace(Duration::from_secs(60)).kill_margin(Duration::from_secs(5));
    /// # let _ = builder;
    /// ```
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = Some(grace);
        self
    }

    /// What is kept of the grace period for the process to end after its last stage, 2 s by default. A `main` that does
    /// not return within it is ended.
    ///
    /// ```
    /// use std::time::Duration;
    /// // Destructors of `main` need a while: all stages together get 30 s − 5 s.
    /// let builder = aplomb_lifecycle::app("orders").kill_margin(Duration::from_secs(5));
    /// # let _ = builder;
    /// ```
    pub fn kill_margin(mut self, margin: Duration) -> Self {
        self.settings.kill_margin = margin;
        self
    }

    /// How long the application goes on serving after it turned unready, 10 s by default. Zero when an orchestrator's
    /// pre-stop hook has waited already. A person at a terminal never waits for it.
    ///
    /// ```
    /// use std::time::Duration;
    /// let builder = aplomb_lifecycle::app("orders").lame_duck(Duration::ZERO); // a preStop hook has slept already
    /// # let _ = builder;
    /// ```
    pub fn lame_duck(mut self, time: Duration) -> Self {
        self.settings.lame_duck = time;
        self
    }

    /// How long a component may try to start before it counts as failed, 30 s by default.
    ///
    /// ```
    /// use std::time::Duration;
    /// let builder = aplomb_lifecycle::app("search").start_deadline(Duration::from_secs(600)); // builds its index first
    /// # let _ = builder;
    /// ```
    pub fn start_deadline(mut self, time: Duration) -> Self {
        self.settings.start_deadline = time;
        self
    }

    /// Other times for one stage.
    ///
    /// ```
    /// use std::time::Duration;
    /// use aplomb_lifecycle::{Stage, StageTimes, app};
    /// let times = StageTimes { reserve: Duration::from_secs(3), max: Duration::from_secs(15) };
    /// let builder = app("orders").stage(Stage::at(350), times);
    /// # let _ = builder;
    /// ```
    pub fn stage(mut self, stage: Stage, times: StageTimes) -> Self {
        self.settings.times.insert(stage, times);
        self
    }

    /// What a signal does, instead of its custom.
    ///
    /// ```
    /// use aplomb_lifecycle::{OnSignal, Signal, app};
    /// let builder = app("gateway")
    ///     .on_signal(Signal::HUP, OnSignal::reload(|| { /* read the settings again */ }))
    ///     .on_signal(Signal::QUIT, OnSignal::Force);
    /// # let _ = builder;
    /// ```
    pub fn on_signal(mut self, signal: Signal, does: OnSignal) -> Self {
        self.signals.insert(signal.number(), does);
        self
    }

    /// What a SIGTERM does that comes 500 ms or more after the first.
    ///
    /// ```
    /// use aplomb_lifecycle::{Again, app};
    /// let builder = app("worker").again(Again::Ignore);
    /// # let _ = builder;
    /// ```
    pub fn again(mut self, again: Again) -> Self {
        self.settings.again = again;
        self
    }

    /// Serves `GET /readyz` and `/livez` at `address`, from a thread of its own, until the very end of the stop.
    /// `/readyz` is the first thing to turn (503) and the last to close: a balancer sees "unready", never "refused".
    ///
    /// ```
    /// let builder = aplomb_lifecycle::app("orders").health(([127, 0, 0, 1], 9090).into());
    /// # let _ = builder;
    /// ```
    pub fn health(mut self, address: SocketAddr) -> Self {
        self.health = Some(address);
        self
    }

    /// Gives every [`Notice`] to `observer` instead of standard error. Called on the life thread: it must not block.
    ///
    /// ```
    /// let builder = aplomb_lifecycle::app("orders").observe(|notice| eprintln!("lifecycle: {notice}"));
    /// # let _ = builder;
    /// ```
    pub fn observe(mut self, observer: impl Fn(&Notice) + Send + Sync + 'static) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }

    /// How the process ends.
    ///
    /// ```
    /// use aplomb_lifecycle::{ExitStyle, app};
    /// let builder = app("tool").exit_style(ExitStyle::Resignal);
    /// # let _ = builder;
    /// ```
    pub fn exit_style(mut self, style: ExitStyle) -> Self {
        self.exit_style = style;
        self
    }

    /// Writes the report as JSON to this file. Without this call `APLOMB_REPORT` is asked.
    ///
    /// ```
    /// let file = std::env::temp_dir().join(format!("report-{}.json", std::process::id()));
    /// aplomb_lifecycle::app("once").report_to(&file).run_sync(|_| Ok(()));
    /// let report = std::fs::read_to_string(&file).unwrap();
    /// assert!(report.contains("\"kind\":\"finished\"") && report.contains("\"exit\":0"));
    /// # std::fs::remove_file(&file).unwrap();
    /// ```
    pub fn report_to(mut self, path: impl Into<PathBuf>) -> Self {
        self.report_to = Some(path.into());
        self
    }

    /// On Windows, runs under the service control manager as `name`; started from a terminal it falls back to the
    /// console. Elsewhere it changes nothing, so that one `main` serves both.
    ///
    /// ```no_run
    /// use aplomb_lifecycle::app;
    /// fn main() -> std::process::ExitCode {
    ///     app("agent").windows_service("AcmeAgent").on_pause(|| {}, || {}).run_sync(|_| Ok(()))
    /// }
    /// ```
    pub fn windows_service(mut self, name: impl Into<String>) -> Self {
        self.service = Some(name.into());
        self
    }

    /// What a service does when the service control manager pauses and continues it. Each runs on a thread of its own;
    /// PAUSED or RUNNING is reported when it returns. Without this call a pause is accepted and changes nothing.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicBool, Ordering};
    /// let paused = Arc::new(AtomicBool::new(false));
    /// let (pauses, resumes) = (Arc::clone(&paused), paused);
    /// let builder = aplomb_lifecycle::app("agent").windows_service("AcmeAgent").on_pause(
    ///     move || pauses.store(true, Ordering::SeqCst),
    ///     move || resumes.store(false, Ordering::SeqCst),
    /// );
    /// # let _ = builder;
    /// ```
    pub fn on_pause(
        mut self,
        pause: impl Fn() + Send + Sync + 'static,
        resume: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        self.pausing = Some((Arc::new(pause), Arc::new(resume)));
        self
    }
}
