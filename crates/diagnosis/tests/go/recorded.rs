//! Programs as they once were: the memory that reading them takes, recorded and thinned by `examples/record_go.rs`.

use std::fs;
use std::path::{Path, PathBuf};

use aplomb_diagnosis::go::{self, GoBudget, GoView};
use aplomb_diagnosis::{Mapping, Memory, ReadError};

use super::expected::assert_as_expected;

/// The recorded pieces of a process's memory, in order.
pub(crate) struct Recorded {
    pub(crate) mappings: Vec<Mapping>,
    pieces: Vec<(u64, Vec<u8>)>,
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
}

fn number(bytes: &mut &[u8]) -> Option<u64> {
    let number = bytes.split_off(..8)?;
    Some(u64::from_le_bytes(number.try_into().ok()?))
}

fn unpacked(path: &Path) -> Vec<u8> {
    let packed = fs::read(path).expect("a recording");
    let mut decoder = xz4rust::XzDecoder::in_heap();
    let (mut bytes, mut taken, mut done) = (vec![0; 8 << 20], 0, 0);
    loop {
        let result = decoder
            .decode(&packed[taken..], &mut bytes[done..])
            .expect("an xz stream");
        taken += result.input_consumed();
        done += result.output_produced();
        if result.is_end_of_stream() {
            bytes.truncate(done);
            return bytes;
        }
        assert!(result.made_progress(), "a recording of at most 8 MiB");
    }
}

fn recordings() -> Vec<(String, Recorded)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/go/recorded");
    let mut paths: Vec<PathBuf> = fs::read_dir(directory)
        .expect("recordings")
        .map(|entry| entry.expect("a recording").path())
        .collect();
    paths.sort();
    let named = |path: &PathBuf| {
        path.file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned()
    };
    paths
        .iter()
        .map(|path| {
            (
                named(path),
                Recorded::parse(&unpacked(path)).expect("a whole recording"),
            )
        })
        .collect()
}

#[test]
fn recorded_programs_are_read() {
    let recordings = recordings();
    assert!(recordings.len() >= 2);
    for (version, recorded) in recordings {
        let view = recorded.view();
        assert_eq!(view.version, version);
        assert_as_expected(&view);
    }
}

#[test]
fn memory_that_lies_harms_nobody() {
    for (_, recorded) in recordings() {
        let Recorded { mappings, pieces } = recorded;
        let count = pieces.len();
        for index in 0..count {
            for flip in [0x01, 0x80, 0xff] {
                let mut pieces = pieces.clone();
                for byte in pieces[index].1.iter_mut().step_by(7) {
                    *byte ^= flip;
                }
                let lying = Recorded {
                    mappings: mappings.clone(),
                    pieces,
                };
                let _ = go::read(&lying, &lying.mappings, GoBudget::default());
            }
        }
    }
}
