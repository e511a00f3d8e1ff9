//! The stages of a stop, in order, with their default times.
//!
//! A stage is a number, so that a program may put its own between ours, as Spring's phases and init's run levels do;
//! the eight we name carry times that were measured on real services. Start runs the other way round, but is ordered by
//! `after` alone: stages say nothing about it.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::Part;

/// When a component is stopped. Lower numbers stop first.
///
/// ```
/// use aplomb_lifecycle::Stage;
/// use Stage as S;
/// let in_order = [S::UNREADY, S::LAME_DUCK, S::INTAKE, S::DRAIN, S::WORKERS, S::EGRESS, S::STORES, S::TELEMETRY];
/// assert!(in_order.is_sorted());
/// assert_eq!(Stage::at(450).to_string(), "stage 450");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stage(u16);

impl Stage {
    /// Readiness turns off, heartbeats and registrations end. At most 1 s.
    pub const UNREADY: Self = Self(0);
    /// Still accepting and serving while balancers learn that we are unready. Lasts the lame-duck time, 10 s by default.
    pub const LAME_DUCK: Self = Self(100);
    /// No new work: listeners are drained and closed, consumers pause. At most 2 s.
    pub const INTAKE: Self = Self(200);
    /// Work in flight is finished. At most 20 s.
    pub const DRAIN: Self = Self(300);
    /// Background tasks and threads end. At most 10 s.
    pub const WORKERS: Self = Self(400);
    /// Producers flush, outgoing clients close. At most 8 s.
    pub const EGRESS: Self = Self(500);
    /// Caches and databases close. At most 10 s.
    pub const STORES: Self = Self(600);
    /// Metrics, traces and logs are flushed. At most 2 s.
    pub const TELEMETRY: Self = Self(700);

    pub(crate) const ALL: [Self; 8] = [
        Self::UNREADY,
        Self::LAME_DUCK,
        Self::INTAKE,
        Self::DRAIN,
        Self::WORKERS,
        Self::EGRESS,
        Self::STORES,
        Self::TELEMETRY,
    ];

    /// A stage of your own, between or beside the named ones. Its default times are those of [`StageTimes::CUSTOM`].
    ///
    /// ```
    /// use aplomb_lifecycle::Stage;
    /// let uploads = Stage::at(350); // after the requests, before the workers
    /// assert!(Stage::DRAIN < uploads && uploads < Stage::WORKERS);
    /// ```
    #[must_use]
    pub const fn at(number: u16) -> Self {
        Self(number)
    }

    /// The place in the order.
    ///
    /// ```
    /// assert_eq!(aplomb_lifecycle::Stage::WORKERS.number(), 400);
    /// ```
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }

    /// A component that is stopped in this stage.
    ///
    /// ```
    /// use aplomb_lifecycle::Stage;
    /// let part = Stage::WORKERS.part("sweeper").optional();
    /// # let _ = part;
    /// ```
    #[must_use]
    pub fn part(self, name: impl Into<String>) -> Part {
        Part::new(name.into(), self)
    }

    /// How people call it.
    ///
    /// ```
    /// assert_eq!(aplomb_lifecycle::Stage::LAME_DUCK.name(), "lame-duck");
    /// ```
    #[must_use]
    pub fn name(self) -> Cow<'static, str> {
        match self {
            Self::UNREADY => "unready".into(),
            Self::LAME_DUCK => "lame-duck".into(),
            Self::INTAKE => "intake".into(),
            Self::DRAIN => "drain".into(),
            Self::WORKERS => "workers".into(),
            Self::EGRESS => "egress".into(),
            Self::STORES => "stores".into(),
            Self::TELEMETRY => "telemetry".into(),
            Self(number) => format!("stage {number}").into(),
        }
    }

    /// The default times of this stage.
    ///
    /// ```
    /// use aplomb_lifecycle::{Stage, StageTimes};
    /// assert_eq!(Stage::DRAIN.times().max.as_secs(), 20);
    /// assert_eq!(Stage::at(350).times(), StageTimes::CUSTOM);
    /// ```
    #[must_use]
    pub const fn times(self) -> StageTimes {
        const fn ms(reserve: u64, max: u64) -> StageTimes {
            StageTimes {
                reserve: Duration::from_millis(reserve),
                max: Duration::from_millis(max),
            }
        }
        match self {
            Self::UNREADY => ms(100, 1_000),
            Self::LAME_DUCK => ms(0, 10_000),
            Self::INTAKE => ms(200, 2_000),
            Self::DRAIN => ms(2_000, 20_000),
            Self::WORKERS => ms(1_000, 10_000),
            Self::EGRESS => ms(500, 8_000),
            Self::STORES => ms(1_000, 10_000),
            Self::TELEMETRY => ms(700, 2_000),
            Self(_) => StageTimes::CUSTOM,
        }
    }
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name())
    }
}

impl Serialize for Stage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name())
    }
}

/// What a stage may use of the time of a stop.
///
/// ```
/// use std::time::Duration;
/// use aplomb_lifecycle::{Stage, StageTimes, app};
/// let longer = StageTimes { max: Duration::from_secs(60), ..Stage::EGRESS.times() };
/// let builder = app("mailer").grace(Duration::from_secs(90)).stage(Stage::EGRESS, longer);
/// # let _ = builder;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageTimes {
    /// Kept for this stage whatever earlier stages do.
    pub reserve: Duration,
    /// The longest this stage may take, even when nothing else needs the time.
    pub max: Duration,
}

impl StageTimes {
    /// The times of a stage made with [`Stage::at`]: 0.5 s kept, 5 s at most.
    pub const CUSTOM: Self = Self {
        reserve: Duration::from_millis(500),
        max: Duration::from_secs(5),
    };
}
