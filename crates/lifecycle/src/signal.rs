//! The signals a program may react to, and how.
//!
//! SIGKILL and SIGSTOP have no constant and no way in: the kernel delivers them to nobody, so a library that accepted
//! them would promise what cannot be kept.

use std::fmt;
use std::sync::Arc;

use crate::os;

/// A signal that can be caught. On Windows there are none; declarations for them are accepted and never fire.
///
/// ```
/// use aplomb_lifecycle::Signal;
/// assert_eq!(Signal::TERM.to_string(), "SIGTERM");
/// assert_eq!(Signal::HUP.number(), 1);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(pub(crate) i32);

/// Why a signal number is not accepted.
///
/// ```
/// use aplomb_lifecycle::Signal;
/// assert_eq!(
///     Signal::from_raw(9).unwrap_err().to_string(),
///     "SIGKILL cannot be caught: the kernel ends the process without telling it"
/// );
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Uncatchable {
    /// SIGKILL ends the process in the kernel; no handler is ever called.
    #[error("SIGKILL cannot be caught: the kernel ends the process without telling it")]
    Kill,
    /// SIGSTOP stops the process in the kernel; no handler is ever called.
    #[error("SIGSTOP cannot be caught: the kernel stops the process without telling it")]
    Stop,
    /// A fault of the program itself; returning from its handler would repeat it for ever.
    #[error("signal {0} reports a fault of the program and cannot be handled by going on")]
    Fault(i32),
    /// No such signal.
    #[error("there is no signal {0}")]
    Unknown(i32),
}

impl Signal {
    /// Terminal hang-up, or "reload" by custom.
    pub const HUP: Self = Self(1);
    /// Ctrl+C.
    pub const INT: Self = Self(2);
    /// Ctrl+\.
    pub const QUIT: Self = Self(3);
    /// The polite request to end.
    pub const TERM: Self = Self(15);

    /// Any other signal by number, real-time signals included.
    ///
    /// # Errors
    /// When it cannot be caught, with the reason.
    ///
    /// ```
    /// use aplomb_lifecycle::{Signal, Uncatchable};
    /// assert_eq!(Signal::from_raw(15), Ok(Signal::TERM));
    /// assert_eq!(Signal::from_raw(9), Err(Uncatchable::Kill));
    /// ```
    pub const fn from_raw(number: i32) -> Result<Self, Uncatchable> {
        match number {
            9 => Err(Uncatchable::Kill),
            os::signals::SIGSTOP => Err(Uncatchable::Stop),
            // SIGILL, SIGFPE, SIGSEGV have these numbers on every system.
            4 | 8 | 11 => Err(Uncatchable::Fault(number)),
            1..=64 => Ok(Self(number)),
            _ => Err(Uncatchable::Unknown(number)),
        }
    }

    /// The number the system knows it by.
    ///
    /// ```
    /// assert_eq!(aplomb_lifecycle::Signal::INT.number(), 2);
    /// ```
    #[must_use]
    pub const fn number(self) -> i32 {
        self.0
    }

    pub(crate) fn name(self) -> std::borrow::Cow<'static, str> {
        match self {
            Self::HUP => "SIGHUP".into(),
            Self::INT => "SIGINT".into(),
            Self::QUIT => "SIGQUIT".into(),
            Self::TERM => "SIGTERM".into(),
            Self(number) => match os::signals::name(number) {
                Some(name) => name.into(),
                None => format!("signal {number}").into(),
            },
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

/// What a signal or a pause may run.
pub(crate) type Work = Arc<dyn Fn() + Send + Sync>;

/// What a signal does.
///
/// ```
/// use aplomb_lifecycle::{OnSignal, Signal, app};
/// // As nginx has it: QUIT is the gentle one, TERM the quick one.
/// let builder = app("gateway").on_signal(Signal::QUIT, OnSignal::Stop).on_signal(Signal::TERM, OnSignal::StopAtOnce);
/// # let _ = builder;
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub enum OnSignal {
    /// Stop in stages.
    Stop,
    /// Stop in stages, without the lame duck.
    StopAtOnce,
    /// Say what is waited for and stop; the second time forces.
    Quit,
    /// Tell components that are stopping to hurry.
    Hurry,
    /// End within 2 s.
    Force,
    /// Announce a reload, run this on a thread of its own, announce readiness again.
    Reload(Arc<dyn Fn() + Send + Sync>),
    /// Run this on a thread of its own.
    Call(Arc<dyn Fn() + Send + Sync>),
    /// Nothing; the signal is still taken from the system's default action.
    Ignore,
}

impl OnSignal {
    /// Runs `work` on a thread of its own, each time.
    ///
    /// ```
    /// use aplomb_lifecycle::{OnSignal, Signal, app};
    /// let builder = app("gateway").on_signal(Signal::HUP, OnSignal::call(|| eprintln!("log files are opened again")));
    /// # let _ = builder;
    /// ```
    pub fn call(work: impl Fn() + Send + Sync + 'static) -> Self {
        Self::Call(Arc::new(work))
    }

    /// Runs `work` on a thread of its own between `RELOADING=1` and `READY=1`.
    ///
    /// ```
    /// use std::sync::{Arc, RwLock};
    /// use aplomb_lifecycle::{OnSignal, Signal, app};
    /// let settings = Arc::new(RwLock::new(String::new()));
    /// let shared = Arc::clone(&settings);
    /// let builder = app("gateway").on_signal(Signal::HUP, OnSignal::reload(move || {
    ///     if let (Ok(fresh), Ok(mut settings)) = (std::fs::read_to_string("gateway.toml"), shared.write()) {
    ///         *settings = fresh;
    ///     }
    /// }));
    /// # let _ = builder;
    /// ```
    pub fn reload(work: impl Fn() + Send + Sync + 'static) -> Self {
        Self::Reload(Arc::new(work))
    }
}

impl fmt::Debug for OnSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stop => "Stop",
            Self::StopAtOnce => "StopAtOnce",
            Self::Quit => "Quit",
            Self::Hurry => "Hurry",
            Self::Force => "Force",
            Self::Reload(_) => "Reload(..)",
            Self::Call(_) => "Call(..)",
            Self::Ignore => "Ignore",
        })
    }
}
