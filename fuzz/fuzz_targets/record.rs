//! Any bytes as an engine's record: no panic; what is believed has been believed for its check alone, and appending garbage
//! to it takes nothing away.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if aplomb_engine::is_record(bytes) {
        let more = [bytes, b"\n\xff garbage"].concat();
        assert!(aplomb_engine::is_record(&more));
    }
});
