//! How fast programs are begun, against the least a Linux system needs for it.
//!
//! `cargo run --release --example spawn_rate [COUNT]`

use std::time::Instant;

use aplomb_core::spec::{Privilege, Process, Resources};
use aplomb_platform::linux::Linux;
use aplomb_platform::{Launch, Output, Platform, StreamId};

fn main() -> std::io::Result<()> {
    let count: u64 = std::env::args()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .unwrap_or(1000);
    let mut platform = Linux::new()?;
    let (mut pump, _port) = platform.pump()?;
    println!("{:?}", platform.holding());
    let process = Process::default();
    let env: Vec<(String, String)> = std::env::vars().collect();
    let argv = ["sleep".to_owned(), "1000".to_owned()];
    let start = Instant::now();
    let mut trees = Vec::new();
    for n in 0..count {
        let tree = platform.plant(&format!("service-{n}"), &Resources::default())?;
        pump.attach(StreamId(n))?;
        let launch = Launch {
            tree,
            program: "/bin/sleep",
            argv: &argv,
            env: &env,
            search_path: &[],
            process: &process,
            privilege: Privilege::Service,
            stdout: Output::Pump(StreamId(n)),
            stderr: Output::SameAsStdout,
            sockets: &[],
            ready_fd: None,
        };
        platform.spawn(&launch).map_err(std::io::Error::other)?;
        trees.push(tree);
    }
    println!("{count} started in {:?}", start.elapsed());
    let start = Instant::now();
    for tree in &trees {
        platform.kill_tree(*tree)?;
    }
    let mut left = trees.len();
    let mut ended = 0;
    while left > 0 {
        let mut told = Vec::new();
        platform.wait(None, &mut told)?;
        left -= told
            .iter()
            .filter(|h| matches!(h, aplomb_platform::Happened::TreeEmpty { .. }))
            .count();
        ended += told
            .iter()
            .filter(|h| matches!(h, aplomb_platform::Happened::Ended { .. }))
            .count();
    }
    println!("{ended} ended, all trees empty in {:?}", start.elapsed());
    for tree in &trees {
        platform.uproot(*tree);
    }
    println!("uprooted after {:?}", start.elapsed());
    Ok(())
}
