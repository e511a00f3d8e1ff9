//! What the kernel does for trees, and what happens without.

use std::fs;
use std::path::Path;
use std::process::Command;

use aplomb_core::spec::{Privilege, Process, Resources};
use aplomb_core::{Bytes, Signal};
use aplomb_platform::{Happened, Holding, Launch, Output};

use super::{ALL, GROUPS, ONE, Play, Row, state_of};
use crate::stage::{Actor, Stage, World, killed_by, shell};

pub(super) const TESTS: &[Row] = &[
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
];

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
