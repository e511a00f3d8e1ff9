//! Any story of an output: bytes in are bytes kept, in order, or counted as lost; no line torn by a rotation.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/logs/tests/framing/law.rs"]
mod law;

fuzz_target!(|bytes: &[u8]| {
    let directory = tempfile::tempdir().expect("a directory");
    law::keep(bytes, directory.path());
});
