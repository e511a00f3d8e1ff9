//! Applications within applications: opened as a component of their parent, stopped with it or alone, and reported inside
//! its report.

use std::time::Instant;

use super::{Driver, Group, GroupId, Life};
use crate::cause::{Ask, Cause, CauseKind, Urgency};
use crate::machine::{Ending, Event, Machine, Run};
use crate::part::PartId;
use crate::report::Report;

impl Life {
    pub(super) fn stop_nested(&mut self, id: GroupId, part: PartId, again: bool) {
        let Some(group) = self.groups.get_mut(&id) else {
            return;
        };
        if again {
            group.again.push(part);
        }
        if let Some(child) = group.nested.get(&part).copied() {
            let ask = Ask {
                cause: Cause::plain(CauseKind::Program),
                urgency: Urgency::StopAtOnce,
            };
            self.event(child, Event::Asked(ask));
        }
    }

    pub(super) fn open_nested(&mut self, id: GroupId, part: PartId, run: Run) {
        let child = self.next_group;
        self.next_group += 1;
        let Some(group) = self.groups.get_mut(&id) else {
            return;
        };
        let Some(Driver::Nest(setup, settings)) = group.drivers.get_mut(&part) else {
            return;
        };
        let name = group
            .cells
            .get(&part)
            .map_or_else(String::new, |cell| cell.name.clone());
        let app = self.app.nested(child, name);
        let opened = Group::new(
            &app,
            Machine::new((**settings).clone()),
            Instant::now(),
            Some((id, part, run)),
        );
        setup(app);
        group.nested.insert(part, child);
        self.groups.insert(child, opened);
    }

    pub(super) fn nested_finished(
        &mut self,
        parent: GroupId,
        part: PartId,
        run: Run,
        code: u8,
        report: Report,
    ) {
        let Some(group) = self.groups.get_mut(&parent) else {
            return;
        };
        group.nested.remove(&part);
        group.nested_reports.insert(part, report);
        let again = group.again.contains(&part);
        group.again.retain(|other| *other != part);
        let ending = match code {
            0 => Ending::Done,
            124 => Ending::Dropped,
            70 => Ending::Panicked("a component of it panicked".into()),
            code => Ending::Failed(format!("it ended with code {code}")),
        };
        self.event(parent, Event::Ended(part, run, ending));
        if again {
            self.event(parent, Event::Wanted(part));
        }
    }
}
