//! Any text as an export of the registry: no panic, faults point into the text, what is printed reads back the same.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[expect(dead_code, reason = "it holds the laws of two dialects")]
#[path = "../../crates/units/tests/windows/law.rs"]
mod law;

fuzz_target!(|bytes: &[u8]| law::keep_reg(&String::from_utf8_lossy(bytes)));
