//! One row of a module's unwind table: where the caller's registers are, seen from one place in the code.
//!
//! `gimli` reads the instructions; here they are given two records only, the entry and what it shares with others, so
//! that a table of ten megabytes need not be loaded for one row of it. Addresses are as linked, not as loaded.

use gimli::{
    BaseAddresses, CfaRule, CieOrFde, EhFrame, EhFrameOffset, Encoding, EndianSlice,
    EvaluationResult, Expression, Format, LittleEndian, Location, RegisterRule, UnwindContext,
    UnwindSection as _, UnwindTableRow, Value, Vendor,
};

use super::registers::{Arch, Register, Registers};

/// How often an expression may jump or compute before it is given up.
const MAX_STEPS: u32 = 1_000;

/// The most bytes a record that entries share may have, in a table that is read from end to end.
const MAX_SHARED: u32 = 1024;

/// What the table says for one place in the code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// Where the function begins.
    pub(crate) start: u64,
    /// The first address after it.
    pub(crate) end: u64,
    pub(crate) cfa: Cfa,
    pub(crate) saved: Vec<(Register, Saved)>,
    /// The column of the return address.
    pub(crate) return_address: Register,
    /// Whether the kernel has put this frame there to deliver a signal.
    pub(crate) is_signal: bool,
}

/// The frame's canonical address: what the stack pointer was before the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cfa {
    Beside { register: Register, offset: i64 },
    Computed(Vec<u8>),
}

/// Where a register of the caller is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Saved {
    /// In memory, so far from the canonical address.
    At(i64),
    /// The canonical address itself, and so much.
    Is(i64),
    In(Register),
    AtComputed(Vec<u8>),
    IsComputed(Vec<u8>),
    Unchanged,
    /// Nowhere. Said of the return address it means: nobody called this.
    Lost,
}

type Bytes<'a> = EndianSlice<'a, LittleEndian>;
type GimliRow = UnwindTableRow<usize>;

/// Reads the row for `pc` from an entry (`fde`, linked at `address`) and the part it shares with others (`cie`).
///
/// `None` if the entry is broken or does not speak of `pc`.
pub(crate) fn row(arch: Arch, cie: &[u8], fde: &[u8], address: u64, pc: u64) -> Option<Row> {
    // Put side by side the two make a section of their own; only the distance between them has to be written anew.
    let place = cie.len();
    let mut bytes = cie.to_vec();
    bytes.extend_from_slice(fde);
    let distance = u32::try_from(place + 4).ok()?;
    bytes
        .get_mut(place + 4..place + 8)?
        .copy_from_slice(&distance.to_le_bytes());

    let mut section = EhFrame::new(&bytes, LittleEndian);
    section.set_address_size(8);
    if arch == Arch::Aarch64 {
        section.set_vendor(Vendor::AArch64);
    }
    let bases = BaseAddresses::default()
        .set_eh_frame(address.wrapping_sub(place as u64))
        .set_text(0);
    let entry = section
        .fde_from_offset(&bases, EhFrameOffset(place), |section, bases, offset| {
            section.cie_from_offset(bases, offset)
        })
        .ok()?;
    let mut context = UnwindContext::new();
    let row = entry
        .unwind_info_for_address(&section, &bases, &mut context, pc)
        .ok()?;
    Some(Row {
        start: entry.initial_address(),
        end: entry.end_address(),
        cfa: cfa(row, &section)?,
        saved: saved(row, &section)?,
        return_address: Register(entry.cie().return_address_register().0),
        is_signal: entry.is_signal_trampoline(),
    })
}

/// The functions of a whole table linked at `address`, each with the address of its entry, in order.
pub(crate) fn starts(table: &[u8], address: u64) -> Vec<(u64, u64)> {
    let mut section = EhFrame::new(table, LittleEndian);
    section.set_address_size(8);
    let bases = BaseAddresses::default().set_eh_frame(address);
    let mut starts = Vec::new();
    let mut entries = section.entries(&bases);
    while let Ok(Some(entry)) = entries.next() {
        if let CieOrFde::Fde(entry) = entry
            && let Ok(entry) = entry.parse(|section, bases, offset| {
                // Any number of entries may name any number of these, so each must be short.
                match super::elf::u32_at(table, offset.0) {
                    Some(length) if length <= MAX_SHARED => section.cie_from_offset(bases, offset),
                    _ => Err(gimli::Error::NoEntryAtGivenOffset(offset.0 as u64)),
                }
            })
        {
            starts.push((
                entry.initial_address(),
                address.wrapping_add(entry.offset() as u64),
            ));
        }
    }
    starts.sort_unstable();
    starts
}

fn cfa(row: &GimliRow, section: &EhFrame<Bytes<'_>>) -> Option<Cfa> {
    Some(match row.cfa() {
        CfaRule::RegisterAndOffset { register, offset } => Cfa::Beside {
            register: Register(register.0),
            offset: *offset,
        },
        CfaRule::Expression(expression) => {
            Cfa::Computed(expression.get(section).ok()?.0.slice().to_vec())
        }
    })
}

fn saved(row: &GimliRow, section: &EhFrame<Bytes<'_>>) -> Option<Vec<(Register, Saved)>> {
    let mut saved = Vec::new();
    for (register, rule) in row.registers() {
        let place = match rule {
            RegisterRule::Undefined => Saved::Lost,
            RegisterRule::SameValue => Saved::Unchanged,
            RegisterRule::Offset(offset) => Saved::At(*offset),
            RegisterRule::ValOffset(offset) => Saved::Is(*offset),
            RegisterRule::Register(other) => Saved::In(Register(other.0)),
            RegisterRule::Expression(expression) => {
                Saved::AtComputed(expression.get(section).ok()?.0.slice().to_vec())
            }
            RegisterRule::ValExpression(expression) => {
                Saved::IsComputed(expression.get(section).ok()?.0.slice().to_vec())
            }
            // Of pseudo-registers (the state of pointer signing) nothing is needed: addresses are stripped anyway.
            RegisterRule::Constant(_) => continue,
            RegisterRule::Architectural => return None,
        };
        saved.push((Register(register.0), place));
    }
    Some(saved)
}

/// Words of the stack, or of anywhere else; `None` where there is nothing to read.
pub(crate) type Word<'a> = &'a mut dyn FnMut(u64) -> Option<u64>;

/// What a row leads to: the canonical address and the caller's registers.
pub(crate) type Unwound = Result<(u64, Registers), Halt>;

/// Why a row does not lead on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Halt {
    /// The table says that nobody called this function.
    Outermost,
    /// The canonical address hangs on a register whose value is not known.
    NeedsRegister,
    /// The table's words lead nowhere.
    Broken,
}

impl Row {
    /// The caller's registers from those of this frame.
    pub(crate) fn unwind(&self, arch: Arch, registers: &Registers, word: Word<'_>) -> Unwound {
        let cfa = match &self.cfa {
            Cfa::Beside { register, offset } => match registers.get(*register) {
                Some(value) => value.wrapping_add_signed(*offset),
                None => return Err(Halt::NeedsRegister),
            },
            Cfa::Computed(code) => match compute(code, None, registers, word) {
                Ok(cfa) => cfa,
                Err(Missing::Register) => return Err(Halt::NeedsRegister),
                Err(Missing::Sense) => return Err(Halt::Broken),
            },
        };
        self.unwind_from(arch, cfa, registers, word)
    }

    /// As [`Row::unwind`], with the canonical address found by other means.
    pub(crate) fn unwind_from(
        &self,
        arch: Arch,
        cfa: u64,
        registers: &Registers,
        word: Word<'_>,
    ) -> Unwound {
        if self.place_of(self.return_address) == Some(&Saved::Lost) {
            return Err(Halt::Outermost);
        }
        let mut caller = if self.is_signal {
            Registers::unknown()
        } else {
            registers.across_call(arch)
        };
        caller.set(arch.stack_pointer(), Some(cfa));
        // On ARM the return address is in a register until a function saves it; unsaved it is still there.
        if arch == Arch::Aarch64 {
            caller.set(self.return_address, registers.get(self.return_address));
        }
        for (register, place) in &self.saved {
            let value = match place {
                Saved::At(offset) => word(cfa.wrapping_add_signed(*offset)),
                Saved::Is(offset) => Some(cfa.wrapping_add_signed(*offset)),
                Saved::In(other) => registers.get(*other),
                Saved::AtComputed(code) => compute(code, Some(cfa), registers, word)
                    .ok()
                    .and_then(&mut *word),
                Saved::IsComputed(code) => compute(code, Some(cfa), registers, word).ok(),
                Saved::Unchanged => registers.get(*register),
                Saved::Lost => None,
            };
            caller.set(*register, value);
        }
        Ok((cfa, caller))
    }

    pub(crate) fn place_of(&self, register: Register) -> Option<&Saved> {
        self.saved
            .iter()
            .find(|(saved, _)| *saved == register)
            .map(|(_, place)| place)
    }
}

/// Why an expression has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missing {
    /// It asks for a register that is not known.
    Register,
    /// It is broken, leads nowhere or does not end.
    Sense,
}

/// The value of a DWARF expression.
fn compute(
    code: &[u8],
    initial: Option<u64>,
    registers: &Registers,
    word: Word<'_>,
) -> Result<u64, Missing> {
    let encoding = Encoding {
        format: Format::Dwarf32,
        version: 4,
        address_size: 8,
    };
    let mut evaluation = Expression(EndianSlice::new(code, LittleEndian)).evaluation(encoding);
    evaluation.set_max_iterations(MAX_STEPS);
    if let Some(value) = initial {
        evaluation.set_initial_value(value);
    }
    let mut result = evaluation.evaluate().map_err(|_| Missing::Sense)?;
    loop {
        result = match result {
            EvaluationResult::Complete => break,
            EvaluationResult::RequiresMemory {
                address, size: 8, ..
            } => {
                evaluation.resume_with_memory(Value::Generic(word(address).ok_or(Missing::Sense)?))
            }
            EvaluationResult::RequiresRegister { register, .. } => {
                let value = registers
                    .get(Register(register.0))
                    .ok_or(Missing::Register)?;
                evaluation.resume_with_register(Value::Generic(value))
            }
            EvaluationResult::RequiresMemory { .. }
            | EvaluationResult::RequiresWasmLocal { .. }
            | EvaluationResult::RequiresWasmGlobal { .. }
            | EvaluationResult::RequiresWasmStack { .. }
            | EvaluationResult::RequiresFrameBase
            | EvaluationResult::RequiresTls(_)
            | EvaluationResult::RequiresCallFrameCfa
            | EvaluationResult::RequiresAtLocation(_)
            | EvaluationResult::RequiresEntryValue(_)
            | EvaluationResult::RequiresParameterRef(_)
            | EvaluationResult::RequiresRelocatedAddress(_)
            | EvaluationResult::RequiresIndexedAddress { .. }
            | EvaluationResult::RequiresBaseType(_) => return Err(Missing::Sense),
        }
        .map_err(|_| Missing::Sense)?;
    }
    if let [piece] = evaluation.as_result()
        && let Location::Address { address } = piece.location
    {
        return Ok(address);
    }
    Err(Missing::Sense)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RBP: Register = Register(6);
    const RIP: Register = Register(16);

    /// `push rbp; mov rbp, rsp` in a table made by hand: CIE "zR", code alignment 1, data alignment -8.
    fn table() -> (Vec<u8>, Vec<u8>) {
        let cie = [
            &[
                0x14, 0, 0, 0, 0, 0, 0, 0, 1, b'z', b'R', 0, 1, 0x78, 16, 1, 0x1b,
            ][..],
            &[0x0c, 7, 8, 0x90, 1, 0, 0],
        ]
        .concat();
        // Linked at 0x2000, of a function 0x1000..0x1020.
        let begin = (0x1000_i32 - 0x2008).to_le_bytes();
        let fde = [
            &[0x18, 0, 0, 0, 0, 0, 0, 0][..],
            &begin,
            &[0x20, 0, 0, 0, 0],
            &[0x41, 0x0e, 16, 0x86, 2, 0x43, 0x0d, 6, 0, 0, 0],
        ]
        .concat();
        (cie, fde)
    }

    #[test]
    fn a_row_is_read_from_two_records() {
        let (cie, fde) = table();
        let row = row(Arch::X86_64, &cie, &fde, 0x2000, 0x1010).unwrap();
        assert_eq!((row.start, row.end), (0x1000, 0x1020));
        assert_eq!(
            row.cfa,
            Cfa::Beside {
                register: RBP,
                offset: 16
            }
        );
        assert_eq!(row.place_of(RBP), Some(&Saved::At(-16)));
        assert_eq!(row.place_of(RIP), Some(&Saved::At(-8)));
        assert!(!row.is_signal);
    }

    #[test]
    fn a_place_outside_the_entry_has_no_row() {
        let (cie, fde) = table();
        assert_eq!(row(Arch::X86_64, &cie, &fde, 0x2000, 0x1020), None);
        assert_eq!(row(Arch::X86_64, &cie, &fde[..20], 0x2000, 0x1010), None);
    }

    #[test]
    fn a_missing_register_is_named() {
        let (cie, fde) = table();
        let row = row(Arch::X86_64, &cie, &fde, 0x2000, 0x1010).unwrap();
        let unwound = row.unwind(Arch::X86_64, &Registers::unknown(), &mut |_| None);
        assert_eq!(unwound.unwrap_err(), Halt::NeedsRegister);
    }

    #[test]
    fn an_expression_that_jumps_in_a_circle_is_given_up() {
        // DW_OP_skip -3
        assert_eq!(
            compute(
                &[0x2f, 0xfd, 0xff],
                None,
                &Registers::unknown(),
                &mut |_| None
            ),
            Err(Missing::Sense)
        );
    }
}
