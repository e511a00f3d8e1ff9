//! Walks the stacks of goroutines that rest.
//!
//! How large each frame is the table of functions tells, so a walk needs no registers. Goroutines that do the same
//! stand on equal stacks, which are kept once, however many there are.

use std::rc::Rc;
use std::sync::Arc;

use super::GoFrame;
use super::functions::Spot;
use super::reader::{Raw, Reader};
use crate::stack::Arch;

/// The most frames of one goroutine, inlined ones not counted.
const MAX_FRAMES: usize = 256;
/// The most that is copied of one goroutine's stack.
const MAX_STACK: u64 = 64 << 10;
/// How much of a stack is read at once; most are no larger.
const STEP: u64 = 1 << 10;
/// How many different stacks are kept once.
const MAX_CHAINS: usize = 64 << 10;

/// The calls on a stack, by their code alone.
#[derive(Debug, Default)]
pub(crate) struct Chain {
    /// Each return address, innermost first, with what is known about it.
    spots: Vec<(u64, Rc<Spot>)>,
    pub(crate) frames: Arc<[GoFrame]>,
}

/// One call, and its part of one stack.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) pc: u64,
    pub(crate) sp: u64,
    pub(crate) end: u64,
    pub(crate) spot: Rc<Spot>,
}

/// The used part of a stack.
#[derive(Debug, Clone, Default)]
pub(crate) struct Piece {
    pub(crate) start: u64,
    pub(crate) bytes: Vec<u8>,
}

impl Chain {
    /// The functions' names, innermost first.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.frames.iter().map(|frame| &*frame.function)
    }

    /// The return addresses.
    pub(crate) fn places(&self) -> impl Iterator<Item = (u64, &Rc<Spot>)> {
        self.spots.iter().map(|(pc, spot)| (*pc, spot))
    }

    /// The calls as they lie on a stack that ends at `sp`.
    pub(crate) fn calls(&self, arch: Arch, mut sp: u64) -> Vec<Call> {
        let call = |(pc, spot): &(u64, Rc<Spot>)| {
            let end = frame_end(arch, sp, spot);
            let call = Call {
                pc: *pc,
                sp,
                end,
                spot: spot.clone(),
            };
            sp = end;
            call
        };
        self.spots.iter().map(call).collect()
    }
}

impl Piece {
    pub(crate) fn word(&self, address: u64) -> Option<u64> {
        let place = usize::try_from(address.checked_sub(self.start)?).ok()?;
        Some(u64::from_le_bytes(*self.bytes.get(place..)?.first_chunk()?))
    }

    /// The words from `start` to `end`.
    pub(crate) fn words(&self, start: u64, end: u64) -> impl Iterator<Item = u64> {
        let end = end.min(self.end());
        (start..end)
            .step_by(8)
            .filter_map(|address| self.word(address))
    }

    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

impl Reader<'_> {
    /// The calls from `sp` up, and the piece of stack they lie in.
    pub(crate) fn walk(&mut self, mut pc: u64, mut sp: u64, high: u64) -> (Rc<Chain>, Piece) {
        let mut piece = Piece {
            start: sp,
            bytes: Vec::new(),
        };
        let limit = high.min(sp.saturating_add(MAX_STACK));
        let mut spots = Vec::new();
        while spots.len() < MAX_FRAMES {
            let Some(spot) = self.functions.spot(&mut self.window, pc) else {
                break;
            };
            if begins_goroutine(&spot) {
                break;
            }
            let end = frame_end(self.arch, sp, &spot);
            self.extend(&mut piece, limit, end);
            let return_at = match self.arch {
                Arch::X86_64 => end - 8,
                Arch::Aarch64 => sp,
            };
            spots.push((pc, spot));
            let is_sound = end > sp && end < high;
            let Some(next) = piece.word(return_at).filter(|_| is_sound) else {
                break;
            };
            (pc, sp) = (next, end);
        }
        (self.chain(spots), piece)
    }

    /// The used part of a goroutine's stack, read anew where it was not kept.
    pub(crate) fn piece(&mut self, raw: &Raw) -> Piece {
        if !raw.stack.bytes.is_empty() {
            return raw.stack.clone();
        }
        let mut piece = Piece {
            start: raw.stack.start,
            bytes: Vec::new(),
        };
        let limit = raw.high.min(piece.start.saturating_add(MAX_STACK));
        self.extend(&mut piece, limit, limit);
        piece
    }

    /// Reads on until `wanted` is in the piece, or as far as that goes.
    fn extend(&mut self, piece: &mut Piece, limit: u64, wanted: u64) {
        while piece.end() < wanted.min(limit) {
            // To a round address, so that what lies near it is read together.
            let upto = limit.min((piece.end() / STEP + 1) * STEP);
            let Some(mut more) = self
                .window
                .bytes(piece.end(), (upto - piece.end()) as usize)
            else {
                return;
            };
            piece.bytes.append(&mut more);
        }
    }

    fn chain(&mut self, spots: Vec<(u64, Rc<Spot>)>) -> Rc<Chain> {
        let key: Vec<u64> = spots.iter().map(|(pc, _)| *pc).collect();
        if let Some(known) = self.chains.get(&key) {
            return known.clone();
        }
        let frames = spots
            .iter()
            .flat_map(|(_, spot)| spot.frames.iter().cloned())
            .collect();
        let chain = Rc::new(Chain { spots, frames });
        if self.chains.len() < MAX_CHAINS {
            self.chains.insert(key, chain.clone());
        }
        chain
    }
}

/// Where a frame that begins at `sp` ends. On x86-64 the return address lies at its end, on ARM at its beginning.
fn frame_end(arch: Arch, sp: u64, spot: &Spot) -> u64 {
    match arch {
        Arch::X86_64 => sp.saturating_add(spot.frame_size).saturating_add(8),
        Arch::Aarch64 => sp.saturating_add(spot.frame_size),
    }
}

/// Whether a function is what goroutines begin in.
fn begins_goroutine(spot: &Spot) -> bool {
    spot.frames.last().is_some_and(|frame| {
        matches!(
            &*frame.function,
            "runtime.goexit" | "runtime.mstart" | "runtime.rt0_go" | "runtime.goexit0"
        )
    })
}
