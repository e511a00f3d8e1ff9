//! Laws of the record: what was written is read, and whatever else lies there does no harm.

use aplomb_core::{Because, Event, InstanceId, Instant, RunEvent, RunId, Spec, Task, Wish, World};
use aplomb_platform::{Descriptor, ProcessKeepsake, StreamKeepsake, TreeKeepsake};

use super::line::{decode, encode, split};
use super::*;
use crate::books::Book;

fn head(format: u32, serial: u64) -> Entry {
    Entry::Head(Head {
        format,
        engine: 41,
        keeper: Some(40),
        boot: "a boot".into(),
        namespace: 7,
        serial,
    })
}

/// A service that runs.
fn service(name: &str) -> Entry {
    let mut world = World::new(1, RunId(1));
    let mut actions = Vec::new();
    let ids = world.load([Spec::new(name)], Instant::ORIGIN);
    let instance: InstanceId = ids[0];
    let (wish, because) = (Wish::Start, Because::Asked);
    let start = Event::Wish {
        instance,
        wish,
        because,
    };
    world.on(start, Instant::ORIGIN, &mut actions);
    let run = world.underway(instance).expect("it starts").run;
    let what = RunEvent::Spawned(Task::Main(0));
    let spawned = Event::Run {
        instance,
        run,
        what,
    };
    world.on(spawned, Instant::ORIGIN, &mut actions);
    let descriptor = |number| Descriptor { number, inode: 9 };
    Entry::Service(Box::new(Service {
        name: name.into(),
        defined: Some(0),
        newer: None,
        carried: world.carried(instance).expect("loaded"),
        pending: true,
        run: Some(Run {
            id: run,
            tree: Some(TreeKeepsake {
                name: name.into(),
                group: Some(name.into()),
                ready: Some(descriptor(12)),
                ..TreeKeepsake::default()
            }),
            main: Some(ProcessKeepsake {
                pid: 77,
                alive_at: Instant::from_nanos(5),
            }),
            commands: Vec::new(),
        }),
        sockets: Vec::new(),
        streams: [
            Some(StreamKeepsake {
                reads: descriptor(10),
                writes: descriptor(11),
            }),
            None,
        ],
        book: Book::default(),
    }))
}

fn text(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries {
        encode(entry, &mut bytes);
    }
    bytes
}

fn sample() -> Vec<u8> {
    let gone = Entry::Gone { name: "old".into() };
    let ending = Entry::Ending { code: 3 };
    text(&[
        head(FORMAT, 1),
        service("old"),
        Entry::Seal,
        service("web"),
        gone,
        ending,
    ])
}

#[test]
fn what_was_written_is_read() {
    let left = read(&sample()).expect("readable").expect("something");
    assert_eq!(
        (left.head.engine, left.ending, left.damaged),
        (41, Some(3), 0)
    );
    assert_eq!(left.services.len(), 1);
    assert_eq!(
        Entry::Service(Box::new(left.services[0].clone())),
        service("web")
    );
    let mut numbers: Vec<_> = left.descriptors().collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [10, 11, 12]);
}

#[test]
fn a_record_cut_anywhere_says_what_was_whole() {
    let bytes = sample();
    for end in 0..bytes.len() {
        match read(&bytes[..end]) {
            Ok(Some(left)) => {
                assert!(left.damaged <= 1);
                assert!(!left.services.is_empty(), "one of the two is always there");
            }
            Ok(None) => assert_eq!(end, 0),
            Err(Unreadable::NoSnapshot) => {}
            Err(other @ (Unreadable::Format { .. } | Unreadable::Withheld(_))) => {
                panic!("{other} at {end}")
            }
        }
    }
}

#[test]
fn a_changed_byte_changes_nothing_that_is_read() {
    let bytes = sample();
    let whole = read(&bytes).expect("readable").expect("something");
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        if let Ok(Some(left)) = read(&changed) {
            for service in &left.services {
                let known = service.name == "old" || whole.services.contains(service);
                assert!(known, "invented at {at}");
            }
        }
    }
}

#[test]
fn garbage_is_no_record() {
    assert_eq!(read(b""), Ok(None));
    assert_eq!(read(&[0; 4096]), Ok(None));
    for bytes in [
        &b"\xff\xfe\n\n\n"[..],
        b"{}",
        b"0000000000000000 {}\n",
        &[b'\n'; 99],
    ] {
        assert_eq!(read(bytes), Err(Unreadable::NoSnapshot), "{bytes:?}");
    }
}

#[test]
fn a_newer_format_is_refused_whatever_its_words() {
    let newer = text(&[head(FORMAT + 1, 1), service("web"), Entry::Seal]);
    let format = FORMAT + 1;
    assert_eq!(read(&newer), Err(Unreadable::Format { format }));
    // A head of another shape tells its format all the same.
    let json = br#"{"is":"head","format":12,"of":"another shape"}"#;
    let mut line = format!("{:016x} ", line::check(json)).into_bytes();
    line.extend_from_slice(json);
    assert_eq!(read(&line), Err(Unreadable::Format { format: 12 }));
}

/// What an engine of format 1 has written, byte for byte: every later program that says it reads format 1 must.
const FORMAT_1: &str = include_str!("format-1.txt");

#[test]
fn what_an_engine_of_the_first_format_wrote_is_read() {
    let left = read(FORMAT_1.as_bytes())
        .expect("readable")
        .expect("something");
    assert_eq!((left.services.len(), left.damaged), (1, 0));
    assert!(left.services[0].run.is_some());
}

#[test]
fn of_two_snapshots_the_last_whole_one_counts() {
    let first = text(&[head(FORMAT, 1), service("a"), Entry::Seal]);
    let second = text(&[head(FORMAT, 2), service("b"), Entry::Seal]);
    let torn = &second[..second.len() - 3];
    let names = |bytes: &[u8]| {
        let left = read(bytes).expect("readable").expect("something");
        left.services[0].name.clone()
    };
    assert_eq!(names(&[&first[..], &second].concat()), "b");
    assert_eq!(names(&[&first[..], torn].concat()), "a");
    assert_eq!(
        names(&[&[0; 50][..], &first, &[0; 50], b"\n", &second].concat()),
        "b"
    );
}

#[test]
fn every_line_is_its_entry_again() {
    for entry in [head(1, 2), service("x"), Entry::Seal, Entry::Lifeline] {
        let bytes = text(std::slice::from_ref(&entry));
        let lines: Vec<_> = split(&bytes).collect();
        assert_eq!(lines.len(), 1);
        assert_eq!(decode(lines[0]), Some(Ok(entry)));
    }
}
