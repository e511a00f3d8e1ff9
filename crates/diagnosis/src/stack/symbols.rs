//! The names of a module's functions, from whichever tables it has kept.
//!
//! `.symtab` has all, `.dynsym` what is exported, `.gnu_debugdata` (a compressed table Fedora and others add) the rest.
//! What is kept is where each function begins; its name is read when it is asked for.

use super::demangle::demangle;
use super::elf::{Section, u16_at, u32_at, u64_at};
use super::image::Image;
use crate::Memory;

/// Functions beyond these have no name: 16 MiB of index.
const MAX_FUNCTIONS: usize = 1 << 20;
/// How much is read of a table at once.
const CHUNK: u64 = 64 << 10;
/// The most a compressed table may hold.
const MAX_DEBUGDATA: usize = 16 << 20;
/// A name longer than this is cut; C++ has such.
const MAX_NAME: usize = 4096;
const SYMBOL: u64 = 24;

/// All functions of one module, in order.
#[derive(Debug, Default)]
pub(crate) struct Symbols {
    functions: Vec<Entry>,
    tables: Vec<Names>,
    /// The image unpacked from `.gnu_debugdata`.
    unpacked: Option<Box<Image>>,
}

/// Where a table's names lie.
#[derive(Debug, Clone, Copy)]
enum Names {
    InFile(u64),
    Loaded(u64),
    Unpacked(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    start: u64,
    /// Lower is better: a global name before a weak before a local one.
    rank: u8,
    table: u8,
    name: u32,
    size: u32,
}

/// A function found for an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) start: u64,
    pub(crate) name: String,
}

impl Symbols {
    pub(crate) fn read(image: &mut Image, memory: &dyn Memory) -> Self {
        let mut symbols = Self::default();
        let sections = image.sections().to_vec();
        for section in sections
            .iter()
            .filter(|section| section.kind == 2 || section.kind == 11)
        {
            symbols.take_section(image, section, &sections, false);
        }
        if sections.is_empty() {
            symbols.take_loaded(image, memory);
        }
        if let Some(section) = sections
            .iter()
            .find(|section| section.name == ".gnu_debugdata")
        {
            symbols.take_debugdata(image, section);
        }
        symbols.functions.sort_unstable();
        symbols
            .functions
            .dedup_by_key(|entry| (entry.start, entry.size));
        symbols
    }

    /// The function around the code linked at `address`, and where it begins.
    pub(crate) fn find(
        &mut self,
        image: &mut Image,
        memory: &dyn Memory,
        address: u64,
    ) -> Option<Function> {
        let entry = self.entry(address)?;
        let name = self.name(image, memory, entry)?;
        Some(Function {
            start: entry.start,
            name: demangle(&name),
        })
    }

    /// Where the function around `address` begins.
    pub(crate) fn start_of(&self, address: u64) -> Option<u64> {
        self.entry(address).map(|entry| entry.start)
    }

    fn entry(&self, address: u64) -> Option<Entry> {
        let after = self
            .functions
            .partition_point(|entry| entry.start <= address);
        let covers = |entry: &&Entry| address - entry.start < u64::from(entry.size);
        // Functions seldom lie within each other; a few steps back find the one around.
        let before = &self.functions[after.saturating_sub(16)..after];
        let start = before
            .iter()
            .rev()
            .find(covers)
            .or_else(|| before.last().filter(|entry| entry.size == 0))?
            .start;
        before
            .iter()
            .find(|entry| entry.start == start && (entry.size == 0 || covers(entry)))
            .copied()
    }

    fn name(&mut self, image: &mut Image, memory: &dyn Memory, entry: Entry) -> Option<String> {
        let mut name = Vec::new();
        let mut piece = [0; 64];
        while name.len() < MAX_NAME {
            // The end of a table may be the end of what can be read, so a piece that fails is tried byte by byte.
            let length = [piece.len(), 1].into_iter().find(|length| {
                let at = name.len() as u64 + u64::from(entry.name);
                let piece = &mut piece[..*length];
                match self.tables[usize::from(entry.table)] {
                    Names::InFile(names) => names
                        .checked_add(at)
                        .and_then(|at| image.read_file(at, piece)),
                    Names::Loaded(names) => names
                        .checked_add(at)
                        .and_then(|at| image.read(memory, at, piece)),
                    Names::Unpacked(names) => names
                        .checked_add(at)
                        .and_then(|at| self.unpacked.as_mut()?.read_file(at, piece)),
                }
                .is_some()
            })?;
            let piece = &piece[..length];
            match piece.iter().position(|byte| *byte == 0) {
                Some(end) => {
                    name.extend_from_slice(&piece[..end]);
                    break;
                }
                None => name.extend_from_slice(piece),
            }
        }
        (!name.is_empty()).then(|| String::from_utf8_lossy(&name).into_owned())
    }

    fn take_section(
        &mut self,
        image: &mut Image,
        section: &Section,
        sections: &[Section],
        is_unpacked: bool,
    ) {
        let Some(names) = sections.get(section.link as usize) else {
            return;
        };
        let names = names.in_file.start;
        let Some(table) = self.add_table(if is_unpacked {
            Names::Unpacked(names)
        } else {
            Names::InFile(names)
        }) else {
            return;
        };
        let mut bytes = vec![0; (CHUNK / SYMBOL * SYMBOL) as usize];
        let count = section.in_file.size / SYMBOL;
        let mut done = 0;
        while done < count && self.functions.len() < MAX_FUNCTIONS {
            let now = (count - done).min(CHUNK / SYMBOL);
            let piece = &mut bytes[..(now * SYMBOL) as usize];
            let offset = done
                .checked_mul(SYMBOL)
                .and_then(|skip| section.in_file.start.checked_add(skip));
            if offset
                .and_then(|offset| image.read_file(offset, piece))
                .is_none()
            {
                return;
            }
            piece
                .chunks_exact(SYMBOL as usize)
                .for_each(|symbol| self.take(symbol, table));
            done += now;
        }
    }

    fn add_table(&mut self, names: Names) -> Option<u8> {
        let table = u8::try_from(self.tables.len()).ok()?;
        self.tables.push(names);
        Some(table)
    }

    /// Keeps `symbol` if it is a function (or a name without a kind, as in assembly) with a place.
    fn take(&mut self, symbol: &[u8], table: u8) {
        let entry = || {
            let (kind, binding) = (symbol[4] & 0xf, symbol[4] >> 4);
            let is_function = matches!(kind, 0 | 2 | 10) && u16_at(symbol, 6)? != 0;
            Some(Entry {
                start: u64_at(symbol, 8)?,
                rank: match binding {
                    1 => 0,
                    2 => 1,
                    _ => 2,
                } + 3 * u8::from(kind == 0),
                table,
                name: u32_at(symbol, 0)?,
                size: u32::try_from(u64_at(symbol, 16)?).unwrap_or(u32::MAX),
            })
            .filter(|entry| is_function && entry.name != 0 && entry.start != 0)
        };
        if let Some(entry) = entry() {
            self.functions.push(entry);
        }
    }

    /// The exported names, where only the loaded parts can be read: from the dynamic section.
    fn take_loaded(&mut self, image: &mut Image, memory: &dyn Memory) -> Option<()> {
        let dynamic = image.elf.dynamic?;
        let (mut table, mut names) = (None, None);
        for index in 0..dynamic.size.min(CHUNK) / 16 {
            let mut pair = [0; 16];
            image.read(memory, dynamic.start.checked_add(index * 16)?, &mut pair)?;
            match u64_at(&pair, 0)? {
                0 => break,
                5 => names = u64_at(&pair, 8),
                6 => table = u64_at(&pair, 8),
                _ => {}
            }
        }
        // The dynamic linker replaces them by real addresses; the kernel leaves the vdso's as linked.
        let (table, names) = (image.as_linked(table?), image.as_linked(names?));
        let place = self.add_table(Names::Loaded(names))?;
        // The format does not tell how many there are; linkers put the names right behind the table.
        for index in 0..names.checked_sub(table)?.min(CHUNK * SYMBOL) / SYMBOL {
            let mut symbol = [0; SYMBOL as usize];
            image.read(memory, table.checked_add(index * SYMBOL)?, &mut symbol)?;
            self.take(&symbol, place);
        }
        Some(())
    }

    fn take_debugdata(&mut self, image: &mut Image, section: &Section) -> Option<()> {
        let mut packed = vec![
            0;
            usize::try_from(section.in_file.size)
                .ok()
                .filter(|size| *size <= MAX_DEBUGDATA)?
        ];
        image.read_file(section.in_file.start, &mut packed)?;
        let mut unpacked = Image::from_file(Box::new(unpack(&packed)?))?;
        let sections = unpacked.sections().to_vec();
        for section in sections.iter().filter(|section| section.kind == 2) {
            self.take_section(&mut unpacked, section, &sections, true);
        }
        self.unpacked = Some(Box::new(unpacked));
        Some(())
    }
}

/// The content of an xz stream, if it is not larger than allowed.
fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    let mut decoder =
        xz4rust::XzDecoder::in_heap_with_alloc_dict_size(xz4rust::DICT_SIZE_MIN, MAX_DEBUGDATA);
    let mut unpacked = vec![0; CHUNK as usize];
    let (mut taken, mut done) = (0, 0);
    loop {
        let result = decoder
            .decode(&packed[taken..], &mut unpacked[done..])
            .ok()?;
        taken += result.input_consumed();
        done += result.output_produced();
        match result {
            xz4rust::XzNextBlockResult::EndOfStream(..) => break,
            xz4rust::XzNextBlockResult::NeedMoreData(0, 0) => return None,
            xz4rust::XzNextBlockResult::NeedMoreData(..) => {}
        }
        if done == unpacked.len() {
            if done >= MAX_DEBUGDATA {
                return None;
            }
            unpacked.resize(done * 2, 0);
        }
    }
    unpacked.truncate(done);
    Some(unpacked)
}
