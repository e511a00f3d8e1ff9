//! Spans of time, sizes and booleans as systemd writes them; systemd.time(7), systemd.syntax(7).
//!
//! Spans have systemd's resolution, the microsecond; finer digits are cut off. `infinity` is `None`.

use std::time::Duration;

use aplomb_core::Bytes;

const MICROS_PER_SECOND: u64 = 1_000_000;
const MINUTE: u64 = 60 * MICROS_PER_SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// A twelfth of a year.
const MONTH: u64 = 2_629_800 * MICROS_PER_SECOND;
/// 365.25 days.
const YEAR: u64 = 31_557_600 * MICROS_PER_SECOND;

/// Longer names stand before their beginnings: the first that fits is the unit.
const UNITS: &[(&str, u64)] = &[
    ("seconds", MICROS_PER_SECOND),
    ("second", MICROS_PER_SECOND),
    ("sec", MICROS_PER_SECOND),
    ("s", MICROS_PER_SECOND),
    ("minutes", MINUTE),
    ("minute", MINUTE),
    ("min", MINUTE),
    ("months", MONTH),
    ("month", MONTH),
    ("M", MONTH),
    ("msec", 1_000),
    ("ms", 1_000),
    ("m", MINUTE),
    ("hours", HOUR),
    ("hour", HOUR),
    ("hr", HOUR),
    ("h", HOUR),
    ("days", DAY),
    ("day", DAY),
    ("d", DAY),
    ("weeks", 7 * DAY),
    ("week", 7 * DAY),
    ("w", 7 * DAY),
    ("years", YEAR),
    ("year", YEAR),
    ("y", YEAR),
    ("usec", 1),
    ("us", 1),
    ("\u{3bc}s", 1),
    ("\u{b5}s", 1),
];

const BLANKS: [char; 4] = [' ', '\t', '\n', '\r'];

/// Why a text is no span, size or boolean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    #[error("it is empty")]
    Empty,
    #[error("a number is missing")]
    NoNumber,
    #[error("the unit is unknown")]
    UnknownUnit,
    #[error("it is negative")]
    Negative,
    #[error("it is too large")]
    TooLarge,
}

/// A span; a bare number counts `bare` each. `None` is `infinity`.
pub fn span(text: &str, bare: Duration) -> Result<Option<Duration>, QuantityError> {
    let micros_per_bare = u64::try_from(bare.as_micros()).map_err(|_| QuantityError::TooLarge)?;
    let mut rest = text.trim_matches(BLANKS);
    match rest {
        "" => return Err(QuantityError::Empty),
        "infinity" => return Ok(None),
        _ => {}
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (micros, after) = term(rest, micros_per_bare)?;
        total = total.checked_add(micros).ok_or(QuantityError::TooLarge)?;
        rest = after.trim_start_matches(BLANKS);
    }
    // The largest number of microseconds means infinity.
    if total == u64::MAX {
        return Err(QuantityError::TooLarge);
    }
    Ok(Some(Duration::from_micros(total)))
}

/// A span of seconds.
pub fn seconds(text: &str) -> Result<Option<Duration>, QuantityError> {
    span(text, Duration::from_secs(1))
}

/// One number with its unit, in microseconds, and what follows.
fn term(text: &str, bare: u64) -> Result<(u64, &str), QuantityError> {
    if text.starts_with('-') {
        return Err(QuantityError::Negative);
    }
    let text = text.strip_prefix('+').unwrap_or(text);
    let (whole, rest) = leading_digits(text);
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) if rest.starts_with(|digit: char| digit.is_ascii_digit()) => {
            leading_digits(rest)
        }
        Some(_) => return Err(QuantityError::NoNumber),
        None if whole.is_empty() => return Err(QuantityError::NoNumber),
        None => ("", rest),
    };
    let spaced = rest.trim_start_matches(BLANKS);
    let (factor, after) = match UNITS.iter().find(|(name, _)| spaced.starts_with(name)) {
        Some((name, factor)) => (*factor, &spaced[name.len()..]),
        None if rest.is_empty() || spaced.len() < rest.len() => (bare, spaced),
        None => return Err(QuantityError::UnknownUnit),
    };
    let whole: u64 = match whole {
        "" => 0,
        digits => digits.parse().map_err(|_| QuantityError::TooLarge)?,
    };
    if whole >= u64::MAX / factor {
        return Err(QuantityError::TooLarge);
    }
    let micros = whole
        .checked_mul(factor)
        .and_then(|micros| micros.checked_add(parts(fraction, factor)))
        .ok_or(QuantityError::TooLarge)?;
    Ok((micros, after))
}

fn leading_digits(text: &str) -> (&str, &str) {
    let end = text
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at(end)
}

/// What decimal places are worth; each is cut to whole units before the next.
fn parts(digits: &str, factor: u64) -> u64 {
    let mut worth = factor / 10;
    let mut total = 0;
    for digit in digits.bytes() {
        total += u64::from(digit - b'0') * worth;
        worth /= 10;
    }
    total
}

/// A span as systemd reads it back: seconds, else milli- or microseconds.
pub fn print(span: Option<Duration>) -> String {
    let Some(span) = span else {
        return "infinity".to_owned();
    };
    let micros = span.as_micros();
    match micros {
        _ if micros % 1_000_000 == 0 => format!("{}", micros / 1_000_000),
        _ if micros % 1_000 == 0 => format!("{}ms", micros / 1_000),
        _ => format!("{micros}us"),
    }
}

/// Letters after a size, each worth 1024 of the next; terms must come in this order.
const SIZE_UNITS: &[(&str, u32)] = &[
    ("E", 60),
    ("P", 50),
    ("T", 40),
    ("G", 30),
    ("M", 20),
    ("K", 10),
    ("B", 0),
    ("", 0),
];

/// A size in bytes, base 1024: `512`, `1.5G`, `1G 512M`.
pub fn size(text: &str) -> Result<Bytes, QuantityError> {
    let mut rest = text.trim_matches(BLANKS);
    if rest.is_empty() {
        return Err(QuantityError::Empty);
    }
    let mut total: u64 = 0;
    let mut units = SIZE_UNITS;
    while !rest.is_empty() {
        if rest.starts_with('-') {
            return Err(QuantityError::Negative);
        }
        let (whole, after) = leading_digits(rest);
        if whole.is_empty() {
            return Err(QuantityError::NoNumber);
        }
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => leading_digits(after),
            None => ("", after),
        };
        let after = after.trim_start_matches(BLANKS);
        let at = units
            .iter()
            .position(|(name, _)| after.starts_with(name))
            .ok_or(QuantityError::UnknownUnit)?;
        let (name, shift) = units[at];
        total = total
            .checked_add(scaled(whole, fraction, shift)?)
            .ok_or(QuantityError::TooLarge)?;
        units = &units[at + 1..];
        rest = after[name.len()..].trim_start_matches(BLANKS);
    }
    Ok(Bytes(total))
}

/// `whole.fraction` times two to the power of `shift`, cut to whole bytes.
fn scaled(whole: &str, fraction: &str, shift: u32) -> Result<u64, QuantityError> {
    let too_large = QuantityError::TooLarge;
    let whole: u128 = whole.parse().map_err(|_| too_large)?;
    let whole = whole.checked_mul(1 << shift).ok_or(too_large)?;
    let digits = &fraction[..fraction.len().min(18)];
    let part: u128 = match digits {
        "" => 0,
        digits => digits.parse().map_err(|_| too_large)?,
    };
    let part = (part << shift) / 10_u128.pow(u32::try_from(digits.len()).map_err(|_| too_large)?);
    u64::try_from(whole.saturating_add(part)).map_err(|_| too_large)
}

/// `yes`, `true`, `on`, `1` and friends.
pub fn boolean(text: &str) -> Option<bool> {
    let is = |names: &[&str]| names.iter().any(|name| text.eq_ignore_ascii_case(name));
    if is(&["1", "yes", "y", "true", "t", "on"]) {
        return Some(true);
    }
    is(&["0", "no", "n", "false", "f", "off"]).then_some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(text: &str) -> Option<u128> {
        seconds(text).unwrap().map(|span| span.as_micros())
    }

    #[test]
    fn spans_of_the_manual_page() {
        for (text, expected) in [
            ("2 h", 7_200_000_000),
            ("2hours", 7_200_000_000),
            ("48hr", 172_800_000_000),
            ("1y 12month", 63_115_200_000_000),
            ("55s500ms", 55_500_000),
            ("300ms20s 5day", 432_020_300_000),
            ("5min 20s", 320_000_000),
            ("5min20s", 320_000_000),
            ("1.5h", 5_400_000_000),
            ("50", 50_000_000),
            ("5 20", 25_000_000),
            (".5", 500_000),
            ("1m", 60_000_000),
            ("1M", 2_629_800_000_000),
            ("3\u{b5}s", 3),
            ("0.0000019s", 1),
        ] {
            assert_eq!(micros(text), Some(expected), "{text}");
        }
        assert_eq!(micros("infinity"), None);
    }

    #[test]
    fn what_is_no_span_is_refused_with_the_reason() {
        for (text, why) in [
            ("", QuantityError::Empty),
            ("-1", QuantityError::Negative),
            ("x", QuantityError::NoNumber),
            ("5.", QuantityError::NoNumber),
            ("5sx", QuantityError::NoNumber),
            ("5parsec", QuantityError::UnknownUnit),
            ("12.34.56", QuantityError::UnknownUnit),
            ("infinity 5s", QuantityError::NoNumber),
            ("99999999999999999999", QuantityError::TooLarge),
            ("600000y", QuantityError::TooLarge),
        ] {
            assert_eq!(seconds(text), Err(why), "{text}");
        }
    }

    #[test]
    fn a_printed_span_reads_back() {
        for micros in [0, 1, 999, 1_000, 1_500, 2_000_000, 90_000_000, 90_000_001] {
            let span = Some(Duration::from_micros(micros));
            assert_eq!(seconds(&print(span)), Ok(span));
        }
        assert_eq!(seconds(&print(None)), Ok(None));
    }

    #[test]
    fn sizes_are_powers_of_1024() {
        for (text, expected) in [
            ("0", 0),
            ("17", 17),
            ("1K", 1 << 10),
            ("1.5G", 3 << 29),
            ("1G 512M", 3 << 29),
            ("8 B", 8),
            ("15E", 15 << 60),
        ] {
            assert_eq!(size(text), Ok(Bytes(expected)), "{text}");
        }
        for text in ["", "K", "1k", "-1", "1M 1G", "16E", "1.5.5"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn booleans_in_every_spelling() {
        for text in ["1", "yes", "Y", "TRUE", "t", "on"] {
            assert_eq!(boolean(text), Some(true));
        }
        for text in ["0", "no", "N", "false", "F", "off"] {
            assert_eq!(boolean(text), Some(false));
        }
        assert_eq!(boolean("maybe"), None);
    }
}
