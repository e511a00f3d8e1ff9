//! Memory of a Go program through a window: what lies near what was read last costs no further system call.

use crate::{Memory, ReadError};

const BLOCK: u64 = 16 << 10;
/// What is kept: 4 MiB.
const BLOCKS: usize = 256;

/// Reads memory in blocks and keeps them for a while.
pub(crate) struct Window<'a> {
    memory: &'a dyn Memory,
    /// Each block has one place, which it shares with others.
    places: Vec<Place>,
}

#[derive(Debug, Clone, Default)]
enum Place {
    #[default]
    Empty,
    /// The block of this number, if it can be read whole.
    Block(u64, Option<Box<[u8]>>),
}

impl<'a> Window<'a> {
    pub(crate) fn new(memory: &'a dyn Memory) -> Self {
        Self {
            memory,
            places: vec![Place::Empty; BLOCKS],
        }
    }

    /// The memory itself, as it is now.
    pub(crate) fn memory(&self) -> &'a dyn Memory {
        self.memory
    }

    /// Fills all of `into`; large pieces are read as they are.
    pub(crate) fn read(&mut self, address: u64, into: &mut [u8]) -> Result<(), ReadError> {
        let (number, within) = (address / BLOCK, (address % BLOCK) as usize);
        if within + into.len() > BLOCK as usize {
            return self.memory.read(address, into);
        }
        match self.block(number) {
            Some(block) => into.copy_from_slice(&block[within..within + into.len()]),
            // A block at the edge of what is mapped cannot be read whole.
            None => self.memory.read(address, into)?,
        }
        Ok(())
    }

    pub(crate) fn u8(&mut self, address: u64) -> Option<u8> {
        let mut byte = [0];
        self.read(address, &mut byte).ok()?;
        Some(byte[0])
    }

    pub(crate) fn u32(&mut self, address: u64) -> Option<u32> {
        let mut bytes = [0; 4];
        self.read(address, &mut bytes).ok()?;
        Some(u32::from_le_bytes(bytes))
    }

    pub(crate) fn u64(&mut self, address: u64) -> Option<u64> {
        let mut bytes = [0; 8];
        self.read(address, &mut bytes).ok()?;
        Some(u64::from_le_bytes(bytes))
    }

    /// `count` bytes at `address`.
    pub(crate) fn bytes(&mut self, address: u64, count: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; count];
        self.read(address, &mut bytes).ok()?;
        Some(bytes)
    }

    /// Text that ends with a zero byte; longer text than 512 bytes is cut.
    pub(crate) fn text(&mut self, address: u64) -> Option<String> {
        let mut text = Vec::new();
        for distance in 0..512 {
            match self.u8(address.checked_add(distance)?)? {
                0 => break,
                byte => text.push(byte),
            }
        }
        Some(String::from_utf8_lossy(&text).into_owned())
    }

    /// Forgets everything, so that what is read next is what is there now.
    pub(crate) fn renew(&mut self) {
        self.places.fill(Place::Empty);
    }

    fn block(&mut self, number: u64) -> Option<&[u8]> {
        let place = &mut self.places[(number % BLOCKS as u64) as usize];
        if !matches!(place, Place::Block(other, _) if *other == number) {
            let mut block = vec![0; BLOCK as usize].into_boxed_slice();
            let is_read = self.memory.read(number * BLOCK, &mut block).is_ok();
            *place = Place::Block(number, is_read.then_some(block));
        }
        match place {
            Place::Block(_, block) => block.as_deref(),
            Place::Empty => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each byte is its address, shortened; nothing from 1 MiB on.
    struct Counting(std::cell::Cell<usize>);

    impl Memory for Counting {
        fn read(&self, address: u64, into: &mut [u8]) -> Result<(), ReadError> {
            self.0.set(self.0.get() + 1);
            for (distance, byte) in into.iter_mut().enumerate() {
                let at = address + distance as u64;
                *byte = (at < 1 << 20)
                    .then_some(at as u8)
                    .ok_or(ReadError::Unmapped { address })?;
            }
            Ok(())
        }
    }

    #[test]
    fn what_lies_near_is_read_once_and_again_when_renewed() {
        let memory = Counting(std::cell::Cell::new(0));
        let mut window = Window::new(&memory);
        for address in (0..BLOCK - 8).step_by(64) {
            assert_eq!(window.u8(address), Some(address as u8));
            assert!(window.u64(address).is_some());
        }
        assert_eq!(memory.0.get(), 1);
        window.renew();
        assert_eq!(window.u8(3), Some(3));
        assert_eq!(memory.0.get(), 2);
    }

    #[test]
    fn the_edge_of_what_is_mapped_is_read_without_a_block() {
        let memory = Counting(std::cell::Cell::new(0));
        let mut window = Window::new(&memory);
        assert_eq!(window.u8((1 << 20) - 1), Some(0xff));
        assert_eq!(window.u64((1 << 20) - 4), None);
        assert_eq!(window.bytes(BLOCK - 2, 4), Some(vec![0xfe, 0xff, 0, 1]));
    }
}
