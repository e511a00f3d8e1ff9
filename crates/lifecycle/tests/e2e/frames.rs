//! An HTTP/2 client that shows its frames: as much of the protocol as a few GETs need. Header blocks are literals that
//! need no table, and of answers only the static `:status 200` is understood.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;

const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// HPACK's static entry for `:status 200`.
const STATUS_200: u8 = 0x88;

/// Nobody here is silent for this long unless something is broken.
const PATIENCE: Duration = Duration::from_secs(40);

pub(crate) struct Frame {
    pub(crate) kind: u8,
    flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn ends_its_stream(&self) -> bool {
        matches!(self.kind, HEADERS | DATA) && self.flags & END_STREAM != 0
    }

    /// Whether these headers begin with `:status 200`. Other servers may send a table update first.
    pub(crate) fn is_ok(&self) -> bool {
        let table_update = |byte: &u8| byte & 0xe0 == 0x20;
        self.payload.iter().find(|byte| !table_update(byte)) == Some(&STATUS_200)
    }

    /// The last stream a GOAWAY promises to answer, and its error code.
    pub(crate) fn goodbye(&self) -> (u32, u32) {
        let word = |at: usize| u32::from_be_bytes([0, 1, 2, 3].map(|byte| self.payload[at + byte]));
        (word(0) & 0x7fff_ffff, word(4))
    }
}

/// The sending half; clones share it.
#[derive(Clone)]
pub(crate) struct Asking(Arc<Mutex<TcpStream>>);

impl Asking {
    fn send(&self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> std::io::Result<()> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, flags];
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.0.lock().unwrap().write_all(&frame)
    }

    /// `GET path`.
    pub(crate) fn get(&self, stream: u32, path: &str) -> std::io::Result<()> {
        let mut block = vec![0x82, 0x86, 0x04, u8::try_from(path.len()).unwrap()];
        block.extend(path.bytes());
        block.extend([0x01, 1, b'x']);
        self.send(HEADERS, END_STREAM | END_HEADERS, stream, &block)
    }
}

pub(crate) struct Client {
    stream: TcpStream,
    asking: Asking,
}

impl Client {
    pub(crate) fn new(address: &str) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let asking = Asking(Arc::new(Mutex::new(stream.try_clone()?)));
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        asking.0.lock().unwrap().write_all(preface)?;
        asking.send(SETTINGS, 0, 0, &[])?;
        Ok(Self { stream, asking })
    }

    pub(crate) fn asking(&self) -> Asking {
        self.asking.clone()
    }

    /// The next frame, or `None` at the end of the connection. Acknowledges what asks for it.
    pub(crate) fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.stream.read_exact(&mut payload).ok()?;
        let frame = Frame {
            kind: head[3],
            flags: head[4],
            stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
            payload,
        };
        if matches!(frame.kind, SETTINGS | PING) && frame.flags & ACK == 0 {
            let echo: &[u8] = if frame.kind == PING {
                &frame.payload
            } else {
                &[]
            };
            // A server that has gone is found out by the next read.
            self.asking.send(frame.kind, ACK, 0, echo).ok();
        }
        Some(frame)
    }
}
