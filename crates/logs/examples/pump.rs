//! Standard input into `DIR/pump.log` as a service's output would go: what keeping a log costs, by itself.
//!
//! `producer | pump DIR [utc|local|copy]`, to be run under `time`. `copy` is the limit: the same reads, each written
//! to one file as it came, neither lines nor rotation looked at.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::{Instant, SystemTime};

use aplomb_core::spec::{Log, Timestamps};
use aplomb_logs::{Carrier, Desk, Now, Origin, Settings, Stream, Wall, Zone};

#[derive(Debug)]
struct Nobody;

impl Carrier for Nobody {
    fn journal(&mut self, _: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn inherit(&mut self, _: Origin, _: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().ok_or(io::ErrorKind::InvalidInput)?;
    let dir = Path::new(&dir);
    let timestamps = match arguments.next().as_deref() {
        Some("copy") => return copy(dir),
        Some("utc") => Timestamps::Utc,
        Some("local") => Timestamps::Local,
        _ => Timestamps::None,
    };
    keep(dir, timestamps)
}

fn keep(dir: &Path, timestamps: Timestamps) -> io::Result<()> {
    let log = Log {
        timestamps,
        ..Log::default()
    };
    let mut stream = Stream::new(Settings::from_spec(&log, "pump", dir).stdout);
    let mut desk = Desk::new(Zone::local(), Box::new(Nobody));
    let started = Instant::now();
    let now = || Now {
        instant: aplomb_core::Instant::ORIGIN + started.elapsed(),
        wall: Wall::from(SystemTime::now()),
    };
    let mut input = io::stdin().lock();
    let mut buffer = vec![0; 256 << 10];
    loop {
        let read = input.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        stream.write(&buffer[..read], now(), &mut desk);
        desk.facts.clear();
    }
    stream.finish(now(), &mut desk);
    Ok(())
}

fn copy(dir: &Path) -> io::Result<()> {
    std::fs::create_dir_all(dir)?;
    let mut output = File::create(dir.join("pump.log"))?;
    let mut input = io::stdin().lock();
    let mut buffer = vec![0; 256 << 10];
    loop {
        let read = input.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        output.write_all(&buffer[..read])?;
    }
}
