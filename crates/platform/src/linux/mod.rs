//! Linux: processes begun with clone3, held in control groups, heard through one epoll instance.
//!
//! [`Linux`] joins the parts and holds no knowledge of its own: each file keeps one thing (processes, trees, channels,
//! the control endpoint, the pump's pipes …), [`spawn`] writes what a child does before its program runs, and [`sys`]
//! alone issues what rustix does not wrap. Nothing here decides what is to be done.

mod channels;
mod control;
mod directories;
mod host;
mod notify;
mod poller;
mod proc;
mod processes;
mod pump;
mod ready;
mod room;
mod sockets;
mod spawn;
mod sys;
mod trees;
mod users;

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use aplomb_core::spec::{Listen, OwnDirectory, OwnDirectoryKind, Privilege, Resources};
use aplomb_core::{End, Instant, Signal, Wall};
use rustix::event::epoll::EventFlags;
use rustix::process::{Pid, PidfdFlags, WaitOptions, pidfd_open, wait};
use rustix::time::{ClockId, clock_gettime};

use self::channels::Channels;
use self::control::Control;
use self::directories::PrivateTmp;
use self::host::HostSignals;
use self::notify::NotifySocket;
use self::poller::{Poller, Source};
use self::processes::{Process, Processes, end_of, end_of_adopted};
use self::pump::Writers;
use self::ready::ReadyPipes;
use self::room::OpenFiles;
use self::sockets::Sockets;
use self::spawn::{LowDescriptors, Surroundings};
use self::sys::Nursery;
use self::trees::Trees;
use crate::{
    ChannelId, Happened, Holding, HostSignal, Launch, Member, Notification, Platform, ProcessId,
    Pump, PumpPort, Sent, SocketId, SpawnError, Started, Step, TreeId, Usage,
};

/// Messages taken from the notify socket in one turn, so that a flood of them leaves room for the rest.
const MESSAGES: usize = 64;

/// What of the kernel is used where it is there: all of it by default. With less one sees how older and stricter systems
/// fare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Means {
    pub control_groups: bool,
    pub clone3: bool,
    /// Children begin with our table of descriptors instead of a copy.
    pub shared_descriptors: bool,
}

impl Default for Means {
    fn default() -> Means {
        Means {
            control_groups: true,
            clone3: true,
            shared_descriptors: true,
        }
    }
}

/// The platform on Linux. One per process, made on its first thread before any other is started.
#[derive(Debug)]
pub struct Linux {
    poller: Poller,
    host: HostSignals,
    processes: Processes,
    trees: Trees,
    nursery: Nursery,
    channels: Channels,
    control: Option<Control>,
    notify: Option<NotifySocket>,
    ready: ReadyPipes,
    sockets: Sockets,
    writers: Writers,
    open_files: OpenFiles,
    low: LowDescriptors,
    terminal: Option<OwnedFd>,
    /// What the poller told; kept for its room.
    turn: Vec<(Source, EventFlags)>,
    /// Told with the next wait.
    pending: Vec<Happened>,
}

impl Linux {
    /// Takes over this process: its signals are blocked from now on, its orphaned descendants come to it, and every child
    /// it has is laid to rest when it ends.
    ///
    /// Errors: another thread runs already that would swallow signals; no descriptors left.
    pub fn new() -> io::Result<Linux> {
        Linux::with(Means::default())
    }

    /// As [`Linux::new`], with less than the kernel offers.
    pub fn with(means: Means) -> io::Result<Linux> {
        // First, so that their numbers are low.
        let terminal = spawn::open_terminal();
        let low = LowDescriptors::take()?;
        let host = HostSignals::open()?;
        let poller = Poller::new()?;
        poller.add(host.fd(), Source::Signals, EventFlags::IN)?;
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        let trees = if means.control_groups {
            Trees::open(&poller)?
        } else {
            Trees::without_groups("control groups are not wanted".into())
        };
        let mut nursery = Nursery::new();
        if !means.clone3 {
            nursery.forgo_clone3();
        }
        if !means.shared_descriptors {
            nursery.forgo_shared_descriptors();
        }
        Ok(Linux {
            host,
            trees,
            poller,
            processes: Processes::default(),
            nursery,
            channels: Channels::default(),
            control: None,
            notify: None,
            ready: ReadyPipes::default(),
            sockets: Sockets::default(),
            writers: Writers::default(),
            open_files: OpenFiles::default(),
            low,
            terminal,
            turn: Vec::new(),
            pending: Vec::new(),
        })
    }

    fn on(
        &mut self,
        source: Source,
        flags: EventFlags,
        into: &mut Vec<Happened>,
    ) -> io::Result<()> {
        match source {
            Source::Timer => {}
            Source::Bell => into.push(Happened::Woken),
            Source::Signals => self.on_signals(into)?,
            Source::TreeEvents => self.trees.on_events(&self.poller, into),
            Source::Control => {
                if let Some(control) = &self.control {
                    control.accept(&self.poller, &mut self.channels, into);
                }
            }
            Source::Channel(id) => self.channels.on(&self.poller, id, flags, into),
            Source::Notify => self.on_messages(into),
            Source::Adopted(id) => self.on_adopted(ProcessId(id), into),
            Source::ReadyFd(id) => self.ready.on(id, into),
            Source::Member(tree) => self.trees.on_member_gone(tree, &self.poller, into),
        }
        Ok(())
    }

    fn on_signals(&mut self, into: &mut Vec<Happened>) -> io::Result<()> {
        let mut children = false;
        loop {
            let arrived = self.host.drain()?;
            if arrived.is_empty() {
                break;
            }
            for one in arrived {
                if one.signal == Signal::CHLD {
                    children = true;
                } else {
                    into.push(Happened::Host(HostSignal {
                        signal: one.signal,
                        pid: one.pid,
                        uid: one.uid,
                    }));
                }
            }
        }
        if children {
            self.reap(into);
        }
        Ok(())
    }

    /// Takes every child that has ended. One signal may stand for many of them.
    fn reap(&mut self, into: &mut Vec<Happened>) {
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            let pid = pid.as_raw_nonzero().get() as u32;
            // Others are orphans of somebody's tree: they only had to be laid to rest.
            if let Some(process) = self.processes.by_pid(pid) {
                self.ended(process, end_of(status.as_raw()), into);
            }
        }
    }

    fn on_adopted(&mut self, id: ProcessId, into: &mut Vec<Happened>) {
        let Some(process) = self.processes.get(id) else {
            return;
        };
        if let Some(pidfd) = &process.pidfd {
            let end = end_of_adopted(process.pid, pidfd.as_fd());
            self.ended(id, end, into);
        }
    }

    fn ended(&mut self, id: ProcessId, end: End, into: &mut Vec<Happened>) {
        let Some(process) = self.processes.remove(id) else {
            return;
        };
        into.push(Happened::Ended { process: id, end });
        self.trees
            .on_process_ended(process.tree, process.pid, &self.poller, into);
    }

    fn on_messages(&mut self, into: &mut Vec<Happened>) {
        for _ in 0..MESSAGES {
            let Some(notify) = &self.notify else {
                return;
            };
            // Errors: nothing we could tell anybody, and the next message may be all right.
            let Ok(Some((message, text))) = notify.receive() else {
                return;
            };
            let known = self.processes.by_pid(message.pid);
            let known = known.and_then(|id| self.processes.get(id));
            let tree = match known {
                Some(process) => Some(process.tree),
                None => self.trees.tree_of(message.pid),
            };
            let gone = || self.trees.tree_of_gone(message.pidfd.as_ref()?.as_fd());
            if let Some(tree) = tree.or_else(gone) {
                into.push(Happened::Notified(Notification {
                    tree,
                    pid: message.pid,
                    text,
                }));
            }
            // Descriptors that came along are closed here, which is all a barrier waits for.
        }
    }

    /// What the tree needs for this launch besides its group.
    fn prepare_tree(&mut self, launch: &Launch<'_>) -> Result<(), SpawnError> {
        let failed = |step| move |source| SpawnError::Setup { step, source };
        let sandboxed = launch.privilege != Privilege::Full;
        let sandbox = launch.process.sandbox.as_deref().filter(|_| sandboxed);
        if sandbox.is_some_and(|sandbox| sandbox.private_tmp) {
            let extras = self
                .trees
                .extras(launch.tree)
                .map_err(failed(Step::Sandbox))?;
            if extras.private_tmp.is_none() {
                let made = PrivateTmp::make(launch.tree.0).map_err(failed(Step::Sandbox))?;
                extras.private_tmp = Some(made);
            }
        }
        for directory in &launch.process.own_directories {
            if directory.kind == OwnDirectoryKind::Runtime && !directory.preserve {
                let extras = self.trees.extras(launch.tree);
                let extras = extras.map_err(failed(Step::RuntimeDirectory))?;
                extras.runtime.insert(directories::path_of(directory));
            }
        }
        Ok(())
    }

    /// Bears the child; once more in the old way where the new one is refused.
    fn bear(&mut self, launch: &Launch<'_>) -> Result<u32, SpawnError> {
        let failed = |step| move |source| SpawnError::Setup { step, source };
        let room = self
            .trees
            .make_room(launch.tree)
            .map_err(no_room_or(Step::ControlGroup))?;
        let mut doors = room.doors;
        let mut directory = room.directory;
        if !self.nursery.births_into_cgroups() {
            directory = None;
            doors.extend(
                self.trees
                    .door(launch.tree)
                    .map_err(failed(Step::ControlGroup))?,
            );
        }
        let ready = match launch.ready_fd {
            Some(place) => {
                let pipe = self.ready.make(&self.poller, launch.tree);
                let place = i32::try_from(place).unwrap_or(i32::MAX);
                Some((pipe.map_err(no_room_or(Step::Sockets))?, place))
            }
            None => None,
        };
        let mut sockets = Vec::with_capacity(launch.sockets.len());
        for id in launch.sockets {
            let missing = || failed(Step::Sockets)(io::ErrorKind::NotFound.into());
            sockets.push(self.sockets.get(*id).ok_or_else(missing)?);
        }
        let extras = self.trees.extras_if_any(launch.tree);
        let writers = self.writers.borrow();
        let around = Surroundings {
            cgroup: directory.as_ref().map(AsFd::as_fd),
            doors: &doors,
            writers: &writers,
            sockets,
            low: &self.low,
            ready: ready.as_ref().map(|(fd, place)| (fd.as_fd(), *place)),
            private_tmp: extras.and_then(|extras| extras.private_tmp.as_ref()),
            network: extras
                .and_then(|extras| extras.network.as_ref())
                .map(AsFd::as_fd),
            shared_descriptors: self.nursery.shares_descriptors(),
            terminal: self.terminal.as_ref().map(AsFd::as_fd),
            open_files: self.open_files.before(),
        };
        spawn::spawn(&mut self.nursery, launch, &around)
    }

    /// The first process with a private network has made it; the others of its tree join it there.
    fn keep_network(&mut self, launch: &Launch<'_>, pid: u32) {
        let sandboxed = launch.privilege != Privilege::Full;
        let sandbox = launch.process.sandbox.as_deref().filter(|_| sandboxed);
        if sandbox.is_some_and(|sandbox| sandbox.private_network)
            && let Ok(extras) = self.trees.extras(launch.tree)
            && extras.network.is_none()
            && let Ok(network) = std::fs::File::open(format!("/proc/{pid}/ns/net"))
        {
            extras.network = Some(network.into());
        }
    }
}

/// Want of room where that is what the error says, else the step that failed.
fn no_room_or(step: Step) -> impl Fn(io::Error) -> SpawnError {
    use linux_raw_sys::errno as e;
    move |source| match source.raw_os_error().map(|errno| errno as u32) {
        Some(e::EMFILE | e::ENFILE | e::ENOMEM | e::ENOSPC | e::EAGAIN) => {
            SpawnError::NoRoom { source }
        }
        _ => SpawnError::Setup { step, source },
    }
}

impl Platform for Linux {
    fn now(&mut self) -> Instant {
        poller::now()
    }

    fn wall(&mut self) -> Wall {
        let time = clock_gettime(ClockId::Realtime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        Wall(seconds * 1_000_000_000 + time.tv_nsec as u64)
    }

    fn wait(&mut self, until: Option<Instant>, into: &mut Vec<Happened>) -> io::Result<()> {
        let before = into.len();
        into.append(&mut self.pending);
        loop {
            // What we know already must not wait, but the others get their turn as well; and before we sleep, the
            // house is tidied.
            let told = into.len() > before;
            let tidy = self.trees.has_fallow();
            let look_only = told || tidy;
            let mut turn = std::mem::take(&mut self.turn);
            let sleep_until = if look_only {
                Some(Instant::ORIGIN)
            } else {
                until
            };
            self.poller.wait(sleep_until, &mut turn)?;
            if turn.is_empty() && tidy && !told {
                self.trees.clear_fallow();
            }
            for (source, flags) in turn.drain(..) {
                self.on(source, flags, into)?;
            }
            self.turn = turn;
            into.append(&mut self.pending);
            let over = until.is_some_and(|until| until <= poller::now());
            if into.len() > before || over {
                return Ok(());
            }
        }
    }

    fn holding(&self) -> Holding {
        self.trees.holding()
    }

    fn plant(&mut self, name: &str, resources: &Resources) -> io::Result<TreeId> {
        self.trees.plant(name, resources)
    }

    fn spawn(&mut self, launch: &Launch<'_>) -> Result<Started, SpawnError> {
        self.prepare_tree(launch)?;
        let mut born = self.bear(launch);
        if let Err(SpawnError::Setup {
            step: Step::ControlGroup,
            source,
        }) = &born
            && self.nursery.births_into_cgroups()
            && is_refusal_of_clone3(source)
        {
            self.nursery.forgo_clone3();
            born = self.bear(launch);
        }
        let pid = born?;
        self.keep_network(launch, pid);
        let process = self.processes.add(Process {
            pid,
            tree: launch.tree,
            pidfd: None,
        });
        self.trees.on_born(launch.tree, pid, launch.env);
        Ok(Started { process, pid })
    }

    fn adopt(&mut self, tree: TreeId, pid: u32) -> io::Result<Started> {
        if let Some(process) = self.processes.by_pid(pid) {
            let here = self
                .processes
                .get(process)
                .is_some_and(|known| known.tree == tree);
            return if here {
                Ok(Started { process, pid })
            } else {
                Err(stranger(pid))
            };
        }
        let number = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let pidfd = pidfd_open(number.ok_or_else(|| stranger(pid))?, PidfdFlags::empty())?;
        // Opened first: if it is in the tree now, it is the one we have opened.
        if !self.trees.has(tree, pid)? {
            return Err(stranger(pid));
        }
        let source = Source::Adopted(self.processes.next().0);
        self.poller.add(&pidfd, source, EventFlags::IN)?;
        let process = self.processes.add(Process {
            pid,
            tree,
            pidfd: Some(pidfd),
        });
        self.trees.on_adopted(tree);
        Ok(Started { process, pid })
    }

    fn signal(&mut self, process: ProcessId, signal: Signal) -> io::Result<Sent> {
        self.processes.signal(process, signal)
    }

    fn signal_tree(&mut self, tree: TreeId, signal: Signal) -> io::Result<Sent> {
        let children = &self.processes;
        self.trees
            .signal(tree, signal, |pid| children.is_child(pid))
    }

    fn kill_tree(&mut self, tree: TreeId) -> io::Result<()> {
        self.trees.kill(tree, &self.poller, &mut self.pending)
    }

    fn freeze(&mut self, tree: TreeId) -> io::Result<()> {
        self.trees.freeze(tree)
    }

    fn thaw(&mut self, tree: TreeId) -> io::Result<()> {
        self.trees.thaw(tree)
    }

    fn watch_empty(&mut self, tree: TreeId) {
        self.trees
            .watch_empty(tree, &self.poller, &mut self.pending);
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
            None => NotifySocket::open(&self.poller)?,
        };
        Ok(self.notify.insert(notify).address().to_owned())
    }

    fn directory_of(&self, directory: &OwnDirectory) -> String {
        directories::path_of(directory).display().to_string()
    }

    fn open_socket(&mut self, listen: &Listen) -> io::Result<SocketId> {
        self.sockets.open(listen)
    }

    fn close_socket(&mut self, socket: SocketId) {
        self.sockets.close(socket);
    }

    fn listen_control(&mut self, address: &str) -> io::Result<()> {
        self.control = Some(Control::open(&self.poller, address)?);
        Ok(())
    }

    fn connect(&mut self, address: &str) -> io::Result<ChannelId> {
        self.channels.connect(&self.poller, address)
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
        pump::open(self.poller.bell()?, Writers::clone(&self.writers))
    }

    fn make_room(&mut self, services: usize) -> io::Result<()> {
        self.open_files.raise(services)
    }
}

fn stranger(pid: u32) -> io::Error {
    io::Error::new(
        io::ErrorKind::NotFound,
        format!("process {pid} is not in the tree"),
    )
}

/// Not known (old kernels), forbidden (seccomp), or its arguments not (kernels before 5.7).
fn is_refusal_of_clone3(error: &io::Error) -> bool {
    use linux_raw_sys::errno as e;
    let errno = error.raw_os_error().map(|errno| errno as u32);
    matches!(errno, Some(e::ENOSYS | e::EPERM | e::E2BIG | e::EINVAL))
}
