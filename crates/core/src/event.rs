//! The two vocabularies of the core: what happened, and what to do.

use alloc::rc::Rc;
use alloc::string::String;

use serde::{Deserialize, Serialize};

use crate::because::Because;
use crate::quantity::{Duration, End, RunId};
use crate::signal::Signal;
use crate::spec::{Moment, Request};

/// A place where a service runs, as an index that lives as long as the definition does. Not reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceId(pub u32);

/// A program of a run: the service itself, or one of the commands around it. The number is its place in its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Task {
    Condition(u16),
    /// A hook that is waited for, by its place among the hooks.
    Hook(u16),
    StartPre(u16),
    /// The service itself; a oneshot may have several.
    Main(u16),
    StartPost(u16),
    Reload(u16),
    Pause,
    Continue,
    PreStop,
    /// A command step of the stop plan, by its place in the plan.
    StopStep(u16),
    StopPost(u16),
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The moment told by `wakes_at` has come. Harmless at any other time.
    Time,
    /// An operator, the host or a policy wants something of an instance.
    Wish {
        instance: InstanceId,
        wish: Wish,
        because: Because,
    },
    /// Everything is to be stopped, in reverse order.
    Shutdown { how: How },
    /// Something happened to a run. Told about a run that is over, it is ignored.
    Run {
        instance: InstanceId,
        run: RunId,
        what: RunEvent,
    },
}

/// What somebody wants of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wish {
    Start,
    Stop(How),
    Restart,
    Reload,
    Pause,
    Continue,
    /// Forget a failure and the counts that led to it.
    Forget,
}

/// How firmly to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum How {
    /// By the stop plan.
    Plan,
    /// The kill, at once, waiting for nobody.
    Force,
}

/// What happened to a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunEvent {
    /// The answer to [`Do::CheckConditions`].
    Conditions(Checked),
    /// The answers to [`Do::Spawn`].
    Spawned(Task),
    SpawnFailed(Task, Rc<str>),
    /// A program we spawned has ended.
    Ended(Task, End),
    /// The answers to [`Do::FindMain`], for a program that leaves another behind.
    /// The first is also told when the program names another main process. Its end is that of [`Task::Main`].
    MainFound,
    MainNotFound(Rc<str>),
    /// The answer to [`Do::WatchTree`]: nothing of the run is left. The ends of all its programs were told before.
    TreeEmpty,
    /// The readiness asked for with [`Do::Prove`] is proven.
    Ready,
    /// It cannot be proven any more.
    ReadyImpossible(Rc<str>),
    Health(Health),
    Notify(Notify),
    /// The answers to [`Do::Freeze`] and [`Do::Thaw`].
    Frozen(Result<(), Rc<str>>),
    Thawed(Result<(), Rc<str>>),
    /// A request to end reached nobody: a signal where `None`, else that of a step of the stop plan.
    Unheard(Option<Request>),
    /// The answer to [`Do::Explain`]: it is written down, or it could not be found out.
    Explained,
}

/// What a run should do and does not, so that force follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Question {
    /// End.
    Stop,
    /// Become ready, or end, in time.
    Start,
    /// Answer its health probe.
    Health,
    /// Give a sign of life.
    Hang,
}

/// How conditions and assertions came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checked {
    Hold,
    Skip(Rc<str>),
    Fail(Rc<str>),
}

/// One answer of the health probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    Good,
    Bad,
}

/// One assignment of an sd_notify(3) message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notify {
    Ready,
    Reloading,
    Stopping,
    Status(String),
    Watchdog,
    WatchdogTrigger,
    /// A new watchdog interval.
    WatchdogInterval(Duration),
    ExtendTimeout(Duration),
}

/// What to do, for which run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    Run {
        instance: InstanceId,
        run: RunId,
        act: Do,
    },
    /// For whoever listens: events, status, hooks that nobody waits for.
    Tell {
        instance: InstanceId,
        run: Option<RunId>,
        fact: Fact,
    },
    /// A policy wants everything shut down; the engine answers with [`Event::Shutdown`] and ends with this code.
    Shutdown { code: u32, instance: InstanceId },
    /// After a shutdown: everything is down, or beyond any power.
    Finished,
}

/// What to do for a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Do {
    CheckConditions,
    /// Answered by `Spawned` or `SpawnFailed` before anything else happens to the run.
    Spawn(Task),
    /// Ends one of our own commands that took too long, by force. Its end is not waited for, and nothing more is told
    /// of it, not even the answer to its spawn.
    Abandon(Task),
    /// For a program that forks: learn who the main process is.
    FindMain,
    /// Begin to look for the proof of readiness, or stop looking.
    Prove,
    StopProving,
    /// Begin or stop the periodic health probe.
    WatchHealth,
    StopWatchingHealth,
    Signal(Signal, Target),
    /// A request of the stop plan that is no signal, by its place in the plan (Windows).
    Request(u16),
    /// The end nobody can refuse.
    Kill(Target),
    /// Each takes back the other, answered or not; thawing what is not frozen is no error.
    Freeze,
    Thaw,
    /// Find out what the run hangs on and write it down; answered by `Explained`, whatever came of it.
    Explain(Question),
    /// From now on `TreeEmpty` is told, once; at once where it is empty already.
    WatchTree,
    /// The run is over, told once of each, even of one for which nothing had to be done. What is left of the tree is
    /// let go of.
    Uproot,
}

/// Who gets a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    Main,
    Tree,
}

/// What happened, for those who listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    State {
        from: Shown,
        to: Shown,
        because: Because,
    },
    Spawned,
    Ready,
    Says(String),
    Exited(End),
    RestartPlanned {
        delay: Duration,
        count: u32,
        because: Because,
    },
    StopStep {
        step: String,
        grace: Option<Duration>,
    },
    Killing {
        because: Because,
    },
    Health {
        failures: u32,
        unhealthy: bool,
    },
    Watchdog,
    Reloaded,
    ReloadFailed(Because),
    /// A wish that cannot be fulfilled as things stand; nothing was done.
    Refused {
        wish: Wish,
        why: &'static str,
    },
    Failed(Because),
    Skipped(Because),
    CommandFailed {
        task: Task,
        because: Because,
    },
    /// A moment at which hooks run that nobody waits for.
    Moment(Moment),
}

/// The states shown to people, the same on every system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shown {
    Stopped,
    StartPending,
    Running,
    PausePending,
    Paused,
    ContinuePending,
    StopPending,
    Failed,
}
