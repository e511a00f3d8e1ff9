//! The tables of keys in the documents are those of the dialects.
//!
//! Between their marks stands what the tables themselves say. With `UPDATE_SNAPSHOTS=1` in the environment the test writes it there
//! instead of comparing. The manual page aplomb-unit(5) is written, and kept, by the client.

use std::path::Path;
use std::{env, fs};

use aplomb_units::toml::manual;
use aplomb_units::{nssm, winsw};

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

#[test]
fn the_tables_of_nssm_and_winsw_in_the_markdown_are_those_of_the_dialects() {
    keep(
        "docs/nssm.md",
        "<!-- parameters:begin -->\n",
        &nssm::markdown(),
        "<!-- parameters:end -->\n",
    );
    let mut table = String::from("| element | | |\n|---|---|---|\n");
    for element in winsw::described() {
        let (name, class, says) = (element.name, element.class, element.says);
        table.push_str(&format!("| `<{name}>` | {class} | {says} |\n"));
    }
    keep(
        "docs/nssm.md",
        "<!-- elements:begin -->\n",
        &table,
        "<!-- elements:end -->\n",
    );
}
