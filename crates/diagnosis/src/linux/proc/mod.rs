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

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines as the kernel writes them, to be broken.
    const SAMPLES: &[&str] = &[
        "4711 (evil) S 1 (x)) S 17 4711 4711 0 -1 4194304 90 0 0 0 1 2 0 0 20 0 3 0 88123 12345 200 18446744073709551615",
        "Uid:\t1000\t1000\nNSpid:\t90\t7\t1\nSigBlk:\t0000000000004000\nSigIgn:\tffffffffffffffff\n",
        "202 0x7f1000 0x80 0x2 0x0 0x0 0xffffffffffffffff 0x7ffc 0x7f00\n",
        "55d0c0a00000-55d0c0a28000 r--p 00000000 fe:00 1320      /usr/bin/my server (deleted)\n",
        "pos:\t0\nflags:\t02000002\ntfd:        5 events:       19 data:                5  pos:0 ino:1a2b sdev:8\n",
        "1: -> POSIX  ADVISORY  WRITE 5120 fe:00:1320 0 EOF\nlock:\t1: OFDLCK ADVISORY READ -1 00:1f:99 0 EOF\n",
        "Max open files            64                   1048576              files     \n",
        "socket:[123]",
        "anon_inode:[eventpoll]",
    ];

    fn read_all(text: &str) {
        let _ = Stat::parse(text);
        let _ = Status::parse(text);
        let _ = Call::parse(text);
        let _ = mappings(text);
        let _ = is_shared(text, 0x55d0_c0a0_0001);
        let _ = FdInfo::parse(text);
        let _ = lock_lines(text);
        let _ = soft_limits(text);
        let _ = descriptor(text);
    }

    #[test]
    fn whatever_a_program_made_of_its_names_is_read_without_panic() {
        // Numbers of a fixed sequence, so that a failure comes again.
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        for round in 0..20_000 {
            let mut text: Vec<char> = SAMPLES[round % SAMPLES.len()].chars().collect();
            for _ in 0..1 + next() % 4 {
                let at = (next() as usize) % text.len();
                match next() % 4 {
                    0 => text[at] = char::from((next() % 128) as u8),
                    1 => text.truncate(at.max(1)),
                    2 => text.insert(at, ['9', ':', ' ', '\n', '-', 'ä'][(next() % 6) as usize]),
                    _ => text.swap(0, at),
                }
            }
            read_all(&text.into_iter().collect::<String>());
        }
    }
}
