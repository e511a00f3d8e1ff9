//! How often a service manager hears of us, and what: each change at once, and while something is under way a sign of
//! life every two seconds, numbered upwards. A manager that hears nothing for longer takes us for hung.

use std::time::Duration;

use aplomb_core::Instant;
use aplomb_engine::{Overview, Stage};

/// From one sign of life to the next.
const PERIOD: Duration = Duration::from_secs(2);
/// What a sign may be late on a busy machine.
const MARGIN: Duration = Duration::from_secs(3);

/// What is to be said now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) stage: Stage,
    /// Rises while the stage lasts; 0 where nothing is under way.
    pub(crate) checkpoint: u32,
    /// By when the next word comes, at the latest.
    pub(crate) hint: Duration,
}

/// What was said last, and when something is to be said again.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    said: Option<Word>,
    next: Option<Instant>,
}

impl Pace {
    /// What is to be said, if anything.
    pub(crate) fn look(&mut self, overview: Overview, now: Instant) -> Option<Word> {
        let stage = overview.stage;
        let same = self.said.filter(|word| word.stage == stage);
        if same.is_some() && self.next.is_none_or(|next| now < next) {
            return None;
        }
        let is_under_way = match stage {
            Stage::Starting | Stage::Pausing | Stage::Continuing | Stage::Stopping => true,
            Stage::Running | Stage::Paused => false,
        };
        let word = if is_under_way {
            self.next = Some(now + PERIOD);
            Word {
                stage,
                checkpoint: same.map_or(1, |word| word.checkpoint + 1),
                hint: PERIOD + MARGIN,
            }
        } else {
            self.next = None;
            Word {
                stage,
                checkpoint: 0,
                hint: Duration::ZERO,
            }
        };
        self.said = Some(word);
        Some(word)
    }

    /// When to look again, changed or not.
    pub(crate) fn wakes_at(&self) -> Option<Instant> {
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::ORIGIN + Duration::from_millis(millis)
    }

    fn seen(stage: Stage) -> Overview {
        Overview { stage, until: None }
    }

    #[test]
    fn what_is_under_way_is_told_every_two_seconds_with_a_rising_number() {
        let mut pace = Pace::default();
        let mut checkpoints = Vec::new();
        for millis in [0, 100, 1_999, 2_000, 2_001, 4_000, 9_000] {
            let word = pace.look(seen(Stage::Stopping), at(millis));
            checkpoints.extend(word.map(|word| (millis, word.checkpoint)));
        }
        assert_eq!(checkpoints, [(0, 1), (2_000, 2), (4_000, 3), (9_000, 4)]);
        assert_eq!(pace.wakes_at(), Some(at(11_000)));
    }

    #[test]
    fn a_change_is_told_at_once_and_what_stands_only_once() {
        let mut pace = Pace::default();
        let stages = [
            Stage::Starting,
            Stage::Running,
            Stage::Running,
            Stage::Pausing,
            Stage::Paused,
        ];
        let words = stages.map(|stage| pace.look(seen(stage), at(0)).map(|word| word.checkpoint));
        assert_eq!(words, [Some(1), Some(0), None, Some(1), Some(0)]);
        assert_eq!(pace.wakes_at(), None);
    }

    #[test]
    fn the_hint_reaches_past_the_next_word() {
        let mut pace = Pace::default();
        let word = pace.look(seen(Stage::Starting), at(0)).expect("a word");
        let next = pace.wakes_at().expect("another");
        assert!(at(0) + word.hint > next);
    }
}
