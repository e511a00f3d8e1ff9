//! The one sentence that answers the question.

use super::clause::clause;
use super::plain;
use crate::judge::{Finding, Judgement};
use crate::scene::{Question, Scene};
use crate::verdict::{Strength, VerdictKind};

/// What is told of a finding whose alternatives nobody has named.
const USUAL_ALTERNATIVE: &str = "it waits as it should";

/// The answer in one sentence, without a full stop. `name` is what the one who asks calls the process.
pub(crate) fn sentence(scene: &Scene, judgement: &Judgement, name: &str) -> String {
    let name = plain(name);
    let main = &judgement.main;
    if main.kind.is_stuck() && main.kind != VerdictKind::CleanupRunning {
        return stuck(scene, main, &name);
    }
    if main.kind == VerdictKind::CleanupRunning {
        return format!("`{name}` was asked to end and is still on its way");
    }
    if main.kind == VerdictKind::Unknown {
        return match main.chain.is_empty() {
            true => format!("why `{name}` waits could not be seen"),
            false => format!("why `{name}` waits is not clear: {}", clause(scene, main)),
        };
    }
    match judgement.owed {
        0 => format!("`{name}` is not stuck as far as can be seen: it waits for work, or works"),
        owed => format!(
            "`{name}` is not stuck as far as can be seen, though it has not answered {}",
            super::count(owed, "question", "questions")
        ),
    }
}

fn stuck(scene: &Scene, finding: &Finding, name: &str) -> String {
    let clause = clause(scene, finding);
    let stays = match scene.question {
        Question::Hang | Question::Health => "is stuck",
        Question::Stop => "does not stop",
        Question::Start => "does not become ready",
    };
    match finding.strength {
        Strength::Certain => format!("`{name}` {stays} because {clause}"),
        Strength::Strong => format!("`{name}` probably {stays}: {clause}"),
        Strength::Weak => {
            let alternatives = match finding.alternatives.is_empty() {
                true => USUAL_ALTERNATIVE.to_owned(),
                false => finding.alternatives.join(", or "),
            };
            format!("it may be that `{name}` {stays}: {clause}; or {alternatives}")
        }
    }
}
