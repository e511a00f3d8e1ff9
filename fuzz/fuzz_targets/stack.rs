//! Any bytes as a program, its memory and its stack: walks end, with no panic, in bounded time and memory.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[expect(dead_code, reason = "the test on stable uses more of it")]
#[path = "../../crates/diagnosis/tests/stack/hostile.rs"]
mod hostile;

fuzz_target!(|bytes: &[u8]| hostile::walk(bytes));
