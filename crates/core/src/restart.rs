//! Whether an ended run is followed by another, and after how long. Pure functions of the spec and of what happened.

use serde::{Deserialize, Serialize};

use crate::because::is_clean_signal;
use crate::quantity::{Duration, End, ExitCode, Instant};
use crate::spec::{ExitAction, ExitSet, Growth, Kind, Restart, RestartWhen, Spec, StartLimit};

/// How a run came out, in the columns of systemd's table for `Restart=` (systemd.service(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// An operator, or the ruling of another service, ended it.
    Wanted,
    Clean(Option<End>),
    /// An exit code that is no success.
    Unclean(End),
    /// A signal, with or without a core dump, that is no success.
    Signalled(End),
    /// Not ready, not stopped or not finished in time.
    Timeout,
    Watchdog,
    /// Could not be executed, broke the protocol, failed its health probe: failure and abnormal at once.
    Broken,
    /// A condition did not hold.
    Skipped,
}

impl Outcome {
    pub(crate) fn is_clean(self) -> bool {
        matches!(self, Outcome::Clean(_))
    }

    /// For an end that, clean in itself, came when none was due.
    pub(crate) fn never_clean(self) -> Outcome {
        if self.is_clean() {
            Outcome::Broken
        } else {
            self
        }
    }
}

/// What follows an ended run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    Restart,
    Stopped,
    Failed,
    /// *failed*, and the engine ends with this code.
    Shutdown(u32),
}

/// What the end of the main process means for this service.
pub fn outcome_of(spec: &Spec, end: End) -> Outcome {
    match end {
        _ if contains(&spec.exit.success, end) => Outcome::Clean(Some(end)),
        End::Code(ExitCode(0)) | End::Unknown => Outcome::Clean(Some(end)),
        End::Code(ExitCode::CTRL_C) if spec.kind != Kind::Oneshot => Outcome::Clean(Some(end)),
        End::Code(code) if code.is_crash() => Outcome::Signalled(end),
        End::Code(_) | End::Unattended => Outcome::Unclean(end),
        End::Signal {
            signal,
            core_dumped: false,
        } if spec.kind != Kind::Oneshot && is_clean_signal(signal) => Outcome::Clean(Some(end)),
        End::Signal { .. } => Outcome::Signalled(end),
    }
}

/// What follows an ended run that nobody asked to end.
pub fn next(spec: &Spec, outcome: Outcome) -> Next {
    let end = match outcome {
        Outcome::Clean(end) => end,
        Outcome::Unclean(end) | Outcome::Signalled(end) => Some(end),
        Outcome::Wanted | Outcome::Skipped => return Next::Stopped,
        Outcome::Timeout | Outcome::Watchdog | Outcome::Broken => None,
    };
    if let Some(action) = action_for(spec, end) {
        return action;
    }
    let otherwise = if outcome.is_clean() {
        Next::Stopped
    } else {
        Next::Failed
    };
    if end.is_some_and(|end| contains(&spec.exit.prevent_restart, end)) {
        return otherwise;
    }
    let forced = end.is_some_and(|end| contains(&spec.exit.force_restart, end));
    let clean_oneshot = spec.kind == Kind::Oneshot && outcome.is_clean();
    if (forced && !clean_oneshot) || restarts(spec.restart.when, outcome) {
        Next::Restart
    } else {
        otherwise
    }
}

fn action_for(spec: &Spec, end: Option<End>) -> Option<Next> {
    let Some(End::Code(code)) = end else {
        return None;
    };
    let (_, action) = spec
        .exit
        .actions
        .iter()
        .find(|(for_code, _)| *for_code == code)?;
    Some(match action {
        ExitAction::Restart => Next::Restart,
        ExitAction::Stop => Next::Stopped,
        ExitAction::Fail => Next::Failed,
        ExitAction::Shutdown => Next::Shutdown(code.0),
    })
}

/// The table of systemd.service(5), `Restart=`.
fn restarts(when: RestartWhen, outcome: Outcome) -> bool {
    match outcome {
        Outcome::Wanted | Outcome::Skipped => false,
        Outcome::Clean(_) => matches!(when, RestartWhen::Always | RestartWhen::OnSuccess),
        Outcome::Unclean(_) => matches!(when, RestartWhen::Always | RestartWhen::OnFailure),
        Outcome::Signalled(_) => {
            matches!(
                when,
                RestartWhen::Always
                    | RestartWhen::OnFailure
                    | RestartWhen::OnAbnormal
                    | RestartWhen::OnAbort
            )
        }
        Outcome::Timeout | Outcome::Broken => {
            matches!(
                when,
                RestartWhen::Always | RestartWhen::OnFailure | RestartWhen::OnAbnormal
            )
        }
        Outcome::Watchdog => matches!(
            when,
            RestartWhen::Always
                | RestartWhen::OnFailure
                | RestartWhen::OnAbnormal
                | RestartWhen::OnWatchdog
        ),
    }
}

fn contains(set: &ExitSet, end: End) -> bool {
    match end {
        End::Code(code) => set.codes.contains(&code),
        End::Signal { signal, .. } => set.signals.contains(&signal),
        End::Unknown | End::Unattended => false,
    }
}

/// The wait before restart number `count` (1 is the first), varied by `chance`.
pub fn delay(policy: &Restart, count: u32, chance: u64) -> Duration {
    let plain = match policy.growth {
        Growth::None => policy.delay,
        Growth::Factor { permille, max } => {
            grown(policy.delay, permille, count.saturating_sub(1), max)
        }
        Growth::Steps { steps, max } => stepped(policy.delay, count, steps, max),
    };
    vary(plain, policy.jitter, chance)
}

fn grown(first: Duration, permille: u32, times: u32, max: Duration) -> Duration {
    let max = max.max(first);
    let mut nanos = first.as_nanos();
    // Once the maximum is reached it stays there, so that the loop is as short as the growth.
    for _ in 0..times {
        if nanos >= max.as_nanos() || permille <= 1000 {
            break;
        }
        nanos = nanos * u128::from(permille) / 1000;
    }
    Duration::from_nanos(u64::try_from(nanos.min(max.as_nanos())).unwrap_or(u64::MAX))
}

/// systemd.service(5), `RestartSteps=`: the first wait is the delay, after `steps` more it is the maximum, geometric
/// in between. Found by bisection of the per-step factor, for there is no floating-point power without a library.
fn stepped(first: Duration, count: u32, steps: u32, max: Duration) -> Duration {
    if count <= 1 || max <= first || steps == 0 {
        return first;
    }
    if count > steps {
        return max;
    }
    let from = first.as_micros().max(1);
    let to = max.as_micros();
    // The value v with v^steps = from^(steps-k) * to^k, by bisection over exact comparisons in logarithms.
    let exponent = u64::from(count - 1);
    let target = log2(from) + (log2(to) - log2(from)) * exponent / u64::from(steps);
    let (mut low, mut high) = (from, to);
    while low + 1 < high {
        let middle = low.midpoint(high);
        if log2(middle) <= target {
            low = middle
        } else {
            high = middle
        }
    }
    Duration::from_micros(u64::try_from(low).unwrap_or(u64::MAX))
}

/// Binary logarithm in units of 2^-32.
fn log2(value: u128) -> u64 {
    let whole = u64::from(127 - value.max(1).leading_zeros());
    // Mantissa in [1, 2) with 62 fraction bits; squaring it yields one bit of the logarithm at a time.
    let mut mantissa = if whole <= 62 {
        value.max(1) << (62 - whole)
    } else {
        value >> (whole - 62)
    };
    let mut fraction = 0u64;
    for _ in 0..32 {
        mantissa = (mantissa * mantissa) >> 62;
        fraction <<= 1;
        if mantissa >= 1 << 63 {
            mantissa >>= 1;
            fraction |= 1;
        }
    }
    (whole << 32) | fraction
}

/// Up or down by at most `percent` per cent.
fn vary(plain: Duration, percent: u8, chance: u64) -> Duration {
    let nanos = plain.as_nanos();
    let span = nanos * u128::from(percent.min(100)) / 100;
    if span == 0 {
        return plain;
    }
    let varied = nanos - span + u128::from(chance) % (2 * span + 1);
    Duration::from_nanos(u64::try_from(varied).unwrap_or(u64::MAX))
}

/// The starts that count against the limit.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Starts {
    at: alloc::vec::Vec<Instant>,
}

impl Starts {
    /// Counts a start at `now` unless it would be one too many; the list never grows past the limit.
    pub fn allow(&mut self, limit: StartLimit, now: Instant) -> bool {
        self.at.retain(|start| now.since(*start) < limit.window);
        if self.at.len() >= limit.starts as usize {
            return false;
        }
        self.at.push(now);
        true
    }

    /// How long ago the starts were, none counted as longer ago than `most`.
    #[cfg(test)]
    pub(crate) fn ages(&self, now: Instant, most: Duration) -> alloc::vec::Vec<Duration> {
        let ages = self.at.iter().map(|at| now.since(*at));
        ages.map(|age| age.min(most)).collect()
    }

    pub fn forget(&mut self) {
        self.at = alloc::vec::Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Signal;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn policy(growth: Growth) -> Restart {
        Restart {
            delay: MS(100),
            growth,
            jitter: 0,
            ..Restart::default()
        }
    }

    #[test]
    fn the_table_of_restart_causes_is_systemds() {
        use RestartWhen::*;
        let code = Outcome::Unclean(End::Code(ExitCode(3)));
        let abort = Outcome::Signalled(End::Signal {
            signal: Signal::SEGV,
            core_dumped: true,
        });
        let clean = Outcome::Clean(None);
        let columns = [clean, code, abort, Outcome::Timeout, Outcome::Watchdog];
        let table = [
            (Never, [false, false, false, false, false]),
            (OnSuccess, [true, false, false, false, false]),
            (OnFailure, [false, true, true, true, true]),
            (OnAbnormal, [false, false, true, true, true]),
            (OnAbort, [false, false, true, false, false]),
            (OnWatchdog, [false, false, false, false, true]),
            (Always, [true, true, true, true, true]),
        ];
        for (when, row) in table {
            assert_eq!(
                columns.map(|outcome| restarts(when, outcome)),
                row,
                "{when:?}"
            );
            assert!(!restarts(when, Outcome::Wanted) && !restarts(when, Outcome::Skipped));
        }
    }

    #[test]
    fn a_factor_grows_to_the_maximum_and_stays() {
        let policy = policy(Growth::Factor {
            permille: 2000,
            max: MS(1000),
        });
        let waits = [1, 2, 3, 4, 5, 6, 4_000_000_000].map(|count| delay(&policy, count, 0));
        assert_eq!(
            waits,
            [
                MS(100),
                MS(200),
                MS(400),
                MS(800),
                MS(1000),
                MS(1000),
                MS(1000)
            ]
        );
    }

    #[test]
    fn steps_reach_the_maximum_geometrically() {
        let policy = policy(Growth::Steps {
            steps: 4,
            max: MS(1600),
        });
        let waits = [1, 2, 3, 4, 5, 6].map(|count| delay(&policy, count, 0).as_millis());
        // 100 ms to 1600 ms in 4 steps doubles each time; bisection may sit a microsecond below.
        for (wait, expected) in waits.into_iter().zip([100, 200, 400, 800, 1600, 1600]) {
            assert!(expected - wait <= 1, "{wait} for {expected}");
        }
    }

    #[test]
    fn steps_to_no_more_than_the_delay_are_no_steps() {
        let policy = policy(Growth::Steps {
            steps: 4,
            max: MS(50),
        });
        assert_eq!(
            [1, 3, 9].map(|count| delay(&policy, count, 0)),
            [MS(100); 3]
        );
    }

    #[test]
    fn chance_varies_a_delay_by_no_more_than_the_jitter() {
        let policy = Restart {
            jitter: 10,
            ..policy(Growth::None)
        };
        for chance in [0, 1, 12_345_678_901, u64::MAX] {
            let wait = delay(&policy, 1, chance);
            assert!((MS(90)..=MS(110)).contains(&wait), "{wait:?}");
        }
    }

    #[test]
    fn the_start_limit_lets_starts_through_again_when_the_window_has_moved_on() {
        let limit = StartLimit {
            starts: 2,
            window: MS(1000),
        };
        let mut starts = Starts::default();
        let at = |ms| Instant::ORIGIN + MS(ms);
        assert!(starts.allow(limit, at(0)) && starts.allow(limit, at(500)));
        assert!(!starts.allow(limit, at(999)));
        assert!(starts.allow(limit, at(1000)));
    }

    #[test]
    fn on_windows_a_crash_is_abnormal_and_ctrl_c_is_as_clean_as_its_signal() {
        let spec = Spec::new("x");
        let outcome = |code| outcome_of(&spec, End::Code(ExitCode(code)));
        let end = |code| End::Code(ExitCode(code));
        for crash in [0xc000_0005, 0xc000_0409, 0x8000_0003, 0x4000_0015] {
            assert_eq!(outcome(crash), Outcome::Signalled(end(crash)), "{crash:#x}");
        }
        for plain in [1, 255, 0x7fff_ffff, u32::MAX] {
            assert_eq!(outcome(plain), Outcome::Unclean(end(plain)), "{plain:#x}");
        }
        let asked = End::Code(ExitCode::CTRL_C);
        assert_eq!(outcome_of(&spec, asked), Outcome::Clean(Some(asked)));
    }

    #[test]
    fn a_clean_signal_is_no_success_for_a_oneshot() {
        let end = End::Signal {
            signal: Signal::TERM,
            core_dumped: false,
        };
        let mut spec = Spec::new("x");
        assert_eq!(outcome_of(&spec, end), Outcome::Clean(Some(end)));
        spec.kind = Kind::Oneshot;
        assert_eq!(outcome_of(&spec, end), Outcome::Signalled(end));
    }
}
