//! Recorded scenes: what is judged of them, in which words, and in which form. No process is looked at here.

use std::time::Duration;

use aplomb_diagnosis::scene::{
    Connection, Doing, End, Event, Frame, Holder, Lock, LockKind, Pace, Pipe, Process, Question,
    Role, Scene, Signals, SocketKind, Source, Thread, Turn, Wait,
};
use aplomb_diagnosis::{Answer, Budget, Strength, VerdictKind};

const PID: u32 = 100;

fn thread(tid: u32, wait: Wait) -> Thread {
    Thread {
        tid,
        name: format!("t{tid}"),
        wait,
        frames: vec![Frame {
            function: Some(format!("work_{tid}")),
            ..Frame::default()
        }],
        ..Thread::default()
    }
}

fn process(pid: u32, threads: Vec<Thread>) -> Process {
    Process {
        pid,
        parent: 1,
        name: format!("p{pid}"),
        threads,
        is_open: true,
        ..Process::default()
    }
}

fn scene(processes: Vec<Process>) -> Scene {
    Scene {
        asked: vec![PID],
        processes: processes
            .into_iter()
            .map(|process| (process.pid, process))
            .collect(),
        snapshots: 2,
        ..Scene::default()
    }
}

fn lock(address: u64, holder: Holder) -> Wait {
    Wait::Lock(Lock {
        address,
        kind: LockKind::Mutex,
        holder,
        is_timed: false,
    })
}

fn recorded(tid: u32) -> Holder {
    Holder::Recorded { pid: PID, tid }
}

fn inferred(tid: u32) -> Holder {
    Holder::Inferred {
        tid,
        why: "its address is kept by `work`".into(),
    }
}

fn sleep(seconds: u64) -> Wait {
    Wait::Sleep {
        length: Some(Duration::from_secs(seconds)),
    }
}

fn judged(scene: Scene) -> (VerdictKind, Strength, String) {
    let report = Answer::of(scene, Budget::default()).named("shop").report();
    (report.verdict, report.confidence, report.summary)
}

fn connection(id: u64, turn: Turn, across: &[u32]) -> Connection {
    Connection {
        id,
        kind: SocketKind::Tcp,
        local: "127.0.0.1:40000".into(),
        remote: "127.0.0.1:5432".into(),
        role: Role::Client,
        unread: 0,
        unsent: 0,
        turn,
        since: Some(Duration::from_secs(41)),
        peer: Some(id + 1),
        waits_at: None,
        across: across.iter().map(|pid| End { pid: *pid, fd: 5 }).collect(),
        told: "tcp".into(),
        is_local: true,
    }
}

fn receives(socket: u64) -> Wait {
    Wait::Socket {
        doing: Doing::Receive,
        socket,
        is_timed: false,
    }
}

fn calls(turn: Turn, peer: Thread) -> Scene {
    let mut scene = scene(vec![
        process(PID, vec![thread(PID, receives(7))]),
        process(200, vec![Thread { tid: 200, ..peer }]),
    ]);
    scene.connections.insert(7, connection(7, turn, &[200]));
    scene
}

// ---- the rule of words

#[test]
fn because_is_said_of_what_is_certain() {
    let threads = vec![
        thread(PID, lock(0x10, recorded(101))),
        thread(101, lock(0x20, recorded(PID))),
    ];
    let (kind, strength, words) = judged(scene(vec![process(PID, threads)]));
    assert_eq!((kind, strength), (VerdictKind::Deadlock, Strength::Certain));
    assert_eq!(
        words,
        "`shop` is stuck because main thread `t100` (tid 100) and thread `t101` (tid 101) wait for each other"
    );
}

#[test]
fn probably_is_said_of_what_is_strong() {
    let threads = vec![
        thread(PID, lock(0x10, inferred(101))),
        thread(101, lock(0x20, recorded(PID))),
    ];
    let (kind, strength, words) = judged(scene(vec![process(PID, threads)]));
    assert_eq!((kind, strength), (VerdictKind::Deadlock, Strength::Strong));
    assert!(
        words.contains("probably") && !words.contains("because"),
        "{words}"
    );
}

#[test]
fn what_is_weak_is_told_with_its_alternatives() {
    let idle = thread(
        200,
        Wait::Any {
            sources: vec![Source::Waker],
            is_timed: false,
        },
    );
    let report = Answer::of(calls(Turn::Theirs, idle), Budget::default()).report();
    assert_eq!(
        (report.verdict, report.confidence),
        (VerdictKind::NetWait, Strength::Weak)
    );
    let words = &report.summary;
    assert!(words.starts_with("it may be that"), "{words}");
    assert!(
        !words.contains("because") && !words.contains("probably"),
        "{words}"
    );
    assert!(!report.alternatives.is_empty());
    assert!(
        report
            .alternatives
            .iter()
            .all(|other| words.contains(other)),
        "{words}"
    );
}

#[test]
fn no_sentence_breaks_the_rule() {
    let peers = [sleep(100), Wait::Stopped, Wait::Nothing, Wait::Signal];
    for turn in [Turn::TheirsProven, Turn::Theirs, Turn::Unknown, Turn::Ours] {
        for wait in &peers {
            let (_, strength, words) = judged(calls(turn, thread(200, wait.clone())));
            assert_eq!(
                words.contains("because"),
                strength == Strength::Certain,
                "{words}"
            );
        }
    }
}

// ---- chains

#[test]
fn a_chain_is_as_strong_as_its_weakest_link() {
    let threads = vec![
        thread(PID, lock(0x10, recorded(101))),
        thread(101, lock(0x20, inferred(102))),
        thread(102, sleep(1000)),
    ];
    let report = Answer::of(scene(vec![process(PID, threads)]), Budget::default()).report();
    assert_eq!(
        (report.verdict, report.confidence),
        (VerdictKind::LockHeld, Strength::Strong)
    );
    let tids: Vec<_> = report.chain.iter().filter_map(|actor| actor.tid).collect();
    assert_eq!(tids, [PID, 101, 102]);
    let root = report.root.expect("a root");
    assert_eq!(root.function.as_deref(), Some("work_102"));
}

#[test]
fn a_circle_whose_member_moves_is_none() {
    let mut threads = vec![
        thread(PID, lock(0x10, recorded(101))),
        thread(101, lock(0x20, recorded(PID))),
    ];
    threads[1].pace = Pace::Moving;
    let (kind, _, words) = judged(scene(vec![process(PID, threads)]));
    assert_ne!(kind, VerdictKind::Deadlock, "{words}");
}

#[test]
fn a_circle_that_opens_by_itself_is_not_certain() {
    let mut threads = vec![
        thread(PID, lock(0x10, recorded(101))),
        thread(101, lock(0x20, recorded(PID))),
    ];
    if let Wait::Lock(lock) = &mut threads[0].wait {
        lock.is_timed = true;
    }
    let (kind, strength, _) = judged(scene(vec![process(PID, threads)]));
    assert_eq!((kind, strength), (VerdictKind::Deadlock, Strength::Strong));
}

#[test]
fn the_peers_cause_replaces_ours() {
    let (kind, strength, _) = judged(calls(Turn::TheirsProven, thread(200, Wait::Stopped)));
    assert_eq!((kind, strength), (VerdictKind::Stopped, Strength::Certain));
    let (kind, _, words) = judged(calls(Turn::TheirsProven, thread(200, sleep(1000))));
    assert_eq!(kind, VerdictKind::DownstreamSlow);
    assert!(
        words.contains("sleeps") && words.contains("41 s"),
        "{words}"
    );
}

#[test]
fn a_peer_nobody_sees_is_told_by_its_address() {
    let mut scene = scene(vec![process(PID, vec![thread(PID, receives(7))])]);
    scene
        .connections
        .insert(7, connection(7, Turn::TheirsProven, &[]));
    let report = Answer::of(scene, Budget::default()).report();
    assert_eq!(
        (report.verdict, report.confidence),
        (VerdictKind::NetWait, Strength::Certain)
    );
    assert_eq!(
        report.root.and_then(|root| root.address).as_deref(),
        Some("127.0.0.1:5432")
    );
}

#[test]
fn who_has_been_answered_waits_for_nobody() {
    let (kind, _, _) = judged(calls(Turn::Ours, thread(200, sleep(1000))));
    assert_eq!(kind, VerdictKind::Idle);
}

#[test]
fn several_holders_of_one_connection_are_never_certain() {
    let mut scene = calls(Turn::TheirsProven, thread(200, sleep(1000)));
    scene
        .processes
        .insert(300, process(300, vec![thread(300, sleep(1000))]));
    scene
        .connections
        .insert(7, connection(7, Turn::TheirsProven, &[200, 300]));
    let (kind, strength, _) = judged(scene);
    assert_eq!(kind, VerdictKind::DownstreamSlow);
    assert!(strength < Strength::Certain);
}

#[test]
fn two_processes_that_ask_each_other_are_a_circle() {
    let mut scene = calls(Turn::TheirsProven, thread(200, receives(9)));
    let back = Connection {
        peer: Some(10),
        ..connection(9, Turn::TheirsProven, &[PID])
    };
    scene.connections.insert(9, back);
    let report = Answer::of(scene, Budget::default()).report();
    assert_eq!(report.verdict, VerdictKind::Deadlock);
    assert_eq!(report.cycle.len(), 2);
}

#[test]
fn a_holder_that_was_not_seen_is_not_said_to_be_gone() {
    let named = |holder| {
        judged(scene(vec![process(
            PID,
            vec![thread(PID, lock(0x10, holder))],
        )]))
    };
    let (kind, strength, _) = named(Holder::Gone { tid: 150 });
    assert_eq!(
        (kind, strength),
        (VerdictKind::OrphanedLock, Strength::Certain)
    );
    let (kind, strength, _) = named(recorded(150));
    assert_eq!((kind, strength), (VerdictKind::LockHeld, Strength::Weak));
}

// ---- at rest

#[test]
fn workers_without_work_are_idle_while_somebody_listens() {
    let condition = |tid| {
        thread(
            tid,
            Wait::Event(Event::Condition {
                address: 0x30,
                is_timed: false,
            }),
        )
    };
    let listens = Wait::Any {
        sources: vec![Source::Waker],
        is_timed: false,
    };
    let mut threads = vec![thread(PID, listens), condition(101), condition(102)];
    assert_eq!(
        judged(scene(vec![process(PID, threads.clone())])).0,
        VerdictKind::Idle
    );
    threads.remove(0);
    assert_eq!(
        judged(scene(vec![process(PID, threads)])).0,
        VerdictKind::WaitForEvent
    );
}

#[test]
fn a_process_that_is_busy_is_stuck_only_if_somebody_waits_for_it() {
    let mut busy = thread(PID, Wait::Nothing);
    busy.pace = Pace::Busy;
    let alone = scene(vec![process(PID, vec![busy.clone()])]);
    assert_eq!(judged(alone).0, VerdictKind::Idle);
    let threads = vec![busy, thread(101, lock(0x10, recorded(PID)))];
    let (kind, strength, _) = judged(scene(vec![process(PID, threads)]));
    assert_eq!((kind, strength), (VerdictKind::CpuSpin, Strength::Strong));
}

#[test]
fn what_was_not_understood_is_told_as_it_is() {
    let strange = Wait::Other {
        what: "semop (do_semtimedop)".into(),
    };
    let (kind, strength, words) = judged(scene(vec![process(PID, vec![thread(PID, strange)])]));
    assert_eq!((kind, strength), (VerdictKind::Unknown, Strength::Weak));
    assert!(words.contains("semop"), "{words}");
}

#[test]
fn a_process_that_is_gone_is_unknown_and_nothing_is_claimed() {
    let gone = Scene {
        asked: vec![PID],
        ..Scene::default()
    };
    let (kind, _, words) = judged(gone);
    assert_eq!(kind, VerdictKind::Unknown);
    assert!(words.contains("could not be seen"), "{words}");
}

// ---- stopping

#[test]
fn a_signal_that_cannot_arrive_is_named() {
    let stop = |signals| {
        let mut process = process(PID, vec![thread(PID, sleep(1000))]);
        process.signals = signals;
        let mut scene = scene(vec![process]);
        scene.question = Question::Stop;
        judged(scene)
    };
    let term = 1 << 14;
    let blocked = stop(Signals {
        pending: term,
        blocked: term,
        ..Signals::default()
    });
    assert_eq!(
        (blocked.0, blocked.1),
        (VerdictKind::SignalBlocked, Strength::Certain)
    );
    assert!(blocked.2.contains("does not stop because"), "{}", blocked.2);
    let ignored = stop(Signals {
        ignored: term,
        ..Signals::default()
    });
    assert_eq!(ignored.0, VerdictKind::SignalIgnored);
    let first = stop(Signals {
        is_first: true,
        ..Signals::default()
    });
    assert_eq!(first.0, VerdictKind::Pid1Signal);
    let handled = stop(Signals {
        caught: term,
        is_first: true,
        ..Signals::default()
    });
    assert_eq!(handled.0, VerdictKind::CleanupRunning);
}

// ---- forms

fn full_pipe() -> Scene {
    let writes = Wait::Pipe {
        doing: Doing::Send,
        pipe: 9,
    };
    let mut scene = scene(vec![
        process(PID, vec![thread(PID, writes)]),
        process(200, vec![thread(200, sleep(1000))]),
    ]);
    let pipe = Pipe {
        id: 9,
        readers: vec![End { pid: 200, fd: 0 }],
        writers: vec![End { pid: PID, fd: 1 }],
        filled: Some(65_536),
        room: Some(65_536),
        is_complete: true,
    };
    scene.pipes.insert(9, pipe);
    scene
}

#[test]
fn the_report_has_the_keys_programs_rely_on() {
    let json = Answer::of(full_pipe(), Budget::default()).report().json();
    let report: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(report["verdict"], "pipe-full");
    assert_eq!(report["confidence"], "certain");
    assert_eq!(report["root"]["pid"], 200);
    assert_eq!(report["root"]["function"], "work_200");
    assert_eq!(report["chain"][0]["pid"], PID);
    assert_eq!(report["chain"][1]["tid"], 200);
    assert_eq!(report["cycle"], serde_json::json!([]));
    assert_eq!(report["cost"]["stopped"], false);
}

#[test]
fn a_report_keeps_within_its_size() {
    let threads = (0..2000).map(|nth| {
        let next = if nth == 1999 { PID } else { PID + nth + 1 };
        thread(PID + nth, lock(u64::from(nth) * 64 + 64, recorded(next)))
    });
    let scene = scene(vec![process(PID, threads.collect())]);
    let budget = Budget {
        bytes: 8_000,
        ..Budget::default()
    };
    let report = Answer::of(scene, budget).report();
    assert!(report.json().len() <= 8_000);
    assert!(report.is_cut);
    assert_eq!(report.verdict, VerdictKind::Deadlock);
}

#[test]
fn the_drawing_quotes_what_programs_chose_as_their_names() {
    let mut scene = full_pipe();
    if let Some(process) = scene.processes.get_mut(&200) {
        process.name = "a\"]; x [\u{1b}[2J\n".into();
    }
    let dot = Answer::of(scene, Budget::default()).dot();
    assert!(dot.starts_with("digraph why {") && dot.ends_with("}\n"));
    assert!(dot.contains("a\\\"]; x ["), "{dot}");
    assert!(!dot.contains('\u{1b}'));
    assert!(dot.contains("style=solid"));
}

#[test]
fn the_page_tells_root_chain_evidence_and_what_to_do() {
    let page = Answer::of(full_pipe(), Budget::default())
        .named("shop")
        .page();
    let expected = "\
`shop` is stuck because `p100` (pid 100) waits for room in pipe 9, which `p200` (pid 200) should read from  [pipe-full, certain]
  root     `p200` (pid 200)
  chain    `p100` (pid 100) waits at pipe 9 in `work_100`
             → `p200` (pid 200) sleeps for 16 min 40 s in `work_200`
  evidence pipe: pipe 9: 65536 of 65536 bytes in it; readers 200; writers 100
  do       let process 200 read, or write without waiting
  checked  2 snapshots, 2 threads, 2 processes, 0 ms; nothing was stopped or signalled
";
    assert_eq!(page, expected);
}

#[test]
fn an_answer_on_its_way_is_not_owed() {
    let mut fresh = calls(Turn::TheirsProven, thread(200, sleep(1000)));
    if let Some(connection) = fresh.connections.get_mut(&7) {
        connection.since = Some(Duration::from_millis(120));
    }
    assert_eq!(judged(fresh).0, VerdictKind::Idle);
}

// ---- databases

#[test]
fn a_lock_in_a_database_leads_to_the_client_that_keeps_it() {
    let backend = |pid: u32, title: &str| Process {
        parent: 900,
        title: Some(format!("postgres: anna shop 127.0.0.1({pid}) {title}")),
        ..process(
            pid,
            vec![thread(
                pid,
                Wait::Any {
                    sources: vec![Source::Waker, Source::Waker],
                    is_timed: false,
                },
            )],
        )
    };
    let mut keeper = backend(400, "idle in transaction");
    keeper.connections = vec![70];
    let mut scene = calls(Turn::TheirsProven, thread(200, Wait::Nothing));
    scene.processes.insert(200, backend(200, "UPDATE waiting"));
    scene.processes.insert(400, keeper);
    scene
        .processes
        .insert(500, process(500, vec![thread(500, sleep(1000))]));
    let client = Connection {
        role: Role::Server,
        ..connection(70, Turn::Theirs, &[500])
    };
    scene.connections.insert(70, client);
    let report = Answer::of(scene.clone(), Budget::default()).report();
    assert_eq!(
        (report.verdict, report.confidence),
        (VerdictKind::DbLock, Strength::Strong)
    );
    let pids: Vec<_> = report.chain.iter().filter_map(|actor| actor.pid).collect();
    assert_eq!(pids, [PID, 200, 400, 500]);
    // Two who could have it: nobody is accused for sure.
    scene
        .processes
        .insert(410, backend(410, "idle in transaction"));
    let report = Answer::of(scene, Budget::default()).report();
    assert_eq!(
        (report.verdict, report.confidence),
        (VerdictKind::DbLock, Strength::Weak)
    );
}
