//! Memory of a Go program through a window: what lies near what was read last costs no further system call.

use std::collections::BTreeMap;

use crate::{Memory, ReadError};

const BLOCK: u64 = 16 << 10;
/// What is kept: 4 MiB.
const BLOCKS: usize = 256;

/// Reads memory in blocks and keeps them for a while.
pub(crate) struct Window<'a> {
    memory: &'a dyn Memory,
    blocks: BTreeMap<u64, Option<Box<[u8]>>>,
}

impl<'a> Window<'a> {
    pub(crate) fn new(memory: &'a dyn Memory) -> Self {
        Self {
            memory,
            blocks: BTreeMap::new(),
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
        self.blocks.clear();
    }

    fn block(&mut self, number: u64) -> Option<&[u8]> {
        if !self.blocks.contains_key(&number) {
            if self.blocks.len() >= BLOCKS {
                self.blocks.clear();
            }
            let mut block = vec![0; BLOCK as usize].into_boxed_slice();
            let is_read = self.memory.read(number * BLOCK, &mut block).is_ok();
            self.blocks.insert(number, is_read.then_some(block));
        }
        self.blocks.get(&number)?.as_deref()
    }
}
