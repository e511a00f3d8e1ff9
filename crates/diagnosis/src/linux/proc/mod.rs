//! The files below `/proc`, one parser each, pure over their text.
//!
//! Every parser takes what a program could have chosen itself (its name may hold brackets and line ends) and gives
//! nothing rather than something wrong. Numbers that do not fit are no numbers. Reading is here too, with a limit on
//! how much of a file is taken.

mod descriptors;
mod fdinfo;
mod limits;
mod locks;
mod maps;
mod stat;
mod status;
mod syscall;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

pub(crate) use descriptors::{Descriptor, descriptor};
pub(crate) use fdinfo::FdInfo;
pub(crate) use limits::soft_limits;
pub(crate) use locks::{FileId, LockLine, lock_lines};
pub(crate) use maps::{is_shared, mappings};
pub(crate) use stat::{Stat, State};
pub(crate) use status::Status;
pub(crate) use syscall::Call;

/// As much as is taken of one file; the largest, a map of 65,530 areas, is about that long.
const LONGEST: u64 = 8 << 20;

/// A whole file as text; bytes that are no UTF-8 are replaced.
///
/// # Errors
/// As the system tells; a process that ends meanwhile is `NotFound` or `ESRCH`.
pub(crate) fn read(path: impl AsRef<Path>) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LONGEST).read_to_end(&mut bytes)?;
    Ok(String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

/// The numbers that name the entries of a directory: processes, threads, descriptors. In ascending order.
///
/// # Errors
/// As the system tells.
pub(crate) fn numbers(directory: impl AsRef<Path>) -> io::Result<Vec<u32>> {
    let mut numbers: Vec<u32> = std::fs::read_dir(directory)?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// A number in hexadecimal, with or without `0x`.
fn hexadecimal(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x").unwrap_or(text), 16).ok()
}
