//! Where the runtime keeps its tables: all goroutines, the waiters for semaphores, the heap.
//!
//! Stripped programs have no names for them, but the runtime's own functions refer to them. So each address such a
//! function may refer to is taken, and what is found there must look like the thing sought.

use std::collections::BTreeSet;

use super::functions::Functions;
use super::layout::{Layout, fixed};
use super::window::Window;
use crate::stack::Arch;

/// How much of a function is looked at.
const MAX_CODE: u64 = 16 << 10;
/// More goroutines than this are not believed.
const MAX_GOROUTINES: u64 = 64 << 20;

/// The table of all goroutines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Goroutines {
    pub(crate) table: u64,
    pub(crate) count: u64,
}

/// The table of all goroutines, and the layout their records have.
pub(crate) fn goroutines(
    arch: Arch,
    functions: &mut Functions,
    window: &mut Window<'_>,
    layouts: &[Layout],
) -> Option<(Goroutines, Layout)> {
    let candidates = referred(arch, functions, window, "runtime.allgadd");
    layouts.iter().find_map(|layout| {
        let found = candidates.iter().find_map(|candidate| {
            let (table, count) = (window.u64(*candidate)?, window.u64(candidate + 8)?);
            let capacity = window.u64(candidate + 16)?;
            let is_slice = count > 0 && count <= capacity && capacity <= MAX_GOROUTINES;
            // Most of the first goroutines are the runtime's own, and alive.
            let fits = is_slice
                && (0..count.min(8)).all(|index| {
                    window
                        .u64(table.wrapping_add(index * 8))
                        .is_some_and(|g| is_goroutine(functions, window, layout, g))
                });
            fits.then_some(Goroutines { table, count })
        })?;
        Some((found, *layout))
    })
}

/// Whether there is a goroutine's record at `g`: a stack, a known state, and a beginning in the program's code.
fn is_goroutine(functions: &Functions, window: &mut Window<'_>, layout: &Layout, g: u64) -> bool {
    let mut field = |at: u64| window.u64(g.wrapping_add(at));
    let (Some(low), Some(high), Some(id), Some(start), Some(created), Some(status)) = (
        field(fixed::STACK_LOW),
        field(fixed::STACK_HIGH),
        field(layout.g.id),
        field(layout.g.start),
        field(layout.g.created_at),
        field(layout.g.status),
    ) else {
        return false;
    };
    let status = status & 0xfff;
    let is_dead = status == 6;
    status <= 10
        && id < 1 << 40
        && (is_dead || low < high && high - low <= 1 << 30)
        && (start == 0 || functions.is_code(start))
        && (created == 0 || functions.is_code(created))
        && (is_dead || start != 0)
}

/// The table of waiters for semaphores; where nobody waits, any that looks empty.
pub(crate) fn semaphores(
    arch: Arch,
    functions: &mut Functions,
    window: &mut Window<'_>,
) -> Option<u64> {
    let mut candidates = referred(arch, functions, window, "runtime.semacquire1");
    candidates.extend(referred(arch, functions, window, "runtime.semrelease1"));
    let mut empty = None;
    for candidate in candidates {
        let mut waiters = 0;
        let fits = (0..fixed::ROOTS).all(|root| {
            let tree =
                window.u64(candidate.wrapping_add(root * fixed::ROOT_SIZE + fixed::ROOT_TREE));
            match tree {
                Some(0) => true,
                // Each root has the waiters of addresses with one remainder.
                Some(waiter) => {
                    waiters += 1;
                    let address = window.u64(waiter.wrapping_add(fixed::WAITER_ELEMENT));
                    address.is_some_and(|address| (address >> 3) % fixed::ROOTS == root)
                }
                None => false,
            }
        });
        if fits && waiters > 0 {
            return Some(candidate);
        }
        if fits && empty.is_none() {
            empty = Some(candidate);
        }
    }
    empty
}

/// The table that leads from an address to its part of the heap; `inside` is an address known to be in the heap.
pub(crate) fn heap(
    arch: Arch,
    functions: &mut Functions,
    window: &mut Window<'_>,
    layout: &Layout,
    inside: u64,
) -> Option<u64> {
    let mut candidates = Vec::new();
    for name in [
        "runtime.findObject",
        "runtime.spanOf",
        "runtime.greyobject",
        "runtime.wbBufFlush1",
    ] {
        candidates.extend(referred(arch, functions, window, name));
    }
    candidates.into_iter().find_map(|candidate| {
        let arenas = window.u64(candidate)?;
        super::heap::span_of(window, layout, arenas, inside)?;
        Some(arenas)
    })
}

/// All addresses the code of a function may refer to.
fn referred(
    arch: Arch,
    functions: &mut Functions,
    window: &mut Window<'_>,
    name: &str,
) -> Vec<u64> {
    let Some((start, end)) = functions.by_name(window, name) else {
        return Vec::new();
    };
    let mut addresses: Vec<u64> = referred_by(arch, window, start, end).into_iter().collect();
    addresses.retain(|address| address.is_multiple_of(8) && !functions.is_code(*address));
    addresses
}

/// All addresses the code from `start` to `end` may refer to.
pub(crate) fn referred_by(
    arch: Arch,
    window: &mut Window<'_>,
    start: u64,
    end: u64,
) -> BTreeSet<u64> {
    let length = end.saturating_sub(start).min(MAX_CODE) as usize;
    let code = window.bytes(start, length).unwrap_or_default();
    match arch {
        Arch::X86_64 => relative_to_instruction(&code, start),
        Arch::Aarch64 => by_page(&code, start),
    }
    .into_iter()
    .collect()
}

/// The calls in the code from `start` to `end` that name their target: where the next instruction is, and the target.
pub(crate) fn calls_of(
    arch: Arch,
    window: &mut Window<'_>,
    start: u64,
    end: u64,
) -> Vec<(u64, u64)> {
    let length = end.saturating_sub(start).min(MAX_CODE) as usize;
    let code = window.bytes(start, length).unwrap_or_default();
    match arch {
        Arch::X86_64 => code
            .windows(5)
            .enumerate()
            .filter(|(_, bytes)| bytes[0] == 0xe8)
            .map(|(place, bytes)| {
                let next = start + place as u64 + 5;
                let distance = i32::from_le_bytes([bytes[1], bytes[2], bytes[3], bytes[4]]);
                (next, next.wrapping_add_signed(i64::from(distance)))
            })
            .collect(),
        Arch::Aarch64 => code
            .chunks_exact(4)
            .map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
            .enumerate()
            .filter(|(_, word)| word >> 26 == 0b10_0101)
            .map(|(place, word)| {
                let at = start + 4 * place as u64;
                let distance = i64::from((word << 6).cast_signed() >> 6) * 4;
                (at + 4, at.wrapping_add_signed(distance))
            })
            .collect(),
    }
}

/// x86-64: four bytes of distance behind a ModR/M byte that says so, with or without an immediate behind them.
fn relative_to_instruction(code: &[u8], start: u64) -> Vec<u64> {
    let mut addresses = Vec::new();
    for (place, window) in code.windows(5).enumerate() {
        if window[0] & 0xc7 != 0x05 {
            continue;
        }
        let distance = i64::from(i32::from_le_bytes([
            window[1], window[2], window[3], window[4],
        ]));
        for immediate in [0, 1, 4] {
            let next = start + place as u64 + 5 + immediate;
            addresses.push(next.wrapping_add_signed(distance));
        }
    }
    addresses
}

/// ARM: `adrp` and, within the next instructions, an `add` or `ldr` on the same register.
fn by_page(code: &[u8], start: u64) -> Vec<u64> {
    let words: Vec<u32> = code
        .chunks_exact(4)
        .map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
        .collect();
    let mut addresses = Vec::new();
    for (place, word) in words
        .iter()
        .enumerate()
        .filter(|(_, word)| *word & 0x9f00_0000 == 0x9000_0000)
    {
        let register = word & 31;
        let pages =
            i64::from(((word & 0x00ff_ffe0) << 8).cast_signed() >> 11) | i64::from(word >> 29 & 3);
        let page = ((start + 4 * place as u64) & !0xfff).wrapping_add_signed(pages << 12);
        for next in words
            .iter()
            .skip(place + 1)
            .take(4)
            .filter(|next| *next >> 5 & 31 == register)
        {
            let immediate = u64::from(next >> 10 & 0xfff);
            match next & 0xffc0_0000 {
                0x9100_0000 => addresses.push(page + immediate),
                0xf940_0000 => addresses.push(page + immediate * 8),
                _ => {}
            }
        }
    }
    addresses
}
