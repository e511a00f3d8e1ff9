//! Locks of Go programs: which one a goroutine waits for, and who may hold it.
//!
//! Go's locks note no owner. But a function that has locked and not unlocked shows both: its code calls `Lock` before
//! the place it is at, and its frame still knows the lock, for it must unlock it. Neither proves it, so nothing here
//! is certain.

use std::collections::{BTreeMap, BTreeSet};

use super::functions::Function;
use super::layout::fixed;
use super::reader::{Raw, Reader};
use super::stacks::{Call, Chain, Piece};
use super::{Awaited, AwaitedKind, Clue, Goroutine, Holder, globals, reach};

/// The most locks whose holders are sought.
const MAX_LOCKS: usize = 256;
/// How long a chain of waiters for a condition may be.
const MAX_CHAIN: usize = 10_000;

/// What a function does to a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Lock,
    Unlock,
}

/// Which type a lock has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Mutex,
    ReadWrite,
}

/// A place in a function's code where it does so.
#[derive(Debug, Clone)]
struct Site {
    /// Its ranges of code: one for a call, several where it was inlined.
    ranges: Vec<(u64, u64)>,
    act: Act,
    family: Family,
}

impl Site {
    fn begin(&self) -> u64 {
        self.ranges.first().map_or(0, |(begin, _)| *begin)
    }

    fn holds(&self, address: u64) -> bool {
        self.ranges
            .iter()
            .any(|(begin, end)| (*begin..*end).contains(&address))
    }
}

/// Locks of which families a function holds at one of its places.
#[derive(Debug, Clone, Copy)]
struct Held {
    mutex: bool,
    read_write: bool,
}

impl Held {
    fn any(self) -> bool {
        self.mutex || self.read_write
    }

    fn of(self, family: Family) -> bool {
        match family {
            Family::Mutex => self.mutex,
            Family::ReadWrite => self.read_write,
        }
    }
}

/// What is held at the places that were looked at.
type Places = BTreeMap<u64, Held>;

/// A lock whose holders are sought, and the object it is in.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    lock: Awaited,
    begin: u64,
    end: u64,
    /// Whether it is no part of the heap.
    is_global: bool,
}

/// The lock that a semaphore belongs to, told by the functions that wait for it.
pub(crate) fn of_semaphore(semaphore: u64, chain: &Chain) -> Awaited {
    let mut names = chain.names().take(16);
    let at = |kind, before: u64| Awaited {
        kind,
        address: semaphore.wrapping_sub(before),
    };
    let Some(first) = names.find_map(kind_of) else {
        return at(AwaitedKind::Semaphore, 0);
    };
    match first {
        // A read-write lock has a mutex of its own, at its beginning, that writers take first.
        AwaitedKind::Mutex
            if names
                .next()
                .is_some_and(|name| name == "sync.(*RWMutex).Lock") =>
        {
            at(AwaitedKind::Write, 4)
        }
        AwaitedKind::Mutex => {
            let writes = names.take(2).any(|name| name == "sync.(*RWMutex).Lock");
            at(
                if writes {
                    AwaitedKind::Write
                } else {
                    AwaitedKind::Mutex
                },
                4,
            )
        }
        AwaitedKind::Write => at(AwaitedKind::Write, 8),
        AwaitedKind::Read => at(AwaitedKind::Read, 12),
        AwaitedKind::WaitGroup => at(AwaitedKind::WaitGroup, 8),
        AwaitedKind::Receive
        | AwaitedKind::Send
        | AwaitedKind::Channel
        | AwaitedKind::Cond
        | AwaitedKind::Semaphore
        | AwaitedKind::Descriptor => at(AwaitedKind::Semaphore, 0),
    }
}

fn kind_of(function: &str) -> Option<AwaitedKind> {
    Some(match function {
        "sync.(*Mutex).lockSlow"
        | "sync.(*Mutex).Lock"
        | "internal/sync.(*Mutex).lockSlow"
        | "internal/sync.(*Mutex).Lock" => AwaitedKind::Mutex,
        "sync.(*RWMutex).Lock" => AwaitedKind::Write,
        "sync.(*RWMutex).RLock" => AwaitedKind::Read,
        "sync.(*WaitGroup).Wait" => AwaitedKind::WaitGroup,
        _ => return None,
    })
}

/// What a method of a lock does, and whether it is one of a read-write lock.
fn act_of(function: &str) -> Option<(Act, Family)> {
    let name = function
        .strip_prefix("internal/")
        .unwrap_or(function)
        .strip_prefix("sync.(*")?;
    let (family, method) = match name.strip_prefix("RW") {
        Some(rest) => (Family::ReadWrite, rest.strip_prefix("Mutex).")?),
        None => (Family::Mutex, name.strip_prefix("Mutex).")?),
    };
    Some(match method {
        "Lock" | "RLock" => (Act::Lock, family),
        "Unlock" | "RUnlock" => (Act::Unlock, family),
        _ => return None,
    })
}

/// The condition a goroutine waits for: known to the frame of `Wait`, with the goroutine among its waiters.
pub(crate) fn cond(reader: &mut Reader<'_>, raw: &Raw) -> Option<u64> {
    let calls = raw.chain.calls(reader.arch, raw.stack.start);
    let is_wait = |call: &&Call| {
        let mut frames = call.spot.frames.iter();
        frames.any(|frame| &*frame.function == "sync.(*Cond).Wait")
    };
    let call = calls.iter().find(is_wait)?;
    let words: BTreeSet<u64> = raw
        .stack
        .words(call.sp, call.end + call.spot.function.arguments)
        .collect();
    words.into_iter().find(|word| {
        let mut waiter = reader
            .window
            .u64(word.wrapping_add(fixed::COND_WAITERS))
            .unwrap_or(0);
        for _ in 0..MAX_CHAIN {
            if waiter == 0 {
                break;
            }
            match reader.window.u64(waiter.wrapping_add(fixed::WAITER_G)) {
                Some(g) if g == raw.g => return true,
                Some(_) => {}
                None => break,
            }
            waiter = reader
                .window
                .u64(waiter.wrapping_add(fixed::WAITER_NEXT))
                .unwrap_or(0);
        }
        false
    })
}

/// Who may hold the locks that are waited for; for each lock those with the strongest clue.
pub(crate) fn holders(
    reader: &mut Reader<'_>,
    raws: &[Raw],
    goroutines: &[Goroutine],
) -> Vec<Holder> {
    let wanted = wanted(reader, raws, goroutines);
    if wanted.is_empty() {
        return Vec::new();
    }
    let mut places = Places::new();
    let mut found: Vec<(Holder, bool)> = Vec::new();
    for (raw, goroutine) in raws.iter().zip(goroutines) {
        // Most stacks have no function that locks, and need not be looked at.
        let locks = raw
            .chain
            .places()
            .map(|(pc, spot)| held_at(reader, pc, &spot.function, &mut places));
        if !locks.fold(false, |any, held| any | held.any()) {
            continue;
        }
        let piece = reader.piece(raw);
        for call in raw.chain.calls(reader.arch, raw.stack.start) {
            let held = held_at(reader, call.pc, &call.spot.function, &mut places);
            if !held.any() {
                continue;
            }
            for (lock, clue) in known_locks(reader, &piece, &call, &wanted) {
                if !held.of(family_of(lock.kind)) {
                    continue;
                }
                let mut awaited = goroutine.waits_for.iter();
                let waits = awaited.any(|awaited| awaited.address == lock.address);
                let function = call.spot.frames.last().map(|frame| frame.function.clone());
                let function = function.unwrap_or_default();
                found.push((
                    Holder {
                        lock,
                        goroutine: goroutine.id,
                        function,
                        clue,
                    },
                    waits,
                ));
            }
        }
    }
    strongest(found)
}

fn family_of(kind: AwaitedKind) -> Family {
    if kind == AwaitedKind::Mutex {
        Family::Mutex
    } else {
        Family::ReadWrite
    }
}

/// The locks that are waited for.
fn wanted(reader: &mut Reader<'_>, raws: &[Raw], goroutines: &[Goroutine]) -> Vec<Wanted> {
    let mut wanted = BTreeMap::new();
    for awaited in goroutines.iter().flat_map(|goroutine| &goroutine.waits_for) {
        let is_lock = matches!(
            awaited.kind,
            AwaitedKind::Mutex | AwaitedKind::Write | AwaitedKind::Read
        );
        if !is_lock || wanted.len() >= MAX_LOCKS || wanted.contains_key(&awaited.address) {
            continue;
        }
        let arenas = reader.heap(raws);
        let object = arenas.and_then(|arenas| reach::object(reader, arenas, awaited.address));
        let (begin, size) = object.unwrap_or((awaited.address, 1));
        let is_global = object.is_none();
        let lock = *awaited;
        wanted.insert(
            lock.address,
            Wanted {
                lock,
                begin,
                end: begin + size,
                is_global,
            },
        );
    }
    let mut wanted: Vec<Wanted> = wanted.into_values().collect();
    wanted.sort_by_key(|wanted| (wanted.begin, wanted.lock));
    wanted
}

/// For each lock the holders with the best clue; one that waits for it itself only if there is no other.
fn strongest(mut found: Vec<(Holder, bool)>) -> Vec<Holder> {
    found.sort_by_key(|(holder, waits)| {
        (holder.lock.address, *waits, holder.clue, holder.goroutine)
    });
    let mut best: BTreeMap<u64, (bool, Clue)> = BTreeMap::new();
    found.retain(|(holder, waits)| {
        *best
            .entry(holder.lock.address)
            .or_insert((*waits, holder.clue))
            == (*waits, holder.clue)
    });
    let mut holders: Vec<Holder> = found.into_iter().map(|(holder, _)| holder).collect();
    holders.dedup_by_key(|holder| (holder.lock.address, holder.goroutine));
    holders
}

/// The wanted locks a frame knows: by their address, or by that of the object they are in.
fn known_locks(
    reader: &mut Reader<'_>,
    piece: &Piece,
    call: &Call,
    wanted: &[Wanted],
) -> Vec<(Awaited, Clue)> {
    let mut known: BTreeMap<Awaited, Clue> = BTreeMap::new();
    // Arguments that came in registers are kept behind the frame.
    for word in piece.words(call.sp, call.end + call.spot.function.arguments) {
        // In order of the objects they are in; several may be in one.
        let after = wanted.partition_point(|wanted| wanted.begin <= word);
        for wanted in wanted[..after]
            .iter()
            .rev()
            .take_while(|wanted| word < wanted.end)
        {
            if word == wanted.lock.address {
                known.insert(wanted.lock, Clue::Locked);
            } else {
                known.entry(wanted.lock).or_insert(Clue::LockedNearby);
            }
        }
    }
    // A lock that is a global is not on the stack: the code refers to it.
    if wanted.iter().any(|wanted| wanted.is_global) {
        let start = call.spot.function.start;
        let referred = globals::referred_by(reader.arch, &mut reader.window, start, call.pc);
        for wanted in wanted.iter().filter(|wanted| wanted.is_global) {
            if referred.contains(&wanted.lock.address) {
                known.insert(wanted.lock, Clue::Locked);
            }
        }
    }
    known.into_iter().collect()
}

/// What a function has locked before the place it is at, and not unlocked.
fn held_at(reader: &mut Reader<'_>, pc: u64, function: &Function, places: &mut Places) -> Held {
    if let Some(known) = places.get(&pc) {
        return *known;
    }
    let sites = sites(reader, function);
    // What waits inside an inlined call stands at the function's end, but belongs to where that call is.
    let within = sites
        .iter()
        .find(|site| site.holds(pc - 1))
        .map(Site::begin);
    let at = within.unwrap_or(pc);
    let mut count = |family| {
        let mut count = 0_u32;
        for site in sites
            .iter()
            .filter(|site| site.family == family && site.begin() < at)
        {
            match site.act {
                Act::Lock => count += 1,
                // An unlock right before a return is on another way out than the one the frame is on.
                Act::Unlock if returns_soon(reader, site.begin(), at) => {}
                Act::Unlock => count = count.saturating_sub(1),
            }
        }
        count > 0
    };
    let held = Held {
        mutex: count(Family::Mutex),
        read_write: count(Family::ReadWrite),
    };
    places.insert(pc, held);
    held
}

/// Whether the code from `begin` on leaves the function before `upto` without further calls.
fn returns_soon(reader: &mut Reader<'_>, begin: u64, upto: u64) -> bool {
    let length = upto.saturating_sub(begin).min(48) as usize;
    let Some(code) = reader.window.bytes(begin, length) else {
        return false;
    };
    // pop rbp; ret
    let returns = code.windows(2).position(|pair| pair == [0x5d, 0xc3]);
    let calls = code.iter().position(|byte| *byte == 0xe8);
    returns.is_some_and(|returns| calls.is_none_or(|calls| calls > returns))
}

/// Where a function locks and unlocks: by calls, and where those were inlined.
fn sites(reader: &mut Reader<'_>, function: &Function) -> Vec<Site> {
    let mut sites = Vec::new();
    let is_wanted = |name: &str| act_of(name).is_some();
    for call in reader
        .functions
        .inlined_calls(&mut reader.window, function, &is_wanted)
    {
        if let Some((act, family)) = act_of(&call.name) {
            sites.push(Site {
                ranges: call.ranges,
                act,
                family,
            });
        }
    }
    let calls = globals::calls_of(
        reader.arch,
        &mut reader.window,
        function.start,
        function.end,
    );
    for (next, target) in calls {
        let is_inlined = sites.iter().any(|site: &Site| site.holds(next - 1));
        let called = reader
            .functions
            .spot(&mut reader.window, target.wrapping_add(1));
        let called = called.filter(|spot| spot.function.start == target && !is_inlined);
        let name = called.and_then(|spot| spot.frames.last().map(|frame| frame.function.clone()));
        if let Some((act, family)) = name.as_deref().and_then(act_of) {
            sites.push(Site {
                ranges: vec![(next - 4, next)],
                act,
                family,
            });
        }
    }
    sites.sort_by_key(Site::begin);
    sites
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_of_locks_are_told_from_others() {
        assert_eq!(
            act_of("sync.(*Mutex).Lock"),
            Some((Act::Lock, Family::Mutex))
        );
        assert_eq!(
            act_of("internal/sync.(*Mutex).Unlock"),
            Some((Act::Unlock, Family::Mutex))
        );
        assert_eq!(
            act_of("sync.(*RWMutex).RUnlock"),
            Some((Act::Unlock, Family::ReadWrite))
        );
        assert_eq!(act_of("sync.(*Mutex).lockSlow"), None);
        assert_eq!(act_of("main.(*Mutex).Lock"), None);
    }

    #[test]
    fn the_strongest_clue_wins_and_a_waiter_is_the_last_to_be_named() {
        let holder = |goroutine, clue| Holder {
            lock: Awaited {
                kind: AwaitedKind::Mutex,
                address: 8,
            },
            goroutine,
            function: "main.work".into(),
            clue,
        };
        let found = vec![
            (holder(1, Clue::Locked), true),
            (holder(2, Clue::LockedNearby), false),
            (holder(3, Clue::Locked), false),
        ];
        assert_eq!(strongest(found.clone()), [holder(3, Clue::Locked)]);
        assert_eq!(strongest(found[..1].to_vec()), [holder(1, Clue::Locked)]);
    }
}
