//! What an application may tell the people who watch it: one value per thing worth a line, and its words.
//!
//! The library decides what is said and when; where it goes is the program's choice ([`crate::Builder::observe`]). The
//! default is standard error, because the last seconds of a process are when its logging is already closed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::cause::Cause;
use crate::report::Report;

/// Something worth a line.
///
/// ```
/// use aplomb_lifecycle::{Notice, app};
/// let builder = app("orders").observe(|notice| match notice {
///     Notice::StillWaiting { held_by, .. } => held_by.iter().for_each(|held| eprintln!("waiting for {}", held.component)),
///     other => eprintln!("{other}"),
/// });
/// # let _ = builder;
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Notice {
    /// All required components are up.
    Ready {
        /// Since the application was made.
        after: Duration,
    },
    /// A component failed, or failed to start.
    Failed {
        /// Its name.
        component: String,
        /// What it said.
        why: String,
    },
    /// The stop began.
    Stopping {
        /// Why.
        cause: Cause,
        /// All stages end within this time.
        within: Duration,
        /// A second Ctrl+C will force.
        press_again: bool,
    },
    /// A stage takes its time.
    StillWaiting {
        /// Since the stop request.
        elapsed: Duration,
        /// All the stop may take.
        within: Duration,
        /// The stage's name.
        stage: String,
        /// When the stage is cut, since the stop request.
        cut_at: Duration,
        /// Who holds it up, the longest first: name and what is known. At most five; the rest is counted.
        held_by: Vec<Held>,
        /// Components that are waited for beyond those listed.
        more: usize,
    },
    /// The platform was asked for more time, because work progresses.
    Extended {
        /// Until the platform's new limit.
        remaining: Duration,
    },
    /// A person asked again: the end comes within 2 s.
    Forced,
    /// It is over.
    Finished(Arc<Report>),
}

/// A component that is waited for.
///
/// ```
/// use std::time::Duration;
/// use aplomb_lifecycle::Held;
/// let held = Held { component: "db".into(), waited: Duration::from_secs(12), doing: vec!["sweep for 11 s".into()] };
/// assert_eq!(held.to_string(), "db (12 s; sweep for 11 s)");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Its name.
    pub component: String,
    /// Since it was told to stop.
    pub waited: Duration,
    /// What it is known to do: work in flight with its place, the last progress note, the state of its thread.
    pub doing: Vec<String>,
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}", self.component, Seconds(self.waited))?;
        for doing in &self.doing {
            write!(f, "; {doing}")?;
        }
        f.write_str(")")
    }
}

/// A duration as people say it: `12 s`, `0.3 s`.
pub(crate) struct Seconds(pub(crate) Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs_f64();
        if seconds < 10.0 && (seconds * 10.0).round() % 10.0 != 0.0 {
            write!(f, "{seconds:.1} s")
        } else {
            write!(f, "{seconds:.0} s")
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready { after } => write!(f, "ready after {} ms", after.as_millis()),
            Self::Failed { component, why } => write!(f, "`{component}` failed: {why}"),
            Self::Stopping {
                cause,
                within,
                press_again,
            } => {
                write!(f, "stopping within {}: {cause}", Seconds(*within))?;
                if *press_again {
                    f.write_str("; press again to force")
                } else {
                    Ok(())
                }
            }
            Self::StillWaiting {
                elapsed,
                within,
                stage,
                cut_at,
                held_by,
                more,
            } => {
                let (elapsed, within, cut_at) =
                    (Seconds(*elapsed), Seconds(*within), Seconds(*cut_at));
                write!(
                    f,
                    "stopping {elapsed} of {within}, stage {stage}, cut at {cut_at}; still waiting for: "
                )?;
                let names: Vec<String> = held_by.iter().map(Held::to_string).collect();
                f.write_str(&names.join(", "))?;
                if *more > 0 {
                    write!(f, " and {more} more")
                } else {
                    Ok(())
                }
            }
            Self::Extended { remaining } => {
                write!(
                    f,
                    "work progresses: asked the manager for {} more",
                    Seconds(*remaining)
                )
            }
            Self::Forced => f.write_str("forced: ending within 2 s"),
            Self::Finished(report) => write!(f, "{report}"),
        }
    }
}

/// Takes notices. Called on the life thread: it must not block.
pub(crate) type Observer = Arc<dyn Fn(&Notice) + Send + Sync>;

/// Standard error, one line per notice; the report only where a person watches, or when something went wrong.
pub(crate) fn to_stderr(name: &str) -> Observer {
    use std::io::{IsTerminal, Write};
    let name = name.to_owned();
    Arc::new(move |notice| {
        let mut out = std::io::stderr().lock();
        let quiet = match notice {
            Notice::Finished(report) => report.exit == 0 && !out.is_terminal(),
            Notice::Ready { .. } => true,
            Notice::Failed { .. } | Notice::Stopping { .. } | Notice::StillWaiting { .. } => false,
            Notice::Extended { .. } | Notice::Forced => false,
        };
        if !quiet {
            // Nobody left to read us is no reason to fail a stop.
            drop(writeln!(out, "{name}: {notice}"));
        }
    })
}
