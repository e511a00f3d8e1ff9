//! The promises of `Platform`, `Pump` and `PumpPort`, by name. Nothing here knows which world it is in.

use std::time::Duration;

use aplomb_core::Signal;
use aplomb_platform::{Happened, Output, PumpEvent, Sent, SpawnError, StreamId};

use crate::stage::{
    Actor, Stage, World, after, asked_to_end, code, is_a_crash, killed_by, read_to_end,
};

type Row = (&'static str, fn(World));

pub(crate) const TESTS: &[Row] = &[
    ("an_exit_code_is_told", an_exit_code_is_told),
    (
        "a_signal_death_is_told_with_its_signal",
        a_signal_death_is_told_with_its_signal,
    ),
    (
        "a_missing_program_is_named_and_nothing_begins",
        a_missing_program_is_named_and_nothing_begins,
    ),
    ("an_unplanted_tree_is_refused", an_unplanted_tree_is_refused),
    (
        "a_signal_reaches_one_process_and_no_other",
        a_signal_reaches_one_process_and_no_other,
    ),
    (
        "a_signal_to_who_is_gone_reaches_nobody",
        a_signal_to_who_is_gone_reaches_nobody,
    ),
    (
        "a_signal_to_a_tree_reaches_every_member",
        a_signal_to_a_tree_reaches_every_member,
    ),
    (
        "who_ignores_a_request_still_dies_of_the_kill",
        who_ignores_a_request_still_dies_of_the_kill,
    ),
    (
        "a_request_can_be_answered_with_an_exit_code",
        a_request_can_be_answered_with_an_exit_code,
    ),
    (
        "a_leftover_keeps_the_tree_from_being_empty",
        a_leftover_keeps_the_tree_from_being_empty,
    ),
    (
        "a_daemon_is_found_and_killed_with_its_tree",
        a_daemon_is_found_and_killed_with_its_tree,
    ),
    ("an_empty_tree_is_told_once", an_empty_tree_is_told_once),
    (
        "a_tree_without_members_is_empty_at_once",
        a_tree_without_members_is_empty_at_once,
    ),
    (
        "a_tree_can_live_again_and_be_empty_again",
        a_tree_can_live_again_and_be_empty_again,
    ),
    (
        "nobody_acts_in_a_frozen_tree_until_the_thaw",
        nobody_acts_in_a_frozen_tree_until_the_thaw,
    ),
    ("a_frozen_tree_can_be_killed", a_frozen_tree_can_be_killed),
    ("trees_do_not_mix", trees_do_not_mix),
    (
        "an_uprooted_trees_leftovers_are_let_go",
        an_uprooted_trees_leftovers_are_let_go,
    ),
    ("a_ready_line_is_told_once", a_ready_line_is_told_once),
    (
        "a_message_is_told_with_tree_and_text",
        a_message_is_told_with_tree_and_text,
    ),
    (
        "an_adopted_process_is_told_of_when_it_ends",
        an_adopted_process_is_told_of_when_it_ends,
    ),
    ("a_stranger_is_not_adopted", a_stranger_is_not_adopted),
    ("waiting_ends_at_its_deadline", waiting_ends_at_its_deadline),
    (
        "a_deadline_that_has_passed_only_looks",
        a_deadline_that_has_passed_only_looks,
    ),
    (
        "output_reaches_the_pump_and_ends_when_sealed",
        output_reaches_the_pump_and_ends_when_sealed,
    ),
    (
        "a_stream_serves_one_program_after_another",
        a_stream_serves_one_program_after_another,
    ),
    ("an_unknown_stream_is_refused", an_unknown_stream_is_refused),
    (
        "both_loops_can_wake_the_other",
        both_loops_can_wake_the_other,
    ),
    ("a_refused_connection_says_so", a_refused_connection_says_so),
    ("usage_counts_the_members", usage_counts_the_members),
    (
        "a_member_that_ends_first_does_not_end_the_tree",
        a_member_that_ends_first_does_not_end_the_tree,
    ),
];

fn an_exit_code_is_told(world: World) {
    let mut stage = Stage::new(world);
    let tree = stage.plant();
    for expected in [0, 1, 42, 255] {
        let started = stage.begin(tree, Actor::Exits(expected));
        assert_eq!(stage.end_of(started.process), code(expected));
    }
}

fn a_signal_death_is_told_with_its_signal(world: World) {
    let mut stage = Stage::new(world);
    let tree = stage.plant();
    let crashed = stage.begin(tree, Actor::Crashes);
    let end = stage.end_of(crashed.process);
    assert!(is_a_crash(world, end), "{end:?}");
    let asked = stage.begin(tree, Actor::Sleeps);
    stage.platform.signal(asked.process, Signal::TERM).unwrap();
    assert_eq!(stage.end_of(asked.process), asked_to_end(world));
}

fn a_missing_program_is_named_and_nothing_begins(world: World) {
    let mut stage = Stage::new(world);
    let tree = stage.plant();
    let process = aplomb_core::spec::Process::default();
    let failed = stage.platform.spawn(&aplomb_platform::Launch {
        tree,
        program: "/no/such/program",
        argv: &["program".into()],
        env: &[],
        search_path: &[],
        process: &process,
        privilege: aplomb_core::spec::Privilege::Service,
        stdout: Output::Null,
        stderr: Output::Null,
        sockets: &[],
        ready_fd: None,
    });
    match failed {
        Err(SpawnError::NotFound { program }) => assert_eq!(program, "/no/such/program"),
        other => panic!("{other:?}"),
    }
    assert_eq!(stage.rest(), []);
    assert_eq!(stage.members(tree), [] as [u32; 0]);
}

fn an_unplanted_tree_is_refused(world: World) {
    let mut stage = Stage::new(world);
    let tree = stage.plant();
    stage.platform.uproot(tree);
    let refused = stage.spawn(tree, Actor::Sleeps, Output::Null);
    assert!(
        matches!(refused, Err(SpawnError::Setup { .. })),
        "{refused:?}"
    );
    assert!(stage.platform.kill_tree(tree).is_err());
}

fn a_signal_reaches_one_process_and_no_other(world: World) {
    let mut stage = Stage::new(world);
    let tree = stage.plant();
    let asked = stage.begin(tree, Actor::Sleeps);
    let other = stage.begin(tree, Actor::Sleeps);
    let sent = stage.platform.signal(asked.process, Signal::TERM).unwrap();
    assert_eq!(sent, Sent { reached: 1 });
    assert_eq!(stage.end_of(asked.process), asked_to_end(world));
    assert_eq!(stage.rest(), []);
    assert_eq!(stage.members(tree), [other.pid]);
    stage.clear(tree);
}

fn a_signal_to_who_is_gone_reaches_nobody(world: World) {
    let mut stage = Stage::new(world);
    let tree = stage.plant();
    let gone = stage.begin(tree, Actor::Exits(0));
    stage.end_of(gone.process);
    // Somebody else may have the number by now; in the fake world somebody has.
    let other = stage.begin(tree, Actor::Sleeps);
    let sent = stage.platform.signal(gone.process, Signal::KILL).unwrap();
    assert_eq!(sent, Sent { reached: 0 });
    assert_eq!(stage.rest(), []);
    assert_ne!(gone.process, other.process);
    stage.clear(tree);
}

fn a_signal_to_a_tree_reaches_every_member(world: World) {
    let mut stage = Stage::new(world);
    let tree = stage.plant();
    let main = stage.begin(tree, Actor::HasChild);
    stage.begin(tree, Actor::Sleeps);
    assert_eq!(stage.members(tree).len(), 3);
    let sent = stage.platform.signal_tree(tree, Signal::TERM).unwrap();
    assert_eq!(sent, Sent { reached: 3 });
    assert_eq!(stage.end_of(main.process), asked_to_end(world));
    stage.platform.watch_empty(tree);
    stage.until_empty(tree);
}

fn who_ignores_a_request_still_dies_of_the_kill(world: World) {
    let mut stage = Stage::new(world);
    let tree = stage.plant();
    let stubborn = stage.begin(tree, Actor::IgnoresTerm);
    assert_eq!(
        stage
            .platform
            .signal(stubborn.process, Signal::TERM)
            .unwrap()
            .reached,
        1
    );
    assert_eq!(stage.rest(), []);
    stage.platform.kill_tree(tree).unwrap();
    assert_eq!(stage.end_of(stubborn.process), killed_by(Signal::KILL));
    stage.until_empty(tree);
}

fn a_request_can_be_answered_with_an_exit_code(world: World) {
    let mut stage = Stage::new(world);
    let tree = stage.plant();
    let polite = stage.begin(tree, Actor::ExitsOnTerm(7));
    stage.platform.signal(polite.process, Signal::TERM).unwrap();
    assert_eq!(stage.end_of(polite.process), code(7));
    stage.clear(tree);
}

fn a_leftover_keeps_the_tree_from_being_empty(world: World) {
    let mut stage = Stage::new(world);
    let tree = stage.plant();
    let main = stage.begin(tree, Actor::LeavesChild);
    stage.platform.watch_empty(tree);
    assert_eq!(stage.end_of(main.process), code(0));
    assert_eq!(stage.rest(), []);
    let left = stage.members(tree);
    assert_eq!(left.len(), 1);
    assert_ne!(left, [main.pid]);
    stage.platform.kill_tree(tree).unwrap();
    stage.until_empty(tree);
    assert_eq!(stage.members(tree), [] as [u32; 0]);
    assert_eq!(stage.rest(), []);
}

fn a_daemon_is_found_and_killed_with_its_tree(world: World) {
    let mut stage = Stage::new(world);
    let tree = stage.plant();
    let main = stage.begin(tree, Actor::Daemon);
    assert_eq!(stage.end_of(main.process), code(0));
    let daemon = stage.members(tree);
    assert_eq!(daemon.len(), 1);
    stage.clear(tree);
    #[cfg(target_os = "linux")]
    if world != World::Fake {
        let gone = !std::path::Path::new("/proc")
            .join(daemon[0].to_string())
            .exists();
        let gone = gone || crate::linux::state_of(daemon[0]) == Some('Z');
        assert!(gone, "the daemon lives");
    }
}

fn an_empty_tree_is_told_once(world: World) {
    let mut stage = Stage::new(world);
    let tree = stage.plant();
    let main = stage.begin(tree, Actor::Sleeps);
    stage.platform.watch_empty(tree);
    stage.platform.watch_empty(tree);
    stage.platform.kill_tree(tree).unwrap();
    stage.platform.kill_tree(tree).unwrap();
    stage.end_of(main.process);
    stage.until_empty(tree);
    stage.platform.kill_tree(tree).unwrap();
    stage.platform.watch_empty(tree);
    assert_eq!(stage.rest(), []);
}

fn a_tree_without_members_is_empty_at_once(world: World) {
    let mut stage = Stage::new(world);
    let tree = stage.plant();
    stage.platform.watch_empty(tree);
    stage.until_empty(tree);
    let used = stage.plant();
    let main = stage.begin(used, Actor::Exits(0));
    stage.end_of(main.process);
    assert_eq!(stage.rest(), [], "nobody asked");
    stage.platform.watch_empty(used);
    stage.until_empty(used);
}

fn a_tree_can_live_again_and_be_empty_again(world: World) {
    let mut stage = Stage::new(world);
    let tree = stage.plant();
    for _ in 0..2 {
        let main = stage.begin(tree, Actor::Sleeps);
        stage.platform.kill_tree(tree).unwrap();
        stage.end_of(main.process);
        stage.until_empty(tree);
        assert_eq!(stage.rest(), []);
    }
}

fn nobody_acts_in_a_frozen_tree_until_the_thaw(world: World) {
    let mut stage = Stage::new(world);
    let tree = stage.plant();
    let polite = stage.begin(tree, Actor::ExitsOnTerm(3));
    stage.platform.freeze(tree).unwrap();
    stage.platform.signal(polite.process, Signal::TERM).unwrap();
    assert_eq!(stage.rest(), []);
    stage.platform.thaw(tree).unwrap();
    assert_eq!(stage.end_of(polite.process), code(3));
    stage.clear(tree);
}

fn a_frozen_tree_can_be_killed(world: World) {
    let mut stage = Stage::new(world);
    let tree = stage.plant();
    let main = stage.begin(tree, Actor::HasChild);
    stage.platform.freeze(tree).unwrap();
    stage.platform.kill_tree(tree).unwrap();
    assert_eq!(stage.end_of(main.process), killed_by(Signal::KILL));
    stage.until_empty(tree);
}

fn trees_do_not_mix(world: World) {
    let mut stage = Stage::new(world);
    let (one, other) = (stage.plant(), stage.plant());
    let first = stage.begin(one, Actor::Daemon);
    let second = stage.begin(other, Actor::Sleeps);
    stage.end_of(first.process);
    assert_eq!(stage.members(other), [second.pid]);
    stage.clear(one);
    assert_eq!(stage.rest(), []);
    assert_eq!(stage.members(other), [second.pid]);
    stage.clear(other);
}

fn an_uprooted_trees_leftovers_are_let_go(world: World) {
    let mut stage = Stage::new(world);
    let tree = stage.plant();
    let main = stage.begin(tree, Actor::Sleeps);
    stage.platform.uproot(tree);
    assert_eq!(stage.rest(), []);
    assert_eq!(stage.platform.members(tree), []);
    stage.platform.signal(main.process, Signal::TERM).unwrap();
    assert_eq!(stage.end_of(main.process), asked_to_end(world));
}

fn a_ready_line_is_told_once(world: World) {
    let mut stage = Stage::new(world);
    let tree = stage.plant();
    stage.spawn(tree, Actor::Sleeps, Output::Null).unwrap();
    stage.until(|happened| *happened == Happened::ReadyLine { tree });
    assert_eq!(stage.rest(), []);
    stage.clear(tree);
}

fn a_message_is_told_with_tree_and_text(world: World) {
    let mut stage = Stage::new(world);
    let (tree, other) = (stage.plant(), stage.plant());
    stage.begin(other, Actor::Sleeps);
    // The sender is a child of the main process and gone before anybody reads.
    stage
        .spawn(tree, Actor::Notifies("READY=1"), Output::Null)
        .unwrap();
    let notified = stage.until(|happened| matches!(happened, Happened::Notified(_)));
    let Happened::Notified(message) = notified else {
        panic!("{notified:?}");
    };
    assert_eq!((message.tree, message.text), (tree, b"READY=1".to_vec()));
    assert_ne!(message.pid, 0);

    stage.clear(tree);
    stage.clear(other);
}

fn an_adopted_process_is_told_of_when_it_ends(world: World) {
    let mut stage = Stage::new(world);
    let tree = stage.plant();
    let main = stage.begin(tree, Actor::Daemon);
    stage.end_of(main.process);
    let daemon = stage.members(tree)[0];
    let adopted = stage.platform.adopt(tree, daemon).unwrap();
    assert_eq!(adopted.pid, daemon);
    let again = stage.platform.adopt(tree, daemon).unwrap();
    assert_eq!(again, adopted, "it is the same one");
    assert_eq!(
        stage
            .platform
            .signal(adopted.process, Signal::TERM)
            .unwrap()
            .reached,
        1
    );
    // Nobody stands between it and us, so the system can tell how it ended.
    assert_eq!(stage.end_of(adopted.process), asked_to_end(world));
    assert_eq!(
        stage
            .platform
            .signal(adopted.process, Signal::TERM)
            .unwrap()
            .reached,
        0
    );
    assert_eq!(stage.rest(), []);
}

fn a_stranger_is_not_adopted(world: World) {
    let mut stage = Stage::new(world);
    let (tree, other) = (stage.plant(), stage.plant());
    let elsewhere = stage.begin(other, Actor::Sleeps);
    for pid in [elsewhere.pid, std::process::id(), u32::MAX, 0] {
        assert!(stage.platform.adopt(tree, pid).is_err(), "{pid}");
    }
    stage.clear(other);
}

fn waiting_ends_at_its_deadline(world: World) {
    let mut stage = Stage::new(world);
    for millis in [3, 20, 1] {
        let until = after(&mut stage, millis);
        stage.platform.wait(Some(until), &mut stage.told).unwrap();
        assert_eq!(stage.told, []);
        let now = stage.platform.now();
        assert!(now >= until, "too early");
        assert!(now.since(until) < Duration::from_secs(5), "far too late");
    }
}

fn a_deadline_that_has_passed_only_looks(world: World) {
    let mut stage = Stage::new(world);
    let now = stage.platform.now();
    stage.platform.wait(Some(now), &mut stage.told).unwrap();
    assert_eq!(stage.told, []);
}

fn output_reaches_the_pump_and_ends_when_sealed(world: World) {
    let mut stage = Stage::new(world);
    let (mut pump, mut port) = stage.platform.pump().unwrap();
    let stream = StreamId(5);
    pump.attach(stream).unwrap();
    assert!(pump.attach(stream).is_err(), "the name is taken");
    let mut buffer = [0; 16];
    let nothing = port.read(stream, &mut buffer).unwrap_err();
    assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
    let tree = stage.plant();
    let main = stage.spawn(
        tree,
        Actor::Prints("two lines\nand a half"),
        Output::Pump(stream),
    );
    pump.seal(stream);
    stage.end_of(main.unwrap().process);
    assert_eq!(read_to_end(&mut *port, stream), b"two lines\nand a half");
    port.detach(stream);
    assert!(port.read(stream, &mut buffer).is_err());
}

fn a_stream_serves_one_program_after_another(world: World) {
    let mut stage = Stage::new(world);
    let (mut pump, mut port) = stage.platform.pump().unwrap();
    let stream = StreamId(0);
    pump.attach(stream).unwrap();
    let tree = stage.plant();
    for text in ["one ", "two"] {
        let main = stage.spawn(tree, Actor::Prints(text), Output::Pump(stream));
        stage.end_of(main.unwrap().process);
    }
    pump.seal(stream);
    assert_eq!(read_to_end(&mut *port, stream), b"one two");
    port.detach(stream);
    pump.attach(stream).expect("the name is free again");
}

fn an_unknown_stream_is_refused(world: World) {
    let mut stage = Stage::new(world);
    let (mut pump, _port) = stage.platform.pump().unwrap();
    pump.attach(StreamId(1)).unwrap();
    pump.seal(StreamId(1));
    let tree = stage.plant();
    for stream in [StreamId(1), StreamId(2)] {
        let refused = stage.spawn(tree, Actor::Exits(0), Output::Pump(stream));
        assert!(
            matches!(refused, Err(SpawnError::Setup { .. })),
            "{refused:?}"
        );
    }
}

fn both_loops_can_wake_the_other(world: World) {
    let mut stage = Stage::new(world);
    let (mut pump, mut port) = stage.platform.pump().unwrap();
    let other_loop = std::thread::spawn(move || {
        let mut events = Vec::new();
        while events.is_empty() {
            port.wait(None, &mut events).unwrap();
        }
        port.wake_engine();
        (events, port)
    });
    pump.wake();
    stage.until(|happened| *happened == Happened::Woken);
    let (events, port) = other_loop.join().unwrap();
    assert_eq!(events, [PumpEvent::Woken]);
    drop(port);
    assert_eq!(stage.rest(), []);
}

fn a_refused_connection_says_so(world: World) {
    let mut stage = Stage::new(world);
    // The discard port: nobody has it.
    let channel = stage.platform.connect("127.0.0.1:9").unwrap();
    let told = stage.until(|happened| matches!(happened, Happened::Connected { .. }));
    let failure = Some(std::io::ErrorKind::ConnectionRefused);
    assert_eq!(told, Happened::Connected { channel, failure });
    stage.platform.close(channel);
    assert!(stage.platform.read(channel, &mut [0; 4]).is_err());
}

fn usage_counts_the_members(world: World) {
    let mut stage = Stage::new(world);
    let tree = stage.plant();
    assert_eq!(stage.platform.usage(tree).processes, Some(0));
    stage.begin(tree, Actor::HasChild);
    let usage = stage.platform.usage(tree);
    assert_eq!(usage.processes, Some(2));
    // On Windows the system may add threads of its own to any program.
    let more = world == World::Windows && usage.threads > Some(2);
    assert!(usage.threads == Some(2) || more, "{usage:?}");
    assert!(usage.memory.is_some_and(|bytes| bytes > 0), "{usage:?}");
    assert!(usage.cpu.is_some());
    let told = usage.open_files.is_some_and(|files| files >= 6);
    assert!(told || !tells_open_files(world), "{usage:?}");
    stage.clear(tree);
}

fn a_member_that_ends_first_does_not_end_the_tree(world: World) {
    let mut stage = Stage::new(world);
    let tree = stage.plant();
    let first = stage.begin(tree, Actor::Sleeps);
    let second = stage.begin(tree, Actor::Sleeps);
    stage.platform.watch_empty(tree);
    stage.platform.signal(first.process, Signal::KILL).unwrap();
    stage.end_of(first.process);
    assert_eq!(stage.rest(), []);
    stage.platform.signal(second.process, Signal::KILL).unwrap();
    stage.end_of(second.process);
    stage.until_empty(tree);
    assert_eq!(stage.rest(), []);
}

/// Wine counts no handles.
fn tells_open_files(world: World) -> bool {
    #[cfg(windows)]
    if aplomb_platform::windows::is_wine() && world == World::Windows {
        return false;
    }
    world != World::Windows || cfg!(windows)
}
