//! What all readers of another program's memory are given: bytes at an address, and what is mapped where.
//!
//! A trait, because stacks and language runtimes are read alike from a living process and from a recorded one.
//! Not here: how the bytes are had (`linux`, `windows`).

use std::path::PathBuf;

/// The memory of one process, read without stopping it.
///
/// What is read may change while it is read; who needs a consistent picture proves it by other means.
pub trait Memory {
    /// Fills all of `into` from `address` on.
    ///
    /// # Errors
    /// [`ReadError::Unmapped`] if any byte of it cannot be read, [`ReadError::Gone`] if the process has ended,
    /// [`ReadError::Forbidden`] if the system does not let us look.
    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), ReadError>;

    /// A number of four bytes at `address`, in the byte order of this machine.
    ///
    /// # Errors
    /// As [`Memory::read`].
    fn u32(&self, address: u64) -> Result<u32, ReadError> {
        let mut bytes = [0; 4];
        self.read(address, &mut bytes)?;
        Ok(u32::from_ne_bytes(bytes))
    }

    /// A number of eight bytes at `address`, in the byte order of this machine.
    ///
    /// # Errors
    /// As [`Memory::read`].
    fn u64(&self, address: u64) -> Result<u64, ReadError> {
        let mut bytes = [0; 8];
        self.read(address, &mut bytes)?;
        Ok(u64::from_ne_bytes(bytes))
    }
}

/// Why memory could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Nothing readable is mapped there.
    #[error("nothing is mapped at {address:#x}")]
    Unmapped {
        /// The first address asked for.
        address: u64,
    },
    /// The process has ended or is ending.
    #[error("the process has ended")]
    Gone,
    /// The system does not let us look into this process.
    #[error("reading the memory of this process is not permitted")]
    Forbidden,
}

/// One line of a process's memory map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// The first address.
    pub start: u64,
    /// The first address after it.
    pub end: u64,
    /// Whether code in it may run.
    pub is_executable: bool,
    /// Whether it may be written to.
    pub is_writable: bool,
    /// Where in the file it begins, in bytes.
    pub offset: u64,
    /// Device and inode of the file, if one is behind it.
    pub file: Option<(u64, u64)>,
    /// The file's path as the system tells it, or a name in brackets (`[stack]`, `[vdso]`); empty if neither.
    pub path: PathBuf,
    /// Whether the file has been removed or replaced since it was mapped.
    pub is_deleted: bool,
}
