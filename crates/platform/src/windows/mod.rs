//! Windows: processes held in job objects, heard through one completion port.
//!
//! [`Windows`] joins the parts and holds no knowledge of its own: each file keeps one thing (processes, trees, channels,
//! the control endpoint, the pump's pipes …), [`spawn`] says what a program is born with, [`request`] how it is asked to
//! end, and [`sys`] alone issues calls. Nothing here decides what is to be done.
//!
//! Signals are Linux's. Here SIGINT is Ctrl+C, SIGQUIT is Ctrl+Break, SIGTERM is Ctrl+C for who has a console and
//! WM_CLOSE for who has not, SIGKILL and SIGABRT end the process as it stands; SIGCONT is for nobody, since nothing is
//! stopped by signal. Every other one is refused.

mod channels;
pub mod client;
mod command_line;
mod control;
pub mod directories;
mod environment;
mod limits;
mod listener;
mod notify;
mod poller;
mod processes;
mod program;
mod pump;
mod ready;
pub mod request;
pub mod service;
mod spawn;
mod stdio;
mod streams;
mod sys;
mod trees;

use std::io;
use std::os::windows::io::OwnedHandle;
use std::sync::LazyLock;
use std::time::{Instant as Clock, SystemTime, UNIX_EPOCH};

use aplomb_core::spec::{Listen, OwnDirectory, Resources};
use aplomb_core::{Instant, Signal, Wall};

use self::channels::Channels;
use self::control::Control;
use self::notify::NotifyPipe;
use self::poller::{Poller, Source};
use self::processes::Processes;
use self::pump::Writers;
use self::ready::ReadyPipes;
use self::request::{Requests, Wanted, Way};
use self::sys::console::{self, Said};
use self::sys::port::Packet;
use self::trees::Trees;
use crate::{
    Asking, ChannelId, Happened, Holding, HostSignal, Launch, Member, Platform, ProcessId, Pump,
    PumpPort, Sent, SocketId, SpawnError, Started, TreeId, Usage,
};

/// Whether this is Wine, which lacks a few things that Windows has; for tests.
pub fn is_wine() -> bool {
    sys::inspect::is_wine()
}

/// From now on no child inherits our standard handles, unless it is given them: one that outlives us would keep who
/// reads our output waiting.
pub fn keep_standard_handles() {
    sys::birth::keep_standard_handles();
}

/// Whether this process has an administrator's full rights, or is the system itself.
pub fn is_elevated() -> bool {
    sys::security::is_elevated()
}

/// The platform on Windows. One per process.
#[derive(Debug)]
pub struct Windows {
    poller: Poller,
    processes: Processes,
    trees: Trees,
    requests: Requests,
    channels: Channels,
    control: Option<Control>,
    notify: Option<NotifyPipe>,
    ready: ReadyPipes,
    writers: Writers,
    /// What the poller told; kept for its room.
    turn: Vec<(Source, Packet)>,
    /// Told with the next wait.
    pending: Vec<Happened>,
}

impl Windows {
    /// Takes over this process: what its console says is told as [`Happened::Host`] from now on.
    ///
    /// Errors: there is a platform already; the system has no room for a completion port.
    pub fn new() -> io::Result<Windows> {
        LazyLock::force(&ORIGIN);
        let poller = Poller::new()?;
        console::hear_ctrl_c();
        console::listen(poller.poster(), Source::Host.pack())?;
        sys::birth::keep_standard_handles();
        Ok(Windows {
            poller,
            processes: Processes::default(),
            trees: Trees::default(),
            requests: Requests::default(),
            channels: Channels::default(),
            control: None,
            notify: None,
            ready: ReadyPipes::default(),
            writers: Writers::default(),
            turn: Vec::new(),
            pending: Vec::new(),
        })
    }

    /// A way for other threads to wake the engine's loop: told as [`Happened::Woken`].
    pub fn bell(&self) -> Bell {
        Bell {
            poster: self.poller.poster(),
        }
    }

    fn on(&mut self, source: Source, packet: Packet, into: &mut Vec<Happened>) {
        match source {
            Source::Bell => into.push(Happened::Woken),
            // The service control manager's words, or the console's.
            Source::Host if packet.operation == 1 => {
                into.extend(service::control(packet.amount).map(Happened::Controlled));
            }
            Source::Host => into.extend(console::said(packet.amount).and_then(host_signal)),
            Source::Ended(id) => {
                if let Some(ended) = self.processes.ended(ProcessId(id)) {
                    self.trees.on_ended(&ended);
                    into.push(Happened::Ended {
                        process: ended.process,
                        end: ended.end,
                    });
                    self.trees.tell_if_empty(ended.tree, into);
                }
            }
            Source::Tree(id) => self.trees.on_packet(TreeId(id), packet, into),
            Source::Asked(id) => into.extend(self.requests.over(id)),
            Source::Channel(id) => {
                let control = self.control.as_mut();
                let accepted = control
                    .is_some_and(|control| control.on(&self.poller, id, &mut self.channels, into));
                if !accepted {
                    self.channels.on(&self.poller, id, packet, into);
                }
            }
            Source::Notify(id) => {
                if let Some(notify) = &mut self.notify {
                    notify.on(&self.poller, id, packet, &self.trees, into);
                }
            }
            Source::Ready(id) => into.extend(self.ready.on(id, packet)),
        }
    }

    /// Sends what a signal means here to one process.
    fn signal_one(&mut self, process: ProcessId, meaning: Meaning) -> io::Result<Sent> {
        let Some(known) = self.processes.get_mut(process) else {
            return Ok(Sent { reached: 0 });
        };
        let tree = known.tree;
        match meaning {
            Meaning::Nothing => Ok(Sent { reached: 1 }),
            Meaning::End(signal) => Ok(Sent {
                reached: usize::from(known.end_with(signal)),
            }),
            Meaning::Ask(wanted) => {
                if !self.trees.keep_for_thaw(tree, Some(process), wanted) {
                    let known = self.processes.get(process);
                    let handle = known.map(|known| &known.handle);
                    self.requests
                        .ask_process(&self.poller, tree, handle, wanted)?;
                }
                Ok(Sent { reached: 1 })
            }
        }
    }

    fn ask_members(&mut self, tree: TreeId, asking: Asking) -> io::Result<()> {
        let wanted = Wanted::asked(asking);
        if self.trees.keep_for_thaw(tree, None, wanted) {
            return Ok(());
        }
        let job = self.trees.job(tree)?;
        self.requests.ask_tree(&self.poller, tree, job, wanted)
    }
}

/// Wakes the engine's loop from another thread.
#[derive(Debug, Clone)]
pub struct Bell {
    poster: sys::port::Poster,
}

impl Bell {
    /// Wakes the loop, once, however often it is rung before it looks.
    pub fn ring(&self) {
        // A loop that is gone needs no waking.
        let _ = self.poster.post(Source::Bell.packet());
    }
}

/// The exit code of a process that we end: 128 and the signal's number, as shells say it.
fn code_of(signal: Signal) -> u32 {
    128 + u32::from(signal.number())
}

/// What a signal means on Windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Nothing,
    Ask(Wanted),
    /// The end, at once, which counts as that of this signal.
    End(Signal),
}

fn meaning(signal: Signal) -> io::Result<Meaning> {
    match signal {
        Signal::CONT => Ok(Meaning::Nothing),
        Signal::TERM => Ok(Meaning::Ask(Wanted::signalled(Way::Politely))),
        Signal::INT => Ok(Meaning::Ask(Wanted::signalled(Way::Only(Asking::CtrlC)))),
        Signal::QUIT => Ok(Meaning::Ask(Wanted::signalled(Way::Only(
            Asking::CtrlBreak,
        )))),
        Signal::KILL | Signal::ABRT => Ok(Meaning::End(signal)),
        other => {
            let why = format!("Windows has nothing like {other}");
            Err(io::Error::new(io::ErrorKind::Unsupported, why))
        }
    }
}

/// Whether a signal means anything here. Errors: why not.
pub(crate) fn can_send(signal: Signal) -> io::Result<()> {
    meaning(signal).map(drop)
}

/// Ctrl+C is SIGINT to the engine; whatever else a console says is a request to end.
fn host_signal(said: Said) -> Option<Happened> {
    let signal = match said {
        Said::CtrlC => Signal::INT,
        Said::CtrlBreak | Said::Close | Said::Shutdown => Signal::TERM,
        // Services hear it when any user logs off; a terminal's programs get Close as well.
        Said::Logoff => return None,
    };
    Some(Happened::Host(HostSignal {
        signal,
        pid: None,
        uid: None,
    }))
}

impl Platform for Windows {
    fn now(&mut self) -> Instant {
        now()
    }

    fn wall(&mut self) -> Wall {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Wall(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
    }

    fn wait(&mut self, until: Option<Instant>, into: &mut Vec<Happened>) -> io::Result<()> {
        let before = into.len();
        into.append(&mut self.pending);
        loop {
            // What we know already must not wait, but the others get their turn as well.
            let look_only = into.len() > before;
            let time = if look_only {
                Some(std::time::Duration::ZERO)
            } else {
                until.map(|until| until.since(now()))
            };
            let mut turn = std::mem::take(&mut self.turn);
            self.poller.wait(time, &mut turn)?;
            for (source, packet) in turn.drain(..) {
                self.on(source, packet, into);
            }
            self.turn = turn;
            into.append(&mut self.pending);
            let over = until.is_some_and(|until| until <= now());
            if into.len() > before || over {
                return Ok(());
            }
        }
    }

    fn holding(&self) -> Holding {
        Holding::Job
    }

    fn plant(&mut self, _name: &str, resources: &Resources) -> io::Result<TreeId> {
        self.trees.plant(&self.poller, resources)
    }

    fn spawn(&mut self, launch: &Launch<'_>) -> Result<Started, SpawnError> {
        self.begin(launch)
    }

    fn adopt(&mut self, tree: TreeId, pid: u32) -> io::Result<Started> {
        if let Some(process) = self.processes.by_pid(pid, tree) {
            return Ok(Started { process, pid });
        }
        let handle = sys::process::open(pid, sys::process::Right::Own)?;
        // Opened first: if it is in the tree now, it is the one we have opened.
        if !self.trees.job(tree)?.holds(&handle)? {
            let why = format!("process {pid} is not in the tree");
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        }
        self.watch(tree, handle, pid)
    }

    fn signal(&mut self, process: ProcessId, signal: Signal) -> io::Result<Sent> {
        self.signal_one(process, meaning(signal)?)
    }

    fn signal_tree(&mut self, tree: TreeId, signal: Signal) -> io::Result<Sent> {
        let meaning = meaning(signal)?;
        let reached = self.trees.living(tree)?.len();
        match meaning {
            Meaning::Nothing => {}
            Meaning::End(signal) => {
                self.processes.killed(tree, signal);
                self.trees.job(tree)?.terminate(code_of(signal))?;
            }
            Meaning::Ask(wanted) => {
                if reached > 0 && !self.trees.keep_for_thaw(tree, None, wanted) {
                    let job = self.trees.job(tree)?;
                    self.requests.ask_tree(&self.poller, tree, job, wanted)?;
                }
            }
        }
        Ok(Sent { reached })
    }

    fn ask(&mut self, process: ProcessId, asking: Asking) -> io::Result<()> {
        let asked = self.signal_one(process, Meaning::Ask(Wanted::asked(asking)));
        asked.map(drop)
    }

    fn ask_tree(&mut self, tree: TreeId, asking: Asking) -> io::Result<()> {
        self.ask_members(tree, asking)
    }

    fn kill_tree(&mut self, tree: TreeId) -> io::Result<()> {
        self.processes.killed(tree, Signal::KILL);
        self.trees.kill(tree)?;
        self.watch_empty(tree);
        Ok(())
    }

    fn freeze(&mut self, tree: TreeId) -> io::Result<()> {
        self.trees.freeze(tree)
    }

    fn thaw(&mut self, tree: TreeId) -> io::Result<()> {
        for (process, wanted) in self.trees.thaw(tree)? {
            match process {
                Some(process) => drop(self.signal_one(process, Meaning::Ask(wanted))?),
                None => {
                    let job = self.trees.job(tree)?;
                    self.requests.ask_tree(&self.poller, tree, job, wanted)?;
                }
            }
        }
        Ok(())
    }

    fn watch_empty(&mut self, tree: TreeId) {
        self.trees.watch_empty(tree, &mut self.pending);
    }

    fn members(&mut self, tree: TreeId) -> Vec<Member> {
        self.trees.members(tree)
    }

    fn usage(&mut self, tree: TreeId) -> Usage {
        self.trees.usage(tree)
    }

    fn uproot(&mut self, tree: TreeId) {
        self.ready.forget(tree);
        self.trees.uproot(tree);
    }

    fn notify_address(&mut self) -> io::Result<String> {
        let notify = match self.notify.take() {
            Some(notify) => notify,
            None => NotifyPipe::open(&self.poller)?,
        };
        Ok(self.notify.insert(notify).address().to_owned())
    }

    fn directory_of(&self, directory: &OwnDirectory) -> String {
        directories::path_of(directory).display().to_string()
    }

    fn open_socket(&mut self, _listen: &Listen) -> io::Result<SocketId> {
        let why = "Windows cannot hand sockets to programs that listen for them";
        Err(io::Error::new(io::ErrorKind::Unsupported, why))
    }

    fn close_socket(&mut self, _socket: SocketId) {}

    fn listen_control(&mut self, address: &str) -> io::Result<()> {
        let control = Control::open(&self.poller, address, &mut self.channels)?;
        self.control = Some(control);
        Ok(())
    }

    fn connect(&mut self, address: &str) -> io::Result<ChannelId> {
        self.channels
            .connect(&self.poller, address, &mut self.pending)
    }

    fn read(&mut self, channel: ChannelId, into: &mut [u8]) -> io::Result<usize> {
        self.channels.read(channel, into)
    }

    fn write(&mut self, channel: ChannelId, bytes: &[u8]) -> io::Result<usize> {
        self.channels.write(channel, bytes)
    }

    fn close(&mut self, channel: ChannelId) {
        self.channels.close(channel);
    }

    fn pump(&mut self) -> io::Result<(Box<dyn Pump>, Box<dyn PumpPort>)> {
        pump::open(self.poller.poster(), self.writers.clone())
    }

    fn make_room(&mut self, _services: usize) -> io::Result<()> {
        // A process may have sixteen million handles; nothing has to be asked for.
        Ok(())
    }

    fn lends_output(&self) -> bool {
        stdio::lends_output()
    }
}

impl Windows {
    /// Takes note of a process, so that its end is told.
    fn watch(&mut self, tree: TreeId, handle: OwnedHandle, pid: u32) -> io::Result<Started> {
        let process = self.processes.next();
        let packet = Packet {
            key: Source::Ended(process.0).pack(),
            operation: 0,
            amount: 0,
        };
        let poster = self.poller.poster();
        let watch = sys::process::EndWatch::begin(&handle, poster, packet)?;
        self.processes.add(processes::Process {
            pid,
            tree,
            _watch: watch,
            handle,
            killed: None,
        });
        self.trees.on_watched(tree, process);
        Ok(Started { process, pid })
    }
}

/// Where the monotonic clock begins.
static ORIGIN: LazyLock<Clock> = LazyLock::new(Clock::now);

/// The clock that goes on while the machine is asleep: the performance counter.
fn now() -> Instant {
    let since = ORIGIN.elapsed().as_nanos();
    Instant::from_nanos(u64::try_from(since).unwrap_or(u64::MAX))
}

/// The name of a pipe that nobody can guess.
fn pipe_name(what: &str) -> String {
    format!(r"\\.\pipe\{}", unique_name(what))
}

fn unique_name(what: &str) -> String {
    use std::hash::{BuildHasher, RandomState};
    // Each state has keys of its own, from the system's source of randomness or next to one that has.
    let random = RandomState::new().hash_one(now());
    format!("aplomb-{what}-{}-{random:016x}", std::process::id())
}
