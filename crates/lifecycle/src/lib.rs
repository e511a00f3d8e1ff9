//! Programs that start without blocking, stop without losing a request, and say what they wait for.
//!
//! ```no_run
//! use std::process::ExitCode;
//! use std::time::Duration;
//! use aplomb_lifecycle::{Stage, app};
//!
//! fn main() -> ExitCode {
//!     app("orders").run(async |app| {
//!         app.spawn(Stage::WORKERS.part("sweeper"), async move |ctx| {
//!             while ctx.until_stop(tokio::time::sleep(Duration::from_secs(60))).await.is_some() {
//!                 let _busy = ctx.in_flight("sweep"); // counted, and named with its place should it hang
//!             }
//!             Ok(())
//!         });
//!         Ok(())
//!     })
//! }
//! ```
//!
//! Signals are caught before a runtime exists or a line of your code runs. Components start in parallel. A stop goes
//! through [stages](Stage), each with a deadline that cannot eat what later stages keep in reserve; a thread of its own,
//! independent of your runtime, watches over it and says what holds it up. At the end there is a [`Report`].
#![warn(missing_docs)]

mod app;
mod budget;
mod builder;
mod cause;
mod cell;
mod ctx;
mod fault;
mod health;
#[cfg(feature = "http")]
pub mod http;
mod life;
mod machine;
mod nested;
mod notice;
mod part;
mod plan;
mod report;
mod resource;
#[cfg(feature = "tokio")]
mod runtime;
mod signal;
mod stage;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as os;
#[cfg(windows)]
use windows as os;

pub use app::{App, BoxError, Handle};
pub use budget::IoBudget;
#[cfg(feature = "tokio")]
pub use builder::Lifecycle;
pub use builder::{BeginError, Builder, ExitStyle};
pub use cause::{Cause, CauseKind, Sender};
pub use ctx::{Ctx, InFlight};
pub use machine::{Again, Level, Outcome};
pub use nested::Nested;
pub use notice::{Held, Notice};
pub use os::signals::SignalError;
pub use part::{OnFailure, Part, PartId, Prerequisite};
pub use report::{ComponentReport, Report, SCHEMA, StageReport};
pub use resource::{NotStarted, Resource, TimedOut};
pub use signal::{OnSignal, Signal, Uncatchable};
pub use stage::{Stage, StageTimes};

/// Begins to make an application. Its name stands in reports and messages.
///
/// ```
/// # use std::process::ExitCode;
/// // Nothing is left to run after the set-up, so the application ends by itself.
/// let code = aplomb_lifecycle::app("once").run_sync(|_| Ok(()));
/// assert_eq!(code, ExitCode::SUCCESS);
/// ```
pub fn app(name: impl Into<String>) -> Builder {
    Builder::new(name.into())
}
