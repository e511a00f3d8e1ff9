//! What only Linux can be asked: what a program finds around it, why it did not begin, who may speak to us.

use std::fs;
use std::io::{IoSlice, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use aplomb_core::spec::{
    Address, Capabilities, Directory, Limit, LimitedResource, Listen, OwnDirectory,
    OwnDirectoryKind, PathRule, PathRuleKind, Privilege, Process, ProtectHome, ProtectSystem,
    Resources, Sandbox, Stdin,
};
use aplomb_core::{Bytes, Signal};
use aplomb_platform::{
    Happened, Holding, HostSignal, Launch, Output, Pump, PumpPort, SocketId, SpawnError, Started,
    Step, StreamId, TreeId,
};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};

use crate::stage::{Actor, Stage, World, code, killed_by, read_to_end, shell};

const ALL: &[World] = &[
    World::Linux,
    World::LinuxWithoutClone3,
    World::LinuxWithoutGroups,
];
const GROUPS: &[World] = &[World::Linux, World::LinuxWithoutClone3];
const SHARING: &[World] = &[World::Linux, World::LinuxWithoutGroups];
const ONE: &[World] = &[World::Linux];

type Row = (&'static str, &'static [World], fn(World));

pub(crate) const TESTS: &[Row] = &[
    (
        "nothing_of_ours_leaks_into_a_program",
        ALL,
        nothing_of_ours_leaks_into_a_program,
    ),
    (
        "sigpipe_is_ignored_only_where_asked",
        ONE,
        sigpipe_is_ignored_only_where_asked,
    ),
    (
        "each_reason_why_a_program_cannot_begin_is_told_apart",
        ALL,
        each_reason_why_a_program_cannot_begin_is_told_apart,
    ),
    ("a_bare_name_is_looked_up", ONE, a_bare_name_is_looked_up),
    (
        "a_missing_user_or_group_is_named",
        ONE,
        a_missing_user_or_group_is_named,
    ),
    (
        "want_of_descriptors_is_no_room",
        ALL,
        want_of_descriptors_is_no_room,
    ),
    (
        "sockets_are_handed_over_from_three_on",
        ALL,
        sockets_are_handed_over_from_three_on,
    ),
    (
        "a_programs_table_of_descriptors_is_small_however_many_are_ours",
        SHARING,
        a_programs_table_of_descriptors_is_small_however_many_are_ours,
    ),
    (
        "more_sockets_than_low_numbers_are_handed_over",
        ALL,
        more_sockets_than_low_numbers_are_handed_over,
    ),
    (
        "descriptors_that_lie_in_each_others_way_are_sorted_out",
        ALL,
        descriptors_that_lie_in_each_others_way_are_sorted_out,
    ),
    (
        "every_kind_of_socket_opens_and_a_dead_ones_path_is_taken_over",
        ONE,
        every_kind_of_socket_opens_and_a_dead_ones_path_is_taken_over,
    ),
    (
        "standard_input_comes_from_where_it_was_said",
        ONE,
        standard_input_comes_from_where_it_was_said,
    ),
    (
        "directory_umask_nice_and_limits_are_as_said",
        ONE,
        directory_umask_nice_and_limits_are_as_said,
    ),
    (
        "a_program_runs_as_its_user",
        ALL,
        a_program_runs_as_its_user,
    ),
    (
        "own_directories_are_made_for_the_user",
        ONE,
        own_directories_are_made_for_the_user,
    ),
    ("another_root_is_entered", ONE, another_root_is_entered),
    (
        "the_control_endpoint_is_for_its_owner_only",
        ONE,
        the_control_endpoint_is_for_its_owner_only,
    ),
    (
        "a_stale_control_socket_is_replaced_and_a_living_one_is_not",
        ONE,
        a_stale_control_socket_is_replaced_and_a_living_one_is_not,
    ),
    (
        "a_client_is_heard_and_answered",
        ONE,
        a_client_is_heard_and_answered,
    ),
    (
        "a_client_that_does_not_read_blocks_nobody",
        ONE,
        a_client_that_does_not_read_blocks_nobody,
    ),
    (
        "a_connection_to_a_server_is_told",
        ONE,
        a_connection_to_a_server_is_told,
    ),
    (
        "who_signals_the_engine_is_told",
        ONE,
        who_signals_the_engine_is_told,
    ),
    (
        "a_sender_that_is_gone_is_known_by_its_group",
        GROUPS,
        a_sender_that_is_gone_is_known_by_its_group,
    ),
    (
        "a_strangers_message_is_dropped",
        ALL,
        a_strangers_message_is_dropped,
    ),
    (
        "a_journal_that_is_not_there_is_an_error",
        ONE,
        a_journal_that_is_not_there_is_an_error,
    ),
    (
        "limits_on_a_tree_hold_or_are_refused",
        ONE,
        limits_on_a_tree_hold_or_are_refused,
    ),
    (
        "a_fork_bomb_is_killed_whole",
        ALL,
        a_fork_bomb_is_killed_whole,
    ),
    (
        "an_escaped_session_is_still_in_the_tree",
        ALL,
        an_escaped_session_is_still_in_the_tree,
    ),
    ("orphans_are_laid_to_rest", ALL, orphans_are_laid_to_rest),
    (
        "as_process_1_signals_arrive_and_orphans_are_laid_to_rest",
        ONE,
        as_process_1_signals_arrive_and_orphans_are_laid_to_rest,
    ),
    (
        "groups_are_gone_when_the_platform_is",
        GROUPS,
        groups_are_gone_when_the_platform_is,
    ),
    (
        "a_sandbox_without_new_privileges_says_so",
        ONE,
        a_sandbox_without_new_privileges_says_so,
    ),
    (
        "capabilities_are_bounded_and_given",
        ONE,
        capabilities_are_bounded_and_given,
    ),
    (
        "a_private_tmp_is_shared_in_the_tree_and_gone_with_it",
        ONE,
        a_private_tmp_is_shared_in_the_tree_and_gone_with_it,
    ),
    (
        "private_devices_are_pseudo_devices",
        ONE,
        private_devices_are_pseudo_devices,
    ),
    (
        "a_private_network_is_shared_in_the_tree",
        ONE,
        a_private_network_is_shared_in_the_tree,
    ),
    (
        "the_system_is_read_only_where_protected",
        ONE,
        the_system_is_read_only_where_protected,
    ),
    (
        "homes_are_hidden_where_protected",
        ONE,
        homes_are_hidden_where_protected,
    ),
    (
        "the_kernel_is_out_of_reach_where_protected",
        ONE,
        the_kernel_is_out_of_reach_where_protected,
    ),
    (
        "paths_look_as_their_rules_say",
        ONE,
        paths_look_as_their_rules_say,
    ),
];

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

    fn refusal_of(&mut self, program: &str) -> SpawnError {
        self.program = Some(program.into());
        let refusal = self.refusal("");
        self.program = None;
        refusal
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

fn nothing_of_ours_leaks_into_a_program(world: World) {
    let mut play = Play::new(world);
    play.stage.platform.notify_address().unwrap();
    let status = play.run("exec cat /proc/self/status");
    let field = |name: &str| {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap();
        line.trim().to_owned()
    };
    assert_eq!(field("SigBlk:"), "0000000000000000");
    assert_eq!(field("SigIgn:"), "0000000000000000");
    assert_eq!(field("SigPnd:"), "0000000000000000");
    assert_eq!(field("ShdPnd:"), "0000000000000000");
    // `ls` has one of its own, on the directory it reads.
    let descriptors = play.run("exec ls /proc/self/fd");
    assert_eq!(
        descriptors.split_whitespace().collect::<Vec<_>>(),
        ["0", "1", "2", "3"]
    );
    let ids = play.run("cut -d ' ' -f 1,5,7 /proc/$$/stat");
    let stat: Vec<&str> = ids.split(' ').collect();
    assert_eq!(stat[0], stat[1], "a process group of its own");
    assert_eq!(stat[2], "0", "no controlling terminal");
}

fn sigpipe_is_ignored_only_where_asked(world: World) {
    let mut play = Play::new(world);
    play.process.ignore_sigpipe = true;
    let ignored = play.run("exec grep SigIgn /proc/self/status");
    assert_eq!(ignored, "SigIgn:\t0000000000001000");
}

fn each_reason_why_a_program_cannot_begin_is_told_apart(world: World) {
    let mut play = Play::new(world);
    let scratch = Scratch::new();
    type Is = fn(&SpawnError) -> bool;
    let cases: [(String, Is); 6] = [
        (scratch.path("missing"), |e| {
            matches!(e, SpawnError::NotFound { .. })
        }),
        (scratch.file("plain", 0o644, b"#!/bin/sh\n"), |e| {
            matches!(e, SpawnError::NotExecutable { .. })
        }),
        (scratch.path(""), |e| {
            matches!(e, SpawnError::NotExecutable { .. })
        }),
        (
            scratch.file("odd", 0o755, b"#!/no/such/shell -x\n"),
            |e| matches!(e, SpawnError::BadInterpreter { interpreter, .. } if interpreter == "/no/such/shell"),
        ),
        (scratch.file("garbage", 0o755, b"\x00\x01\x02\x03"), |e| {
            matches!(e, SpawnError::BadFormat { .. })
        }),
        (format!("{}/below", scratch.file("file", 0o755, b"")), |e| {
            matches!(e, SpawnError::NotFound { .. })
        }),
    ];
    for (program, expected) in cases {
        play.program = Some(program.clone());
        let refusal = play.refusal("");
        assert!(expected(&refusal), "{program}: {refusal:?}");
        assert_eq!(refusal.exit_status(), 203);
    }
    play.program = None;
    let directory = |path: String, optional| Some(Directory { path, optional });
    play.process.directory = directory(scratch.path("missing"), false);
    assert!(matches!(play.refusal(""), SpawnError::Directory { .. }));
    play.process.directory = directory(scratch.path("missing"), true);
    assert_eq!(play.run("pwd"), "/");
    play.process.directory = None;
    play.process.stdin = Stdin::File(scratch.path("missing"));
    assert!(matches!(
        play.refusal(""),
        SpawnError::Setup {
            step: Step::Stdin,
            ..
        }
    ));
    assert_eq!(play.stage.rest(), [], "no trace of those who never began");
}

fn a_bare_name_is_looked_up(world: World) {
    let mut play = Play::new(world);
    play.program = Some("sh".into());
    assert_eq!(play.run("echo found"), "found");
    play.program = Some("no-such-program".into());
    assert!(matches!(play.refusal(""), SpawnError::NotFound { .. }));
}

fn a_missing_user_or_group_is_named(world: World) {
    let mut play = Play::new(world);
    play.process.user = Some("nobody-of-that-name".into());
    assert!(
        matches!(play.refusal(""), SpawnError::NoUser { name } if name == "nobody-of-that-name")
    );
    play.process.user = None;
    play.process.group = Some("no-such-group".into());
    assert!(matches!(play.refusal(""), SpawnError::NoGroup { name } if name == "no-such-group"));
}

fn want_of_descriptors_is_no_room(world: World) {
    let mut play = Play::new(world);
    let mut hoard = Vec::new();
    play.pump.attach(StreamId(99)).unwrap();
    while let Ok(file) = fs::File::open("/dev/null") {
        hoard.push(file);
    }
    play.process.stdin = Stdin::Text(b"needs a descriptor".to_vec());
    let launch = |play: &mut Play| {
        play.stage.platform.spawn(&Launch {
            tree: play.tree,
            program: "/bin/true",
            argv: &["true".into()],
            env: &[],
            search_path: &[],
            process: &play.process,
            privilege: Privilege::Service,
            stdout: Output::Null,
            stderr: Output::Null,
            sockets: &[],
            ready_fd: Some(3),
        })
    };
    let refused = launch(&mut play).unwrap_err();
    assert!(matches!(refused, SpawnError::NoRoom { .. }), "{refused:?}");
    hoard.truncate(hoard.len() - 16);
    let started = launch(&mut play).expect("there is room again");
    assert_eq!(play.stage.end_of(started.process), code(0));
}

fn sockets_are_handed_over_from_three_on(world: World) {
    let mut play = Play::new(world);
    let scratch = Scratch::new();
    for name in ["first", "second"] {
        let listen = Listen::new(Address::UnixStream(scratch.path(name)));
        play.sockets
            .push(play.stage.platform.open_socket(&listen).unwrap());
    }
    play.ready_fd = Some(9);
    let seen = play.run(
        "echo $LISTEN_PID $$; for n in /proc/$$/fd/*; do echo ${n##*/}; done; readlink /proc/$$/fd/3 /proc/$$/fd/4; echo >&9",
    );
    let lines: Vec<&str> = seen.lines().collect();
    let (told, own) = lines[0].split_once(' ').unwrap();
    assert_eq!(told, own, "LISTEN_PID is the program's own number");
    let numbers: Vec<&str> = lines[1..]
        .iter()
        .copied()
        .filter(|line| line.parse::<u32>().is_ok())
        .collect();
    // 5 is the shell's own, on the directory it reads.
    assert_eq!(numbers, ["0", "1", "2", "3", "4", "5", "9"]);
    assert!(lines[lines.len() - 2].starts_with("socket:"), "{seen}");
    let tree = play.tree;
    play.stage
        .until(|happened| *happened == Happened::ReadyLine { tree });
    let socket = play.sockets[0];
    play.stage.platform.close_socket(socket);
    assert!(!Path::new(&scratch.path("first")).exists());
    assert!(matches!(
        play.refusal(""),
        SpawnError::Setup {
            step: Step::Sockets,
            ..
        }
    ));
}

fn descriptors_that_lie_in_each_others_way_are_sorted_out(world: World) {
    // Our own low numbers are taken by sockets, in the opposite order of where they have to go.
    let scratch = Scratch::new();
    let mut play = Play::new(world);
    let mut ids = Vec::new();
    for name in 0..6 {
        let listen = Listen::new(Address::UnixStream(scratch.path(&name.to_string())));
        ids.push(play.stage.platform.open_socket(&listen).unwrap());
    }
    let inode = |play: &mut Play, id: SocketId| {
        play.sockets = vec![id];
        play.run("readlink /proc/$$/fd/3")
    };
    let expected: Vec<String> = ids.iter().rev().map(|id| inode(&mut play, *id)).collect();
    play.sockets = ids.iter().rev().copied().collect();
    let found = play.run("readlink /proc/$$/fd/3 /proc/$$/fd/4 /proc/$$/fd/5 /proc/$$/fd/6 /proc/$$/fd/7 /proc/$$/fd/8");
    assert_eq!(found.lines().collect::<Vec<_>>(), expected);
}

/// Every descriptor of ours, and what it is open on.
fn our_descriptors() -> Vec<(u32, PathBuf)> {
    let entries = fs::read_dir("/proc/self/fd").unwrap();
    let mut open: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            let entry = entry.unwrap();
            let number = entry.file_name().to_str()?.parse().ok()?;
            Some((number, fs::read_link(entry.path()).ok()?))
        })
        .collect();
    open.sort();
    open
}

fn a_programs_table_of_descriptors_is_small_however_many_are_ours(world: World) {
    const OURS: usize = 2000;
    let mut play = Play::new(world);
    play.stage.platform.make_room(OURS / 4).unwrap();
    let _held: Vec<fs::File> = (0..OURS)
        .map(|_| fs::File::open("/dev/null").unwrap())
        .collect();
    let scratch = Scratch::new();
    let input = scratch.file("input", 0o600, b"");
    for name in ["first", "second"] {
        let listen = Listen::new(Address::UnixStream(scratch.path(name)));
        let socket = play.stage.platform.open_socket(&listen);
        play.sockets.push(socket.unwrap());
    }
    play.process.stdin = Stdin::File(input);
    play.ready_fd = Some(5);
    let before = our_descriptors();
    let status = play.run("echo >&5; exec cat /proc/self/status");
    let tree = play.tree;
    play.stage
        .until(|happened| *happened == Happened::ReadyLine { tree });
    let size = status.lines().find_map(|line| line.strip_prefix("FDSize:"));
    let size: usize = size.unwrap().trim().parse().unwrap();
    assert!(size <= 256, "room for {size} descriptors");
    let theirs = play.run("exec ls /proc/self/fd");
    let theirs: Vec<&str> = theirs.split_whitespace().collect();
    // The last is of `ls` itself, on the directory it reads.
    assert_eq!(theirs, ["0", "1", "2", "3", "4", "5", "6"]);
    play.refusal_of("/no/such/program");
    play.stage.rest();
    let mut after = our_descriptors();
    after.retain(|one| !before.contains(one));
    assert_eq!(after, [], "still open");
}

fn more_sockets_than_low_numbers_are_handed_over(world: World) {
    const SOCKETS: usize = 40;
    let mut play = Play::new(world);
    let scratch = Scratch::new();
    for name in 0..SOCKETS {
        let listen = Listen::new(Address::UnixStream(scratch.path(&name.to_string())));
        let socket = play.stage.platform.open_socket(&listen);
        play.sockets.push(socket.unwrap());
    }
    let seen = play.run("for n in /proc/self/fd/*; do readlink $n; done | grep -c socket:");
    assert_eq!(seen, SOCKETS.to_string());
}

fn every_kind_of_socket_opens_and_a_dead_ones_path_is_taken_over(world: World) {
    let mut stage = Stage::new(world);
    let scratch = Scratch::new();
    let long = scratch.path(&"long".repeat(40));
    fs::create_dir(&long).unwrap();
    let addresses = [
        Address::Tcp("127.0.0.1:0".into()),
        Address::Tcp("0".into()),
        Address::Udp("127.0.0.1:0".into()),
        Address::UnixStream(scratch.path("stream")),
        Address::UnixDatagram(scratch.path("datagram")),
        Address::UnixSeqpacket(scratch.path("packets")),
        Address::UnixStream(format!("@contract-{}", std::process::id())),
        Address::UnixStream(format!("{long}/socket")),
        Address::Fifo(scratch.path("fifo")),
    ];
    for address in addresses {
        let mut listen = Listen::new(address.clone());
        listen.mode = 0o640;
        let socket = stage.platform.open_socket(&listen);
        socket.unwrap_or_else(|error| panic!("{address:?}: {error}"));
    }
    let mode = fs::metadata(scratch.path("stream")).unwrap().mode();
    assert_eq!(mode & 0o777, 0o640);
    let again = Listen::new(Address::UnixStream(scratch.path("stream")));
    let error = stage.platform.open_socket(&again).unwrap_err();
    assert_eq!(
        error.kind(),
        std::io::ErrorKind::AddrInUse,
        "somebody listens there"
    );
    let dead = scratch.path("dead");
    drop(std::os::unix::net::UnixListener::bind(&dead).unwrap());
    let listen = Listen::new(Address::UnixStream(dead));
    stage
        .platform
        .open_socket(&listen)
        .expect("nobody listens there");
    let plain = Listen::new(Address::UnixStream(scratch.file(
        "plain",
        0o644,
        b"precious",
    )));
    assert!(stage.platform.open_socket(&plain).is_err());
    assert_eq!(fs::read(scratch.path("plain")).unwrap(), b"precious");
    for nonsense in ["host.example:80", "1.2.3.4", ":80", "70000"] {
        let listen = Listen::new(Address::Tcp(nonsense.into()));
        assert!(stage.platform.open_socket(&listen).is_err(), "{nonsense}");
    }
}

fn standard_input_comes_from_where_it_was_said(world: World) {
    let mut play = Play::new(world);
    assert_eq!(play.run("cat"), "");
    play.process.stdin = Stdin::Text(b"from a text".to_vec());
    assert_eq!(play.run("cat"), "from a text");
    let scratch = Scratch::new();
    play.process.stdin = Stdin::File(scratch.file("input", 0o600, b"from a file"));
    assert_eq!(play.run("cat"), "from a file");
}

fn directory_umask_nice_and_limits_are_as_said(world: World) {
    let mut play = Play::new(world);
    play.process.directory = Some(Directory {
        path: "/usr/bin".into(),
        optional: false,
    });
    play.process.umask = Some(0o027);
    play.process.nice = Some(7);
    play.process.oom_score_adjust = Some(500);
    play.process.cpu_affinity = vec![0];
    play.process.limits = vec![
        Limit {
            resource: LimitedResource::OpenFiles,
            soft: Some(100),
            hard: Some(200),
        },
        Limit {
            resource: LimitedResource::Core,
            soft: Some(0),
            hard: Some(0),
        },
    ];
    let seen = play.run(
        "pwd; umask; cut -d ' ' -f 19 /proc/self/stat; cat /proc/self/oom_score_adj; ulimit -n; ulimit -H -n; ulimit -c;
         grep Cpus_allowed_list /proc/self/status",
    );
    let expected = [
        "/usr/bin",
        "0027",
        "7",
        "500",
        "100",
        "200",
        "0",
        "Cpus_allowed_list:\t0",
    ];
    assert_eq!(seen.lines().collect::<Vec<_>>(), expected);
    play.process = Process::default();
    play.stage.platform.make_room(1).unwrap();
    let before = play.run("ulimit -n");
    // Our own limit may grow; that of our programs does not.
    let now = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let larger = now.maximum.unwrap_or(100_000) as usize / 8 - 200;
    play.stage.platform.make_room(larger).unwrap();
    assert_eq!(play.run("ulimit -n"), before);
    assert!(play.stage.platform.make_room(usize::MAX / 16).is_err());
}

fn a_program_runs_as_its_user(world: World) {
    if !Play::only_as_root() {
        return;
    }
    let mut play = Play::new(world);
    play.process.user = Some("65533".into());
    play.process.supplementary_groups = vec!["4242".into(), "4243".into()];
    let status = "grep -E '^(Uid|Gid|Groups|CapEff|CapPrm)' /proc/self/status";
    let seen = play.run(status);
    let expected = [
        "Uid:\t65533\t65533\t65533\t65533",
        "Gid:\t65533\t65533\t65533\t65533",
        "Groups:\t4242 4243 ",
        "CapPrm:\t0000000000000000",
        "CapEff:\t0000000000000000",
    ];
    assert_eq!(
        seen.lines().map(str::trim_end).collect::<Vec<_>>(),
        expected.map(str::trim_end)
    );
    play.process.group = Some("root".into());
    assert!(play.run("id -g").starts_with('0'));
    play.process.user = Some("root".into());
    play.process.directory = Some(Directory {
        path: "~".into(),
        optional: false,
    });
    assert_eq!(play.run("pwd"), "/root");
    play.process.user = Some("65533".into());
    play.process.directory = None;
    play.privilege = Privilege::Full;
    assert_eq!(play.run("id -u"), "0");
    play.privilege = Privilege::KeepUser;
    assert_eq!(play.run("id -u"), "0");
    let own = rustix::process::geteuid();
    assert!(own.is_root(), "we are who we were");
}

fn own_directories_are_made_for_the_user(world: World) {
    if !Play::only_as_root() {
        return;
    }
    let mut play = Play::new(world);
    let name = format!("aplomb-contract-{}", std::process::id());
    let directory = |kind, name: String, preserve| OwnDirectory {
        kind,
        name,
        mode: 0o750,
        preserve,
    };
    play.process.user = Some("65533".into());
    play.process.own_directories = vec![
        directory(OwnDirectoryKind::Runtime, format!("{name}/below"), false),
        directory(OwnDirectoryKind::State, name.clone(), false),
    ];
    let run = play
        .stage
        .platform
        .directory_of(&play.process.own_directories[0]);
    let state = play
        .stage
        .platform
        .directory_of(&play.process.own_directories[1]);
    assert_eq!(run, format!("/run/{name}/below"));
    let seen = play.run(&format!(
        "stat -c '%u %g %a' {run} {state}; touch {run}/file {state}/file"
    ));
    assert_eq!(seen, "65533 65533 750\n65533 65533 750");
    // A link in the way is not followed.
    fs::remove_dir_all(&state).unwrap();
    std::os::unix::fs::symlink("/tmp", &state).unwrap();
    let refusal = play.refusal("");
    assert!(
        matches!(
            refusal,
            SpawnError::Setup {
                step: Step::StateDirectory,
                ..
            }
        ),
        "{refusal:?}"
    );
    fs::remove_file(&state).unwrap();
    let tree = play.tree;
    play.stage.platform.uproot(tree);
    assert!(
        !Path::new(&run).exists(),
        "runtime directories go with the run"
    );
    let _ = fs::remove_dir(format!("/run/{name}"));
}

fn another_root_is_entered(world: World) {
    if !Play::only_as_root() {
        return;
    }
    let scratch = Scratch::new();
    let mut play = Play::new(world);
    play.process.root_directory = Some(scratch.path(""));
    assert!(matches!(play.refusal(""), SpawnError::NotFound { .. }));
    play.process.root_directory = Some(scratch.path("missing"));
    let refusal = play.refusal("");
    assert!(
        matches!(
            refusal,
            SpawnError::Setup {
                step: Step::RootDirectory,
                ..
            }
        ),
        "{refusal:?}"
    );
    play.process.root_directory = Some("/".into());
    assert_eq!(play.run("pwd"), "/");
}

fn the_control_endpoint_is_for_its_owner_only(world: World) {
    let mut stage = Stage::new(world);
    let scratch = Scratch::new();
    let address = scratch.path("private/control");
    stage.platform.listen_control(&address).unwrap();
    let mode = |path: &str| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(&address), 0o600);
    assert_eq!(mode(&scratch.path("private")), 0o700);
    for nonsense in ["relative/path", ""] {
        assert!(
            stage.platform.listen_control(nonsense).is_err(),
            "{nonsense:?}"
        );
    }
    let open = scratch.path("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    let error = stage
        .platform
        .listen_control(&format!("{open}/control"))
        .unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
    std::os::unix::fs::symlink(&open, scratch.path("link")).unwrap();
    let error = stage
        .platform
        .listen_control(&format!("{}/control", scratch.path("link")));
    assert!(error.is_err(), "a link could lead anywhere");
}

fn a_stale_control_socket_is_replaced_and_a_living_one_is_not(world: World) {
    let mut stage = Stage::new(world);
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("d")).unwrap();
    let address = scratch.path("d/control");
    let other = std::os::unix::net::UnixListener::bind(&address).unwrap();
    let living = stage.platform.listen_control(&address).unwrap_err();
    assert_eq!(living.kind(), std::io::ErrorKind::AddrInUse);
    drop(other);
    stage
        .platform
        .listen_control(&address)
        .expect("nobody answers there");
    UnixStream::connect(&address).expect("we answer there");
    // A second engine finds the lock taken.
    let lock = fs::File::open(format!("{address}.lock")).unwrap();
    assert!(lock.try_lock().is_err());
    let file = scratch.file("d/file", 0o600, b"precious");
    assert!(stage.platform.listen_control(&file).is_err());
    assert_eq!(fs::read(&file).unwrap(), b"precious");
}

fn a_client_is_heard_and_answered(world: World) {
    use std::io::Read;
    let mut stage = Stage::new(world);
    let scratch = Scratch::new();
    let address = scratch.path("d/control");
    stage.platform.listen_control(&address).unwrap();
    let mut client = UnixStream::connect(&address).unwrap();
    let accepted = stage.until(|happened| matches!(happened, Happened::Accepted { .. }));
    let Happened::Accepted { channel, peer } = accepted else {
        panic!("{accepted:?}");
    };
    assert_eq!(peer.pid, Some(std::process::id()));
    assert_eq!(peer.uid, Some(rustix::process::geteuid().as_raw()));
    let mut buffer = [0; 64];
    let nothing = stage.platform.read(channel, &mut buffer).unwrap_err();
    assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
    client.write_all(b"hello").unwrap();
    stage.until(|happened| *happened == Happened::Readable { channel });
    assert_eq!(stage.platform.read(channel, &mut buffer).unwrap(), 5);
    assert_eq!(stage.platform.write(channel, b"welcome").unwrap(), 7);
    assert_eq!(client.read(&mut buffer).unwrap(), 7);
    drop(client);
    stage.until(|happened| *happened == Happened::Readable { channel });
    assert_eq!(stage.platform.read(channel, &mut buffer).unwrap(), 0);
    assert!(
        stage.platform.write(channel, b"too late").is_err(),
        "and no signal killed us"
    );
    stage.platform.close(channel);
    assert!(stage.platform.read(channel, &mut buffer).is_err());
}

fn a_client_that_does_not_read_blocks_nobody(world: World) {
    use std::io::Read;
    let mut stage = Stage::new(world);
    let scratch = Scratch::new();
    let address = scratch.path("d/control");
    stage.platform.listen_control(&address).unwrap();
    let mut client = UnixStream::connect(&address).unwrap();
    let accepted = stage.until(|happened| matches!(happened, Happened::Accepted { .. }));
    let Happened::Accepted { channel, .. } = accepted else {
        panic!("{accepted:?}");
    };
    let block = vec![7; 64 * 1024];
    let mut written = 0;
    let full = loop {
        match stage.platform.write(channel, &block) {
            Ok(count) => written += count,
            Err(error) => break error,
        }
    };
    assert_eq!(full.kind(), std::io::ErrorKind::WouldBlock);
    let mut taken = vec![0; written];
    client.read_exact(&mut taken).unwrap();
    stage.until(|happened| *happened == Happened::Writable { channel });
    assert!(stage.platform.write(channel, b"on we go").is_ok());
}

fn a_connection_to_a_server_is_told(world: World) {
    let mut stage = Stage::new(world);
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    for host in ["127.0.0.1", "localhost"] {
        let channel = stage.platform.connect(&format!("{host}:{port}")).unwrap();
        let told = stage.until(|happened| matches!(happened, Happened::Connected { .. }));
        let failure = None;
        assert_eq!(told, Happened::Connected { channel, failure });
        stage.platform.close(channel);
    }
    for nonsense in ["example.org:80", "127.0.0.1", "localhost:x", ""] {
        assert!(stage.platform.connect(nonsense).is_err(), "{nonsense}");
    }
}

fn who_signals_the_engine_is_told(world: World) {
    let mut play = Play::new(world);
    let own = std::process::id();
    let sender = play.run(&format!(
        "kill -HUP {own}; kill -USR1 {own}; kill -TERM {own}; echo $$"
    ));
    let pid = sender.parse().ok();
    let mut seen = Vec::new();
    for _ in 0..3 {
        let told = play
            .stage
            .until(|happened| matches!(happened, Happened::Host(_)));
        if let Happened::Host(signal) = told {
            seen.push(signal);
        }
    }
    seen.sort_by_key(|signal| signal.signal);
    let uid = Some(rustix::process::getuid().as_raw());
    let from = |signal| HostSignal { signal, pid, uid };
    assert_eq!(seen, [Signal::HUP, Signal::USR1, Signal::TERM].map(from));
}

fn a_sender_that_is_gone_is_known_by_its_group(world: World) {
    let mut play = Play::new(world);
    let address = play.stage.platform.notify_address().unwrap();
    let own = std::env::current_exe().unwrap();
    let send = format!(
        "NOTIFY_SOCKET={address} '{}' {NOTIFY} STATUS=short",
        own.display()
    );
    play.run(&send);
    // Everyone of that tree is gone by now, and nobody has looked at the socket yet.
    let told = play
        .stage
        .until(|happened| matches!(happened, Happened::Notified(_)));
    let Happened::Notified(message) = told else {
        panic!("{told:?}");
    };
    assert_eq!(
        (message.tree, message.text),
        (play.tree, b"STATUS=short".to_vec())
    );
}

fn a_strangers_message_is_dropped(world: World) {
    let mut stage = Stage::new(world);
    let tree = stage.plant();
    stage.begin(tree, Actor::Sleeps);
    let address = stage.platform.notify_address().unwrap();
    assert_eq!(stage.platform.notify_address().unwrap(), address);
    let socket = UnixDatagram::unbound().unwrap();
    socket.send_to(b"READY=1", &address).unwrap();
    assert_eq!(stage.rest(), []);
    stage.clear(tree);
}

fn a_journal_that_is_not_there_is_an_error(world: World) {
    let mut stage = Stage::new(world);
    let scratch = Scratch::new();
    let (_pump, mut port) = stage.platform.pump().unwrap();
    let path = scratch.path("journal");
    assert!(port.send_datagram(&path, b"lost").is_err());
    let journal = UnixDatagram::bind(&path).unwrap();
    port.send_datagram(&path, b"kept").unwrap();
    let mut buffer = [0; 16];
    assert_eq!(journal.recv(&mut buffer).unwrap(), 4);
    // A reader that does not read must not block the pump.
    let full = (0..100_000).find_map(|_| port.send_datagram(&path, b"and more").err());
    assert_eq!(full.unwrap().kind(), std::io::ErrorKind::WouldBlock);
}

fn limits_on_a_tree_hold_or_are_refused(world: World) {
    let mut play = Play::new(world);
    let resources = Resources {
        pids_max: Some(5),
        memory_max: Some(Bytes(64 << 20)),
        cpu_max: Some(500),
        cpu_weight: Some(50),
        memory_high: None,
    };
    match play.stage.platform.plant("limited", &resources) {
        Err(error) => println!("refused here: {error}"),
        Ok(tree) => {
            play.tree = tree;
            let seen = play
                .run("(for n in 1 2 3 4 5 6 7 8; do sleep 1000 >/dev/null 2>&1 & done); exit 0");
            assert!(
                seen.contains("fork"),
                "the ninth process was too many: {seen}"
            );
            let usage = play.stage.platform.usage(tree);
            assert!(usage.memory.is_some());
            play.stage.clear(tree);
        }
    }
    let odd = Resources {
        memory_high: Some(Bytes(1 << 30)),
        ..Resources::default()
    };
    if let Err(error) = play.stage.platform.plant("odd", &odd) {
        assert!(error.to_string().contains("memory.high"), "{error}");
    }
}

fn a_fork_bomb_is_killed_whole(world: World) {
    let mut play = Play::new(world);
    // Each bears one more and goes on doing so, as deep as 200; all keep being born while we kill.
    let bomb = "bomb() { [ $1 -gt 200 ] && exec sleep 1000; (bomb $(($1 + 1))) & (setsid sleep 1000) & wait; }; bomb 0";
    let (started, _) = play.start(bomb).unwrap();
    let tree = play.tree;
    while play.stage.members(tree).len() < 40 {
        let until = crate::stage::after(&mut play.stage, 5);
        play.stage
            .platform
            .wait(Some(until), &mut play.stage.told)
            .unwrap();
    }
    play.stage.platform.kill_tree(tree).unwrap();
    assert_eq!(play.stage.end_of(started.process), killed_by(Signal::KILL));
    play.stage.until_empty(tree);
    assert_eq!(play.stage.members(tree), [] as [u32; 0]);
    let living = our_children()
        .into_iter()
        .filter(|pid| state_of(*pid) != Some('Z'));
    assert_eq!(living.collect::<Vec<_>>(), [] as [u32; 0]);
}

/// Everybody whose parent we are.
fn our_children() -> Vec<u32> {
    let own = std::process::id();
    let text = fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
    text.split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect()
}

fn an_escaped_session_is_still_in_the_tree(world: World) {
    let mut stage = Stage::new(world);
    let mut play_tree = stage.plant();
    let (program, argv) = shell("setsid sleep 1000 & setsid setsid sleep 1000 & echo >&3; wait");
    let process = Process::default();
    let env = [
        ("PATH".into(), "/usr/bin:/bin".into()),
        ("APLOMB_RUN".into(), "77".into()),
    ];
    stage
        .platform
        .spawn(&Launch {
            tree: play_tree,
            program: &program,
            argv: &argv,
            env: &env,
            search_path: &[],
            process: &process,
            privilege: Privilege::Service,
            stdout: Output::Null,
            stderr: Output::Null,
            sockets: &[],
            ready_fd: Some(3),
        })
        .unwrap();
    stage.until(|happened| *happened == Happened::ReadyLine { tree: play_tree });
    assert_eq!(stage.members(play_tree).len(), 3);
    stage.clear(play_tree);
    play_tree = stage.plant();
    assert_eq!(stage.members(play_tree), [] as [u32; 0]);
}

fn orphans_are_laid_to_rest(world: World) {
    let mut play = Play::new(world);
    let orphan: u32 = play
        .run("(sleep 0.05 >/dev/null 2>&1 & echo $!)")
        .parse()
        .unwrap();
    let until = crate::stage::after(&mut play.stage, 20_000);
    while state_of(orphan).is_some() {
        assert!(play.stage.platform.now() < until, "a zombie stays");
        let soon = crate::stage::after(&mut play.stage, 10);
        play.stage
            .platform
            .wait(Some(soon), &mut play.stage.told)
            .unwrap();
    }
}

fn as_process_1_signals_arrive_and_orphans_are_laid_to_rest(_: World) {
    if std::process::id() != 1 {
        let own = std::env::current_exe().unwrap();
        let name = "linux::as_process_1_signals_arrive_and_orphans_are_laid_to_rest";
        let ran = Command::new("unshare")
            .args(["--pid", "--fork", "--mount-proc"])
            .arg(own)
            .args(["--alone", name])
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&ran.stderr);
        if errors.contains("Operation not permitted") {
            println!("skipped: no private name spaces here");
            return;
        }
        assert!(ran.status.success(), "{errors}");
        return;
    }
    let mut play = Play::new(World::Linux);
    play.run("kill -TERM 1; kill -INT 1");
    for _ in 0..2 {
        play.stage
            .until(|happened| matches!(happened, Happened::Host(_)));
    }
    let orphan: u32 = play
        .run("(sleep 0.05 >/dev/null 2>&1 & echo $!)")
        .parse()
        .unwrap();
    while state_of(orphan).is_some() {
        let soon = crate::stage::after(&mut play.stage, 10);
        play.stage
            .platform
            .wait(Some(soon), &mut play.stage.told)
            .unwrap();
    }
    let tree = play.tree;
    let daemon = play.stage.begin(tree, Actor::Daemon);
    play.stage.end_of(daemon.process);
    play.stage.clear(tree);
}

fn groups_are_gone_when_the_platform_is(world: World) {
    let mut stage = Stage::new(world);
    let Holding::ControlGroup { root } = stage.platform.holding() else {
        println!("skipped: no control groups may be made here");
        return;
    };
    let (one, other) = (stage.plant(), stage.plant());
    assert_eq!(
        fs::read_dir(&root)
            .unwrap()
            .filter(|e| e.as_ref().unwrap().path().is_dir())
            .count(),
        0
    );
    stage.begin(one, Actor::Sleeps);
    stage.begin(other, Actor::Sleeps);
    stage.clear(one);
    stage.rest();
    let left: Vec<_> = fs::read_dir(&root)
        .unwrap()
        .flatten()
        .filter(|e| e.path().is_dir())
        .collect();
    assert_eq!(
        left.len(),
        1,
        "an uprooted tree's group is removed in passing"
    );
    stage.clear(other);
    drop(stage);
    assert!(!Path::new(&root).exists());
}

fn a_sandbox_without_new_privileges_says_so(_: World) {
    let mut play = Play::sandboxed(Sandbox {
        no_new_privileges: true,
        ..Sandbox::default()
    });
    assert_eq!(
        play.run("grep NoNewPrivs /proc/self/status"),
        "NoNewPrivs:\t1"
    );
    play.privilege = Privilege::Full;
    assert_eq!(
        play.run("grep NoNewPrivs /proc/self/status"),
        "NoNewPrivs:\t0"
    );
}

fn capabilities_are_bounded_and_given(_: World) {
    if !Play::only_as_root() {
        return;
    }
    let chown = Capabilities::parse_one("CAP_CHOWN").unwrap();
    let bind = Capabilities::parse_one("CAP_NET_BIND_SERVICE").unwrap();
    let mut play = Play::sandboxed(Sandbox {
        bounding: Some(Capabilities(chown.0 | bind.0)),
        ..Sandbox::default()
    });
    let status = "grep -E 'Cap(Eff|Bnd|Amb)' /proc/self/status";
    assert_eq!(
        play.run(status),
        "CapEff:\t0000000000000401\nCapBnd:\t0000000000000401\nCapAmb:\t0000000000000000"
    );
    play.process.user = Some("65533".into());
    play.process.sandbox.as_mut().unwrap().ambient = bind;
    assert_eq!(
        play.run(status),
        "CapEff:\t0000000000000400\nCapBnd:\t0000000000000401\nCapAmb:\t0000000000000400"
    );
}

fn a_private_tmp_is_shared_in_the_tree_and_gone_with_it(_: World) {
    if !Play::only_as_root() {
        return;
    }
    let scratch = Scratch::new();
    let mut play = Play::sandboxed(Sandbox {
        private_tmp: true,
        ..Sandbox::default()
    });
    let seen = play.run("ls -A /tmp /var/tmp; stat -c %a /tmp; echo secret > /tmp/note");
    assert_eq!(seen, "/tmp:\n\n/var/tmp:\n1777");
    assert_eq!(play.run("cat /tmp/note"), "secret");
    assert!(!Path::new("/tmp/note").exists());
    let ours = || {
        let prefix = format!("aplomb-{}-", std::process::id());
        let names = fs::read_dir("/tmp")
            .unwrap()
            .flatten()
            .map(|entry| entry.file_name());
        names
            .filter(|name| name.to_string_lossy().starts_with(&prefix))
            .count()
    };
    assert_eq!(ours(), 1);
    let tree = play.tree;
    play.stage.platform.uproot(tree);
    assert_eq!(ours(), 0);
    drop(scratch);
}

fn private_devices_are_pseudo_devices(_: World) {
    if !Play::only_as_root() {
        return;
    }
    let mut play = Play::sandboxed(Sandbox {
        private_devices: true,
        ..Sandbox::default()
    });
    let seen = play.run(
        "for d in /dev/*; do [ -b $d ] && echo block $d; done; head -c 4 /dev/zero | wc -c; echo x > /dev/null;
         touch /dev/new 2>/dev/null || echo read-only; [ -e /dev/kmsg ] && echo kmsg; readlink /dev/fd",
    );
    assert_eq!(seen, "4\nread-only\n/proc/self/fd");
}

fn a_private_network_is_shared_in_the_tree(_: World) {
    if !Play::only_as_root() {
        return;
    }
    let mut play = Play::sandboxed(Sandbox {
        private_network: true,
        ..Sandbox::default()
    });
    play.ready_fd = Some(3);
    let (_, stream) = play
        .start("readlink /proc/self/ns/net; echo >&3; exec 3>&-; exec sleep 1000")
        .unwrap();
    let tree = play.tree;
    play.stage
        .until(|happened| *happened == Happened::ReadyLine { tree });
    let mut buffer = [0; 64];
    let count = play.port.read(stream, &mut buffer).unwrap();
    let first = String::from_utf8_lossy(&buffer[..count]).trim().to_owned();
    let outside = fs::read_link("/proc/self/ns/net")
        .unwrap()
        .display()
        .to_string();
    assert_ne!(first, outside);
    assert_eq!(
        play.port.read(stream, &mut buffer).unwrap_err().kind(),
        std::io::ErrorKind::WouldBlock
    );
    play.port.detach(stream);
    // Enough sockets to lie where ours of the network does.
    let scratch = Scratch::new();
    for name in 0..60 {
        let listen = Listen::new(Address::UnixStream(scratch.path(&name.to_string())));
        let socket = play.stage.platform.open_socket(&listen);
        play.sockets.push(socket.unwrap());
    }
    play.ready_fd = None;
    assert_eq!(play.run("readlink /proc/self/ns/net"), first);
    let devices = play.run("tail -n +3 /proc/net/dev | cut -d : -f 1; cat /sys/class/net/lo/operstate 2>/dev/null; echo");
    assert!(devices.trim_start().starts_with("lo"), "{devices}");
    play.stage.clear(tree);
}

fn writes(play: &mut Play, path: &str) -> bool {
    let script = format!(
        "(echo > {path}/.contract-probe) 2>/dev/null && rm {path}/.contract-probe && echo yes || echo no"
    );
    play.run(&script) == "yes"
}

fn the_system_is_read_only_where_protected(_: World) {
    if !Play::only_as_root() {
        return;
    }
    let scratch = Scratch::new();
    let with = |system| {
        Play::sandboxed(Sandbox {
            protect_system: system,
            ..Sandbox::default()
        })
    };
    let mut play = with(ProtectSystem::Yes);
    assert_eq!(
        ["/usr", "/etc", "/var"].map(|path| writes(&mut play, path)),
        [false, true, true]
    );
    drop(play);
    let mut play = with(ProtectSystem::Full);
    assert_eq!(
        ["/usr", "/etc", "/var"].map(|path| writes(&mut play, path)),
        [false, false, true]
    );
    drop(play);
    let mut play = with(ProtectSystem::Strict);
    let paths = ["/usr", "/etc", "/var", &scratch.path(""), "/dev/shm"];
    let expected = [false, false, false, false, Path::new("/dev/shm").is_dir()];
    assert_eq!(paths.map(|path| writes(&mut play, path)), expected);
    // What it is given it can write to all the same.
    let rule = PathRule {
        kind: PathRuleKind::ReadWrite,
        path: scratch.path(""),
        optional: false,
    };
    play.process.sandbox.as_mut().unwrap().paths = vec![rule];
    assert!(writes(&mut play, &scratch.path("")));
    assert!(!writes(&mut play, "/var"));
}

fn homes_are_hidden_where_protected(_: World) {
    if !Play::only_as_root() {
        return;
    }
    let with = |home| {
        Play::sandboxed(Sandbox {
            protect_home: home,
            ..Sandbox::default()
        })
    };
    let count = "ls -A /root | wc -l";
    let mut play = with(ProtectHome::Yes);
    assert_eq!(play.run(count), "0");
    play.process.user = Some("65533".into());
    assert_eq!(
        play.run("ls /root >/dev/null 2>&1 || echo refused"),
        "refused"
    );
    drop(play);
    let mut play = with(ProtectHome::ReadOnly);
    assert!(!writes(&mut play, "/root"));
    assert_ne!(play.run(count), "0");
    drop(play);
    let mut play = with(ProtectHome::Temporary);
    assert_eq!(play.run(count), "0");
}

fn the_kernel_is_out_of_reach_where_protected(_: World) {
    if !Play::only_as_root() {
        return;
    }
    let mut play = Play::sandboxed(Sandbox {
        protect_kernel_tunables: true,
        protect_kernel_modules: true,
        protect_kernel_logs: true,
        protect_control_groups: true,
        protect_clock: true,
        protect_hostname: true,
        private_mounts: true,
        ..Sandbox::default()
    });
    let cases = [
        "(echo 50 > /proc/sys/vm/swappiness) 2>/dev/null",
        "mkdir /sys/fs/cgroup/unified/contract 2>/dev/null || mkdir /sys/fs/cgroup/contract 2>/dev/null",
        "head -c 1 /proc/kcore >/dev/null 2>&1",
        "head -c 1 /dev/kmsg >/dev/null 2>&1",
        "date -s @0 >/dev/null 2>&1",
    ];
    for case in cases {
        assert_eq!(
            play.run(&format!("{{ {case}; }} && echo done || echo refused")),
            "refused",
            "{case}"
        );
    }
    let before = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    play.run("hostname contract 2>/dev/null || true");
    assert_eq!(
        fs::read_to_string("/proc/sys/kernel/hostname").unwrap(),
        before
    );
    let outside = fs::read_link("/proc/self/ns/mnt")
        .unwrap()
        .display()
        .to_string();
    assert_ne!(play.run("readlink /proc/self/ns/mnt"), outside);
}

fn paths_look_as_their_rules_say(_: World) {
    if !Play::only_as_root() {
        return;
    }
    let scratch = Scratch::new();
    for name in ["ro", "ro/rw", "hidden", "empty"] {
        fs::create_dir(scratch.path(name)).unwrap();
        scratch.file(&format!("{name}/file"), 0o644, b"here");
    }
    scratch.file("secret", 0o644, b"secret");
    let rule = |kind, name: &str, optional| PathRule {
        kind,
        path: scratch.path(name),
        optional,
    };
    let mut play = Play::sandboxed(Sandbox {
        // The deeper one first: it must win all the same.
        paths: vec![
            rule(PathRuleKind::ReadWrite, "ro/rw", false),
            rule(PathRuleKind::ReadOnly, "ro", false),
            rule(PathRuleKind::Inaccessible, "hidden", false),
            rule(PathRuleKind::Inaccessible, "secret", false),
            rule(PathRuleKind::Temporary, "empty", false),
            rule(PathRuleKind::ReadOnly, "missing", true),
        ],
        ..Sandbox::default()
    });
    assert!(!writes(&mut play, &scratch.path("ro")));
    assert!(writes(&mut play, &scratch.path("ro/rw")));
    assert!(writes(&mut play, &scratch.path("empty")));
    let root = scratch.path("");
    let seen = play.run(&format!(
        "cd {root}; ls -A hidden empty; cat secret 2>/dev/null || echo refused; cat ro/file"
    ));
    assert_eq!(seen, "empty:\n\nhidden:\nrefused\nhere");
    assert_eq!(
        fs::read(scratch.path("hidden/file")).unwrap(),
        b"here",
        "for us nothing has changed"
    );
    play.process.sandbox.as_mut().unwrap().paths =
        vec![rule(PathRuleKind::ReadOnly, "missing", false)];
    let refusal = play.refusal("");
    assert!(
        matches!(
            refusal,
            SpawnError::Setup {
                step: Step::Sandbox,
                ..
            }
        ),
        "{refusal:?}"
    );
}
