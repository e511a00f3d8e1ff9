//! Wall time: what stands before lines, in names of rotated files and in the time index.
//!
//! Deadlines that must not jump (retries, rate windows) use the monotonic `Instant`; what an operator reads or sets
//! by the clock on the wall uses `Wall`. Both are told, never read: nothing in this crate asks for the time.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aplomb_core::Instant;
use aplomb_core::spec::{RotateAt, Timestamps};
use jiff::Timestamp;
use jiff::civil::{DateTime, Time, Weekday};
use jiff::tz::TimeZone;

/// The rules of this machine's local time, by localtime(5); absent on other systems.
const LOCAL_TIME: &str = "/etc/localtime";

/// A time of the wall clock, in microseconds since 1970-01-01T00:00:00 UTC. It may go back when someone sets the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Wall(i64);

impl Wall {
    /// The time this many microseconds after 1970-01-01T00:00:00 UTC.
    pub const fn from_micros(micros: i64) -> Wall {
        Wall(micros)
    }

    /// Microseconds after 1970-01-01T00:00:00 UTC.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub fn since(self, earlier: Wall) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or_default())
    }

    /// This much later; stays at the end of time rather than wrap.
    #[must_use]
    pub fn plus(self, by: Duration) -> Wall {
        let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        Wall(self.0.saturating_add(micros))
    }

    /// RFC 3339 in UTC with microseconds: `2026-11-22T15:24:51.123456Z`.
    pub fn to_utc_text(self) -> String {
        Zone::utc().text(self)
    }

    fn second(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Times outside the years jiff knows (-9999 to 9999) become the nearest it does.
    fn timestamp(self) -> Timestamp {
        let bound = if self.0 < 0 {
            Timestamp::MIN
        } else {
            Timestamp::MAX
        };
        Timestamp::from_microsecond(self.0).unwrap_or(bound)
    }
}

impl From<SystemTime> for Wall {
    fn from(time: SystemTime) -> Wall {
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => Wall(0).plus(after),
            Err(before) => {
                let micros = i64::try_from(before.duration().as_micros()).unwrap_or(i64::MAX);
                Wall(micros.saturating_neg())
            }
        }
    }
}

/// One moment by both clocks, read together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    pub instant: Instant,
    pub wall: Wall,
}

impl Now {
    /// When the wall clock will show `wall`, if nobody sets it before.
    pub(crate) fn instant_of(self, wall: Wall) -> Instant {
        self.instant + wall.since(self.wall)
    }
}

/// The rules of one place's local time, with the offset of the current season and the text of the current second kept.
#[derive(Debug)]
pub struct Zone {
    rules: TimeZone,
    /// Seconds east of UTC, for times in this range.
    offset: i32,
    valid: (Wall, Wall),
    second: Option<i64>,
    /// `2026-11-22T23:24:51` of that second.
    date: String,
    /// `Z` or `+08:00`.
    suffix: String,
}

impl Zone {
    /// Coordinated universal time.
    pub fn utc() -> Zone {
        Zone::of(TimeZone::UTC)
    }

    /// What this machine is set to, by `TZ` or its time zone setting; UTC if that cannot be known.
    pub fn local() -> Zone {
        // The file itself says all we need. To find out its name, every file of the time zone database is looked at.
        let own = std::env::var_os("TZ").is_none();
        let rules = own.then(|| std::fs::read(LOCAL_TIME).ok()).flatten();
        let rules = rules.and_then(|rules| TimeZone::tzif("local", &rules).ok());
        Zone::of(rules.unwrap_or_else(|| TimeZone::try_system().unwrap_or(TimeZone::UTC)))
    }

    pub(crate) fn of(rules: TimeZone) -> Zone {
        Zone {
            rules,
            offset: 0,
            valid: (Wall(0), Wall(0)),
            second: None,
            date: String::new(),
            suffix: String::new(),
        }
    }

    /// RFC 3339 with microseconds: `2026-11-22T23:24:51.123456+08:00`, `Z` for UTC.
    pub fn text(&mut self, time: Wall) -> String {
        let mut text = String::with_capacity(40);
        self.push_text(time, &mut text);
        text
    }

    fn push_text(&mut self, time: Wall, text: &mut String) {
        if self.second != Some(time.second()) {
            self.begin_second(time);
        }
        let micros = time.0.rem_euclid(1_000_000);
        let _ = write!(text, "{}.{micros:06}{}", self.date, self.suffix);
    }

    fn begin_second(&mut self, time: Wall) {
        let offset = self.offset_at(time);
        let local = Wall(time.0.saturating_add(i64::from(offset) * 1_000_000));
        self.second = Some(time.second());
        self.date.clear();
        self.suffix.clear();
        let _ = write!(self.date, "{}", civil(local).strftime("%Y-%m-%dT%H:%M:%S"));
        if self.rules == TimeZone::UTC {
            self.suffix.push('Z');
        } else {
            let (sign, minutes) = (
                if offset < 0 { '-' } else { '+' },
                offset.unsigned_abs() / 60,
            );
            let _ = write!(self.suffix, "{sign}{:02}:{:02}", minutes / 60, minutes % 60);
        }
    }

    /// Seconds east of UTC at this time.
    fn offset_at(&mut self, time: Wall) -> i32 {
        if time < self.valid.0 || time >= self.valid.1 {
            let at = time.timestamp();
            self.offset = self.rules.to_offset(at).seconds();
            let next = self.rules.following(at).next();
            let until = next.map(|change| Wall(change.timestamp().as_microsecond()));
            self.valid = (
                time,
                until.unwrap_or_else(|| time.plus(Duration::from_hours(24))),
            );
        }
        self.offset
    }

    /// The first time strictly after `time` at which a file is to be rotated. A local time that a change of season
    /// leaves out counts as the moment the clock would have shown it; one that occurs twice counts once.
    pub fn next(&mut self, at: RotateAt, time: Wall) -> Wall {
        match at {
            RotateAt::Hourly { minute } => self.next_hourly(minute, time),
            RotateAt::Daily { hour, minute } => self.next_day(hour, minute, None, time),
            RotateAt::Weekly {
                weekday,
                hour,
                minute,
            } => {
                let weekday = i8::try_from(weekday)
                    .ok()
                    .and_then(|day| Weekday::from_monday_one_offset(day).ok())
                    .unwrap_or(Weekday::Monday);
                self.next_day(hour, minute, Some(weekday), time)
            }
        }
    }

    fn next_hourly(&mut self, minute: u8, time: Wall) -> Wall {
        const HOUR: i64 = 3_600_000_000;
        let wanted = i64::from(minute % 60) * 60_000_000;
        let candidate = |offset: i32| {
            let phase = wanted - i64::from(offset) * 1_000_000;
            let hours = (time.0.saturating_sub(phase)).div_euclid(HOUR) + 1;
            Wall(hours.saturating_mul(HOUR).saturating_add(phase))
        };
        let first = candidate(self.offset_at(time));
        // Past a change by less than an hour (Lord Howe) the minute lies elsewhere.
        candidate(self.offset_at(first))
    }

    fn next_day(&mut self, hour: u8, minute: u8, weekday: Option<Weekday>, time: Wall) -> Wall {
        let clock = Time::new(
            i8::try_from(hour % 24).unwrap_or(0),
            i8::try_from(minute % 60).unwrap_or(0),
            0,
            0,
        )
        .unwrap_or(Time::midnight());
        let mut day = self.rules.to_datetime(time.timestamp()).date();
        // Eight days hold one of each weekday after now.
        for _ in 0..9 {
            if weekday.is_none_or(|wanted| day.weekday() == wanted) {
                let zoned = self.rules.to_zoned(DateTime::from_parts(day, clock));
                if let Ok(found) = zoned.map(|zoned| Wall(zoned.timestamp().as_microsecond()))
                    && found > time
                {
                    return found;
                }
            }
            let Ok(tomorrow) = day.tomorrow() else {
                break;
            };
            day = tomorrow;
        }
        Wall(i64::MAX)
    }
}

/// Writes what stands before a line; nothing for `Timestamps::None`.
pub(crate) fn stamp(kind: Timestamps, zone: &mut Zone, time: Wall) -> String {
    let mut text = String::new();
    match kind {
        Timestamps::None => return text,
        Timestamps::Utc => text = time.to_utc_text(),
        Timestamps::Local => zone.push_text(time, &mut text),
    }
    text.push(' ');
    text
}

/// `20261122T152451.123Z`: UTC, sorts as text, legal in file names everywhere.
pub(crate) fn name_stamp(time: Wall) -> String {
    let millis = time.0.rem_euclid(1_000_000) / 1000;
    format!("{}.{millis:03}Z", civil(time).strftime("%Y%m%dT%H%M%S"))
}

/// The time a `name_stamp` says; `None` for any other text.
pub(crate) fn parse_name_stamp(text: &str) -> Option<Wall> {
    let bytes = text.as_bytes();
    let shaped = bytes.len() == 20
        && bytes.iter().enumerate().all(|(at, byte)| match at {
            8 => *byte == b'T',
            15 => *byte == b'.',
            19 => *byte == b'Z',
            _ => byte.is_ascii_digit(),
        });
    if !shaped {
        return None;
    }
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i16>().ok();
    let small = |from: usize, to: usize| i8::try_from(number(from, to)?).ok();
    let date = DateTime::new(
        number(0, 4)?,
        small(4, 6)?,
        small(6, 8)?,
        small(9, 11)?,
        small(11, 13)?,
        small(13, 15)?,
        i32::from(number(16, 19)?) * 1_000_000,
    )
    .ok()?;
    let zoned = TimeZone::UTC.to_timestamp(date).ok()?;
    Some(Wall(zoned.as_microsecond()))
}

fn civil(time: Wall) -> DateTime {
    TimeZone::UTC.to_datetime(time.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wall(text: &str) -> Wall {
        Wall(text.parse::<Timestamp>().unwrap().as_microsecond())
    }

    fn zone(name: &str) -> Zone {
        Zone::of(TimeZone::posix(name).unwrap())
    }

    #[test]
    fn text_is_rfc_3339_with_microseconds() {
        let time = wall("2026-11-22T15:24:51.123456Z");
        assert_eq!(time.to_utc_text(), "2026-11-22T15:24:51.123456Z");
        assert_eq!(zone("CST-8").text(time), "2026-11-22T23:24:51.123456+08:00");
        assert_eq!(
            zone("NST3:30").text(time),
            "2026-11-22T11:54:51.123456-03:30"
        );
    }

    #[test]
    fn text_follows_the_change_of_season() {
        let mut berlin = zone("CET-1CEST,M3.5.0,M10.5.0/3");
        let before = berlin.text(wall("2026-10-25T00:59:59.999999Z"));
        let after = berlin.text(wall("2026-10-25T01:00:00Z"));
        assert_eq!(before, "2026-10-25T02:59:59.999999+02:00");
        assert_eq!(after, "2026-10-25T02:00:00.000000+01:00");
        assert_eq!(
            berlin.text(wall("2026-07-01T00:00:00Z")),
            "2026-07-01T02:00:00.000000+02:00"
        );
    }

    #[test]
    fn name_stamps_round_trip_and_sort() {
        let early = wall("2026-11-22T15:24:51.123Z");
        let late = wall("2026-11-22T15:24:51.124Z");
        assert_eq!(name_stamp(early), "20261122T152451.123Z");
        assert_eq!(parse_name_stamp(&name_stamp(early)), Some(early));
        assert!(name_stamp(early) < name_stamp(late));
        for wrong in [
            "",
            "20261122T152451.123",
            "20261322T152451.123Z",
            "2026112xT152451.123Z",
            "é0261122T152451.123Z",
        ] {
            assert_eq!(parse_name_stamp(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn rotation_times_are_strictly_after_and_local() {
        let mut zone = zone("CST-8");
        let daily = RotateAt::Daily {
            hour: 0,
            minute: 30,
        };
        let midnight = wall("2026-11-22T16:30:00Z");
        assert_eq!(
            zone.next(daily, wall("2026-11-22T16:29:59.999999Z")),
            midnight
        );
        assert_eq!(zone.next(daily, midnight), wall("2026-11-23T16:30:00Z"));
        let hourly = RotateAt::Hourly { minute: 5 };
        assert_eq!(zone.next(hourly, midnight), wall("2026-11-22T17:05:00Z"));
        assert_eq!(
            zone.next(hourly, wall("2026-11-22T17:05:00Z")),
            wall("2026-11-22T18:05:00Z")
        );
        let sunday = RotateAt::Weekly {
            weekday: 7,
            hour: 3,
            minute: 0,
        };
        assert_eq!(zone.next(sunday, midnight), wall("2026-11-28T19:00:00Z"));
        assert_eq!(
            zone.next(sunday, wall("2026-11-28T19:00:00Z")),
            wall("2026-12-05T19:00:00Z")
        );
    }

    #[test]
    fn a_local_time_left_out_or_doubled_rotates_once() {
        let mut berlin = zone("CET-1CEST,M3.5.0,M10.5.0/3");
        let at = RotateAt::Daily {
            hour: 2,
            minute: 30,
        };
        let spring = berlin.next(at, wall("2026-03-28T12:00:00Z"));
        assert_eq!(spring, wall("2026-03-29T01:30:00Z"));
        assert_eq!(berlin.next(at, spring), wall("2026-03-30T00:30:00Z"));
        let autumn = berlin.next(at, wall("2026-10-24T12:00:00Z"));
        assert_eq!(autumn, wall("2026-10-25T00:30:00Z"));
        assert_eq!(berlin.next(at, autumn), wall("2026-10-26T01:30:00Z"));
    }

    #[test]
    fn any_time_has_a_text_and_a_next() {
        let mut zone = Zone::utc();
        for micros in [i64::MIN, -1, 0, 1, i64::MAX] {
            assert!(!zone.text(Wall(micros)).is_empty());
            assert!(!name_stamp(Wall(micros)).is_empty());
            for at in [
                RotateAt::Hourly { minute: 99 },
                RotateAt::Daily {
                    hour: 99,
                    minute: 99,
                },
                RotateAt::Weekly {
                    weekday: 99,
                    hour: 0,
                    minute: 0,
                },
            ] {
                assert!(zone.next(at, Wall(micros)) > Wall(micros) || micros > 1);
            }
        }
    }
}
