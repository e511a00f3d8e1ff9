//! From a launch to a running program: writes the child's script, bears the child, and puts its failure into words.

mod descriptors;
mod identity;
mod low;
mod program;
mod sandbox;

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::PathBuf;

use aplomb_core::Signal;
use aplomb_core::spec::{LimitedResource, Privilege, Sandbox};
use linux_raw_sys::general as nr;
use rustix::fs::{Mode, OFlags};

use self::descriptors::Plan;
use self::identity::Identity;
pub(crate) use self::low::LowDescriptors;
use super::directories::{self, PrivateTmp};
use super::sys::Nursery;
use super::sys::script::{Fd, Ready, Refused, Script, Stage};
use super::sys::signals::Disposition;
use crate::{Launch, SpawnError, Step, StreamId};

/// What a launch needs besides itself, found by those who keep it.
#[derive(Debug)]
pub(crate) struct Surroundings<'a> {
    /// The group's directory, where children are born into groups.
    pub(crate) cgroup: Option<BorrowedFd<'a>>,
    /// Files through which the child joins further groups.
    pub(crate) doors: &'a [OwnedFd],
    pub(crate) writers: &'a BTreeMap<StreamId, OwnedFd>,
    pub(crate) sockets: Vec<BorrowedFd<'a>>,
    pub(crate) low: &'a LowDescriptors,
    /// The writing end of the ready pipe, and where the program expects it.
    pub(crate) ready: Option<(BorrowedFd<'a>, RawFd)>,
    pub(crate) private_tmp: Option<&'a PrivateTmp>,
    pub(crate) network: Option<BorrowedFd<'a>>,
    /// The child begins with our table of descriptors.
    pub(crate) shared_descriptors: bool,
    /// Our controlling terminal, if we have one.
    pub(crate) terminal: Option<BorrowedFd<'a>>,
    /// The limit on open files before we raised our own.
    pub(crate) open_files: Option<(u64, u64)>,
}

/// Bears the child and waits for its exec; returns its process number.
pub(crate) fn spawn(
    nursery: &mut Nursery,
    launch: &Launch<'_>,
    around: &Surroundings<'_>,
) -> Result<u32, SpawnError> {
    let identity = Identity::resolve(launch.process, launch.privilege)?;
    own_directories(launch, &identity)?;
    let (script, _plan) = write(launch, around, &identity)?;
    let born = nursery.bear(&script, around.cgroup).map_err(birth_failed)?;
    born.map_err(|failed| explain(launch, script.stage(failed.at), failed.source))
}

fn birth_failed(source: io::Error) -> SpawnError {
    const ENOMEM: i32 = linux_raw_sys::errno::ENOMEM as i32;
    const EAGAIN: i32 = linux_raw_sys::errno::EAGAIN as i32;
    match source.raw_os_error() {
        Some(ENOMEM | EAGAIN) => SpawnError::NoRoom { source },
        _ => setup(Step::ControlGroup, source),
    }
}

fn own_directories(launch: &Launch<'_>, identity: &Identity) -> Result<(), SpawnError> {
    for directory in &launch.process.own_directories {
        let made = directories::make(directory, identity.owner());
        made.map_err(|source| setup(directories::step(directory.kind), source))?;
    }
    Ok(())
}

/// The child's whole script: first what needs rights, then the rights go, then what the service's own user must be able
/// to do, the program last.
fn write<'a>(
    launch: &Launch<'_>,
    around: &Surroundings<'a>,
    identity: &Identity,
) -> Result<(Ready, Plan<'a>), SpawnError> {
    let mut script = Script::default();
    let none = Sandbox::default();
    let sandboxed = launch.privilege != Privilege::Full;
    let sandbox = launch.process.sandbox.as_deref().filter(|_| sandboxed);
    let sandbox = sandbox.unwrap_or(&none);
    let plan = Plan::new(launch, around)?;
    if around.shared_descriptors {
        plan.part(&mut script);
    }
    script.stage(Stage::Setup(Step::ControlGroup));
    for door in &plan.doors {
        script.write(Fd::Known(*door), b"0");
    }
    part(&mut script, around);
    scheduling(&mut script, launch);
    plan.place(&mut script, around);
    sandbox::enter(&mut script, sandbox, &view(launch, around, plan.network))?;
    root_directory(&mut script, launch)?;
    limits(&mut script, launch, around);
    identity::bound(&mut script, sandbox);
    identity.assume(&mut script, sandbox.ambient.0 != 0);
    identity::endow(&mut script, sandbox.ambient);
    if sandbox.no_new_privileges {
        script.no_new_privileges();
    }
    directory(&mut script, launch, identity)?;
    signals(&mut script, launch);
    program::execute(&mut script, launch)?;
    Ok((script.finish(), plan))
}

/// A process group of its own, and no controlling terminal. Not a session: the kernel makes a scheduling group for each
/// one (sched(7), autogroup), which costs more than all the rest of a start, several kB, and, on a busy machine, a wait
/// of ten milliseconds before the new group has its first turn.
fn part(script: &mut Script, around: &Surroundings<'_>) {
    script.lead_group();
    if let Some(terminal) = &around.terminal {
        script.let_go_of(terminal.as_raw_fd());
    }
}

fn scheduling(script: &mut Script, launch: &Launch<'_>) {
    let process = launch.process;
    if let Some(nice) = process.nice {
        script.stage(Stage::Setup(Step::Nice));
        script.set_nice(nice);
    }
    if let Some(adjust) = process.oom_score_adjust {
        script.stage(Stage::Setup(Step::OomScore));
        let file = script.open("/proc/self/oom_score_adj", nr::O_WRONLY);
        script.write(file, adjust.to_string().as_bytes());
    }
    if !process.cpu_affinity.is_empty() {
        script.stage(Stage::Setup(Step::CpuAffinity));
        let mut words = [0_u64; 1024 / 64];
        for processor in &process.cpu_affinity {
            if let Some(word) = words.get_mut(usize::from(*processor) / 64) {
                *word |= 1 << (processor % 64);
            }
        }
        script.set_affinity(&words);
    }
    if let Some(umask) = process.umask {
        script.set_umask(umask);
    }
}

fn view<'a>(
    launch: &'a Launch<'_>,
    around: &Surroundings<'_>,
    network: Option<RawFd>,
) -> sandbox::View<'a> {
    let places = around.private_tmp.into_iter().flat_map(PrivateTmp::places);
    let own = launch.process.own_directories.iter();
    sandbox::View {
        root: launch.process.root_directory.as_deref().unwrap_or(""),
        private: places.collect(),
        own: own.map(directories::path_of).collect::<Vec<PathBuf>>(),
        network,
    }
}

fn root_directory(script: &mut Script, launch: &Launch<'_>) -> Result<(), SpawnError> {
    if let Some(root) = &launch.process.root_directory {
        script.stage(Stage::Setup(Step::RootDirectory));
        let root = program::text(script, root)?;
        script.chroot(root);
    }
    Ok(())
}

fn limits(script: &mut Script, launch: &Launch<'_>, around: &Surroundings<'_>) {
    script.stage(Stage::Setup(Step::Limits));
    if let Some((soft, hard)) = around.open_files {
        script.set_limit(nr::RLIMIT_NOFILE, soft, hard);
    }
    if launch.privilege == Privilege::Full {
        return;
    }
    for limit in &launch.process.limits {
        let (soft, hard) = (
            limit.soft.unwrap_or(u64::MAX),
            limit.hard.unwrap_or(u64::MAX),
        );
        script.set_limit(number_of(limit.resource), soft, hard);
    }
}

fn number_of(resource: LimitedResource) -> u32 {
    match resource {
        LimitedResource::Cpu => nr::RLIMIT_CPU,
        LimitedResource::FileSize => nr::RLIMIT_FSIZE,
        LimitedResource::Data => nr::RLIMIT_DATA,
        LimitedResource::Stack => nr::RLIMIT_STACK,
        LimitedResource::Core => nr::RLIMIT_CORE,
        LimitedResource::ResidentSet => nr::RLIMIT_RSS,
        LimitedResource::OpenFiles => nr::RLIMIT_NOFILE,
        LimitedResource::AddressSpace => nr::RLIMIT_AS,
        LimitedResource::Processes => nr::RLIMIT_NPROC,
        LimitedResource::LockedMemory => nr::RLIMIT_MEMLOCK,
        LimitedResource::FileLocks => nr::RLIMIT_LOCKS,
        LimitedResource::PendingSignals => nr::RLIMIT_SIGPENDING,
        LimitedResource::MessageQueues => nr::RLIMIT_MSGQUEUE,
        LimitedResource::Nice => nr::RLIMIT_NICE,
        LimitedResource::RealTimePriority => nr::RLIMIT_RTPRIO,
        LimitedResource::RealTimeMicros => nr::RLIMIT_RTTIME,
    }
}

fn directory(
    script: &mut Script,
    launch: &Launch<'_>,
    identity: &Identity,
) -> Result<(), SpawnError> {
    script.stage(Stage::Directory);
    let Some(directory) = &launch.process.directory else {
        return Ok(());
    };
    let path = program::text(script, &home_or(&directory.path, identity))?;
    if directory.optional {
        // Where it cannot be entered, this is where we stay.
        let root = script.constant("/");
        script.chdir(root, Refused::GiveUp);
        script.chdir(path, Refused::Ignore);
    } else {
        script.chdir(path, Refused::GiveUp);
    }
    Ok(())
}

/// `~` is the home of the user the program runs as.
fn home_or(path: &str, identity: &Identity) -> String {
    if path != "~" {
        return path.to_owned();
    }
    match &identity.user {
        Some(user) => user.home.clone(),
        None => std::env::var("HOME").unwrap_or_else(|_| "/".into()),
    }
}

fn signals(script: &mut Script, launch: &Launch<'_>) {
    script.stage(Stage::Execute);
    // Rust ignores it in us, and what is ignored stays so over an exec.
    let pipe = if launch.process.ignore_sigpipe {
        Disposition::Ignore
    } else {
        Disposition::Default
    };
    script.dispose(Signal::PIPE, pipe);
    script.unblock_signals();
}

fn setup(step: Step, source: io::Error) -> SpawnError {
    SpawnError::Setup { step, source }
}

/// What a failed call means to an operator.
fn explain(launch: &Launch<'_>, stage: Stage, source: io::Error) -> SpawnError {
    match stage {
        // A table of its own is a matter of memory only.
        Stage::Descriptors => SpawnError::NoRoom { source },
        Stage::Setup(step) => setup(step, source),
        Stage::Directory => SpawnError::Directory {
            path: launch
                .process
                .directory
                .as_ref()
                .map_or_else(String::new, |directory| directory.path.clone()),
            source,
        },
        Stage::Execute => program::explain(launch, source),
    }
}

/// Our controlling terminal, if we have one.
pub(crate) fn open_terminal() -> Option<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    rustix::fs::open("/dev/tty", flags, Mode::empty()).ok()
}

/// The device that swallows everything and gives nothing.
fn open_null() -> io::Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC;
    Ok(rustix::fs::open("/dev/null", flags, Mode::empty())?)
}
