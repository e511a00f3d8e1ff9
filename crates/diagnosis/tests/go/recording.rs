//! A process's memory as it once was, and with lies in it. Shared with the fuzzer.

use std::collections::BTreeMap;
use std::path::PathBuf;

use aplomb_diagnosis::go::{self, GoBudget, GoView};
use aplomb_diagnosis::{Mapping, Memory, ReadError};

/// The recorded pieces of a process's memory, in order.
pub(crate) struct Recorded {
    pub(crate) mappings: Vec<Mapping>,
    pub(crate) pieces: Vec<(u64, Vec<u8>)>,
}

impl Memory for Recorded {
    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), ReadError> {
        let unmapped = ReadError::Unmapped { address };
        let mut done = 0;
        while done < into.len() {
            let at = address.checked_add(done as u64).ok_or(unmapped)?;
            let after = self.pieces.partition_point(|(start, _)| *start <= at);
            let (start, bytes) = after
                .checked_sub(1)
                .map(|index| &self.pieces[index])
                .ok_or(unmapped)?;
            let rest = bytes
                .get((at - start) as usize..)
                .filter(|rest| !rest.is_empty())
                .ok_or(unmapped)?;
            let count = rest.len().min(into.len() - done);
            into[done..done + count].copy_from_slice(&rest[..count]);
            done += count;
        }
        Ok(())
    }
}

impl Recorded {
    /// Numbers in little-endian order: how many mappings; of each start, end, offset, inode, rights and the length of
    /// its path, and the path; then to the end the address and length of each piece, and the piece.
    pub(crate) fn parse(mut bytes: &[u8]) -> Option<Self> {
        let mut mappings = Vec::new();
        for _ in 0..number(&mut bytes)? {
            let [start, end, offset, inode, rights, length] =
                [(); 6].map(|()| number(&mut bytes).unwrap_or(0));
            let path = bytes.split_off(..usize::try_from(length).ok()?)?;
            mappings.push(Mapping {
                start,
                end,
                is_executable: rights & 1 == 1,
                is_writable: rights & 2 == 2,
                offset,
                file: (inode != 0).then_some((1, inode)),
                path: PathBuf::from(String::from_utf8_lossy(path).into_owned()),
                is_deleted: false,
            });
        }
        let mut pieces = Vec::new();
        while !bytes.is_empty() {
            let start = number(&mut bytes)?;
            let length = number(&mut bytes)?;
            pieces.push((
                start,
                bytes.split_off(..usize::try_from(length).ok()?)?.to_vec(),
            ));
        }
        pieces.sort();
        Some(Self { mappings, pieces })
    }

    pub(crate) fn view(&self) -> GoView {
        go::read(self, &self.mappings, GoBudget::default()).expect("a Go program")
    }

    /// Reads the program with other words at some addresses; whatever comes out, it comes out.
    pub(crate) fn lie(&self, lies: &[(u64, u64)]) {
        let lying = Lying {
            recorded: self,
            lies: lies.iter().copied().collect(),
        };
        let _ = go::read(
            &lying,
            &self.mappings,
            GoBudget {
                goroutines: 1000,
                heap: 1 << 20,
            },
        );
    }

    /// Lies told by bytes: a place in the recording of two times two bytes, and eight of what is said there.
    pub(crate) fn lies_of(&self, bytes: &[u8]) -> Vec<(u64, u64)> {
        let lie = |bytes: &[u8]| {
            let piece = usize::from(u16::from_le_bytes([bytes[0], bytes[1]])) % self.pieces.len();
            let at = u64::from((u16::from_le_bytes([bytes[2], bytes[3]]) % 4096) & !7);
            let word = bytes[4..].try_into().map_or(0, u64::from_le_bytes);
            (self.pieces[piece].0 + at, word)
        };
        bytes.chunks_exact(12).map(lie).collect()
    }
}

/// Memory in which some words are others.
struct Lying<'r> {
    recorded: &'r Recorded,
    lies: BTreeMap<u64, u64>,
}

impl Memory for Lying<'_> {
    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), ReadError> {
        self.recorded.read(address, into)?;
        let end = address.saturating_add(into.len() as u64);
        for (at, word) in self.lies.range(address.saturating_sub(7)..end) {
            for (distance, byte) in word.to_le_bytes().into_iter().enumerate() {
                let place = (at + distance as u64).checked_sub(address);
                if let Some(place) = place.and_then(|place| into.get_mut(place as usize)) {
                    *place = byte;
                }
            }
        }
        Ok(())
    }
}

fn number(bytes: &mut &[u8]) -> Option<u64> {
    let number = bytes.split_off(..8)?;
    Some(u64::from_le_bytes(number.try_into().ok()?))
}
