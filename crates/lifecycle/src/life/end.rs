//! The end: the report, the last words of a process that aborts, and the watch over a `main` that does not return.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{GroupId, Life, Message, ROOT, record};
use crate::cause::{Cause, CauseKind};
use crate::machine::{Level, State};
use crate::notice::Notice;
use crate::os::{self, Received};
use crate::report::Report;

/// What a shell shows for a process that ended by SIGABRT.
const ABORTED: u8 = 134;

impl Life {
    pub(super) fn finish(&mut self, id: GroupId, code: u8) {
        self.gather_the_dropped(id);
        let Some(group) = self.groups.get_mut(&id) else {
            return;
        };
        let mut report = record::report(group, code);
        if let Some((parent, part, run)) = group.parent {
            group.whole.cell.tell(Level::Abort, None);
            self.groups.remove(&id);
            self.nested_finished(parent, part, run, code, report);
            return;
        }
        self.name_the_leftovers(&mut report);
        let report = Arc::new(report);
        self.write(&report);
        self.say(&Notice::Finished(Arc::clone(&report)));
        // Set once: a machine finishes once.
        drop(self.app.whole.finished.set((code, report)));
        self.app.whole.cell.tell(Level::Abort, None);
        self.end = Some(code);
    }

    fn name_the_leftovers(&self, report: &mut Report) {
        for cell in self.groups.values().flat_map(|group| group.cells.values()) {
            // Ours, and of no use any more.
            cell.seen().bell = None;
        }
        report.children_left = os::children();
        report.descriptors_left = self.opened.since();
    }

    fn write(&self, report: &Report) {
        let Some(path) = &self.report_to else { return };
        if let Err(error) = std::fs::write(path, report.to_json()) {
            let why = format!("cannot write the report to `{}`: {error}", path.display());
            self.say(&Notice::Failed {
                component: "report".into(),
                why,
            });
        }
    }

    /// The process aborts by a panic, wherever it was: what is known is written, nothing is closed.
    pub(super) fn last_words(&mut self, why: String) {
        let Some(root) = self.groups.get_mut(&ROOT) else {
            return;
        };
        let mut report = record::report(root, ABORTED);
        if root.machine.stop().is_none() {
            report.cause = Cause::plain(CauseKind::Component);
        }
        report.aborted_by = Some(why);
        self.write(&report);
        self.say(&Notice::Finished(Arc::new(report)));
    }

    /// Futures that were cut report their drop a moment later; who has not after 100 ms is leaked.
    fn gather_the_dropped(&mut self, id: GroupId) {
        let until = Instant::now() + Duration::from_millis(100);
        let cut = |life: &Self| {
            let entries = life.groups.get(&id).map(|group| group.machine.entries());
            entries.is_some_and(|entries| entries.values().any(|entry| entry.state == State::Cut))
        };
        while cut(self) {
            match self.inbox.receive(Some(until)) {
                Received::Message((group, message)) => self.take(group, message),
                Received::Interruption(record) => self.interrupted(&record),
                Received::Nothing => return,
            }
        }
    }

    /// `run` has the kill margin to return; then the process ends here, whatever holds it.
    pub(super) fn guard_the_exit(mut self) {
        let until = Instant::now() + self.kill_margin;
        loop {
            match self.inbox.receive(Some(until)) {
                Received::Message((_, Message::Returned)) => return,
                Received::Message(_) => {}
                Received::Interruption(record) if os::is_impatient(&record) => os::exit_now(130),
                Received::Interruption(_) => {}
                Received::Nothing => os::exit_now(self.end.unwrap_or(1)),
            }
        }
    }
}
