//! The fuzzer's corpus on a stable compiler: whole, and cut short everywhere; and the bound on memory.

mod law;

use std::fs;
use std::path::Path;

use aplomb_protocol::{DecodeError, Lines, MAX_LINE, Request};

#[test]
fn the_fuzzers_corpus_keeps_the_law() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/lines");
    let mut count = 0;
    for file in fs::read_dir(corpus).expect("the fuzzer's corpus") {
        let bytes = fs::read(file.expect("a file").path()).expect("a file of the corpus");
        for end in 0..=bytes.len() {
            law::keep(&bytes[..end]);
        }
        count += 1;
    }
    assert!(count > 0);
}

/// Whoever stops at the first `TooLong`, as the protocol asks, has taken no more than a line and a piece.
#[test]
fn an_endless_line_in_pieces_is_refused_at_the_limit() {
    const PIECE: usize = 4096;
    let mut lines = Lines::default();
    let mut pushed = 0;
    let refused = loop {
        lines.push(&[b'x'; PIECE]);
        pushed += PIECE;
        if let Some(one) = lines.take::<Request>() {
            break one;
        }
    };
    assert!(matches!(
        refused,
        Err(DecodeError::TooLong { limit: MAX_LINE })
    ));
    assert_eq!(pushed, MAX_LINE + PIECE);
}
