//! When four fifths of a stage are gone: more time where the platform grants it and work progresses, else haste.

use std::time::{Duration, Instant};

use super::{Action, Level, Machine, Phase, State};

/// One extension, all of them together, and how old progress may be to buy one.
const EXTEND_STEP: Duration = Duration::from_secs(5);
const EXTEND_CAP: Duration = Duration::from_secs(300);
const STALL: Duration = Duration::from_secs(10);

impl Machine {
    pub(super) fn hurry_or_extend(&mut self, now: Instant, out: &mut Vec<Action>) {
        let Phase::Stopping(stop) = &mut self.phase else {
            return;
        };
        if stop.hurry_at.is_none_or(|at| now < at) {
            return;
        }
        let stage = stop.stage();
        let fresh = self
            .parts
            .values()
            .filter(|entry| entry.part.stage == stage && !entry.gone())
            .filter_map(|entry| entry.progressed)
            .any(|at| at + STALL > now && stop.extended_at.is_none_or(|last| at > last));
        if fresh && self.settings.extends && !stop.forced && stop.extended < EXTEND_CAP {
            return self.extend(now, out);
        }
        stop.stalled = fresh && !self.settings.extends;
        stop.hurry_at = None;
        let deadline = stop.deadline();
        for (id, entry) in &mut self.parts {
            if entry.part.stage == stage && !entry.gone() {
                let until = match entry.state {
                    State::Stopping {
                        level: Level::Hurry,
                        ..
                    } => continue,
                    State::Stopping { until, .. } => until,
                    // Still held back by something that comes after it: it must get its chance to close.
                    State::Dormant
                    | State::Waiting { .. }
                    | State::Starting { .. }
                    | State::BackOff { .. } => deadline,
                    State::Up { .. } | State::Cut | State::Over(_) => deadline,
                };
                entry.told.get_or_insert(now);
                entry.state = State::Stopping {
                    level: Level::Hurry,
                    until,
                };
                out.push(Action::Tell {
                    id: *id,
                    level: Level::Hurry,
                    until,
                });
            }
        }
    }

    fn extend(&mut self, now: Instant, out: &mut Vec<Action>) {
        let margin = self.settings.kill_margin;
        let Phase::Stopping(stop) = &mut self.phase else {
            return;
        };
        stop.extend(EXTEND_STEP, now);
        out.push(Action::Extend {
            remaining: stop.end().saturating_duration_since(now) + margin,
        });
        for (id, entry) in &mut self.parts {
            if let State::Stopping { until, level } = &mut entry.state {
                *until += EXTEND_STEP;
                out.push(Action::Tell {
                    id: *id,
                    level: *level,
                    until: *until,
                });
            }
        }
    }
}
