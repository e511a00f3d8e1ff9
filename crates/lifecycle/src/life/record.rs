//! Writes the report: what the machine recorded, with what the cells counted.

use std::time::{Duration, Instant};

use super::{Group, words};
use crate::cause::{Cause, CauseKind};
use crate::machine::{Entry, Outcome, State, Stop};
use crate::part::PartId;
use crate::report::{ComponentReport, Report, SCHEMA, StageReport};

/// The fact under which components count what they have written out.
pub(crate) const LOG_BYTES: &str = "log_bytes_flushed";

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn between(start: Instant, end: Instant) -> u64 {
    ms(end.saturating_duration_since(start))
}

pub(super) fn report(group: &mut Group, exit: u8) -> Report {
    let now = Instant::now();
    let stop = group.machine.stop();
    let asked = stop.map_or(now, |stop| stop.asked);
    let mut report = Report {
        schema: SCHEMA,
        name: group.name.clone(),
        cause: stop.map_or_else(
            || Cause::plain(CauseKind::Finished),
            |stop| stop.cause.clone(),
        ),
        ready_after_ms: group.ready_after.map(ms),
        within_ms: stop.map_or(0, |stop| ms(stop.within)),
        used_ms: between(asked, now),
        extended_ms: stop.map_or(0, |stop| ms(stop.extended)),
        cut_while_progressing: stop.is_some_and(|stop| stop.stalled),
        forced: stop.is_some_and(|stop| stop.forced),
        exit,
        aborted_by: None,
        stages: stop.map_or_else(Vec::new, |stop| stages(stop, now)),
        components: Vec::new(),
        log_bytes_flushed: 0,
        threads_left: Vec::new(),
        children_left: Vec::new(),
        descriptors_left: Vec::new(),
    };
    report.components = group
        .machine
        .entries()
        .iter()
        .map(|(id, entry)| component(group, *id, entry, now))
        .collect();
    report.log_bytes_flushed = report
        .components
        .iter()
        .filter_map(|part| part.facts.get(LOG_BYTES))
        .sum();
    let leaked = report
        .components
        .iter()
        .filter(|part| part.outcome == Some(Outcome::Leaked));
    report.threads_left = crate::os::threads_named(leaked.map(|part| part.name.as_str()));
    let ids: Vec<PartId> = group.machine.entries().keys().copied().collect();
    for (part, id) in report.components.iter_mut().zip(ids) {
        part.nested = group.nested_reports.remove(&id).map(Box::new);
    }
    report
}

fn stages(stop: &Stop, now: Instant) -> Vec<StageReport> {
    let stages = stop.stages.iter().map(|run| StageReport {
        stage: run.stage,
        start_ms: between(stop.asked, run.begun),
        took_ms: between(run.begun, run.ended.unwrap_or(now)),
        deadline_ms: between(stop.asked, run.deadline),
        cut: run.cut,
    });
    stages.collect()
}

fn component(group: &Group, id: PartId, entry: &Entry, now: Instant) -> ComponentReport {
    let cell = group.cells.get(&id);
    let counts = cell.map(|cell| cell.seen().counts).unwrap_or_default();
    let outcome = match entry.state {
        State::Over(outcome) => Some(outcome),
        State::Cut => Some(Outcome::Leaked),
        State::Dormant | State::Waiting { .. } | State::Starting { .. } => None,
        State::BackOff { .. } | State::Up { .. } | State::Stopping { .. } => None,
    };
    ComponentReport {
        name: entry.part.name.clone(),
        stage: entry.part.stage,
        outcome,
        up_after_ms: entry.up.map(|up| between(entry.declared, up)),
        attempts: entry.attempts,
        took_ms: entry
            .told
            .map(|told| between(told, entry.ended.unwrap_or(now).max(told))),
        in_flight_at_stop: counts.at_stop,
        finished: counts.finished_after,
        cut_off: cell.map_or_else(Vec::new, |cell| cut_off(group, id, cell, now)),
        facts: cell
            .map(|cell| cell.seen().facts.clone())
            .unwrap_or_default(),
        progress_notes: counts.notes,
        last_note: cell
            .and_then(|cell| cell.seen().note.clone())
            .map(|(note, _)| note),
        error: entry.error.clone(),
        nested: None,
    }
}

/// What was in flight when the component was cut: remembered then, because dropping it has landed it since.
fn cut_off(group: &Group, id: PartId, cell: &crate::cell::Cell, now: Instant) -> Vec<String> {
    match group.cut_off.get(&id) {
        Some(words) => words.clone(),
        None => words::flights(cell, now),
    }
}
