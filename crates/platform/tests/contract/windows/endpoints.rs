//! The control pipe from both ends, and connections to others.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpListener;

use aplomb_platform::windows::Windows;
use aplomb_platform::windows::client::PipeStream;
use aplomb_platform::{ChannelId, Happened};

use crate::stage::{Stage, World};

fn name(what: &str) -> String {
    format!(r"\\.\pipe\aplomb-contract-{what}-{}", std::process::id())
}

pub(crate) fn a_living_endpoint_is_not_taken(world: World) {
    let mut stage = Stage::new(world);
    let name = name("living");
    stage.platform.listen_control(&name).unwrap();
    // A second platform cannot be in one process; the name is taken all the same.
    let refused = stage.platform.listen_control(&name).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AddrInUse, "{refused}");
    let plain = stage.platform.listen_control("no-pipe").unwrap_err();
    assert_eq!(plain.kind(), ErrorKind::InvalidInput);
    assert!(Windows::new().is_err(), "one platform a process");
}

fn accepted(stage: &mut Stage) -> ChannelId {
    let told = stage.until(|happened| matches!(happened, Happened::Accepted { .. }));
    let Happened::Accepted { channel, peer } = told else {
        unreachable!("it was waited for");
    };
    assert!(peer.pid.is_some());
    channel
}

/// Reads what a client wrote, up to a newline.
fn heard(stage: &mut Stage, channel: ChannelId) -> Vec<u8> {
    let mut heard = Vec::new();
    while !heard.ends_with(b"\n") {
        let mut buffer = [0; 64];
        match stage.platform.read(channel, &mut buffer) {
            Ok(0) => panic!("it has gone; heard {heard:?}"),
            Ok(count) => heard.extend(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                stage.until(|happened| *happened == Happened::Readable { channel });
            }
            Err(error) => panic!("{error}"),
        }
    }
    heard
}

pub(crate) fn a_client_is_heard_and_answered(world: World) {
    let mut stage = Stage::new(world);
    let name = name("heard");
    stage.platform.listen_control(&name).unwrap();
    let client = std::thread::spawn(move || {
        let mut stream = PipeStream::connect(&name).unwrap();
        stream.write_all(b"hello\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    });
    let channel = accepted(&mut stage);
    assert_eq!(heard(&mut stage, channel), b"hello\n");
    assert_eq!(stage.platform.write(channel, b"good day").unwrap(), 8);
    // What was written before the end still arrives.
    stage.platform.close(channel);
    assert_eq!(stage.rest(), []);
    assert_eq!(client.join().unwrap(), "good day");
}

pub(crate) fn a_long_answer_arrives_whole(world: World) {
    const LENGTH: usize = 1 << 20;
    let mut stage = Stage::new(world);
    let name = name("long");
    stage.platform.listen_control(&name).unwrap();
    let client = std::thread::spawn(move || {
        let mut stream = PipeStream::connect(&name).unwrap();
        let mut answer = vec![0; LENGTH];
        stream.read_exact(&mut answer).unwrap();
        answer
    });
    let channel = accepted(&mut stage);
    let all: Vec<u8> = (0..LENGTH).map(|at| (at % 251) as u8).collect();
    let mut written = 0;
    while written < LENGTH {
        match stage.platform.write(channel, &all[written..]) {
            Ok(count) => written += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                stage.until(|happened| *happened == Happened::Writable { channel });
            }
            Err(error) => panic!("{error}"),
        }
    }
    while !client.is_finished() {
        stage.rest();
    }
    assert!(client.join().unwrap() == all, "another text");
}

pub(crate) fn many_may_come_at_once(world: World) {
    const MANY: usize = 20;
    let mut stage = Stage::new(world);
    let name = name("many");
    stage.platform.listen_control(&name).unwrap();
    let clients: Vec<_> = (0..MANY)
        .map(|_| {
            let name = name.clone();
            std::thread::spawn(move || {
                let mut stream = PipeStream::connect(&name).unwrap();
                stream.write_all(b"me\n").unwrap();
                let mut answer = [0; 3];
                stream.read_exact(&mut answer).unwrap();
                answer
            })
        })
        .collect();
    for _ in 0..MANY {
        let channel = accepted(&mut stage);
        assert_eq!(heard(&mut stage, channel), b"me\n");
        assert_eq!(stage.platform.write(channel, b"you").unwrap(), 3);
    }
    for client in clients {
        while !client.is_finished() {
            stage.rest();
        }
        assert_eq!(&client.join().unwrap(), b"you");
    }
}

pub(crate) fn a_tcp_server_is_reached(world: World) {
    let mut stage = Stage::new(world);
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap().to_string();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = server.accept().unwrap();
        let mut asked = [0; 5];
        stream.read_exact(&mut asked).unwrap();
        stream.write_all(b"answer\n").unwrap();
        asked
    });
    let channel = stage.platform.connect(&address).unwrap();
    let failure = None;
    stage.until(|happened| *happened == Happened::Connected { channel, failure });
    assert_eq!(stage.platform.write(channel, b"asked").unwrap(), 5);
    assert_eq!(heard(&mut stage, channel), b"answer\n");
    let mut buffer = [0; 8];
    loop {
        match stage.platform.read(channel, &mut buffer) {
            Ok(count) => {
                assert_eq!(count, 0, "the end");
                break;
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
        stage.until(|happened| *happened == Happened::Readable { channel });
    }
    assert_eq!(&server.join().unwrap(), b"asked");
}
