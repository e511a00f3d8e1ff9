//! Which module each mapping belongs to, opened once.
//!
//! Modules read from files are kept by device and inode, so that two processes with the same libraries share what was
//! read of them; modules read from memory belong to one process.

use std::collections::BTreeMap;

use super::file::Modules;
use super::image::Image;
use super::symbols::{Function, Symbols};
use crate::{Mapping, Memory};

/// More modules than this are not opened in one diagnosis.
const MAX_MODULES: usize = 4096;

/// What has been read of programs and libraries, for use with several processes.
///
/// Meant to live as long as one diagnosis: files may be replaced under their inode by careless installers.
#[derive(Debug, Default)]
pub struct ModuleCache {
    modules: Vec<Module>,
    by_file: BTreeMap<(u64, u64), Option<usize>>,
}

/// One module and its functions' names, those once they are asked for.
#[derive(Debug)]
pub(crate) struct Module {
    pub(crate) image: Image,
    symbols: Option<Symbols>,
}

impl Module {
    fn new(image: Image) -> Self {
        Self {
            image,
            symbols: None,
        }
    }

    /// The function around the code linked at `address`.
    pub(crate) fn function(&mut self, memory: &dyn Memory, address: u64) -> Option<Function> {
        let (image, symbols) = self.with_symbols(memory);
        symbols.find(image, memory, address)
    }

    /// Where the function around the code linked at `address` begins.
    pub(crate) fn function_start(&mut self, memory: &dyn Memory, address: u64) -> Option<u64> {
        self.with_symbols(memory).1.start_of(address)
    }

    fn with_symbols(&mut self, memory: &dyn Memory) -> (&mut Image, &mut Symbols) {
        let image = &mut self.image;
        let symbols = self
            .symbols
            .get_or_insert_with(|| Symbols::read(image, memory));
        (image, symbols)
    }
}

/// The modules of one process.
pub(crate) struct Loaded<'a> {
    memory: &'a dyn Memory,
    files: &'a dyn Modules,
    mappings: &'a [Mapping],
    cache: &'a mut ModuleCache,
    pub(crate) found: FoundModules,
}

/// Which modules were found in a process.
#[derive(Debug, Default)]
pub(crate) struct FoundModules {
    /// For each mapping that was asked for: its module's place in the cache or, read from memory, in `own`.
    by_mapping: BTreeMap<usize, Option<Place>>,
    own: Vec<Module>,
}

/// Where a module is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Shared(usize),
    Own(usize),
}

/// A place in a module.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Linked {
    pub(crate) place: Place,
    /// The address the module was linked with.
    pub(crate) address: u64,
    /// What is added to linked addresses to get real ones.
    pub(crate) distance: u64,
}

impl<'a> Loaded<'a> {
    /// `mappings` must be in order of their addresses.
    pub(crate) fn new(
        mappings: &'a [Mapping],
        memory: &'a dyn Memory,
        files: &'a dyn Modules,
        cache: &'a mut ModuleCache,
        found: FoundModules,
    ) -> Self {
        Self {
            memory,
            files,
            mappings,
            cache,
            found,
        }
    }

    pub(crate) fn mappings(&self) -> &'a [Mapping] {
        self.mappings
    }

    pub(crate) fn mapping(&self, address: u64) -> Option<(usize, &'a Mapping)> {
        let after = self
            .mappings
            .partition_point(|mapping| mapping.start <= address);
        let index = after.checked_sub(1)?;
        let mapping = self
            .mappings
            .get(index)
            .filter(|mapping| address < mapping.end)?;
        Some((index, mapping))
    }

    /// The module around `address`, and where in it that is.
    pub(crate) fn find(&mut self, address: u64) -> Option<Linked> {
        let (index, mapping) = self.mapping(address)?;
        let place = match self.found.by_mapping.get(&index) {
            Some(place) => (*place)?,
            None => {
                let place = self.open(index, mapping);
                self.found.by_mapping.insert(index, place);
                place?
            }
        };
        let offset = mapping.offset.checked_add(address - mapping.start)?;
        // The kernel tells offset 0 for the vdso, and so does its header.
        let linked = self.module(place).image.elf.address_of(offset)?;
        Some(Linked {
            place,
            address: linked,
            distance: address.wrapping_sub(linked),
        })
    }

    pub(crate) fn at(&mut self, linked: Linked) -> &mut Module {
        self.module(linked.place)
    }

    fn module(&mut self, place: Place) -> &mut Module {
        match place {
            Place::Shared(index) => &mut self.cache.modules[index],
            Place::Own(index) => &mut self.found.own[index],
        }
    }

    fn open(&mut self, index: usize, mapping: &Mapping) -> Option<Place> {
        let base = self.base(index, mapping);
        if let Some(file) = mapping.file {
            let known = match self.cache.by_file.get(&file) {
                Some(known) => *known,
                None => {
                    let opened = self.open_file(mapping, base);
                    self.cache.by_file.insert(file, opened);
                    opened
                }
            };
            if let Some(index) = known {
                return Some(Place::Shared(index));
            }
        }
        if self.found.own.len() >= MAX_MODULES {
            return None;
        }
        self.found
            .own
            .push(Module::new(Image::from_memory(self.memory, base?)?));
        Some(Place::Own(self.found.own.len() - 1))
    }

    fn open_file(&mut self, mapping: &Mapping, base: Option<u64>) -> Option<usize> {
        if self.cache.modules.len() >= MAX_MODULES {
            return None;
        }
        let mut image = Image::from_file(self.files.open(mapping)?)?;
        if base.is_some_and(|base| !image.begins_like(self.memory, base)) {
            return None;
        }
        self.cache.modules.push(Module::new(image));
        Some(self.cache.modules.len() - 1)
    }

    /// Where the beginning of the mapping's file is found in memory.
    fn base(&self, index: usize, mapping: &Mapping) -> Option<u64> {
        self.mappings[..=index]
            .iter()
            .rev()
            .take_while(|other| other.file == mapping.file || other.file.is_none())
            .find(|other| other.file == mapping.file && other.offset == 0)
            .map(|other| other.start)
    }
}
