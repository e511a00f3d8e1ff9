//! What an operator wants, free of dialect and system: the checked meaning of a unit.
//!
//! Every field has its documented default in `Default`; readers of a dialect start from there and overwrite. What a
//! system cannot perform is refused when the unit is loaded, by whoever knows that system, never here.

mod command;
mod depends;
mod hooks;
mod listen;
mod log;
mod process;
mod ready;
mod restart;
mod sandbox;
mod shared;
mod stop;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

pub use command::{Command, Expansion, Privilege};
pub use depends::{Condition, ConditionKind, Depends};
pub use hooks::{Hook, Moment};
pub use listen::{Address, Listen};
pub use log::{Level, Log, LogTo, Rotate, RotateAt, StderrTo, Timestamps};
pub use process::{
    Directory, EnvBase, EnvFile, Limit, LimitedResource, OwnDirectory, OwnDirectoryKind, Process,
    Resources, Stdin,
};
pub use ready::{Check, Health, HealthAction, NotifyFrom, Ready};
pub use restart::{
    ExitAction, ExitRules, ExitSet, GiveUp, Growth, Restart, RestartWhen, StartLimit,
};
pub use sandbox::{Capabilities, PathRule, PathRuleKind, ProtectHome, ProtectSystem, Sandbox};
pub use shared::Shared;
pub(crate) use shared::Usual;
pub use stop::{PreStop, Request, Stop, StopStep, Whom};

use crate::quantity::Duration;

/// One service as its operator wants it.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// The service's name; for one of several instances `NAME@LABEL`, as in `web@2`.
    pub name: String,
    pub description: String,
    /// Where to read more: addresses, manual pages.
    pub documentation: Vec<String>,
    /// The file it was read from, for messages and `status`.
    pub source: Option<String>,
    pub kind: Kind,
    pub start_mode: StartMode,
    /// All must hold when a start begins, else the start is skipped (or fails, for an assertion).
    pub conditions: Vec<Condition>,
    pub depends: Shared<Depends>,

    /// The program; several only for a oneshot, then run in turn. Empty only for a target or a oneshot that stays.
    pub start: Vec<Command>,
    /// Run in turn before the program: exit code 1 to 254 of any skips the start without failing it.
    pub start_condition: Vec<Command>,
    /// Run in turn before the program.
    pub start_pre: Vec<Command>,
    /// Run in turn once the program counts as started.
    pub start_post: Vec<Command>,
    /// How a running program is told to read its settings again. Empty: it cannot be told.
    pub reload: Reload,
    /// Pause and continue: by default the whole tree is frozen and thawed.
    pub pause: Pause,
    /// What every program of this service finds around it.
    pub process: Shared<Process>,

    pub ready: Ready,
    /// From the first command to ready. `None`: for ever.
    pub start_timeout: Option<Duration>,
    /// A sign of life is owed at least this often once running.
    pub watchdog: Option<Duration>,
    pub health: Option<Box<Health>>,
    pub restart: Shared<Restart>,
    pub exit: Shared<ExitRules>,
    /// A run longer than this is ended and counts as a failure by timeout, so that `restart` decides what follows.
    pub max_run_time: Option<Duration>,
    pub stop: Shared<Stop>,

    /// Sockets held by the engine and handed to the program.
    pub listen: Vec<Listen>,
    pub log: Shared<Log>,
    pub hooks: Vec<Hook>,
}

impl Spec {
    /// A service of this name with every setting at its default and no program yet.
    pub fn new(name: impl Into<String>) -> Spec {
        Spec {
            name: name.into(),
            description: String::new(),
            documentation: Vec::new(),
            source: None,
            kind: Kind::default(),
            start_mode: StartMode::default(),
            conditions: Vec::new(),
            depends: Shared::default(),
            start: Vec::new(),
            start_condition: Vec::new(),
            start_pre: Vec::new(),
            start_post: Vec::new(),
            reload: Reload::default(),
            pause: Pause::default(),
            process: Shared::default(),
            ready: Ready::default(),
            start_timeout: Some(Duration::from_secs(90)),
            watchdog: None,
            health: None,
            restart: Shared::default(),
            exit: Shared::default(),
            max_run_time: None,
            stop: Shared::default(),
            listen: Vec::new(),
            log: Shared::default(),
            hooks: Vec::new(),
        }
    }

    /// `web` of `web@2`; the name itself where there is one instance only.
    pub fn family(&self) -> &str {
        self.name
            .split_once('@')
            .map_or(&self.name, |(family, _)| family)
    }

    /// `2` of `web@2`.
    pub fn instance(&self) -> Option<&str> {
        self.name.split_once('@').map(|(_, label)| label)
    }
}

/// What the parts of definitions usually are, so that a thousand equal ones are kept once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Common {
    depends: Usual<Depends>,
    process: Usual<Process>,
    restart: Usual<Restart>,
    exit: Usual<ExitRules>,
    stop: Usual<Stop>,
    log: Usual<Log>,
}

impl Common {
    /// Lets a definition have its parts in common with those that were here before.
    pub(crate) fn unite(&mut self, spec: &mut Spec) {
        self.depends.unite(&mut spec.depends);
        self.process.unite(&mut spec.process);
        self.restart.unite(&mut spec.restart);
        self.exit.unite(&mut spec.exit);
        self.stop.unite(&mut spec.stop);
        self.log.unite(&mut spec.log);
        // Lists grow by doubling, and nothing is added to them any more.
        spec.start.shrink_to_fit();
        spec.name.shrink_to_fit();
    }
}

/// How the program lives.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Kind {
    /// The program we start is the service, and runs until it is stopped.
    #[default]
    Simple,
    /// As `Simple`, and the start waits up to 5 s until no other start is under way (systemd's `idle`).
    Idle,
    /// The program we start ends with code 0 and leaves the real one behind.
    Forking { pid_file: Option<String> },
    /// The commands do their work and end.
    Oneshot,
    /// No program of its own: groups others.
    Target,
}

/// Who starts the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StartMode {
    /// The engine, as soon as it runs.
    #[default]
    Auto,
    /// An operator, or a service that depends on it.
    Manual,
    /// Nobody may.
    Disabled,
}

/// How a running program is told to read its settings again.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Reload {
    #[default]
    Impossible,
    /// Run in turn, with `$MAINPID`.
    Commands(Vec<Command>),
    /// The signal goes to the main process; done at once.
    Signal(crate::Signal),
    /// The signal goes to the main process, which answers `RELOADING=1` and then `READY=1` (systemd's `notify-reload`).
    Notify(crate::Signal),
}

/// What pause and continue do.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Pause {
    /// Freeze the whole tree; thaw it.
    #[default]
    Freeze,
    /// The program's own commands.
    Commands {
        pause: Box<Command>,
        resume: Box<Command>,
    },
}
