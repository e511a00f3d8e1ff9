//! One output of a service on its way to where it is kept.
//!
//! Bytes come as the pipe gives them; lines go out whole. Where nothing is asked of single lines, everything up to
//! the last line break is written straight from the caller's buffer, and only the beginning of the next line is kept.
//! The bytes stored are the same however the pipe happened to cut them. Never fails: see `file.rs` for what becomes
//! of lines that cannot be written.

use std::io;
use std::mem;
use std::sync::Arc;

use aplomb_core::Instant;
use aplomb_core::spec::Level;

use crate::clock::{self, Now};
use crate::desk::Desk;
use crate::fact::{Fact, Fault};
use crate::file::{At, LogFile, wants_sweep};
use crate::gate::{self, RateLimit};
use crate::journal::Entry;
use crate::loss::Loss;
use crate::settings::{Settings, Sink};

/// Ends every piece of a line that was too long, but the last.
pub(crate) const CONTINUES: &[u8] = b" [aplomb: line continues]\n";
/// A tail's memory is given back beyond this, in bytes.
const SMALL: usize = 256;
/// Lines looked at one by one are written together in pieces of about this, in bytes.
const BATCH: usize = 256 << 10;

/// One output's way. Lives as long as its service's instance; `finish` ends a run, not the stream.
#[derive(Debug)]
pub struct Stream {
    settings: Arc<Settings>,
    /// The beginning of a line, at most `max_line` bytes.
    tail: Vec<u8>,
    /// The tail continues a line of which a piece is out, with this level.
    continues: Option<Level>,
    rate: Option<Box<RateLimit>>,
    file: Option<Box<LogFile>>,
    /// Not taken by the journal or the engine's output.
    untaken: Option<Box<Untaken>>,
}

#[derive(Debug)]
struct Untaken {
    fault: Fault,
    since: clock::Wall,
    loss: Loss,
    /// When it was last told how much.
    told_at: Instant,
}

/// Between two words on how much is lost so far.
const NEWS: aplomb_core::Duration = aplomb_core::Duration::from_secs(1);

impl Stream {
    /// Touches nothing: the file is opened by the first byte.
    pub fn new(settings: Arc<Settings>) -> Stream {
        Stream {
            settings,
            tail: Vec::new(),
            continues: None,
            rate: None,
            file: None,
            untaken: None,
        }
    }

    /// What it was made with.
    pub fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    /// A run begins: the file is emptied if the unit says so.
    pub fn begin(&mut self, now: Now, desk: &mut Desk) {
        if self.settings.truncate {
            let file = self.file.get_or_insert_default();
            file.empty(&mut at(&self.settings, now, desk));
        }
    }

    /// The beginning of a line whose end has not come.
    pub fn begun(&self) -> &[u8] {
        &self.tail
    }

    /// Takes what was read from the pipe.
    pub fn write(&mut self, chunk: &[u8], now: Now, desk: &mut Desk) {
        let mut chunk = chunk;
        while !chunk.is_empty() {
            let room = self.settings.max_line - self.tail.len();
            if room == 0 && chunk[0] != b'\n' {
                self.split(now, desk);
                continue;
            }
            // With no more than `max_line` bytes in hand, only the tail can be too long, and only by what follows.
            let (these, rest) = chunk.split_at(chunk.len().min(room.max(1)));
            match memchr::memrchr(b'\n', these) {
                None => self.tail.extend_from_slice(these),
                Some(last) => {
                    let (lines, beginning) = these.split_at(last + 1);
                    self.pass(lines, now, desk);
                    self.tail.extend_from_slice(beginning);
                }
            }
            chunk = rest;
        }
    }

    /// A run has ended: an unfinished last line is written as it is. The line break it lacks is added when, in
    /// another run, the next line comes. What was dropped is said now, if it can be: there may be no next line.
    pub fn finish(&mut self, now: Now, desk: &mut Desk) {
        if !self.tail.is_empty() {
            self.pass(&[], now, desk);
        }
        self.continues = None;
        let dropped = self.rate.as_mut().and_then(|rate| rate.so_far());
        self.say_dropped(dropped, now, desk);
        self.announce(now, desk);
        if let Some(file) = &mut self.file {
            file.finish(&mut at(&self.settings, now, desk));
        }
    }

    /// Begins a new file, if there is anything in the current one.
    pub fn rotate_now(&mut self, now: Now, desk: &mut Desk) {
        if matches!(self.settings.sink, Sink::File(_)) {
            let file = self.file.get_or_insert_default();
            file.rotate_now(&mut at(&self.settings, now, desk));
        }
    }

    /// Closes the file until the next line; for when descriptors run short.
    pub fn shed(&mut self, now: Now, desk: &mut Desk) {
        if let Some(file) = &mut self.file {
            file.shed(&mut at(&self.settings, now, desk));
        }
    }

    /// A descriptor is held.
    pub fn is_open(&self) -> bool {
        self.file.as_ref().is_some_and(|file| file.is_open())
    }

    /// When `on_time` has something to do although nobody writes: a retry, a rotation by age or by the clock, an
    /// aged file to be removed, a count of dropped lines to be said. Ask again after each call; a time of the wall clock
    /// is translated as if nobody set that clock, so ask again when it was.
    pub fn wakes_at(&self, now: Now) -> Option<Instant> {
        let rate = self.rate.as_ref().zip(self.settings.rate_limit);
        let rate = rate.and_then(|(rate, limit)| rate.wakes_at(limit));
        let file = match &self.file {
            Some(file) => file.wakes_at(&self.settings, now),
            None => self.wants_sweep().then_some(now.instant),
        };
        rate.into_iter().chain(file).min()
    }

    /// Does what is due.
    pub fn on_time(&mut self, now: Now, desk: &mut Desk) {
        self.end_window(now, desk);
        if self.wants_sweep() {
            self.file.get_or_insert_default();
        }
        if let Some(file) = &mut self.file {
            file.on_time(&mut at(&self.settings, now, desk));
        }
    }

    fn wants_sweep(&self) -> bool {
        matches!(self.settings.sink, Sink::File(_)) && wants_sweep(&self.settings)
    }

    // ---- lines ----

    /// The tail is as long as a line may be, and the line goes on.
    fn split(&mut self, now: Now, desk: &mut Desk) {
        let level = self.level_of_tail();
        self.pass(CONTINUES, now, desk);
        self.continues = Some(level);
    }

    fn level_of_tail(&self) -> Level {
        self.continues
            .unwrap_or_else(|| self.level_of(&self.tail).0)
    }

    fn level_of<'a>(&self, line: &'a [u8]) -> (Level, &'a [u8]) {
        let (said, text) = if self.settings.level_prefix {
            gate::level_prefix(line)
        } else {
            (None, line)
        };
        (said.unwrap_or(self.settings.level), text)
    }

    /// Stores the tail followed by `lines`, which ends at a line's end.
    fn pass(&mut self, lines: &[u8], now: Now, desk: &mut Desk) {
        let mut tail = mem::take(&mut self.tail);
        if self.settings.is_plain() {
            self.deliver(&tail, lines, now, desk);
        } else {
            self.one_by_one(&mut tail, lines, now, desk);
        }
        self.continues = None;
        tail.clear();
        tail.shrink_to(SMALL);
        self.tail = tail;
    }

    fn one_by_one(&mut self, tail: &mut Vec<u8>, lines: &[u8], now: Now, desk: &mut Desk) {
        self.end_window(now, desk);
        let mut batch = mem::take(&mut desk.scratch);
        let stamp = clock::stamp(self.settings.timestamps, &mut desk.zone, now.wall);
        let mut lines = lines;
        if !tail.is_empty() {
            let end = memchr::memchr(b'\n', lines).map_or(lines.len(), |at| at + 1);
            let (first, rest) = lines.split_at(end);
            tail.extend_from_slice(first);
            self.admit(tail, stamp.as_bytes(), &mut batch, now, desk);
            lines = rest;
        }
        while let Some(end) = memchr::memchr(b'\n', lines) {
            let (line, rest) = lines.split_at(end + 1);
            self.admit(line, stamp.as_bytes(), &mut batch, now, desk);
            if batch.len() >= BATCH {
                self.deliver(&[], &batch, now, desk);
                batch.clear();
            }
            lines = rest;
        }
        self.deliver(&[], &batch, now, desk);
        batch.clear();
        desk.scratch = batch;
    }

    /// Puts a line into the batch if its level and the rate allow it; the journal gets it at once.
    fn admit(&mut self, line: &[u8], stamp: &[u8], batch: &mut Vec<u8>, now: Now, desk: &mut Desk) {
        let (level, text) = match self.continues.take() {
            Some(level) => (level, line),
            None => self.level_of(line),
        };
        if level > self.settings.max_level {
            return;
        }
        if let Some(limit) = self.settings.rate_limit {
            let rate = self.rate.get_or_insert_default();
            if !rate.admits(text, limit, now.instant) {
                return;
            }
        }
        if self.settings.sink == Sink::Journal {
            return self.hand_to_journal(text, level, now, desk);
        }
        batch.extend_from_slice(stamp);
        batch.extend_from_slice(text);
    }

    /// Says what the rate limit dropped, once its window is over.
    fn end_window(&mut self, now: Now, desk: &mut Desk) {
        let (Some(limit), Some(rate)) = (self.settings.rate_limit, &mut self.rate) else {
            return;
        };
        let dropped = rate.ended(limit, now.instant);
        self.say_dropped(dropped, now, desk);
    }

    fn say_dropped(&mut self, dropped: Option<Loss>, now: Now, desk: &mut Desk) {
        if let Some((loss, (burst, interval))) = dropped.zip(self.settings.rate_limit) {
            let text = format!("aplomb: dropped {loss}: more than {burst} lines in {interval:?}\n");
            self.say(&text, now, desk);
        }
    }

    /// A line of our own among the service's.
    fn say(&mut self, text: &str, now: Now, desk: &mut Desk) {
        if self.settings.sink == Sink::Journal {
            return self.hand_to_journal(text.as_bytes(), Level::Warning, now, desk);
        }
        let mut line = clock::stamp(self.settings.timestamps, &mut desk.zone, now.wall);
        line.push_str(text);
        self.deliver(&[], line.as_bytes(), now, desk);
    }

    // ---- sinks ----

    fn deliver(&mut self, head: &[u8], lines: &[u8], now: Now, desk: &mut Desk) {
        if head.is_empty() && lines.is_empty() {
            return;
        }
        match &self.settings.sink {
            Sink::File(_) => {
                let file = self.file.get_or_insert_default();
                file.append(head, lines, &mut at(&self.settings, now, desk));
            }
            Sink::Inherit if head.is_empty() => self.hand_to_engine(lines, now, desk),
            Sink::Inherit => self.hand_to_engine(&[head, lines].concat(), now, desk),
            Sink::Journal | Sink::Nothing => {}
        }
    }

    fn hand_to_engine(&mut self, lines: &[u8], now: Now, desk: &mut Desk) {
        let from = self.settings.origin;
        self.announce(now, desk);
        if let Err(error) = desk.carrier.inherit(from, lines) {
            self.count_untaken(lines, &error, now, desk);
        }
    }

    fn hand_to_journal(&mut self, line: &[u8], level: Level, now: Now, desk: &mut Desk) {
        self.announce(now, desk);
        if let Err(error) = self.send(line, level, desk) {
            self.count_untaken(line, &error, now, desk);
        }
    }

    fn send(&self, line: &[u8], level: Level, desk: &mut Desk) -> io::Result<()> {
        let mut datagram = mem::take(&mut desk.datagram);
        datagram.clear();
        let entry = Entry {
            message: line.strip_suffix(b"\n").unwrap_or(line),
            priority: level,
            identifier: &self.settings.identifier,
            unit: &self.settings.unit,
        };
        entry.encode(&mut datagram);
        let sent = desk.carrier.journal(&datagram);
        desk.datagram = datagram;
        sent
    }

    /// If lines were not taken before: says so first, now that there may be somebody to take it.
    fn announce(&mut self, now: Now, desk: &mut Desk) {
        let Some(untaken) = self.untaken.take() else {
            return;
        };
        let notice = untaken.loss.notice(untaken.since, now.wall, untaken.fault);
        let said = match self.settings.sink {
            Sink::Journal => self.send(notice.as_bytes(), Level::Warning, desk),
            Sink::Inherit => desk
                .carrier
                .inherit(self.settings.origin, notice.as_bytes()),
            Sink::File(_) | Sink::Nothing => Ok(()),
        };
        match said {
            Ok(()) => desk.facts.push(Fact::Recovered {
                sink: self.settings.sink.clone(),
                since: untaken.since,
                loss: untaken.loss,
            }),
            Err(_) => self.untaken = Some(untaken),
        }
    }

    fn count_untaken(&mut self, lines: &[u8], error: &io::Error, now: Now, desk: &mut Desk) {
        let fault = Fault::of(error);
        let untaken = self.untaken.get_or_insert_with(|| {
            let (sink, since) = (self.settings.sink.clone(), now.wall);
            desk.facts.push(Fact::Dropping { sink, fault, since });
            let loss = Loss::default();
            let told_at = now.instant;
            Box::new(Untaken {
                fault,
                since,
                loss,
                told_at,
            })
        });
        untaken.loss.add(&[lines]);
        if now.instant.since(untaken.told_at) >= NEWS {
            untaken.told_at = now.instant;
            let loss = untaken.loss;
            desk.facts.push(Fact::StillDropping { loss });
        }
    }
}

fn at<'a>(settings: &'a Settings, now: Now, desk: &'a mut Desk) -> At<'a> {
    At {
        settings,
        now,
        desk,
    }
}
