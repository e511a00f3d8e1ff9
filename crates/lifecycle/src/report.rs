//! What a stop took, and what it cost: one JSON document, and the same as a table.
//!
//! Written by the life thread when the last stage is over, so it is complete even when the program's runtime is stuck.
//! Times are milliseconds since the stop request. New fields may appear; `schema` changes when an old one does.

use std::fmt;

use serde::Serialize;

use crate::cause::Cause;
use crate::machine::Outcome;
use crate::stage::Stage;

/// The number of the report's layout.
pub const SCHEMA: u32 = 1;

/// The whole stop.
///
/// ```
/// use std::sync::mpsc::channel;
/// use aplomb_lifecycle::{Notice, SCHEMA, Stage, app};
/// let (sender, reports) = channel();
/// app("batch").observe(move |notice| {
///     if let Notice::Finished(report) = notice {
///         sender.send(report.clone()).ok();
///     }
/// }).run_sync(|app| {
///     app.thread(Stage::WORKERS.part("once"), |ctx| { ctx.count("rows", 12); Ok(()) });
///     Ok(())
/// });
/// let report = reports.recv().unwrap();
/// assert_eq!((report.schema, report.exit), (SCHEMA, 0));
/// assert!(report.threads_left.is_empty() && report.children_left.is_empty());
/// ```
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The application's name.
    pub name: String,
    /// Why it stopped.
    pub cause: Cause,
    /// From the making of the application to readiness; absent when it never was ready.
    pub ready_after_ms: Option<u64>,
    /// What all stages together were given.
    pub within_ms: u64,
    /// What they took.
    pub used_ms: u64,
    /// What the platform granted beyond, because work progressed.
    pub extended_ms: u64,
    /// Progress was being made when a limit that cannot move ended it.
    pub cut_while_progressing: bool,
    /// A second request ended it early.
    pub forced: bool,
    /// The exit code: 0 clean, 1 a component failed, 70 panic, 75 not started, 124 something was cut off, 130 or 143 forced.
    pub exit: u8,
    /// The panic that aborted the process, in a program built with `panic = "abort"`: nothing was closed then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aborted_by: Option<String>,
    /// In the order they ran.
    pub stages: Vec<StageReport>,
    /// In the order they were declared.
    pub components: Vec<ComponentReport>,
    /// Bytes that [`crate::Sink`]s have written out, and whatever else components counted as `log_bytes_flushed`.
    pub log_bytes_flushed: u64,
    /// Names of threads that still run.
    pub threads_left: Vec<String>,
    /// Child processes that still run, or ended and were not waited for (Linux).
    pub children_left: Vec<String>,
    /// Files, pipes and sockets that the program's code has opened and not closed (Linux). The system closes them at the
    /// exit; what stands here although a component should have closed it was forgotten.
    pub descriptors_left: Vec<String>,
}

/// One stage.
///
/// ```
/// use std::sync::mpsc::channel;
/// use aplomb_lifecycle::{Notice, Stage, app};
/// let (sender, reports) = channel();
/// app("batch").observe(move |notice| {
///     if let Notice::Finished(report) = notice {
///         sender.send(report.clone()).ok();
///     }
/// }).run_sync(|app| {
///     app.thread(Stage::WORKERS.part("once"), |ctx| { ctx.count("rows", 12); Ok(()) });
///     Ok(())
/// });
/// let report = reports.recv().unwrap();
/// let names: Vec<String> = report.stages.iter().map(|stage| stage.stage.to_string()).collect();
/// assert_eq!(names[..3], ["unready", "lame-duck", "intake"]);
/// assert!(report.stages.iter().all(|stage| !stage.cut));
/// ```
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct StageReport {
    /// Which.
    pub stage: Stage,
    /// When it began.
    pub start_ms: u64,
    /// How long it took.
    pub took_ms: u64,
    /// When it would have been cut.
    pub deadline_ms: u64,
    /// Whether it was.
    pub cut: bool,
}

/// One component.
///
/// ```
/// use std::sync::mpsc::channel;
/// use aplomb_lifecycle::{Notice, Outcome, Stage, app};
/// let (sender, reports) = channel();
/// app("batch").observe(move |notice| {
///     if let Notice::Finished(report) = notice {
///         sender.send(report.clone()).ok();
///     }
/// }).run_sync(|app| {
///     app.thread(Stage::WORKERS.part("once"), |ctx| { ctx.count("rows", 12); Ok(()) });
///     Ok(())
/// });
/// let report = reports.recv().unwrap();
/// let once = report.components.iter().find(|component| component.name == "once").unwrap();
/// assert_eq!((once.outcome, once.facts["rows"]), (Some(Outcome::Closed), 12));
/// ```
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct ComponentReport {
    /// Its name.
    pub name: String,
    /// Where it stops.
    pub stage: Stage,
    /// How it ended; absent while it had not (a component of a stage that was never reached).
    pub outcome: Option<Outcome>,
    /// From its declaration until it was up.
    pub up_after_ms: Option<u64>,
    /// How often it was started.
    pub attempts: u32,
    /// From being told to stop until its end, or until it was cut.
    pub took_ms: Option<u64>,
    /// Pieces of work in flight when it was told to stop.
    pub in_flight_at_stop: u64,
    /// Pieces of work finished after that.
    pub finished: u64,
    /// Pieces of work that were still in flight at the end, with their place.
    pub cut_off: Vec<String>,
    /// What it counted with [`crate::Ctx::count`].
    pub facts: std::collections::BTreeMap<&'static str, u64>,
    /// How often it reported progress, and what it said last.
    pub progress_notes: u64,
    /// The last note.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_note: Option<String>,
    /// What it failed with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The report of an application nested in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nested: Option<Box<Report>>,
}

impl Report {
    /// The document.
    ///
    /// ```no_run
    /// # fn observe(report: &aplomb_lifecycle::Report) {
    /// assert!(report.to_json().starts_with("{\"schema\":1"));
    /// # }
    /// ```
    #[must_use]
    pub fn to_json(&self) -> String {
        // Only strings, numbers and lists: serialising them cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (used, within) = (self.used_ms, self.within_ms);
        writeln!(
            f,
            "stopped in {used} ms of {within} ms ({}), exit code {}",
            self.cause, self.exit
        )?;
        for stage in self
            .stages
            .iter()
            .filter(|stage| stage.took_ms > 0 || stage.cut)
        {
            let cut = if stage.cut { "  cut" } else { "" };
            writeln!(
                f,
                "  {:<12} {:>6} ms{cut}",
                stage.stage.to_string(),
                stage.took_ms
            )?;
            for component in self
                .components
                .iter()
                .filter(|component| component.stage == stage.stage)
            {
                component.line(f)?;
            }
        }
        if let Some(panic) = &self.aborted_by {
            writeln!(f, "  aborted: {panic}")?;
        }
        for name in &self.threads_left {
            writeln!(f, "  thread still running: {name}")?;
        }
        for child in &self.children_left {
            writeln!(f, "  child still running: {child}")?;
        }
        for descriptor in &self.descriptors_left {
            writeln!(f, "  still open: {descriptor}")?;
        }
        Ok(())
    }
}

impl ComponentReport {
    fn line(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = self.outcome.map_or("not reached".into(), |outcome| {
            format!("{outcome:?}").to_lowercase()
        });
        write!(
            f,
            "    {:<20} {:>6} ms  {outcome}",
            self.name,
            self.took_ms.unwrap_or(0)
        )?;
        if self.in_flight_at_stop > 0 {
            write!(
                f,
                ", {} in flight, {} finished",
                self.in_flight_at_stop, self.finished
            )?;
        }
        for held in &self.cut_off {
            write!(f, ", cut off: {held}")?;
        }
        if let Some(error) = &self.error {
            write!(f, ", {error}")?;
        }
        writeln!(f)
    }
}
