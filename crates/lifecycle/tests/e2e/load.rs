//! A load that measures a stop from outside: an open-loop generator (requests leave on schedule, whatever answers do), one
//! outcome per request, decided by what the socket did.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Requests per second.
const RATE: u32 = 150;
/// Answers after which the load counts as running.
const WARM_UP: usize = 200;

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

/// What came of a run.
pub(crate) struct Measured {
    /// Requests that were fully sent before the stop, and got no whole answer.
    pub(crate) lost_in_flight: usize,
    /// As above, sent after the stop.
    pub(crate) lost_later: usize,
    /// Refused before readiness had turned.
    pub(crate) refused_while_ready: usize,
    pub(crate) refused: usize,
    pub(crate) answered: BTreeMap<u16, usize>,
    /// From the stop until readiness had turned; `None` when it never was seen to.
    pub(crate) unready_after: Option<Duration>,
    pub(crate) first_lost: Option<String>,
}

/// Loads `address`, calls `stop` once enough was answered, and goes on until `stop` returns: when the process has ended.
pub(crate) fn measure<R>(address: &str, stop: impl FnOnce() -> R) -> (R, Measured) {
    let tally = Arc::new(Tally::default());
    let (load, target) = (Arc::clone(&tally), address.to_owned());
    let generator = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(generate(&target, &load));
    });
    while tally.outcomes.lock().unwrap().len() < WARM_UP {
        std::thread::sleep(Duration::from_millis(10));
    }
    let stopped = Instant::now();
    let result = stop();
    tally.over.store(true, Ordering::SeqCst);
    generator.join().unwrap();
    (result, tally.measured(stopped))
}

impl Tally {
    fn measured(&self, stopped: Instant) -> Measured {
        let outcomes = self.outcomes.lock().unwrap();
        let unready = *self.unready.lock().unwrap();
        let mut answered = BTreeMap::new();
        for (_, outcome, _) in outcomes.iter() {
            if let Outcome::Answered(status) = outcome {
                *answered.entry(*status).or_default() += 1;
            }
        }
        let count = |wanted: &dyn Fn(Instant, Outcome) -> bool| {
            outcomes
                .iter()
                .filter(|(at, outcome, _)| wanted(*at, *outcome))
                .count()
        };
        let ready = |at: Instant| unready.is_none_or(|unready| at < unready);
        Measured {
            lost_in_flight: count(&|at, outcome| outcome == Outcome::Lost && at < stopped),
            lost_later: count(&|at, outcome| outcome == Outcome::Lost && at >= stopped),
            refused_while_ready: count(&|at, outcome| outcome == Outcome::Refused && ready(at)),
            refused: count(&|_, outcome| outcome == Outcome::Refused),
            answered,
            unready_after: unready.map(|at| at.saturating_duration_since(stopped)),
            first_lost: outcomes
                .iter()
                .find(|(_, outcome, _)| *outcome == Outcome::Lost)
                .map(|(at, _, what)| {
                    format!(
                        "{what}, sent {:?} after the stop",
                        at.saturating_duration_since(stopped)
                    )
                }),
        }
    }
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
