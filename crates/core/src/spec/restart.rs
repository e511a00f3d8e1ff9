//! When an ended run is followed by another, after how long, and when to give up.

use alloc::vec::Vec;

use crate::quantity::{Duration, ExitCode};
use crate::signal::Signal;

/// The restart policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Restart {
    pub when: RestartWhen,
    /// Before the first restart. Default 100 ms.
    pub delay: Duration,
    pub growth: Growth,
    /// Per cent by which each delay is varied up or down by chance. Default 10.
    pub jitter: u8,
    /// A run that was up this long clears the count of restarts. Default 10 min; `None`: only a stop does.
    pub healthy_after: Option<Duration>,
    /// `None`: no limit.
    pub limit: Option<StartLimit>,
    pub then: GiveUp,
}

impl Default for Restart {
    fn default() -> Restart {
        Restart {
            when: RestartWhen::OnFailure,
            delay: Duration::from_millis(100),
            growth: Growth::Factor {
                permille: 2000,
                max: Duration::from_secs(30),
            },
            jitter: 10,
            healthy_after: Some(Duration::from_secs(600)),
            limit: Some(StartLimit {
                starts: 5,
                window: Duration::from_secs(10),
            }),
            then: GiveUp::Fail,
        }
    }
}

/// Which ends call for a restart; the table of systemd.service(5), `Restart=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RestartWhen {
    Never,
    /// Only a clean end.
    OnSuccess,
    /// Anything but a clean end.
    #[default]
    OnFailure,
    /// A signal, a timeout or the watchdog; not an exit code.
    OnAbnormal,
    /// Only a signal.
    OnAbort,
    /// Only the watchdog.
    OnWatchdog,
    Always,
}

/// How the delay grows from one restart to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Growth {
    /// Always the same delay.
    None,
    /// Each is `permille`/1000 of the one before, up to `max`.
    Factor { permille: u32, max: Duration },
    /// In this many geometric steps from the delay to `max` (systemd's `RestartSteps=`, `RestartMaxDelaySec=`).
    Steps { steps: u32, max: Duration },
}

/// Starts allowed per window of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StartLimit {
    pub starts: u32,
    pub window: Duration,
}

/// What follows when the start limit is hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GiveUp {
    /// *failed*, until somebody starts it again.
    #[default]
    Fail,
    /// Go on trying, but only this often.
    KeepTrying { every: Duration },
    /// *failed*, and the whole engine stops everything and ends with the service's exit code.
    Shutdown,
}

/// What particular ends mean.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExitRules {
    /// Clean ends besides code 0 (and, but for a oneshot, SIGHUP, SIGINT, SIGTERM and SIGPIPE).
    pub success: ExitSet,
    /// No restart after these, whatever the policy says.
    pub prevent_restart: ExitSet,
    /// A restart after these, whatever the policy says.
    pub force_restart: ExitSet,
    /// A oneshot that succeeded counts as up until it is stopped; so does a program that ended cleanly.
    pub remain_after_exit: bool,
    /// What to do after particular codes of the main process; before every other rule.
    pub actions: Vec<(ExitCode, ExitAction)>,
}

/// A set of ways to end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExitSet {
    pub codes: Vec<ExitCode>,
    pub signals: Vec<Signal>,
}

/// What one exit code calls for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitAction {
    /// A new run, after the usual delay.
    Restart,
    /// *stopped*, as if an operator had asked.
    Stop,
    /// *failed*, without another try.
    Fail,
    /// The whole engine stops everything and ends with this code.
    Shutdown,
}
