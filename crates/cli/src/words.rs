//! Quantities in the words people use: durations, sizes, moments, lists of names.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use aplomb_protocol::WallNanos;

/// A duration with two units at most: `350 ms`, `4.2 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`.
pub(crate) fn duration_ms(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0 => format!("{ms} ms"),
        1..=9 => format!("{}.{} s", seconds, ms % 1000 / 100),
        10..=59 => format!("{seconds} s"),
        60..=3599 => two(seconds / 60, "min", seconds % 60, "s"),
        3600..=86_399 => two(seconds / 3600, "h", seconds % 3600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}

/// For measurements: milliseconds up to ten seconds, with a decimal below ten.
pub(crate) fn duration_nanos(nanos: u64) -> String {
    if nanos >= 10_000_000_000 {
        return duration_ms(nanos / 1_000_000);
    }
    if nanos >= 10_000_000 {
        return format!("{} ms", nanos / 1_000_000);
    }
    format!("{}.{} ms", nanos / 1_000_000, nanos % 1_000_000 / 100_000)
}

fn two(large: u64, large_unit: &str, small: u64, small_unit: &str) -> String {
    if small == 0 {
        return format!("{large} {large_unit}");
    }
    format!("{large} {large_unit} {small} {small_unit}")
}

/// A size: `512 B`, `1.5 KiB`, `12 MiB`.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: &[&str] = &["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut tenths = u128::from(bytes) * 10 / 1024;
    let mut unit = 0;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    if tenths >= 100 {
        return format!("{} {}", tenths / 10, UNITS[unit]);
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// `1 process`, `3 processes`.
pub(crate) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// `a`, `a and b`, `a, b and c`.
pub(crate) fn list(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// How long ago, seen from `now`: `12 s ago`, `just now`. A moment still to come, as after a clock was set back, is `just now` too.
pub(crate) fn ago(moment: WallNanos, now: WallNanos) -> String {
    let ms = now.saturating_sub(moment) / 1_000_000;
    if ms < 1000 {
        return "just now".into();
    }
    format!("{} ago", duration_ms(ms - ms % 1000).replace(".0 s", " s"))
}

/// A moment on the local clock: `2026-11-22 14:03:22`.
pub(crate) fn moment(moment: WallNanos, zone: &TimeZone) -> String {
    format_in(moment, zone, "%Y-%m-%d %H:%M:%S")
}

/// The same with milliseconds.
pub(crate) fn moment_exactly(moment: WallNanos, zone: &TimeZone) -> String {
    format_in(moment, zone, "%Y-%m-%d %H:%M:%S%.3f")
}

/// The time of day with milliseconds: `14:03:22.517`.
pub(crate) fn time_of_day(moment: WallNanos, zone: &TimeZone) -> String {
    format_in(moment, zone, "%H:%M:%S%.3f")
}

fn format_in(moment: WallNanos, zone: &TimeZone, format: &str) -> String {
    match Timestamp::from_nanosecond(i128::from(moment)) {
        Ok(stamp) => stamp.to_zoned(zone.clone()).strftime(format).to_string(),
        // Past the year 9999: no clock says that.
        Err(_) => "at an impossible time".into(),
    }
}

/// The wall clock now.
pub(crate) fn wall() -> WallNanos {
    WallNanos::try_from(Timestamp::now().as_nanosecond()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_units_at_most() {
        let said: Vec<String> = [
            0, 999, 1500, 9_999, 10_000, 61_000, 3_600_000, 3_660_000, 90_000_000,
        ]
        .into_iter()
        .map(duration_ms)
        .collect();
        assert_eq!(
            said,
            [
                "0 ms",
                "999 ms",
                "1.5 s",
                "9.9 s",
                "10 s",
                "1 min 1 s",
                "1 h",
                "1 h 1 min",
                "1 d 1 h"
            ]
        );
        let said = [4_250_000, 1_280_000_000, 61_000_000_000].map(duration_nanos);
        assert_eq!(said, ["4.2 ms", "1280 ms", "1 min 1 s"]);
    }

    #[test]
    fn sizes_are_short() {
        let said: Vec<String> = [0, 1023, 1024, 1536, 12 << 20, u64::MAX]
            .into_iter()
            .map(bytes)
            .collect();
        assert_eq!(
            said,
            ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "12 MiB", "15 EiB"]
        );
    }

    #[test]
    fn names_are_listed_as_one_would_say_them() {
        let names = ["a".to_owned(), "b".to_owned(), "c".to_owned()];
        assert_eq!(list(&names[..1]), "a");
        assert_eq!(list(&names[..2]), "a and b");
        assert_eq!(list(&names), "a, b and c");
    }

    #[test]
    fn a_clock_set_back_is_no_puzzle() {
        assert_eq!(ago(5_000_000_000, 2_000_000_000), "just now");
        assert_eq!(ago(2_000_000_000, 5_000_000_000), "3 s ago");
    }

    #[test]
    fn a_moment_is_shown_on_the_local_clock() {
        assert_eq!(moment(1_000_000_000, &TimeZone::UTC), "1970-01-01 00:00:01");
        assert_eq!(time_of_day(1_517_000_000, &TimeZone::UTC), "00:00:01.517");
        assert_eq!(moment(u64::MAX, &TimeZone::UTC), "2554-07-21 23:34:33");
    }
}
