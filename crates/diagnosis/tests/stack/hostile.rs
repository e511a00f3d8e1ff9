//! A program that is any bytes: as a file, as memory and as a stack. Shared with the fuzzer.

use aplomb_diagnosis::stack::{
    MAX_FRAMES, ModuleCache, ModuleFile, Modules, Stack, Start, Unwinder,
};
use aplomb_diagnosis::{Mapping, Memory, ReadError};

/// Where the bytes are as code.
pub(crate) const CODE: u64 = 0x40_0000;
/// Where the same bytes are as a stack.
const STACK: u64 = 0x7fff_0000_0000;

/// A process of which the bytes are the program, the memory and the stack.
pub(crate) struct Anything<'a> {
    image: &'a [u8],
    is_file: bool,
}

impl Memory for Anything<'_> {
    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), ReadError> {
        let base = if address >= STACK { STACK } else { CODE };
        let from = address
            .checked_sub(base)
            .and_then(|from| usize::try_from(from).ok());
        let bytes = from.and_then(|from| self.image.get(from..)?.get(..into.len()));
        into.copy_from_slice(bytes.ok_or(ReadError::Unmapped { address })?);
        Ok(())
    }
}

impl Modules for Anything<'_> {
    fn open(&self, _: &Mapping) -> Option<Box<dyn ModuleFile>> {
        self.is_file
            .then(|| Box::new(self.image.to_vec()) as Box<dyn ModuleFile>)
    }
}

impl<'a> Anything<'a> {
    pub(crate) fn file(image: &'a [u8]) -> Self {
        Self {
            image,
            is_file: true,
        }
    }

    fn mappings(&self) -> [Mapping; 2] {
        let mapping = |start: u64, is_executable: bool| Mapping {
            start,
            end: start + self.image.len() as u64,
            is_executable,
            is_writable: !is_executable,
            offset: 0,
            file: is_executable.then_some((1, 1)),
            path: if is_executable {
                "/srv/anything".into()
            } else {
                "[stack]".into()
            },
            is_deleted: false,
        };
        [mapping(CODE, true), mapping(STACK, false)]
    }

    pub(crate) fn unwind(&self, start: &Start) -> Stack {
        let mut cache = ModuleCache::default();
        Unwinder::new(&self.mappings(), self, self, &mut cache).unwind(start)
    }
}

/// Walks from four places of `bytes`, told by its first eight: the file from the ninth on.
pub(crate) fn walk(bytes: &[u8]) {
    let Some((places, image)) = bytes.split_at_checked(8) else {
        return;
    };
    for is_file in [true, false] {
        let anything = Anything { image, is_file };
        let mappings = anything.mappings();
        let mut cache = ModuleCache::default();
        let mut unwinder = Unwinder::new(&mappings, &anything, &anything, &mut cache);
        for place in places.chunks_exact(2) {
            let start = Start {
                pc: CODE + u64::from(u16::from_le_bytes([place[0], place[1]])),
                sp: STACK + 8 * u64::from(place[0]),
                args: Some([1, 2, 3, 4, 5, 6]),
                registers: Vec::new(),
            };
            let stack = unwinder.unwind(&start);
            assert!(stack.frames.len() <= MAX_FRAMES);
            unwinder.lines(&stack.frames.iter().collect::<Vec<_>>());
        }
    }
}
