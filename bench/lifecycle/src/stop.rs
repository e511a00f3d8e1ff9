//! A stop under load: the same open-loop load against five servers, at full speed and (where the cgroup can be made) with
//! five percent of one processor.

use crate::quota::Quota;
use crate::servers::{AXUM, GUNICORN, NODE_CLOSE, NODE_DELAY, OURS, Server};
use crate::{load, process};

const RUNS: usize = 3;

const SERVERS: [Server; 5] = [OURS, AXUM, NODE_CLOSE, NODE_DELAY, GUNICORN];

pub(crate) fn table() {
    println!("| server | cpu | exit | seconds | lost in flight | lost later | refused while ready | answered |");
    println!("|---|---|---|---|---|---|---|---|");
    // Without the right to make a group, the second half is left out.
    let starved = Quota::new(5).map(|_| Some(5));
    for percent in std::iter::once(None).chain(starved) {
        for server in SERVERS.iter().filter(|server| server.is_here()) {
            row(server, percent);
        }
    }
}

fn row(server: &Server, percent: Option<u32>) {
    let (mut seconds, mut exits) = (Vec::new(), Vec::new());
    let (mut in_flight, mut later, mut refused, mut answered) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let address = format!("127.0.0.1:{}", process::free_port());
        let mut child = process::start(&mut server.start(&address));
        process::until_ready(&address);
        // Made for each run: an empty group may be tidied away by whoever else manages them.
        let quota = percent.and_then(Quota::new);
        if let Some(quota) = &quota {
            process::tree(child.id()).into_iter().for_each(|pid| quota.hold(pid));
        }
        let ((took, exit), measured) = load::measure(&address, || process::terminate(&mut child));
        seconds.push(format!("{:.1}", took.as_secs_f64()));
        exits.push(process::exit_words(exit));
        in_flight.push(measured.lost_in_flight.to_string());
        later.push(measured.lost_later.to_string());
        refused.push(measured.refused_while_ready.to_string());
        answered.push(measured.answered.values().sum::<usize>().to_string());
    }
    let cpu = percent.map_or("free".to_owned(), |percent| format!("{percent} %"));
    println!(
        "| {} | {cpu} | {} | {} | {} | {} | {} | {} |",
        server.name,
        exits.join(" "),
        seconds.join(" "),
        in_flight.join(" "),
        later.join(" "),
        refused.join(" "),
        answered.join(" ")
    );
}
