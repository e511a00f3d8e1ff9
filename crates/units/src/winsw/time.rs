//! WinSW's spans: a number with a unit, `15 sec`; a bare number is milliseconds.

use std::time::Duration;

/// Units with their milliseconds; WinSW knows these spellings and no others.
const UNITS: &[(&str, u64)] = &[
    ("ms", 1),
    ("sec", 1_000),
    ("secs", 1_000),
    ("min", 60_000),
    ("mins", 60_000),
    ("hr", 3_600_000),
    ("hrs", 3_600_000),
    ("hour", 3_600_000),
    ("hours", 3_600_000),
    ("day", 86_400_000),
    ("days", 86_400_000),
];

/// The span `text` says, if it says one.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let text = text.trim();
    let end = text
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(text.len());
    let number: u64 = text[..end].parse().ok()?;
    let unit = text[end..].trim().to_ascii_lowercase();
    let millis = match unit.as_str() {
        "" => 1,
        unit => UNITS.iter().find(|(known, _)| *known == unit)?.1,
    };
    Some(Duration::from_millis(number.checked_mul(millis)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_units_and_a_bare_number_is_milliseconds() {
        for (text, span) in [
            ("15 sec", Some(15_000)),
            ("10min", Some(600_000)),
            ("250", Some(250)),
            (" 1 Hour ", Some(3_600_000)),
            ("soon", None),
            ("1 week", None),
            ("", None),
            ("99999999999999999999 ms", None),
        ] {
            assert_eq!(parse(text), span.map(Duration::from_millis), "{text}");
        }
    }
}
