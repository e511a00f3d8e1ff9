//! "Still waiting for": who holds a stage up, and what is known of it.

use std::time::{Duration, Instant};

use super::{Group, GroupId, Life};
use crate::cell::{Cell, Flight, Lending, Sort};
use crate::notice::{Held, Notice, Seconds};
use crate::part::PartId;

/// More names than this help nobody; the rest is counted.
const NAMED: usize = 5;
/// Pieces of work named per component.
const PIECES: usize = 3;

impl Life {
    pub(super) fn say_what_is_waited_for(&self, id: GroupId) {
        let Some(group) = self.groups.get(&id) else {
            return;
        };
        let Some(stop) = group.machine.stop() else {
            return;
        };
        let now = Instant::now();
        let stage = stop.stage();
        let mut held: Vec<(Duration, Held)> = group
            .machine
            .entries()
            .iter()
            .filter(|(_, entry)| entry.part.stage == stage && !entry.gone())
            .map(|(part, entry)| {
                let waited = now.saturating_duration_since(entry.told.unwrap_or(now));
                (
                    waited,
                    Held {
                        component: entry.part.name.clone(),
                        waited,
                        doing: self.doing(group, *part, now),
                    },
                )
            })
            .collect();
        held.sort_by_key(|(waited, _)| std::cmp::Reverse(*waited));
        let more = held.len().saturating_sub(NAMED);
        let held_by = held.into_iter().take(NAMED).map(|(_, held)| held).collect();
        let stage = if group.parent.is_some() {
            format!("{stage} of {}", group.name)
        } else {
            stage.to_string()
        };
        self.say(&Notice::StillWaiting {
            elapsed: now.saturating_duration_since(stop.asked),
            within: stop.within + stop.extended,
            stage,
            cut_at: stop.deadline().saturating_duration_since(stop.asked),
            held_by,
            more,
        });
    }

    fn doing(&self, group: &Group, part: PartId, now: Instant) -> Vec<String> {
        let Some(cell) = group.cells.get(&part) else {
            return Vec::new();
        };
        let mut doing = flights(cell, now);
        let seen = cell.seen();
        if let Some((note, at)) = &seen.note {
            let ago = Seconds(now.saturating_duration_since(*at));
            doing.push(format!("\"{note}\", last progress {ago} ago"));
        }
        drop(seen);
        doing.extend(crate::os::thread_state(&cell.name));
        doing
    }
}

/// What a component has in flight and lent out, with places, the oldest first.
pub(super) fn flights(cell: &Cell, now: Instant) -> Vec<String> {
    let seen = cell.seen();
    let mut flights: Vec<&Flight> = seen.flights.values().collect();
    flights.sort_by_key(|flight| flight.since);
    let (loans, work): (Vec<&Flight>, Vec<&Flight>) = flights
        .into_iter()
        .partition(|flight| flight.sort == Sort::Loan);
    let mut words: Vec<String> = lent(seen.lending.as_ref(), &loans).into_iter().collect();
    words.extend(work.iter().take(PIECES).map(|flight| {
        let age = Seconds(now.saturating_duration_since(flight.since));
        match flight.place {
            Some(place) => format!(
                "{} for {age}, taken at {}:{}",
                flight.name,
                place.file(),
                place.line()
            ),
            None => format!("{} for {age}", flight.name),
        }
    }));
    if work.len() > PIECES {
        words.push(format!("{} more in flight", work.len() - PIECES));
    }
    words
}

/// "1 of 8 connections out, taken at src/report.rs:41"; nothing while all are in.
fn lent(lending: Option<&Lending>, loans: &[&Flight]) -> Option<String> {
    let lending = lending.filter(|_| !loans.is_empty())?;
    let mut places: Vec<String> = loans
        .iter()
        .filter_map(|loan| loan.place)
        .map(|place| format!("{}:{}", place.file(), place.line()))
        .collect();
    places.dedup();
    let more = places.len().saturating_sub(PIECES);
    places.truncate(PIECES);
    if more > 0 {
        places.push(format!("{more} more places"));
    }
    let (out, total, what) = (loans.len(), lending.total, &lending.what);
    Some(format!(
        "{out} of {total} {what} out, taken at {}",
        places.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use std::panic::Location;

    use super::*;

    #[test]
    fn loans_are_counted_and_work_is_listed_the_oldest_first() {
        let cell = Cell::new("db".into());
        let begun = Instant::now();
        assert_eq!(flights(&cell, begun), Vec::<String>::new());
        cell.seen().lending = Some(Lending {
            total: 8,
            what: "connections".into(),
        });
        let here = Location::caller();
        let first = cell.lend(here);
        cell.lend(here);
        for name in ["a", "b", "c", "d", "e"] {
            cell.take_off(name.into(), None);
        }
        let words = flights(&cell, begun);
        let place = format!("{}:{}", here.file(), here.line());
        assert_eq!(
            words[0],
            format!("2 of 8 connections out, taken at {place}")
        );
        assert_eq!(
            words[1..],
            ["a for 0 s", "b for 0 s", "c for 0 s", "2 more in flight"]
        );
        cell.land(first);
        assert!(flights(&cell, begun)[0].starts_with("1 of 8 connections out"));
    }
}
