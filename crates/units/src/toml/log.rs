//! `log`: where output goes, how it is rotated and kept, what is dropped on purpose.

use aplomb_core::spec::{Level, Log, LogTo, Rotate, RotateAt, StderrTo, Timestamps};
use aplomb_core::{Bytes, Duration};

use super::form::{Blank, Form, NONE, Sound, TextForm, section_form, word_form};
use super::key::{Key, Section, Via, at};
use super::reader::{Node, Reader, table_of, text_of};
use super::restart::{RATE_PATTERN, parse_rate, print_rate};
use super::shape::Shape;
use super::value::Value;
use crate::words::resolve;

const TO: &str = "\"default\", \"journal\", \"inherit\", \"none\", a directory such as \"/var/log/shop\", or \"file PATH\"";

word_form!(Timestamps,
    Timestamps::None => "none",
    Timestamps::Utc => "utc",
    Timestamps::Local => "local",
);

word_form!(Level,
    Level::Emergency => "emerg",
    Level::Alert => "alert",
    Level::Critical => "crit",
    Level::Error => "err",
    Level::Warning => "warning",
    Level::Notice => "notice",
    Level::Info => "info",
    Level::Debug => "debug",
);

impl Section for Log {
    const KEYS: &'static [Key<Log>] = &[
        Key {
            name: "to",
            doc: "Where output goes: the engine's log directory, the journal, the engine's own output, nowhere, a directory or one file",
            slot: at!(to),
        },
        Key {
            name: "stderr",
            doc: "Where standard error goes: the same place, a file of its own beside it, or anywhere `to` can name",
            slot: at!(stderr),
        },
        Key {
            name: "rotate",
            doc: "When a new file begins",
            slot: at!(rotate),
        },
        Key {
            name: "keep",
            doc: "Rotated files kept per stream, the current one not counted",
            slot: at!(keep),
        },
        Key {
            name: "keep-bytes",
            doc: "Bound on all files of the service together, the current ones counted",
            slot: at!(keep_bytes),
        },
        Key {
            name: "keep-age",
            doc: "Rotated files older than this are removed",
            slot: at!(keep_age),
        },
        Key {
            name: "compress",
            doc: "Whether rotated files are compressed (gzip)",
            slot: at!(compress),
        },
        Key {
            name: "timestamps",
            doc: "What is written before each line",
            slot: at!(timestamps),
        },
        Key {
            name: "max-level",
            doc: "Lines less important than this are not stored",
            slot: at!(max_level),
        },
        Key {
            name: "level",
            doc: "Level of a line of standard output that does not begin with <N>",
            slot: at!(level.0),
        },
        Key {
            name: "stderr-level",
            doc: "The same for standard error",
            slot: at!(level.1),
        },
        Key {
            name: "level-prefix",
            doc: "Whether <N> at the start of a line is its level, and is not stored",
            slot: at!(level_prefix),
        },
        Key {
            name: "rate-limit",
            doc: "More lines than this per window of time are dropped and counted, as in \"1000 in 10s\"",
            slot: &Via {
                get: |log: &Log| log.rate_limit.map(|(burst, window)| Rate(burst, window)),
                set: |log, rate: Option<Rate>| log.rate_limit = rate.map(|rate| (rate.0, rate.1)),
            },
        },
        Key {
            name: "max-line",
            doc: "Longer lines are split there and marked",
            slot: at!(max_line),
        },
        Key {
            name: "identifier",
            doc: "Name in the journal; the service's name where absent",
            slot: at!(identifier),
        },
    ];

    const SHORT: Option<&'static str> = Some("to");

    fn initial() -> Log {
        Log::default()
    }
}

section_form!(Log);

impl Sound for Log {
    fn sound(&mut self, node: &Node<'_>, reader: &mut Reader<'_>) {
        let Some(table) = table_of(node) else { return };
        if let Some(zero) = table.get("max-line").filter(|_| self.max_line.0 == 0) {
            reader.bad(zero, "no line fits in 0 bytes", "a size such as \"64KiB\"");
        }
        if self.has_files() {
            return;
        }
        for key in ["rotate", "keep", "keep-bytes", "keep-age", "compress"] {
            if let Some((name, _)) = table.get_key_value(key) {
                reader.warn(
                    name.span(),
                    format!("`log.{key}` has no effect, for no log files are written"),
                    "remove it, or give `log.to` a directory",
                );
            }
        }
    }
}

/// Whether output of a service ends in files we rotate.
trait HasFiles {
    fn has_files(&self) -> bool;
}

impl HasFiles for Log {
    fn has_files(&self) -> bool {
        match &self.stderr {
            StderrTo::Same => self.to.has_files(),
            StderrTo::Own => true,
            StderrTo::To(to) => self.to.has_files() || to.has_files(),
        }
    }
}

impl HasFiles for LogTo {
    fn has_files(&self) -> bool {
        match self {
            LogTo::Default | LogTo::Directory(_) | LogTo::File(_) | LogTo::Truncate(_) => true,
            LogTo::Journal | LogTo::Inherit | LogTo::Nothing => false,
        }
    }
}

impl Form for LogTo {
    fn shape() -> Shape {
        Shape::text(TO)
    }

    fn read(&mut self, node: &Node<'_>, reader: &mut Reader<'_>) {
        let Some(text) = reader.text(node, TO) else {
            return;
        };
        if text.contains('\0') {
            return reader.bad(node, "it holds a zero byte", TO);
        }
        let directory = &reader.source.directory;
        *self = match text.as_str() {
            "default" => LogTo::Default,
            "journal" => LogTo::Journal,
            "inherit" => LogTo::Inherit,
            NONE => LogTo::Nothing,
            other => {
                if let Some(path) = other.strip_prefix("file ") {
                    LogTo::File(resolve(directory, path.trim()))
                } else if let Some(path) = other.strip_prefix("truncate ") {
                    LogTo::Truncate(resolve(directory, path.trim()))
                } else if other.contains(['/', '\\']) || other == "." {
                    LogTo::Directory(resolve(directory, other))
                } else {
                    let why = format!(
                        "`{other}` is none of the words for it, and a directory is written with a slash, as in \"./{other}\""
                    );
                    return reader.bad(node, why, TO);
                }
            }
        };
    }

    fn write(&self) -> Value {
        Value::Text(match self {
            LogTo::Default => "default".into(),
            LogTo::Directory(path) => path.clone(),
            LogTo::File(path) => format!("file {path}"),
            LogTo::Truncate(path) => format!("truncate {path}"),
            LogTo::Journal => "journal".into(),
            LogTo::Inherit => "inherit".into(),
            LogTo::Nothing => NONE.into(),
        })
    }
}

impl Form for StderrTo {
    fn shape() -> Shape {
        Shape::AnyOf(vec![Shape::Word(vec!["same", "own"]), LogTo::shape()])
    }

    fn read(&mut self, node: &Node<'_>, reader: &mut Reader<'_>) {
        match text_of(node) {
            Some("same") => *self = StderrTo::Same,
            Some("own") => *self = StderrTo::Own,
            Some(_) | None => {
                let faults = reader.faults.len();
                let mut to = LogTo::default();
                to.read(node, reader);
                if reader.faults.len() == faults {
                    *self = StderrTo::To(to);
                }
            }
        }
    }

    fn write(&self) -> Value {
        match self {
            StderrTo::Same => Value::text("same"),
            StderrTo::Own => Value::text("own"),
            StderrTo::To(to) => to.write(),
        }
    }
}

impl Section for Rotate {
    const KEYS: &'static [Key<Rotate>] = &[
        Key {
            name: "size",
            doc: "The current file would grow past this",
            slot: at!(size),
        },
        Key {
            name: "age",
            doc: "The current file is older than this",
            slot: at!(age),
        },
        Key {
            name: "at",
            doc: "At a time of the local clock: \"hourly :15\", \"daily 03:00\", \"weekly mon 03:00\"",
            slot: at!(at),
        },
    ];

    const SHORT: Option<&'static str> = Some("size");

    fn initial() -> Rotate {
        Rotate::default()
    }
}

section_form!(Rotate);

impl Sound for Rotate {
    fn sound(&mut self, node: &Node<'_>, reader: &mut Reader<'_>) {
        if self.size == Some(Bytes(0)) || self.age == Some(Duration::ZERO) {
            reader.bad(
                node,
                "with 0 a new file would begin with every line",
                "\"none\", or a size such as \"16MiB\"",
            );
        }
    }
}

const DAYS: &[&str] = &["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl TextForm for RotateAt {
    const SHAPE: Shape = Shape::pattern(
        "a time such as \"hourly :15\", \"daily 03:00\" or \"weekly mon 03:00\"",
        r"^(hourly :[0-9]{2}|daily [0-9]{2}:[0-9]{2}|weekly (mon|tue|wed|thu|fri|sat|sun) [0-9]{2}:[0-9]{2})$",
    );

    fn parse(text: &str) -> Result<RotateAt, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        match words[..] {
            ["hourly", at] => {
                let (hour, minute) = clock(at)?;
                if hour.is_some() {
                    return Err("an hourly time has no hour".into());
                }
                Ok(RotateAt::Hourly { minute })
            }
            ["daily", at] => {
                let (hour, minute) = clock(at)?;
                let hour = hour.ok_or("the hour is missing")?;
                Ok(RotateAt::Daily { hour, minute })
            }
            ["weekly", day, at] => {
                let (hour, minute) = clock(at)?;
                let hour = hour.ok_or("the hour is missing")?;
                let number = (1..).zip(DAYS).find(|(_, known)| **known == day);
                let (weekday, _) = number.ok_or_else(|| format!("`{day}` is no day"))?;
                Ok(RotateAt::Weekly {
                    weekday,
                    hour,
                    minute,
                })
            }
            _ => Err(format!("`{text}` is no recurring time")),
        }
    }

    fn print(&self) -> String {
        match *self {
            RotateAt::Hourly { minute } => format!("hourly :{minute:02}"),
            RotateAt::Daily { hour, minute } => format!("daily {hour:02}:{minute:02}"),
            RotateAt::Weekly {
                weekday,
                hour,
                minute,
            } => {
                let day = DAYS.get(usize::from(weekday).wrapping_sub(1));
                format!("weekly {} {hour:02}:{minute:02}", day.unwrap_or(&"mon"))
            }
        }
    }
}

/// `HH:MM` or `:MM`.
fn clock(text: &str) -> Result<(Option<u8>, u8), String> {
    let fault = || format!("`{text}` is no time of day");
    let (hour, minute) = text.split_once(':').ok_or_else(fault)?;
    let minute = minute.parse().ok().filter(|minute| *minute < 60);
    let minute = minute.ok_or_else(fault)?;
    if hour.is_empty() {
        return Ok((None, minute));
    }
    let hour = hour.parse().ok().filter(|hour| *hour < 24);
    Ok((Some(hour.ok_or_else(fault)?), minute))
}

impl Blank for RotateAt {
    fn blank() -> RotateAt {
        RotateAt::Daily { hour: 0, minute: 0 }
    }
}

/// Lines per window of time.
struct Rate(u32, Duration);

impl TextForm for Rate {
    const SHAPE: Shape = Shape::pattern("a rate such as \"1000 in 10s\"", RATE_PATTERN);

    fn parse(text: &str) -> Result<Rate, String> {
        parse_rate(text).map(|(burst, window)| Rate(burst, window))
    }

    fn print(&self) -> String {
        print_rate(self.0, self.1)
    }
}

impl Blank for Rate {
    fn blank() -> Rate {
        Rate(1, Duration::from_secs(1))
    }
}
