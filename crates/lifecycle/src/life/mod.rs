//! The life thread: it sleeps on the mailbox, asks the machine, and does what the machine says.
//!
//! One thread for the whole program, nested applications included; it never runs user code save the drivers that start
//! a component (they spawn and return) and the observer. A blocked runtime therefore cannot keep it from reporting,
//! cutting and ending. `words.rs` says what is waited for, `record.rs` writes the report, `host.rs` talks to whoever
//! started us.

mod nesting;
mod record;
mod words;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::app::App;
use crate::cause::{Ask, Cause, CauseKind, Urgency};
use crate::cell::{Cell, Start};
use crate::ctx::Ctx;
use crate::machine::{Action, Event, Level, Machine, Run, Settings, State};
use crate::notice::{Notice, Observer};
use crate::os::{self, Host, Inbox, Post, Received};
use crate::part::{Part, PartId};
use crate::report::Report;

/// An application: the whole program, or one nested in it.
pub(crate) type GroupId = u32;
pub(crate) const ROOT: GroupId = 0;
/// The name of the life thread.
pub(crate) const THREAD: &str = "aplomb-life";

/// How the life thread starts a component.
pub(crate) enum Driver {
    /// Begins one run; must not block.
    Code(Box<dyn FnMut(Ctx) + Send>),
    /// Opens a nested application and lets this declare its components.
    Nest(Box<dyn FnMut(App) + Send>, Box<Settings>),
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Code(_) => "Code",
            Self::Nest(..) => "Nest",
        })
    }
}

#[derive(Debug)]
pub(crate) enum Message {
    Event(Event),
    Declare(Box<Declaration>),
    /// The nested application of this component shall stop, and start again if asked.
    Nested {
        id: PartId,
        again: bool,
    },
    /// The host, or a helper that acts for it.
    Host(os::HostEvent),
    /// The process is about to abort by a panic: write the report, then answer.
    LastWords(String, std::sync::mpsc::SyncSender<()>),
    /// `run` is about to return: the end is no longer ours to enforce.
    Returned,
}

#[derive(Debug)]
pub(crate) struct Declaration {
    pub(crate) id: PartId,
    pub(crate) part: Part,
    pub(crate) cell: Arc<Cell>,
    pub(crate) driver: Driver,
}

/// The way to the life thread, for one application.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    pub(crate) post: Post<(GroupId, Message)>,
    pub(crate) group: GroupId,
}

impl Link {
    pub(crate) fn send(&self, message: Message) {
        self.post.send((self.group, message));
    }
}

/// What everybody may see of the program as a whole.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) ready: AtomicBool,
    /// Rises while the runtime turns; `None` of it is read when there is no runtime.
    pub(crate) beat: AtomicU64,
    pub(crate) beats: AtomicBool,
    pub(crate) finished: OnceLock<(u8, Arc<Report>)>,
    /// Level Stop from the stop request on, Abort when it is over.
    pub(crate) cell: Arc<Cell>,
}

struct Group {
    machine: Machine,
    whole: Arc<Whole>,
    cells: BTreeMap<PartId, Arc<Cell>>,
    drivers: BTreeMap<PartId, Driver>,
    made: Instant,
    ready_after: Option<Duration>,
    nested: BTreeMap<PartId, GroupId>,
    nested_reports: BTreeMap<PartId, Report>,
    again: Vec<PartId>,
    /// What components had in flight when they were cut; dropping them lands it, so it is noted before.
    cut_off: BTreeMap<PartId, Vec<String>>,
    parent: Option<(GroupId, PartId, Run)>,
    name: String,
}

pub(crate) struct Life {
    groups: BTreeMap<GroupId, Group>,
    next_group: GroupId,
    inbox: Inbox<(GroupId, Message)>,
    app: App,
    pub(crate) host: Host,
    observer: Observer,
    kill_margin: Duration,
    report_to: Option<std::path::PathBuf>,
    end: Option<u8>,
}

/// What a shell shows for a process that ended by SIGABRT.
const ABORTED: u8 = 134;

/// What [`Life::new`] needs besides the root application.
pub(crate) struct Setting {
    pub(crate) inbox: Inbox<(GroupId, Message)>,
    pub(crate) host: Host,
    pub(crate) observer: Observer,
    pub(crate) settings: Settings,
    pub(crate) report_to: Option<std::path::PathBuf>,
    pub(crate) made: Instant,
}

impl Life {
    pub(crate) fn new(app: App, setting: Setting) -> Self {
        let kill_margin = setting.settings.kill_margin;
        let root = Group::new(&app, Machine::new(setting.settings), setting.made, None);
        Self {
            groups: BTreeMap::from([(ROOT, root)]),
            next_group: ROOT + 1,
            inbox: setting.inbox,
            app,
            host: setting.host,
            observer: setting.observer,
            kill_margin,
            report_to: setting.report_to,
            end: None,
        }
    }

    /// Runs until the last stage is over and `run` has returned, or its time to return is over.
    pub(crate) fn live(mut self) {
        while self.end.is_none() {
            let until = self.wakes_at();
            match self.inbox.receive(until) {
                Received::Message((group, message)) => self.take(group, message),
                Received::Interruption(record) => self.interrupted(&record),
                Received::Nothing => {}
            }
            self.time();
        }
        self.guard_the_exit();
    }

    fn wakes_at(&self) -> Option<Instant> {
        let machines = self
            .groups
            .values()
            .filter_map(|group| group.machine.wakes_at());
        machines.chain(self.host.wakes_at()).min()
    }

    fn time(&mut self) {
        let now = Instant::now();
        self.host.beat(now, &self.app.whole);
        let due: Vec<GroupId> = self
            .groups
            .iter()
            .filter(|(_, group)| group.machine.wakes_at().is_some_and(|at| at <= now))
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            self.event(id, Event::Time);
        }
    }

    fn take(&mut self, group: GroupId, message: Message) {
        match message {
            Message::Event(event) => self.event(group, event),
            Message::Declare(declaration) => self.declare(group, *declaration),
            Message::Nested { id, again } => self.stop_nested(group, id, again),
            Message::Host(event) => self.heard(event),
            Message::LastWords(why, written) => {
                self.last_words(why);
                written.send(()).ok();
            }
            Message::Returned => {}
        }
    }

    fn declare(&mut self, id: GroupId, declaration: Declaration) {
        let Some(group) = self.groups.get_mut(&id) else {
            return;
        };
        group.cells.insert(declaration.id, declaration.cell);
        group.drivers.insert(declaration.id, declaration.driver);
        self.event(
            id,
            Event::Declared(declaration.id, Box::new(declaration.part)),
        );
    }

    pub(super) fn event(&mut self, id: GroupId, event: Event) {
        let Some(group) = self.groups.get_mut(&id) else {
            return;
        };
        let mut actions = Vec::new();
        group.machine.on(event, Instant::now(), &mut actions);
        for action in actions {
            self.act(id, action);
        }
    }

    fn act(&mut self, id: GroupId, action: Action) {
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

    /// A request to end the program, from the host.
    pub(crate) fn ask(&mut self, cause: Cause, urgency: Urgency) {
        let stopping = self
            .groups
            .get(&ROOT)
            .is_some_and(|group| group.machine.stop().is_some());
        // There is nothing to hurry before a stop.
        if urgency != Urgency::Hurry || stopping {
            self.event(ROOT, Event::Asked(Ask { cause, urgency }));
        }
    }

    pub(crate) fn link(&self) -> Link {
        self.app.link.clone()
    }

    /// Runs the program's own work, which may block, on a thread.
    pub(crate) fn call(&mut self, thread: &str, work: impl FnOnce() + Send + 'static) {
        if let Err(error) = std::thread::Builder::new()
            .name(thread.to_owned())
            .spawn(work)
        {
            let why = format!("cannot start a thread: {error}");
            self.say(&Notice::Failed {
                component: thread.to_owned(),
                why,
            });
        }
    }

    fn say(&self, notice: &Notice) {
        (self.observer)(notice);
        self.host.status(notice);
    }

    fn finish(&mut self, id: GroupId, code: u8) {
        self.gather_the_dropped(id);
        let Some(group) = self.groups.get_mut(&id) else {
            return;
        };
        let report = record::report(group, code);
        if let Some((parent, part, run)) = group.parent {
            group.whole.cell.tell(Level::Abort, None);
            self.groups.remove(&id);
            self.nested_finished(parent, part, run, code, report);
            return;
        }
        let report = Arc::new(report);
        self.write(&report);
        self.say(&Notice::Finished(Arc::clone(&report)));
        // Set once: a machine finishes once.
        drop(self.app.whole.finished.set((code, report)));
        self.app.whole.cell.tell(Level::Abort, None);
        self.end = Some(code);
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
    fn last_words(&mut self, why: String) {
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
    fn guard_the_exit(mut self) {
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

impl Group {
    fn new(
        app: &App,
        machine: Machine,
        made: Instant,
        parent: Option<(GroupId, PartId, Run)>,
    ) -> Self {
        Self {
            machine,
            whole: Arc::clone(&app.whole),
            cells: BTreeMap::new(),
            drivers: BTreeMap::new(),
            made,
            ready_after: None,
            nested: BTreeMap::new(),
            nested_reports: BTreeMap::new(),
            again: Vec::new(),
            cut_off: BTreeMap::new(),
            parent,
            name: app.name().to_owned(),
        }
    }
}
