//! Who speaks to us, and to whom we speak: clients, services, the host.

use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::os::unix::net::UnixStream;

use aplomb_core::Signal;
use aplomb_core::spec::{Address, Listen};
use aplomb_platform::{Happened, HostSignal};

use super::{ALL, GROUPS, NOTIFY, ONE, Play, Row, Scratch};
use crate::stage::{Actor, Stage, World};

pub(super) const TESTS: &[Row] = &[
    (
        "threads_that_would_swallow_signals_are_refused",
        ONE,
        threads_that_would_swallow_signals_are_refused,
    ),
    (
        "every_kind_of_socket_opens_and_a_dead_ones_path_is_taken_over",
        ONE,
        every_kind_of_socket_opens_and_a_dead_ones_path_is_taken_over,
    ),
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
];

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

fn threads_that_would_swallow_signals_are_refused(_: World) {
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let (begin, begun) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        // Until it is here, a new thread blocks everything.
        begin.send(()).unwrap();
        ended.recv()
    });
    begun.recv().unwrap();
    let refused = aplomb_platform::linux::Linux::new();
    assert!(refused.is_err());
    drop(end);
    assert!(thread.join().is_ok());
}
