//! From a launch to a running program: writes the child's script, bears the child, and puts its failure into words.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::Path;

use aplomb_core::Signal;
use rustix::fs::{Mode, OFlags};

use super::sys::script::{Fd, Ready, Refused, Script, Stage, Text};
use super::sys::signals::Disposition;
use super::sys::{self, Nursery};
use crate::{Launch, Output, SpawnError, Step, StreamId};

/// What a launch needs besides itself, found by those who keep it.
#[derive(Debug)]
pub(crate) struct Surroundings<'a> {
    /// The group's directory, where trees are held by groups.
    pub(crate) cgroup: Option<BorrowedFd<'a>>,
    /// Files through which the child joins further groups.
    pub(crate) doors: Vec<BorrowedFd<'a>>,
    pub(crate) writers: &'a BTreeMap<StreamId, OwnedFd>,
    pub(crate) sockets: Vec<BorrowedFd<'a>>,
    pub(crate) null: BorrowedFd<'a>,
    pub(crate) ready: Option<(BorrowedFd<'a>, RawFd)>,
}

/// Bears the child and waits for its exec; returns its process number.
pub(crate) fn spawn(
    nursery: &mut Nursery,
    launch: &Launch<'_>,
    around: &Surroundings<'_>,
) -> Result<u32, SpawnError> {
    let (script, _lifted) = write(launch, around)?;
    let born = nursery
        .bear(&script, around.cgroup, || ())
        .map_err(birth_failed)?;
    born.map_err(|failed| explain(launch, script.stage(failed.at), failed.source))
}

fn birth_failed(source: io::Error) -> SpawnError {
    const ENOMEM: i32 = linux_raw_sys::errno::ENOMEM as i32;
    const EAGAIN: i32 = linux_raw_sys::errno::EAGAIN as i32;
    match source.raw_os_error() {
        Some(ENOMEM | EAGAIN) => SpawnError::NoRoom { source },
        _ => SpawnError::Setup {
            step: Step::ControlGroup,
            source,
        },
    }
}

/// The child's whole script, in the order systemd.exec(5) promises: what needs rights first, the rights away, then what
/// the service's own user must be able to do, the program last.
fn write(launch: &Launch<'_>, around: &Surroundings<'_>) -> Result<(Ready, Lifted), SpawnError> {
    let mut script = Script::default();
    script.stage(Stage::Setup(Step::ControlGroup));
    for door in &around.doors {
        script.write(Fd::Known(door.as_raw_fd()), b"0");
    }
    script.setsid();
    directory(&mut script, launch)?;
    let lifted = descriptors(&mut script, launch, around)?;
    signals(&mut script, launch);
    program(&mut script, launch)?;
    Ok((script.finish(), lifted))
}

fn directory(script: &mut Script, launch: &Launch<'_>) -> Result<(), SpawnError> {
    script.stage(Stage::Directory);
    let Some(directory) = &launch.process.directory else {
        return Ok(());
    };
    let path = text(script, &directory.path)?;
    script.chdir(path, Refused::GiveUp);
    Ok(())
}

/// Copies of descriptors that were in the way of others; needed until the exec.
type Lifted = Vec<OwnedFd>;

/// Puts every descriptor in its place. Sources that lie where something else is to lie are lifted out of the way first.
fn descriptors(
    script: &mut Script,
    launch: &Launch<'_>,
    around: &Surroundings<'_>,
) -> Result<Lifted, SpawnError> {
    let null = around.null.as_raw_fd();
    let output = |output: Output, stdout: RawFd, own: RawFd| match output {
        Output::Null => Ok(null),
        Output::Inherit => Ok(own),
        Output::SameAsStdout => Ok(stdout),
        Output::Pump(stream) => around
            .writers
            .get(&stream)
            .map(AsRawFd::as_raw_fd)
            .ok_or_else(|| setup(Step::Stdout, io::ErrorKind::NotFound.into())),
    };
    let stdout = output(launch.stdout, 1, 1)?;
    let stderr = output(launch.stderr, stdout, 2)?;
    let mut places = vec![
        (Step::Stdin, null, 0),
        (Step::Stdout, stdout, 1),
        (Step::Stdout, stderr, 2),
    ];
    for (socket, place) in around.sockets.iter().zip(3..) {
        places.push((Step::Sockets, socket.as_raw_fd(), place));
    }
    if let Some((fd, place)) = around.ready {
        places.push((Step::Sockets, fd.as_raw_fd(), place));
    }
    let floor = places
        .iter()
        .map(|(_, _, place)| place + 1)
        .max()
        .unwrap_or(3);
    let mut lifted = Vec::new();
    for (step, from, to) in places {
        script.stage(Stage::Setup(step));
        if from == to && from <= 2 {
            continue;
        }
        let from = if from < floor {
            lift(from, floor, step, &mut lifted)?
        } else {
            from
        };
        script.place(Fd::Known(from), to);
    }
    script.close_on_exec_from(floor);
    Ok(lifted)
}

fn lift(from: RawFd, floor: RawFd, step: Step, lifted: &mut Lifted) -> Result<RawFd, SpawnError> {
    let copy = sys::duplicate_from(from, floor).map_err(|source| setup(step, source))?;
    let number = copy.as_raw_fd();
    lifted.push(copy);
    Ok(number)
}

fn signals(script: &mut Script, launch: &Launch<'_>) {
    script.stage(Stage::Execute);
    let pipe = if launch.process.ignore_sigpipe {
        Disposition::Ignore
    } else {
        Disposition::Default
    };
    script.dispose(Signal::PIPE, pipe);
    script.unblock_signals();
}

fn program(script: &mut Script, launch: &Launch<'_>) -> Result<(), SpawnError> {
    script.stage(Stage::Execute);
    let mut argv = Vec::with_capacity(launch.argv.len());
    for arg in launch.argv {
        argv.push(text(script, arg)?);
    }
    let argv = script.texts(&argv);
    let mut env = Vec::with_capacity(launch.env.len() + 1);
    for (name, value) in launch.env {
        env.push(text(script, &format!("{name}={value}"))?);
    }
    if !launch.sockets.is_empty() {
        const NAME: &str = "LISTEN_PID=";
        let own = text(script, &format!("{NAME}0000000000"))?;
        script.own_number_at(own, NAME.len());
        env.push(own);
    }
    let env = script.texts(&env);
    for candidate in candidates(launch) {
        let path = text(script, &candidate)?;
        script.execute(path, argv, env);
    }
    Ok(())
}

/// Where the program may be, in the order to be tried.
fn candidates(launch: &Launch<'_>) -> Vec<String> {
    const USUAL: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    if launch.program.contains('/') {
        return vec![launch.program.to_owned()];
    }
    let inside =
        |directory: &str| format!("{}/{}", directory.trim_end_matches('/'), launch.program);
    if !launch.search_path.is_empty() {
        return launch.search_path.iter().map(|dir| inside(dir)).collect();
    }
    let path = launch.env.iter().rev().find(|(name, _)| name == "PATH");
    let path = path.map_or(USUAL, |(_, value)| value);
    path.split(':')
        .map(|directory| inside(if directory.is_empty() { "." } else { directory }))
        .collect()
}

/// A text for the kernel; one with a NUL inside cannot be handed over.
fn text(script: &mut Script, text: &str) -> Result<Text, SpawnError> {
    script
        .text(text.as_bytes())
        .map_err(|source| setup(Step::Execute, source))
}

fn setup(step: Step, source: io::Error) -> SpawnError {
    SpawnError::Setup { step, source }
}

/// What a failed call means to an operator.
fn explain(launch: &Launch<'_>, stage: Stage, source: io::Error) -> SpawnError {
    match stage {
        Stage::Setup(step) => SpawnError::Setup { step, source },
        Stage::Directory => SpawnError::Directory {
            path: launch
                .process
                .directory
                .as_ref()
                .map_or("/", |dir| &dir.path)
                .to_owned(),
            source,
        },
        Stage::Execute => explain_exec(launch, source),
    }
}

fn explain_exec(launch: &Launch<'_>, source: io::Error) -> SpawnError {
    use linux_raw_sys::errno as e;
    let program = launch.program.to_owned();
    let Some(errno) = source.raw_os_error().map(|errno| errno as u32) else {
        return setup(Step::Execute, source);
    };
    match errno {
        e::ENOENT | e::ENOTDIR => match candidates(launch)
            .iter()
            .find_map(|path| interpreter(Path::new(path)))
        {
            Some(interpreter) => SpawnError::BadInterpreter {
                program,
                interpreter,
            },
            None => SpawnError::NotFound { program },
        },
        e::EACCES => SpawnError::NotExecutable { program },
        e::ENOEXEC => SpawnError::BadFormat { program },
        e::EAGAIN | e::ENOMEM => SpawnError::NoRoom { source },
        _ => setup(Step::Execute, source),
    }
}

/// The interpreter a file asks for: of a script, its `#!` line.
fn interpreter(path: &Path) -> Option<String> {
    use std::io::Read;
    let mut head = Vec::new();
    std::fs::File::open(path)
        .ok()?
        .take(256)
        .read_to_end(&mut head)
        .ok()?;
    let line = head
        .strip_prefix(b"#!")?
        .split(|byte| *byte == b'\n')
        .next()?;
    let line = String::from_utf8_lossy(line);
    line.split_whitespace().next().map(str::to_owned)
}

/// The device that swallows everything and gives nothing.
pub(crate) fn open_null() -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(
        "/dev/null",
        OFlags::RDWR | OFlags::CLOEXEC,
        Mode::empty(),
    )?)
}
