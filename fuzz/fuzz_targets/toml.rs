//! Any bytes as a TOML unit: no panic, every fault points into the text, what is accepted reads back as written.
#![no_main]

use aplomb_units::{Source, diagnostic, toml};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let source = Source::new("/srv/fuzz.toml", text);
    let mut faults = Vec::new();
    let loaded = toml::read(&source, &mut faults);
    for fault in &faults {
        assert!(text.get(fault.place.span.clone()).is_some(), "{fault:?}");
    }
    if diagnostic::refused(&faults) {
        return;
    }
    for loaded in loaded {
        let written = Source::new("/srv/fuzz.toml", toml::write(&loaded.spec));
        let mut faults = Vec::new();
        let again = toml::read(&written, &mut faults);
        assert_eq!(again.len(), 1);
        assert_eq!(again[0].spec, loaded.spec, "{}", written.text);
    }
});
