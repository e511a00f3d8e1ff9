//! What only Linux can be asked.

mod descriptors;
mod endpoints;
mod launch;
mod sandbox;
mod trees;

use rustix::net::SendAncillaryBuffer;
use rustix::net::SendAncillaryMessage;
use rustix::net::SendFlags;
use std::fs;
use std::io::IoSlice;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::ExitCode;

use aplomb_core::spec::{Privilege, Process, Sandbox};
use aplomb_platform::{
    Launch, Output, Pump, PumpPort, SocketId, SpawnError, Started, StreamId, TreeId,
};

use crate::stage::{Stage, World, code, read_to_end, shell};

/// A promise, and the worlds it is tried in.
pub(crate) type Row = (&'static str, &'static [World], fn(World));

const ALL: &[World] = &[
    World::Linux,
    World::LinuxWithoutClone3,
    World::LinuxWithoutGroups,
];
const GROUPS: &[World] = &[World::Linux, World::LinuxWithoutClone3];
const ONE: &[World] = &[World::Linux];

pub(crate) fn tests() -> impl Iterator<Item = &'static Row> {
    let all = [
        launch::TESTS,
        descriptors::TESTS,
        endpoints::TESTS,
        trees::TESTS,
        sandbox::TESTS,
    ];
    all.into_iter().flatten()
}

/// The letter of proc(5) for a process, if there is one of this number.
pub(crate) fn state_of(pid: u32) -> Option<char> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    text.rsplit_once(") ")?.1.chars().next()
}

/// The mode in which we play a program that sends a message; with `--barrier` it waits until it has been told.
pub(crate) const NOTIFY: &str = "--notify";

pub(crate) fn notify(args: &[String]) -> ExitCode {
    let address = std::env::var("NOTIFY_SOCKET").expect("an address");
    let socket = UnixDatagram::unbound().expect("a socket");
    socket.connect(address).expect("somebody listens");
    socket.send(args[0].as_bytes()).expect("sent");
    if args.get(1).is_none_or(|mode| mode != "--barrier") {
        return ExitCode::SUCCESS;
    }
    let (wait, send) = rustix::pipe::pipe().expect("a pipe");
    let mut room = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut room);
    let fds = [send.as_fd()];
    assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
    let text = [IoSlice::new(b"BARRIER=1")];
    rustix::net::sendmsg(&socket, &text, &mut control, SendFlags::empty()).expect("sent");
    drop(send);
    // The end of the pipe: whoever got the other end has closed it.
    assert_eq!(rustix::io::read(&wait, &mut [0_u8; 1]), Ok(0));
    ExitCode::SUCCESS
}

/// A launch of a shell script with everything else as said, its output in a pipe.
struct Play {
    stage: Stage,
    pump: Box<dyn Pump>,
    port: Box<dyn PumpPort>,
    tree: TreeId,
    process: Process,
    privilege: Privilege,
    sockets: Vec<SocketId>,
    ready_fd: Option<u32>,
    program: Option<String>,
    streams: u64,
}

impl Play {
    fn new(world: World) -> Play {
        let mut stage = Stage::new(world);
        let (pump, port) = stage.platform.pump().unwrap();
        let tree = stage.plant();
        Play {
            stage,
            pump,
            port,
            tree,
            process: Process::default(),
            privilege: Privilege::Service,
            sockets: Vec::new(),
            ready_fd: None,
            program: None,
            streams: 0,
        }
    }

    fn sandboxed(sandbox: Sandbox) -> Play {
        let mut play = Play::new(World::Linux);
        play.process.sandbox = Some(Box::new(sandbox));
        play
    }

    fn start(&mut self, script: &str) -> Result<(Started, StreamId), SpawnError> {
        self.streams += 1;
        let stream = StreamId(self.streams);
        self.pump.attach(stream).unwrap();
        let (program, argv) = shell(script);
        let env = [(
            "PATH".to_owned(),
            "/usr/bin:/bin:/usr/sbin:/sbin".to_owned(),
        )];
        let started = self.stage.platform.spawn(&Launch {
            tree: self.tree,
            program: self.program.as_deref().unwrap_or(&program),
            argv: &argv,
            env: &env,
            search_path: &[],
            process: &self.process,
            privilege: self.privilege,
            stdout: Output::Pump(stream),
            stderr: Output::SameAsStdout,
            sockets: &self.sockets,
            ready_fd: self.ready_fd,
        });
        self.pump.seal(stream);
        if started.is_err() {
            self.port.detach(stream);
        }
        Ok((started?, stream))
    }

    /// Runs a script to its end; what it printed, with its last newline taken off.
    fn run(&mut self, script: &str) -> String {
        let (started, stream) = self.start(script).unwrap_or_else(|error| {
            use std::error::Error;
            panic!("{error}: {:?}", error.source())
        });
        let text = read_to_end(&mut *self.port, stream);
        self.port.detach(stream);
        let end = self.stage.end_of(started.process);
        let text = String::from_utf8(text).unwrap().trim_end().to_owned();
        assert_eq!(end, code(0), "{text}");
        text
    }

    fn refusal(&mut self, script: &str) -> SpawnError {
        self.start(script).expect_err("it should be refused")
    }

    fn only_as_root() -> bool {
        let root = rustix::process::geteuid().is_root();
        if !root {
            println!("skipped: only root may");
        }
        root
    }
}

/// A directory that goes with its owner.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Scratch {
        let path = std::env::temp_dir().join(format!("contract-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Scratch(path)
    }

    fn file(&self, name: &str, mode: u32, text: &[u8]) -> String {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path.display().to_string()
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
