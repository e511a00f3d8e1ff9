//! Durations: `10s`, `1m30s`, `500ms`, `1.5h`. A number never stands without its unit.

use aplomb_core::Duration;

/// Units, longest first, with their length in nanoseconds; the first name of a length is the one printed.
const UNITS: &[(&str, u128)] = &[
    ("d", 86_400 * SECOND),
    ("h", 3_600 * SECOND),
    ("m", 60 * SECOND),
    ("s", SECOND),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];
/// Other spellings that are understood.
const ALIASES: &[(&str, &str)] = &[
    ("min", "m"),
    ("sec", "s"),
    ("µs", "us"),
    ("μs", "us"),
    ("day", "d"),
    ("days", "d"),
];
const SECOND: u128 = 1_000_000_000;
const WEEK: u128 = 7 * 86_400 * SECOND;

/// Why a text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationFault {
    #[error("it is empty")]
    Empty,
    #[error("`{0}` has no unit")]
    NoUnit(String),
    #[error("`{0}` is no unit of time")]
    UnknownUnit(String),
    #[error("a number is missing before `{0}`")]
    NoNumber(String),
    #[error("it is too long to count")]
    TooLong,
}

/// Reads `1m30s`: numbers (with a decimal point if need be), each with its unit, added up.
pub fn parse_duration(text: &str) -> Result<Duration, DurationFault> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(DurationFault::Empty);
    }
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let (number, after) = take(rest, |c| c.is_ascii_digit() || c == '.');
        let (unit, after) = take(after.trim_start(), |c| {
            !c.is_ascii_digit() && !c.is_whitespace() && c != '.'
        });
        total = total
            .checked_add(part(number, unit)?)
            .ok_or(DurationFault::TooLong)?;
        rest = after.trim_start();
    }
    let seconds = u64::try_from(total / SECOND).map_err(|_| DurationFault::TooLong)?;
    let nanos = u32::try_from(total % SECOND).map_err(|_| DurationFault::TooLong)?;
    Ok(Duration::new(seconds, nanos))
}

fn take(text: &str, keep: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !keep(c)).unwrap_or(text.len()))
}

fn part(number: &str, unit: &str) -> Result<u128, DurationFault> {
    if unit.is_empty() {
        return Err(DurationFault::NoUnit(number.into()));
    }
    let length = length(unit).ok_or_else(|| DurationFault::UnknownUnit(unit.into()))?;
    let no_number = || DurationFault::NoNumber(unit.into());
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || fraction.contains('.') {
        return Err(no_number());
    }
    let whole: u128 = whole.parse().map_err(|_| DurationFault::TooLong)?;
    let mut total = whole.checked_mul(length).ok_or(DurationFault::TooLong)?;
    let mut place = length;
    for digit in fraction.bytes() {
        place /= 10;
        total += place * u128::from(digit - b'0');
    }
    Ok(total)
}

fn length(unit: &str) -> Option<u128> {
    if matches!(unit, "w" | "week" | "weeks") {
        return Some(WEEK);
    }
    let unit = ALIASES
        .iter()
        .find(|(alias, _)| *alias == unit)
        .map_or(unit, |(_, meant)| *meant);
    let (_, length) = UNITS.iter().find(|(name, _)| *name == unit)?;
    Some(*length)
}

/// `1m30s` for ninety seconds: every unit at most once, longest first; `0s` for nothing.
pub fn print_duration(duration: Duration) -> String {
    let mut rest = duration.as_nanos();
    let mut text = String::new();
    for (unit, length) in UNITS {
        let count = rest / length;
        rest %= length;
        if count > 0 {
            text.push_str(&format!("{count}{unit}"));
        }
    }
    if text.is_empty() { "0s".into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_and_sum_is_understood() {
        for (text, nanos) in [
            ("10s", 10 * SECOND),
            ("1m30s", 90 * SECOND),
            ("1h 30 min", 5400 * SECOND),
            ("500ms", SECOND / 2),
            ("1.5s", SECOND * 3 / 2),
            ("0.25h", 900 * SECOND),
            ("2w", 2 * WEEK),
            ("3µs", 3000),
            ("0s", 0),
        ] {
            assert_eq!(
                parse_duration(text).map(|d| d.as_nanos()),
                Ok(nanos),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_duration_says_why() {
        for (text, fault) in [
            ("", DurationFault::Empty),
            ("10", DurationFault::NoUnit("10".into())),
            ("10 parsecs", DurationFault::UnknownUnit("parsecs".into())),
            ("s", DurationFault::NoNumber("s".into())),
            ("1.2.3s", DurationFault::NoNumber("s".into())),
            ("99999999999999999999999d", DurationFault::TooLong),
        ] {
            assert_eq!(parse_duration(text), Err(fault), "{text}");
        }
    }

    #[test]
    fn printing_and_parsing_agree() {
        let samples = [
            0,
            1,
            999,
            1_000_000,
            90 * SECOND as u64,
            u64::MAX,
            86_399_999_999_999,
        ];
        for nanos in samples {
            let duration = Duration::from_nanos(nanos);
            assert_eq!(parse_duration(&print_duration(duration)), Ok(duration));
        }
        assert_eq!(print_duration(Duration::from_secs(90)), "1m30s");
        assert_eq!(
            parse_duration(&print_duration(Duration::MAX)),
            Ok(Duration::MAX)
        );
    }
}
