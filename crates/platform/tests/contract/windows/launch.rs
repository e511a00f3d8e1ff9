//! What a program is born with, and what its job keeps.

use std::time::Duration;

use aplomb_core::spec::{Privilege, Process, Resources, Stdin};
use aplomb_platform::{Happened, Launch, Output, Started, StreamId};

use super::{ACTOR, own};
use crate::stage::{Actor, Stage, World, code, read_to_end};

/// What a program of ours says, with this around it.
fn said(stage: &mut Stage, program: &str, words: &[&str], process: &Process) -> String {
    let (mut pump, mut port) = stage.platform.pump().unwrap();
    let stream = StreamId(1);
    pump.attach(stream).unwrap();
    let tree = stage.plant();
    let argv: Vec<String> = [program]
        .iter()
        .chain(words)
        .map(|word| (*word).to_owned())
        .collect();
    let env = [
        ("Some\u{e9}".to_owned(), "first".to_owned()),
        ("SOME\u{c9}".to_owned(), "v\u{e4}lue".to_owned()),
    ];
    let started = stage.platform.spawn(&Launch {
        tree,
        program,
        argv: &argv,
        env: &env,
        search_path: &[],
        process,
        privilege: Privilege::Service,
        stdout: Output::Pump(stream),
        stderr: Output::SameAsStdout,
        sockets: &[],
        ready_fd: None,
    });
    pump.seal(stream);
    stage.end_of(started.unwrap().process);
    String::from_utf8(read_to_end(&mut *port, stream)).unwrap()
}

pub(crate) fn words_arrive_as_they_were_given(world: World) {
    let mut stage = Stage::new(world);
    let words = [
        "a b",
        "",
        r"back\slash\",
        r#"qu"ote"#,
        r#"\"both\\"#,
        "tab\tand 你好",
        "%PATH%",
        "a&b|c>d",
    ];
    let all = [&[ACTOR, "repeats"][..], &words].concat();
    let heard = said(&mut stage, &own(), &all, &Process::default());
    assert_eq!(heard, format!("{words:?}"));
}

pub(crate) fn a_batch_file_gets_its_words(world: World) {
    let mut stage = Stage::new(world);
    let file = std::env::temp_dir().join(format!("aplomb batch {}.cmd", std::process::id()));
    std::fs::write(&file, format!("@\"{}\" {ACTOR} repeats %*\r\n", own())).unwrap();
    let words = ["a & b", "c>d", "plain"];
    let heard = said(
        &mut stage,
        file.to_str().unwrap(),
        &words,
        &Process::default(),
    );
    assert_eq!(heard.trim_end(), format!("{words:?}"));
    std::fs::remove_file(&file).unwrap();
}

pub(crate) fn input_arrives(world: World) {
    let mut stage = Stage::new(world);
    let process = Process {
        stdin: Stdin::Text("two\nlines".into()),
        ..Process::default()
    };
    let heard = said(&mut stage, &own(), &[ACTOR, "copies"], &process);
    assert_eq!(heard, "two\nlines");
}

pub(crate) fn variables_differ_by_more_than_case(world: World) {
    let mut stage = Stage::new(world);
    let words = [ACTOR, "variable", "some\u{e9}"];
    let heard = said(&mut stage, &own(), &words, &Process::default());
    assert_eq!(heard, "v\u{e4}lue");
}

/// One process may be, so its child may not. Wine takes the limit and does not hold it.
pub(crate) fn a_limit_on_processes_holds(world: World) {
    let mut stage = Stage::new(world);
    let resources = Resources {
        pids_max: Some(1),
        memory_max: Some(aplomb_core::Bytes(1 << 30)),
        ..Resources::default()
    };
    let tree = stage.platform.plant("limited", &resources).unwrap();
    let started = stage.spawn(tree, Actor::HasChild, Output::Null).unwrap();
    let end = stage.end_of(started.process);
    assert_ne!(end, code(0), "it had a child");
    let vain = Resources {
        memory_high: Some(aplomb_core::Bytes(1)),
        ..Resources::default()
    };
    assert!(stage.platform.plant("vain", &vain).is_err());
}

fn begun(stage: &mut Stage) -> Started {
    let tree = stage.plant();
    let main = stage.begin(tree, Actor::Daemon);
    stage.end_of(main.process);
    let daemon = stage.members(tree)[0];
    stage.platform.adopt(tree, daemon).unwrap()
}

/// As after a crash: what holds the jobs is gone, and all in them with it.
pub(crate) fn nobody_outlives_the_platform(world: World) {
    let mut stage = Stage::new(world);
    let daemon = begun(&mut stage);
    drop(stage);
    let begun = std::time::Instant::now();
    while super::sys::lives(daemon.pid) {
        assert!(begun.elapsed() < Duration::from_secs(20), "it lives");
        std::thread::yield_now();
    }
}

/// The child is dead, its child holds the output: the pump goes on, and the stream can be let go of.
pub(crate) fn who_holds_the_output_keeps_nobody_waiting(world: World) {
    let mut stage = Stage::new(world);
    let (mut pump, mut port) = stage.platform.pump().unwrap();
    let (held, other) = (StreamId(1), StreamId(2));
    pump.attach(held).unwrap();
    pump.attach(other).unwrap();
    let tree = stage.plant();
    let holder = stage
        .spawn(tree, Actor::LeavesChild, Output::Pump(held))
        .unwrap();
    stage.end_of(holder.process);
    pump.seal(held);
    let printer = stage
        .spawn(tree, Actor::Prints("on"), Output::Pump(other))
        .unwrap();
    pump.seal(other);
    stage.end_of(printer.process);
    assert_eq!(read_to_end(&mut *port, other), b"on");
    let nothing = port.read(held, &mut [0; 8]).unwrap_err();
    assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
    port.detach(held);
    stage.clear(tree);
}

/// A console program has no window; that is told, so that the stop goes on.
pub(crate) fn a_request_nobody_hears_is_told(world: World) {
    let mut stage = Stage::new(world);
    let tree = stage.plant();
    let deaf = stage.begin(tree, Actor::IgnoresTerm);
    let asking = aplomb_platform::Asking::CloseWindows;
    stage.platform.ask_tree(tree, asking).unwrap();
    let told = stage.until(|happened| matches!(happened, Happened::Unheard { .. }));
    let Happened::Unheard {
        tree: of,
        asking: what,
        why,
    } = told
    else {
        unreachable!("it was waited for");
    };
    assert_eq!((of, what), (tree, Some(asking)));
    assert!(why.contains("none of them has a window"), "{why}");
    stage
        .platform
        .ask(deaf.process, aplomb_platform::Asking::CtrlC)
        .unwrap();
    assert_eq!(stage.rest(), [], "it heard, and goes on");
    stage.clear(tree);
}

pub(crate) fn our_directory_is_made_and_found_again(_: World) {
    for _ in 0..2 {
        aplomb_platform::windows::directories::prepare().unwrap();
    }
    assert!(aplomb_platform::windows::directories::root().is_dir());
}

/// Who may is shown by the system's own tool; Wine has none, and denies nobody.
pub(crate) fn our_directory_is_closed(_: World) {
    aplomb_platform::windows::directories::prepare().unwrap();
    let root = aplomb_platform::windows::directories::root();
    let shown = std::process::Command::new("icacls")
        .arg(&root)
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    let closed = !shown.contains("Everyone") && !shown.contains(r"BUILTIN\Users");
    assert!(
        closed || !aplomb_platform::windows::is_elevated(),
        "{shown}"
    );
}
