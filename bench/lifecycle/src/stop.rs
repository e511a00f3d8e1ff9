//! A stop under load: the same open-loop load against four servers, at full speed and (where the cgroup can be made) with
//! five percent of one processor.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::{load, process};

const RUNS: usize = 3;

struct Server {
    name: &'static str,
    command: fn() -> Command,
}

const SERVERS: [Server; 4] = [
    Server { name: "aplomb-lifecycle (http-service)", command: || Command::new("target/release/http-service") },
    Server {
        name: "axum::serve, graceful",
        command: || {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.arg("plain-axum");
            command
        },
    },
    Server { name: "node, server.close()", command: || node("close.mjs") },
    Server { name: "node, 2 s delay by hand", command: || node("delay.mjs") },
];

fn node(script: &str) -> Command {
    let mut command = Command::new("node");
    command.arg(format!("bench/lifecycle/peers/{script}"));
    command
}

pub(crate) fn table() {
    println!("| server | cpu | exit | seconds | lost in flight | lost later | refused while ready | answered |");
    println!("|---|---|---|---|---|---|---|---|");
    // Without the right to make a group, the second half is left out.
    let starved = Quota::new(5).map(|_| Some(5));
    for percent in std::iter::once(None).chain(starved) {
        for server in SERVERS.iter().filter(|server| !server.name.starts_with("node") || has_node()) {
            row(server, percent);
        }
    }
}

fn has_node() -> bool {
    Command::new("node").arg("--version").output().is_ok()
}

fn row(server: &Server, percent: Option<u32>) {
    let (mut seconds, mut exits) = (Vec::new(), Vec::new());
    let (mut in_flight, mut later, mut refused, mut answered) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let address = format!("127.0.0.1:{}", process::free_port());
        let mut child = process::start((server.command)().env("ADDR", &address).env("LAME_DUCK", "2s"));
        process::until_ready(&address);
        // Made for each run: an empty group may be tidied away by whoever else manages them.
        let quota = percent.and_then(Quota::new);
        if let Some(quota) = &quota {
            quota.hold(child.id());
        }
        let ((took, exit), measured) = load::measure(&address, || process::terminate(&mut child));
        seconds.push(format!("{:.1}", took.as_secs_f64()));
        exits.push(match exit {
            Ok(Some(code)) => code.to_string(),
            Ok(None) => "signal".into(),
            Err(()) => "hung".into(),
        });
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

/// A cgroup with a share of one processor (version 1 controllers).
struct Quota(PathBuf);

impl Quota {
    fn new(percent: u32) -> Option<Self> {
        let dir = PathBuf::from(format!("/sys/fs/cgroup/cpu/bench-lifecycle-{}", std::process::id()));
        fs::create_dir(&dir).ok()?;
        let quota = Self(dir);
        let period = 100_000;
        fs::write(quota.0.join("cpu.cfs_quota_us"), (period / 100 * percent).to_string()).ok()?;
        Some(quota)
    }

    fn hold(&self, pid: u32) {
        fs::write(self.0.join("cgroup.procs"), pid.to_string()).unwrap();
    }
}

impl Drop for Quota {
    fn drop(&mut self) {
        fs::remove_dir(&self.0).ok();
    }
}
