//! The service control manager and the registry, as a client sees them: create, configure, start, query, delete.
//!
//! Two thin traits, [`Manager`] and [`Registry`], with the real thing (`client.rs` over `sys/`, on Windows only) and a
//! fake in memory that the tests of every system use. What a verb makes of the answers is not here. Nothing of a
//! service's own life is here either: that side of the manager is the service host's.

mod account;
#[cfg(windows)]
mod client;
#[cfg(test)]
pub(crate) mod fake;
#[cfg_attr(
    not(any(windows, test)),
    expect(dead_code, reason = "services are made where there is a manager")
)]
pub(crate) mod installation;
#[cfg(windows)]
mod sys;

use std::time::Duration;

use aplomb_units::nssm::Value;

use crate::failure::Failure;

pub(crate) use account::Account;

/// Where the keys of services lie, below HKEY_LOCAL_MACHINE.
pub(crate) const SERVICES: &str = r"SYSTEM\CurrentControlSet\Services";

/// The system said no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{call} failed with {code}")]
pub(crate) struct Refused {
    /// The function that was called.
    pub(crate) call: &'static str,
    /// The system's number for the reason.
    pub(crate) code: u32,
}

/// Reasons somebody here decides by.
pub(crate) mod reason {
    #[cfg(windows)]
    pub(crate) const FILE_NOT_FOUND: u32 = 2;
    pub(crate) const ACCESS_DENIED: u32 = 5;
    #[cfg(windows)]
    pub(crate) const MORE_DATA: u32 = 234;
    pub(crate) const INVALID_PARAMETER: u32 = 87;
    pub(crate) const INVALID_LEVEL: u32 = 124;
    pub(crate) const INVALID_NAME: u32 = 123;
    pub(crate) const IO_PENDING: u32 = 997;
    pub(crate) const SERVICE_NOT_FOUND: u32 = 1060;
    pub(crate) const SERVICE_ALREADY_RUNNING: u32 = 1056;
    pub(crate) const SERVICE_NOT_ACTIVE: u32 = 1062;
    pub(crate) const SERVICE_MARKED_FOR_DELETE: u32 = 1072;
    pub(crate) const SERVICE_EXISTS: u32 = 1073;
    pub(crate) const SERVICE_DEPENDENCY_DELETED: u32 = 1075;
}

/// The kinds of services a manager keeps, as bits.
pub(crate) mod kind {
    pub(crate) const OWN_PROCESS: u32 = 0x10;
    pub(crate) const SHARE_PROCESS: u32 = 0x20;
    pub(crate) const INTERACTIVE: u32 = 0x100;
}

/// Controls sent to a running service.
pub(crate) mod control {
    pub(crate) const STOP: u32 = 1;
    pub(crate) const PAUSE: u32 = 2;
    pub(crate) const CONTINUE: u32 = 3;
    /// The first of those whose meaning is the program's own; NSSM's is to rotate logs.
    pub(crate) const ROTATE: u32 = 128;
}

/// Who starts a service; the numbers are the manager's.
#[cfg_attr(
    not(windows),
    expect(dead_code, reason = "only the real manager tells of drivers")
)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    Boot = 0,
    System = 1,
    Auto = 2,
    Demand = 3,
    Disabled = 4,
}

#[cfg(windows)]
impl Start {
    pub(crate) fn from_number(number: u32) -> Option<Start> {
        [
            Start::Boot,
            Start::System,
            Start::Auto,
            Start::Demand,
            Start::Disabled,
        ]
        .into_iter()
        .find(|start| *start as u32 == number)
    }
}

/// Where a service stands; the numbers are the manager's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Stopped = 1,
    StartPending = 2,
    StopPending = 3,
    Running = 4,
    ContinuePending = 5,
    PausePending = 6,
    Paused = 7,
}

#[cfg(windows)]
impl State {
    pub(crate) fn from_number(number: u32) -> Option<State> {
        [
            State::Stopped,
            State::StartPending,
            State::StopPending,
            State::Running,
            State::ContinuePending,
            State::PausePending,
            State::Paused,
        ]
        .into_iter()
        .find(|state| *state as u32 == number)
    }
}

/// A service as its manager reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Status {
    /// `None` for a number this program does not know.
    pub(crate) state: Option<State>,
    pub(crate) checkpoint: u32,
    /// Milliseconds.
    pub(crate) wait_hint: u32,
    /// Zero where no process runs.
    pub(crate) pid: u32,
}

/// What the manager keeps of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Config {
    /// As its key is called.
    pub(crate) name: String,
    pub(crate) kind: u32,
    /// `None` for a number this program does not know.
    pub(crate) start: Option<Start>,
    pub(crate) image: String,
    pub(crate) group: String,
    /// Names of services, and of groups with a `+` before them.
    pub(crate) depends: Vec<String>,
    pub(crate) account: String,
    pub(crate) display: String,
}

/// What to change of a service; `None` leaves it as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) kind: Option<u32>,
    pub(crate) start: Option<Start>,
    pub(crate) image: Option<String>,
    pub(crate) group: Option<String>,
    pub(crate) depends: Option<Vec<String>>,
    pub(crate) account: Option<Logon>,
    pub(crate) display: Option<String>,
}

/// As whom a service runs.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Logon {
    pub(crate) account: String,
    /// `None` for accounts whose password the system keeps itself: gMSA, virtual accounts.
    pub(crate) password: Option<String>,
}

impl std::fmt::Debug for Logon {
    /// Never shows the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Logon")
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

/// What came to services with later versions of Windows; each is refused by itself where it is unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Extra {
    Description(String),
    DelayedStart(bool),
    /// Recovery actions also after an end that was reported with an exit code.
    FailureFlag(bool),
    Recovery(Recovery),
    /// How long the system waits for the service before it shuts down.
    Preshutdown(Duration),
    ServiceSid(ServiceSid),
}

/// What the manager does when a service's process ends unasked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recovery {
    /// After this long without a failure the count begins anew.
    pub(crate) reset_after: Duration,
    /// After the first, second, … failure; the last one holds for all that follow.
    pub(crate) restarts: Vec<Duration>,
}

/// Whether the service has an identity of its own in access lists.
#[expect(
    dead_code,
    reason = "what the manager knows; ours is the unrestricted one"
)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServiceSid {
    None = 0,
    Unrestricted = 1,
    Restricted = 3,
}

/// One service of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) display: String,
}

/// Which services a list has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// Those with a process.
    Programs,
    /// Drivers, too.
    All,
}

/// One process of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) parent: u32,
    /// In the system's count of 100 ns.
    pub(crate) created: u64,
    /// The whole path of its program; `???` where the system does not tell.
    pub(crate) image: String,
}

/// The service control manager. Every call names a service by its key; what is refused says by which function.
pub(crate) trait Manager: std::fmt::Debug {
    /// The name in the case its key has; refused where there is no such service.
    fn canonical(&self, name: &str) -> Result<String, Refused>;
    /// A process of its own, started automatically, as LocalSystem; `image` is its command line.
    fn create(&mut self, name: &str, image: &str) -> Result<(), Refused>;
    /// Marks it; it goes when nobody holds it any more.
    fn delete(&mut self, name: &str) -> Result<(), Refused>;
    fn config(&self, name: &str) -> Result<Config, Refused>;
    fn description(&self, name: &str) -> Result<String, Refused>;
    fn delayed_start(&self, name: &str) -> Result<bool, Refused>;
    fn change(&mut self, name: &str, change: &Change) -> Result<(), Refused>;
    fn change_extra(&mut self, name: &str, extra: &Extra) -> Result<(), Refused>;
    fn status(&self, name: &str) -> Result<Status, Refused>;
    /// The first of `args` is the service's name by custom.
    fn start(&mut self, name: &str, args: &[String]) -> Result<(), Refused>;
    /// Where the service stood when it had taken the control.
    fn control(&mut self, name: &str, control: u32) -> Result<Status, Refused>;
    /// In the manager's order.
    fn list(&self, which: Which) -> Result<Vec<Listed>, Refused>;
    /// Whom a name means.
    fn account(&self, name: &str) -> Result<Account, Refused>;
    /// Lets the account run services.
    fn grant_service_logon(&mut self, name: &str) -> Result<(), Refused>;
    /// Every process of the machine.
    fn processes(&self) -> Result<Vec<Process>, Refused>;
    /// The system's words for a reason, with the line end it gives them.
    fn words(&self, code: u32) -> String;
    /// Lets time pass between two looks at a service.
    fn pause(&mut self, time: Duration);
    /// Starts this program again with these words and an administrator's rights; returns before it is done.
    fn elevate(&mut self, words: &[String]) -> Result<(), Refused>;
    /// Whether this process may change services.
    fn is_administrator(&self) -> bool;
    /// The processors this process may use, as bits.
    fn processors(&self) -> u64;
}

/// The registry below HKEY_LOCAL_MACHINE; paths have `\` between names.
pub(crate) trait Registry: std::fmt::Debug {
    fn exists(&self, key: &str) -> Result<bool, Refused>;
    /// `None` where there is no such value, or no such key.
    fn value(&self, key: &str, name: &str) -> Result<Option<Value>, Refused>;
    /// All values with their names, in the registry's order; none where there is no such key.
    fn values(&self, key: &str) -> Result<Vec<(String, Value)>, Refused>;
    /// The names of the keys below.
    fn keys(&self, key: &str) -> Result<Vec<String>, Refused>;
    /// Makes the key where it is missing.
    fn set(&mut self, key: &str, name: &str, value: &Value) -> Result<(), Refused>;
    /// No fault where it is not there.
    fn unset(&mut self, key: &str, name: &str) -> Result<(), Refused>;
}

/// Both, as they are always needed together.
#[derive(Debug)]
pub(crate) struct System {
    pub(crate) manager: Box<dyn Manager>,
    pub(crate) registry: Box<dyn Registry>,
}

/// The machine's own; a failure with words elsewhere than on Windows.
pub(crate) fn open() -> Result<System, Failure> {
    #[cfg(windows)]
    return Ok(System {
        manager: Box::new(client::Client),
        registry: Box::new(client::Local),
    });
    #[cfg(not(windows))]
    Err(Failure::failed("there is no service control manager here").because("this is not Windows"))
}
