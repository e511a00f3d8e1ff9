//! Linux: processes begun with clone3, held in control groups, heard through one epoll instance.
//!
//! [`Linux`] joins the parts and holds no knowledge of its own: each file keeps one thing (processes, trees, channels,
//! the control endpoint, the pump's pipes …), [`spawn`] writes what a child does before its program runs, and [`sys`]
//! alone issues what rustix does not wrap. Nothing here decides what is to be done.

mod begin;
mod channels;
mod control;
mod directories;
mod events;
mod host;
pub mod keeper;
mod notify;
mod poller;
mod proc;
mod processes;
mod pump;
mod ready;
mod room;
mod sockets;
mod spawn;
mod succession;
mod sys;
mod trees;
mod users;

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use aplomb_core::spec::{Listen, OwnDirectory, Resources};
use aplomb_core::{Instant, Signal, Wall};
use rustix::event::epoll::EventFlags;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use rustix::time::{ClockId, clock_gettime};

use self::channels::Channels;
use self::control::Control;
use self::host::HostSignals;
use self::keeper::Birth;
use self::notify::NotifySocket;
use self::poller::{Poller, Source};
use self::processes::{Process, Processes};
use self::pump::Writers;
use self::ready::ReadyPipes;
use self::room::OpenFiles;
use self::sockets::Sockets;
use self::spawn::LowDescriptors;
use self::succession::Kept;
use self::sys::Nursery;
use self::trees::Trees;
use crate::{
    ChannelId, Found, Happened, Holding, Launch, Member, Platform, PlatformKeepsake, ProcessId,
    ProcessKeepsake, Pump, PumpPort, Sent, SocketId, SocketKeepsake, SpawnError, Started, TreeId,
    TreeKeepsake, Usage,
};

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

/// Where process numbers mean what they do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// The kernel's name for the time since it booted; empty where it does not tell.
    pub boot: String,
    /// The PID namespace we are in.
    pub namespace: u64,
}

/// This machine, since it booted, as this process sees it.
pub fn host() -> Host {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let namespace = rustix::fs::stat("/proc/self/ns/pid").map_or(0, |stat| stat.st_ino);
    Host {
        boot: boot.trim().to_owned(),
        namespace,
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
    kept: Option<Kept>,
    /// What an earlier engine left and is not taken up yet.
    left: PlatformKeepsake,
    /// Children born since memory was last given back.
    births: usize,
}

/// Whether there is time for what would only keep others waiting otherwise.
fn is_far(until: Option<Instant>) -> bool {
    until.is_none_or(|until| until.since(poller::now()) >= std::time::Duration::from_millis(50))
}

/// So many births leave memory behind that is worth giving back.
const MANY_BIRTHS: usize = 256;

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
        Linux::born(means, None, PlatformKeepsake::default())
    }

    /// As [`Linux::with`], for an engine with a keeper, after one that left this.
    pub fn born(means: Means, birth: Option<Birth>, left: PlatformKeepsake) -> io::Result<Linux> {
        // First, so that their numbers are low.
        sys::heap::one_arena();
        let terminal = spawn::open_terminal();
        let low = LowDescriptors::take()?;
        let host = HostSignals::open()?;
        let poller = Poller::new()?;
        poller.add(host.fd(), Source::Signals, EventFlags::IN)?;
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        let keeper = birth.as_ref().map(Birth::keeper);
        let trees = if means.control_groups {
            Trees::open(&poller, keeper, left.groups.as_deref())?
        } else {
            Trees::without_groups("control groups are not wanted".into(), keeper)
        };
        if let Some(birth) = &birth {
            poller.add(birth.ends(), Source::Orphans, EventFlags::IN)?;
        }
        // What was sent meanwhile is in it, and must be read before anything is concluded from silence.
        let mut left = left;
        let notify = left.notify.take();
        let notify = notify.and_then(|(socket, address)| {
            // One that is not there any more is opened anew, at another address, for those begun from now on.
            NotifySocket::take_up(&poller, socket, address).ok()
        });
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
            notify,
            ready: ReadyPipes::default(),
            sockets: Sockets::default(),
            writers: Writers::default(),
            open_files: OpenFiles::default(),
            low,
            terminal,
            turn: Vec::new(),
            pending: Vec::new(),
            kept: birth.map(Kept::new),
            left,
            births: 0,
        })
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
            let spent = self.births >= MANY_BIRTHS && is_far(until);
            let look_only = told || tidy || spent;
            let mut turn = std::mem::take(&mut self.turn);
            let sleep_until = if look_only {
                Some(Instant::ORIGIN)
            } else {
                until
            };
            self.poller.wait(sleep_until, &mut turn)?;
            if turn.is_empty() && !told {
                if tidy {
                    self.trees.clear_fallow();
                } else if spent {
                    self.births = 0;
                    sys::heap::give_back();
                }
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
        self.begin(launch)
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
            found_at: None,
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
        if let Some((socket, lock)) = self.left.control.take()
            && let Ok(control) = Control::take_up(&self.poller, address, socket, lock)
        {
            self.control = Some(control);
            return Ok(());
        }
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
        let hold = self.kept.as_ref().map(|kept| kept.birth().hold());
        pump::open(self.poller.bell()?, Writers::clone(&self.writers), hold)
    }

    fn keepsake(&mut self) -> Option<PlatformKeepsake> {
        self.leave()
    }

    fn tree_keepsake(&mut self, tree: TreeId) -> Option<TreeKeepsake> {
        self.leave_tree(tree)
    }

    fn process_keepsake(&mut self, process: ProcessId) -> Option<ProcessKeepsake> {
        self.leave_process(process)
    }

    fn socket_keepsake(&mut self, socket: SocketId) -> Option<SocketKeepsake> {
        self.sockets.keepsake(socket)
    }

    fn find_tree(&mut self, keepsake: &TreeKeepsake) -> io::Result<TreeId> {
        self.take_up_tree(keepsake)
    }

    fn find_process(&mut self, tree: TreeId, keepsake: ProcessKeepsake) -> Found {
        self.take_up_process(tree, keepsake)
    }

    fn find_unrecorded(&mut self, mark: &str) -> Option<(ProcessKeepsake, TreeKeepsake)> {
        self.look_for(mark)
    }

    fn end_unrecorded(&mut self) -> usize {
        self.end_orphans()
    }

    fn find_socket(&mut self, keepsake: &SocketKeepsake) -> io::Result<SocketId> {
        self.sockets.take_up(keepsake)
    }

    fn settled(&mut self) {
        if let Some(kept) = &self.kept {
            // Without it the old program stays at hand a little longer, and is not needed.
            let _unheard = kept.birth().settled();
        }
    }

    fn hand_over_to(&mut self, program: &Path) -> io::Result<()> {
        match &self.kept {
            Some(kept) => kept.birth().hand_over_to(program.to_owned()),
            None => Err(io::ErrorKind::Unsupported.into()),
        }
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
