//! The list of duties: what an operating system must do for the engine, and what it tells in return.

use std::fmt;
use std::io;
use std::path::Path;
use std::time::Duration;

use aplomb_core::spec::{Listen, OwnDirectory, Resources};
use aplomb_core::{End, Instant, Signal, Wall};

use crate::{
    Found, Launch, PlatformKeepsake, ProcessKeepsake, SocketKeepsake, SpawnError, StreamKeepsake,
    TreeKeepsake,
};

/// A process we spawned. Never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessId(pub u64);

/// A process tree: all that is ever begotten inside it, held by control group, job or process group. Never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreeId(pub u64);

/// A connection: control client, probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelId(pub u64);

/// A socket held for a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(pub u64);

/// One output stream on its way to the pump. Chosen by the engine, unique while attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u64);

/// What the engine may ask of the system it runs on.
///
/// Every call returns at once but [`Platform::wait`]. One thread calls all of them.
pub trait Platform {
    /// The monotonic clock, time asleep included.
    fn now(&mut self) -> Instant;

    /// The wall clock.
    fn wall(&mut self) -> Wall;

    /// Sleeps until something happens, or until `until`; appends what happened to `into`. With nothing to tell and no
    /// `until` it sleeps for ever: no polling. Errors are those of the waiting itself and mean the end of the engine.
    fn wait(&mut self, until: Option<Instant>, into: &mut Vec<Happened>) -> io::Result<()>;

    /// How trees are held here, for `status`.
    fn holding(&self) -> Holding;

    /// A new, empty tree. `name` is a hint for people (the instance's name). Costs as little as possible until the
    /// first spawn. Limits that cannot be set are an error, never left out.
    fn plant(&mut self, name: &str, resources: &Resources) -> io::Result<TreeId>;

    /// Executes a program. When this returns `Ok` the program's first instruction has been reached (the exec has
    /// succeeded), in its tree, with nothing of ours leaked into it. Its end is told as [`Happened::Ended`].
    fn spawn(&mut self, launch: &Launch<'_>) -> Result<Started, SpawnError>;

    /// Takes a member of the tree that we did not spawn as if we had (`PIDFile=`, `MAINPID=`). Refused where `pid` is not
    /// in the tree. Its end is told with [`End::Unknown`] where the system cannot tell us how.
    fn adopt(&mut self, tree: TreeId, pid: u32) -> io::Result<Started>;

    /// A signal to one process. Never hits another that got its pid; nobody is reached if it is gone.
    fn signal(&mut self, process: ProcessId, signal: Signal) -> io::Result<Sent>;

    /// A signal to every member of the tree, those included that are born meanwhile as far as the system can.
    fn signal_tree(&mut self, tree: TreeId, signal: Signal) -> io::Result<Sent>;

    /// Asks a process to end in a way that is no signal; where it reaches nobody, [`Happened::Unheard`] tells so.
    /// Errors: this system has no such way.
    fn ask(&mut self, _process: ProcessId, _asking: Asking) -> io::Result<()> {
        Err(no_such_way())
    }

    /// As [`Platform::ask`], every member of the tree.
    fn ask_tree(&mut self, _tree: TreeId, _asking: Asking) -> io::Result<()> {
        Err(no_such_way())
    }

    /// Ends every member, in a way nobody can refuse; told by [`Happened::TreeEmpty`], as if [`Platform::watch_empty`]
    /// had been called.
    fn kill_tree(&mut self, tree: TreeId) -> io::Result<()>;

    /// Nothing in the tree executes until [`Platform::thaw`].
    fn freeze(&mut self, tree: TreeId) -> io::Result<()>;
    fn thaw(&mut self, tree: TreeId) -> io::Result<()>;

    /// From now on [`Happened::TreeEmpty`] is told once, as soon as the tree has no living member (at once if it has none).
    /// A spawn into a tree told empty begins a new life of it, whose end has to be asked for again.
    fn watch_empty(&mut self, tree: TreeId);

    /// Who is in the tree now.
    fn members(&mut self, tree: TreeId) -> Vec<Member>;

    /// What the tree uses now.
    fn usage(&mut self, tree: TreeId) -> Usage;

    /// The tree is not needed any more: its leftovers, if any, are let go of (not killed). What was made for it goes with
    /// it: its private temporary directory, and the runtime directories that are not to be preserved.
    fn uproot(&mut self, tree: TreeId);

    /// Where programs send `sd_notify` messages, as the value of `NOTIFY_SOCKET`; opened on first use.
    fn notify_address(&mut self) -> io::Result<String>;

    /// Where a service's own directory lies, for `RUNTIME_DIRECTORY` and its like; made by the spawn that needs it.
    fn directory_of(&self, directory: &OwnDirectory) -> String;

    /// Opens a socket to be handed to programs.
    fn open_socket(&mut self, listen: &Listen) -> io::Result<SocketId>;
    fn close_socket(&mut self, socket: SocketId);

    /// Opens the control endpoint at `address`; only the engine's own user (and root) may connect. A stale one is
    /// replaced, a living one is an `AddrInUse` error.
    fn listen_control(&mut self, address: &str) -> io::Result<()>;

    /// Begins a TCP connection to `host:port`; told by [`Happened::Connected`]. Names are numeric, or `localhost`.
    fn connect(&mut self, address: &str) -> io::Result<ChannelId>;

    /// Reads what is there. `Ok(0)` is the end; `WouldBlock`: a [`Happened::Readable`] follows when there is more.
    fn read(&mut self, channel: ChannelId, into: &mut [u8]) -> io::Result<usize>;

    /// Writes what fits. After `WouldBlock`, or fewer bytes than asked, a [`Happened::Writable`] follows.
    fn write(&mut self, channel: ChannelId, bytes: &[u8]) -> io::Result<usize>;

    fn close(&mut self, channel: ChannelId);

    /// The pump's own half, to be moved to the pump's thread. Once per platform.
    fn pump(&mut self) -> io::Result<(Box<dyn Pump>, Box<dyn PumpPort>)>;

    /// What belongs to no service, for the engine after this one. `None`: nothing outlives an engine here.
    fn keepsake(&mut self) -> Option<PlatformKeepsake> {
        None
    }

    /// By what the next engine finds the tree, the process, the socket again.
    fn tree_keepsake(&mut self, _tree: TreeId) -> Option<TreeKeepsake> {
        None
    }
    fn process_keepsake(&mut self, _process: ProcessId) -> Option<ProcessKeepsake> {
        None
    }
    fn socket_keepsake(&mut self, _socket: SocketId) -> Option<SocketKeepsake> {
        None
    }

    /// The tree an earlier engine planted, in whatever state it is now.
    fn find_tree(&mut self, _keepsake: &TreeKeepsake) -> io::Result<TreeId> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// The process an earlier engine began in this tree, or what became of it. Its number is never trusted alone.
    fn find_process(&mut self, _tree: TreeId, _keepsake: ProcessKeepsake) -> Found {
        Found::Ended(End::Unattended)
    }

    /// A process with this mark in its environment that an earlier engine begot without having written it down: its
    /// number and its tree.
    fn find_unrecorded(&mut self, _mark: &str) -> Option<(ProcessKeepsake, TreeKeepsake)> {
        None
    }

    /// Ends every program of earlier engines that came to the keeper, in a way nobody can refuse; returns how many there
    /// were. For an engine to whom nobody has told what they are.
    fn end_unrecorded(&mut self) -> usize {
        0
    }

    /// The socket an earlier engine held.
    fn find_socket(&mut self, _keepsake: &SocketKeepsake) -> io::Result<SocketId> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// What an earlier engine left is carried: from now on there is no way back to its program.
    fn settled(&mut self) {}

    /// Once this engine has ended in good order, an engine of this program goes on.
    ///
    /// Errors: there is nobody to see to it.
    fn hand_over_to(&mut self, _program: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Raises the engine's own limits as far as it may (open files), so that `services` fit. Errors say what there is
    /// instead; whatever could be had has been taken.
    fn make_room(&mut self, services: usize) -> io::Result<()>;

    /// Whether programs can be given our own output ([`crate::Output::Inherit`]) and it arrives. Where not, it takes the
    /// pump's way.
    fn lends_output(&self) -> bool {
        true
    }
}

fn no_such_way() -> io::Error {
    let why = "this system has no such way to ask a program to end";
    io::Error::new(io::ErrorKind::Unsupported, why)
}

/// The engine's handle on the pump: makes the pipes. Messages to the pump's loop go through a channel of the engine's own,
/// followed by `wake`.
pub trait Pump: fmt::Debug {
    /// A new pipe of this name whose reading end the pump's port now watches. Any number of launches may name it.
    fn attach(&mut self, stream: StreamId) -> io::Result<()>;
    /// By what the next engine finds the pipe again.
    fn keepsake(&mut self, _stream: StreamId) -> Option<StreamKeepsake> {
        None
    }
    /// As [`Pump::attach`], with the pipe an earlier engine made.
    fn find(&mut self, _stream: StreamId, _keepsake: &StreamKeepsake) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    /// No further launch names this stream: it ends (`Ok(0)`) when the last program that holds it is gone.
    fn seal(&mut self, stream: StreamId);
    /// Wakes the pump's port.
    fn wake(&mut self);
}

/// What the pump's loop waits on.
pub trait PumpPort: Send {
    /// As [`Platform::wait`]; told are streams that can be read.
    fn wait(&mut self, until: Option<Duration>, into: &mut Vec<PumpEvent>) -> io::Result<()>;
    /// As [`Platform::read`]; `Ok(0)`: every writer is gone.
    fn read(&mut self, stream: StreamId, into: &mut [u8]) -> io::Result<usize>;
    fn detach(&mut self, stream: StreamId);
    /// How many bytes can be read at once.
    fn waiting(&mut self, _stream: StreamId) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }
    /// What the pipe of this stream is known by to an engine after this one.
    fn identity(&mut self, _stream: StreamId) -> Option<u64> {
        None
    }
    /// Memory of this many bytes that outlives us, as an engine before us has left it; zeros at first. `None`: there is
    /// none.
    fn lasting(&mut self, _which: Lasting, _length: usize) -> Option<Box<dyn LastingMemory>> {
        None
    }
    /// Sends one datagram to a local address (the journal's socket); never blocks.
    fn send_datagram(&mut self, address: &str, bytes: &[u8]) -> io::Result<()>;
    /// Wakes the engine's `wait` with [`Happened::Woken`].
    fn wake_engine(&mut self);
}

/// Pieces of memory that outlive an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasting {
    /// What is known of the chunk in hand, and beginnings of lines.
    Notes,
    /// The chunk itself.
    Chunk,
}

/// Memory that whoever comes after us finds as we left it, to the last store.
pub trait LastingMemory: fmt::Debug + Send {
    fn bytes(&mut self) -> &mut [u8];
    /// The first eight bytes, for what must be stored neither sooner nor later than the program says.
    fn word(&self) -> &std::sync::atomic::AtomicU64;
}

/// What a pump's port tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PumpEvent {
    Readable(StreamId),
    Woken,
}

/// A process just begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Started {
    pub process: ProcessId,
    /// The system's own number, for people and for `$MAINPID`.
    pub pid: u32,
}

/// How many a request reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sent {
    pub reached: usize,
}

/// A polite request to end that is no signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asking {
    /// Ctrl+C in its console: all in that console hear it.
    CtrlC,
    /// Ctrl+Break in its console.
    CtrlBreak,
    /// WM_CLOSE and WM_ENDSESSION to its windows.
    CloseWindows,
    /// WM_QUIT to its threads.
    QuitThreads,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happened {
    /// A process we spawned or adopted is gone, and its number free for others.
    Ended {
        process: ProcessId,
        end: End,
    },
    TreeEmpty {
        tree: TreeId,
    },
    /// A request to members of this tree reached nobody, and why.
    Unheard {
        tree: TreeId,
        /// `None`: it was a signal.
        asking: Option<Asking>,
        why: String,
    },
    /// A message on the notify socket.
    Notified(Notification),
    /// A newline on the ready descriptor of a process of this tree.
    ReadyLine {
        tree: TreeId,
    },
    /// Somebody signalled the engine itself.
    Host(HostSignal),
    /// The system's service manager wants something of us.
    Controlled(Control),
    /// A control client connected.
    Accepted {
        channel: ChannelId,
        peer: Peer,
    },
    Readable {
        channel: ChannelId,
    },
    Writable {
        channel: ChannelId,
    },
    /// The answer to [`Platform::connect`]: established, or the reason why not.
    Connected {
        channel: ChannelId,
        failure: Option<io::ErrorKind>,
    },
    /// The pump's loop has something to say.
    Woken,
}

/// One datagram of sd_notify(3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// The tree its sender belongs to; messages of strangers are dropped by the platform.
    pub tree: TreeId,
    /// The sender, if it still lives or could be told otherwise.
    pub pid: u32,
    pub text: Vec<u8>,
}

/// What was asked of the engine by signal, and by whom where the system tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostSignal {
    pub signal: Signal,
    pub pid: Option<u32>,
    pub uid: Option<u32>,
}

/// What a service manager wants of the service it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    Stop,
    /// The system goes down: as a stop, and nothing is to begin any more.
    Shutdown,
    Pause,
    Continue,
    /// Its settings have changed.
    Reload,
    /// A number with a meaning of the service's own, 128 to 255.
    User(u8),
}

/// Who connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    pub pid: Option<u32>,
    pub uid: Option<u32>,
}

/// How trees are held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holding {
    /// Each in a control group (version 2) below this directory.
    ControlGroup { root: String },
    /// By descent; who loses his parents is found because orphans come to us.
    Subreaper { because: String },
    /// A job object each.
    Job,
    /// The fake world's own book-keeping.
    Fake,
}

/// One process of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub pid: u32,
    pub parent: u32,
    pub name: String,
    /// The system's letter: R running, S sleeping, D in uninterruptible wait, T stopped, Z dead but not reaped.
    pub state: char,
    pub command_line: String,
}

/// What a tree uses. `None`: this system does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    pub processes: Option<u64>,
    pub threads: Option<u64>,
    pub memory: Option<u64>,
    pub cpu: Option<Duration>,
    pub open_files: Option<u64>,
}
