//! A stop seen by an HTTP/2 client that reads frames: GOAWAY for the last stream that could be, a ping, GOAWAY for the last
//! stream that was, and every stream answered in between.

use std::collections::BTreeSet;

use crate::frames::{Client, GOAWAY, HEADERS, RST_STREAM};
use crate::process::Victim;

/// Whether a fresh connection is answered, as one that a client opens upon GOAWAY must be.
fn is_answered(address: &str) -> bool {
    let mut client = Client::new(address).unwrap();
    client.asking().get(1, "/fast").unwrap();
    while let Some(frame) = client.next() {
        if frame.kind == HEADERS && frame.stream == 1 {
            return frame.is_ok();
        }
    }
    false
}

pub(crate) fn goaway() {
    let mut victim = Victim::start("http");
    let address = victim.line("ADDRESS").split(' ').nth(1).unwrap().to_owned();
    victim.line("READY");
    let mut client = Client::new(&address).unwrap();
    // One short answer first: then the server has seen all that follow it in the same bytes.
    client.asking().get(1, "/fast").unwrap();
    let streams: BTreeSet<u32> = (3..=15).step_by(2).collect();
    for stream in &streams {
        client.asking().get(*stream, "/long").unwrap();
    }
    let (mut answered, mut ended, mut goaways) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    let mut asked = false;
    while let Some(frame) = client.next() {
        match frame.kind {
            HEADERS => {
                assert!(frame.is_ok(), "stream {}", frame.stream);
                answered.insert(frame.stream);
            }
            GOAWAY => {
                let (last, error) = frame.goodbye();
                assert_eq!(error, 0);
                if goaways.is_empty() {
                    assert!(is_answered(&address), "told to go while nobody accepts");
                }
                goaways.push(last);
            }
            RST_STREAM => panic!("stream {} was reset", frame.stream),
            _ => {}
        }
        if frame.ends_its_stream() {
            ended.insert(frame.stream);
        }
        if !asked && ended.contains(&1) {
            asked = true;
            victim.ask_to_stop();
        }
    }
    assert_eq!(goaways, [0x7fff_ffff, 15]);
    assert_eq!(ended.len(), streams.len() + 1, "{ended:?}");
    assert_eq!(answered, ended);
    assert_eq!(victim.end().code(), 0);
}
