//! A stop under load, measured from outside: an open-loop generator (requests leave on schedule, whatever answers do), one
//! outcome per request, decided by what the socket did.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::process::Victim;

const RATE: u32 = 150;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Answered(u16),
    /// Nobody listened.
    Refused,
    /// Fully sent on an open connection, and no whole answer came: what must not happen.
    Lost,
}

#[derive(Default)]
struct Tally {
    outcomes: Mutex<Vec<(Instant, Outcome, String)>>,
    pool: Mutex<Vec<TcpStream>>,
    unready: Mutex<Option<Instant>>,
    over: AtomicBool,
}

pub(crate) fn story() {
    let mut victim = Victim::start("http");
    let address = victim.line("ADDRESS").split(' ').nth(1).unwrap().to_owned();
    victim.line("READY");
    let tally = Arc::new(Tally::default());
    let load = Arc::clone(&tally);
    let target = address.clone();
    let generator = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(generate(&target, &load));
    });
    // Enough answers to know that the load runs.
    while tally.outcomes.lock().unwrap().len() < 150 {
        std::thread::sleep(Duration::from_millis(10));
    }
    victim.signal("TERM");
    let ended = victim.end();
    tally.over.store(true, Ordering::SeqCst);
    generator.join().unwrap();

    let outcomes = tally.outcomes.lock().unwrap();
    let count = |wanted: fn(&Outcome) -> bool| {
        outcomes
            .iter()
            .filter(|(_, outcome, _)| wanted(outcome))
            .count()
    };
    let lost: Vec<_> = outcomes
        .iter()
        .filter(|(_, outcome, _)| *outcome == Outcome::Lost)
        .collect();
    assert!(lost.is_empty(), "{} lost, first: {:?}", lost.len(), lost[0]);
    let unready = tally
        .unready
        .lock()
        .unwrap()
        .expect("readiness never turned");
    let early = outcomes
        .iter()
        .filter(|(at, outcome, _)| *outcome == Outcome::Refused && *at < unready)
        .count();
    assert_eq!(early, 0, "refused while ready");
    assert!(count(|outcome| matches!(outcome, Outcome::Answered(200))) > 400);
    assert!(
        count(|outcome| matches!(outcome, Outcome::Answered(504))) > 0,
        "nobody met the frozen dependency"
    );
    assert_eq!(
        count(|outcome| matches!(outcome, Outcome::Answered(500 | 502 | 503))),
        0
    );
    assert_eq!(ended.code(), 0, "{:#?}", ended.report);
    assert!(ended.took < Duration::from_secs(10), "{:?}", ended.took);
    assert!(
        ended.component("api")["facts"]["served_after_stop"].as_u64() > Some(100),
        "{:#}",
        ended.report
    );
}

async fn generate(address: &str, tally: &Arc<Tally>) {
    let begun = Instant::now();
    let health = tokio::spawn(watch_readiness(address.to_owned(), Arc::clone(tally)));
    let mut requests = Vec::new();
    for number in 0_u32.. {
        if tally.over.load(Ordering::SeqCst) {
            break;
        }
        let due = begun + Duration::from_secs(1) / RATE * number;
        tokio::time::sleep_until(due.into()).await;
        let path = match number % 100 {
            0..20 => "/slow",
            20 => "/long",
            21 => "/frozen",
            _ => "/fast",
        };
        let (address, tally, fresh) = (address.to_owned(), Arc::clone(tally), number % 4 == 0);
        requests.push(tokio::spawn(async move {
            let sent = Instant::now();
            let outcome = request(&address, path, fresh, &tally).await;
            tally
                .outcomes
                .lock()
                .unwrap()
                .push((sent, outcome, format!("{path}, fresh: {fresh}")));
        }));
    }
    for request in requests {
        request.await.unwrap();
    }
    health.await.unwrap();
}

/// Asks `/readyz` on fresh connections until it says no.
async fn watch_readiness(address: String, tally: Arc<Tally>) {
    while !tally.over.load(Ordering::SeqCst) {
        let Ok(mut stream) = TcpStream::connect(&address).await else {
            return;
        };
        if ask(&mut stream, "/readyz", true)
            .await
            .is_ok_and(|(status, _)| status == 503)
        {
            *tally.unready.lock().unwrap() = Some(Instant::now());
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn request(address: &str, path: &str, fresh: bool, tally: &Tally) -> Outcome {
    let pooled = if fresh { None } else { open_one(tally) };
    let mut stream = match pooled {
        Some(stream) => stream,
        None => match TcpStream::connect(address).await {
            Ok(stream) => stream,
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                return Outcome::Refused;
            }
            Err(_) => return Outcome::Lost,
        },
    };
    match ask(&mut stream, path, false).await {
        Ok((status, keep)) => {
            if keep {
                tally.pool.lock().unwrap().push(stream);
            }
            Outcome::Answered(status)
        }
        Err(_) => Outcome::Lost,
    }
}

/// The youngest pooled connection that the server has not closed.
fn open_one(tally: &Tally) -> Option<TcpStream> {
    let mut pool = tally.pool.lock().unwrap();
    while let Some(stream) = pool.pop() {
        let mut byte = [0; 1];
        if stream
            .try_read(&mut byte)
            .is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
        {
            return Some(stream);
        }
    }
    None
}

/// Sends one request and reads its whole answer: status, and whether the connection may be used again.
async fn ask(stream: &mut TcpStream, path: &str, close: bool) -> io::Result<(u16, bool)> {
    let connection = if close { "connection: close\r\n" } else { "" };
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\n{connection}\r\n").as_bytes())
        .await?;
    let mut answer = Vec::new();
    loop {
        if let Some(end) = answer.windows(4).position(|end| end == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
            let length: usize = header(&head, "content-length")
                .and_then(|text| text.parse().ok())
                .unwrap_or(0);
            if answer.len() >= end + 4 + length {
                let status = head
                    .split(' ')
                    .nth(1)
                    .and_then(|text| text.parse().ok())
                    .unwrap_or(0);
                return Ok((status, header(&head, "connection") != Some("close")));
            }
        }
        let mut bytes = [0; 4096];
        match stream.read(&mut bytes).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => answer.extend_from_slice(&bytes[..count]),
        }
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// Half a head, silence, a reader that does not read, an idle connection: each alone holds many servers for ever.
pub(crate) fn bad_clients() {
    use std::io::{Read, Write};
    let mut victim = Victim::start("http");
    let address = victim.line("ADDRESS").split(' ').nth(1).unwrap().to_owned();
    victim.line("READY");
    let connect = || std::net::TcpStream::connect(&address).unwrap();
    let silent = connect();
    let mut half = connect();
    half.write_all(b"GET /fast HTTP/1.1\r\nhos").unwrap();
    let mut slow = connect();
    slow.write_all(b"GET /big HTTP/1.1\r\nhost: x\r\n\r\n")
        .unwrap();
    slow.read_exact(&mut [0; 100]).unwrap();
    let mut idle = connect();
    idle.write_all(b"GET /fast HTTP/1.1\r\nhost: x\r\n\r\n")
        .unwrap();
    idle.read_exact(&mut [0; 20]).unwrap();
    victim.signal("TERM");
    let ended = victim.end();
    drop((silent, half, slow));
    // FIN, not RST: the rest of the answer and a clean end can be read.
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).unwrap();
    assert_eq!(ended.code(), 0, "{:#}", ended.report);
    let facts = &ended.component("api")["facts"];
    assert_eq!(
        (&facts["connections_cut"], &facts["closed_idle"]),
        (&2.into(), &2.into()),
        "{:#}",
        ended.report
    );
    // Lame duck 2 s, then at most the stall limit of 2 s and the linger of 1 s.
    assert!(
        ended.took < Duration::from_millis(5_600),
        "{:?}",
        ended.took
    );
}
