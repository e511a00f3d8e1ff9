//! Does what the machine says: starts and cuts components, tells them how far the stop has gone, and the host with them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{Driver, GroupId, Life, Link, ROOT, words};
use crate::cause::{Ask, Cause, CauseKind, Urgency};
use crate::cell::{Cell, Start};
use crate::ctx::Ctx;
use crate::machine::{Action, Event, Level, Run};
use crate::notice::Notice;
use crate::os;
use crate::part::PartId;

impl Life {
    pub(super) fn act(&mut self, id: GroupId, action: Action) {
        match action {
            Action::Start { id: part, run } => self.start(id, part, run),
            Action::Cancel { id: part, run } => self.cancel(id, part, run),
            Action::Tell {
                id: part,
                level,
                until,
            } => self.tell(id, part, level, until),
            Action::GaveUp { id: part, why } => {
                if let Some(cell) = self.cell(id, part) {
                    cell.set_start(Start::GaveUp(why));
                }
            }
            Action::Ready => self.ready(id),
            Action::StillStarting { within } => {
                if id == ROOT {
                    self.host.starting(within);
                }
            }
            Action::Unready {
                cause,
                within,
                press_again,
            } => self.unready(id, cause, within, press_again),
            Action::StageBegan { stage, .. } => {
                if id == ROOT {
                    self.host.stage(stage);
                }
            }
            Action::Extend { remaining } => {
                self.host.extend(remaining);
                self.say(&Notice::Extended { remaining });
            }
            Action::StillWaiting | Action::Dump => self.say_what_is_waited_for(id),
            Action::Failed { id: part, why } => {
                let component = self
                    .cell(id, part)
                    .map_or_else(String::new, |cell| cell.name.clone());
                self.say(&Notice::Failed { component, why });
            }
            Action::Forced => self.say(&Notice::Forced),
            Action::Finish { code } => self.finish(id, code),
            Action::Kill { code } => {
                if id == ROOT {
                    os::exit_now(code);
                }
            }
        }
    }

    fn cell(&self, id: GroupId, part: PartId) -> Option<&Arc<Cell>> {
        self.groups.get(&id)?.cells.get(&part)
    }

    fn start(&mut self, id: GroupId, part: PartId, run: Run) {
        let Some(group) = self.groups.get_mut(&id) else {
            return;
        };
        let Some(cell) = group.cells.get(&part).cloned() else {
            return;
        };
        let announces = group
            .machine
            .entries()
            .get(&part)
            .is_some_and(|entry| entry.part.announces);
        let link = Link {
            post: self.app.link.post.clone(),
            group: id,
        };
        let ctx = Ctx {
            cell,
            whole: Arc::clone(&group.whole.cell),
            link: link.clone(),
            id: part,
            run,
        };
        match group.drivers.get_mut(&part) {
            Some(Driver::Code(begin)) => {
                if !announces {
                    ctx.ready();
                }
                begin(ctx);
            }
            Some(Driver::Nest(..)) => self.open_nested(id, part, run),
            None => {}
        }
    }

    fn cancel(&mut self, id: GroupId, part: PartId, run: Run) {
        if let Some(cell) = self.cell(id, part) {
            cell.cancel(run);
        }
        if let Some(child) = self
            .groups
            .get(&id)
            .and_then(|group| group.nested.get(&part).copied())
        {
            let ask = Ask {
                cause: Cause::plain(CauseKind::Parent),
                urgency: Urgency::StopAtOnce,
            };
            self.event(child, Event::Asked(ask));
        }
    }

    fn tell(&mut self, id: GroupId, part: PartId, level: Level, until: Instant) {
        let Some(group) = self.groups.get_mut(&id) else {
            return;
        };
        if let Some(cell) = group.cells.get(&part) {
            if level == Level::Abort {
                group
                    .cut_off
                    .insert(part, words::flights(cell, Instant::now()));
            }
            cell.tell(level, Some(until));
        }
        let Some(child) = self
            .groups
            .get(&id)
            .and_then(|group| group.nested.get(&part).copied())
        else {
            return;
        };
        let urgency = match level {
            Level::Run => return,
            Level::Stop => Urgency::Within(until.saturating_duration_since(Instant::now())),
            Level::Hurry => Urgency::Hurry,
            Level::Abort => Urgency::Force,
        };
        self.event(
            child,
            Event::Asked(Ask {
                cause: Cause::plain(CauseKind::Parent),
                urgency,
            }),
        );
    }

    fn ready(&mut self, id: GroupId) {
        let Some(group) = self.groups.get_mut(&id) else {
            return;
        };
        let after = group.made.elapsed();
        group.ready_after = Some(after);
        group.whole.ready.store(true, Ordering::SeqCst);
        group.whole.cell.set_start(Start::Up);
        if let Some((parent, part, run)) = group.parent {
            if let Some(cell) = self.cell(parent, part) {
                cell.set_start(Start::Up);
            }
            self.event(parent, Event::Up(part, run));
        } else {
            self.host.ready();
            self.say(&Notice::Ready { after });
        }
    }

    fn unready(&mut self, id: GroupId, cause: Cause, within: Duration, press_again: bool) {
        let Some(group) = self.groups.get(&id) else {
            return;
        };
        group.whole.ready.store(false, Ordering::SeqCst);
        group
            .whole
            .cell
            .set_start(Start::GaveUp("the application is stopping".into()));
        group
            .whole
            .cell
            .tell(Level::Stop, Some(Instant::now() + within));
        if id == ROOT {
            self.host.stopping(within);
            self.say(&Notice::Stopping {
                cause,
                within,
                press_again,
            });
        }
    }
}
