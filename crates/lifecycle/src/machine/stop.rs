//! The way down: stage after stage, everything within a stage in parallel except declared `after` pairs, each with its
//! deadline. Nothing skips a later stage. `ask.rs` holds what begins and shortens it, `hurry.rs` what hastens or extends it.

use std::time::{Duration, Instant};

use super::{Action, Ending, Level, Machine, Outcome, Phase, State};
use crate::Stage;
use crate::cause::Cause;
use crate::part::PartId;
use crate::plan::StopPlan;

/// A stage may be silent this long before we say what it waits for, and then each second.
const SAY_AFTER: Duration = Duration::from_secs(2);
const SAY_EVERY: Duration = Duration::from_secs(1);
/// One stage as it went.
#[derive(Debug, Clone)]
pub(crate) struct StageRun {
    pub(crate) stage: Stage,
    pub(crate) begun: Instant,
    pub(crate) ended: Option<Instant>,
    pub(crate) deadline: Instant,
    pub(crate) cut: bool,
}

/// A stop under way.
#[derive(Debug)]
pub(crate) struct Stop {
    pub(crate) cause: Cause,
    pub(crate) asked: Instant,
    pub(crate) stages: Vec<StageRun>,
    pub(crate) extended: Duration,
    pub(crate) within: Duration,
    pub(crate) forced: bool,
    pub(crate) stalled: bool,
    plan: StopPlan,
    /// What the plan counts from; a force starts it anew.
    origin: Instant,
    index: usize,
    deadline: Instant,
    /// The lame duck lasts until here, even when nothing is left to do.
    duck_until: Option<Instant>,
    pub(super) hurry_at: Option<Instant>,
    say_at: Instant,
    pub(super) last_ask: Instant,
    pub(super) extended_at: Option<Instant>,
}

impl Stop {
    /// A stop that was asked for now and follows `plan`; its first stage has begun.
    pub(super) fn new(cause: Cause, plan: StopPlan, now: Instant) -> Self {
        let mut stop = Self {
            cause,
            asked: now,
            stages: Vec::new(),
            extended: Duration::ZERO,
            within: plan.total(),
            forced: false,
            stalled: false,
            plan,
            origin: now,
            index: 0,
            deadline: now,
            duck_until: None,
            hurry_at: None,
            say_at: now,
            last_ask: now,
            extended_at: None,
        };
        stop.begin_stage(now);
        stop
    }

    /// Ends the current stage now and gives what is left to do `total` in all.
    pub(super) fn shorten(&mut self, total: Duration, now: Instant) {
        let left = (self.index..self.plan.len())
            .map(|index| (self.plan.stage(index), self.plan.stage(index).times()))
            .collect();
        self.plan = StopPlan::new(left, total, Duration::ZERO);
        self.origin = now;
        self.index = 0;
        self.deadline = now;
        self.duck_until = None;
    }

    /// Moves this stage's end, and that of all, by `step`.
    pub(super) fn extend(&mut self, step: Duration, now: Instant) {
        self.plan.extend(step);
        self.extended += step;
        self.extended_at = Some(now);
        self.deadline += step;
        self.hurry_at = self.hurry_at.map(|at| at + step);
    }

    pub(super) fn wakes_at(&self) -> Instant {
        let hurry = self.hurry_at.unwrap_or(self.deadline);
        let duck = self.duck_until.unwrap_or(self.deadline);
        self.deadline.min(hurry).min(self.say_at).min(duck)
    }

    pub(crate) fn stage(&self) -> Stage {
        self.plan.stage(self.index)
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The end of all stages, as planned now.
    pub(crate) fn end(&self) -> Instant {
        self.origin + self.plan.total()
    }

    fn begin_stage(&mut self, now: Instant) {
        self.deadline = self.origin
            + self
                .plan
                .deadline(self.index, now.saturating_duration_since(self.origin));
        let duck = (self.stage() == Stage::LAME_DUCK).then(|| self.plan.lame_duck());
        self.duck_until = duck.map(|duck| self.deadline.min(now + duck));
        let fifth = self.deadline.saturating_duration_since(now) / 5;
        self.hurry_at = Some(self.deadline - fifth);
        self.say_at = now + SAY_AFTER;
        let (stage, deadline) = (self.stage(), self.deadline);
        self.stages.push(StageRun {
            stage,
            begun: now,
            ended: None,
            deadline,
            cut: false,
        });
    }
}

/// The outcome of a component that ended while `level` had been reached.
pub(super) fn outcome(ending: &Ending, level: Level) -> Outcome {
    match (ending, level) {
        (Ending::Panicked(_), _) => Outcome::Panicked,
        (_, Level::Abort) | (Ending::Dropped, _) => Outcome::Aborted,
        (Ending::Failed(_), _) => Outcome::Failed,
        (Ending::Done, Level::Hurry) => Outcome::Late,
        (Ending::Done, Level::Run | Level::Stop) => Outcome::Closed,
    }
}

impl Machine {
    pub(super) fn stop_ended(
        &mut self,
        id: PartId,
        level: Level,
        ending: &Ending,
        now: Instant,
        out: &mut Vec<Action>,
    ) {
        self.over(id, outcome(ending, level));
        match ending {
            Ending::Failed(why) => self.failed(id, super::Fault::Failed, why.clone(), now, out),
            Ending::Panicked(why) => self.failed(id, super::Fault::Panicked, why.clone(), now, out),
            Ending::Done | Ending::Dropped => {}
        }
    }

    /// It came up although the stop had begun: if its turn is now or past, it is told at once.
    pub(super) fn late_arrival(&mut self, id: PartId, now: Instant, out: &mut Vec<Action>) {
        let Phase::Stopping(stop) = &self.phase else {
            return;
        };
        let (stage, until) = (stop.stage(), stop.deadline);
        if self
            .parts
            .get(&id)
            .is_some_and(|entry| entry.part.stage <= stage)
        {
            self.tell_stop(id, until, now, out);
        }
    }

    fn tell_stop(&mut self, id: PartId, until: Instant, now: Instant, out: &mut Vec<Action>) {
        if let Some(entry) = self.parts.get_mut(&id) {
            let until = entry
                .part
                .close
                .map_or(until, |limit| until.min(now + limit));
            entry.told.get_or_insert(now);
            entry.state = State::Stopping {
                level: Level::Stop,
                until,
            };
            out.push(Action::Tell {
                id,
                level: Level::Stop,
                until,
            });
        }
    }

    /// Everything that is due in a stop: cut what is over its time, hurry, ask for more time, go on to the next stage.
    pub(super) fn stop_due(&mut self, now: Instant, out: &mut Vec<Action>) {
        loop {
            self.cut_overdue(now, out);
            self.hurry_or_extend(now, out);
            self.tell_current(now, out);
            let Phase::Stopping(stop) = &mut self.phase else {
                return;
            };
            let stage = stop.stage();
            let waiting = self
                .parts
                .values()
                .any(|entry| entry.part.stage == stage && !entry.gone());
            stop.duck_until = stop.duck_until.filter(|until| now < *until);
            let ducking = stop.duck_until.is_some();
            if now < stop.deadline && (waiting || ducking) {
                return self.say(now, out);
            }
            if waiting {
                self.cut_stage(stage, out);
            }
            if !self.next_stage(now, waiting, out) {
                return;
            }
        }
    }

    fn next_stage(&mut self, now: Instant, cut: bool, out: &mut Vec<Action>) -> bool {
        let Phase::Stopping(stop) = &mut self.phase else {
            return false;
        };
        if let Some(run) = stop.stages.last_mut() {
            run.ended = Some(now);
            run.cut = cut;
            run.deadline = stop.deadline;
        }
        if stop.index + 1 < stop.plan.len() {
            stop.index += 1;
            stop.begin_stage(now);
            out.push(Action::StageBegan {
                stage: stop.stage(),
                until: stop.deadline,
            });
            return true;
        }
        let code = self.exit_code();
        if let Phase::Stopping(stop) = std::mem::replace(&mut self.phase, Phase::Over) {
            self.record = Some(stop);
        }
        out.push(Action::Finish { code });
        false
    }

    fn exit_code(&self) -> u8 {
        let cut = self.parts.values().any(|entry| {
            matches!(
                entry.state,
                State::Cut | State::Over(Outcome::Aborted | Outcome::Leaked)
            )
        });
        match self.fault {
            _ if self.stop().is_some_and(|stop| stop.forced) => self.forced_code(),
            Some(super::Fault::Panicked) => 70,
            Some(super::Fault::NotStarted) => 75,
            Some(super::Fault::Failed) => 1,
            None if cut => 124,
            None => 0,
        }
    }

    fn cut_overdue(&mut self, now: Instant, out: &mut Vec<Action>) {
        for (id, entry) in &mut self.parts {
            if let State::Stopping { until, .. } = entry.state
                && now >= until
            {
                entry.state = State::Cut;
                out.push(Action::Tell {
                    id: *id,
                    level: Level::Abort,
                    until,
                });
            }
        }
    }

    fn cut_stage(&mut self, stage: Stage, out: &mut Vec<Action>) {
        let Phase::Stopping(stop) = &self.phase else {
            return;
        };
        for (id, entry) in &mut self.parts {
            if entry.part.stage == stage && !entry.gone() {
                entry.state = State::Cut;
                out.push(Action::Tell {
                    id: *id,
                    level: Level::Abort,
                    until: stop.deadline,
                });
            }
        }
    }

    /// Tells components of the current stage to stop, save those that something still alive comes after.
    fn tell_current(&mut self, now: Instant, out: &mut Vec<Action>) {
        let Phase::Stopping(stop) = &self.phase else {
            return;
        };
        let (stage, until) = (stop.stage(), stop.deadline);
        let held: Vec<PartId> = self
            .parts
            .values()
            .filter(|entry| entry.part.stage == stage && !entry.gone())
            .flat_map(|entry| entry.part.after.iter().copied())
            .collect();
        let due: Vec<PartId> = self
            .parts
            .iter()
            .filter(|(id, entry)| {
                entry.part.stage == stage
                    && !held.contains(id)
                    && matches!(entry.state, State::Up { .. })
            })
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            self.tell_stop(id, until, now, out);
        }
    }

    fn say(&mut self, now: Instant, out: &mut Vec<Action>) {
        let Phase::Stopping(stop) = &mut self.phase else {
            return;
        };
        if now < stop.say_at {
            return;
        }
        stop.say_at = now + SAY_EVERY;
        let stage = stop.stage();
        // A lame duck waits for the clock, not for anybody.
        if self
            .parts
            .values()
            .any(|entry| entry.part.stage == stage && !entry.gone())
        {
            out.push(Action::StillWaiting);
        }
    }
}
