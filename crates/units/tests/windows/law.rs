//! What holds for any text as an export of the registry, or as WinSW's XML: it is read or refused, every fault points
//! into it, and what was read is printed and read again the same. Shared with the fuzzer.

use aplomb_core::Spec;
use aplomb_units::nssm::{self, Key};
use aplomb_units::{Diagnostic, Source, toml, winsw};

/// For an export of the registry.
pub(crate) fn keep_reg(text: &str) {
    let (root, faults) = nssm::parse_reg(text);
    for fault in &faults {
        assert!(text.get(fault.span.clone()).is_some(), "{fault:?}");
    }
    reads_back(&root);
    let mut diagnostics = Vec::new();
    let source = Source::new(r"C:\export\web.reg", text);
    let loaded = nssm::read(&source, &mut diagnostics);
    inside(text, &diagnostics);
    loaded.iter().for_each(|one| can_be_written(&one.spec));
}

/// For WinSW's file.
pub(crate) fn keep_winsw(text: &str) {
    let mut diagnostics = Vec::new();
    let source = Source::new(r"C:\jenkins\jenkins.xml", text);
    let loaded = winsw::read(&source, &mut diagnostics);
    inside(text, &diagnostics);
    assert!(
        loaded.is_some() || !diagnostics.is_empty(),
        "refused without a word"
    );
    loaded.iter().for_each(|one| can_be_written(&one.spec));
}

fn inside(text: &str, diagnostics: &[Diagnostic]) {
    for one in diagnostics {
        assert!(text.get(one.place.span.clone()).is_some(), "{one:?}");
        assert!(!one.message.is_empty() && !one.action.is_empty());
    }
}

/// In all dialects, without a panic; NSSM's as regedit would read it.
fn can_be_written(spec: &Spec) {
    toml::write(spec);
    let key = nssm::write(spec).key;
    reads_back(&key_of("web", &key));
}

fn key_of(name: &str, key: &Key) -> Key {
    let text = nssm::export(&[(name.to_owned(), key.clone())]);
    let (root, faults) = nssm::parse_reg(&text);
    assert_eq!(faults, [], "{text}");
    root
}

fn reads_back(root: &Key) {
    let text = nssm::print_reg(root);
    let (again, faults) = nssm::parse_reg(&text);
    assert_eq!(faults, [], "{text}");
    assert_eq!(nssm::print_reg(&again), text);
    same(root, &again);
}

/// The same values; where they stand in the text is another matter.
fn same(one: &Key, other: &Key) {
    assert_eq!(one.values.len(), other.values.len());
    for (one, other) in one.values.iter().zip(&other.values) {
        assert_eq!((&one.name, &one.value), (&other.name, &other.value));
    }
    assert_eq!(one.keys.len(), other.keys.len());
    for ((name, one), (other_name, other)) in one.keys.iter().zip(&other.keys) {
        assert_eq!(name, other_name);
        same(one, other);
    }
}
