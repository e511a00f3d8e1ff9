//! What holds for every spec and every text: written specs read back the same; whatever the bytes, nothing panics, and
//! every fault points into the text.

mod any;

use any::Any;
use aplomb_core::Spec;
use aplomb_units::{Diagnostic, Severity, Source, toml};

const FILE: &str = "/srv/shop/shop.toml";

fn read(text: &str) -> (Vec<Spec>, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    let loaded = toml::read(&Source::new(FILE, text), &mut diagnostics);
    let specs = loaded.into_iter().map(|loaded| loaded.spec).collect();
    (specs, diagnostics)
}

fn read_back(text: &str, spec: &Spec, seed: u64) {
    let (again, diagnostics) = read(text);
    let refused: Vec<&Diagnostic> = diagnostics
        .iter()
        .filter(|fault| fault.severity == Severity::Refused)
        .collect();
    assert!(refused.is_empty(), "seed {seed}: {refused:#?}\n{text}");
    assert_eq!(again.len(), 1, "seed {seed}\n{text}");
    assert_eq!(again[0], *spec, "seed {seed}\n{text}");
}

#[test]
fn every_spec_reads_back_as_it_was_written() {
    for seed in 0..2000 {
        let spec = any::spec(&mut Any::seeded(seed));
        read_back(&toml::write(&spec), &spec, seed);
    }
}

#[test]
fn every_spec_reads_back_from_all_its_settings() {
    for seed in 0..500 {
        let spec = any::spec(&mut Any::seeded(seed));
        read_back(&toml::write_all(&spec), &spec, seed);
    }
}
