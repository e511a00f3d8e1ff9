//! Any bytes as a systemd unit: no panic, every fault points into the text.
#![no_main]

use aplomb_units::world::{Fact, FileKind};
use aplomb_units::{Options, Source, World, systemd};
use libfuzzer_sys::fuzz_target;

/// A machine on which there is nothing.
struct Nowhere;

impl World for Nowhere {
    fn file(&self, _: &str) -> FileKind {
        FileKind::Missing
    }

    fn head(&self, _: &str) -> Option<Vec<u8>> {
        None
    }

    fn glob(&self, _: &str) -> Vec<String> {
        Vec::new()
    }

    fn user_exists(&self, _: &str) -> bool {
        true
    }

    fn group_exists(&self, _: &str) -> bool {
        true
    }

    fn env(&self, _: &str) -> Option<String> {
        None
    }

    fn fact(&self, _: Fact) -> Option<String> {
        None
    }
}

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    for ending in ["service", "socket", "target"] {
        let source = Source::new(format!("/srv/fuzz-a@b.{ending}"), text.clone());
        let mut faults = Vec::new();
        let loaded = systemd::read(&[&source], &Nowhere, Options::default(), &mut faults);
        for fault in &faults {
            assert!(text.get(fault.place.span.clone()).is_some(), "{fault:?}");
        }
        for loaded in loaded {
            systemd::evaluate(&loaded.spec.conditions, &Nowhere);
            systemd::write(&loaded.spec);
        }
    }
    systemd::env_file::parse(&text);
    systemd::expand(&[text.into_owned()], |name| Some(name.to_owned()));
});
