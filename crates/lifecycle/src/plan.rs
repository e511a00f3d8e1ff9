//! Which stage may run until when: the arithmetic of a stop, and nothing else.
//!
//! `deadline(i) = min(start_i + max_i, T − Σ reserve_j for j > i)`. Unused time flows on to later stages, and no overrun
//! can eat what a later stage keeps in reserve. All times count from the stop request; no clock is read here.

use std::time::Duration;

use crate::{Stage, StageTimes};

/// The share of `T` that reserves may claim before they are scaled down, in percent.
const RESERVE_SHARE: u32 = 80;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StopPlan {
    stages: Vec<(Stage, StageTimes)>,
    total: Duration,
    lame_duck: Duration,
}

impl StopPlan {
    /// Plans `stages` (in order) into `total`. When the reserves do not fit into four fifths of it they are scaled to
    /// fit and the lame duck is dropped: whoever gives us so little time is not waiting for a balancer.
    pub(crate) fn new(
        mut stages: Vec<(Stage, StageTimes)>,
        total: Duration,
        lame_duck: Duration,
    ) -> Self {
        stages.sort_by_key(|(stage, _)| *stage);
        let share = total * RESERVE_SHARE / 100;
        let kept: Duration = stages.iter().map(|(_, times)| times.reserve).sum();
        let tight = kept > share;
        if tight {
            let factor = share.as_secs_f64() / kept.as_secs_f64();
            for (_, times) in &mut stages {
                times.reserve = times.reserve.mul_f64(factor);
            }
        }
        Self {
            stages,
            total,
            lame_duck: if tight { Duration::ZERO } else { lame_duck },
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.stages.len()
    }

    pub(crate) fn stage(&self, index: usize) -> Stage {
        self.stages[index].0
    }

    /// The moment everything is over, whatever happens.
    pub(crate) fn total(&self) -> Duration {
        self.total
    }

    /// How long the lame duck lasts, even with nothing left to do.
    pub(crate) fn lame_duck(&self) -> Duration {
        self.lame_duck
    }

    /// When stage `index`, begun at `start`, is cut.
    pub(crate) fn deadline(&self, index: usize, start: Duration) -> Duration {
        let (stage, times) = self.stages[index];
        // Components of that stage have its time even where nobody waits for a balancer.
        let max = if stage == Stage::LAME_DUCK {
            times.max.max(self.lame_duck)
        } else {
            times.max
        };
        let later: Duration = self.stages[index + 1..]
            .iter()
            .map(|(_, times)| times.reserve)
            .sum();
        (start + max)
            .min(self.total.saturating_sub(later))
            .max(start)
    }

    /// The platform granted more time because work progressed.
    pub(crate) fn extend(&mut self, by: Duration) {
        self.total += by;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(total_ms: u64) -> StopPlan {
        let stages = Stage::ALL
            .iter()
            .map(|stage| (*stage, stage.times()))
            .collect();
        StopPlan::new(
            stages,
            Duration::from_millis(total_ms),
            Duration::from_secs(10),
        )
    }

    /// Runs the stages, each needing `needs` ms (`None` = for ever), and returns when each ended, in ms.
    fn ends(plan: &StopPlan, needs: [Option<u64>; 8]) -> Vec<u64> {
        let mut now = Duration::ZERO;
        let mut ends = Vec::new();
        for (index, need) in needs.iter().enumerate() {
            let need = if plan.stage(index) == Stage::LAME_DUCK {
                need.map(|_| plan.lame_duck().as_millis().try_into().unwrap())
            } else {
                *need
            };
            let wanted = need.map_or(Duration::MAX, |ms| now + Duration::from_millis(ms));
            now = wanted.min(plan.deadline(index, now));
            ends.push(u64::try_from((now + Duration::from_micros(500)).as_millis()).unwrap());
        }
        ends
    }

    const NORMAL: [Option<u64>; 8] = [
        Some(5),
        Some(0),
        Some(50),
        Some(300),
        Some(20),
        Some(30),
        Some(40),
        Some(20),
    ];

    #[test]
    fn a_normal_stop_waits_for_nothing_but_the_lame_duck() {
        assert_eq!(
            ends(&plan(28_000), NORMAL),
            [5, 10_005, 10_055, 10_355, 10_375, 10_405, 10_445, 10_465]
        );
    }

    #[test]
    fn a_hanging_drain_leaves_every_later_stage_its_reserve() {
        let mut needs = NORMAL;
        needs[3] = None;
        assert_eq!(ends(&plan(28_000), needs)[3], 24_800);
    }

    #[test]
    fn when_all_hang_the_last_stage_ends_exactly_at_the_total() {
        assert_eq!(
            ends(&plan(28_000), [None; 8]),
            [
                1_000, 11_000, 13_000, 24_800, 25_800, 26_300, 27_300, 28_000
            ]
        );
    }

    #[test]
    fn a_console_close_scales_reserves_and_drops_the_lame_duck() {
        let mut needs = NORMAL;
        needs[3] = None;
        needs[4] = None;
        let ends = ends(&plan(4_500), needs);
        assert_eq!(&ends[..5], [5, 5, 55, 2_405, 3_060]);
    }

    #[test]
    fn no_total_however_small_is_overrun() {
        for total in [0, 1, 10, 500, 4_500, 6_875, 6_876, 30_000] {
            assert_eq!(
                ends(&plan(total), [None; 8]).last(),
                Some(&total),
                "T = {total}"
            );
        }
    }

    #[test]
    fn custom_stages_take_their_place_by_number() {
        let mid = Stage::at(350);
        let stages = vec![
            (Stage::STORES, Stage::STORES.times()),
            (mid, mid.times()),
            (Stage::DRAIN, Stage::DRAIN.times()),
        ];
        let plan = StopPlan::new(stages, Duration::from_secs(28), Duration::ZERO);
        assert_eq!(
            (0..plan.len())
                .map(|i| plan.stage(i).number())
                .collect::<Vec<_>>(),
            [300, 350, 600]
        );
    }
}
