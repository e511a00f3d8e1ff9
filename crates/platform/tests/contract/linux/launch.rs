//! What a program finds around it, and why it did not begin.

use std::fs;
use std::path::Path;

use aplomb_core::spec::{
    Address, Directory, Limit, LimitedResource, Listen, OwnDirectory, OwnDirectoryKind, Privilege,
    Process, Stdin,
};
use aplomb_platform::{Happened, Launch, Output, SocketId, SpawnError, Step, StreamId};

use super::{ALL, ONE, Play, Row, Scratch};
use crate::stage::{World, code};

pub(super) const TESTS: &[Row] = &[
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
        "descriptors_that_lie_in_each_others_way_are_sorted_out",
        ALL,
        descriptors_that_lie_in_each_others_way_are_sorted_out,
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
];

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
