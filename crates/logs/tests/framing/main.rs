//! The fuzzer's corpus on a stable compiler: each story whole, and cut short everywhere.

mod law;

use std::fs;
use std::path::Path;

#[test]
fn the_fuzzers_corpus_keeps_the_law() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/logs");
    let mut count = 0;
    for file in fs::read_dir(corpus).expect("the fuzzer's corpus") {
        let bytes = fs::read(file.expect("a file").path()).expect("a file of the corpus");
        for end in 0..=bytes.len() {
            let directory = tempfile::tempdir().expect("a directory");
            law::keep(&bytes[..end], directory.path());
        }
        count += 1;
    }
    assert!(count > 0);
}
