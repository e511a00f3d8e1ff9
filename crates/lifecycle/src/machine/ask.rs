//! Requests to end: what the first one plans, what a later one means, and how a force cuts it all short.

use std::time::{Duration, Instant};

use super::{Action, Again, Machine, Outcome, Phase, State, Stop};
use crate::Stage;
use crate::cause::{Ask, CauseKind, Urgency};
use crate::plan::StopPlan;

/// Requests this close together are one: process groups and wrappers deliver doubles.
const DOUBLE: Duration = Duration::from_millis(500);
/// What a force leaves to the remaining stages, out of the 2 s it may take.
const FORCE_TOTAL: Duration = Duration::from_millis(1_500);

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
        let plan = StopPlan::new(self.stages(), within, duck);
        let mut stop = Box::new(Stop::new(ask.cause, plan, now));
        stop.forced = forced;
        out.push(Action::StageBegan {
            stage: stop.stage(),
            until: stop.deadline(),
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
        stop.shorten(FORCE_TOTAL, now);
    }

    pub(super) fn forced_code(&self) -> u8 {
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
}
