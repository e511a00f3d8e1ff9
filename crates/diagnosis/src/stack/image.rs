//! One program or library as it is needed for stacks: headers, and rows of its unwind table.
//!
//! Read from its file, or, where that is gone or was never one (the kernel's vdso), from where it is loaded: all that
//! unwinding needs is in the loaded parts. What each entry holds is bounded, for the file is not ours.

use super::cfi::{self, Row};
use super::elf::{Elf, Section, Span, i32_at, u32_at};
use super::file::{ModuleFile, Paged};
use crate::Memory;

/// Entries of a table larger than this are not believed.
const MAX_ENTRY: usize = 64 << 10;
/// A table without a search index is read once from end to end, up to this size.
const MAX_UNSORTED_TABLE: u64 = 16 << 20;

/// A module, and where its bytes are had from.
#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) elf: Elf,
    bytes: Bytes,
    sections: Option<Vec<Section>>,
    /// For modules without a search index: each function's begin and its entry's address, in order.
    scanned: Option<Vec<(u64, u64)>>,
}

#[derive(Debug)]
enum Bytes {
    File(Paged),
    /// Loaded with this distance between linked and real addresses.
    Loaded(u64),
}

impl Image {
    pub(crate) fn from_file(file: Box<dyn ModuleFile>) -> Option<Self> {
        let mut file = Paged::new(file);
        let elf = Elf::read(&mut |offset, into| file.read(offset, into))?;
        Some(Self {
            elf,
            bytes: Bytes::File(file),
            sections: None,
            scanned: None,
        })
    }

    /// From memory, where byte 0 of the file is found at `base`.
    pub(crate) fn from_memory(memory: &dyn Memory, base: u64) -> Option<Self> {
        let elf = Elf::read(&mut |offset, into| memory.read(base.checked_add(offset)?, into).ok())?;
        let distance = base.wrapping_sub(elf.address_of(0)?);
        Some(Self {
            elf,
            bytes: Bytes::Loaded(distance),
            sections: Some(Vec::new()),
            scanned: None,
        })
    }

    /// Whether the file begins as the memory at `base` does. Headers are never written to, so another file that has
    /// taken the mapped one's name shows here (another build has another table of segments, or another build id).
    pub(crate) fn begins_like(&mut self, memory: &dyn Memory, base: u64) -> bool {
        let (mut ours, mut theirs) = ([0; 1024], [0; 1024]);
        let Bytes::File(file) = &mut self.bytes else {
            return true;
        };
        file.read(0, &mut ours).is_none()
            || memory.read(base, &mut theirs).is_err()
            || ours == theirs
    }

    /// Fills `into` with what is linked at `address`.
    pub(crate) fn read(
        &mut self,
        memory: &dyn Memory,
        address: u64,
        into: &mut [u8],
    ) -> Option<()> {
        match &mut self.bytes {
            Bytes::File(file) => file.read(self.elf.offset_of(address)?, into),
            Bytes::Loaded(distance) => memory.read(address.wrapping_add(*distance), into).ok(),
        }
    }

    /// Fills `into` from the file; `None` if there is no file.
    pub(crate) fn read_file(&mut self, offset: u64, into: &mut [u8]) -> Option<()> {
        match &mut self.bytes {
            Bytes::File(file) => file.read(offset, into),
            Bytes::Loaded(_) => None,
        }
    }

    /// An address from the dynamic section as linked; the dynamic linker writes real ones there.
    pub(crate) fn as_linked(&self, address: u64) -> u64 {
        match self.bytes {
            Bytes::Loaded(distance)
                if self.elf.offset_of(address.wrapping_sub(distance)).is_some() =>
            {
                address.wrapping_sub(distance)
            }
            Bytes::Loaded(_) | Bytes::File(_) => address,
        }
    }

    /// The file's sections; none of what is read from memory.
    pub(crate) fn sections(&mut self) -> &[Section] {
        if self.sections.is_none() {
            let sections = match &mut self.bytes {
                Bytes::File(file) => self
                    .elf
                    .sections(&mut |offset, into| file.read(offset, into)),
                Bytes::Loaded(_) => Vec::new(),
            };
            self.sections = Some(sections);
        }
        self.sections.as_deref().unwrap_or_default()
    }

    pub(crate) fn section(&mut self, name: &str) -> Option<Section> {
        self.sections()
            .iter()
            .find(|section| section.name == name)
            .cloned()
    }

    /// The row for the code linked at `pc`. What it takes is paid from `effort`, in bytes read from the table.
    pub(crate) fn row(&mut self, memory: &dyn Memory, pc: u64, effort: &mut usize) -> Option<Row> {
        let entry = match self.elf.frame_header {
            Some(header) => self.search(memory, header, pc)?,
            None => self.search_scanned(pc)?,
        };
        let fde = self.entry(memory, entry)?;
        let back = u64::from(u32_at(&fde, 4)?);
        let cie = self.entry(memory, entry.checked_add(4)?.checked_sub(back)?)?;
        *effort = effort.checked_sub(cie.len() + fde.len())?;
        cfi::row(self.elf.arch, &cie, &fde, entry, pc)
    }

    /// One length-prefixed record of the table.
    fn entry(&mut self, memory: &dyn Memory, address: u64) -> Option<Vec<u8>> {
        let mut length = [0; 4];
        self.read(memory, address, &mut length)?;
        let length = u32::from_le_bytes(length) as usize;
        if !(8..MAX_ENTRY).contains(&length) {
            return None;
        }
        let mut entry = vec![0; 4 + length];
        self.read(memory, address, &mut entry)?;
        Some(entry)
    }

    /// The entry that may hold `pc`, by the search index linkers write.
    fn search(&mut self, memory: &dyn Memory, header: Span, pc: u64) -> Option<u64> {
        let mut head = [0; 12];
        self.read(memory, header.start, &mut head)?;
        // Version 1; the pointer relative to its place, a count of 4 bytes, pairs of 4 bytes relative to the header:
        // what every linker writes.
        if head[0] != 1 || head[2..4] != [0x03, 0x3b] || head[1] != 0x1b {
            return self.search_scanned(pc);
        }
        let count = u64::from(u32_at(&head, 8)?).min(header.size.saturating_sub(12) / 8);
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = low.midpoint(high);
            if self.index_pair(memory, header, middle)?.0 <= pc {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Some(self.index_pair(memory, header, low.checked_sub(1)?)?.1)
    }

    fn index_pair(&mut self, memory: &dyn Memory, header: Span, index: u64) -> Option<(u64, u64)> {
        let mut pair = [0; 8];
        self.read(memory, header.start.checked_add(12 + index * 8)?, &mut pair)?;
        let resolve = |at| {
            Some(
                header
                    .start
                    .wrapping_add_signed(i64::from(i32_at(&pair, at)?)),
            )
        };
        Some((resolve(0)?, resolve(4)?))
    }

    /// The entry that may hold `pc`, in a table without an index (static programs have none).
    fn search_scanned(&mut self, pc: u64) -> Option<u64> {
        if self.scanned.is_none() {
            self.scanned = Some(self.scan().unwrap_or_default());
        }
        let scanned = self.scanned.as_ref()?;
        let after = scanned.partition_point(|(start, _)| *start <= pc);
        scanned.get(after.checked_sub(1)?).map(|(_, entry)| *entry)
    }

    fn scan(&mut self) -> Option<Vec<(u64, u64)>> {
        let section = self.section(".eh_frame")?;
        if section.in_file.size > MAX_UNSORTED_TABLE {
            return None;
        }
        let mut bytes = vec![0; usize::try_from(section.in_file.size).ok()?];
        self.read_file(section.in_file.start, &mut bytes)?;
        Some(cfi::starts(&bytes, section.address))
    }
}
