//! Promises of the write side, over a real directory with faults on order.

mod faulty;
mod reading;
mod rotation;
mod stories;
mod streams;
mod trouble;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aplomb_core::spec::Log;
use aplomb_core::{Bytes, Instant};
use tempfile::TempDir;

use crate::{Carrier, Desk, Fact, Now, Origin, Settings, Stream, Wall, Zone};
use faulty::{Faults, FaultyFiles};

/// 2026-11-22T15:24:51Z
const START: i64 = 1_795_361_091_000_000;

/// What a carrier was given, and whether it takes anything.
#[derive(Debug, Default)]
struct Taken {
    datagrams: Vec<Vec<u8>>,
    lines: Vec<u8>,
    refuses: Option<io::ErrorKind>,
}

#[derive(Debug, Default, Clone)]
struct Basket(Arc<Mutex<Taken>>);

impl Basket {
    fn open(&self) -> std::sync::MutexGuard<'_, Taken> {
        self.0.lock().unwrap()
    }
}

impl Carrier for Basket {
    fn journal(&mut self, datagram: &[u8]) -> io::Result<()> {
        let mut taken = self.open();
        if let Some(kind) = taken.refuses {
            return Err(kind.into());
        }
        taken.datagrams.push(datagram.to_vec());
        Ok(())
    }

    fn inherit(&mut self, _: Origin, lines: &[u8]) -> io::Result<()> {
        let mut taken = self.open();
        if let Some(kind) = taken.refuses {
            return Err(kind.into());
        }
        taken.lines.extend_from_slice(lines);
        Ok(())
    }
}

/// A directory, a stream into it, a clock that moves when told.
struct Bench {
    dir: TempDir,
    faults: Faults,
    basket: Basket,
    desk: Desk,
    now: Now,
    stream: Stream,
}

impl Bench {
    fn new(log: &Log) -> Bench {
        Bench::at(tempfile::tempdir().unwrap(), log)
    }

    /// A new life of the engine over what an earlier one left.
    fn at(dir: TempDir, log: &Log) -> Bench {
        let faults = Faults::default();
        let basket = Basket::default();
        let files = Box::new(FaultyFiles::new(faults.clone()));
        let desk = Desk::over(files, Zone::utc(), Box::new(basket.clone()));
        let outputs = Settings::from_spec(log, "web", dir.path());
        Bench {
            dir,
            faults,
            basket,
            desk,
            now: Now {
                instant: Instant::ORIGIN,
                wall: Wall::from_micros(START),
            },
            stream: Stream::new(outputs.stdout),
        }
    }

    fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write(bytes.as_ref(), self.now, &mut self.desk);
    }

    fn finish(&mut self) {
        self.stream.finish(self.now, &mut self.desk);
    }

    /// Lets time pass without telling the stream.
    fn pass(&mut self, by: Duration) {
        self.now.instant = self.now.instant + by;
        self.now.wall = self.now.wall.plus(by);
    }

    /// Lets time pass, waking the stream whenever it asked for it.
    fn live(&mut self, by: Duration) -> u32 {
        let end = self.now.instant + by;
        let mut woken = 0;
        while let Some(at) = self.stream.wakes_at(self.now).filter(|at| *at <= end) {
            self.pass(at - self.now.instant);
            self.stream.on_time(self.now, &mut self.desk);
            woken += 1;
            assert!(woken < 100_000, "wakes without end");
        }
        self.pass(end - self.now.instant);
        woken
    }

    fn facts(&mut self) -> Vec<Fact> {
        std::mem::take(&mut self.desk.facts)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Names of the log's files, rotated ones first, without indexes.
    fn names(&self) -> Vec<String> {
        let all = listed(self.dir.path());
        all.into_iter()
            .filter(|name| !name.ends_with(".times"))
            .collect()
    }

    /// Everything kept, in order.
    fn all(&self) -> String {
        self.names().iter().map(|name| self.text(name)).collect()
    }
}

fn listed(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn rotating_at(size: u64) -> Log {
    let mut log = Log::default();
    log.rotate.size = Some(Bytes(size));
    log
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A small generator, the same everywhere (xorshift64*).
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(high).unwrap() % end.max(1)
    }
}
