//! Moments as people write them: `10m`, `14:00`, `yesterday`, `2026-11-22 14:00`, RFC 3339.

use jiff::civil::{Date, DateTime, Time};
use jiff::{Timestamp, Zoned};

use aplomb_units::words::parse_duration;

/// The forms understood, for messages.
pub(crate) const FORMS: &str = "a time ago such as `10m` or `2h30m`, `14:00`, `today`, `yesterday`, `2026-11-22` or `2026-11-22 14:00:00`";

/// The moment `text` means, seen from `now` on its clock.
pub(crate) fn parse(text: &str, now: &Zoned) -> Result<Timestamp, String> {
    let text = text.trim();
    let unknown = || format!("`{text}` is no moment; write {FORMS}");
    if let Ok(ago) = parse_duration(text.strip_suffix("ago").unwrap_or(text)) {
        let ago = jiff::SignedDuration::try_from(ago).map_err(|_| unknown())?;
        return now.timestamp().checked_sub(ago).map_err(|_| unknown());
    }
    if let Ok(stamp) = text.parse::<Timestamp>() {
        return Ok(stamp);
    }
    let civil = civil(text, now).ok_or_else(unknown)?;
    let zoned = civil.to_zoned(now.time_zone().clone());
    zoned.map(|zoned| zoned.timestamp()).map_err(|_| unknown())
}

fn civil(text: &str, now: &Zoned) -> Option<DateTime> {
    let today = now.date();
    match text {
        "now" => return Some(now.datetime()),
        "today" => return Some(today.to_datetime(Time::midnight())),
        "yesterday" => return Some(today.yesterday().ok()?.to_datetime(Time::midnight())),
        _ => {}
    }
    if let Some(time) = time(text) {
        return Some(today.to_datetime(time));
    }
    if let Some((date, of_day)) = text.split_once([' ', 'T']) {
        return Some(date.parse::<Date>().ok()?.to_datetime(time(of_day)?));
    }
    let date = text.parse::<Date>().ok()?;
    Some(date.to_datetime(Time::midnight()))
}

/// `14:00`, `14:00:05`, `14:00:05.25`.
fn time(text: &str) -> Option<Time> {
    let letters = |letter: char| letter.is_ascii_digit() || letter == ':' || letter == '.';
    (text.contains(':') && text.chars().all(letters)).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Zoned {
        "2026-11-22T15:24:51+08:00[Asia/Shanghai]"
            .parse()
            .expect("a moment")
    }

    #[test]
    fn every_form_is_seen_from_the_local_clock() {
        for (text, meant) in [
            ("10m", "2026-11-22T15:14:51+08:00"),
            ("2h30m ago", "2026-11-22T12:54:51+08:00"),
            ("now", "2026-11-22T15:24:51+08:00"),
            ("today", "2026-11-22T00:00:00+08:00"),
            ("yesterday", "2026-11-21T00:00:00+08:00"),
            ("14:00", "2026-11-22T14:00:00+08:00"),
            ("14:00:05", "2026-11-22T14:00:05+08:00"),
            ("2026-11-20", "2026-11-20T00:00:00+08:00"),
            ("2026-11-20 07:30", "2026-11-20T07:30:00+08:00"),
            ("2026-11-20T07:30:01", "2026-11-20T07:30:01+08:00"),
            ("2026-11-20T07:30:00Z", "2026-11-20T07:30:00Z"),
        ] {
            let meant: Timestamp = meant.parse().expect("a moment");
            assert_eq!(parse(text, &now()), Ok(meant), "{text}");
        }
    }

    #[test]
    fn what_is_no_moment_is_refused_with_the_forms() {
        for text in [
            "",
            "soon",
            "25:00",
            "2026-13-01",
            "10",
            "-5m",
            "99999999999d",
        ] {
            let refused = parse(text, &now()).expect_err(text);
            assert!(refused.contains("such as `10m`"), "{refused}");
        }
    }
}
