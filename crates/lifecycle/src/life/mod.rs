//! The life thread: it sleeps on the mailbox, asks the machine, and does what the machine says.
//!
//! One thread for the whole program, nested applications included; it never runs user code save the drivers that start
//! a component (they spawn and return) and the observer. A blocked runtime therefore cannot keep it from reporting,
//! cutting and ending. `act.rs` does what the machine says, `words.rs` says what is waited for, `record.rs` and `end.rs` write
//! the report and see the process out, `host.rs` talks to whoever started us.

mod act;
mod end;
mod nesting;
pub(crate) mod record;
mod words;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::app::App;
use crate::cause::{Ask, Cause, Urgency};
use crate::cell::Cell;
use crate::ctx::Ctx;
use crate::machine::{Event, Machine, Run, Settings};
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
    opened: os::Opened,
    end: Option<u8>,
}

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
            opened: os::Opened::now(),
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
