//! What a start or stop under way looks like: one line per service, told by events, drawn as often as one likes.
//!
//! Time is the client's own, since the verb began; nothing here reads a clock or prints.

use std::collections::BTreeMap;
use std::time::Duration;

use aplomb_protocol::{Event, EventKind, State};

use crate::paint::{self, Paint, harmless, tone_of};
use crate::{story, words};

/// Where the services are to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aim {
    Up,
    Down,
}

/// All services something was heard of.
#[derive(Debug)]
pub(crate) struct Progress {
    aim: Aim,
    rows: Vec<Row>,
    /// What proves that a service is ready, where that is known.
    proofs: BTreeMap<String, String>,
}

/// One service on its way.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    service: String,
    state: State,
    doing: Doing,
    begun: Duration,
    /// When it arrived, or gave up.
    done: Option<Duration>,
}

/// What is waited for.
#[derive(Debug, Clone, PartialEq)]
enum Doing {
    Words(String),
    /// The tree is to become empty before this moment.
    Emptying {
        processes: u32,
        until: Option<Duration>,
    },
}

impl Progress {
    pub(crate) fn new(aim: Aim) -> Progress {
        Progress {
            aim,
            rows: Vec::new(),
            proofs: BTreeMap::new(),
        }
    }

    /// What proves that this service is ready, in words.
    pub(crate) fn proof(&mut self, service: &str, by: &str) {
        self.proofs.insert(service.to_owned(), by.to_owned());
    }

    /// From now on the other way: the rows begin anew as events come.
    pub(crate) fn turn(&mut self, aim: Aim) {
        self.aim = aim;
        self.rows.clear();
    }

    /// Something happened at `now`.
    pub(crate) fn on(&mut self, event: &Event, now: Duration) {
        if event.service.is_empty() {
            return;
        }
        let aim = self.aim;
        let proof = self.proofs.get(&event.service).cloned();
        let row = self.row(&event.service, now);
        row.hear(event, now);
        if let (EventKind::Spawned { pid }, Some(proof)) = (&event.kind, proof) {
            row.doing = Doing::Words(format!("waits for its proof: {proof} (pid {pid})"));
        }
        let arrived = match (&event.kind, aim) {
            (EventKind::State { to, .. }, aim) => arrived(*to, aim),
            (EventKind::Skipped, Aim::Up) => true,
            _ => return,
        };
        row.done = arrived.then_some(now);
    }

    fn row(&mut self, service: &str, now: Duration) -> &mut Row {
        let state = match self.aim {
            Aim::Up => State::StartPending,
            Aim::Down => State::StopPending,
        };
        let at = self.rows.iter().position(|row| row.service == service);
        let at = at.unwrap_or_else(|| {
            self.rows.push(Row {
                service: service.to_owned(),
                state,
                doing: Doing::Words(String::new()),
                begun: now,
                done: None,
            });
            self.rows.len() - 1
        });
        &mut self.rows[at]
    }

    /// Services that have not arrived yet.
    pub(crate) fn under_way(&self) -> usize {
        self.rows.iter().filter(|row| row.done.is_none()).count()
    }

    /// The picture at `now`, at most `rows` lines: those under way first where not all have room.
    pub(crate) fn lines(&self, now: Duration, rows: usize, paint: Paint) -> Vec<String> {
        let name_width = self.name_width();
        if self.rows.len() <= rows {
            return self
                .rows
                .iter()
                .map(|row| row.line(now, name_width, paint))
                .collect();
        }
        let room = rows.saturating_sub(1);
        let mut lines: Vec<String> = self
            .rows
            .iter()
            .filter(|row| row.done.is_none())
            .take(room)
            .map(|row| row.line(now, name_width, paint))
            .collect();
        let arrived = self.rows.len() - self.under_way();
        let hidden = self.under_way().saturating_sub(room);
        lines.push(paint.faint(&format!(
            "  {arrived} of {} arrived, {hidden} more under way",
            self.rows.len()
        )));
        lines
    }

    fn name_width(&self) -> usize {
        let widths = self.rows.iter().map(|row| paint::columns(&row.service));
        widths.max().unwrap_or(0).min(32)
    }
}

/// What a line-by-line reader should know of this event; `None` where the picture alone shows it.
pub(crate) fn news(event: &Event, aim: Aim) -> Option<String> {
    if event.service.is_empty() {
        return None;
    }
    let worth_telling = match &event.kind {
        EventKind::State { to, .. } => arrived(*to, aim),
        EventKind::RestartPlanned { .. }
        | EventKind::StopStep { .. }
        | EventKind::Leftovers { .. }
        | EventKind::Explained { .. }
        | EventKind::Killed { .. }
        | EventKind::Skipped
        | EventKind::Health { .. }
        | EventKind::CommandFailed { .. }
        | EventKind::Log
        | EventKind::Remark => true,
        EventKind::StillStopping { .. } => aim == Aim::Down,
        EventKind::Waiting { .. }
        | EventKind::Spawned { .. }
        | EventKind::Ready
        | EventKind::Says
        | EventKind::Exited { .. }
        | EventKind::Watchdog
        | EventKind::Failed
        | EventKind::Rotated { .. }
        | EventKind::Loaded
        | EventKind::Unloaded
        | EventKind::EngineStarted { .. }
        | EventKind::EngineStopping => false,
    };
    worth_telling.then(|| format!("{}: {}", event.service, harmless(&brief(event))))
}

/// A change of state by its goal only; everything else as a sentence.
fn brief(event: &Event) -> String {
    let EventKind::State { to, .. } = &event.kind else {
        return story::sentence(event);
    };
    if event.because.is_empty() {
        return to.name().into();
    }
    format!("{}: {}", to.name(), event.because)
}

fn arrived(state: State, aim: Aim) -> bool {
    match state {
        State::Running | State::Paused => aim == Aim::Up,
        State::Stopped | State::Failed => true,
        State::StartPending | State::StopPending | State::PausePending | State::ContinuePending => {
            false
        }
    }
}

impl Row {
    fn hear(&mut self, event: &Event, now: Duration) {
        match &event.kind {
            EventKind::State { to, .. } => {
                self.state = *to;
                self.doing = Doing::Words(event.because.clone());
            }
            EventKind::Waiting { on } => {
                self.doing = Doing::Words(format!("waits for {}", words::list(on)));
            }
            EventKind::StillStopping { left_ms, processes } => {
                self.doing = Doing::Emptying {
                    processes: *processes,
                    until: left_ms.map(|left| now + Duration::from_millis(left)),
                };
            }
            EventKind::Spawned { .. }
            | EventKind::Ready
            | EventKind::Says
            | EventKind::Exited { .. }
            | EventKind::RestartPlanned { .. }
            | EventKind::StopStep { .. }
            | EventKind::Leftovers { .. }
            | EventKind::Explained { .. }
            | EventKind::Killed { .. }
            | EventKind::Health { .. }
            | EventKind::Watchdog
            | EventKind::Failed
            | EventKind::Skipped
            | EventKind::CommandFailed { .. }
            | EventKind::Log
            | EventKind::Remark => self.doing = Doing::Words(story::sentence(event)),
            EventKind::Rotated { .. }
            | EventKind::Loaded
            | EventKind::Unloaded
            | EventKind::EngineStarted { .. }
            | EventKind::EngineStopping => {}
        }
    }

    fn line(&self, now: Duration, name_width: usize, paint: Paint) -> String {
        let took = self.done.unwrap_or(now).saturating_sub(self.begun);
        let took = words::duration_ms(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        let state = paint.paint(tone_of(self.state), &format!("{:13}", self.state.name()));
        let name = paint::padded(
            &paint::cut(&harmless(&self.service), name_width),
            name_width,
        );
        format!(
            "  {} {state} {} {}",
            paint.strong(&name),
            paint.faint(&format!("{took:>8}")),
            harmless(&self.doing.words(now)),
        )
    }
}

impl Doing {
    fn words(&self, now: Duration) -> String {
        match self {
            Doing::Words(words) => words.clone(),
            Doing::Emptying { processes, until } => {
                let left = until.map(|until| until.saturating_sub(now).as_millis());
                let left = left.map(|left| u64::try_from(left).unwrap_or(u64::MAX));
                story::still(left, *processes)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(service: &str, kind: EventKind, because: &str) -> Event {
        Event {
            seq: 0,
            at: 0,
            mono: 0,
            service: service.into(),
            run: Some(1),
            kind,
            because: because.into(),
        }
    }

    fn state(from: State, to: State) -> EventKind {
        EventKind::State { from, to }
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn starting() -> Progress {
        let mut progress = Progress::new(Aim::Up);
        let begin = state(State::Stopped, State::StartPending);
        progress.on(&event("stock", begin.clone(), "asked for"), ms(0));
        progress.on(&event("orders", begin, "asked for"), ms(0));
        let on = vec!["payment".into(), "stock".into()];
        progress.on(&event("orders", EventKind::Waiting { on }, ""), ms(1));
        let end = state(State::StartPending, State::Running);
        progress.on(&event("stock", end, "port 8081 accepts"), ms(212));
        progress
    }

    #[test]
    fn a_start_shows_what_each_service_waits_for_and_how_long() {
        let lines = starting().lines(ms(1250), 10, Paint::Plain);
        assert_eq!(
            lines,
            [
                "  stock  running         212 ms port 8081 accepts",
                "  orders start-pending    1.2 s waits for payment and stock",
            ]
        );
    }

    #[test]
    fn a_spawned_service_waits_for_the_proof_of_its_readiness() {
        let mut progress = starting();
        progress.proof("orders", "port 8082");
        progress.on(&event("orders", EventKind::Spawned { pid: 7 }, ""), ms(2));
        let lines = progress.lines(ms(2), 10, Paint::Plain);
        assert!(
            lines[1].ends_with("waits for its proof: port 8082 (pid 7)"),
            "{lines:?}"
        );
    }

    #[test]
    fn with_little_room_those_under_way_are_shown_and_the_rest_counted() {
        let lines = starting().lines(ms(1250), 1, Paint::Plain);
        assert_eq!(lines, ["  1 of 2 arrived, 1 more under way"]);
    }

    #[test]
    fn a_stop_counts_its_budget_down_between_events() {
        let mut progress = Progress::new(Aim::Down);
        let kind = EventKind::StillStopping {
            left_ms: Some(20_000),
            processes: 2,
        };
        progress.on(&event("web", kind, ""), ms(0));
        assert_eq!(
            progress.lines(ms(5000), 9, Paint::Plain),
            ["  web stop-pending     5.0 s waits for 2 processes, 15 s left"]
        );
        assert_eq!(progress.under_way(), 1);
    }

    #[test]
    fn running_is_no_arrival_on_the_way_down() {
        assert!(arrived(State::Running, Aim::Up));
        assert!(!arrived(State::Running, Aim::Down));
        assert!(arrived(State::Failed, Aim::Up));
        assert!(!arrived(State::StopPending, Aim::Down));
    }

    #[test]
    fn a_programs_words_cannot_steer_the_terminal() {
        let said = news(&event("web", EventKind::Remark, "\x1b[2J"), Aim::Up);
        assert_eq!(said.as_deref(), Some("web: remark: \u{fffd}[2J"));
    }
}
