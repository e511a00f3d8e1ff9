//! The three ways to run an application: on threads, on a runtime of its own, inside a program's own runtime.
//!
//! Whatever way is taken, handlers are in place before a runtime exists or a line of the program's own code has run.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::app::{App, BoxError};
use crate::begun::Begun;
#[cfg(feature = "tokio")]
use crate::begun::Lifecycle;
use crate::builder::Builder;
use crate::fault;
use crate::health::Health;
use crate::life::{Life, Link, ROOT, Setting};
use crate::notice::{self, Notice};
use crate::os::{self, Host};
use crate::signal::Signal;

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

impl Builder {
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
