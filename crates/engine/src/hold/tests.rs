//! Deaths between a read and what follows it, in memory that survives them.

use std::io;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use aplomb_platform::{PumpEvent, StreamId};

use super::*;

/// Memory that lies at home when nobody holds it.
#[derive(Debug)]
struct Memory {
    word: AtomicU64,
    bytes: Vec<u8>,
    home: Arc<Mutex<Vec<u8>>>,
}

impl LastingMemory for Memory {
    fn bytes(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    fn word(&self) -> &AtomicU64 {
        &self.word
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let word = self.word.load(Ordering::SeqCst);
        if word != 0 {
            self.bytes[..8].copy_from_slice(&word.to_le_bytes());
        }
        *self.home.lock().expect("nobody panics") = std::mem::take(&mut self.bytes);
    }
}

/// What lasts while engines come and go.
#[derive(Debug, Default)]
struct Keeper {
    homes: [Arc<Mutex<Vec<u8>>>; 2],
}

impl PumpPort for Keeper {
    fn wait(&mut self, _: Option<Duration>, _: &mut Vec<PumpEvent>) -> io::Result<()> {
        Ok(())
    }

    fn read(&mut self, _: StreamId, _: &mut [u8]) -> io::Result<usize> {
        Ok(0)
    }

    fn detach(&mut self, _: StreamId) {}

    fn send_datagram(&mut self, _: &str, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn wake_engine(&mut self) {}

    fn lasting(&mut self, which: Lasting, length: usize) -> Option<Box<dyn LastingMemory>> {
        let home = self.homes[which as usize].clone();
        let mut bytes = std::mem::take(&mut *home.lock().expect("nobody panics"));
        bytes.resize(length, 0);
        let mut word = [0; 8];
        word.copy_from_slice(&bytes[..8]);
        let word = AtomicU64::new(match which {
            Lasting::Notes => u64::from_le_bytes(word),
            Lasting::Chunk => 0,
        });
        Some(Box::new(Memory { word, bytes, home }))
    }
}

const CHUNK: usize = 4096;

fn engine(keeper: &mut Keeper) -> (Hold, Box<dyn LastingMemory>, Leftover) {
    Hold::open(keeper, CHUNK).expect("there is memory")
}

/// A read as the pump does it, with the kernel's part played.
fn read(hold: &Hold, buffer: &mut dyn LastingMemory, pipe: u64, text: &[u8]) {
    hold.take(pipe, text.len(), buffer.bytes());
    buffer.bytes()[..text.len()].copy_from_slice(text);
}

fn grows(from: u64) -> Step {
    Step::Grows {
        path: "/var/log/x.log".into(),
        identity: 8,
        from,
    }
}

#[test]
fn who_dies_before_the_read_has_nothing_in_hand() {
    let mut keeper = Keeper::default();
    let (hold, mut buffer, _) = engine(&mut keeper);
    hold.take(5, 100, buffer.bytes());
    drop((hold, buffer));
    assert!(engine(&mut keeper).2.chunk.is_none());
}

#[test]
fn who_dies_after_the_read_leaves_the_chunk_and_what_was_done_to_files() {
    let mut keeper = Keeper::default();
    let (mut hold, mut buffer, _) = engine(&mut keeper);
    read(&hold, &mut *buffer, 5, b"one\ntwo\nthr");
    hold.before(&grows(70));
    // Only where it began to grow matters.
    hold.before(&grows(74));
    let renamed = Step::Renamed {
        from: "/a".into(),
        to: "/b".into(),
    };
    hold.before(&renamed);
    drop((hold, buffer));
    let (_, _, leftover) = engine(&mut keeper);
    let (pipe, chunk, steps) = leftover.chunk.expect("in hand");
    assert_eq!((pipe, &chunk[..]), (5, &b"one\ntwo\nthr"[..]));
    assert_eq!(steps, [grows(70), renamed]);
}

#[test]
fn what_is_written_is_not_in_hand_and_the_beginning_of_a_line_is_kept() {
    let mut keeper = Keeper::default();
    let (hold, mut buffer, _) = engine(&mut keeper);
    read(&hold, &mut *buffer, 5, b"one\ntw");
    hold.written(5, b"one\ntw", b"tw");
    read(&hold, &mut *buffer, 5, b"o and");
    hold.written(5, b"o and", b"two and");
    drop((hold, buffer));
    let (hold, mut buffer, leftover) = engine(&mut keeper);
    assert!(leftover.chunk.is_none());
    assert_eq!(leftover.begun[&5], b"two and");
    read(&hold, &mut *buffer, 5, b" more\n");
    hold.written(5, b" more\n", b"");
    drop((hold, buffer));
    assert!(engine(&mut keeper).2.begun.is_empty());
}

#[test]
fn beginnings_survive_however_often_they_change() {
    let mut keeper = Keeper::default();
    let mut expected = std::collections::BTreeMap::new();
    for round in 0..40_u64 {
        let (hold, mut buffer, leftover) = engine(&mut keeper);
        assert_eq!(leftover.begun, expected, "in round {round}");
        for step in 0..400 {
            let pipe = (round * 7 + step) % 11;
            let begun = vec![b'a' + (step % 26) as u8; ((round * 31 + step * 17) % 300) as usize];
            let chunk = [b"x\n", &begun[..]].concat();
            read(&hold, &mut *buffer, pipe, &chunk);
            hold.written(pipe, &chunk, &begun);
            if begun.is_empty() {
                expected.remove(&pipe);
            } else {
                expected.insert(pipe, begun);
            }
        }
        hold.forget(3);
        expected.remove(&3);
    }
}

#[test]
fn whatever_lies_in_the_memory_does_no_harm() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..50 {
        let mut keeper = Keeper::default();
        let mut bytes = vec![0; HEADER + STEPS + 4096];
        for byte in &mut bytes {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *byte = state as u8;
        }
        *keeper.homes[0].lock().expect("nobody panics") = bytes;
        let (hold, mut buffer, _) = engine(&mut keeper);
        read(&hold, &mut *buffer, 1, b"x");
        hold.written(1, b"x", b"x");
    }
}
