//! What holds for every output, however the pipe cuts it and whatever happens meanwhile: what came in is kept, in order,
//! or counted as lost; and every line is whole in one file. Shared with the fuzzer.
//!
//! Bytes tell a story: the first four the settings, then each one thing that happens. What the service writes never
//! holds the word `aplomb`, so that lines of our own are told from its own.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aplomb_core::spec::{Log, LogTo, StderrTo};
use aplomb_core::{Bytes, Instant};
use aplomb_logs::{Carrier, Desk, Fact, Now, Origin, Settings, Stream, Wall, Zone};

const CONTINUES: &[u8] = b" [aplomb: line continues]\n";
/// 2026-11-22T15:24:51Z
const START: i64 = 1_795_361_091_000_000;

/// What was offered to the engine's output, and whether it takes anything.
#[derive(Debug, Default)]
struct Offered {
    refuses: bool,
    /// All of it but for our own lines.
    bytes: Vec<u8>,
    refused: u64,
}

#[derive(Debug, Clone, Default)]
struct Basket(Arc<Mutex<Offered>>);

impl Basket {
    fn open(&self) -> std::sync::MutexGuard<'_, Offered> {
        self.0.lock().expect("one thread")
    }
}

impl Carrier for Basket {
    fn journal(&mut self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn inherit(&mut self, _: Origin, lines: &[u8]) -> io::Result<()> {
        let mut offered = self.open();
        let ours = lines.starts_with(b"aplomb: lost ");
        if !ours {
            offered.bytes.extend_from_slice(lines);
        }
        if offered.refuses {
            offered.refused += if ours { 0 } else { lines.len() as u64 };
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(())
    }
}

/// What the bytes stored must be: our own small account of the same story.
#[derive(Debug, Default)]
struct Account {
    max_line: usize,
    /// One for each run; where the last line of one has no end, a line break may stand between it and the next.
    runs: Vec<Vec<u8>>,
    /// Of the line under way, since its beginning or the last split.
    line: usize,
}

impl Account {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let run = self.runs.last_mut().expect("a run");
            if *byte == b'\n' {
                self.line = 0;
            } else if self.line == self.max_line {
                run.extend_from_slice(CONTINUES);
                self.line = 1;
            } else {
                self.line += 1;
            }
            run.push(*byte);
        }
    }

    fn finish(&mut self) {
        self.line = 0;
        self.runs.push(Vec::new());
    }

    /// Whether `kept` is what the runs wrote.
    fn matches(&self, kept: &[u8]) -> bool {
        let mut ends = vec![0];
        let mut is_inside = false;
        for run in self.runs.iter().filter(|run| !run.is_empty()) {
            let starts = ends.iter().flat_map(|at| {
                let broken = is_inside && kept.get(*at) == Some(&b'\n');
                [Some(*at), broken.then_some(at + 1)]
            });
            let mut next: Vec<usize> = starts
                .flatten()
                .filter(|at| kept[*at..].starts_with(run))
                .map(|at| at + run.len())
                .collect();
            next.dedup();
            ends = next;
            is_inside = run.last() != Some(&b'\n');
        }
        ends.contains(&kept.len())
    }

    fn unended(&self) -> usize {
        let unended = |run: &&Vec<u8>| run.last().is_some_and(|last| *last != b'\n');
        self.runs.iter().filter(unended).count()
    }
}

struct Story {
    stream: Stream,
    desk: Desk,
    now: Now,
    basket: Basket,
    account: Account,
}

/// Lives the story `bytes` tell, with its files in `directory`, which is empty.
pub(crate) fn keep(bytes: &[u8], directory: &Path) {
    let Some((&[line, size, age, sink], events)) = bytes.split_first_chunk() else {
        return;
    };
    let max_line = 1 + usize::from(line % 48);
    let mut log = Log {
        max_line: Bytes(max_line as u64),
        keep: None,
        keep_bytes: None,
        keep_age: None,
        compress: false,
        stderr: StderrTo::Same,
        ..Log::default()
    };
    log.rotate.size = (size > 0).then_some(Bytes(size.into()));
    log.rotate.age = (age > 0).then_some(Duration::from_secs(age.into()));
    let is_file = sink % 4 > 0;
    log.to = match sink % 4 {
        0 => LogTo::Inherit,
        1 => LogTo::File(directory.join("named.log").display().to_string()),
        _ => LogTo::Default,
    };
    let basket = Basket::default();
    let settings = Settings::from_spec(&log, "web", directory).stdout;
    assert!(settings.is_plain() && settings.max_line == max_line);
    let mut story = Story {
        stream: Stream::new(settings),
        desk: Desk::new(Zone::utc(), Box::new(basket.clone())),
        now: Now {
            instant: Instant::ORIGIN,
            wall: Wall::from_micros(START),
        },
        basket,
        account: Account {
            max_line,
            runs: vec![Vec::new()],
            line: 0,
        },
    };
    story.live(events);
    if is_file {
        story.look_at_files(directory);
    } else {
        story.look_at_basket();
    }
}

impl Story {
    fn live(&mut self, events: &[u8]) {
        let mut rest = events;
        while let Some((event, after)) = rest.split_first() {
            rest = self.happens(*event, after);
            let tail = self.stream.begun().len();
            assert!(
                tail <= self.account.max_line,
                "{tail} bytes of a line are kept"
            );
        }
        self.basket.open().refuses = false;
        self.stream.finish(self.now, &mut self.desk);
    }

    /// Lets one thing happen; gives back what tells of the next.
    fn happens<'a>(&mut self, event: u8, after: &'a [u8]) -> &'a [u8] {
        let amount = usize::from(event >> 3);
        match event & 7 {
            0 => self.pass(Duration::from_millis(1 << amount.min(20))),
            1 => {
                self.stream.finish(self.now, &mut self.desk);
                self.account.finish();
            }
            2 => self.stream.rotate_now(self.now, &mut self.desk),
            3 => self.stream.shed(self.now, &mut self.desk),
            4 => self.basket.open().refuses = amount % 2 == 1,
            5 => self.write(&vec![b'x'; amount * 8]),
            _ => {
                let (piece, rest) = after.split_at(after.len().min(amount));
                let piece: Vec<u8> = piece
                    .iter()
                    .map(|byte| if *byte == b'p' { b'q' } else { *byte })
                    .collect();
                self.write(&piece);
                return rest;
            }
        }
        after
    }

    fn write(&mut self, piece: &[u8]) {
        self.stream.write(piece, self.now, &mut self.desk);
        self.account.write(piece);
    }

    /// Time goes by, and the stream is woken when it asked for it.
    fn pass(&mut self, by: Duration) {
        let end = self.now.instant + by;
        for _ in 0..1000 {
            let Some(at) = self.stream.wakes_at(self.now).filter(|at| *at <= end) else {
                return self.step(end - self.now.instant);
            };
            self.step(at - self.now.instant);
            self.stream.on_time(self.now, &mut self.desk);
        }
        panic!("the stream wakes without end");
    }

    fn step(&mut self, by: Duration) {
        self.now.instant = self.now.instant + by;
        self.now.wall = self.now.wall.plus(by);
    }

    fn look_at_files(&self, directory: &Path) {
        let names = fs::read_dir(directory)
            .expect("the directory")
            .map(|entry| entry.expect("an entry").path());
        let mut names: Vec<_> = names
            .filter(|path| path.extension().is_some_and(|end| end == "log"))
            .collect();
        names.sort();
        // `web.log` stands behind `web-2026….log`: it is the one written last.
        let files: Vec<Vec<u8>> = names
            .iter()
            .map(|path| fs::read(path).expect("a log"))
            .collect();
        let kept = files.concat();
        assert!(
            self.account.matches(&kept),
            "{:?} is kept of {:?}",
            String::from_utf8_lossy(&kept),
            self.account
        );
        let cut = files
            .iter()
            .filter(|file| file.last().is_some_and(|last| *last != b'\n'));
        assert!(
            cut.count() <= self.account.unended(),
            "a line is torn by a rotation"
        );
        assert!(
            !self
                .desk
                .facts
                .iter()
                .any(|fact| matches!(fact, Fact::Dropping { .. }))
        );
    }

    fn look_at_basket(&self) {
        let offered = self.basket.open();
        assert!(
            self.account.matches(&offered.bytes),
            "{offered:?} of {:?}",
            self.account
        );
        let told = self.desk.facts.iter().filter_map(|fact| {
            let Fact::Recovered { loss, .. } = fact else {
                return None;
            };
            Some(loss.bytes)
        });
        assert_eq!(
            told.sum::<u64>(),
            offered.refused,
            "what is lost is counted"
        );
    }
}
