//! A stop seen by an HTTP/2 client that reads frames: GOAWAY for the last stream that could be, a ping, GOAWAY for the last
//! stream that was, and every stream answered in between.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;

use crate::process::{PATIENCE, Victim};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;

const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// HPACK's static entry for `:status 200`.
const STATUS_200: u8 = 0x88;

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

struct Client(TcpStream);

impl Client {
    fn new(address: &str) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
            .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            .unwrap();
        let mut client = Self(stream);
        client.send(SETTINGS, 0, 0, &[]);
        client
    }

    fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, flags];
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.0.write_all(&frame).unwrap();
    }

    /// `GET path`, in literals that need no table.
    fn get(&mut self, stream: u32, path: &str) {
        let mut block = vec![0x82, 0x86, 0x04, u8::try_from(path.len()).unwrap()];
        block.extend(path.bytes());
        block.extend([0x01, 1, b'x']);
        self.send(HEADERS, END_STREAM | END_HEADERS, stream, &block);
    }

    /// The next frame, or `None` at the end of the connection. Acknowledges what asks for it.
    fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.0.read_exact(&mut payload).unwrap();
        let frame = Frame {
            kind: head[3],
            flags: head[4],
            stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
            payload,
        };
        if matches!(frame.kind, SETTINGS | PING) && frame.flags & ACK == 0 {
            let echo = if frame.kind == PING {
                frame.payload.clone()
            } else {
                Vec::new()
            };
            self.send(frame.kind, ACK, 0, &echo);
        }
        Some(frame)
    }
}

fn last_stream(frame: &Frame) -> u32 {
    let id = [0, 1, 2, 3].map(|at| frame.payload[at]);
    u32::from_be_bytes(id) & 0x7fff_ffff
}

/// Whether a fresh connection is answered, as one that a client opens upon GOAWAY must be.
fn is_answered(address: &str) -> bool {
    let mut client = Client::new(address);
    client.get(1, "/fast");
    while let Some(frame) = client.next() {
        if frame.kind == HEADERS && frame.stream == 1 {
            return frame.payload[0] == STATUS_200;
        }
    }
    false
}

pub(crate) fn goaway() {
    let mut victim = Victim::start("http");
    let address = victim.line("ADDRESS").split(' ').nth(1).unwrap().to_owned();
    victim.line("READY");
    let mut client = Client::new(&address);
    // One short answer first: then the server has seen all that follow it in the same bytes.
    client.get(1, "/fast");
    let streams: BTreeSet<u32> = (3..=15).step_by(2).collect();
    for stream in &streams {
        client.get(*stream, "/long");
    }
    let (mut answered, mut ended, mut goaways) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    let mut asked = false;
    while let Some(frame) = client.next() {
        match frame.kind {
            HEADERS => {
                assert_eq!(frame.payload[0], STATUS_200, "stream {}", frame.stream);
                answered.insert(frame.stream);
            }
            GOAWAY => {
                assert_eq!(&frame.payload[4..8], [0; 4], "an error");
                if goaways.is_empty() {
                    assert!(is_answered(&address), "told to go while nobody accepts");
                }
                goaways.push(last_stream(&frame));
            }
            RST_STREAM => panic!("stream {} was reset", frame.stream),
            _ => {}
        }
        if matches!(frame.kind, HEADERS | DATA) && frame.flags & END_STREAM != 0 {
            ended.insert(frame.stream);
        }
        if !asked && ended.contains(&1) {
            asked = true;
            victim.ask_to_stop();
        }
    }
    assert_eq!(goaways, [0x7fff_ffff, 15]);
    assert_eq!(ended.len(), streams.len() + 1, "{ended:?}");
    assert_eq!(answered, ended);
    assert_eq!(victim.end().code(), 0);
}
