//! The fuzzer's corpus on a stable compiler: whole, cut short at many places, and with single bytes changed.

use std::fs;
use std::path::Path;

use aplomb_diagnosis::stack::Start;

use super::hostile::{self, Anything, CODE};

fn corpus() -> Vec<(String, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/stack");
    let files = fs::read_dir(directory).expect("the fuzzer's corpus");
    let read = |path: &Path| fs::read(path).expect("a file of the corpus");
    files
        .map(|file| file.expect("a file of the corpus"))
        .map(|file| {
            (
                file.file_name().to_string_lossy().into_owned(),
                read(&file.path()),
            )
        })
        .collect()
}

#[test]
fn the_fuzzers_corpus_is_walked() {
    let corpus = corpus();
    assert!(corpus.len() >= 4);
    for (_, bytes) in &corpus {
        hostile::walk(bytes);
    }
}

#[test]
fn a_file_that_ends_early_or_lies_harms_nobody() {
    for (_, bytes) in corpus() {
        for end in (0..bytes.len()).step_by(397) {
            hostile::walk(&bytes[..end]);
        }
        for at in (8..bytes.len()).step_by(47) {
            let mut bytes = bytes.clone();
            bytes[at] ^= 0xff;
            hostile::walk(&bytes);
        }
    }
}

#[test]
fn names_packed_into_a_section_are_read() {
    let (_, bytes) = corpus()
        .into_iter()
        .find(|(name, _)| name == "packed-symbols")
        .expect("a file with `.gnu_debugdata`");
    // Its `leaf` is named nowhere else.
    let image = &bytes[8..];
    let named: Vec<String> = (0..0x400)
        .filter_map(|at| {
            let start = Start {
                pc: CODE + at,
                sp: 0,
                args: None,
                registers: Vec::new(),
            };
            let stack = Anything::file(image).unwind(&start);
            stack.frames[0].function.as_deref().map(str::to_owned)
        })
        .collect();
    for name in ["leaf", "inner", "outer"] {
        assert!(
            named.iter().any(|found| found == name),
            "{name} in {named:?}"
        );
    }
}
