//! A stop with HTTP/2 streams in flight: seven of three seconds each, and a new short one every ten milliseconds until the
//! server says goodbye.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::frames::{Asking, Client, GOAWAY, HEADERS};
use crate::process;
use crate::servers::{AXUM, HYPERCORN, NODE_HTTP2, OURS, Server};

const RUNS: usize = 3;
const LONG: u32 = 7;
const EVERY: Duration = Duration::from_millis(10);

pub(crate) fn table() {
    println!("\n| HTTP/2 server | exit | seconds | GOAWAYs | lost in flight | lost later | answered |");
    println!("|---|---|---|---|---|---|---|");
    for server in [OURS, AXUM, NODE_HTTP2, HYPERCORN].iter().filter(|server| server.is_here()) {
        let runs: Vec<Run> = (0..RUNS).map(|_| run(server)).collect();
        let cell = |of: fn(&Run) -> String| runs.iter().map(of).collect::<Vec<_>>().join(" ");
        println!(
            "| {} | {} | {} | {} | {} | {} | {} |",
            server.name,
            cell(|run| run.exit.clone()),
            cell(|run| format!("{:.1}", run.took.as_secs_f64())),
            cell(|run| run.goaways.to_string()),
            cell(|run| run.lost_in_flight.to_string()),
            cell(|run| run.lost_later.to_string()),
            cell(|run| run.answered.to_string()),
        );
    }
}

struct Run {
    exit: String,
    took: Duration,
    goaways: usize,
    lost_in_flight: usize,
    lost_later: usize,
    answered: usize,
}

/// What the client has seen when its connection ends.
#[derive(Default)]
struct Seen {
    answered: BTreeSet<u32>,
    /// The last stream of each GOAWAY: those above it were never begun and may be asked for elsewhere.
    goaways: Vec<u32>,
}

fn run(server: &Server) -> Run {
    let address = format!("127.0.0.1:{}", process::free_port());
    let mut child = process::start(&mut server.start(&address));
    let mut client = connected(&address);
    for stream in 0..LONG {
        client.asking().get(stream * 2 + 3, "/long").expect("a server that was just asked");
    }
    let sent = Arc::new(Mutex::new((3..LONG * 2 + 3).step_by(2).collect::<BTreeSet<u32>>()));
    let told_to_go = Arc::new(AtomicBool::new(false));
    let (asking, goes_on) = (client.asking(), Arc::clone(&told_to_go));
    let sending = Arc::clone(&sent);
    let asker = std::thread::spawn(move || ask_on(&asking, &goes_on, &sending));
    let reader = std::thread::spawn(move || read(&mut client, &told_to_go));
    // Some are answered before the stop, as in any day's work.
    std::thread::sleep(EVERY * 30);
    let before: BTreeSet<u32> = sent.lock().expect("no panic").clone();
    let (took, exit) = process::terminate(&mut child);
    let seen = reader.join().expect("no panic");
    asker.join().expect("no panic");
    let last = seen.goaways.last().copied().unwrap_or(u32::MAX);
    let (mut lost_in_flight, mut lost_later) = (0, 0);
    for stream in sent.lock().expect("no panic").iter() {
        if *stream <= last && !seen.answered.contains(stream) {
            if before.contains(stream) { lost_in_flight += 1 } else { lost_later += 1 }
        }
    }
    Run {
        exit: process::exit_words(exit),
        took,
        goaways: seen.goaways.len(),
        lost_in_flight,
        lost_later,
        answered: seen.answered.len(),
    }
}

/// A connection that has had one answer.
fn connected(address: &str) -> Client {
    let begun = std::time::Instant::now();
    loop {
        if let Ok(mut client) = Client::new(address)
            && client.asking().get(1, "/fast").is_ok()
        {
            while let Some(frame) = client.next() {
                if frame.stream == 1 && frame.ends_its_stream() {
                    return client;
                }
            }
        }
        assert!(begun.elapsed() < process::CAP, "{address} does not answer");
        std::thread::sleep(EVERY);
    }
}

fn ask_on(asking: &Asking, told_to_go: &AtomicBool, sent: &Mutex<BTreeSet<u32>>) {
    for stream in (LONG * 2 + 3..).step_by(2) {
        if told_to_go.load(Ordering::SeqCst) {
            return;
        }
        sent.lock().expect("no panic").insert(stream);
        if asking.get(stream, "/fast").is_err() {
            sent.lock().expect("no panic").remove(&stream);
            return;
        }
        std::thread::sleep(EVERY);
    }
}

fn read(client: &mut Client, told_to_go: &AtomicBool) -> Seen {
    let (mut seen, mut good) = (Seen::default(), BTreeSet::new());
    while let Some(frame) = client.next() {
        if frame.kind == GOAWAY {
            told_to_go.store(true, Ordering::SeqCst);
            seen.goaways.push(frame.goodbye().0);
        }
        if frame.kind == HEADERS && frame.is_ok() {
            good.insert(frame.stream);
        }
        if frame.ends_its_stream() && good.contains(&frame.stream) {
            seen.answered.insert(frame.stream);
        }
    }
    told_to_go.store(true, Ordering::SeqCst);
    seen
}
