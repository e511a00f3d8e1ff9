//! The files of programs and libraries, read piece by piece.
//!
//! Not mapped: whoever owns a file may shorten it, and a mapping would then end us with SIGBUS. Not read whole either:
//! of a browser's hundred megabytes a walk needs a few pages.

use std::collections::BTreeMap;

use crate::Mapping;

/// Opens the files that are mapped into a process.
pub trait Modules {
    /// The file behind `mapping`; `None` where there is none or it cannot be had, and then what is needed is read
    /// from the process's memory.
    ///
    /// It must be the file that was mapped, not another one that has taken its name.
    fn open(&self, mapping: &Mapping) -> Option<Box<dyn ModuleFile>>;
}

/// The bytes of one program or library.
pub trait ModuleFile {
    /// Reads some bytes from `offset` on and says how many; 0 at the end of the file.
    ///
    /// # Errors
    /// What the system says.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> std::io::Result<usize>;
}

impl ModuleFile for Vec<u8> {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> std::io::Result<usize> {
        let rest = usize::try_from(offset)
            .ok()
            .and_then(|offset| self.get(offset..))
            .unwrap_or_default();
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

const PAGE: usize = 4096;
/// What is kept of one file: 1 MiB. When it is full it is emptied; walks soon fill it with what they need again.
const PAGES: usize = 256;

/// A file with the pages of it that were read last.
pub(crate) struct Paged {
    file: Box<dyn ModuleFile>,
    pages: BTreeMap<u64, Box<[u8]>>,
}

impl Paged {
    pub(crate) fn new(file: Box<dyn ModuleFile>) -> Self {
        Self {
            file,
            pages: BTreeMap::new(),
        }
    }

    /// Fills all of `into` from `offset` on, or `None`.
    pub(crate) fn read(&mut self, offset: u64, into: &mut [u8]) -> Option<()> {
        if into.len() > PAGE {
            return (self.fill(offset, into)? == into.len()).then_some(());
        }
        let mut done = 0;
        while done < into.len() {
            let at = offset.checked_add(done as u64)?;
            let page = self.page(at / PAGE as u64)?;
            let rest = page.get((at % PAGE as u64) as usize..)?;
            let count = rest.len().min(into.len() - done);
            if count == 0 {
                return None;
            }
            into[done..done + count].copy_from_slice(&rest[..count]);
            done += count;
        }
        Some(())
    }

    fn page(&mut self, number: u64) -> Option<&[u8]> {
        if !self.pages.contains_key(&number) {
            if self.pages.len() >= PAGES {
                self.pages.clear();
            }
            let mut page = vec![0; PAGE];
            let count = self.fill(number.checked_mul(PAGE as u64)?, &mut page)?;
            page.truncate(count);
            self.pages.insert(number, page.into_boxed_slice());
        }
        self.pages.get(&number).map(|page| &**page)
    }

    fn fill(&self, offset: u64, into: &mut [u8]) -> Option<usize> {
        let mut done = 0;
        while done < into.len() {
            match self
                .file
                .read_at(offset.checked_add(done as u64)?, &mut into[done..])
            {
                Ok(0) => break,
                Ok(count) => done += count.min(into.len() - done),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
        Some(done)
    }
}

impl std::fmt::Debug for Paged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Paged")
            .field("pages", &self.pages.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_across_pages_and_not_past_the_end() {
        let bytes: Vec<u8> = (0..10_000u32).map(|number| number as u8).collect();
        let mut paged = Paged::new(Box::new(bytes.clone()));
        for (offset, length) in [(4090, 12), (0, 4096), (9_990, 10), (100, 9_000)] {
            let mut into = vec![0; length];
            assert_eq!(paged.read(offset, &mut into), Some(()), "{offset}+{length}");
            assert_eq!(into, bytes[offset as usize..offset as usize + length]);
        }
        for (offset, length) in [(9_990, 11), (10_000, 1), (u64::MAX, 1), (5_000, 6_000)] {
            assert_eq!(
                paged.read(offset, &mut vec![0; length]),
                None,
                "{offset}+{length}"
            );
        }
    }

    #[test]
    fn keeps_no_more_pages_than_allowed() {
        let mut paged = Paged::new(Box::new(vec![7; (PAGES + 20) * PAGE]));
        for page in 0..PAGES + 20 {
            assert_eq!(paged.read((page * PAGE) as u64, &mut [0; 8]), Some(()));
        }
        assert!(paged.pages.len() <= PAGES);
    }
}
