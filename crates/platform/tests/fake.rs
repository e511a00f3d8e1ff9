//! The test's hand on the fake world: what only a fake can do.

use std::time::Duration;

use aplomb_core::spec::{Privilege, Process, Resources};
use aplomb_core::{Instant, Signal};
use aplomb_platform::fake::{Disturbances, Fake, Script, World};
use aplomb_platform::{
    Happened, HostSignal, Launch, Output, Platform, PumpEvent, SpawnError, Started, StreamId,
    TreeId,
};

const SECOND: Duration = Duration::from_secs(1);

fn spawn(fake: &mut Fake, program: &str, stdout: Output) -> Result<(TreeId, Started), SpawnError> {
    let tree = fake.plant(program, &Resources::default()).expect("a tree");
    let argv = [program.to_owned(), "--fast".to_owned()];
    let env = [("A".to_owned(), "1".to_owned())];
    let started = fake.spawn(&Launch {
        tree,
        program,
        argv: &argv,
        env: &env,
        search_path: &[],
        process: &Process::default(),
        privilege: Privilege::Service,
        stdout,
        stderr: Output::SameAsStdout,
        sockets: &[],
        ready_fd: None,
    })?;
    Ok((tree, started))
}

fn wait(fake: &mut Fake, until: Option<Instant>) -> Vec<Happened> {
    let mut told = Vec::new();
    fake.wait(until, &mut told).expect("a world that goes on");
    told
}

#[test]
fn waiting_goes_straight_to_what_happens_next() {
    let world = World::new(1);
    world.program("/bin/late", Script::new().notifies(90 * SECOND, "READY=1"));
    let mut fake = world.platform();
    let (tree, started) = spawn(&mut fake, "/bin/late", Output::Null).unwrap();
    let begin = fake.now();
    let told = wait(&mut fake, None);
    assert!(
        matches!(&told[..], [Happened::Notified(message)] if message.tree == tree && message.pid == started.pid)
    );
    assert_eq!(fake.now().since(begin), 90 * SECOND);
    let until = fake.now() + SECOND;
    assert_eq!(wait(&mut fake, Some(until)), []);
    assert_eq!(world.now(), until);
}

#[test]
fn waiting_for_ever_for_nothing_is_an_error() {
    let world = World::new(1);
    let mut fake = world.platform();
    assert!(fake.wait(None, &mut Vec::new()).is_err());
}

#[test]
fn what_was_begun_and_signalled_can_be_looked_up() {
    let world = World::new(1);
    world.program("/bin/a", Script::new().ignores(Signal::TERM));
    let mut fake = world.platform();
    let (tree, started) = spawn(&mut fake, "/bin/a", Output::Null).unwrap();
    fake.signal(started.process, Signal::TERM).unwrap();
    fake.kill_tree(tree).unwrap();
    let signals: Vec<_> = world.signals().iter().map(|one| one.signal).collect();
    assert_eq!(signals, [Signal::TERM, Signal::KILL]);
    let launches = world.launches();
    assert_eq!(launches[0].argv, ["/bin/a", "--fast"]);
    assert_eq!(launches[0].env, [("A".to_owned(), "1".to_owned())]);
    assert_eq!(world.living(), []);
    assert_eq!(world.trees(), [tree]);
    fake.uproot(tree);
    assert_eq!(world.trees(), []);
}

#[test]
fn a_spawn_fails_as_often_as_it_was_told_to() {
    let world = World::new(1);
    world.program("/bin/a", Script::new());
    let error = || SpawnError::NotExecutable {
        program: "/bin/a".into(),
    };
    world.fail_spawn("/bin/a", error());
    world.fail_spawn("/bin/a", error());
    let mut fake = world.platform();
    for _ in 0..2 {
        let refused = spawn(&mut fake, "/bin/a", Output::Null);
        assert!(matches!(refused, Err(SpawnError::NotExecutable { .. })));
    }
    assert!(spawn(&mut fake, "/bin/a", Output::Null).is_ok());
    world.remove_program("/bin/a");
    let refused = spawn(&mut fake, "/bin/a", Output::Null);
    assert!(matches!(refused, Err(SpawnError::NotFound { .. })));
}

#[test]
fn numbers_are_used_again_as_soon_as_they_are_free() {
    let world = World::new(1);
    world.program("/bin/a", Script::new().exits(SECOND, 0));
    let mut fake = world.platform();
    let (_, first) = spawn(&mut fake, "/bin/a", Output::Null).unwrap();
    wait(&mut fake, None);
    let (_, second) = spawn(&mut fake, "/bin/a", Output::Null).unwrap();
    assert_eq!(first.pid, second.pid);
    assert_ne!(first.process, second.process);
}

#[test]
fn the_outside_acts_at_its_moments() {
    let world = World::new(1);
    world.program("/bin/a", Script::new());
    let mut fake = world.platform();
    let (_, started) = spawn(&mut fake, "/bin/a", Output::Null).unwrap();
    world.signal_engine(SECOND, Signal::HUP);
    world.signal_program(2 * SECOND, "/bin/a", Signal::SEGV);
    world.jump_wall(3 * SECOND, -5_000_000_000);
    let told = wait(&mut fake, None);
    assert!(matches!(
        told[..],
        [Happened::Host(HostSignal {
            signal: Signal::HUP,
            ..
        })]
    ));
    let told = wait(&mut fake, None);
    assert!(matches!(told[..], [Happened::Ended { process, .. }] if process == started.process));
    let (now, wall) = (fake.now(), fake.wall());
    wait(&mut fake, Some(now + 2 * SECOND));
    let passed = i128::from(fake.wall().0) - i128::from(wall.0);
    assert_eq!(passed, -3_000_000_000);
}

#[test]
fn a_client_that_takes_little_makes_a_writer_wait() {
    let world = World::new(1);
    let mut fake = world.platform();
    assert!(world.connect_client().is_none(), "nobody listens");
    fake.listen_control("/run/control").unwrap();
    let client = world.connect_client().unwrap();
    client.narrow(4);
    let told = wait(&mut fake, None);
    let Happened::Accepted { channel, .. } = told[0] else {
        panic!("{told:?}");
    };
    client.send(b"status");
    assert_eq!(wait(&mut fake, None), [Happened::Readable { channel }]);
    let mut buffer = [0; 16];
    assert_eq!(fake.read(channel, &mut buffer).unwrap(), 6);
    assert_eq!(fake.write(channel, b"answer").unwrap(), 4);
    let full = fake.write(channel, b"er").unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::WouldBlock);
    assert_eq!(client.receive(), b"answ");
    assert_eq!(wait(&mut fake, None), [Happened::Writable { channel }]);
    assert_eq!(fake.write(channel, b"er").unwrap(), 2);
    client.close();
    assert_eq!(wait(&mut fake, None), [Happened::Readable { channel }]);
    assert_eq!(fake.read(channel, &mut buffer).unwrap(), 0);
    world.take_control_address("/run/other");
    let taken = fake.listen_control("/run/other").unwrap_err();
    assert_eq!(taken.kind(), std::io::ErrorKind::AddrInUse);
}

#[test]
fn a_server_answers_while_its_process_lives() {
    let world = World::new(1);
    let server = Script::new().listens(SECOND, "127.0.0.1:80", "HTTP/1.1 200 OK\r\n\r\n");
    world.program("/bin/server", server);
    let mut fake = world.platform();
    let (tree, _) = spawn(&mut fake, "/bin/server", Output::Null).unwrap();
    let refused = fake.connect("localhost:80").unwrap();
    let failure = Some(std::io::ErrorKind::ConnectionRefused);
    let expected = Happened::Connected {
        channel: refused,
        failure,
    };
    assert_eq!(wait(&mut fake, None), [expected]);
    let until = fake.now() + SECOND;
    wait(&mut fake, Some(until));
    let channel = fake.connect("localhost:80").unwrap();
    let failure = None;
    assert_eq!(
        wait(&mut fake, None),
        [Happened::Connected { channel, failure }]
    );
    fake.write(channel, b"GET / HTTP/1.1\r\n\r\n").unwrap();
    assert_eq!(wait(&mut fake, None), [Happened::Readable { channel }]);
    let mut buffer = [0; 64];
    let count = fake.read(channel, &mut buffer).unwrap();
    assert!(buffer[..count].starts_with(b"HTTP/1.1 200"));
    assert_eq!(fake.read(channel, &mut buffer).unwrap(), 0);
    fake.kill_tree(tree).unwrap();
    let again = fake.connect("localhost:80").unwrap();
    let told = loop {
        let told = wait(&mut fake, None);
        if told
            .iter()
            .any(|one| matches!(one, Happened::Connected { .. }))
        {
            break told;
        }
    };
    let failure = Some(std::io::ErrorKind::ConnectionRefused);
    assert!(told.contains(&Happened::Connected {
        channel: again,
        failure
    }));
}

#[test]
fn time_stands_still_while_the_pumps_thread_works() {
    let world = World::new(1);
    let chatty = (1..=50).fold(Script::new(), |script, n| {
        script.prints(SECOND * n, "line\n")
    });
    world.program("/bin/chatty", chatty.exits(51 * SECOND, 0));
    let mut fake = world.platform();
    let (mut pump, mut port) = fake.pump().unwrap();
    let stream = StreamId(3);
    pump.attach(stream).unwrap();
    let moments = world.clone();
    let pump_thread = std::thread::spawn(move || {
        let mut seen = Vec::new();
        let mut buffer = [0; 64];
        loop {
            let mut events = Vec::new();
            port.wait(None, &mut events).unwrap();
            for event in events {
                assert_eq!(event, PumpEvent::Readable(stream));
                match port.read(stream, &mut buffer).unwrap() {
                    0 => return seen,
                    _ => seen.push(moments.now()),
                }
            }
        }
    });
    let begin = fake.now();
    let (_, started) = spawn(&mut fake, "/bin/chatty", Output::Pump(stream)).unwrap();
    let told = wait(&mut fake, None);
    assert!(matches!(told[..], [Happened::Ended { process, .. }] if process == started.process));
    pump.seal(stream);
    let seen = pump_thread.join().unwrap();
    let expected: Vec<Instant> = (1..=50).map(|n| begin + SECOND * n).collect();
    assert_eq!(seen, expected, "each line at its own moment");
}

#[test]
fn the_same_seed_is_the_same_story() {
    let story = |seed| {
        let world = World::new(seed);
        world.program("/bin/a", Script::new().exits(SECOND, 0));
        world.disturb(Disturbances {
            spawn_fails: 3,
            short_writes: 2,
            wall_jumps: 4,
        });
        let mut fake = world.platform();
        let mut story = Vec::new();
        for _ in 0..40 {
            story.push(spawn(&mut fake, "/bin/a", Output::Null).is_ok());
            let until = fake.now() + SECOND;
            wait(&mut fake, Some(until));
            story.push(fake.wall().0.is_multiple_of(7));
        }
        (story, fake.wall())
    };
    assert_eq!(story(5), story(5));
    assert_ne!(story(5).0, story(6).0);
    let failed = story(5).0.iter().step_by(2).filter(|fine| !**fine).count();
    assert!(
        (4..24).contains(&failed),
        "about one in three: {failed} of 40"
    );
}

#[test]
fn limits_can_be_missing() {
    let world = World::new(1);
    world.forbid_limits();
    let mut fake = world.platform();
    let limited = Resources {
        pids_max: Some(1),
        ..Resources::default()
    };
    assert!(fake.plant("limited", &limited).is_err());
    assert!(fake.plant("free", &Resources::default()).is_ok());
}
