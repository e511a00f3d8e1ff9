//! Stop plans that ask for more time than their budget has.

use aplomb_core::Duration;

use super::Stack;
use crate::diagnostic::Diagnostic;
use crate::source::{Field, Loaded};
use crate::words::print_duration;

pub(super) fn check(stack: &Stack<'_>, diagnostics: &mut Vec<Diagnostic>) {
    diagnostics.extend(stack.units.iter().filter_map(too_long));
}

/// A warning with the sum, if the plan's grace periods do not fit.
fn too_long(unit: &Loaded) -> Option<Diagnostic> {
    let stop = &unit.spec.stop;
    let budget = stop.budget?;
    let mut parts: Vec<(Duration, &str)> = Vec::new();
    parts.extend(stop.pre.as_ref().map(|pre| (pre.grace, " before the plan")));
    parts.extend(stop.plan.iter().filter_map(|step| Some((step.grace?, ""))));
    parts.push((stop.kill_margin, " for the kill"));
    let sum = parts
        .iter()
        .try_fold(Duration::ZERO, |sum, (part, _)| sum.checked_add(*part));
    if sum.is_some_and(|sum| sum <= budget) {
        return None;
    }
    let terms: Vec<String> = parts
        .iter()
        .map(|(part, what)| format!("{}{what}", print_duration(*part)))
        .collect();
    let place = unit
        .places
        .said(Field::StopPlan, "")
        .or_else(|| unit.places.said(Field::StopBudget, ""))
        .unwrap_or(&unit.places.unit);
    let message = format!(
        "the stop of `{}` does not fit its budget of {}: {}{}; its last steps will be cut",
        unit.spec.name,
        print_duration(budget),
        terms.join(" + "),
        sum.map_or_else(String::new, |sum| format!(" = {}", print_duration(sum))),
    );
    let action = match sum {
        Some(sum) => format!("raise the budget to {}", print_duration(sum)),
        None => "shorten the grace periods".into(),
    };
    Some(Diagnostic::warning(place.clone(), message, action))
}
