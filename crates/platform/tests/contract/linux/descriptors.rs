//! How many descriptors a program finds room for, and what is left of them with us.

use std::fs;
use std::path::PathBuf;

use aplomb_core::spec::{Address, Listen, Stdin};
use aplomb_platform::Happened;

use super::{ALL, Play, Row, Scratch};
use crate::stage::World;

pub(super) const TESTS: &[Row] = &[
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
];

/// Where children do not begin with a copy of our table.
const SHARING: &[World] = &[World::Linux, World::LinuxWithoutGroups];

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
    play.program = Some("/no/such/program".into());
    play.refusal("");
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
