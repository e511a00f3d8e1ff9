//! Making an application: its numbers, its signals, and the three ways to run it.
//!
//! Whatever way is taken, handlers are in place before a runtime exists or a line of the program's own code has run.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::app::{App, BoxError};
use crate::begun::Begun;
#[cfg(feature = "tokio")]
use crate::begun::Lifecycle;
use crate::fault;
use crate::health::Health;
use crate::life::{Life, Link, ROOT, Setting};
use crate::machine::{Again, Settings};
use crate::notice::{self, Notice, Observer};
use crate::os::{self, Host};
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

/// Why an application could not begin.
///
/// ```
/// use aplomb_lifecycle::{BeginError, app};
/// let outside = app("orders").install();
/// assert!(matches!(outside, Err(BeginError::NoRuntime)));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BeginError {
    /// The handlers could not be installed.
    #[error("signals could not be handled")]
    Signals(#[from] os::signals::SignalError),
    /// Pipe, thread or runtime could not be made.
    #[error("{what} could not be made")]
    System {
        /// Which.
        what: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The health address could not be bound.
    #[error("the health address {address} could not be bound")]
    Health {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// An environment variable does not say a time.
    #[error("`{variable}={value}` is not a time such as `30`, `30s` or `1500ms`")]
    Time {
        /// Its name.
        variable: &'static str,
        /// What it says.
        value: String,
    },
    /// There is no tokio runtime around the caller.
    #[error("`install` must be called inside a tokio runtime")]
    NoRuntime,
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
    name: String,
    settings: Settings,
    grace: Option<Duration>,
    signals: BTreeMap<i32, OnSignal>,
    health: Option<SocketAddr>,
    observer: Option<Observer>,
    exit_style: ExitStyle,
    report_to: Option<PathBuf>,
    service: Option<String>,
    pausing: Option<(Work, Work)>,
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

    /// Runs `setup`, which registers the components on threads, and waits until the stop is over.
    ///
    /// ```no_run
    /// use std::process::ExitCode;
    /// use aplomb_lifecycle::{Stage, app};
    ///
    /// fn main() -> ExitCode {
    ///     app("importer").run_sync(|app| {
    ///         app.thread(Stage::WORKERS.part("tail"), |ctx| { ctx.park(); Ok(()) });
    ///         Ok(())
    ///     })
    /// }
    /// ```
    pub fn run_sync<F>(self, setup: F) -> ExitCode
    where
        F: FnOnce(App) -> Result<(), BoxError> + Send,
    {
        self.hosted(move |builder| match builder.begin(Ok) {
            Ok(begun) => begun.set_up_here(setup),
            Err((name, error)) => refuse(&name, &error),
        })
    }

    /// Makes a tokio runtime (after the handlers are in place), runs `setup` on it, and waits until the stop is over.
    ///
    /// ```no_run
    /// use std::process::ExitCode;
    /// use aplomb_lifecycle::{Stage, app};
    ///
    /// fn main() -> ExitCode {
    ///     app("orders").run(async |app| {
    ///         app.spawn(Stage::WORKERS.part("sweeper"), async |ctx| { ctx.stopping().await; Ok(()) });
    ///         Ok(())
    ///     })
    /// }
    /// ```
    #[cfg(feature = "tokio")]
    pub fn run<F, Fut>(self, setup: F) -> ExitCode
    where
        F: FnOnce(App) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        self.hosted(move |builder| {
            let mut runtime = None;
            let begun = builder.begin(|mut app| {
                let made = tokio::runtime::Builder::new_multi_thread()
                    .enable_all()
                    .build();
                let made = made.map_err(|source| BeginError::System {
                    what: "the runtime",
                    source,
                })?;
                app.runtime = Some(made.handle().clone());
                runtime = Some(made);
                Ok(app)
            });
            let begun = match begun {
                Ok(begun) => begun,
                Err((name, error)) => return refuse(&name, &error),
            };
            if let Some(runtime) = &runtime {
                crate::runtime::beat(runtime.handle(), &begun.app.whole);
            }
            let app = begun.app.clone();
            begun.app.set_up(move || async move { setup(app).await });
            begun.wait();
            if let Some(runtime) = runtime {
                // Work that cannot be interrupted must not hold the exit.
                runtime.shutdown_background();
            }
            begun.end()
        })
    }

    /// For a program that has its own `#[tokio::main]`: handlers are in place when this returns, which is later than
    /// with [`Builder::run`]; a signal before it has its default action.
    ///
    /// ```no_run
    /// # use aplomb_lifecycle::{Stage, app};
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let life = app("orders").install()?;
    /// life.app().spawn(Stage::WORKERS.part("sweeper"), async |ctx| { ctx.stopping().await; Ok(()) });
    /// life.registered();
    /// let report = life.wait().await;
    /// std::process::exit(report.exit.into())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When handlers, thread or health address cannot be had, or there is no runtime around the caller.
    #[cfg(feature = "tokio")]
    pub fn install(mut self) -> Result<Lifecycle, BeginError> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| BeginError::NoRuntime)?;
        self.settings.ends_when_idle = false;
        let handle = runtime.clone();
        let begun = self.begin(move |mut app| {
            app.runtime = Some(runtime);
            Ok(app)
        });
        let begun = begun.map_err(|(_, error)| error)?;
        crate::runtime::beat(&handle, &begun.app.whole);
        let setup = begun.declare_setup();
        Ok(Lifecycle { begun, setup })
    }

    fn hosted(mut self, run: impl FnOnce(Self) -> u8) -> ExitCode {
        ExitCode::from(os::hosted(self.service.take(), move || run(self)))
    }

    /// Handlers, then whatever `prepare` makes, then the life thread.
    fn begin(
        mut self,
        prepare: impl FnOnce(App) -> Result<App, BeginError>,
    ) -> Result<Begun, (String, BeginError)> {
        let name = std::mem::take(&mut self.name);
        self.begin_as(&name, prepare).map_err(|error| (name, error))
    }

    fn begin_as(
        self,
        name: &str,
        prepare: impl FnOnce(App) -> Result<App, BeginError>,
    ) -> Result<Begun, BeginError> {
        let made = Instant::now();
        let signals = self.caught();
        let system = |what| move |source| BeginError::System { what, source };
        let (post, inbox) = os::mailbox().map_err(system("the mailbox"))?;
        let link = Link { post, group: ROOT };
        let installed = os::signals::install(
            &signals,
            &[Signal::HUP.number(), Signal::INT.number()],
            &link.post,
        )?;
        fault::note_places(&link);
        let app = prepare(App::new(name, link))?;
        let host = Host::from_env(self.signals, self.pausing);
        let mut settings = self.settings;
        settings.grace = match self.grace {
            Some(grace) => grace,
            None => time_from_env("APLOMB_GRACE")?.unwrap_or(settings.grace),
        };
        settings.extends = host.extends();
        settings.seed = u64::from(std::process::id());
        let health = match self.health {
            Some(address) => Some(
                Health::serve(address, Arc::clone(&app.whole))
                    .map_err(|source| BeginError::Health { address, source })?,
            ),
            None => None,
        };
        let setting = Setting {
            inbox,
            host,
            observer: self.observer.unwrap_or_else(|| notice::to_stderr(name)),
            settings,
            report_to: self
                .report_to
                .or_else(|| std::env::var_os("APLOMB_REPORT").map(PathBuf::from)),
            made,
        };
        let life = Life::new(app.clone(), setting);
        let thread = std::thread::Builder::new()
            .name(crate::life::THREAD.into())
            .spawn(move || life.live());
        let thread = thread.map_err(system("the life thread"))?;
        Ok(Begun {
            app,
            exit_style: self.exit_style,
            installed,
            health,
            thread,
        })
    }

    fn caught(&self) -> Vec<i32> {
        let customs = [Signal::TERM, Signal::INT, Signal::QUIT, Signal::HUP].map(Signal::number);
        let mut signals: Vec<i32> = customs
            .into_iter()
            .chain(self.signals.keys().copied())
            .collect();
        signals.sort_unstable();
        signals.dedup();
        signals
    }
}

/// An application that cannot begin says why, where the program may have no log yet.
fn refuse(name: &str, error: &BeginError) -> u8 {
    let why = fault::chain(error);
    notice::to_stderr(name)(&Notice::Failed {
        component: name.to_owned(),
        why,
    });
    1
}

fn time_from_env(variable: &'static str) -> Result<Option<Duration>, BeginError> {
    let Some(value) = std::env::var_os(variable) else {
        return Ok(None);
    };
    let value = value.to_string_lossy().into_owned();
    parse_time(&value)
        .map(Some)
        .ok_or(BeginError::Time { variable, value })
}

/// `30`, `30s` or `1500ms`.
fn parse_time(text: &str) -> Option<Duration> {
    if let Some(ms) = text.strip_suffix("ms") {
        return ms.parse().ok().map(Duration::from_millis);
    }
    text.strip_suffix('s')
        .unwrap_or(text)
        .parse()
        .ok()
        .map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_unless_they_say_otherwise() {
        assert_eq!(parse_time("30"), Some(Duration::from_secs(30)));
        assert_eq!(parse_time("30s"), Some(Duration::from_secs(30)));
        assert_eq!(parse_time("1500ms"), Some(Duration::from_millis(1500)));
        assert_eq!(parse_time("soon"), None);
        assert_eq!(parse_time("-1"), None);
    }
}
