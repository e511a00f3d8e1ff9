//! Records the memory that reading a Go program takes, for tests on machines without Go.
//!
//! `record_go PID` writes the recording to standard output; `xz` it and put it into `tests/go/recorded`. What does not
//! change the result when it is zeroed is zeroed, so little is left: a recording of a small program has some kilobytes.

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use std::io::Write as _;

    let pid = std::env::args()
        .nth(1)
        .ok_or("usage: record_go PID")?
        .parse()?;
    let recording = linux::record(pid)?;
    std::io::stdout().write_all(&recording)?;
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
mod linux {
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    use aplomb_diagnosis::go::{self, GoBudget};
    use aplomb_diagnosis::linux::{self, ProcessMemory};
    use aplomb_diagnosis::{Mapping, Memory, ReadError};

    const PAGE: usize = 4096;
    /// Pages are thinned in halves down to pieces of this size.
    const PIECE: usize = 512;

    /// Whole pages of a process's memory, read at most once.
    struct Pages {
        memory: Option<ProcessMemory>,
        pages: RefCell<BTreeMap<u64, Option<Vec<u8>>>>,
    }

    impl Memory for Pages {
        fn read(&self, address: u64, into: &mut [u8]) -> Result<(), ReadError> {
            let unmapped = ReadError::Unmapped { address };
            let mut done = 0;
            while done < into.len() {
                let at = address.checked_add(done as u64).ok_or(unmapped)?;
                let (start, within) = (at / PAGE as u64 * PAGE as u64, (at % PAGE as u64) as usize);
                let mut pages = self.pages.borrow_mut();
                let page = pages.entry(start).or_insert_with(|| {
                    let mut page = vec![0; PAGE];
                    self.memory.as_ref()?.read(start, &mut page).ok()?;
                    Some(page)
                });
                let rest = &page.as_ref().ok_or(unmapped)?[within..];
                let count = rest.len().min(into.len() - done);
                into[done..done + count].copy_from_slice(&rest[..count]);
                done += count;
            }
            Ok(())
        }
    }

    pub(super) fn record(pid: u32) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
        let mappings = linux::mappings(pid)?;
        let mut pages = Pages {
            memory: Some(ProcessMemory::open(pid)?),
            pages: RefCell::default(),
        };
        let view = go::read(&pages, &mappings, GoBudget::default())?;
        pages.memory = None;
        let starts: Vec<u64> = pages.pages.borrow().keys().copied().collect();
        let is_same =
            |pages: &Pages| go::read(pages, &mappings, GoBudget::default()).as_ref() == Ok(&view);
        for start in starts {
            thin(&pages, start, 0, PAGE, &is_same);
        }
        eprintln!(
            "{} goroutines, {} pages",
            view.goroutines.len(),
            pages.pages.borrow().len()
        );
        Ok(written(&mappings, &pages))
    }

    /// Zeroes what may be zeroed of a piece of a page: all of it, or parts of its halves.
    fn thin(
        pages: &Pages,
        start: u64,
        from: usize,
        length: usize,
        is_same: &dyn Fn(&Pages) -> bool,
    ) {
        let zero = |fill: Option<&[u8]>| -> Option<Vec<u8>> {
            let mut pages = pages.pages.borrow_mut();
            let page = pages.get_mut(&start)?.as_mut()?;
            let before = page[from..from + length].to_vec();
            match fill {
                Some(bytes) => page[from..from + length].copy_from_slice(bytes),
                None => page[from..from + length].fill(0),
            }
            Some(before)
        };
        let Some(before) = zero(None) else {
            return;
        };
        if before.iter().all(|byte| *byte == 0) || is_same(pages) {
            return;
        }
        zero(Some(&before));
        if length > PIECE {
            thin(pages, start, from, length / 2, is_same);
            thin(pages, start, from + length / 2, length / 2, is_same);
        }
    }

    fn written(mappings: &[Mapping], pages: &Pages) -> Vec<u8> {
        let mut bytes = Vec::new();
        let number =
            |bytes: &mut Vec<u8>, number: u64| bytes.extend_from_slice(&number.to_le_bytes());
        number(&mut bytes, mappings.len() as u64);
        for mapping in mappings {
            // Nothing of the machine it was recorded on is kept.
            let path = if mapping.file.is_some() {
                "/srv/program"
            } else {
                ""
            };
            let rights = u64::from(mapping.is_executable) | u64::from(mapping.is_writable) << 1;
            let inode = mapping.file.map_or(0, |(_, inode)| inode);
            for value in [
                mapping.start,
                mapping.end,
                mapping.offset,
                inode,
                rights,
                path.len() as u64,
            ] {
                number(&mut bytes, value);
            }
            bytes.extend_from_slice(path.as_bytes());
        }
        for (start, page) in pages.pages.borrow().iter() {
            if let Some(page) = page {
                number(&mut bytes, *start);
                number(&mut bytes, page.len() as u64);
                bytes.extend_from_slice(page);
            }
        }
        bytes
    }
}
