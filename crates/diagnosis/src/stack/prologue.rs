//! How far a function has moved the stack pointer since it set its frame pointer, read from its first instructions.
//!
//! With that, the frame pointer follows from the stack pointer: `push rbp; mov rbp, rsp; push …; sub rsp, N`. What
//! happens later (variable arrays, pushed arguments) is not seen, so whoever uses the answer must check it.

use super::code::Code;

/// How many bytes of a function are looked at; compilers are done with the frame by then.
const LENGTH: usize = 96;

/// How much lower the stack pointer of x86-64 code is than its frame pointer once the function's frame is set up;
/// `None` if it has not set up a frame pointer before `upto`, or by instructions not known here.
pub(crate) fn frame_pointer_above(code: &mut Code<'_>, start: u64, upto: u64) -> Option<u64> {
    let length = usize::try_from(upto.checked_sub(start)?).ok()?.min(LENGTH);
    let mut bytes = [0; LENGTH];
    let bytes = &mut bytes[..length];
    code.read(start, bytes)?;
    let (mut at, mut below, mut has_frame) = (0, 0_u64, false);
    while let Some((step, length)) = step(&bytes[at.min(bytes.len())..]) {
        match step {
            Step::SetsFrame => {
                has_frame = true;
                below = 0;
            }
            Step::Pushes => below += 8,
            Step::Lowers(size) => below = below.checked_add(size)?,
            Step::Other => {}
        }
        at += length;
    }
    has_frame.then_some(below)
}

enum Step {
    /// `mov rbp, rsp`
    SetsFrame,
    Pushes,
    Lowers(u64),
    /// Something that moves neither.
    Other,
}

/// The next instruction and its length; `None` ends the prologue: a jump, a call, or what is not known.
fn step(bytes: &[u8]) -> Option<(Step, usize)> {
    let after_prefix = usize::from(matches!(bytes.first()?, 0x40..=0x4f));
    let rex = if after_prefix == 1 { bytes[0] } else { 0 };
    let rest = &bytes[after_prefix..];
    let done = |step, length: usize| Some((step, after_prefix + length));
    match (rex, rest) {
        (_, [0xf3, 0x0f, 0x1e, 0xfa, ..]) => done(Step::Other, 4),
        (_, [0x50..=0x57, ..]) => done(Step::Pushes, 1),
        (0x48, [0x89, 0xe5, ..] | [0x8b, 0xec, ..]) => done(Step::SetsFrame, 2),
        (0x48, [0x83, 0xec, size @ 0..0x80, ..]) => done(Step::Lowers(u64::from(*size)), 3),
        (0x48, [0x81, 0xec, a, b, c, d, ..]) => done(
            Step::Lowers(u64::from(u32::from_le_bytes([*a, *b, *c, *d]))),
            6,
        ),
        // The stack pointer changed in any other way (rounded down, say) cannot be followed.
        (_, [0x83 | 0x81, modrm @ 0xc0..=0xff, ..]) if modrm & 7 == 4 && rex & 1 == 0 => None,
        // mov register, immediate; of 8 bytes where the prefix says so
        (0x48..=0x4f, [0xb8..=0xbf, ..]) => done(Step::Other, 9),
        (_, [0xb8..=0xbf, ..]) => done(Step::Other, 5),
        (_, [opcode, ..]) => done(Step::Other, 1 + other(*opcode, &rest[1..])?),
        (_, []) => None,
    }
}

/// The length of what follows a common opcode that only moves or computes.
fn other(opcode: u8, rest: &[u8]) -> Option<usize> {
    match opcode {
        // add, or, and, sub, xor, cmp, test, mov, movsxd, lea with one register or memory operand
        0x01 | 0x03 | 0x09 | 0x0b | 0x21 | 0x23 | 0x29 | 0x2b | 0x31 | 0x33 | 0x39 | 0x3b
        | 0x63 | 0x84 | 0x85 | 0x88 | 0x89 | 0x8a | 0x8b | 0x8d => operand(rest),
        // the same with an immediate
        0x80 | 0x83 | 0xc6 => Some(operand(rest)? + 1),
        0x81 | 0xc7 => Some(operand(rest)? + 4),
        // movaps, movups, movzx, movsx
        0x0f => match rest.first()? {
            0x10 | 0x11 | 0x28 | 0x29 | 0x57 | 0xb6 | 0xb7 | 0xbe | 0xbf => {
                Some(1 + operand(&rest[1..])?)
            }
            _ => None,
        },
        // fs: (the stack protector), operand size, repne and rep before a vector instruction
        0x64 | 0x66 | 0xf2 | 0xf3 => {
            let (_, length) = step(rest)?;
            Some(length)
        }
        _ => None,
    }
}

/// The length of ModR/M, SIB and distance.
fn operand(rest: &[u8]) -> Option<usize> {
    let modrm = *rest.first()?;
    let sib = usize::from(modrm >> 6 != 3 && modrm & 7 == 4);
    let distance = match (modrm >> 6, modrm & 7) {
        (0, 5) | (2, _) => 4,
        (1, _) => 1,
        (0, 4) if *rest.get(1)? & 7 == 5 => 4,
        _ => 0,
    };
    Some(1 + sib + distance)
}
