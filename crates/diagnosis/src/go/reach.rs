//! Which goroutines nothing can ever wake.
//!
//! Only what knows a channel or a lock can wake those who wait for it. So the heap is searched as a garbage collector
//! would, from the globals and from the stacks of goroutines that may run; a goroutine whose channel is found may run,
//! too, and the search goes on from its stack. Who is left waits for something nobody can reach. The search is
//! conservative: any word that could be an address is taken for one, which errs towards "can be woken".

use std::collections::{HashMap, HashSet};

use super::heap::{self, Span};
use super::reader::{Raw, Reader};
use super::{AwaitedKind, GoState, Goroutine, Waking};

/// The runtime's words for `select {}`.
const PARKED: &str = "select (no cases)";
const PAGE: u64 = 8192;
/// Objects are read in pieces of this size.
const CHUNK: u64 = 64 << 10;
/// Pieces smaller than this are read through the window.
const SMALL: u64 = 4 << 10;

/// Judges every waiting goroutine; reads at most `limit` bytes of the heap.
pub(crate) fn judge(
    reader: &mut Reader<'_>,
    raws: &[Raw],
    goroutines: &mut [Goroutine],
    limit: u64,
) {
    if !goroutines.iter().any(is_held_inside) {
        goroutines
            .iter_mut()
            .for_each(|goroutine| goroutine.waking = Waking::Possible);
        return;
    }
    let Some(arenas) = reader.heap(raws) else {
        reader
            .unseen
            .push("which goroutines can never wake: the heap was not found".to_owned());
        return;
    };
    let mut search = Search {
        arenas,
        left: limit,
        marked: HashSet::new(),
        skipped: skipped(reader, raws),
        spans: HashMap::new(),
        open: Vec::new(),
    };
    for (begin, end) in [(208, 216), (224, 232)] {
        let module = reader.program.module;
        let range = (
            reader.window.u64(module + begin),
            reader.window.u64(module + end),
        );
        if let (Some(begin), Some(end)) = range {
            search.scan(reader, begin, end);
        }
    }
    let mut alive: Vec<bool> = goroutines
        .iter()
        .map(|goroutine| !is_held_inside(goroutine))
        .collect();
    let mut new: Vec<usize> = (0..alive.len()).filter(|index| alive[*index]).collect();
    while !new.is_empty() {
        for index in new.drain(..) {
            search.scan_goroutine(reader, &raws[index]);
        }
        search.run(reader);
        for index in 0..alive.len() {
            let reaches = |search: &mut Search, reader: &mut Reader<'_>| {
                let mut awaited = goroutines[index].waits_for.iter();
                awaited
                    .any(|awaited| awaited.address != 0 && search.is_known(reader, awaited.address))
            };
            if !alive[index] && reaches(&mut search, reader) {
                alive[index] = true;
                new.push(index);
            }
        }
    }
    let is_whole = search.left > 0;
    if !is_whole {
        reader.unseen.push(
            "which goroutines can never wake: the heap is larger than what was searched".to_owned(),
        );
    }
    for (goroutine, alive) in goroutines.iter_mut().zip(alive) {
        let waits_for_nothing = goroutine
            .waits_for
            .iter()
            .all(|awaited| awaited.address == 0);
        goroutine.waking = match alive {
            true => Waking::Possible,
            false if &*goroutine.reason == PARKED => Waking::Parked,
            false if is_whole || waits_for_nothing => Waking::Never,
            false => Waking::Unknown,
        };
    }
}

/// Whether a goroutine waits for something only other goroutines can give, and that was found.
fn is_held_inside(goroutine: &Goroutine) -> bool {
    if goroutine.state != GoState::Waiting || goroutine.is_system {
        return false;
    }
    let is_inside = |kind: AwaitedKind| match kind {
        AwaitedKind::Receive
        | AwaitedKind::Send
        | AwaitedKind::Channel
        | AwaitedKind::Mutex
        | AwaitedKind::Write
        | AwaitedKind::Read
        | AwaitedKind::WaitGroup
        | AwaitedKind::Cond
        | AwaitedKind::Semaphore => true,
        AwaitedKind::Descriptor => false,
    };
    let waits_for = &goroutine.waits_for;
    &*goroutine.reason == PARKED
        || !waits_for.is_empty() && waits_for.iter().all(|awaited| is_inside(awaited.kind))
}

/// Records that know channels without being able to wake anybody: goroutines and their places in queues.
fn skipped(reader: &mut Reader<'_>, raws: &[Raw]) -> HashSet<u64> {
    let mut skipped: HashSet<u64> = raws.iter().map(|raw| raw.g).collect();
    // The runtime's table of waiters knows all locks that are waited for, but wakes nobody by itself.
    skipped.extend(reader.waiters.values().map(|waiter| waiter.record));
    for raw in raws {
        let mut waiter = reader
            .window
            .u64(raw.g.wrapping_add(reader.layout.g.waiting))
            .unwrap_or(0);
        while waiter != 0 && skipped.insert(waiter) {
            waiter = reader
                .window
                .u64(waiter.wrapping_add(reader.layout.waiter_link))
                .unwrap_or(0);
        }
    }
    skipped
}

struct Search {
    arenas: u64,
    /// Bytes that may still be read.
    left: u64,
    /// Objects found, by where they begin.
    marked: HashSet<u64>,
    skipped: HashSet<u64>,
    /// The span of each page that was asked for.
    spans: HashMap<u64, Option<Span>>,
    /// Objects found but not looked into: begin and end.
    open: Vec<(u64, u64)>,
}

impl Search {
    /// Marks what the goroutine's stack and its deferred calls refer to.
    fn scan_goroutine(&mut self, reader: &mut Reader<'_>, raw: &Raw) {
        if raw.stack.bytes.is_empty() {
            // Where the stack ends is not known of one that runs; then all of it counts.
            let start = if raw.stack.start == 0 {
                raw.low
            } else {
                raw.stack.start
            };
            self.scan(reader, start, raw.high);
        } else {
            self.left = self.left.saturating_sub(raw.stack.bytes.len() as u64);
            self.mark_words(reader, &raw.stack.bytes);
            self.scan(
                reader,
                raw.stack.start + raw.stack.bytes.len() as u64,
                raw.high,
            );
        }
        self.mark(reader, raw.defers);
        self.run(reader);
    }

    fn run(&mut self, reader: &mut Reader<'_>) {
        while let Some((begin, end)) = self.open.pop() {
            self.scan(reader, begin, end);
        }
    }

    /// Marks all that the words from `begin` to `end` may refer to.
    fn scan(&mut self, reader: &mut Reader<'_>, begin: u64, end: u64) {
        let mut at = begin;
        let mut bytes = Vec::new();
        while at < end && self.left > 0 {
            let count = (end - at).min(CHUNK);
            self.left = self.left.saturating_sub(count);
            bytes.resize(count as usize, 0);
            // Small pieces lie together; large ones would push everything out of the window.
            let is_read = match count {
                ..SMALL => reader.window.read(at, &mut bytes).is_ok(),
                _ => reader.window.memory().read(at, &mut bytes).is_ok(),
            };
            if is_read {
                self.mark_words(reader, &bytes);
            }
            at += count;
        }
    }

    fn mark_words(&mut self, reader: &mut Reader<'_>, bytes: &[u8]) {
        for word in bytes.chunks_exact(8) {
            let word = word
                .first_chunk()
                .map_or(0, |word| u64::from_le_bytes(*word));
            // Small numbers, the kernel's half and code are no addresses of the heap.
            if (1 << 20..1 << 47).contains(&word) && !reader.functions.is_code(word) {
                self.mark(reader, word);
            }
        }
    }

    fn mark(&mut self, reader: &mut Reader<'_>, address: u64) {
        let Some(span) = self.span(reader, address).filter(|span| span.is_heap) else {
            return;
        };
        let Some(object) = span.object(address) else {
            return;
        };
        if self.skipped.contains(&object) || !self.marked.insert(object) || !span.has_pointers {
            return;
        }
        self.open
            .push((object, (object + span.element).min(span.end)));
    }

    /// Whether the object at `address` was reached. What is not in the heap is a global, which everybody knows.
    fn is_known(&mut self, reader: &mut Reader<'_>, address: u64) -> bool {
        match self
            .span(reader, address)
            .filter(|span| span.is_heap)
            .and_then(|span| span.object(address))
        {
            Some(object) => self.marked.contains(&object),
            None => true,
        }
    }

    fn span(&mut self, reader: &mut Reader<'_>, address: u64) -> Option<Span> {
        let page = address / PAGE;
        if let Some(known) = self.spans.get(&page) {
            return *known;
        }
        let span = heap::span_of(&mut reader.window, &reader.layout, self.arenas, address);
        self.spans.insert(page, span);
        span
    }
}

/// The object in the heap around `address`: where it begins and how large it is.
pub(crate) fn object(reader: &mut Reader<'_>, arenas: u64, address: u64) -> Option<(u64, u64)> {
    let span = heap::span_of(&mut reader.window, &reader.layout, arenas, address)?;
    let object = span.object(address).filter(|_| span.is_heap)?;
    Some((object, span.element))
}
