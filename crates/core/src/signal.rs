//! Signals by number and name, numbered as on Linux for x86 and Arm (signal(7)).
//!
//! The one table of them: names, numbers and meanings are derived from it everywhere.

use core::fmt;

use serde::{Deserialize, Serialize};

/// A signal, by its Linux number: 1 to 31 and the real-time ones, 34 to 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Signal(u8);

const NAMES: &[(u8, &str, &str)] = &[
    (1, "SIGHUP", "terminal closed"),
    (2, "SIGINT", "interrupt, Ctrl+C"),
    (3, "SIGQUIT", "quit with a core dump"),
    (4, "SIGILL", "illegal instruction"),
    (5, "SIGTRAP", "trace trap"),
    (6, "SIGABRT", "aborted itself"),
    (7, "SIGBUS", "bus error"),
    (8, "SIGFPE", "arithmetic error"),
    (9, "SIGKILL", "killed by force"),
    (10, "SIGUSR1", "user signal 1"),
    (11, "SIGSEGV", "invalid memory access"),
    (12, "SIGUSR2", "user signal 2"),
    (13, "SIGPIPE", "wrote to a pipe nobody reads"),
    (14, "SIGALRM", "alarm clock"),
    (15, "SIGTERM", "asked to end"),
    (16, "SIGSTKFLT", "stack fault"),
    (17, "SIGCHLD", "a child changed state"),
    (18, "SIGCONT", "go on after a stop"),
    (19, "SIGSTOP", "stopped by force"),
    (20, "SIGTSTP", "stopped from the terminal"),
    (21, "SIGTTIN", "background read from the terminal"),
    (22, "SIGTTOU", "background write to the terminal"),
    (23, "SIGURG", "urgent data on a socket"),
    (24, "SIGXCPU", "CPU time limit exceeded"),
    (25, "SIGXFSZ", "file size limit exceeded"),
    (26, "SIGVTALRM", "virtual alarm clock"),
    (27, "SIGPROF", "profiling timer"),
    (28, "SIGWINCH", "window size changed"),
    (29, "SIGIO", "input or output possible"),
    (30, "SIGPWR", "power failure"),
    (31, "SIGSYS", "forbidden system call"),
];
/// Historical second names.
const ALIASES: &[(&str, Signal)] = &[
    ("IOT", Signal::ABRT),
    ("POLL", Signal(29)),
    ("CLD", Signal::CHLD),
];
const REAL_TIME: core::ops::RangeInclusive<u8> = 34..=64;

impl Signal {
    pub const HUP: Signal = Signal(1);
    pub const INT: Signal = Signal(2);
    pub const QUIT: Signal = Signal(3);
    pub const ABRT: Signal = Signal(6);
    pub const KILL: Signal = Signal(9);
    pub const USR1: Signal = Signal(10);
    pub const SEGV: Signal = Signal(11);
    pub const USR2: Signal = Signal(12);
    pub const PIPE: Signal = Signal(13);
    pub const TERM: Signal = Signal(15);
    pub const CHLD: Signal = Signal(17);
    pub const CONT: Signal = Signal(18);
    pub const STOP: Signal = Signal(19);

    /// The signal with this Linux number; `None` where no such signal exists (0, 32, 33 and above 64).
    pub fn from_number(number: u8) -> Option<Signal> {
        let known = (1..=31).contains(&number) || REAL_TIME.contains(&number);
        known.then_some(Signal(number))
    }

    /// `SIGTERM`, `TERM`, `term`, `15` and `SIGRTMIN+3` alike.
    pub fn parse(text: &str) -> Option<Signal> {
        if let Ok(number) = text.parse::<u8>() {
            return Signal::from_number(number);
        }
        let bare = strip_prefix_ignore_case(text, "SIG").unwrap_or(text);
        if let Some((_, signal)) = ALIASES
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(bare))
        {
            return Some(*signal);
        }
        if let Some(rest) = strip_prefix_ignore_case(bare, "RTMIN") {
            return Self::real_time(rest, '+', *REAL_TIME.start(), 1);
        }
        if let Some(rest) = strip_prefix_ignore_case(bare, "RTMAX") {
            return Self::real_time(rest, '-', *REAL_TIME.end(), -1);
        }
        let row = NAMES
            .iter()
            .find(|(_, name, _)| name[3..].eq_ignore_ascii_case(bare))?;
        Some(Signal(row.0))
    }

    fn real_time(rest: &str, sign: char, from: u8, direction: i16) -> Option<Signal> {
        if rest.is_empty() {
            return Some(Signal(from));
        }
        let steps: i16 = rest.strip_prefix(sign)?.parse().ok()?;
        let number = u8::try_from(i16::from(from) + direction * steps).ok()?;
        REAL_TIME.contains(&number).then_some(Signal(number))
    }

    /// The Linux number.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// What it means to the one who receives it, in a few words.
    pub fn meaning(self) -> &'static str {
        NAMES
            .iter()
            .find(|(number, ..)| *number == self.0)
            .map_or("real-time signal", |row| row.2)
    }
}

impl From<Signal> for u8 {
    fn from(signal: Signal) -> u8 {
        signal.0
    }
}

impl TryFrom<u8> for Signal {
    type Error = &'static str;

    fn try_from(number: u8) -> Result<Signal, &'static str> {
        Signal::from_number(number).ok_or("there is no such signal")
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(number, ..)| *number == self.0) {
            Some((_, name, _)) => f.write_str(name),
            None => write!(f, "SIGRTMIN+{}", self.0 - *REAL_TIME.start()),
        }
    }
}

fn strip_prefix_ignore_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix)
        .then(|| &text[prefix.len()..])
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn every_spelling_of_a_signal_is_understood_and_printed_one_way() {
        for text in ["SIGTERM", "TERM", "sigterm", "term", "15"] {
            assert_eq!(Signal::parse(text), Some(Signal::TERM), "{text}");
        }
        assert_eq!(Signal::parse("SIGIOT"), Some(Signal::ABRT));
        assert_eq!(Signal::parse("RTMIN+3").map(Signal::number), Some(37));
        assert_eq!(
            Signal::parse("SIGRTMAX-1").map(|s| s.to_string()),
            Some("SIGRTMIN+29".into())
        );
    }

    #[test]
    fn what_is_no_signal_is_refused() {
        for text in [
            "",
            "SIG",
            "0",
            "32",
            "65",
            "RTMIN+40",
            "RTMIN-1",
            "TERMINATE",
            "größe",
        ] {
            assert_eq!(Signal::parse(text), None, "{text}");
        }
    }

    #[test]
    fn printing_and_parsing_agree_for_every_number() {
        for signal in (0..=u8::MAX).filter_map(Signal::from_number) {
            assert_eq!(Signal::parse(&signal.to_string()), Some(signal));
        }
    }
}
