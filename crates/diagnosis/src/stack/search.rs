//! Finding a caller where the table's way to it is barred: by the call instruction before its return address.
//!
//! Every return address on a stack has a call before it, and most calls name their target. Values that look alike are
//! left over from earlier calls, so a candidate must also lead on to a further frame.

use super::call::Call;
use super::cfi::{Cfa, Row, Saved};
use super::copy::StackCopy;
use super::unwinder::Unwinder;

/// How many words of a stack are looked at in all its searches.
pub(crate) const MAX_WORDS: usize = 64 << 10;
/// Without a symbol, a call's target is believed to be the beginning of code that lies so far behind it.
const MAX_FUNCTION: u64 = 16 << 10;

/// What is known about the function whose caller is sought.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Callee<'r> {
    pub(crate) pc: u64,
    /// Where it begins.
    pub(crate) start: Option<u64>,
    /// Its row, and what is added to its addresses.
    pub(crate) row: Option<&'r Row>,
}

impl Callee<'_> {
    /// The canonical address of the callee's frame, if its return address lies at `slot`.
    pub(crate) fn cfa(&self, slot: u64) -> u64 {
        match self.row.and_then(|row| row.place_of(row.return_address)) {
            Some(Saved::At(offset)) => slot.wrapping_sub(offset.cast_unsigned()),
            _ => slot.wrapping_add(8),
        }
    }
}

/// A place on the stack that holds a return address into the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) slot: u64,
    pub(crate) return_address: u64,
    /// Whether the call before it is known to lead to the callee.
    pub(crate) is_exact: bool,
}

impl Unwinder<'_> {
    /// The caller of `callee` whose return address lies at `from` or above.
    pub(crate) fn search(
        &mut self,
        callee: Callee<'_>,
        from: u64,
        stack: &mut StackCopy<'_>,
        words: &mut usize,
    ) -> Option<Found> {
        let mut second = None;
        let mut slot = from.checked_next_multiple_of(8)?;
        while slot < stack.end() {
            *words = match words.checked_sub(1) {
                Some(left) => left,
                None => break,
            };
            let return_address = self.arch().code_address(stack.word(slot)?);
            if let Some(call) = self.code.call_before(self.arch(), return_address) {
                let is_exact = match (call, callee.start) {
                    (Call::To(target), Some(start)) => target == start,
                    (Call::To(target), None) => callee
                        .pc
                        .checked_sub(target)
                        .is_some_and(|behind| behind < MAX_FUNCTION),
                    (Call::Indirect, _) => false,
                };
                let found = Found {
                    slot,
                    return_address,
                    is_exact,
                };
                if is_exact && self.leads_on(callee, found, stack) {
                    return Some(found);
                }
                if call == Call::Indirect && second.is_none() && self.leads_on(callee, found, stack)
                {
                    second = Some(found);
                }
            }
            // An exact match this far above an acceptable one would belong to an outer call of the same function.
            if second.is_some_and(|second: Found| slot - second.slot > 512) {
                break;
            }
            slot += 8;
        }
        second
    }

    /// Whether the frame behind `found` has a caller in turn, as far as that can be told.
    fn leads_on(&mut self, callee: Callee<'_>, found: Found, stack: &mut StackCopy<'_>) -> bool {
        let Some(row) = self.row(found.return_address - 1) else {
            return true;
        };
        let cfa = callee.cfa(found.slot);
        let arch = self.arch();
        let base = match row.cfa {
            Cfa::Beside { register, offset } if register == arch.stack_pointer() => {
                Some(cfa.wrapping_add_signed(offset))
            }
            Cfa::Beside { register, offset } => {
                match callee.row.and_then(|callee| callee.place_of(register)) {
                    Some(Saved::At(place)) => stack
                        .word(cfa.wrapping_add_signed(*place))
                        .map(|value| value.wrapping_add_signed(offset)),
                    _ => None,
                }
            }
            Cfa::Computed(_) => None,
        };
        let (Some(base), Some(place)) = (base, row.place_of(row.return_address)) else {
            return true;
        };
        match place {
            Saved::Lost => true,
            Saved::At(offset) => {
                stack
                    .word(base.wrapping_add_signed(*offset))
                    .is_some_and(|address| {
                        address == 0 || self.is_return_address(arch.code_address(address))
                    })
            }
            Saved::Is(_)
            | Saved::In(_)
            | Saved::AtComputed(_)
            | Saved::IsComputed(_)
            | Saved::Unchanged => true,
        }
    }

    /// Whether a function can return to `address`: behind a call, or to what ends a signal handler.
    pub(crate) fn is_return_address(&mut self, address: u64) -> bool {
        let arch = self.arch();
        self.code.call_before(arch, address).is_some() || self.is_signal_return(address)
    }
}
