//! The memory of a living process, through `/proc/PID/mem`.
//!
//! That file is bound to the address space it was opened on: should the process end, or become another program, or
//! should its number be given to somebody else, reads fail instead of showing a stranger's memory. That is why this
//! is used and not `process_vm_readv`, which asks by number each time and costs the same.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::memory::{Memory, ReadError};

/// The memory of one process.
#[derive(Debug)]
pub struct ProcessMemory {
    file: File,
}

impl ProcessMemory {
    /// The memory of the process that has this number now.
    ///
    /// # Errors
    /// [`ReadError::Forbidden`] without the right to trace that process, [`ReadError::Gone`] if there is none.
    pub fn open(pid: u32) -> Result<ProcessMemory, ReadError> {
        match File::open(format!("/proc/{pid}/mem")) {
            Ok(file) => Ok(ProcessMemory { file }),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                Err(ReadError::Forbidden)
            }
            Err(_) => Err(ReadError::Gone),
        }
    }
}

impl Memory for ProcessMemory {
    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), ReadError> {
        let mut done = 0;
        while done < into.len() {
            let unmapped = ReadError::Unmapped { address };
            let from = address.checked_add(done as u64).ok_or(unmapped)?;
            match self.file.read_at(&mut into[done..], from) {
                // The file of an address space that is gone is empty.
                Ok(0) => return Err(ReadError::Gone),
                Ok(read) => done += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(unmapped),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_memory_is_read_and_holes_are_told() {
        let memory = ProcessMemory::open(std::process::id()).expect("our own");
        let word = Box::new(0x1122_3344_5566_7788_u64);
        let address = std::ptr::from_ref(word.as_ref()) as u64;
        assert_eq!(memory.u64(address), Ok(*word));
        assert_eq!(memory.u32(8), Err(ReadError::Unmapped { address: 8 }));
        let last = u64::MAX - 1;
        assert_eq!(memory.u64(last), Err(ReadError::Unmapped { address: last }));
    }
}
