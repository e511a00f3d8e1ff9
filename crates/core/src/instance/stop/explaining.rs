//! The question before force: why the run hangs.

use super::{Instance, StopPhase, Stopping, Then};
use crate::because::Because;
use crate::event::{Do, How, Question};
use crate::instance::{Cx, State};
use crate::quantity::Duration;
use crate::restart::Outcome;
use crate::spec::Spec;

/// What an explanation may take, and never more than half of the kill margin.
const EXPLAINING: Duration = Duration::from_secs(1);

impl Instance {
    /// Waits until it is known why the run hangs, or for as long as that may take.
    pub(super) fn explain(&mut self, spec: &Spec, then: Then, question: Question, cx: &mut Cx<'_>) {
        let State::Stopping(stopping) = &mut self.state else {
            return;
        };
        stopping.phase = StopPhase::Explaining(then);
        stopping.until = Some(cx.now + patience(spec));
        cx.act(stopping.run.id, Do::Explain(question));
    }

    /// Asks again what an engine before this one asked.
    pub(in crate::instance) fn explain_again(&mut self, then: Then, cx: &mut Cx<'_>) {
        if let State::Stopping(stopping) = &self.state {
            let question = match then {
                Then::Plan => question_of(stopping).unwrap_or(Question::Stop),
                Then::Kill => Question::Stop,
            };
            cx.act(stopping.run.id, Do::Explain(question));
        }
    }

    /// It is explained, or cannot be.
    pub(super) fn after_explaining(&mut self, spec: &Spec, then: Then, cx: &mut Cx<'_>) {
        match then {
            Then::Plan => self.begin_plan(spec, cx),
            Then::Kill => self.kill(spec, How::Plan, cx),
        }
    }
}

/// What is to be found out about a run that broke a rule while it lived.
pub(super) fn question_of(stopping: &Stopping) -> Option<Question> {
    match stopping.outcome {
        Outcome::Timeout if stopping.up_since.is_none() => Some(Question::Start),
        Outcome::Watchdog => Some(Question::Hang),
        Outcome::Broken if matches!(stopping.cause, Because::Unhealthy { .. }) => {
            Some(Question::Health)
        }
        Outcome::Timeout
        | Outcome::Broken
        | Outcome::Wanted
        | Outcome::Clean(_)
        | Outcome::Unclean(_)
        | Outcome::Signalled(_)
        | Outcome::Skipped => None,
    }
}

pub(super) fn patience(spec: &Spec) -> Duration {
    EXPLAINING.min(spec.stop.kill_margin / 2)
}
