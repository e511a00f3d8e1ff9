//! Programs that start without blocking, stop without losing a request, and say what they wait for.
//!
//! ```no_run
//! use std::process::ExitCode;
//! use std::time::Duration;
//! use aplomb_lifecycle::{IoBudget, Stage, app};
//! # #[derive(Clone)] struct Pool;
//! # impl Pool {
//! #     async fn connect() -> Result<Pool, aplomb_lifecycle::BoxError> { Ok(Pool) }
//! #     async fn close(&self) {}
//! #     async fn sweep(&self) {}
//! # }
//!
//! fn main() -> ExitCode {
//!     app("orders").health(([0, 0, 0, 0], 9090).into()).run(async |app| {
//!         // Opens now, in parallel with everything else: 5 s per attempt, repeated until the start deadline.
//!         let db = app.resource(Stage::STORES.part("db"), IoBudget::DATABASE, Pool::connect, |pool: Pool| async move {
//!             pool.close().await;
//!             Ok(())
//!         });
//!         // Starts once `db` is up.
//!         app.spawn(Stage::WORKERS.part("sweeper").after(&db), async move |ctx| {
//!             let pool = db.get().await?;
//!             while ctx.until_stop(tokio::time::sleep(Duration::from_secs(60))).await.is_some() {
//!                 let _busy = ctx.in_flight("sweep"); // named, with this line, should it hang
//!                 db.bounded(pool.sweep()).await?; // at most 10 s, then dropped with all it holds
//!             }
//!             Ok(())
//!         });
//!         Ok(())
//!     })
//! }
//! ```
//!
//! # How it works
//!
//! Signals are caught before a runtime exists or a line of your code runs: a handler writes who sent what into a pipe, and
//! a thread of its own, the life thread, reads it. That thread owns a state machine which decides everything from events
//! and the time: which component starts ([`Part::after`]), is told to stop ([`Ctx::stopping`]), to hurry ([`Ctx::hurry`]),
//! or is cut. Your runtime may be blocked, starved or gone; the stop still ends in its time, and says what held it up.
//!
//! A stop goes through [stages](Stage), everything within one in parallel. With `T` = grace period − kill margin, stage `i`
//! ends no later than `min(start + max, T − reserves of later stages)`: unused time flows on, an overrun cannot eat what a
//! later stage keeps in reserve, and nothing is skipped. At the end there is a [`Report`].
//!
//! # Where to begin
//!
//! - [`Builder::run`] (tokio), [`Builder::run_sync`] (threads), `Builder::install` inside an existing runtime
//! - [`App`]: register components; [`Resource`]: what is opened and closed; [`Nested`]: an application within
//! - [`Ctx`]: what a component is given
#![cfg_attr(
    feature = "http",
    doc = "- [`http::Server`]: an axum router that loses no request"
)]
//! - [`Report`], [`Notice`]: what is said
//!
//! # Promises
//!
//! - No signal between `run` and the exit is lost or has its default action, save those that cannot be caught.
//! - A component is told to stop at most once, and only after every earlier stage is over.
//! - The process ends within the grace period plus nothing: what cannot be ended is left behind and named.
//! - No mask is changed: children are started with the signals you have.
#![warn(missing_docs)]

mod app;
mod begun;
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
mod notify;
mod part;
mod plan;
mod report;
mod resource;
mod run;
#[cfg(feature = "tokio")]
mod runtime;
mod signal;
mod sink;
mod stage;
mod sync;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as os;
#[cfg(windows)]
use windows as os;

pub use app::{App, BoxError, Handle};
#[cfg(feature = "tokio")]
pub use begun::Lifecycle;
pub use budget::IoBudget;
pub use builder::{Builder, ExitStyle};
pub use cause::{Cause, CauseKind, Sender};
pub use ctx::{Ctx, InFlight};
pub use machine::{Again, Level, Outcome};
pub use nested::Nested;
pub use notice::{Held, Notice};
pub use os::signals::SignalError;
pub use part::{OnFailure, Part, PartId, Prerequisite};
pub use report::{ComponentReport, Report, SCHEMA, StageReport};
pub use resource::{NotStarted, Resource, TimedOut};
pub use run::BeginError;
pub use signal::{OnSignal, Signal, Uncatchable};
pub use sink::Sink;
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
