//! The table of keys in `docs/units.md` is that of the dialect.
//!
//! Between its marks stands what `toml::manual` says. With `UPDATE_SNAPSHOTS=1` in the environment the test writes it there
//! instead of comparing. The manual page aplomb-unit(5) is written, and kept, by the client.

use std::path::Path;
use std::{env, fs};

use aplomb_units::toml::manual;

/// The file with `wanted` between its marks.
fn renewed(text: &str, begin: &str, wanted: &str, end: &str) -> String {
    let from = text.find(begin).expect("a mark where the table begins") + begin.len();
    let to = text.find(end).expect("a mark where the table ends");
    format!("{}{wanted}{}", &text[..from], &text[to..])
}

fn keep(document: &str, begin: &str, wanted: &str, end: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(document);
    let text = fs::read_to_string(&file).expect("the document is read");
    let renewed = renewed(&text, begin, wanted, end);
    if env::var_os("UPDATE_SNAPSHOTS").is_some() {
        return fs::write(&file, renewed).expect("the document is written");
    }
    assert!(
        text == renewed,
        "the keys in `{document}` are not those of the dialect; \
         write them with `UPDATE_SNAPSHOTS=1 cargo test -p aplomb-units --test documents`"
    );
}

#[test]
fn the_keys_in_the_markdown_are_those_of_the_dialect() {
    keep(
        "docs/units.md",
        "<!-- keys:begin -->\n",
        &manual::markdown(),
        "<!-- keys:end -->\n",
    );
}
