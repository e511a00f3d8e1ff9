//! The fuzzer's corpora of Windows' dialects on a stable compiler: whole, and cut short at many places.

mod law;

use std::fs;
use std::path::Path;

fn replay(corpus: &str, keep: fn(&str)) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/corpus")
        .join(corpus);
    let mut count = 0;
    for file in fs::read_dir(corpus).expect("the fuzzer's corpus") {
        let bytes = fs::read(file.expect("a file").path()).expect("a file of the corpus");
        keep(&String::from_utf8_lossy(&bytes));
        for end in (0..bytes.len()).step_by(7) {
            keep(&String::from_utf8_lossy(&bytes[..end]));
        }
        count += 1;
    }
    assert!(count > 0);
}

#[test]
fn exports_of_the_registry_keep_the_law() {
    replay("reg", law::keep_reg);
}

#[test]
fn files_of_winsw_keep_the_law() {
    replay("winsw", law::keep_winsw);
}

#[test]
fn fifty_thousand_elements_inside_each_other_are_no_reason_to_fall() {
    let text = format!(
        "<service>{}{}</service>",
        "<a>".repeat(50_000),
        "</a>".repeat(50_000)
    );
    law::keep_winsw(&text);
}

#[test]
fn fifty_thousand_variables_are_replaced_in_good_time() {
    let text = format!(
        "<service><executable>x</executable><arguments>{}</arguments></service>",
        "%Base% ".repeat(50_000)
    );
    law::keep_winsw(&text);
}
