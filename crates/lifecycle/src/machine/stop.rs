//! The way down: stage after stage, everything within a stage in parallel except declared `after` pairs, each with its
//! deadline; a second request escalates; progress may buy time where the platform grants it. Nothing skips a later stage.

use std::time::{Duration, Instant};

use super::{Action, Again, Ending, Level, Machine, Outcome, Phase, State};
use crate::Stage;
use crate::cause::{Ask, Cause, CauseKind, Urgency};
use crate::part::PartId;
use crate::plan::StopPlan;

/// Requests this close together are one: process groups and wrappers deliver doubles.
const DOUBLE: Duration = Duration::from_millis(500);
/// A stage may be silent this long before we say what it waits for, and then each second.
const SAY_AFTER: Duration = Duration::from_secs(2);
const SAY_EVERY: Duration = Duration::from_secs(1);
/// What a force leaves to the remaining stages, out of the 2 s it may take.
const FORCE_TOTAL: Duration = Duration::from_millis(1_500);
/// One extension, all of them together, and how old progress may be to buy one.
const EXTEND_STEP: Duration = Duration::from_secs(5);
const EXTEND_CAP: Duration = Duration::from_secs(300);
const STALL: Duration = Duration::from_secs(10);

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
    hurry_at: Option<Instant>,
    say_at: Instant,
    last_ask: Instant,
    extended_at: Option<Instant>,
}

impl Stop {
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
    pub(super) fn asked(&mut self, ask: Ask, now: Instant, out: &mut Vec<Action>) {
        match self.phase {
            Phase::Starting | Phase::Running => self.first_ask(ask, now, out),
            Phase::Stopping(_) => self.asked_again(&ask, now, out),
            Phase::Over => {}
        }
    }

    fn first_ask(&mut self, ask: Ask, now: Instant, out: &mut Vec<Action>) {
        let ready = matches!(self.phase, Phase::Running);
        let grace = self
            .settings
            .grace
            .saturating_sub(self.settings.kill_margin);
        // Whoever never was ready has no balancer to wait for.
        let duck = if ready {
            self.settings.lame_duck
        } else {
            Duration::ZERO
        };
        let (within, duck) = match ask.urgency {
            Urgency::Stop | Urgency::Hurry => (grace, duck),
            Urgency::StopAtOnce | Urgency::Interrupt => (grace, Duration::ZERO),
            Urgency::Quit => (grace, duck),
            Urgency::Within(limit) => (grace.min(limit), Duration::ZERO),
            Urgency::Force => (FORCE_TOTAL, Duration::ZERO),
        };
        let press_again = ask.urgency == Urgency::Interrupt;
        let forced = ask.urgency == Urgency::Force;
        let quit = ask.urgency == Urgency::Quit;
        let duck = if ask.cause.kind == CauseKind::Component {
            Duration::ZERO
        } else {
            duck
        };
        out.push(Action::Unready {
            cause: ask.cause.clone(),
            within,
            press_again,
        });
        let mut stop = Box::new(Stop {
            cause: ask.cause,
            asked: now,
            stages: Vec::new(),
            extended: Duration::ZERO,
            within,
            forced,
            stalled: false,
            plan: StopPlan::new(self.stages(), within, duck),
            origin: now,
            index: 0,
            deadline: now,
            duck_until: None,
            hurry_at: None,
            say_at: now,
            last_ask: now,
            extended_at: None,
        });
        stop.begin_stage(now);
        out.push(Action::StageBegan {
            stage: stop.stage(),
            until: stop.deadline,
        });
        self.phase = Phase::Stopping(stop);
        self.cancel_starts(out);
        if quit {
            out.push(Action::Dump);
        }
    }

    /// The named stages and whatever other numbers components use.
    fn stages(&self) -> Vec<(Stage, crate::StageTimes)> {
        let mut times = self.settings.times.clone();
        for entry in self.parts.values() {
            times
                .entry(entry.part.stage)
                .or_insert_with(|| entry.part.stage.times());
        }
        times.into_iter().collect()
    }

    fn asked_again(&mut self, ask: &Ask, now: Instant, out: &mut Vec<Action>) {
        let Phase::Stopping(stop) = &mut self.phase else {
            return;
        };
        let double = now.saturating_duration_since(stop.last_ask) < DOUBLE;
        stop.last_ask = now;
        let again = match ask.urgency {
            Urgency::Interrupt | Urgency::Quit | Urgency::Force => Again::Force,
            Urgency::Hurry => Again::Hurry,
            Urgency::Stop | Urgency::StopAtOnce if !double => self.settings.again,
            Urgency::Stop | Urgency::StopAtOnce | Urgency::Within(_) => Again::Ignore,
        };
        match again {
            Again::Ignore => {}
            Again::Hurry => stop.hurry_at = Some(now),
            Again::Force => self.force(now, out),
        }
    }

    /// Ends the current stage and gives the others what is left of two seconds. The next force waits for nothing.
    fn force(&mut self, now: Instant, out: &mut Vec<Action>) {
        let code = self.forced_code();
        let Phase::Stopping(stop) = &mut self.phase else {
            return;
        };
        if stop.forced {
            out.push(Action::Kill { code });
            return;
        }
        stop.forced = true;
        out.push(Action::Forced);
        stop.plan = StopPlan::new(
            (stop.index..stop.plan.len())
                .map(|i| (stop.plan.stage(i), stop.plan.stage(i).times()))
                .collect(),
            FORCE_TOTAL,
            Duration::ZERO,
        );
        stop.origin = now;
        stop.index = 0;
        stop.deadline = now;
        stop.duck_until = None;
    }

    fn forced_code(&self) -> u8 {
        let signal = self.stop().and_then(|stop| stop.cause.signal.as_deref());
        if signal == Some("SIGTERM") { 143 } else { 130 }
    }

    /// Pending starts end now, whatever their stage; attempts under way are cancelled and awaited in their stage.
    fn cancel_starts(&mut self, out: &mut Vec<Action>) {
        for (id, entry) in &mut self.parts {
            match &mut entry.state {
                State::Dormant | State::Waiting { .. } | State::BackOff { .. } => {
                    entry.state = State::Over(Outcome::NeverStarted);
                    out.push(Action::GaveUp {
                        id: *id,
                        why: "the application is stopping".into(),
                    });
                }
                State::Starting { cancelled, .. } => {
                    *cancelled = true;
                    out.push(Action::Cancel {
                        id: *id,
                        run: entry.run,
                    });
                    out.push(Action::GaveUp {
                        id: *id,
                        why: "the application is stopping".into(),
                    });
                }
                State::Up { .. } | State::Stopping { .. } | State::Cut | State::Over(_) => {}
            }
        }
    }

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

    fn hurry_or_extend(&mut self, now: Instant, out: &mut Vec<Action>) {
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
        let deadline = stop.deadline;
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
        stop.plan.extend(EXTEND_STEP);
        stop.extended += EXTEND_STEP;
        stop.extended_at = Some(now);
        stop.deadline += EXTEND_STEP;
        stop.hurry_at = stop.hurry_at.map(|at| at + EXTEND_STEP);
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
