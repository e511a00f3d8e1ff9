//! The heap of a Go program: which object an address lies in.

use super::layout::{Layout, fixed};
use super::window::Window;

/// How much of the address space one record of the heap covers.
const ARENA: u64 = 64 << 20;
const PAGE: u64 = 8192;
/// On x86-64 and ARM the first of these records is for the lowest address there is, which is negative there.
const ARENA_BASE: u64 = 0xffff_8000_0000_0000;
const MAX_ARENAS: u64 = 4 << 20;

/// Pages of the heap that hold objects of one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) element: u64,
    /// Whether its objects may hold addresses.
    pub(crate) has_pointers: bool,
    /// Whether it holds objects at all, and not a stack.
    pub(crate) is_heap: bool,
}

impl Span {
    /// The object around `address`.
    pub(crate) fn object(&self, address: u64) -> Option<u64> {
        let within = address
            .checked_sub(self.start)
            .filter(|_| address < self.end)?;
        Some(self.start + within.checked_div(self.element)? * self.element)
    }
}

/// The span around `address`.
pub(crate) fn span_of(
    window: &mut Window<'_>,
    layout: &Layout,
    arenas: u64,
    address: u64,
) -> Option<Span> {
    let number = address.wrapping_sub(ARENA_BASE) / ARENA;
    if number >= MAX_ARENAS {
        return None;
    }
    let arena = window
        .u64(arenas.wrapping_add(number * 8))
        .filter(|arena| *arena != 0)?;
    let page = address % ARENA / PAGE;
    let span = window
        .u64(arena.wrapping_add(layout.arena_spans + page * 8))
        .filter(|span| *span != 0)?;
    let start = window.u64(span.wrapping_add(fixed::SPAN_START))?;
    let pages = window.u64(span.wrapping_add(fixed::SPAN_PAGES))?;
    let end = start.checked_add(pages.checked_mul(PAGE)?)?;
    let element = window.u64(span.wrapping_add(layout.span.element))?;
    let class = window.u8(span.wrapping_add(layout.span.class))?;
    let state = window.u8(span.wrapping_add(layout.span.state))?;
    let is_whole = start <= address && address < end && start.is_multiple_of(PAGE) && state <= 2;
    is_whole.then_some(Span {
        start,
        end,
        element,
        has_pointers: class & 1 == 0,
        is_heap: state == 1,
    })
}
