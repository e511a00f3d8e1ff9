//! Reads goroutine after goroutine: its record, its stack, and what it waits for.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use super::functions::{Functions, Spot};
use super::globals;
use super::layout::{self, Layout, fixed};
use super::program::Program;
use super::window::Window;
use super::{
    Awaited, AwaitedKind, GoBudget, GoError, GoFrame, GoState, GoView, Goroutine, Waking, locks,
    reach,
};
use crate::stack::Arch;
use crate::{Mapping, Memory};

/// The most frames of one goroutine, inlined ones not counted.
const MAX_FRAMES: usize = 256;
/// The most that is copied of one goroutine's stack.
const MAX_STACK: u64 = 64 << 10;
/// How much of a stack is read first; most are no larger.
const FIRST: u64 = 2 << 10;
/// The most things one `select` waits for.
const MAX_AWAITED: usize = 1024;
/// The most waiters for semaphores.
const MAX_WAITERS: usize = 1 << 20;
/// How often a goroutine that changes while it is read is read again.
const TRIES: usize = 3;

/// A goroutine while it is examined.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) g: u64,
    pub(crate) status: u32,
    /// Where its stack begins and ends.
    pub(crate) low: u64,
    pub(crate) high: u64,
    pub(crate) stack: Piece,
    pub(crate) calls: Vec<Call>,
    pub(crate) defers: u64,
}

/// The used part of a stack.
#[derive(Debug, Default)]
pub(crate) struct Piece {
    pub(crate) start: u64,
    pub(crate) bytes: Vec<u8>,
}

/// One physical frame.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) pc: u64,
    pub(crate) sp: u64,
    pub(crate) end: u64,
    pub(crate) spot: Rc<Spot>,
}

/// Reads one program.
pub(crate) struct Reader<'a> {
    pub(crate) window: Window<'a>,
    pub(crate) functions: Functions,
    pub(crate) layout: Layout,
    pub(crate) program: Program,
    pub(crate) arch: Arch,
    table: globals::Goroutines,
    reasons: Vec<Arc<str>>,
    /// Each goroutine's record that waits for a semaphore, and where that is.
    waiters: BTreeMap<u64, u64>,
    stacks: BTreeMap<Vec<u64>, Arc<[GoFrame]>>,
    pub(crate) unseen: Vec<String>,
    /// Where the heap's own table is, once it was sought.
    heap: Option<Option<u64>>,
}

impl<'a> Reader<'a> {
    pub(crate) fn open(memory: &'a dyn Memory, mappings: &[Mapping]) -> Result<Self, GoError> {
        let mut window = Window::new(memory);
        let program = Program::find(mappings, &mut window).ok_or(GoError::NotGo)?;
        let layouts = layout::candidates(program.release().1);
        let arch = if program.quantum == 4 {
            Arch::Aarch64
        } else {
            Arch::X86_64
        };
        let broken = || GoError::Functions {
            version: program.version.clone(),
        };
        let mut functions =
            Functions::read(&program, &layouts[0], &mut window).ok_or_else(broken)?;
        let found = globals::goroutines(arch, &mut functions, &mut window, &layouts);
        let (table, layout) = found.ok_or_else(|| GoError::UnknownLayout {
            version: program.version.clone(),
        })?;
        let reasons = reasons(&program, &mut window);
        Ok(Self {
            window,
            functions,
            layout,
            program,
            arch,
            table,
            reasons,
            waiters: BTreeMap::new(),
            stacks: BTreeMap::new(),
            unseen: Vec::new(),
            heap: None,
        })
    }

    pub(crate) fn view(mut self, budget: GoBudget) -> Result<GoView, GoError> {
        self.waiters = self.semaphores();
        let count = usize::try_from(self.table.count).unwrap_or(usize::MAX);
        if count > budget.goroutines {
            let rest = count - budget.goroutines;
            self.unseen
                .push(format!("{rest} of {count} goroutines, beyond the limit"));
        }
        let mut goroutines = Vec::new();
        let mut raws = Vec::new();
        let mut kept = 0;
        for index in 0..count.min(budget.goroutines) as u64 {
            let Some(g) = self.window.u64(self.table.table.wrapping_add(index * 8)) else {
                break;
            };
            let Some((mut raw, goroutine)) = self.goroutine(g) else {
                continue;
            };
            // Stacks are wanted again for what they refer to; beyond a limit they are read anew.
            kept += raw.stack.bytes.len();
            if kept > KEPT {
                raw.stack.bytes = Vec::new();
            }
            raws.push(raw);
            goroutines.push(goroutine);
        }
        let holders = locks::holders(&mut self, &raws, &goroutines);
        reach::judge(&mut self, &raws, &mut goroutines, budget.heap);
        Ok(GoView {
            version: self.program.version,
            goroutines,
            holders,
            unseen: self.unseen,
        })
    }

    /// The table that leads from an address to its part of the heap.
    pub(crate) fn heap(&mut self, raws: &[Raw]) -> Option<u64> {
        if let Some(known) = self.heap {
            return known;
        }
        // The first goroutine's record may be a global, later ones are in the heap.
        let found = raws.iter().rev().take(4).find_map(|raw| {
            globals::heap(
                self.arch,
                &mut self.functions,
                &mut self.window,
                &self.layout,
                raw.g,
            )
        });
        self.heap = Some(found);
        found
    }

    /// One goroutine; `None` if it is dead.
    fn goroutine(&mut self, g: u64) -> Option<(Raw, Goroutine)> {
        for _ in 0..TRIES {
            let (raw, goroutine) = self.look(g)?;
            // A status that is as before and a stack pointer that has not moved prove that it rested meanwhile.
            if goroutine.state == GoState::Running || self.is_unchanged(&raw) {
                return Some((raw, goroutine));
            }
            self.window.renew();
        }
        let (mut raw, mut goroutine) = self.look(g)?;
        raw.calls = Vec::new();
        goroutine.frames = [].into();
        goroutine.waits_for = Vec::new();
        goroutine.waking = Waking::Possible;
        Some((raw, goroutine))
    }

    /// Whether the record says now what it said, past the window's memory.
    fn is_unchanged(&mut self, raw: &Raw) -> bool {
        let mut record = vec![0; self.layout.g.status as usize + 4];
        if self.window.memory().read(raw.g, &mut record).is_err() {
            return false;
        }
        let status = record.last_chunk().map(|bytes| u32::from_le_bytes(*bytes));
        let sp = record[fixed::SP as usize..]
            .first_chunk()
            .map(|bytes| u64::from_le_bytes(*bytes));
        // The collector's mark on the status comes and goes.
        status.is_some_and(|status| status & 0xfff == raw.status & 0xfff)
            && sp == self.window.u64(raw.g.wrapping_add(fixed::SP))
    }

    fn look(&mut self, g: u64) -> Option<(Raw, Goroutine)> {
        let at = self.layout.g;
        let status = self.window.u32(g.wrapping_add(at.status))?;
        // The scan bit only says that the collector looks at it, too.
        let state = match status & 0xfff {
            1 => GoState::Runnable,
            2 => GoState::Running,
            3 => GoState::InSystemCall,
            4 | 8 | 10 => GoState::Waiting,
            9 => GoState::Preempted,
            _ => return None,
        };
        let mut field = |place: u64| self.window.u64(g.wrapping_add(place));
        let (low, high) = (field(fixed::STACK_LOW)?, field(fixed::STACK_HIGH)?);
        let (id, m, since) = (field(at.id)?, field(fixed::M)?, field(at.since)?);
        let parent = at.parent.and_then(&mut field).filter(|parent| *parent != 0);
        let (created_at, defers) = (field(at.created_at)?, field(fixed::DEFER)?);
        let (mut sp, mut pc) = (field(fixed::SP)?, field(fixed::PC)?);
        let in_call = field(at.syscall_sp)?;
        if state == GoState::InSystemCall && in_call != 0 {
            (sp, pc) = (in_call, field(at.syscall_sp + 8)?);
        }
        let reason = usize::from(self.window.u8(g.wrapping_add(at.reason))?);
        let is_waiting = state == GoState::Waiting;
        let reason = self
            .reasons
            .get(reason)
            .filter(|_| is_waiting)
            .cloned()
            .unwrap_or_default();
        let mut raw = Raw {
            g,
            status,
            low,
            high,
            stack: Piece::default(),
            calls: Vec::new(),
            defers,
        };
        if state != GoState::Running && (low..high).contains(&sp) {
            (raw.calls, raw.stack) = self.calls(pc, sp, high);
        }
        let waits_for = if is_waiting {
            self.awaited(&raw, &reason)
        } else {
            Vec::new()
        };
        let frames = self.frames(&raw.calls);
        let is_system = is_system(&frames);
        let thread = (m != 0)
            .then(|| self.window.u64(m.wrapping_add(self.layout.m_thread)))
            .flatten();
        let goroutine = Goroutine {
            id,
            state,
            reason,
            waits_for,
            since: (is_waiting && since != 0 && since < i64::MAX as u64).then_some(since),
            frames,
            created_by: self.functions.outer_frame(&mut self.window, created_at),
            parent,
            thread: thread
                .and_then(|thread| u32::try_from(thread).ok())
                .filter(|thread| *thread != 0),
            is_system,
            waking: if is_waiting {
                Waking::Unknown
            } else {
                Waking::Possible
            },
        };
        Some((raw, goroutine))
    }

    /// The physical frames from `sp` up, and the piece of stack they lie in.
    fn calls(&mut self, mut pc: u64, mut sp: u64, high: u64) -> (Vec<Call>, Piece) {
        let mut piece = Piece {
            start: sp,
            bytes: Vec::new(),
        };
        let end = high.min(sp.saturating_add(MAX_STACK));
        self.extend(&mut piece, end.min(sp.saturating_add(FIRST)));
        let mut calls = Vec::new();
        while calls.len() < MAX_FRAMES {
            let Some(spot) = self.functions.spot(&mut self.window, pc) else {
                break;
            };
            if ends_stack(&spot) {
                break;
            }
            // On x86-64 the return address lies above the frame, on ARM at its bottom.
            let frame_end = match self.arch {
                Arch::X86_64 => sp.saturating_add(spot.frame_size + 8),
                Arch::Aarch64 => sp.saturating_add(spot.frame_size),
            };
            if frame_end > piece.start + piece.bytes.len() as u64 {
                self.extend(&mut piece, end.min(frame_end.saturating_add(FIRST)));
            }
            calls.push(Call {
                pc,
                sp,
                end: frame_end,
                spot,
            });
            let return_at = match self.arch {
                Arch::X86_64 => frame_end - 8,
                Arch::Aarch64 => sp,
            };
            let (Some(next), true) = (piece.word(return_at), frame_end > sp && frame_end < high)
            else {
                break;
            };
            (pc, sp) = (next, frame_end);
        }
        (calls, piece)
    }

    fn extend(&mut self, piece: &mut Piece, upto: u64) {
        let from = piece.start + piece.bytes.len() as u64;
        if upto <= from {
            return;
        }
        // Not through the window: stacks are not looked at twice, and would push out what is.
        let mut more = vec![0; (upto - from) as usize];
        if self.window.memory().read(from, &mut more).is_ok() {
            piece.bytes.append(&mut more);
        }
    }

    fn frames(&mut self, calls: &[Call]) -> Arc<[GoFrame]> {
        let key: Vec<u64> = calls.iter().map(|call| call.pc).collect();
        if let Some(known) = self.stacks.get(&key) {
            return known.clone();
        }
        let frames: Arc<[GoFrame]> = calls
            .iter()
            .flat_map(|call| call.spot.frames.iter().cloned())
            .collect();
        if self.stacks.len() < MAX_STACKS {
            self.stacks.insert(key, frames.clone());
        }
        frames
    }

    fn awaited(&mut self, raw: &Raw, reason: &str) -> Vec<Awaited> {
        let one = |kind, address| vec![Awaited { kind, address }];
        if reason.ends_with("(nil chan)") {
            let is_receive = reason.contains("receive");
            return one(
                if is_receive {
                    AwaitedKind::Receive
                } else {
                    AwaitedKind::Send
                },
                0,
            );
        }
        if let Some(semaphore) = self.waiters.get(&raw.g).copied() {
            let awaited = locks::of_semaphore(semaphore, &raw.calls);
            return vec![awaited];
        }
        if reason.starts_with("sync.Cond") {
            return locks::cond(self, raw)
                .map_or_else(Vec::new, |address| one(AwaitedKind::Cond, address));
        }
        if reason.starts_with("IO wait") {
            return self
                .descriptor(raw)
                .map_or_else(Vec::new, |number| one(AwaitedKind::Descriptor, number));
        }
        self.channels(raw, reason)
    }

    fn channels(&mut self, raw: &Raw, reason: &str) -> Vec<Awaited> {
        let mut found = Vec::new();
        let mut waiter = self
            .window
            .u64(raw.g.wrapping_add(self.layout.g.waiting))
            .unwrap_or(0);
        while waiter != 0 && found.len() < MAX_AWAITED {
            let Some(channel) = self
                .window
                .u64(waiter.wrapping_add(self.layout.waiter_channel))
            else {
                break;
            };
            let kind = if reason.starts_with("chan receive") {
                AwaitedKind::Receive
            } else if reason.starts_with("chan send") {
                AwaitedKind::Send
            } else {
                self.direction(waiter, channel)
            };
            found.push(Awaited {
                kind,
                address: channel,
            });
            waiter = self
                .window
                .u64(waiter.wrapping_add(self.layout.waiter_link))
                .unwrap_or(0);
        }
        found
    }

    /// Whether a waiter stands in the channel's queue of receivers or of senders.
    fn direction(&mut self, mut waiter: u64, channel: u64) -> AwaitedKind {
        let mut at = |address: u64| self.window.u64(address).unwrap_or(0);
        let (receivers, senders) = (
            at(channel.wrapping_add(self.layout.receivers)),
            at(channel.wrapping_add(self.layout.senders)),
        );
        for _ in 0..16 {
            match waiter {
                waiter if waiter == receivers => return AwaitedKind::Receive,
                waiter if waiter == senders => return AwaitedKind::Send,
                _ => waiter = at(waiter.wrapping_add(fixed::WAITER_PREVIOUS)),
            }
            if waiter == 0 {
                break;
            }
        }
        match (receivers, senders) {
            (0, 1..) => AwaitedKind::Send,
            (1.., 0) => AwaitedKind::Receive,
            _ => AwaitedKind::Channel,
        }
    }

    /// The descriptor a goroutine waits for: its record is known to the frames of `internal/poll`, and leads to a
    /// record of the poller that names this goroutine.
    fn descriptor(&mut self, raw: &Raw) -> Option<u64> {
        let calls = raw.calls.iter().filter(|call| {
            call.spot
                .frames
                .iter()
                .any(|frame| frame.function.starts_with("internal/poll."))
        });
        let words: BTreeSet<u64> = calls
            .flat_map(|call| raw.stack.words(call.sp, call.end))
            .map(|(_, word)| word)
            .collect();
        words.into_iter().find_map(|word| {
            let number = self
                .window
                .u64(word.wrapping_add(16))
                .filter(|number| *number < 1 << 20)?;
            [24, 32].into_iter().find_map(|place| {
                let poller = self
                    .window
                    .u64(word.wrapping_add(place))
                    .filter(|poller| *poller != 0)?;
                [24, 32, 40].into_iter().find_map(|place| {
                    let waiter = self.window.u64(poller.wrapping_add(place))?;
                    (waiter == raw.g).then_some(number)
                })
            })
        })
    }

    /// All goroutines in the runtime's table of waiters for semaphores.
    fn semaphores(&mut self) -> BTreeMap<u64, u64> {
        let mut waiters = BTreeMap::new();
        let Some(table) = globals::semaphores(self.arch, &mut self.functions, &mut self.window)
        else {
            self.unseen.push(
                "which locks goroutines wait for: the runtime's table was not found".to_owned(),
            );
            return waiters;
        };
        let mut left = MAX_WAITERS;
        for root in 0..fixed::ROOTS {
            let tree = table.wrapping_add(root * fixed::ROOT_SIZE + fixed::ROOT_TREE);
            let mut nodes = vec![self.window.u64(tree).unwrap_or(0)];
            while let Some(node) = nodes.pop() {
                if node == 0 || left == 0 {
                    continue;
                }
                left -= 1;
                let mut at = |place: u64| self.window.u64(node.wrapping_add(place)).unwrap_or(0);
                let address = at(fixed::WAITER_ELEMENT);
                nodes.extend([at(fixed::WAITER_NEXT), at(fixed::WAITER_PREVIOUS)]);
                let mut waiter = node;
                while waiter != 0 && left > 0 {
                    left -= 1;
                    let mut at =
                        |place: u64| self.window.u64(waiter.wrapping_add(place)).unwrap_or(0);
                    waiters.insert(at(fixed::WAITER_G), address);
                    waiter = at(self.layout.waiter_link);
                }
            }
        }
        waiters
    }
}

/// How much of all stacks is kept at most.
const KEPT: usize = 16 << 20;
/// How many different stacks are kept once.
const MAX_STACKS: usize = 64 << 10;

impl Piece {
    pub(crate) fn word(&self, address: u64) -> Option<u64> {
        let place = usize::try_from(address.checked_sub(self.start)?).ok()?;
        Some(u64::from_le_bytes(*self.bytes.get(place..)?.first_chunk()?))
    }

    /// The words from `start` to `end`, with where they are.
    pub(crate) fn words(&self, start: u64, end: u64) -> impl Iterator<Item = (u64, u64)> {
        let end = end.min(self.start + self.bytes.len() as u64);
        (start..end)
            .step_by(8)
            .filter_map(|address| Some((address, self.word(address)?)))
    }
}

/// Whether a function is what every goroutine begins in.
fn ends_stack(spot: &Spot) -> bool {
    spot.frames.last().is_some_and(|frame| {
        matches!(
            &*frame.function,
            "runtime.goexit" | "runtime.mstart" | "runtime.rt0_go" | "runtime.goexit0"
        )
    })
}

fn is_system(frames: &[GoFrame]) -> bool {
    frames.last().is_some_and(|frame| {
        frame.function.starts_with("runtime.") && &*frame.function != "runtime.main"
            || &*frame.function == "os/signal.loop"
    })
}

/// The runtime's words for why a goroutine waits, by number.
///
/// They change with each release, but the table of them is always there: an array of texts whose first is empty and
/// whose second is always the same.
fn reasons(program: &Program, window: &mut Window<'_>) -> Vec<Arc<str>> {
    const SECOND: &[u8] = b"GC assist marking";
    let mut reasons = Vec::new();
    let mut range = |begin: u64, end: u64| {
        let bounds = (
            window.u64(program.module + begin),
            window.u64(program.module + end),
        );
        let (Some(start), Some(end)) = bounds else {
            return;
        };
        let length = end.saturating_sub(start).min(64 << 20);
        let mut at = start;
        while at < start + length && reasons.is_empty() {
            if window.u64(at + 8) == Some(SECOND.len() as u64)
                && let Some(text) = window.u64(at)
                && window.bytes(text, SECOND.len()).as_deref() == Some(SECOND)
            {
                reasons = texts(window, at);
            }
            at += 8;
        }
    };
    // Initialised data with pointers, then without.
    range(208, 216);
    range(192, 200);
    reasons
}

/// The texts of an array from its second on, with an empty one before.
fn texts(window: &mut Window<'_>, mut at: u64) -> Vec<Arc<str>> {
    let mut texts: Vec<Arc<str>> = vec!["".into()];
    while texts.len() < 96 {
        let (Some(text), Some(length)) = (window.u64(at), window.u64(at + 8)) else {
            break;
        };
        let Some(bytes) = (1..64)
            .contains(&length)
            .then(|| window.bytes(text, length as usize))
            .flatten()
        else {
            break;
        };
        let Some(text) = String::from_utf8(bytes).ok().filter(|text| text.is_ascii()) else {
            break;
        };
        texts.push(text.into());
        at += 16;
    }
    texts
}
