//! What the pump has in hand, in memory that outlives the engine: so that a line that was read is written, and once.
//!
//! Between reading a pipe and writing a file an engine may die. So a chunk is read into lasting memory; before files are
//! touched it is noted how they were; and afterwards the beginning of a line that was left is noted, in one store with
//! the word that nothing is in hand any more. Whoever comes next undoes what was half done and does it again.
//!
//! Whether a read took place is seen from the memory itself: it begins with bytes nobody can foresee, and is asked for
//! as much as the pipe is known to hold.

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use aplomb_logs::{Ledger, Step};
use aplomb_platform::{Lasting, LastingMemory, PumpPort};

/// Room for the notes of one chunk.
const STEPS: usize = 16 << 10;
/// Two halves for beginnings of lines, of which one counts.
const HALF: usize = 8 << 20;
/// A half with this much in it that counts no more is left for the other.
const STALE: usize = 256 << 10;
/// The state, the pipe, how much was asked for, how much is noted of steps, the mark.
const HEADER: usize = 64;
const LENGTH: usize = HEADER + STEPS + 2 * HALF;
const MARK: usize = 16;

/// What is in hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Nothing,
    Chunk,
}

/// The notes; the chunk itself is the pump's buffer.
#[derive(Debug, Clone)]
pub(crate) struct Hold {
    notes: Arc<Mutex<Notes>>,
}

#[derive(Debug)]
struct Notes {
    memory: Box<dyn LastingMemory>,
    /// How long the beginning of each pipe's line is, where there is one.
    begun: BTreeMap<u64, usize>,
    half: usize,
    end: usize,
    state: State,
    chance: RandomState,
    drawn: u64,
}

/// What an engine before us had in hand when it died.
#[derive(Debug, Default)]
pub(crate) struct Leftover {
    /// Beginnings of lines, by pipe.
    pub begun: BTreeMap<u64, Vec<u8>>,
    /// What was read last, from which pipe, and may be half written.
    pub chunk: Option<(u64, Vec<u8>, Vec<Step>)>,
}

impl Hold {
    /// Both pieces of memory, if there are such, and what was left in them.
    pub(crate) fn open(
        port: &mut dyn PumpPort,
        chunk: usize,
    ) -> Option<(Hold, Box<dyn LastingMemory>, Leftover)> {
        let memory = port.lasting(Lasting::Notes, LENGTH)?;
        let mut buffer = port.lasting(Lasting::Chunk, chunk)?;
        let mut notes = Notes {
            memory,
            begun: BTreeMap::new(),
            half: 0,
            end: 0,
            state: State::Nothing,
            chance: RandomState::new(),
            drawn: 0,
        };
        let leftover = notes.leftover(buffer.bytes());
        let hold = Hold {
            notes: Arc::new(Mutex::new(notes)),
        };
        Some((hold, buffer, leftover))
    }

    fn with<R>(&self, act: impl FnOnce(&mut Notes) -> R) -> R {
        act(&mut self.notes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A chunk of this length is about to be read from this pipe into the buffer; zero: something else is about to be
    /// done to what it has written.
    pub(crate) fn take(&self, pipe: u64, asked: usize, buffer: &mut [u8]) {
        self.with(|notes| notes.take(pipe, asked, buffer));
    }

    /// Nothing came.
    pub(crate) fn drop_it(&self) {
        self.with(|notes| notes.store(State::Nothing));
    }

    /// What the chunk in hand had done to files is undone.
    pub(crate) fn undone(&self) {
        self.with(|notes| notes.set_number(24, 0));
    }

    /// All of it is written but this beginning of a line.
    pub(crate) fn written(&self, pipe: u64, chunk: &[u8], begun: &[u8]) {
        self.with(|notes| notes.written(pipe, chunk, begun));
    }

    /// The pipe is no more.
    pub(crate) fn forget(&self, pipe: u64) {
        self.with(|notes| {
            if notes.begun.contains_key(&pipe) {
                notes.note_begun(pipe, &[], false);
                notes.store(notes.state);
            }
        });
    }
}

/// As the ledger of the log files.
impl Ledger for Hold {
    fn before(&mut self, step: &Step) {
        self.with(|notes| notes.note_step(step));
    }
}

impl Notes {
    // ---- the one word ----

    fn store(&mut self, state: State) {
        self.state = state;
        let bit = u64::from(state == State::Chunk);
        let word = (self.end as u64) << 8 | (self.half as u64) << 1 | bit;
        self.memory.word().store(word, Ordering::SeqCst);
    }

    fn load(&mut self) {
        let word = self.memory.word().load(Ordering::SeqCst);
        self.state = if word & 1 == 1 {
            State::Chunk
        } else {
            State::Nothing
        };
        self.half = usize::from(word >> 1 & 1 == 1);
        self.end = usize::try_from(word >> 8).unwrap_or(0).min(HALF);
    }

    fn number(&mut self, at: usize) -> u64 {
        let mut word = [0; 8];
        word.copy_from_slice(&self.memory.bytes()[at..at + 8]);
        u64::from_le_bytes(word)
    }

    fn set_number(&mut self, at: usize, value: u64) {
        self.memory.bytes()[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }

    // ---- a chunk ----

    fn take(&mut self, pipe: u64, asked: usize, buffer: &mut [u8]) {
        let mark = self.draw();
        self.set_number(8, pipe);
        self.set_number(16, asked as u64);
        self.set_number(24, 0);
        self.memory.bytes()[32..32 + MARK].copy_from_slice(&mark);
        let most = asked.min(MARK).min(buffer.len());
        buffer[..most].copy_from_slice(&mark[..most]);
        self.store(State::Chunk);
    }

    /// Bytes no program can have written on purpose.
    fn draw(&mut self) -> [u8; MARK] {
        let mut mark = [0; MARK];
        for half in mark.chunks_exact_mut(8) {
            self.drawn += 1;
            let mut hasher = self.chance.build_hasher();
            hasher.write_u64(self.drawn);
            half.copy_from_slice(&hasher.finish().to_le_bytes());
        }
        mark
    }

    fn written(&mut self, pipe: u64, chunk: &[u8], begun: &[u8]) {
        let before = self.begun.get(&pipe).copied().unwrap_or(0);
        let goes_on = before > 0 && begun.len() == before + chunk.len();
        if goes_on {
            self.note_begun(pipe, chunk, true);
        } else if !(before == 0 && begun.is_empty()) {
            self.note_begun(pipe, begun, false);
        }
        self.store(State::Nothing);
    }

    // ---- steps ----

    fn note_step(&mut self, step: &Step) {
        if self.state != State::Chunk {
            return;
        }
        let used = usize::try_from(self.number(24)).unwrap_or(STEPS);
        let words = encode_step(step);
        if used + words.len() > STEPS || self.knows(step, used) {
            // More than a chunk can do; what cannot be undone is written twice.
            return;
        }
        let at = HEADER + used;
        self.memory.bytes()[at..at + words.len()].copy_from_slice(&words);
        std::sync::atomic::compiler_fence(Ordering::SeqCst);
        self.set_number(24, (used + words.len()) as u64);
        std::sync::atomic::compiler_fence(Ordering::SeqCst);
    }

    /// Whether the last step noted was on the same file: from where it grows first is all that matters.
    fn knows(&mut self, step: &Step, used: usize) -> bool {
        let Step::Grows { path, identity, .. } = step else {
            return false;
        };
        let steps = decode_steps(&self.memory.bytes()[HEADER..HEADER + used]);
        matches!(steps.last(), Some(Step::Grows { path: known, identity: same, .. }) if known == path && same == identity)
    }

    // ---- beginnings of lines ----

    fn note_begun(&mut self, pipe: u64, bytes: &[u8], goes_on: bool) {
        let needed = 16 + bytes.len();
        let live: usize = self.begun.values().map(|length| 16 + length).sum();
        let stale = self.end.saturating_sub(live);
        if (stale > STALE && stale > live) || self.end + needed > HALF {
            self.change_half();
        }
        if self.end + needed <= HALF {
            let at = self.half_at(self.half) + self.end;
            self.set_number(at, pipe);
            self.set_number(at + 8, (bytes.len() as u64) << 1 | u64::from(goes_on));
            self.memory.bytes()[at + 16..at + needed].copy_from_slice(bytes);
            self.end += needed;
        }
        let length = if goes_on {
            self.begun.get(&pipe).copied().unwrap_or(0) + bytes.len()
        } else {
            bytes.len()
        };
        if length == 0 {
            self.begun.remove(&pipe);
        } else {
            self.begun.insert(pipe, length);
        }
    }

    fn half_at(&self, half: usize) -> usize {
        HEADER + STEPS + half * HALF
    }

    /// Writes what still counts into the other half. Nobody reads that before the word says so.
    fn change_half(&mut self) {
        let live = self.read_begun();
        self.half = 1 - self.half;
        self.end = 0;
        for (pipe, bytes) in live {
            let needed = 16 + bytes.len();
            if self.end + needed > HALF {
                break;
            }
            let at = self.half_at(self.half) + self.end;
            self.set_number(at, pipe);
            self.set_number(at + 8, (bytes.len() as u64) << 1);
            self.memory.bytes()[at + 16..at + needed].copy_from_slice(&bytes);
            self.end += needed;
        }
    }

    fn read_begun(&mut self) -> BTreeMap<u64, Vec<u8>> {
        let start = self.half_at(self.half);
        let mut begun: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
        let mut at = 0;
        while at + 16 <= self.end {
            let pipe = self.number(start + at);
            let word = self.number(start + at + 8);
            let length = usize::try_from(word >> 1).unwrap_or(usize::MAX);
            let Some(next) = (at + 16)
                .checked_add(length)
                .filter(|next| *next <= self.end)
            else {
                break;
            };
            let bytes = &self.memory.bytes()[start + at + 16..start + next];
            let known = begun.entry(pipe).or_default();
            if word & 1 == 0 {
                known.clear();
            }
            known.extend_from_slice(bytes);
            at = next;
        }
        begun.retain(|_, bytes| !bytes.is_empty());
        begun
    }

    // ---- after a death ----

    fn leftover(&mut self, buffer: &mut [u8]) -> Leftover {
        self.load();
        let begun = self.read_begun();
        self.begun = begun
            .iter()
            .map(|(pipe, bytes)| (*pipe, bytes.len()))
            .collect();
        let chunk = (self.state == State::Chunk).then(|| self.chunk_left(buffer));
        Leftover {
            begun,
            chunk: chunk.flatten(),
        }
    }

    fn chunk_left(&mut self, buffer: &mut [u8]) -> Option<(u64, Vec<u8>, Vec<Step>)> {
        let pipe = self.number(8);
        let asked = usize::try_from(self.number(16)).ok()?.min(buffer.len());
        let used = usize::try_from(self.number(24)).ok()?.min(STEPS);
        let most = asked.min(MARK);
        let untouched = most > 0 && buffer[..most] == self.memory.bytes()[32..32 + most];
        if untouched {
            return None;
        }
        let steps = decode_steps(&self.memory.bytes()[HEADER..HEADER + used]);
        Some((pipe, buffer[..asked].to_vec(), steps))
    }
}

// ---- steps as bytes: a letter, two numbers, two lengths, two paths ----

fn encode_step(step: &Step) -> Vec<u8> {
    let (letter, identity, from, paths) = match step {
        Step::Grows {
            path,
            identity,
            from,
        } => (b'g', *identity, *from, [Some(path), None]),
        Step::Renamed { from, to } => (b'r', 0, 0, [Some(from), Some(to)]),
    };
    let mut words = vec![letter];
    words.extend(identity.to_le_bytes());
    words.extend(from.to_le_bytes());
    let texts = paths.map(|path| {
        path.map(|path| path.as_os_str().as_encoded_bytes())
            .unwrap_or_default()
    });
    for text in texts {
        words.extend((text.len() as u16).to_le_bytes());
    }
    for text in texts {
        words.extend(text);
    }
    words
}

fn decode_steps(bytes: &[u8]) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = bytes;
    while let Some((step, next)) = decode_step(rest) {
        steps.push(step);
        rest = next;
    }
    steps
}

fn decode_step(bytes: &[u8]) -> Option<(Step, &[u8])> {
    let (letter, rest) = bytes.split_first()?;
    let (identity, rest) = rest.split_first_chunk::<8>()?;
    let (from, rest) = rest.split_first_chunk::<8>()?;
    let (first, rest) = rest.split_first_chunk::<2>()?;
    let (second, rest) = rest.split_first_chunk::<2>()?;
    let (one, rest) = rest.split_at_checked(u16::from_le_bytes(*first).into())?;
    let (other, rest) = rest.split_at_checked(u16::from_le_bytes(*second).into())?;
    let path = |text: &[u8]| PathBuf::from(String::from_utf8_lossy(text).into_owned());
    let step = match letter {
        b'g' => Step::Grows {
            path: path(one),
            identity: u64::from_le_bytes(*identity),
            from: u64::from_le_bytes(*from),
        },
        b'r' => Step::Renamed {
            from: path(one),
            to: path(other),
        },
        _ => return None,
    };
    Some((step, rest))
}

#[cfg(test)]
mod tests;
