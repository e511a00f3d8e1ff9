//! The headers of an ELF file: what is loaded where, and where the tables lie.
//!
//! Written here and not taken from a library, because ours are read piece by piece from a file that may lie or from
//! the memory of a process, and only three small records of the format are needed. 64 bits, little endian.

use super::registers::Arch;

/// Whoever has more program headers than this is not a program.
const MAX_SEGMENTS: u16 = 256;
/// Sections beyond these are not looked at; the ones sought here come first in no order, but no program has so many.
const MAX_SECTIONS: u16 = 4096;

/// Reads all of a piece, or nothing.
pub(crate) type Read<'a> = &'a mut dyn FnMut(u64, &mut [u8]) -> Option<()>;

/// What the file header and the program headers say.
#[derive(Debug, Clone)]
pub(crate) struct Elf {
    pub(crate) arch: Arch,
    pub(crate) segments: Vec<Segment>,
    /// Addresses of `.eh_frame_hdr`.
    pub(crate) frame_header: Option<Span>,
    /// Addresses of the dynamic section.
    pub(crate) dynamic: Option<Span>,
    section_table: u64,
    section_count: u16,
    section_names: u16,
}

/// A part of the file that is mapped.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Segment {
    pub(crate) offset: u64,
    pub(crate) address: u64,
    pub(crate) file_size: u64,
    pub(crate) memory_size: u64,
    pub(crate) is_executable: bool,
}

/// Some bytes somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u64,
    pub(crate) size: u64,
}

/// One section, as far as it is of use here.
#[derive(Debug, Clone)]
pub(crate) struct Section {
    pub(crate) name: String,
    pub(crate) kind: u32,
    pub(crate) address: u64,
    pub(crate) in_file: Span,
    pub(crate) link: u32,
    pub(crate) is_compressed: bool,
}

impl Elf {
    pub(crate) fn read(read: Read<'_>) -> Option<Self> {
        let mut header = [0; 64];
        read(0, &mut header)?;
        if header[..6] != *b"\x7fELF\x02\x01" {
            return None;
        }
        let mut elf = Self {
            arch: match u16_at(&header, 18)? {
                62 => Arch::X86_64,
                183 => Arch::Aarch64,
                _ => return None,
            },
            segments: Vec::new(),
            frame_header: None,
            dynamic: None,
            section_table: u64_at(&header, 40)?,
            section_count: u16_at(&header, 60)?.min(MAX_SECTIONS),
            section_names: u16_at(&header, 62)?,
        };
        let (table, count) = (u64_at(&header, 32)?, u16_at(&header, 56)?);
        if u16_at(&header, 54)? != 56 || count > MAX_SEGMENTS {
            return None;
        }
        for index in 0..u64::from(count) {
            let mut bytes = [0; 56];
            read(table.checked_add(index * 56)?, &mut bytes)?;
            elf.take_program_header(&bytes)?;
        }
        Some(elf)
    }

    fn take_program_header(&mut self, bytes: &[u8; 56]) -> Option<()> {
        let segment = Segment {
            offset: u64_at(bytes, 8)?,
            address: u64_at(bytes, 16)?,
            file_size: u64_at(bytes, 32)?,
            memory_size: u64_at(bytes, 40)?,
            is_executable: u32_at(bytes, 4)? & 1 == 1,
        };
        let span = Span {
            start: segment.address,
            size: segment.memory_size,
        };
        match u32_at(bytes, 0)? {
            1 => self.segments.push(segment),
            2 => self.dynamic = Some(span),
            0x6474_e550 => self.frame_header = Some(span),
            _ => {}
        }
        Some(())
    }

    /// The address that byte `offset` of the file is linked at, if it is loaded as code or at all.
    pub(crate) fn address_of(&self, offset: u64) -> Option<u64> {
        let holds = |segment: &&Segment| {
            offset
                .checked_sub(segment.offset)
                .is_some_and(|distance| distance < segment.file_size)
        };
        let mut holders = self.segments.iter().filter(holds);
        let segment = holders
            .clone()
            .find(|segment| segment.is_executable)
            .or_else(|| holders.next())?;
        segment.address.checked_add(offset - segment.offset)
    }

    /// Where in the file the byte linked at `address` lies.
    pub(crate) fn offset_of(&self, address: u64) -> Option<u64> {
        self.segments.iter().find_map(|segment| {
            let distance = address.checked_sub(segment.address)?;
            (distance < segment.file_size).then(|| segment.offset.checked_add(distance))?
        })
    }

    /// All sections with their names; none where the file has no table of them or it is broken.
    pub(crate) fn sections(&self, read: Read<'_>) -> Vec<Section> {
        let mut sections = Vec::new();
        for index in 0..self.section_count {
            let Some(section) = self.section(index, read) else {
                break;
            };
            sections.push(section);
        }
        sections
    }

    fn section(&self, index: u16, read: Read<'_>) -> Option<Section> {
        let bytes = self.section_header(index, read)?;
        let names = self.section_header(self.section_names, read)?;
        Some(Section {
            name: name_at(
                u64_at(&names, 24)?.checked_add(u64::from(u32_at(&bytes, 0)?))?,
                read,
            )?,
            kind: u32_at(&bytes, 4)?,
            address: u64_at(&bytes, 16)?,
            in_file: Span {
                start: u64_at(&bytes, 24)?,
                size: u64_at(&bytes, 32)?,
            },
            link: u32_at(&bytes, 40)?,
            is_compressed: u64_at(&bytes, 8)? & 0x800 != 0,
        })
    }

    fn section_header(&self, index: u16, read: Read<'_>) -> Option<[u8; 64]> {
        let mut bytes = [0; 64];
        read(
            self.section_table.checked_add(u64::from(index) * 64)?,
            &mut bytes,
        )?;
        Some(bytes)
    }
}

/// A section's name; longer ones than 32 bytes are none of those we look for and are cut.
fn name_at(offset: u64, read: Read<'_>) -> Option<String> {
    let mut name = Vec::new();
    for index in 0..32 {
        let mut byte = [0];
        read(offset.checked_add(index)?, &mut byte)?;
        if byte[0] == 0 {
            break;
        }
        name.push(byte[0]);
    }
    Some(String::from_utf8_lossy(&name).into_owned())
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(crate) fn i32_at(bytes: &[u8], at: usize) -> Option<i32> {
    Some(i32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}
