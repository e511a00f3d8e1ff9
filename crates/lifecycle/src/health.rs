//! `/readyz` and `/livez`, served by a thread of their own on a listener of their own.
//!
//! Not by the program's runtime: a stuck runtime would make its own health silent, and the point of health is to tell.
//! `/readyz` turns first and closes last. Answers are one write and a close; a client gets two seconds to ask.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::life::Whole;

const PATIENCE: Duration = Duration::from_secs(2);
/// More clients than this at once are not health checks; they are answered by closing.
const CLIENTS: usize = 32;
/// A request head longer than this is not a health check either.
const HEAD: usize = 8 * 1024;
/// A runtime that has not turned for this long is stuck, and the program no longer alive in any useful sense.
const STUCK: Duration = Duration::from_secs(10);

/// The listener; dropping closes it.
#[derive(Debug)]
pub(crate) struct Health {
    address: SocketAddr,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Health {
    pub(crate) fn serve(address: SocketAddr, whole: Arc<Whole>) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let over = Arc::new(AtomicBool::new(false));
        let done = Arc::clone(&over);
        let pulse = Arc::new(Pulse::new(whole));
        let thread = std::thread::Builder::new()
            .name("aplomb-health".into())
            .spawn(move || accept(&listener, &done, &pulse))?;
        Ok(Self {
            address,
            over,
            thread: Some(thread),
        })
    }
}

impl Drop for Health {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // Wakes the accept; a listener has no other way to be told.
        drop(TcpStream::connect_timeout(
            &reachable(self.address),
            PATIENCE,
        ));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        let own: std::net::IpAddr = if address.is_ipv4() {
            std::net::Ipv4Addr::LOCALHOST.into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        };
        address.set_ip(own);
    }
    address
}

/// The program's sign of life, as it changed over the last questions.
struct Pulse {
    whole: Arc<Whole>,
    seen: std::sync::Mutex<(u64, Instant)>,
}

impl Pulse {
    fn new(whole: Arc<Whole>) -> Self {
        Self {
            whole,
            seen: std::sync::Mutex::new((0, Instant::now())),
        }
    }

    fn is_alive(&self) -> bool {
        if !self.whole.beats.load(Ordering::Relaxed) {
            return true;
        }
        let beat = self.whole.beat.load(Ordering::Relaxed);
        let mut seen = self
            .seen
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if seen.0 != beat {
            *seen = (beat, Instant::now());
        }
        seen.1.elapsed() < STUCK
    }
}

fn accept(listener: &TcpListener, over: &AtomicBool, pulse: &Arc<Pulse>) {
    let clients = Arc::new(AtomicUsize::new(0));
    for client in listener.incoming() {
        if over.load(Ordering::SeqCst) {
            return;
        }
        let Ok(client) = client else {
            // Out of descriptors: nothing to answer with until some are back.
            std::thread::sleep(Duration::from_millis(50));
            continue;
        };
        if clients.fetch_add(1, Ordering::SeqCst) >= CLIENTS {
            clients.fetch_sub(1, Ordering::SeqCst);
            continue;
        }
        let (pulse, count) = (Arc::clone(pulse), Arc::clone(&clients));
        let answered = std::thread::Builder::new()
            .name("aplomb-health".into())
            .spawn(move || {
                // A client that went away needs no answer.
                drop(answer(client, &pulse));
                count.fetch_sub(1, Ordering::SeqCst);
            });
        if answered.is_err() {
            clients.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

fn answer(mut client: TcpStream, pulse: &Pulse) -> io::Result<()> {
    client.set_read_timeout(Some(PATIENCE))?;
    client.set_write_timeout(Some(PATIENCE))?;
    let head = read_head(&mut client)?;
    let (status, body) = respond(
        &head,
        pulse.whole.ready.load(Ordering::SeqCst),
        pulse.is_alive(),
    );
    let length = body.len();
    let retry = if status.starts_with("503") {
        "retry-after: 1\r\n"
    } else {
        ""
    };
    write!(
        client,
        "HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\n{retry}connection: close\r\n\r\n{body}"
    )
}

fn read_head(client: &mut TcpStream) -> io::Result<Vec<u8>> {
    let begun = Instant::now();
    let mut head = Vec::new();
    let mut bytes = [0; 1024];
    while head.len() < HEAD
        && begun.elapsed() < PATIENCE
        && !head.windows(4).any(|end| end == b"\r\n\r\n")
    {
        match client.read(&mut bytes)? {
            0 => break,
            count => head.extend_from_slice(&bytes[..count]),
        }
    }
    Ok(head)
}

/// Status line and body for a request head.
fn respond(head: &[u8], ready: bool, alive: bool) -> (&'static str, &'static str) {
    let mut words = head.split(|byte| *byte == b' ' || *byte == b'\r');
    let method = words.next().unwrap_or_default();
    let path = words
        .next()
        .unwrap_or_default()
        .split(|byte| *byte == b'?')
        .next()
        .unwrap_or_default();
    if method != b"GET" && method != b"HEAD" {
        return ("405 Method Not Allowed", "only GET\n");
    }
    match path {
        b"/readyz" if ready => ("200 OK", "ready\n"),
        b"/readyz" => ("503 Service Unavailable", "not ready\n"),
        b"/livez" if alive => ("200 OK", "alive\n"),
        b"/livez" => ("503 Service Unavailable", "the runtime is stuck\n"),
        _ => ("404 Not Found", "try /readyz or /livez\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::respond;

    #[test]
    fn readiness_and_life_are_different_questions() {
        assert_eq!(
            respond(b"GET /readyz HTTP/1.1\r\n\r\n", false, true).0,
            "503 Service Unavailable"
        );
        assert_eq!(
            respond(b"GET /livez HTTP/1.1\r\n\r\n", false, true).0,
            "200 OK"
        );
        assert_eq!(
            respond(b"GET /readyz?verbose HTTP/1.1\r\n\r\n", true, true).0,
            "200 OK"
        );
        assert_eq!(
            respond(b"GET /livez HTTP/1.1\r\n\r\n", true, false).0,
            "503 Service Unavailable"
        );
    }

    #[test]
    fn anything_else_is_told_so() {
        assert_eq!(
            respond(b"POST /readyz HTTP/1.1\r\n\r\n", true, true).0,
            "405 Method Not Allowed"
        );
        assert_eq!(
            respond(b"GET / HTTP/1.1\r\n\r\n", true, true).0,
            "404 Not Found"
        );
        assert_eq!(respond(b"", true, true).0, "405 Method Not Allowed");
    }
}
