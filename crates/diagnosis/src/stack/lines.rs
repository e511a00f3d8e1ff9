//! Places in the source: which file and line a place in the code was compiled from.
//!
//! Asked for the few frames that are shown, and answered where the module itself has debug information that is not
//! compressed. Separate files with it are not sought.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;

use gimli::{Dwarf, LineRow, SectionId, Unit, UnitHeader};

use super::elf::Span;
use super::image::Image;
use super::pieces::{Piece, Source};

/// Bytes of debug information that are read for one module.
const MAX_READ: usize = 64 << 20;
/// Bytes that are read for one unit and what it consists of.
const MAX_UNIT: usize = 512 << 10;

/// A place in the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The file, as the compiler was told it.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: u64,
}

/// The lines that code linked at `addresses` comes from, as far as they can be told.
pub(crate) fn of(image: &mut Image, addresses: &[u64]) -> BTreeMap<u64, Line> {
    let mut found = BTreeMap::new();
    let sections: BTreeMap<String, Span> = image
        .sections()
        .iter()
        .filter(|section| section.name.starts_with(".debug_") && !section.is_compressed)
        .map(|section| (section.name.clone(), section.in_file))
        .collect();
    if !sections.contains_key(".debug_info") {
        return found;
    }
    let source = RefCell::new(Source::new(image, MAX_READ));
    let nothing = Span { start: 0, size: 0 };
    let load = |id: SectionId| {
        let span = sections.get(id.name()).copied().unwrap_or(nothing);
        Ok::<_, gimli::Error>(Piece::new(&source, span))
    };
    let Ok(dwarf) = Dwarf::load(load) else {
        return found;
    };
    let mut headers = dwarf.units();
    while found.len() < addresses.len() {
        source.borrow_mut().allow(MAX_UNIT);
        let Ok(Some(header)) = headers.next() else {
            break;
        };
        // A unit that cannot be read hides only its own lines.
        let _ = from_unit(&dwarf, header, &source, addresses, &mut found);
    }
    found
}

fn from_unit<'a>(
    dwarf: &Dwarf<Piece<'a>>,
    header: UnitHeader<Piece<'a>>,
    source: &'a RefCell<Source<'a>>,
    addresses: &[u64],
    found: &mut BTreeMap<u64, Line>,
) -> gimli::Result<()> {
    let unit = dwarf.unit(header)?;
    let mut wanted = Vec::new();
    let mut ranges = dwarf.unit_ranges(&unit)?;
    while let Some(range) = ranges.next()? {
        let within = |address: &&u64| range.begin <= **address && **address < range.end;
        wanted.extend(
            addresses
                .iter()
                .filter(within)
                .filter(|address| !found.contains_key(address)),
        );
        if wanted.len() >= addresses.len() {
            break;
        }
    }
    if wanted.is_empty() {
        return Ok(());
    }
    let all = source.borrow().left();
    source.borrow_mut().allow(all);
    walk(dwarf, &unit, &wanted, found)
}

/// Runs the unit's line program and keeps the rows that hold a wanted address.
fn walk<'a>(
    dwarf: &Dwarf<Piece<'a>>,
    unit: &Unit<Piece<'a>>,
    wanted: &[u64],
    found: &mut BTreeMap<u64, Line>,
) -> gimli::Result<()> {
    let Some(program) = unit.line_program.clone() else {
        return Ok(());
    };
    let mut rows = program.rows();
    let mut before: Option<LineRow> = None;
    while let Some((_, row)) = rows.next_row()? {
        if let Some(before) = before {
            for address in wanted {
                let is_within = before.address() <= *address && *address < row.address();
                if is_within && let Some(line) = line(dwarf, unit, &before) {
                    found.entry(*address).or_insert(line);
                }
            }
        }
        before = (!row.end_sequence()).then_some(*row);
    }
    Ok(())
}

fn line<'a>(dwarf: &Dwarf<Piece<'a>>, unit: &Unit<Piece<'a>>, row: &LineRow) -> Option<Line> {
    let header = unit.line_program.as_ref()?.header();
    let text = |value| -> Option<String> {
        let value = dwarf.attr_string(unit, value).ok()?;
        gimli::Reader::to_string_lossy(&value)
            .ok()
            .map(std::borrow::Cow::into_owned)
    };
    let entry = row.file(header)?;
    let mut file = PathBuf::new();
    if let Some(directory) = &unit.comp_dir {
        file.push(gimli::Reader::to_string_lossy(directory).ok()?.as_ref());
    }
    if let Some(directory) = entry.directory(header) {
        file.push(text(directory)?);
    }
    file.push(text(entry.path_name())?);
    Some(Line {
        file,
        line: row.line()?.get(),
    })
}
