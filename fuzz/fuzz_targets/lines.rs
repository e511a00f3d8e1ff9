//! Any bytes on a control connection, cut anywhere: no panic, the same messages whatever the cuts.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/protocol/tests/lines/law.rs"]
mod law;

fuzz_target!(|bytes: &[u8]| law::keep(bytes));
