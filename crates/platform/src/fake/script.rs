//! What a program of the fake world does: things at moments, and answers to signals.

use std::time::Duration;

use aplomb_core::{End, ExitCode, Signal};

/// A program's behaviour. Unless told otherwise it lives for ever and dies of any signal that kills by default.
///
/// ```
/// use std::time::Duration;
/// use aplomb_core::Signal;
/// use aplomb_platform::fake::Script;
///
/// let slow_to_stop = Script::new()
///     .notifies(Duration::from_millis(30), "READY=1")
///     .on_exits(Signal::TERM, Duration::from_secs(2), 0);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Script {
    pub(super) acts: Vec<(Duration, Act)>,
    pub(super) reactions: Vec<(Signal, Reaction)>,
}

/// One thing a program does.
#[derive(Debug, Clone)]
pub(super) enum Act {
    End(End),
    Notify(Vec<u8>),
    ReadyLine,
    Print(Vec<u8>),
    PrintError(Vec<u8>),
    Fork(Script),
    Listen { address: String, answer: Vec<u8> },
    ReleaseOutput,
}

/// How a program takes a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reaction {
    Ignore,
    End { after: Duration, end: End },
}

impl Script {
    pub fn new() -> Script {
        Script::default()
    }

    /// Ends by itself, `after` its start.
    pub fn exits(self, after: Duration, code: u32) -> Script {
        self.act(after, Act::End(End::Code(ExitCode(code))))
    }

    /// Dies of a signal nobody sent, `after` its start.
    pub fn crashes(self, after: Duration, signal: Signal) -> Script {
        let end = End::Signal {
            signal,
            core_dumped: true,
        };
        self.act(after, Act::End(end))
    }

    /// Sends a datagram of sd_notify(3).
    pub fn notifies(self, after: Duration, text: &str) -> Script {
        self.act(after, Act::Notify(text.into()))
    }

    /// Writes a newline to its ready descriptor.
    pub fn writes_ready_line(self, after: Duration) -> Script {
        self.act(after, Act::ReadyLine)
    }

    /// Writes to its standard output.
    pub fn prints(self, after: Duration, text: &str) -> Script {
        self.act(after, Act::Print(text.into()))
    }

    /// Writes to its standard error.
    pub fn prints_error(self, after: Duration, text: &str) -> Script {
        self.act(after, Act::PrintError(text.into()))
    }

    /// Begets another process, which stays in the tree whatever becomes of this one.
    pub fn forks(self, after: Duration, child: Script) -> Script {
        self.act(after, Act::Fork(child))
    }

    /// Accepts connections at `host:port` as long as it lives; to each it says `answer` once it has been told something,
    /// and closes it.
    pub fn listens(self, after: Duration, address: &str, answer: &str) -> Script {
        let address = address.to_owned();
        let answer = answer.into();
        self.act(after, Act::Listen { address, answer })
    }

    /// Closes its standard output and error, as daemons do.
    pub fn releases_output(self, after: Duration) -> Script {
        self.act(after, Act::ReleaseOutput)
    }

    /// The signal does nothing to it. SIGKILL and SIGSTOP do all the same.
    pub fn ignores(self, signal: Signal) -> Script {
        self.react(signal, Reaction::Ignore)
    }

    /// Takes the signal as a request and exits `after` it.
    pub fn on_exits(self, signal: Signal, after: Duration, code: u32) -> Script {
        let end = End::Code(ExitCode(code));
        self.react(signal, Reaction::End { after, end })
    }

    fn act(mut self, after: Duration, act: Act) -> Script {
        self.acts.push((after, act));
        self
    }

    fn react(mut self, signal: Signal, reaction: Reaction) -> Script {
        self.reactions.push((signal, reaction));
        self
    }

    pub(super) fn reaction(&self, signal: Signal) -> Option<Reaction> {
        let own = self.reactions.iter().rev();
        let own = own.into_iter().find(|(other, _)| *other == signal);
        own.map(|(_, reaction)| *reaction)
    }
}

/// What a signal does to a process that has made no arrangements (signal(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DefaultAction {
    End { core_dumped: bool },
    Stop,
    Continue,
    Nothing,
}

pub(super) fn default_action(signal: Signal) -> DefaultAction {
    match signal.number() {
        17 | 23 | 28 => DefaultAction::Nothing,
        18 => DefaultAction::Continue,
        19..=22 => DefaultAction::Stop,
        3..=8 | 11 | 24 | 25 | 31 => DefaultAction::End { core_dumped: true },
        _ => DefaultAction::End { core_dumped: false },
    }
}
