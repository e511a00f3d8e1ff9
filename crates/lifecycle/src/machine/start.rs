//! The way up: declared components start in parallel as soon as what they come `after` is up, failed attempts are
//! repeated with growing, jittered delays until the start deadline, and the application is ready when all required ones are.

use std::time::{Duration, Instant};

use super::{
    Action, Ask, Cause, CauseKind, Ending, Entry, Event, Fault, Level, Machine, Outcome, Phase,
    Run, State,
};
use crate::cause::Urgency;
use crate::part::{OnFailure, Part, PartId};

const BACK_OFF_FIRST: Duration = Duration::from_millis(100);
const BACK_OFF_LAST: Duration = Duration::from_secs(5);
/// The platform hears at most this often that a start goes on.
const TELL_EVERY: Duration = Duration::from_secs(1);

impl Machine {
    pub(super) fn declared(&mut self, id: PartId, part: Part, now: Instant, out: &mut Vec<Action>) {
        // A start that is over in a moment needs no words.
        self.start_told.get_or_insert(now);
        let give_up = now + self.settings.start_deadline;
        let state = match (&self.phase, part.lazy) {
            (Phase::Stopping(_) | Phase::Over, _) => State::Over(Outcome::NeverStarted),
            (Phase::Starting | Phase::Running, true) => State::Dormant,
            (Phase::Starting | Phase::Running, false) => State::Waiting { give_up },
        };
        if state == State::Over(Outcome::NeverStarted) {
            out.push(Action::GaveUp {
                id,
                why: "the application is stopping".into(),
            });
        }
        let entry = Entry {
            part,
            state,
            run: 0,
            declared: now,
            up: None,
            told: None,
            ended: None,
            progressed: None,
            attempts: 0,
            error: None,
        };
        // A prerequisite that sleeps until first use is used now.
        let prerequisites = if entry.state == State::Dormant {
            Vec::new()
        } else {
            entry.part.after.clone()
        };
        self.parts.insert(id, entry);
        for before in prerequisites {
            self.wanted(before, now, out);
        }
    }

    pub(super) fn wanted(&mut self, id: PartId, now: Instant, out: &mut Vec<Action>) {
        let give_up = now + self.settings.start_deadline;
        let mut wanted = vec![id];
        while let Some(id) = wanted.pop() {
            let stopping = matches!(self.phase, Phase::Stopping(_) | Phase::Over);
            let Some(entry) = self.parts.get_mut(&id) else {
                continue;
            };
            let over = entry.state == State::Over(Outcome::Closed) && entry.part.restartable;
            if entry.state == State::Dormant || (over && !stopping) {
                entry.state = State::Waiting { give_up };
                wanted.extend(&entry.part.after);
            }
        }
        self.settle(now, out);
    }

    pub(super) fn came_up(&mut self, id: PartId, run: Run, now: Instant, out: &mut Vec<Action>) {
        let Some(entry) = self.parts.get_mut(&id) else {
            return;
        };
        if entry.run != run {
            return;
        }
        match entry.state {
            // Also when it was given up a moment ago: it is up, so it has to be stopped like all that are.
            State::Starting { attempt, .. } | State::BackOff { attempt, .. } => {
                entry.state = State::Up { attempt };
                entry.up = Some(now);
                self.late_arrival(id, now, out);
            }
            // Nobody waits for it any more; it shall close what it has opened.
            State::Over(_) if entry.ended.is_none() => out.push(Action::Tell {
                id,
                level: Level::Stop,
                until: now + entry.part.close.unwrap_or(TELL_EVERY),
            }),
            State::Dormant | State::Waiting { .. } | State::Up { .. } => {}
            State::Stopping { .. } | State::Cut | State::Over(_) => {}
        }
    }

    pub(super) fn ended(
        &mut self,
        id: PartId,
        run: Run,
        ending: Ending,
        now: Instant,
        out: &mut Vec<Action>,
    ) {
        let Some(entry) = self.parts.get_mut(&id) else {
            return;
        };
        if entry.run != run {
            return;
        }
        entry.ended = Some(now);
        match entry.state.clone() {
            State::Starting {
                attempt,
                give_up,
                cancelled,
                ..
            } => {
                self.start_ended(id, (attempt, give_up, cancelled), ending, now, out);
            }
            State::Up { attempt } => self.life_ended(id, attempt, ending, now, out),
            State::Stopping { level, .. } => self.stop_ended(id, level, &ending, now, out),
            State::Cut => self.stop_ended(id, Level::Abort, &ending, now, out),
            State::Dormant | State::Waiting { .. } | State::BackOff { .. } | State::Over(_) => {}
        }
    }

    /// An attempt to start ended before it was up.
    fn start_ended(
        &mut self,
        id: PartId,
        (attempt, give_up, cancelled): (u32, Instant, bool),
        ending: Ending,
        now: Instant,
        out: &mut Vec<Action>,
    ) {
        let (fault, why) = match ending {
            Ending::Done => return self.over(id, Outcome::Closed),
            Ending::Dropped if cancelled => return self.over(id, Outcome::NeverStarted),
            Ending::Dropped => (
                Fault::NotStarted,
                "took longer than its connect budget".to_owned(),
            ),
            Ending::Failed(why) => (Fault::NotStarted, why),
            Ending::Panicked(why) => (Fault::Panicked, why),
        };
        let Some(entry) = self.parts.get_mut(&id) else {
            return;
        };
        if cancelled {
            entry.error = Some(why);
            return self.over(id, Outcome::NeverStarted);
        }
        if entry.part.restartable && fault == Fault::NotStarted {
            entry.error = Some(why);
            return self.back_off(id, attempt, give_up, now, out);
        }
        let fault = if entry.part.restartable || fault == Fault::Panicked {
            fault
        } else {
            Fault::Failed
        };
        let outcome = if fault == Fault::Panicked {
            Outcome::Panicked
        } else {
            Outcome::Failed
        };
        self.over(id, outcome);
        out.push(Action::GaveUp {
            id,
            why: why.clone(),
        });
        self.failed(id, fault, why, now, out);
    }

    /// A component that was up ended without being asked.
    fn life_ended(
        &mut self,
        id: PartId,
        attempt: u32,
        ending: Ending,
        now: Instant,
        out: &mut Vec<Action>,
    ) {
        let (fault, why) = match ending {
            Ending::Done | Ending::Dropped => return self.over(id, Outcome::Closed),
            Ending::Failed(why) => (Fault::Failed, why),
            Ending::Panicked(why) => (Fault::Panicked, why),
        };
        let Some(entry) = self.parts.get_mut(&id) else {
            return;
        };
        let stopping = matches!(self.phase, Phase::Stopping(_));
        if entry.part.on_failure == OnFailure::Restart && entry.part.restartable && !stopping {
            out.push(Action::Failed {
                id,
                why: why.clone(),
            });
            entry.error = Some(why);
            let give_up = now + self.settings.start_deadline;
            return self.back_off(id, attempt, give_up, now, out);
        }
        self.over(
            id,
            if fault == Fault::Panicked {
                Outcome::Panicked
            } else {
                Outcome::Failed
            },
        );
        self.failed(id, fault, why, now, out);
    }

    fn back_off(
        &mut self,
        id: PartId,
        attempt: u32,
        give_up: Instant,
        now: Instant,
        out: &mut Vec<Action>,
    ) {
        let delay = BACK_OFF_LAST
            .min(BACK_OFF_FIRST * 2u32.saturating_pow(attempt.saturating_sub(1).min(10)));
        let until = now + delay.mul_f64(self.jitter());
        if until >= give_up {
            return self.gave_up(id, now, out);
        }
        if let Some(entry) = self.parts.get_mut(&id) {
            entry.state = State::BackOff {
                attempt,
                until,
                give_up,
            };
        }
    }

    fn gave_up(&mut self, id: PartId, now: Instant, out: &mut Vec<Action>) {
        let Some(entry) = self.parts.get_mut(&id) else {
            return;
        };
        let last = entry
            .error
            .clone()
            .unwrap_or_else(|| "what it starts after is not up".to_owned());
        let why = format!("not up after {} attempts: {last}", entry.attempts);
        if matches!(entry.state, State::Starting { .. }) {
            out.push(Action::Cancel { id, run: entry.run });
        }
        self.over(id, Outcome::Failed);
        out.push(Action::GaveUp {
            id,
            why: why.clone(),
        });
        self.failed(id, Fault::NotStarted, why, now, out);
    }

    pub(super) fn over(&mut self, id: PartId, outcome: Outcome) {
        if let Some(entry) = self.parts.get_mut(&id) {
            entry.state = State::Over(outcome);
        }
    }

    /// Starts what may start, repeats what is due, cuts attempts that took too long.
    pub(super) fn starts_due(&mut self, now: Instant, out: &mut Vec<Action>) {
        let ids: Vec<PartId> = self.parts.keys().copied().collect();
        for id in ids {
            let Some(entry) = self.parts.get(&id) else {
                continue;
            };
            match entry.state {
                State::Waiting { give_up } if self.may_start(entry) => {
                    self.begin(id, 1, give_up, now, out)
                }
                State::BackOff {
                    attempt,
                    until,
                    give_up,
                } if now >= until => {
                    self.begin(id, attempt + 1, give_up, now, out);
                }
                State::Waiting { give_up }
                | State::Starting {
                    give_up,
                    cancelled: false,
                    ..
                } if now >= give_up => {
                    self.gave_up(id, now, out);
                }
                State::Starting {
                    attempt,
                    until: Some(until),
                    give_up,
                    cancelled: false,
                } if now >= until => {
                    out.push(Action::Cancel { id, run: entry.run });
                    if let Some(entry) = self.parts.get_mut(&id) {
                        entry.error = Some("took longer than its connect budget".to_owned());
                    }
                    self.back_off(id, attempt, give_up, now, out);
                }
                State::Dormant
                | State::Waiting { .. }
                | State::Starting { .. }
                | State::BackOff { .. }
                | State::Up { .. }
                | State::Stopping { .. }
                | State::Cut
                | State::Over(_) => {}
            }
        }
    }

    fn may_start(&self, entry: &Entry) -> bool {
        entry.part.after.iter().all(|id| {
            self.parts.get(id).is_some_and(|before| match before.state {
                State::Up { .. } | State::Over(Outcome::Closed | Outcome::Late) => true,
                // An optional one that failed degrades us; it does not hold the others back.
                State::Over(Outcome::Failed | Outcome::Panicked) => !before.part.required,
                State::Dormant
                | State::Waiting { .. }
                | State::Starting { .. }
                | State::BackOff { .. } => false,
                State::Stopping { .. } | State::Cut => false,
                State::Over(Outcome::Aborted | Outcome::Leaked | Outcome::NeverStarted) => false,
            })
        })
    }

    fn begin(
        &mut self,
        id: PartId,
        attempt: u32,
        give_up: Instant,
        now: Instant,
        out: &mut Vec<Action>,
    ) {
        let Some(entry) = self.parts.get_mut(&id) else {
            return;
        };
        entry.run += 1;
        entry.attempts += 1;
        entry.ended = None;
        let until = entry.part.connect.map(|limit| now + limit);
        entry.state = State::Starting {
            attempt,
            until,
            give_up,
            cancelled: false,
        };
        out.push(Action::Start { id, run: entry.run });
    }

    /// Something came up or reported progress: the platform shall know, so that it does not take a long start for a hang.
    pub(super) fn start_goes_on(&mut self, now: Instant, out: &mut Vec<Action>) {
        let told_lately = self.start_told.is_some_and(|at| now < at + TELL_EVERY);
        if told_lately || !matches!(self.phase, Phase::Starting) {
            return;
        }
        let last = self.parts.values().filter_map(|entry| match entry.state {
            State::Waiting { give_up }
            | State::Starting { give_up, .. }
            | State::BackOff { give_up, .. } => Some(give_up),
            State::Dormant | State::Up { .. } | State::Over(_) => None,
            State::Stopping { .. } | State::Cut => None,
        });
        if let Some(last) = last.max() {
            self.start_told = Some(now);
            out.push(Action::StillStarting {
                within: last.saturating_duration_since(now),
            });
        }
    }

    /// Announces readiness once, and ends an application that has nothing left to do.
    pub(super) fn grown_up(&mut self, now: Instant, out: &mut Vec<Action>) {
        // What came up and failed, and may, holds readiness back no longer than any other degradation.
        let given_up = |entry: &Entry| {
            entry.part.on_failure == OnFailure::Ignore
                && entry.up.is_some()
                && matches!(
                    entry.state,
                    State::Over(Outcome::Failed | Outcome::Panicked)
                )
        };
        let up = |entry: &Entry| {
            matches!(entry.state, State::Up { .. } | State::Over(Outcome::Closed))
                || given_up(entry)
        };
        let required_up = self
            .parts
            .values()
            .filter(|entry| entry.part.required)
            .all(up);
        if matches!(self.phase, Phase::Starting) && !self.parts.is_empty() && required_up {
            self.phase = Phase::Running;
            out.push(Action::Ready);
        }
        let idle = self
            .parts
            .values()
            .all(|entry| matches!(entry.state, State::Over(_) | State::Dormant));
        if matches!(self.phase, Phase::Running) && idle && self.settings.ends_when_idle {
            let cause = Cause::plain(CauseKind::Finished);
            self.on(
                Event::Asked(Ask {
                    cause,
                    urgency: Urgency::StopAtOnce,
                }),
                now,
                out,
            );
        }
    }
}
