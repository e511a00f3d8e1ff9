//! Frames the kernel puts on a stack to deliver a signal, where no table describes them.
//!
//! glibc's are described; musl's, Go's and some vdso's are not. They are known by the code that leaves them, and the
//! kernel's layout of what is kept there never changes.

use super::code::Code;
use super::registers::{Arch, Register, Registers};

/// Whether `pc` leaves a signal handler by `rt_sigreturn`.
pub(crate) fn is_return(arch: Arch, code: &mut Code<'_>, pc: u64) -> bool {
    match arch {
        // mov rax, 15 (or eax); syscall
        Arch::X86_64 => {
            let mut bytes = [0; 9];
            code.read(pc, &mut bytes).is_some()
                && (bytes == [0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 0x05]
                    || bytes[..7] == [0xb8, 15, 0, 0, 0, 0x0f, 0x05])
        }
        // mov x8, #139; svc #0
        Arch::Aarch64 => {
            let mut bytes = [0; 8];
            code.read(pc, &mut bytes).is_some()
                && bytes == [0x68, 0x11, 0x80, 0xd2, 0x01, 0, 0, 0xd4]
        }
    }
}

/// The interrupted code's registers, with its place in the column of the return address.
pub(crate) fn interrupted(
    arch: Arch,
    sp: u64,
    word: &mut dyn FnMut(u64) -> Option<u64>,
) -> Option<Registers> {
    let mut registers = Registers::unknown();
    match arch {
        Arch::X86_64 => {
            // ucontext: flags, link and the signal stack come first (40 bytes).
            let order = [8, 9, 10, 11, 12, 13, 14, 15, 5, 4, 6, 3, 1, 0, 2, 7, 16];
            for (place, register) in order.into_iter().enumerate() {
                registers.set(
                    Register(register),
                    word(sp.checked_add(40 + 8 * place as u64)?),
                );
            }
        }
        Arch::Aarch64 => {
            // siginfo (128), flags, link and stack (40), mask (128, padded to 136), the faulting address (8).
            for register in 0..32 {
                registers.set(
                    Register(register),
                    word(sp.checked_add(312 + 8 * u64::from(register))?),
                );
            }
            let pc = word(sp.checked_add(312 + 8 * 32)?);
            registers.set(PC, pc);
        }
    }
    registers.get(arch.stack_pointer())?;
    registers.get(pc_column(arch))?;
    Some(registers)
}

/// Where [`interrupted`] keeps the place in the code. ARM's link register is in use there, so it is another one.
pub(crate) fn pc_column(arch: Arch) -> Register {
    match arch {
        Arch::X86_64 => arch.return_address(),
        Arch::Aarch64 => PC,
    }
}

/// DWARF's number for ARM's program counter.
const PC: Register = Register(32);
