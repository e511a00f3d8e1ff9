//! The code of a process, page by page, and which addresses are code at all.

use std::collections::BTreeMap;

use super::call::{self, Call};
use super::registers::Arch;
use crate::{Mapping, Memory};

const PAGE: u64 = 4096;
/// What is kept of the code: 4 MiB.
const PAGES: usize = 1024;
/// How many answers about calls are kept.
const CALLS: usize = 64 << 10;

/// Reads code and knows what is before each return address.
pub(crate) struct Code<'a> {
    memory: &'a dyn Memory,
    pub(crate) read: ReadCode,
}

/// What has been read of a process's code.
#[derive(Debug, Default)]
pub(crate) struct ReadCode {
    /// Where code may run, in order and without overlap.
    ranges: Vec<(u64, u64)>,
    pages: BTreeMap<u64, Option<Box<[u8; PAGE as usize]>>>,
    calls: BTreeMap<u64, Option<Call>>,
}

impl ReadCode {
    pub(crate) fn of(mappings: &[Mapping]) -> Self {
        let mut ranges: Vec<(u64, u64)> = mappings
            .iter()
            .filter(|mapping| mapping.is_executable && mapping.start < mapping.end)
            .map(|mapping| (mapping.start, mapping.end))
            .collect();
        ranges.sort_unstable();
        Self {
            ranges,
            ..Self::default()
        }
    }
}

impl<'a> Code<'a> {
    pub(crate) fn new(memory: &'a dyn Memory, read: ReadCode) -> Self {
        Self { memory, read }
    }

    pub(crate) fn is_code(&self, address: u64) -> bool {
        let after = self
            .read
            .ranges
            .partition_point(|(start, _)| *start <= address);
        after
            .checked_sub(1)
            .is_some_and(|index| address < self.read.ranges[index].1)
    }

    /// The call before `address`, if it is code that something can return to.
    pub(crate) fn call_before(&mut self, arch: Arch, address: u64) -> Option<Call> {
        if !self.is_code(address.checked_sub(1)?) {
            return None;
        }
        if let Some(known) = self.read.calls.get(&address) {
            return *known;
        }
        let call = call::before(arch, self, address);
        if self.read.calls.len() >= CALLS {
            self.read.calls.clear();
        }
        self.read.calls.insert(address, call);
        call
    }

    /// Fills `into` with the code at `address`; `None` if not all of it is code.
    pub(crate) fn read(&mut self, address: u64, into: &mut [u8]) -> Option<()> {
        for (distance, byte) in into.iter_mut().enumerate() {
            let at = address.checked_add(distance as u64)?;
            *byte = self.page(at / PAGE)?[(at % PAGE) as usize];
        }
        Some(())
    }

    /// A word of data the code refers to.
    pub(crate) fn word(&self, address: u64) -> Option<u64> {
        self.memory.u64(address).ok()
    }

    fn page(&mut self, number: u64) -> Option<&[u8; PAGE as usize]> {
        if !self.read.pages.contains_key(&number) {
            if self.read.pages.len() >= PAGES {
                self.read.pages.clear();
            }
            let start = number * PAGE;
            let mut bytes = Box::new([0; PAGE as usize]);
            let is_read = self.is_code(start) && self.memory.read(start, &mut *bytes).is_ok();
            self.read.pages.insert(number, is_read.then_some(bytes));
        }
        self.read.pages.get(&number)?.as_deref()
    }
}
