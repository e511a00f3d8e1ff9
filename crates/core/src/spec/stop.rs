//! The stop plan: polite requests in turn, each with its grace period, inside one budget; then the kill.

use alloc::vec;
use alloc::vec::Vec;

use super::Command;
use crate::quantity::Duration;
use crate::signal::Signal;

/// How a run is ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Stop {
    /// Before the first step: tell the balancer, finish the batch.
    pub pre: Option<PreStop>,
    /// In turn, each until its grace period is over or the tree is gone.
    pub plan: Vec<StopStep>,
    /// The whole stop, pre-stop and kill margin included; grace periods are cut to fit. Default 30 s. `None`: for ever.
    pub budget: Option<Duration>,
    /// Kept back at the end of the budget for the kill to take effect. Default 2 s.
    pub kill_margin: Duration,
    pub whom: Whom,
    /// The signal that ends what the plan did not. Default SIGKILL. `None`: what is left is left, and said.
    pub kill: Option<Signal>,
    /// SIGHUP follows each signal step at once (systemd's `SendSIGHUP=`).
    pub also_hup: bool,
    /// Instead of the plan's first signal when the stop is part of a restart.
    pub restart_signal: Option<Signal>,
    /// Instead of the plan when the watchdog calls. Default SIGABRT.
    pub watchdog_signal: Signal,
    /// Run in turn once the tree is empty, whatever the outcome.
    pub post: Vec<Command>,
}

impl Default for Stop {
    fn default() -> Stop {
        Stop {
            pre: None,
            plan: vec![StopStep {
                request: Request::Signal(Signal::TERM),
                grace: None,
            }],
            budget: Some(Duration::from_secs(30)),
            kill_margin: Duration::from_secs(2),
            whom: Whom::Tree,
            kill: Some(Signal::KILL),
            also_hup: false,
            restart_signal: None,
            watchdog_signal: Signal::ABRT,
            post: Vec::new(),
        }
    }
}

/// A command that prepares the stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreStop {
    pub command: Command,
    /// Default 10 s.
    pub grace: Duration,
}

impl PreStop {
    pub const GRACE: Duration = Duration::from_secs(10);
}

/// One polite request to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopStep {
    pub request: Request,
    /// `None`: what the budget leaves.
    pub grace: Option<Duration>,
}

/// What a step asks with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    Signal(Signal),
    /// With `$MAINPID`; done when it has ended, and the rest of the grace period is the program's.
    Command(Command),
    /// As `Command`, but the next step follows as soon as it has ended (systemd's `ExecStop=`).
    CommandOnly(Command),
    /// Ctrl+C in the program's console (Windows).
    CtrlC,
    /// Ctrl+Break in the program's console (Windows).
    CtrlBreak,
    /// WM_CLOSE to its windows (Windows).
    CloseWindows,
    /// WM_QUIT to its threads (Windows).
    QuitThreads,
}

/// Who gets the requests, and who the kill; systemd.kill(5), `KillMode=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Whom {
    /// Requests and kill to the whole tree.
    #[default]
    Tree,
    /// Requests to the main process, the kill to the whole tree.
    Mixed,
    /// Both to the main process only; the rest of the tree is left running.
    Main,
    /// Nobody gets anything; only commands run.
    Nobody,
}
