//! `restart`: which ends of a run are followed by another, after how long, and when to give up.

use aplomb_core::Duration;
use aplomb_core::spec::{GiveUp, Growth, Restart, RestartWhen, StartLimit};
use toml::de::DeValue;

use super::form::{Blank, Form, Sound, TextForm, read_integer, section_form, word_form};
use super::key::{Key, Section, Via, at};
use super::reader::{Node, Reader, integer_of, table_of};
use super::shape::Shape;
use super::value::Value;
use crate::words::{parse_duration, print_duration};

word_form!(RestartWhen,
    RestartWhen::Never => "never",
    RestartWhen::OnSuccess => "on-success",
    RestartWhen::OnFailure => "on-failure",
    RestartWhen::OnAbnormal => "on-abnormal",
    RestartWhen::OnAbort => "on-abort",
    RestartWhen::OnWatchdog => "on-watchdog",
    RestartWhen::Always => "always",
);

impl Section for Restart {
    const KEYS: &'static [Key<Restart>] = &[
        Key {
            name: "when",
            doc: "Which ends of a run are followed by another",
            slot: at!(when),
        },
        Key {
            name: "delay",
            doc: "The wait before the first restart",
            slot: at!(delay),
        },
        Key {
            name: "factor",
            doc: "By how much the wait grows from one restart to the next; 1 keeps it the same",
            slot: &Via {
                get: |restart: &Restart| Factor(growth_permille(restart)),
                set: |restart, factor| set_factor(restart, factor.0),
            },
        },
        Key {
            name: "steps",
            doc: "Instead of `factor`: in how many equal ratios the wait grows from `delay` to `max-delay`",
            slot: &Via {
                get: |restart: &Restart| Steps(growth_steps(restart)),
                set: |restart, steps| set_steps(restart, steps.0),
            },
        },
        Key {
            name: "max-delay",
            doc: "The longest wait",
            slot: &Via {
                get: |restart: &Restart| MaxDelay(growth_max(restart)),
                set: |restart, max| set_max(restart, max.0),
            },
        },
        Key {
            name: "jitter",
            doc: "By how much of itself each wait varies by chance",
            slot: &Via {
                get: |restart: &Restart| Percent(restart.jitter),
                set: |restart, jitter| restart.jitter = jitter.0,
            },
        },
        Key {
            name: "healthy-after",
            doc: "A run that was up this long clears the count of restarts; with \"none\" only a stop does",
            slot: at!(healthy_after),
        },
        Key {
            name: "limit",
            doc: "Starts allowed per window of time, as in \"5 in 10s\"",
            slot: at!(limit),
        },
        Key {
            name: "then",
            doc: "What follows when the limit is hit: the service has failed, or it is tried again \"every 5m\", or the engine ends",
            slot: at!(then),
        },
    ];

    const SHORT: Option<&'static str> = Some("when");

    fn initial() -> Restart {
        Restart::default()
    }
}

section_form!(Restart);

impl Sound for Restart {
    fn sound(&mut self, node: &Node<'_>, reader: &mut Reader<'_>) {
        let key = |name| table_of(node).and_then(|table| Some(table.get_key_value(name)?.0.span()));
        if let (Some(_), Some(steps)) = (key("factor"), key("steps")) {
            reader.refuse(
                steps,
                "`restart.steps` and `restart.factor` both say how the wait grows",
                "remove one of them",
            );
            return;
        }
        if let (Some(max), Growth::None) = (key("max-delay"), self.growth) {
            reader.warn(
                max,
                "`restart.max-delay` has no effect, for the wait does not grow",
                "remove it, or give `restart.factor` more than 1",
            );
        }
        let max = growth_max(self);
        if self.growth != Growth::None && max < self.delay {
            let message = format!(
                "`restart.delay` ({}) is longer than `restart.max-delay` ({})",
                print_duration(self.delay),
                print_duration(max)
            );
            reader.refuse(node.span(), message, "raise `restart.max-delay`");
        }
    }
}

/// Growth as a factor in thousandths; 1000 where the wait stays the same, `None` where it grows in steps.
struct Factor(Option<u32>);
struct Steps(Option<u32>);
struct MaxDelay(Duration);

const SAME: u32 = 1000;

fn default_max() -> Duration {
    match Restart::default().growth {
        Growth::Factor { max, .. } | Growth::Steps { max, .. } => max,
        Growth::None => Duration::ZERO,
    }
}

fn growth_permille(restart: &Restart) -> Option<u32> {
    match restart.growth {
        Growth::None => Some(SAME),
        Growth::Factor { permille, .. } => Some(permille),
        Growth::Steps { .. } => None,
    }
}

fn growth_steps(restart: &Restart) -> Option<u32> {
    match restart.growth {
        Growth::Steps { steps, .. } => Some(steps),
        Growth::None | Growth::Factor { .. } => None,
    }
}

fn growth_max(restart: &Restart) -> Duration {
    match restart.growth {
        Growth::None => default_max(),
        Growth::Factor { max, .. } | Growth::Steps { max, .. } => max,
    }
}

fn set_factor(restart: &mut Restart, factor: Option<u32>) {
    let max = growth_max(restart);
    match factor {
        Some(SAME) => restart.growth = Growth::None,
        Some(permille) => restart.growth = Growth::Factor { permille, max },
        None => {}
    }
}

fn set_steps(restart: &mut Restart, steps: Option<u32>) {
    let max = growth_max(restart);
    if let Some(steps) = steps {
        restart.growth = Growth::Steps { steps, max };
    }
}

fn set_max(restart: &mut Restart, longest: Duration) {
    match &mut restart.growth {
        Growth::None => {}
        Growth::Factor { max, .. } | Growth::Steps { max, .. } => *max = longest,
    }
}

impl Form for Factor {
    fn shape() -> Shape {
        Shape::Number { min: 1.0 }
    }

    fn read(&mut self, node: &Node<'_>, reader: &mut Reader<'_>) {
        const TAKES: &str = "a number from 1 to 1000, such as 2 or 1.5";
        let number: Option<f64> = match node.get_ref() {
            DeValue::Integer(_) => integer_of(node)
                .and_then(|number| i32::try_from(number).ok())
                .map(f64::from),
            DeValue::Float(number) => number.as_str().parse().ok(),
            DeValue::String(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => return reader.wrong(node, TAKES),
        };
        match number {
            // In range, so the product fits.
            Some(number) if (1.0..=1000.0).contains(&number) => {
                self.0 = Some((number * f64::from(SAME)).round() as u32);
            }
            Some(_) | None => reader.bad(node, "it is out of range", TAKES),
        }
    }

    fn write(&self) -> Value {
        match self.0 {
            Some(permille) if permille % SAME == 0 => Value::Integer((permille / SAME).into()),
            Some(permille) => Value::Number(f64::from(permille) / f64::from(SAME)),
            None => Value::Absent,
        }
    }
}

impl Form for Steps {
    fn shape() -> Shape {
        Shape::Integer { min: 1, max: 1000 }
    }

    fn read(&mut self, node: &Node<'_>, reader: &mut Reader<'_>) {
        if let Some(steps) = read_integer(node, reader, 1, 1000) {
            self.0 = u32::try_from(steps).ok();
        }
    }

    fn write(&self) -> Value {
        self.0
            .map_or(Value::Absent, |steps| Value::Integer(steps.into()))
    }
}

impl TextForm for MaxDelay {
    const SHAPE: Shape = Duration::SHAPE;

    fn parse(text: &str) -> Result<MaxDelay, String> {
        Duration::parse(text).map(MaxDelay)
    }

    fn print(&self) -> String {
        self.0.print()
    }
}

/// A share in whole per cent.
struct Percent(u8);

impl TextForm for Percent {
    const SHAPE: Shape = Shape::pattern("a share such as \"10%\"", "^[0-9]{1,3}%$");

    fn parse(text: &str) -> Result<Percent, String> {
        let number = text.strip_suffix('%').ok_or("it does not end in `%`")?;
        match number.trim().parse() {
            Ok(percent @ 0..=100) => Ok(Percent(percent)),
            Ok(_) | Err(_) => Err("it is not from 0% to 100%".into()),
        }
    }

    fn print(&self) -> String {
        format!("{}%", self.0)
    }
}

/// Reads `COUNT in DURATION`.
pub(super) fn parse_rate(text: &str) -> Result<(u32, Duration), String> {
    let (count, window) = text
        .split_once(" in ")
        .ok_or("it is not of the form `COUNT in DURATION`")?;
    let count = count
        .trim()
        .parse()
        .map_err(|_| format!("`{count}` is no count"))?;
    let window = parse_duration(window).map_err(|why| why.to_string())?;
    if window.is_zero() {
        return Err("its window is empty".into());
    }
    Ok((count, window))
}

/// Prints `COUNT in DURATION`.
pub(super) fn print_rate(count: u32, window: Duration) -> String {
    format!("{count} in {}", print_duration(window))
}

pub(super) const RATE_PATTERN: &str = r"^\s*[0-9]+ in .+$";

impl TextForm for StartLimit {
    const SHAPE: Shape = Shape::pattern("a limit such as \"5 in 10s\"", RATE_PATTERN);

    fn parse(text: &str) -> Result<StartLimit, String> {
        match parse_rate(text)? {
            (0, _) => Err("no start at all would be allowed".into()),
            (starts, window) => Ok(StartLimit { starts, window }),
        }
    }

    fn print(&self) -> String {
        print_rate(self.starts, self.window)
    }
}

impl Blank for StartLimit {
    fn blank() -> StartLimit {
        StartLimit {
            starts: 1,
            window: Duration::from_secs(1),
        }
    }
}

impl TextForm for GiveUp {
    const SHAPE: Shape = Shape::pattern(
        "\"fail\", \"shutdown\" or a pace such as \"every 5m\"",
        "^(fail|shutdown|every .+)$",
    );

    fn parse(text: &str) -> Result<GiveUp, String> {
        match text {
            "fail" => Ok(GiveUp::Fail),
            "shutdown" => Ok(GiveUp::Shutdown),
            other => {
                let every = other
                    .strip_prefix("every ")
                    .ok_or_else(|| format!("`{other}` is none of the words for it"))?;
                let every = parse_duration(every).map_err(|why| why.to_string())?;
                Ok(GiveUp::KeepTrying { every })
            }
        }
    }

    fn print(&self) -> String {
        match self {
            GiveUp::Fail => "fail".into(),
            GiveUp::Shutdown => "shutdown".into(),
            GiveUp::KeepTrying { every } => format!("every {}", print_duration(*every)),
        }
    }
}
