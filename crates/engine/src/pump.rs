//! The log pump: a second loop of the same kind, on a thread of its own. Reads what services write, and hands it to
//! `aplomb-logs`, which keeps it.
//!
//! It never waits for a disk that is full, nor lets one that floods starve another: each pipe gets one big read a turn.
//! It holds one buffer for all, and owns nothing of the engine: they talk in messages.

mod held;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::sync::{Arc, Mutex};
use std::time::{Instant as Clock, SystemTime};

use aplomb_core::{Instant, RunId};
use aplomb_logs::{Carrier, Desk, Fact, Loss, Now, Origin, Progress, Stream, Wall, Zone};
use aplomb_platform::{LastingMemory, PumpEvent, PumpPort, StreamId};
use regex_lite::Regex;

use crate::hold::{Hold, Leftover};
use crate::outlet::{FromPump, ToPump};

/// One read: a whole pipe of the largest size we ask for, and the room for it is shared by all streams.
const READ: usize = 256 << 10;
/// What is compressed at a time when nothing else is to be done: some milliseconds of work.
const COMPRESS: usize = 256 << 10;
/// The least time between two appointments of one stream.
const BREATH: std::time::Duration = std::time::Duration::from_millis(1);
/// Where the journal listens (systemd-journald.service(8), "Sockets").
const JOURNAL: &str = "/run/systemd/journal/socket";
/// The beginning of a line that is being watched for; more of it is not looked at.
const WATCHED: usize = 16 << 10;

/// One stream's way, and what is looked for in it.
#[derive(Debug)]
struct Way {
    stream: Stream,
    watch: Option<Box<Watch>>,
    /// What its pipe is known by to an engine after this one.
    pipe: Option<u64>,
    /// Its entry among the appointments.
    wakes: Option<Instant>,
}

/// A line that is waited for.
#[derive(Debug)]
struct Watch {
    run: RunId,
    pattern: Regex,
    /// The beginning of a line not yet ended.
    begun: Vec<u8>,
}

struct Loop {
    port: Shared,
    out: Sender<FromPump>,
    ways: BTreeMap<StreamId, Box<Way>>,
    /// When streams have something to do although nobody writes. Only those that have are looked at.
    due: BTreeSet<(Instant, StreamId)>,
    desk: Desk,
    buffer: Buffer,
    hold: Option<Hold>,
    /// What an engine before us had in hand, as long as its pipes are being found.
    leftover: Option<Leftover>,
    origin: Clock,
    /// How far the compression of rotated files has come.
    compression: Progress,
    /// Something was said to the engine since it was last woken.
    spoke: bool,
}

/// The port is used by the loop and, for datagrams, from inside the desk: one thread, two names for it.
type Shared = Arc<Mutex<Box<dyn PumpPort>>>;

/// Where chunks are read to.
enum Buffer {
    Own(Vec<u8>),
    /// Whoever comes after us finds it.
    Lasting(Box<dyn LastingMemory>),
    /// Lent to a read under way.
    Lent,
}

impl Buffer {
    fn bytes(&mut self) -> &mut [u8] {
        match self {
            Buffer::Own(bytes) => bytes,
            Buffer::Lasting(memory) => memory.bytes(),
            Buffer::Lent => &mut [],
        }
    }
}

/// Carries on until told to quit or the engine is gone.
pub(crate) fn run(mut port: Box<dyn PumpPort>, inbox: &Receiver<ToPump>, out: Sender<FromPump>) {
    let (hold, buffer, leftover) = match Hold::open(&mut *port, READ) {
        Some((hold, memory, leftover)) => (Some(hold), Buffer::Lasting(memory), leftover),
        None => (None, Buffer::Own(vec![0; READ]), Leftover::default()),
    };
    let port: Shared = Arc::new(Mutex::new(port));
    let carrier = Box::new(Outward { port: port.clone() });
    let mut pump = Loop {
        port,
        out,
        ways: BTreeMap::new(),
        due: BTreeSet::new(),
        desk: match &hold {
            Some(hold) => Desk::told(Zone::local(), carrier, Box::new(hold.clone())),
            None => Desk::new(Zone::local(), carrier),
        },
        buffer,
        hold,
        leftover: None,
        origin: Clock::now(),
        compression: Progress::Idle { until: None },
        spoke: false,
    };
    let mut events = Vec::new();
    if pump.recover(leftover, inbox) == Told::Quit {
        return;
    }
    loop {
        let until = pump.next_wake();
        if pump.wait(until, &mut events).is_err() {
            return;
        }
        match pump.hear(inbox) {
            Told::GoOn => {}
            Told::Quit => return pump.finish_all(),
            Told::Leave => {
                // What is dropped is closed, and services would write to nobody.
                std::mem::forget(pump);
                return;
            }
        }
        for event in events.drain(..) {
            match event {
                PumpEvent::Readable(stream) => drop(pump.read(stream)),
                PumpEvent::Woken => {}
            }
        }
        pump.on_time();
        pump.wake_engine();
    }
}

/// Whether to go on.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    GoOn,
    Quit,
    Leave,
}

/// What reading a stream once came to.
#[derive(Debug, PartialEq, Eq)]
enum ReadOnce {
    Some,
    Nothing,
    Ended,
}

impl Loop {
    fn with_port<R>(&self, act: impl FnOnce(&mut dyn PumpPort) -> R) -> R {
        let mut port = self
            .port
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        act(&mut **port)
    }

    fn now(&self) -> Now {
        let since = u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX);
        Now {
            instant: Instant::from_nanos(since),
            wall: Wall::from(SystemTime::now()),
        }
    }

    fn wait(
        &mut self,
        until: Option<std::time::Duration>,
        events: &mut Vec<PumpEvent>,
    ) -> io::Result<()> {
        self.with_port(|port| port.wait(until, events))
    }

    fn wake_engine(&mut self) {
        if std::mem::take(&mut self.spoke) {
            self.with_port(|port| port.wake_engine());
        }
    }

    fn say(&mut self, message: FromPump) {
        // An engine that is gone hears nothing, and its end is told by the inbox.
        let _gone = self.out.send(message);
        self.spoke = true;
    }

    /// How long nothing is to be done: for ever, if no stream has an appointment.
    fn next_wake(&mut self) -> Option<std::time::Duration> {
        let now = self.now();
        let compression = match self.compression {
            Progress::More => Some(now.instant),
            Progress::Idle { until } => until,
        };
        let first = self
            .due
            .first()
            .map(|(at, _)| *at)
            .into_iter()
            .chain(compression)
            .min()?;
        Some(first.since(now.instant))
    }

    /// Asks a stream anew when it has something to do.
    fn appoint(&mut self, id: StreamId, now: Now) {
        let Some(way) = self.ways.get_mut(&id) else {
            return;
        };
        let wakes = way.stream.wakes_at(now);
        if wakes == way.wakes {
            return;
        }
        if let Some(at) = std::mem::replace(&mut way.wakes, wakes) {
            self.due.remove(&(at, id));
        }
        if let Some(at) = wakes {
            self.due.insert((at, id));
        }
    }

    fn on_time(&mut self) {
        let now = self.now();
        while let Some((at, id)) = self.due.first().copied() {
            if at > now.instant {
                break;
            }
            self.due.remove(&(at, id));
            if let Some(way) = self.ways.get_mut(&id) {
                way.wakes = None;
                way.stream.on_time(now, &mut self.desk);
            }
            self.tell_facts(id);
            self.appoint_later(id, now);
        }
        let compresses = match self.compression {
            Progress::More => true,
            Progress::Idle { until } => until.is_some_and(|at| at <= now.instant),
        };
        if compresses {
            self.compression = self.desk.compress(COMPRESS, now);
        }
    }

    /// As `appoint`, but never for this very moment: what is still due is due again in the next turn.
    fn appoint_later(&mut self, id: StreamId, now: Now) {
        let Some(way) = self.ways.get_mut(&id) else {
            return;
        };
        let wakes = way
            .stream
            .wakes_at(now)
            .map(|at| at.max(now.instant + BREATH));
        way.wakes = wakes;
        if let Some(at) = wakes {
            self.due.insert((at, id));
        }
    }

    fn hear(&mut self, inbox: &Receiver<ToPump>) -> Told {
        loop {
            match inbox.try_recv() {
                Ok(message) => {
                    let told = self.told(message);
                    if told != Told::GoOn {
                        return told;
                    }
                }
                Err(TryRecvError::Empty) => return Told::GoOn,
                Err(TryRecvError::Disconnected) => return Told::Quit,
            }
        }
    }

    fn told(&mut self, message: ToPump) -> Told {
        match message {
            ToPump::Open { stream, settings } => {
                self.ways.insert(
                    stream,
                    Box::new(Way {
                        stream: Stream::new(settings),
                        watch: None,
                        pipe: None,
                        wakes: None,
                    }),
                );
                self.with_way(stream, |_, _, _| {});
            }
            ToPump::Found { stream } => self.found(stream),
            ToPump::Begin => self.leftover = None,
            ToPump::RunBegins { stream } => {
                self.with_way(stream, |way, now, desk| way.stream.begin(now, desk))
            }
            ToPump::RunEnded { stream } => {
                self.drain(stream);
                self.finish(stream);
            }
            ToPump::Watch {
                stream,
                run,
                pattern,
            } => self.watch(stream, run, &pattern),
            ToPump::Unwatch { stream } => {
                if let Some(way) = self.ways.get_mut(&stream) {
                    way.watch = None;
                }
            }
            ToPump::Rotate { stream } => {
                self.with_way(stream, |way, now, desk| way.stream.rotate_now(now, desk))
            }
            ToPump::Close { stream } => {
                self.drain(stream);
                self.finish(stream);
                let pipe = self.pipe_of(stream);
                if let (Some(hold), Some(pipe)) = (&self.hold, pipe) {
                    hold.forget(pipe);
                }
                self.with_port(|port| port.detach(stream));
                self.forget(stream);
            }
            ToPump::Quit => return Told::Quit,
            ToPump::Leave => return Told::Leave,
        }
        Told::GoOn
    }

    fn with_way(&mut self, id: StreamId, act: impl FnOnce(&mut Way, Now, &mut Desk)) {
        let now = self.now();
        if let Some(way) = self.ways.get_mut(&id) {
            act(way, now, &mut self.desk);
        }
        self.tell_facts(id);
        self.appoint(id, now);
    }

    fn watch(&mut self, stream: StreamId, run: RunId, pattern: &str) {
        match Regex::new(pattern) {
            Ok(pattern) => {
                if let Some(way) = self.ways.get_mut(&stream) {
                    way.watch = Some(Box::new(Watch {
                        run,
                        pattern,
                        begun: Vec::new(),
                    }));
                }
            }
            Err(why) => self.say(FromPump::BadPattern {
                stream,
                why: why.to_string(),
            }),
        }
    }

    /// One read of one stream: whoever writes more gets the next turn.
    fn read(&mut self, id: StreamId) -> ReadOnce {
        let mut lent = std::mem::replace(&mut self.buffer, Buffer::Lent);
        let outcome = match (self.hold.clone(), self.pipe_of(id)) {
            (Some(hold), Some(pipe)) => self.read_held(id, &hold, pipe, lent.bytes()),
            (None, _) | (_, None) => self.read_into(id, lent.bytes()),
        };
        self.buffer = lent;
        outcome
    }

    fn read_into(&mut self, id: StreamId, buffer: &mut [u8]) -> ReadOnce {
        let read = self.with_port(|port| port.read(id, buffer));
        match read {
            Ok(0) => {
                self.with_port(|port| port.detach(id));
                ReadOnce::Ended
            }
            Ok(count) => {
                self.take(id, &buffer[..count]);
                ReadOnce::Some
            }
            Err(_) => ReadOnce::Nothing,
        }
    }

    fn take(&mut self, id: StreamId, chunk: &[u8]) {
        let now = self.now();
        let Some(way) = self.ways.get_mut(&id) else {
            return;
        };
        way.stream.write(chunk, now, &mut self.desk);
        if let Some(watch) = way.watch.take_if(|watch| watch.sees(chunk)) {
            self.say(FromPump::Matched {
                stream: id,
                run: watch.run,
            });
        }
        self.tell_facts(id);
        self.appoint(id, now);
    }

    /// Takes what is in the pipe now, and no more than a pipe can hold: a flood does not hold the loop.
    fn drain(&mut self, id: StreamId) {
        for _ in 0..8 {
            if self.read(id) != ReadOnce::Some {
                break;
            }
        }
    }

    fn forget(&mut self, id: StreamId) {
        if let Some(at) = self.ways.remove(&id).and_then(|way| way.wakes) {
            self.due.remove(&(at, id));
        }
    }

    fn finish_all(&mut self) {
        let ids: Vec<_> = self.ways.keys().copied().collect();
        for id in ids {
            self.drain(id);
            self.finish(id);
        }
    }

    fn tell_facts(&mut self, stream: StreamId) {
        for fact in std::mem::take(&mut self.desk.facts) {
            if matches!(fact, Fact::Rotated { .. }) {
                self.compression = Progress::More;
            }
            if let Some(message) = message_of(stream, fact) {
                self.say(message);
            }
        }
    }
}

impl Watch {
    /// Whether a line that ends in this chunk is the one. A line begun in an earlier chunk counts whole.
    fn sees(&mut self, chunk: &[u8]) -> bool {
        for piece in chunk.split_inclusive(|byte| *byte == b'\n') {
            let room = WATCHED.saturating_sub(self.begun.len());
            self.begun
                .extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.ends_with(b"\n") {
                let line = self.begun.strip_suffix(b"\n").unwrap_or(&self.begun);
                if self.pattern.is_match(&String::from_utf8_lossy(line)) {
                    return true;
                }
                self.begun.clear();
            }
        }
        false
    }
}

fn message_of(stream: StreamId, fact: Fact) -> Option<FromPump> {
    let trouble = |loss: Loss, because| {
        Some(FromPump::Trouble {
            stream,
            dropped_lines: loss.lines,
            because,
        })
    };
    match fact {
        Fact::Rotated { file, .. } => Some(FromPump::Rotated {
            stream,
            file: file.display().to_string(),
        }),
        Fact::NotRotated { file, fault } => trouble(
            Loss::default(),
            format!(
                "`{}` cannot be rotated: {}; it goes on",
                file.display(),
                fault.meaning()
            ),
        ),
        Fact::Removed { .. } => None,
        Fact::Replaced { file } => trouble(
            Loss::default(),
            format!(
                "somebody replaced `{}`; a new file was begun",
                file.display()
            ),
        ),
        Fact::Dropping { fault, .. } => trouble(
            Loss::default(),
            format!(
                "its output cannot be stored and is dropped: {}",
                fault.meaning()
            ),
        ),
        Fact::StillDropping { loss } => Some(FromPump::Dropping {
            stream,
            lines: loss.lines,
        }),
        Fact::Recovered { loss, .. } => {
            let because = format!(
                "its output is stored again; {} lines ({} bytes) were lost",
                loss.lines, loss.bytes
            );
            trouble(loss, because)
        }
    }
}

/// Where lines go that are kept in no file.
struct Outward {
    port: Shared,
}

impl std::fmt::Debug for Outward {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Outward")
    }
}

impl Carrier for Outward {
    fn journal(&mut self, datagram: &[u8]) -> io::Result<()> {
        let mut port = self
            .port
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        port.send_datagram(JOURNAL, datagram)
    }

    fn inherit(&mut self, from: Origin, lines: &[u8]) -> io::Result<()> {
        match from {
            Origin::Stdout => io::stdout().lock().write_all(lines),
            Origin::Stderr => io::stderr().lock().write_all(lines),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watched_line_is_seen_however_it_is_cut() {
        let text = b"starting\nlistening on 8080\nready\n";
        for cut in 1..text.len() {
            let pattern = Regex::new("^listening on [0-9]+$").expect("compiles");
            let mut watch = Watch {
                run: RunId(1),
                pattern,
                begun: Vec::new(),
            };
            let seen = text.chunks(cut).filter(|chunk| watch.sees(chunk)).count();
            assert_eq!(seen, 1, "cut every {cut} bytes");
        }
    }

    #[test]
    fn a_line_not_yet_ended_is_not_judged() {
        let mut watch = Watch {
            run: RunId(1),
            pattern: Regex::new("ready").expect("compiles"),
            begun: Vec::new(),
        };
        assert!(!watch.sees(b"ready"));
        assert!(watch.sees(b"\n"));
    }
}
