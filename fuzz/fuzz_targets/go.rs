//! A Go program whose memory says something else at any places: reading it ends, with no panic, in bounded time.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;

#[expect(dead_code, reason = "the test on stable uses more of it")]
#[path = "../../crates/diagnosis/tests/go/recording.rs"]
mod recording;

static PACKED: &[u8] = include_bytes!("../../crates/diagnosis/tests/go/recorded/1.27.3.xz");
static RECORDED: OnceLock<recording::Recorded> = OnceLock::new();

fn unpacked() -> recording::Recorded {
    let mut bytes = vec![0; 8 << 20];
    let (mut taken, mut done) = (0, 0);
    let mut decoder = xz4rust::XzDecoder::in_heap();
    loop {
        let result = decoder.decode(&PACKED[taken..], &mut bytes[done..]).expect("an xz stream");
        taken += result.input_consumed();
        done += result.output_produced();
        if result.is_end_of_stream() {
            return recording::Recorded::parse(&bytes[..done]).expect("a recording");
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let recorded = RECORDED.get_or_init(unpacked);
    recorded.lie(&recorded.lies_of(bytes));
});
