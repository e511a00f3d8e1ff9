//! Commands run at moments of a service's life, with the facts in environment variables (`APLOMB_*`).

use super::Command;
use crate::quantity::Duration;

/// One command at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    pub on: Moment,
    pub command: Command,
    /// The hook's own budget; its tree is killed after it. Default 60 s.
    pub timeout: Duration,
}

impl Hook {
    pub const TIMEOUT: Duration = Duration::from_secs(60);
}

/// When a hook runs. Those marked *waited for* hold up what follows; a failing `StartPre` fails the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// Before the program is spawned. Waited for.
    StartPre,
    /// The program has been spawned.
    Started,
    /// It is ready.
    Ready,
    /// The main process ended.
    Exit,
    /// Before the first stop step. Waited for.
    StopPre,
    /// The tree is empty.
    Stopped,
    /// A restart has been decided.
    Restart,
    /// Given up: *failed*.
    Failed,
    /// A log file has been rotated.
    Rotate,
    /// The health probe crossed its threshold.
    Unhealthy,
    /// Something is about to be killed by force.
    Kill,
}

impl Moment {
    /// Every moment with its name in units and in `APLOMB_EVENT`.
    pub const ALL: &[(Moment, &str)] = &[
        (Moment::StartPre, "start-pre"),
        (Moment::Started, "started"),
        (Moment::Ready, "ready"),
        (Moment::Exit, "exit"),
        (Moment::StopPre, "stop-pre"),
        (Moment::Stopped, "stopped"),
        (Moment::Restart, "restart"),
        (Moment::Failed, "failed"),
        (Moment::Rotate, "rotate"),
        (Moment::Unhealthy, "unhealthy"),
        (Moment::Kill, "kill"),
    ];

    /// The moment's name in units.
    pub fn name(self) -> &'static str {
        Moment::ALL
            .iter()
            .find(|(moment, _)| *moment == self)
            .map_or("", |(_, name)| name)
    }
}
