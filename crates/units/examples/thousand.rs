//! How long reading and checking takes, and what it costs: a thousand services, eleven times, in each dialect.
//!
//! Run with `--release`. The TOML files are checked against a made up machine, so that only our own work is measured.
//! The systemd units lie in a real directory on the real machine, for finding what belongs to a unit is part of
//! reading it; half of them have a drop-in of their own, all share one.

#[path = "conformance/machine.rs"]
mod machine;

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use aplomb_units::world::{Fact, FileKind};
use aplomb_units::{Options, Source, World};

const FILES: usize = 1000;
const ROUNDS: usize = 11;

fn main() -> io::Result<()> {
    let sources: Vec<Source> = (0..FILES).map(source).collect();
    measure("TOML", &sources, &Made);
    let directory = std::env::temp_dir().join(format!("aplomb-thousand-{}", std::process::id()));
    let units = units(&directory);
    if let Ok(units) = &units {
        measure("systemd", units, &machine::Machine);
    }
    fs::remove_dir_all(&directory)?;
    units.map(|_| ())
}

fn measure(dialect: &str, sources: &[Source], world: &dyn World) {
    let rounds: Vec<Cost> = (0..ROUNDS).map(|_| round(sources, world)).collect();
    let times = spread(rounds.iter().map(|cost| cost.time).collect());
    println!("{dialect}: {FILES} files read and checked: {times}, {ROUNDS} rounds");
    let cpu: Option<Vec<Duration>> = rounds.iter().map(|cost| cost.cpu).collect();
    if let Some(cpu) = cpu {
        println!("{dialect}: of the processor: {}", spread(cpu));
    }
}

fn spread(mut times: Vec<Duration>) -> String {
    times.sort();
    let last = times.len() - 1;
    let median = times[times.len() / 2];
    format!(
        "median {median:?}, from {:?} to {:?}",
        times[0], times[last]
    )
}

/// What one round took.
struct Cost {
    time: Duration,
    /// Of this thread on the processor; `None` where the system does not say.
    cpu: Option<Duration>,
}

fn round(sources: &[Source], world: &dyn World) -> Cost {
    let (begin, cpu) = (Instant::now(), on_cpu());
    let (specs, faults) = aplomb_units::read(sources, world, Options::default());
    let cost = Cost {
        time: begin.elapsed(),
        cpu: on_cpu().zip(cpu).map(|(after, before)| after - before),
    };
    assert_eq!((specs.len(), faults.len()), (FILES, 0), "{faults:?}");
    cost
}

/// Time this thread has run, from the first field of `/proc/thread-self/schedstat`.
fn on_cpu() -> Option<Duration> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds = text.split(' ').next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}

/// Writes the units and their drop-ins.
fn units(directory: &Path) -> io::Result<Vec<Source>> {
    let drop_in = "[Service]\nEnvironment=LANG=C.UTF-8\n";
    fs::create_dir_all(directory.join("service.d"))?;
    fs::write(directory.join("service.d/all.conf"), drop_in)?;
    (0..FILES).map(|number| unit(directory, number)).collect()
}

fn unit(directory: &Path, number: usize) -> io::Result<Source> {
    let after = match number {
        0 => String::new(),
        _ => format!("Requires=s{0}.service\nAfter=s{0}.service\n", number - 1),
    };
    let text = format!(
        "[Unit]\nDescription=Number {number} on %H\n{after}\n[Service]\nExecStart=/bin/sh -c 'exec sleep {number}'\n\
         User=root\nWorkingDirectory=/\nRestart=always\n\n[Install]\nWantedBy=multi-user.target\n"
    );
    let path = directory.join(format!("s{number}.service"));
    fs::write(&path, &text)?;
    if number.is_multiple_of(2) {
        let own = directory.join(format!("s{number}.service.d"));
        fs::create_dir(&own)?;
        fs::write(own.join("own.conf"), "[Service]\nTimeoutStopSec=5\n")?;
    }
    Ok(Source::new(path.display().to_string(), text))
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
