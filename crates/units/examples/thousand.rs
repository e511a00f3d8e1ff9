//! How long reading and checking takes: a thousand files with one service each, eleven times.
//!
//! Run with `--release`. The machine it checks against is made up, so that only our own work is measured.

use std::time::{Duration, Instant};

use aplomb_units::world::{Fact, FileKind};
use aplomb_units::{Options, Source, World};

const FILES: usize = 1000;
const ROUNDS: usize = 11;

fn main() {
    let sources: Vec<Source> = (0..FILES).map(source).collect();
    let mut times: Vec<Duration> = (0..ROUNDS).map(|_| round(&sources)).collect();
    times.sort();
    println!(
        "{FILES} files read and checked: median {:?}, from {:?} to {:?}, {ROUNDS} rounds",
        times[ROUNDS / 2],
        times[0],
        times[ROUNDS - 1]
    );
}

fn round(sources: &[Source]) -> Duration {
    let begin = Instant::now();
    let (specs, faults) = aplomb_units::read(sources, &Made, Options::default());
    let time = begin.elapsed();
    assert_eq!((specs.len(), faults.len()), (FILES, 0));
    time
}

fn source(number: usize) -> Source {
    let after = match number {
        0 => String::new(),
        _ => format!("requires = [\"service-{}\"]\n", number - 1),
    };
    let text = format!(
        r#"# One of many.
[service.service-{number}]
description = "Number {number}"
command = ["/usr/bin/service", "--port", "{port}", "--name", "number {number}"]
directory = "/srv"
env = {{ LANG = "C.UTF-8", NUMBER = "{number}" }}
user = "www-data"
{after}listen = "tcp 127.0.0.1:{port}"
ready = "http http://127.0.0.1:{port}/readyz"
restart = {{ when = "always", delay = "1s", limit = "5 in 1m" }}
stop = {{ plan = ["SIGTERM 10s", "SIGINT 5s"], budget = "20s" }}
limits = {{ open-files = 4096, memory = "256MiB" }}
log = {{ to = "/var/log/many", keep = 3 }}
"#,
        port = 10_000 + number,
    );
    Source::new(format!("/etc/aplomb/services/service-{number}.toml"), text)
}

/// A machine that has what these services need.
struct Made;

impl World for Made {
    fn file(&self, path: &str) -> FileKind {
        if path == "/srv" {
            FileKind::Directory
        } else {
            FileKind::File { executable: true }
        }
    }

    fn head(&self, _path: &str) -> Option<Vec<u8>> {
        None
    }

    fn glob(&self, _pattern: &str) -> Vec<String> {
        Vec::new()
    }

    fn user_exists(&self, _name: &str) -> bool {
        true
    }

    fn group_exists(&self, _name: &str) -> bool {
        true
    }

    fn env(&self, _name: &str) -> Option<String> {
        None
    }

    fn fact(&self, _fact: Fact) -> Option<String> {
        None
    }
}
