//! What the instruction before a return address calls.
//!
//! A value on a stack is a return address only if a call stands before it; and if that call names its target, the
//! value tells which function's frame lies below it.

use super::code::Code;
use super::registers::Arch;

/// The call before a return address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    /// To this address, stubs of the linker followed to where they lead.
    To(u64),
    /// To where a register or a table says; which cannot be known any more.
    Indirect,
}

/// How many jumps are followed from a call's target: a stub, and one the linker put between.
const MAX_JUMPS: usize = 3;

/// The call before `address`; `None` if there is none, so that nothing ever returns to it.
pub(crate) fn before(arch: Arch, code: &mut Code<'_>, address: u64) -> Option<Call> {
    match arch {
        Arch::X86_64 => x86_64(code, address),
        Arch::Aarch64 => aarch64(code, address),
    }
}

fn x86_64(code: &mut Code<'_>, address: u64) -> Option<Call> {
    let mut bytes = [0; 8];
    code.read(address.checked_sub(8)?, &mut bytes)?;
    let [_, b1, b2, b3, b4, b5, b6, b7] = bytes;
    let distance = i64::from(i32::from_le_bytes([b4, b5, b6, b7]));
    // call rel32
    if b3 == 0xe8 {
        return Some(Call::To(follow(
            code,
            address.wrapping_add_signed(distance),
        )));
    }
    // call [rip + disp32]
    if [b2, b3] == [0xff, 0x15] {
        return Some(
            code.word(address.wrapping_add_signed(distance))
                .map_or(Call::Indirect, |to| Call::To(follow(code, to))),
        );
    }
    // ModR/M of FF /2: the upper two bits tell how many bytes follow, 4 in the lower three that one more does.
    let calls = |modrm: u8| modrm >> 3 & 7 == 2;
    let (kind, has_sib) = (|modrm: u8| modrm >> 6, |modrm: u8| modrm & 7 == 4);
    let is_indirect = b6 == 0xff && calls(b7) && (kind(b7) == 3 || kind(b7) == 0 && !has_sib(b7))
        || b5 == 0xff
            && calls(b6)
            && (kind(b6) == 1 && !has_sib(b6) || kind(b6) == 0 && has_sib(b6))
        || b4 == 0xff && calls(b5) && kind(b5) == 1 && has_sib(b5)
        || b2 == 0xff && calls(b3) && kind(b3) == 2 && !has_sib(b3)
        || b1 == 0xff && calls(b2) && (kind(b2) == 2 || kind(b2) == 0) && has_sib(b2);
    is_indirect.then_some(Call::Indirect)
}

/// Where a call ends up whose target is a stub: a jump by distance, or one through a table the dynamic linker filled.
fn follow(code: &mut Code<'_>, mut target: u64) -> u64 {
    for _ in 0..MAX_JUMPS {
        let mut bytes = [0; 16];
        if code.read(target, &mut bytes).is_none() {
            break;
        }
        // endbr64 and bnd may stand before the jump.
        let mut at = if bytes[..4] == [0xf3, 0x0f, 0x1e, 0xfa] {
            4
        } else {
            0
        };
        at += usize::from(bytes[at] == 0xf2);
        let (length, through_table) = match bytes[at..at + 2] {
            [0xff, 0x25] => (6, true),
            [0xe9, _] => (5, false),
            _ => break,
        };
        let end = at + length;
        let Some(&distance) = bytes[end - 4..].first_chunk() else {
            break;
        };
        let to = target
            .wrapping_add(end as u64)
            .wrapping_add_signed(i64::from(i32::from_le_bytes(distance)));
        target = if through_table {
            code.word(to).unwrap_or(to)
        } else {
            to
        };
    }
    target
}

fn aarch64(code: &mut Code<'_>, address: u64) -> Option<Call> {
    let mut bytes = [0; 4];
    code.read(address.checked_sub(4)?, &mut bytes)?;
    let instruction = u32::from_le_bytes(bytes);
    if instruction >> 26 == 0b10_0101 {
        // bl: 26 bits of distance, in instructions.
        let distance = i64::from((instruction << 6).cast_signed() >> 6) * 4;
        return Some(Call::To(follow_aarch64(
            code,
            (address - 4).wrapping_add_signed(distance),
        )));
    }
    // blr, with or without a check of the pointer's signature.
    (instruction & 0xffff_fc1f == 0xd63f_0000 || instruction & 0xfeff_f800 == 0xd63f_0800)
        .then_some(Call::Indirect)
}

/// Stubs of the linker: `adrp x16, page; ldr x17, [x16, #offset]; …; br x17`, and plain branches.
fn follow_aarch64(code: &mut Code<'_>, mut target: u64) -> u64 {
    for _ in 0..MAX_JUMPS {
        let mut bytes = [0; 12];
        if code.read(target, &mut bytes).is_none() {
            break;
        }
        let word = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let skip = usize::from(word(0) == 0xd503_245f) * 4; // bti c
        let (first, second) = (word(skip), word(skip + 4));
        if first >> 26 == 0b00_0101 {
            target = target
                .wrapping_add(skip as u64)
                .wrapping_add_signed(i64::from((first << 6).cast_signed() >> 6) * 4);
        } else if first & 0x9f00_001f == 0x9000_0010 && second & 0xffc0_03ff == 0xf940_0211 {
            let pages = i64::from(((first & 0x00ff_ffe0) << 8).cast_signed() >> 11) & !3
                | i64::from(first >> 29 & 3);
            let page = (target.wrapping_add(skip as u64) & !0xfff).wrapping_add_signed(pages << 12);
            let slot = page.wrapping_add(u64::from(second >> 10 & 0xfff) * 8);
            match code.word(slot) {
                Some(to) => target = to,
                None => break,
            }
        } else {
            break;
        }
    }
    target
}
