//! Where a running thread is: samples the kernel takes of it, and whether they show that it goes in a circle.
//!
//! On other processors than x86-64 nobody has taught us the kernel's order of registers: there a running thread has no
//! frames.

use std::collections::HashMap;

use super::sys::Sampler;
use crate::memory::{Memory, ReadError};
use crate::stack::{Register, Start};

/// Between two samples, in nanoseconds of running.
const PERIOD: u64 = 2_000_000;
/// Of the stack, at most this much of each sample.
const STACK_BYTES: u32 = 4 << 10;
/// As many threads as are sampled at once.
const MOST_THREADS: usize = 8;
/// The kernel's numbers of the registers: the eight old ones, the instruction, the eight new ones.
const REGISTERS: u64 = 0xff_01ff;
/// DWARF's numbers for them in the kernel's order; 16 is the instruction.
const DWARF: [u16; 17] = [0, 3, 2, 1, 4, 5, 6, 7, 16, 8, 9, 10, 11, 12, 13, 14, 15];
const INSTRUCTION: usize = 8;
const STACK_POINTER: usize = 7;
const SAMPLE: u32 = 9;
/// Fewer samples prove nothing.
const ENOUGH: usize = 5;
/// A circle is within so many bytes of code …
const CIRCLE_BYTES: u64 = 64;
/// … and changes no more than so many registers.
const CIRCLE_REGISTERS: usize = 1;

/// Samplers at work.
#[derive(Debug, Default)]
pub(super) struct Sampling {
    samplers: Vec<(u32, Sampler)>,
}

/// One sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hot {
    registers: [u64; 17],
    stack: Vec<u8>,
}

impl Sampling {
    /// Begins with these threads; those that may not be sampled are left out.
    pub(super) fn start(tids: impl Iterator<Item = u32>) -> Sampling {
        let known = cfg!(target_arch = "x86_64");
        let tids = tids.take(MOST_THREADS).filter(|_| known);
        let samplers = tids.filter_map(|tid| {
            let sampler = Sampler::start(tid, PERIOD, REGISTERS, STACK_BYTES);
            Some((tid, sampler.ok()?))
        });
        Sampling {
            samplers: samplers.collect(),
        }
    }

    /// Whether each thread was seen often enough to tell what it does. On a loaded machine that takes longer.
    pub(super) fn is_enough(&self) -> bool {
        let mut samplers = self.samplers.iter();
        // Who was not seen at all runs no more.
        samplers.all(|(_, sampler)| !(1..ENOUGH).contains(&samples(&sampler.records()).len()))
    }

    /// What was seen of each thread.
    pub(super) fn finish(self) -> HashMap<u32, Vec<Hot>> {
        let read = |(tid, sampler): (u32, Sampler)| (tid, samples(&sampler.records()));
        self.samplers.into_iter().map(read).collect()
    }
}

/// The samples among the kernel's records.
fn samples(mut records: &[u8]) -> Vec<Hot> {
    let mut samples = Vec::new();
    while let (Some(kind), Some(size)) = (number(records, 0, 4), number(records, 6, 2)) {
        // Shorter than its own head: no record at all.
        let Some(body) = records.get(8..size as usize) else {
            break;
        };
        if kind == u64::from(SAMPLE) {
            samples.extend(sample(body));
        }
        records = &records[size as usize..];
    }
    samples
}

/// `ip, abi, registers…, size, stack…, size of what of it is meant`.
fn sample(body: &[u8]) -> Option<Hot> {
    let mut at: usize = 8;
    let mut next = |length: usize| {
        let bytes = body.get(at..at.checked_add(length)?)?;
        at += length;
        Some(bytes)
    };
    // Without an ABI there are no registers: the thread was on its way to its end.
    let abi = number(next(8)?, 0, 8)?;
    if abi == 0 {
        return None;
    }
    let mut registers = [0; 17];
    for register in &mut registers {
        *register = number(next(8)?, 0, 8)?;
    }
    let size = usize::try_from(number(next(8)?, 0, 8)?).ok()?;
    let mut stack = next(size)?.to_vec();
    if size > 0 {
        let meant = usize::try_from(number(next(8)?, 0, 8)?).ok()?;
        stack.truncate(meant);
    }
    Some(Hot { registers, stack })
}

fn number(bytes: &[u8], at: usize, length: usize) -> Option<u64> {
    let mut number = [0; 8];
    number[..length].copy_from_slice(bytes.get(at..at + length)?);
    Some(u64::from_le_bytes(number))
}

/// Whether a thread does nothing but go round: always the same few instructions, and nothing changes.
pub(super) fn goes_round(samples: &[Hot]) -> bool {
    let instructions = samples.iter().map(|hot| hot.registers[INSTRUCTION]);
    let (Some(lowest), Some(highest)) = (instructions.clone().min(), instructions.max()) else {
        return false;
    };
    if samples.len() < ENOUGH || highest - lowest > CIRCLE_BYTES {
        return false;
    }
    let changes = |register: &usize| {
        let mut values = samples.iter().map(|hot| hot.registers[*register]);
        let first = values.next();
        values.any(|value| Some(value) != first)
    };
    let registers = (0..DWARF.len()).filter(|register| *register != INSTRUCTION);
    registers.filter(changes).count() <= CIRCLE_REGISTERS
}

impl Hot {
    /// Where a walk through its stack begins.
    pub(super) fn start(&self) -> Start {
        let others = DWARF.iter().zip(self.registers);
        let others = others.filter(|(number, _)| **number != 16);
        Start {
            pc: self.registers[INSTRUCTION],
            sp: self.registers[STACK_POINTER],
            args: None,
            registers: others
                .map(|(number, value)| (Register(*number), value))
                .collect(),
        }
    }
}

/// Memory as it was when a sample was taken: the stack from the sample, everything else as it is.
pub(super) struct Then<'a> {
    pub(super) hot: &'a Hot,
    pub(super) now: &'a dyn Memory,
}

impl Memory for Then<'_> {
    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), ReadError> {
        let within = address.checked_sub(self.hot.registers[STACK_POINTER]);
        let within = within.and_then(|from| usize::try_from(from).ok());
        let kept = within.and_then(|from| self.hot.stack.get(from..from.checked_add(into.len())?));
        match kept {
            Some(kept) => {
                into.copy_from_slice(kept);
                Ok(())
            }
            None => self.now.read(address, into),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hot(instruction: u64, counter: u64, other: u64) -> Hot {
        let mut registers = [7; 17];
        registers[INSTRUCTION] = instruction;
        registers[0] = counter;
        registers[1] = other;
        Hot {
            registers,
            stack: Vec::new(),
        }
    }

    fn record(kind: u32, body: &[u8]) -> Vec<u8> {
        let mut bytes = kind.to_le_bytes().to_vec();
        bytes.extend([0, 0]);
        bytes.extend(((8 + body.len()) as u16).to_le_bytes());
        bytes.extend(body);
        bytes
    }

    #[test]
    fn who_goes_round_changes_nothing() {
        let round: Vec<Hot> = (0..10).map(|nth| hot(0x1000 + nth % 8, nth, 7)).collect();
        assert!(goes_round(&round));
        assert!(!goes_round(&round[..4]));
        let works: Vec<Hot> = (0..10)
            .map(|nth| hot(0x1000 + nth % 8, nth, nth * 3))
            .collect();
        assert!(!goes_round(&works));
        let far: Vec<Hot> = (0..10).map(|nth| hot(0x1000 + nth * 100, 7, 7)).collect();
        assert!(!goes_round(&far));
    }

    #[test]
    fn samples_are_read_and_others_passed_over() {
        let mut body = 0x1234_u64.to_le_bytes().to_vec();
        body.extend(2_u64.to_le_bytes());
        for register in 0..17_u64 {
            body.extend((0x100 + register).to_le_bytes());
        }
        body.extend(16_u64.to_le_bytes());
        body.extend([9; 16]);
        body.extend(8_u64.to_le_bytes());
        let mut records = record(2, &[0; 16]);
        records.extend(record(SAMPLE, &body));
        let found = samples(&records);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].stack, [9; 8]);
        let start = found[0].start();
        assert_eq!((start.pc, start.sp), (0x108, 0x107));
        assert!(start.registers.contains(&(Register(3), 0x101)));
    }

    #[test]
    fn records_cut_off_anywhere_do_no_harm() {
        let whole = record(SAMPLE, &[1; 400]);
        for end in 0..whole.len() {
            assert!(samples(&whole[..end]).is_empty());
        }
        assert!(samples(&record(SAMPLE, &[0xff; 200])).is_empty());
        assert!(samples(&[0; 64]).is_empty());
    }
}
