//! The registers of a frame, each of them known or not.
//!
//! What a blocked thread lets us see without a stop is its stack pointer, its place in the code and the arguments of
//! its system call. The others come back only where a frame has saved them, so "unknown" is the normal case here and
//! not an error. Numbers are DWARF's, as the tables for unwinding use them.

/// The processor a program is compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arch {
    /// AMD64, in 64-bit mode.
    X86_64,
    /// ARM, in 64-bit mode.
    Aarch64,
}

/// A register, by the number DWARF gives it on its processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Register(pub u16);

impl Arch {
    /// Where the stack ends.
    #[must_use]
    pub fn stack_pointer(self) -> Register {
        match self {
            Self::X86_64 => Register(7),
            Self::Aarch64 => Register(31),
        }
    }

    /// What code with frame pointers finds its frame by: `rbp`, `x29`.
    #[must_use]
    pub fn frame_pointer(self) -> Register {
        match self {
            Self::X86_64 => Register(6),
            Self::Aarch64 => Register(29),
        }
    }

    /// What a function must leave as it found it, the stack pointer aside.
    #[must_use]
    pub fn callee_saved(self) -> &'static [Register] {
        match self {
            Self::X86_64 => &X86_64_CALLEE_SAVED,
            Self::Aarch64 => &AARCH64_CALLEE_SAVED,
        }
    }

    /// Where the kernel takes a system call's arguments from.
    pub(crate) fn arguments(self) -> [Register; 6] {
        match self {
            Self::X86_64 => [5, 4, 1, 10, 8, 9].map(Register),
            Self::Aarch64 => [0, 1, 2, 3, 4, 5].map(Register),
        }
    }

    /// The column the tables keep the return address in: its own one on x86-64, the link register on ARM.
    pub(crate) fn return_address(self) -> Register {
        match self {
            Self::X86_64 => Register(16),
            Self::Aarch64 => Register(30),
        }
    }

    /// An address in code without what is signed into its upper bits (pointer authentication).
    pub(crate) fn code_address(self, address: u64) -> u64 {
        match self {
            Self::X86_64 => address,
            Self::Aarch64 => address & 0x0000_ffff_ffff_ffff,
        }
    }
}

const X86_64_CALLEE_SAVED: [Register; 6] = [
    Register(3),
    Register(6),
    Register(12),
    Register(13),
    Register(14),
    Register(15),
];

const AARCH64_CALLEE_SAVED: [Register; 11] = [
    Register(19),
    Register(20),
    Register(21),
    Register(22),
    Register(23),
    Register(24),
    Register(25),
    Register(26),
    Register(27),
    Register(28),
    Register(29),
];

/// How many registers are kept: all general ones of both processors, and the return address.
const COUNT: usize = 33;

/// A set of registers with the values that are known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Registers {
    known: u64,
    values: [u64; COUNT],
}

impl Registers {
    pub(crate) fn unknown() -> Self {
        Self {
            known: 0,
            values: [0; COUNT],
        }
    }

    pub(crate) fn get(&self, register: Register) -> Option<u64> {
        let value = self.values.get(usize::from(register.0))?;
        (self.known >> register.0 & 1 == 1).then_some(*value)
    }

    /// Registers without a place here (vectors) are of no use to a walk and are dropped.
    pub(crate) fn set(&mut self, register: Register, value: Option<u64>) {
        let Some(place) = self.values.get_mut(usize::from(register.0)) else {
            return;
        };
        *place = value.unwrap_or_default();
        self.known = self.known & !(1 << register.0) | u64::from(value.is_some()) << register.0;
    }

    /// What the caller finds as it left it: everything a call may destroy is forgotten.
    pub(crate) fn across_call(&self, arch: Arch) -> Self {
        let mut kept = Self::unknown();
        for &register in arch.callee_saved() {
            kept.set(register, self.get(register));
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_keeps_only_what_the_callee_must_restore() {
        let mut registers = Registers::unknown();
        registers.set(Register(3), Some(7));
        registers.set(Register(0), Some(8));
        registers.set(Register(90), Some(9));

        let kept = registers.across_call(Arch::X86_64);
        assert_eq!(kept.get(Register(3)), Some(7));
        assert_eq!(kept.get(Register(0)), None);
        assert_eq!(kept.get(Register(90)), None);
    }

    #[test]
    fn a_register_can_become_unknown_again() {
        let mut registers = Registers::unknown();
        registers.set(Register(6), Some(1));
        registers.set(Register(6), None);
        assert_eq!(registers.get(Register(6)), None);
    }
}
