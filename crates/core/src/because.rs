//! Why something is as it is. Every decision carries one; status, log, hooks and events print the same words.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::Signal;
use crate::quantity::{Duration, End, ExitCode};

/// The reason of a state or of a decision.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Because {
    NeverStarted,
    /// An operator asked.
    Asked,
    /// Start mode `auto`.
    Automatic,
    /// This one needs it.
    Needed(Rc<str>),
    /// Waits for these before it may start or stop.
    WaitsFor(Rc<[Rc<str>]>),
    /// Proof that it serves has come, or none was asked for.
    Ready,
    /// Its last command has done its work.
    Done,
    Ended(End),
    CommandFailed {
        what: Rc<str>,
        end: End,
    },
    CommandTimeout {
        what: Rc<str>,
    },
    /// The program could not be executed: why, in the platform's words.
    SpawnFailed(Rc<str>),
    StartTimeout(Duration),
    WatchdogExpired(Duration),
    Unhealthy {
        failures: u32,
    },
    MaxRunTime(Duration),
    /// It broke a rule of readiness or of forking.
    Protocol(Rc<str>),
    ConditionFailed(Rc<str>),
    AssertFailed(Rc<str>),
    DependencyFailed(Rc<str>),
    DependencyStopped(Rc<str>),
    DependencyRestarted(Rc<str>),
    Conflicts(Rc<str>),
    /// Each of these is to start after the next, and the last after the first.
    OrderCycle(Rc<[Rc<str>]>),
    /// More starts than allowed; the last end rides along.
    StartLimit {
        starts: u32,
        window: Duration,
        last: Box<Because>,
    },
    /// The reason for which the next run waits its delay.
    Restarting {
        count: u32,
        last: Box<Because>,
    },
    /// Processes that even the kill did not end.
    Unkillable,
    /// The program said it is stopping by itself.
    StoppingItself,
    /// Everything is being shut down.
    Shutdown,
    /// An earlier engine began it and died; this one goes on with it.
    TakenOver {
        engine: u32,
    },
}

impl Because {
    /// Boxes a reason as the last of a chain, without growing the chain.
    pub(crate) fn last(self) -> Box<Because> {
        if let Because::Restarting { last, .. } | Because::StartLimit { last, .. } = self {
            return last;
        }
        Box::new(self)
    }
}

/// A span as people write it: `90 s`, `1.5 s`, `200 ms`.
pub fn seconds(span: Duration) -> String {
    let millis = span.as_millis();
    match (millis / 1000, millis % 1000) {
        (0, ms) => alloc::format!("{ms} ms"),
        (s, 0) => alloc::format!("{s} s"),
        (s, ms) => alloc::format!("{s}.{} s", alloc::format!("{ms:03}").trim_end_matches('0')),
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Code(ExitCode(code)) if *code > 0xffff => match status_meaning(*code) {
                Some(meaning) => write!(f, "exit code {code:#010x} ({meaning})"),
                None => write!(f, "exit code {code:#010x}"),
            },
            End::Code(ExitCode(code)) => match exit_code_meaning(*code) {
                Some(meaning) => write!(f, "exit code {code} ({meaning})"),
                None => write!(f, "exit code {code}"),
            },
            End::Signal {
                signal,
                core_dumped,
            } => {
                write!(f, "{signal} ({})", signal.meaning())?;
                if *core_dumped {
                    f.write_str(", core dumped")
                } else {
                    Ok(())
                }
            }
            End::Unknown => f.write_str("an end nobody could observe"),
            End::Unattended => f.write_str("an unknown end while unattended"),
        }
    }
}

/// What Windows means by the codes it ends programs with.
fn status_meaning(code: u32) -> Option<&'static str> {
    match code {
        0x4000_0015 => Some("aborted itself"),
        0x8000_0003 => Some("breakpoint"),
        0xc000_0005 => Some("invalid memory access"),
        0xc000_0017 => Some("out of memory"),
        0xc000_001d => Some("illegal instruction"),
        0xc000_0094 => Some("division by zero"),
        0xc000_00fd => Some("stack overflow"),
        0xc000_0135 => Some("a library it needs is missing"),
        0xc000_0139 => Some("a library it needs is of another version"),
        0xc000_013a => Some("Ctrl+C"),
        0xc000_0142 => Some("a library it needs could not begin"),
        0xc000_0374 => Some("damaged heap"),
        0xc000_0409 => Some("aborted itself at once"),
        _ => None,
    }
}

/// What shells, the JVM and runtimes mean by some codes.
fn exit_code_meaning(code: u32) -> Option<&'static str> {
    match code {
        126 => Some("found but not executable"),
        127 => Some("command not found"),
        137 => Some("as a shell reports SIGKILL"),
        139 => Some("as a shell reports SIGSEGV"),
        143 => Some("as a shell or a JVM reports SIGTERM"),
        _ => None,
    }
}

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Because::NeverStarted => f.write_str("never started"),
            Because::Asked => f.write_str("asked by an operator"),
            Because::Automatic => f.write_str("starts by itself"),
            Because::Needed(who) => write!(f, "needed by `{who}`"),
            Because::WaitsFor(names) => {
                f.write_str("waits for ")?;
                list(f, names)
            }
            Because::Ready => f.write_str("ready"),
            Because::Done => f.write_str("its work is done"),
            Because::Ended(end) => write!(f, "ended with {end}"),
            Because::CommandFailed { what, end } => write!(f, "{what} failed with {end}"),
            Because::CommandTimeout { what } => write!(f, "{what} took longer than it may"),
            Because::SpawnFailed(why) => f.write_str(why),
            Because::StartTimeout(span) => write!(f, "not ready within {}", seconds(*span)),
            Because::WatchdogExpired(span) => write!(f, "no sign of life for {}", seconds(*span)),
            Because::Unhealthy { failures } => {
                write!(f, "{failures} health probes failed in a row")
            }
            Because::MaxRunTime(span) => {
                write!(f, "ran for the {} one run may take", seconds(*span))
            }
            Because::Protocol(why) => f.write_str(why),
            Because::ConditionFailed(what) => {
                write!(f, "skipped: the condition {what} does not hold")
            }
            Because::AssertFailed(what) => write!(f, "the assertion {what} does not hold"),
            Because::DependencyFailed(who) => write!(f, "`{who}`, which it needs, did not start"),
            Because::DependencyStopped(who) => write!(f, "`{who}`, which it needs, was stopped"),
            Because::DependencyRestarted(who) => {
                write!(f, "`{who}`, which it needs, was restarted")
            }
            Because::Conflicts(who) => write!(f, "conflicts with `{who}`, which was started"),
            Because::OrderCycle(names) => {
                f.write_str("cannot be ordered, each after the next in a circle: ")?;
                list(f, names)
            }
            Because::StartLimit {
                starts,
                window,
                last,
            } => {
                write!(
                    f,
                    "given up after {starts} starts in {}; last: {last}",
                    seconds(*window)
                )
            }
            Because::Restarting { count, last } => write!(f, "restart {count}; last: {last}"),
            Because::Unkillable => f.write_str("processes are left that even SIGKILL did not end"),
            Because::StoppingItself => f.write_str("said that it is stopping"),
            Because::Shutdown => f.write_str("everything is being shut down"),
            Because::TakenOver { engine } => write!(f, "taken over from engine {engine}"),
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, names: &[Rc<str>]) -> fmt::Result {
    for (at, name) in names.iter().enumerate() {
        let separator = if at == 0 {
            ""
        } else if at + 1 == names.len() {
            " and "
        } else {
            ", "
        };
        write!(f, "{separator}`{name}`")?;
    }
    Ok(())
}

/// Whether a signal ends a program cleanly by systemd's table (systemd.service(5), `SuccessExitStatus=`).
pub(crate) fn is_clean_signal(signal: Signal) -> bool {
    [Signal::HUP, Signal::INT, Signal::TERM, Signal::PIPE].contains(&signal)
}
