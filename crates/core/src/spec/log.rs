//! Where a service's output goes, how long it is kept, and what is dropped on purpose.

use alloc::string::String;

use crate::quantity::{Bytes, Duration};

/// What becomes of standard output and standard error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    pub to: LogTo,
    pub stderr: StderrTo,
    pub rotate: Rotate,
    /// Rotated files kept per stream, the current one not counted. Default 10.
    pub keep: Option<u32>,
    /// Bound on all files of the service together, the current ones counted. Default 1 GiB.
    pub keep_bytes: Option<Bytes>,
    /// Rotated files older than this are removed.
    pub keep_age: Option<Duration>,
    /// Rotated files are compressed (gzip).
    pub compress: bool,
    pub timestamps: Timestamps,
    /// Lines less important than this are not stored. Default: all are.
    pub max_level: Level,
    /// Level of a line of standard output / standard error that does not begin with `<N>`.
    pub level: (Level, Level),
    /// `<N>` at the start of a line is its level, and is not stored (sd-daemon(3), SyslogLevelPrefix=).
    pub level_prefix: bool,
    /// More than `burst` lines within `interval` are dropped and counted.
    pub rate_limit: Option<(u32, Duration)>,
    /// Longer lines are split there and marked. Default 1 MiB.
    pub max_line: Bytes,
    /// Name in the journal; the service's name where absent.
    pub identifier: Option<String>,
}

impl Default for Log {
    fn default() -> Log {
        Log {
            to: LogTo::default(),
            stderr: StderrTo::default(),
            rotate: Rotate::default(),
            keep: Some(10),
            keep_bytes: Some(Bytes(1 << 30)),
            keep_age: None,
            compress: false,
            timestamps: Timestamps::default(),
            max_level: Level::Debug,
            level: (Level::Info, Level::Info),
            level_prefix: false,
            rate_limit: None,
            max_line: Bytes(1 << 20),
            identifier: None,
        }
    }
}

/// Where output goes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum LogTo {
    /// `NAME.log` in the engine's log directory.
    #[default]
    Default,
    /// `NAME.log` in this directory.
    Directory(String),
    /// This file (systemd's `append:`); rotation applies.
    File(String),
    /// As `File`, emptied at each start (systemd's `truncate:`).
    Truncate(String),
    /// The systemd journal, by its native protocol.
    Journal,
    /// Whatever the engine's own output is: a container's log, a terminal.
    Inherit,
    /// Nowhere.
    Nothing,
}

/// Where standard error goes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum StderrTo {
    /// Into the same place as standard output, in the order written.
    #[default]
    Same,
    /// A file of its own, `NAME.err.log` beside the other.
    Own,
    /// Somewhere else.
    To(LogTo),
}

/// When a new file begins. Any that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotate {
    /// The current file would grow past this. Default 16 MiB.
    pub size: Option<Bytes>,
    /// The current file is older than this.
    pub age: Option<Duration>,
    pub at: Option<RotateAt>,
}

impl Default for Rotate {
    fn default() -> Rotate {
        Rotate {
            size: Some(Bytes(16 << 20)),
            age: None,
            at: None,
        }
    }
}

/// A recurring time of the local clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RotateAt {
    /// At this minute of every hour.
    Hourly { minute: u8 },
    /// At this time of every day.
    Daily { hour: u8, minute: u8 },
    /// At this time of one day a week; Monday is 1, Sunday 7.
    Weekly { weekday: u8, hour: u8, minute: u8 },
}

/// What is written before each line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Timestamps {
    /// Nothing: bytes pass untouched.
    #[default]
    None,
    /// `2026-11-22T15:24:51.123456Z `.
    Utc,
    /// `2026-11-22T23:24:51.123456+08:00 `.
    Local,
}

/// Importance of a line, as in syslog (RFC 5424): 0 is the gravest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Emergency = 0,
    Alert = 1,
    Critical = 2,
    Error = 3,
    Warning = 4,
    Notice = 5,
    Info = 6,
    Debug = 7,
}

impl Level {
    /// Every level with the name units use, gravest first.
    pub const ALL: &[(Level, &str)] = &[
        (Level::Emergency, "emerg"),
        (Level::Alert, "alert"),
        (Level::Critical, "crit"),
        (Level::Error, "err"),
        (Level::Warning, "warning"),
        (Level::Notice, "notice"),
        (Level::Info, "info"),
        (Level::Debug, "debug"),
    ];

    /// The level with this syslog number, 0 to 7.
    pub fn from_number(number: u8) -> Option<Level> {
        Level::ALL.get(usize::from(number)).map(|(level, _)| *level)
    }

    /// The name units use.
    pub fn name(self) -> &'static str {
        Level::ALL[self as usize].1
    }

    /// By name, or by number 0 to 7.
    pub fn parse(text: &str) -> Option<Level> {
        if let Ok(number) = text.parse() {
            return Level::from_number(number);
        }
        Level::ALL
            .iter()
            .find(|(_, name)| *name == text)
            .map(|(level, _)| *level)
    }
}
