//! Programs as they once were: the memory that reading them takes, recorded and thinned by `examples/record_go.rs`.

use std::fs;
use std::path::{Path, PathBuf};

use super::expected::assert_as_expected;
use super::recording::Recorded;

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
        for index in (0..recorded.pieces.len()).step_by(23) {
            let start = recorded.pieces[index].0;
            let lies: Vec<(u64, u64)> = (0..4096)
                .step_by(24)
                .map(|at| (start + at, at.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
                .collect();
            recorded.lie(&lies);
        }
    }
}

#[test]
fn the_fuzzers_corpus_is_read() {
    let (_, recorded) = recordings().pop().expect("a recording");
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/go");
    for entry in fs::read_dir(directory).expect("the fuzzer's corpus") {
        let bytes = fs::read(entry.expect("a file").path()).expect("a file");
        recorded.lie(&recorded.lies_of(&bytes));
    }
}
