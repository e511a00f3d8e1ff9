//! Finds the Go program in a process: its version, and the table that describes all of its code.
//!
//! Both are in every Go program, stripped or not: the runtime needs the table itself. Where the file tells sections
//! they are taken from there; else the program's read-only memory is searched for the table's first bytes.

use std::path::Path;

use super::window::Window;
use crate::Mapping;

/// The first bytes of the table since Go 1.18, and since 1.20, behind them zeros, the instruction size and that of a
/// pointer.
const MAGICS: [[u8; 6]; 2] = [
    [0xf0, 0xff, 0xff, 0xff, 0, 0],
    [0xf1, 0xff, 0xff, 0xff, 0, 0],
];
const BUILD_INFO: &[u8; 14] = b"\xff Go buildinf:";
/// How much memory is searched.
const MAX_SEARCH: u64 = 256 << 20;
const CHUNK: usize = 256 << 10;

/// Where a Go program's own description lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    /// As `go version` tells it, without "go": `1.22.10`.
    pub(crate) version: String,
    /// Where the table of all functions begins.
    pub(crate) table: u64,
    /// Where the runtime keeps what it knows of the program's parts (`moduledata`).
    pub(crate) module: u64,
    /// The smallest step between instructions.
    pub(crate) quantum: u64,
    /// Whether the table has the form of Go 1.20 and later.
    pub(crate) is_since_1_20: bool,
}

impl Program {
    /// The Go program among these mappings; `None` if there is none.
    pub(crate) fn find(mappings: &[Mapping], window: &mut Window<'_>) -> Option<Self> {
        let own = of_program(mappings);
        let version = version_of(mappings, window)?;
        let mut left = MAX_SEARCH;
        let mut tables = Vec::new();
        for mapping in own.iter().filter(|mapping| !mapping.is_executable) {
            search(mapping, window, &mut left, &mut |at, bytes| {
                let is_table = MAGICS.iter().any(|magic| bytes.starts_with(magic))
                    && matches!(bytes.get(6), Some(1 | 4))
                    && bytes.get(7) == Some(&8);
                if is_table {
                    tables.push((at, bytes[0] == 0xf1, u64::from(bytes[6])));
                }
                false
            });
        }
        for (table, is_since_1_20, quantum) in tables {
            for mapping in own.iter().filter(|mapping| !mapping.is_executable) {
                let mut module = None;
                search(mapping, window, &mut left, &mut |at, bytes| {
                    if bytes.starts_with(&table.to_le_bytes()) {
                        module = Some(at);
                    }
                    module.is_some()
                });
                if let Some(module) = module {
                    return Some(Self {
                        version,
                        table,
                        module,
                        quantum,
                        is_since_1_20,
                    });
                }
            }
        }
        None
    }

    /// The version's two first numbers.
    pub(crate) fn release(&self) -> (u32, u32) {
        let mut numbers = self.version.split(|letter: char| !letter.is_ascii_digit());
        let mut number = || {
            numbers
                .next()
                .and_then(|number| number.parse().ok())
                .unwrap_or(0)
        };
        (number(), number())
    }
}

/// The version of the Go program among these mappings.
pub(crate) fn version_of(mappings: &[Mapping], window: &mut Window<'_>) -> Option<String> {
    of_program(mappings)
        .into_iter()
        .find_map(|mapping| version(mapping, window))
}

fn of_program(mappings: &[Mapping]) -> Vec<&Mapping> {
    let program = mappings
        .iter()
        .find(|mapping| mapping.is_executable && mapping.file.is_some());
    mappings
        .iter()
        .filter(|mapping| program.is_some_and(|program| belongs(mapping, program)))
        .collect()
}

/// Whether a mapping is of the program's file, or the zeroed part the kernel puts behind it.
fn belongs(mapping: &Mapping, program: &Mapping) -> bool {
    mapping.file == program.file || mapping.path == Path::new("") && mapping.start == program.end
}

/// Looks at every eighth byte of a mapping until `found` says so.
fn search(
    mapping: &Mapping,
    window: &mut Window<'_>,
    left: &mut u64,
    found: &mut dyn FnMut(u64, &[u8]) -> bool,
) {
    let mut at = mapping.start;
    while at < mapping.end && *left > 0 {
        let count = (mapping.end - at).min(CHUNK as u64);
        *left = left.saturating_sub(count);
        if let Some(bytes) = window.bytes(at, count as usize) {
            for place in (0..bytes.len()).step_by(8) {
                if found(at + place as u64, &bytes[place..]) {
                    return;
                }
            }
        }
        at += count;
    }
}

/// The version from the information the linker leaves at the beginning of the data.
fn version(mapping: &Mapping, window: &mut Window<'_>) -> Option<String> {
    let mut found = None;
    let mut left = 1 << 20;
    search(mapping, window, &mut left, &mut |at, bytes| {
        if bytes.starts_with(BUILD_INFO) {
            found = Some(at);
        }
        found.is_some()
    });
    let at = found?;
    // Since Go 1.18 the version stands behind the header, with its length before it.
    let head = window.bytes(at, 33)?;
    if head[15] & 2 == 0 {
        return None;
    }
    let text = window.bytes(at + 33, usize::from(head[32] & 0x7f))?;
    Some(
        String::from_utf8(text)
            .ok()?
            .trim_start_matches("go")
            .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_has_two_numbers() {
        let release = |version: &str| {
            let program = Program {
                version: version.to_owned(),
                table: 0,
                module: 0,
                quantum: 1,
                is_since_1_20: true,
            };
            program.release()
        };
        assert_eq!(release("1.22.10"), (1, 22));
        assert_eq!(release("1.27rc1"), (1, 27));
        assert_eq!(release("devel"), (0, 0));
    }
}
