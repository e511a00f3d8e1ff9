//! Linux: processes begun with clone3, held in control groups, heard through one epoll instance.
//!
//! [`Linux`] joins the parts and holds no knowledge of its own: each file keeps one thing (processes, trees, channels,
//! the control endpoint, the pump's pipes …), [`spawn`] writes what a child does before its program runs, and [`sys`]
//! alone issues what rustix does not wrap. Nothing here decides what is to be done.

mod channels;
mod control;
mod host;
mod poller;
mod proc;
mod processes;
mod pump;
mod spawn;
mod sys;
mod trees;

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use aplomb_core::spec::{Listen, Resources};
use aplomb_core::{End, Instant, Signal, Wall};
use rustix::event::epoll::EventFlags;
use rustix::process::{WaitOptions, wait};
use rustix::time::{ClockId, clock_gettime};

use self::channels::Channels;
use self::control::Control;
use self::host::HostSignals;
use self::poller::{Poller, Source};
use self::processes::{Process, Processes, end_of};
use self::pump::Writers;
use self::spawn::Surroundings;
use self::sys::Nursery;
use self::trees::Trees;
use crate::{
    ChannelId, Happened, Holding, HostSignal, Launch, Member, Platform, ProcessId, Pump, PumpPort,
    Sent, SocketId, SpawnError, Started, Step, TreeId, Usage,
};

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
    writers: Writers,
    null: OwnedFd,
    /// What the poller told; kept for its room.
    turn: Vec<(Source, EventFlags)>,
    /// Told with the next wait.
    pending: Vec<Happened>,
}

impl Linux {
    /// Takes over this process: its signals are blocked from now on, its orphaned descendants come to it.
    ///
    /// Errors: another thread runs already that would swallow signals; no descriptors left.
    pub fn new() -> io::Result<Linux> {
        let host = HostSignals::open()?;
        let poller = Poller::new()?;
        poller.add(host.fd(), Source::Signals, EventFlags::IN)?;
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        let trees = Trees::open(&poller)?;
        Ok(Linux {
            host,
            trees,
            poller,
            processes: Processes::default(),
            nursery: Nursery::new(),
            channels: Channels::default(),
            control: None,
            writers: Writers::default(),
            null: spawn::open_null()?,
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
            Source::TreeEvents => self.trees.on_events(into),
            Source::Control => {
                if let Some(control) = &self.control {
                    control.accept(&self.poller, &mut self.channels, into);
                }
            }
            Source::Channel(id) => self.channels.on(&self.poller, id, flags, into),
            Source::Notify | Source::Adopted(_) | Source::ReadyFd(_) | Source::Member(_) => {}
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
                self.ended(process, end_of(status), into);
            }
        }
    }

    fn ended(&mut self, id: ProcessId, end: End, into: &mut Vec<Happened>) {
        let Some(process) = self.processes.remove(id) else {
            return;
        };
        into.push(Happened::Ended { process: id, end });
        self.trees.on_member_ended(process.tree, into);
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
            let told = into.len() > before;
            // What we know already must not wait, but the others get their turn as well.
            let until = if told { Some(Instant::ORIGIN) } else { until };
            let mut turn = std::mem::take(&mut self.turn);
            self.poller.wait(until, &mut turn)?;
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
        let group = self
            .trees
            .make_room(launch.tree)
            .map_err(|source| SpawnError::Setup {
                step: Step::ControlGroup,
                source,
            })?;
        let writers = self.writers.borrow();
        let around = Surroundings {
            cgroup: group.as_ref().map(AsFd::as_fd),
            doors: Vec::new(),
            writers: &writers,
            sockets: Vec::new(),
            null: self.null.as_fd(),
            ready: None,
        };
        let born = spawn::spawn(&mut self.nursery, launch, &around);
        drop(writers);
        let pid = born?;
        let process = self.processes.add(Process {
            pid,
            tree: launch.tree,
            pidfd: None,
        });
        self.trees.on_born(launch.tree);
        Ok(Started { process, pid })
    }

    fn adopt(&mut self, _tree: TreeId, _pid: u32) -> io::Result<Started> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn signal(&mut self, process: ProcessId, signal: Signal) -> io::Result<Sent> {
        self.processes.signal(process, signal)
    }

    fn signal_tree(&mut self, tree: TreeId, signal: Signal) -> io::Result<Sent> {
        self.trees.signal(tree, signal)
    }

    fn kill_tree(&mut self, tree: TreeId) -> io::Result<()> {
        self.trees.kill(tree, &mut self.pending)
    }

    fn freeze(&mut self, tree: TreeId) -> io::Result<()> {
        self.trees.freeze(tree)
    }

    fn thaw(&mut self, tree: TreeId) -> io::Result<()> {
        self.trees.thaw(tree)
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
        self.trees.uproot(tree);
    }

    fn notify_address(&mut self) -> io::Result<String> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn open_socket(&mut self, _listen: &Listen) -> io::Result<SocketId> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn close_socket(&mut self, _socket: SocketId) {}

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

    fn make_room(&mut self, _services: usize) -> io::Result<()> {
        Ok(())
    }
}
