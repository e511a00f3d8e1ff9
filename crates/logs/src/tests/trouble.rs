//! Whatever the disk does, the service goes on, and the file says what it lost.

use aplomb_core::spec::Log;

use super::*;
use crate::{Fault, Loss, Sink};

fn lost(bench: &mut Bench) -> Vec<Loss> {
    bench
        .facts()
        .into_iter()
        .filter_map(|fact| {
            let Fact::Recovered { loss, .. } = fact else {
                return None;
            };
            Some(loss)
        })
        .collect()
}

#[test]
fn a_full_disk_tears_no_line_and_is_told_once_at_either_end() {
    let mut bench = Bench::new(&Log::default());
    bench.faults.set().room = Some(6);
    bench.write("one\ntwo\nthree\n");
    bench.write("four\n");
    bench.pass(Duration::from_micros(500_000));
    bench.write("five\n");
    assert_eq!(bench.text("web.log"), "one\ntw");
    let file = Sink::File(bench.path("web.log"));
    let since = Wall::from_micros(START);
    assert_eq!(
        bench.facts(),
        [Fact::Dropping {
            sink: file.clone(),
            fault: Fault::DiskFull,
            since
        }]
    );
    bench.faults.set().room = None;
    bench.live(seconds(1));
    assert_eq!(
        bench.text("web.log"),
        "one\ntwo\naplomb: lost 3 lines (16 bytes) from 2026-11-22T15:24:51.000000Z \
         to 2026-11-22T15:24:52.000000Z: the disk is full\n"
    );
    let loss = Loss {
        lines: 3,
        bytes: 16,
    };
    assert_eq!(
        bench.facts(),
        [Fact::Recovered {
            sink: file,
            since,
            loss
        }]
    );
    bench.write("six\n");
    assert!(bench.text("web.log").ends_with("full\nsix\n"));
}

#[test]
fn retries_come_at_growing_intervals_and_no_write_goes_to_the_disk_between() {
    let mut bench = Bench::new(&Log::default());
    bench.write("one\n");
    bench.faults.set().writes = Some(io::ErrorKind::QuotaExceeded);
    bench.write("two\n");
    let before = bench.faults.set().written;
    for _ in 0..100 {
        bench.write("more\n");
    }
    assert_eq!(bench.faults.set().written, before);
    // 1, 2, 4, 8, 8 … seconds
    assert_eq!(bench.live(seconds(15)), 4);
    assert_eq!(bench.live(seconds(80)), 10);
    // What is lost so far is told with an attempt, if it has grown.
    let facts = bench.facts();
    let [Fact::Dropping { .. }, Fact::StillDropping { loss }] = facts[..] else {
        panic!("{facts:?}");
    };
    assert_eq!(loss.lines, 101);
}

#[test]
fn each_kind_of_fault_is_named() {
    let kinds = [
        (io::ErrorKind::StorageFull, Fault::DiskFull),
        (io::ErrorKind::QuotaExceeded, Fault::QuotaExceeded),
        (io::ErrorKind::ReadOnlyFilesystem, Fault::ReadOnly),
        (io::ErrorKind::PermissionDenied, Fault::NoPermission),
        (
            io::ErrorKind::FileTooLarge,
            Fault::Other(io::ErrorKind::FileTooLarge),
        ),
    ];
    for (kind, expected) in kinds {
        for opening in [true, false] {
            let mut bench = Bench::new(&Log::default());
            if opening {
                bench.faults.set().opens = Some(kind);
            } else {
                bench.faults.set().writes = Some(kind);
            }
            bench.write("one\n");
            let facts = bench.facts();
            assert!(
                matches!(facts[..], [Fact::Dropping { fault, .. }] if fault == expected),
                "{facts:?}"
            );
        }
    }
}

#[test]
fn a_fault_that_becomes_another_is_told_again() {
    let mut bench = Bench::new(&Log::default());
    bench.faults.set().writes = Some(io::ErrorKind::StorageFull);
    bench.write("one\n");
    bench.faults.set().writes = Some(io::ErrorKind::ReadOnlyFilesystem);
    bench.live(seconds(60));
    let facts = bench.facts();
    assert_eq!(facts.len(), 3, "{facts:?}");
    assert!(matches!(facts[2], Fact::StillDropping { .. }));
    assert!(matches!(
        facts[1],
        Fact::Dropping {
            fault: Fault::ReadOnly,
            ..
        }
    ));
}

#[test]
fn short_writes_and_interruptions_tear_nothing() {
    let mut bench = Bench::new(&Log::default());
    bench.faults.set().breath = Some(3);
    bench.faults.set().interrupted = true;
    bench.write("one two three\nfour\nfi");
    bench.write("ve\n");
    assert_eq!(bench.text("web.log"), "one two three\nfour\nfive\n");
    assert!(bench.facts().is_empty());
}

#[test]
fn a_torn_notice_is_completed_and_not_repeated() {
    let mut bench = Bench::new(&Log::default());
    bench.faults.set().room = Some(0);
    bench.write("one\n");
    bench.faults.set().room = Some(10);
    bench.live(seconds(1));
    bench.write("two\n");
    bench.faults.set().room = None;
    bench.live(seconds(8));
    let text = bench.text("web.log");
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(
        text.lines()
            .all(|line| line.starts_with("aplomb: lost 1 line (4 bytes) from 2026"))
    );
    assert_eq!(lost(&mut bench), [Loss { lines: 2, bytes: 8 }]);
}

#[test]
fn a_partial_last_line_torn_by_a_full_disk_is_completed() {
    let mut bench = Bench::new(&Log::default());
    bench.write("abcdef");
    bench.faults.set().room = Some(3);
    bench.finish();
    bench.faults.set().room = None;
    bench.live(seconds(1));
    assert_eq!(bench.text("web.log"), "abcdef");
    bench.write("next\n");
    assert_eq!(bench.text("web.log"), "abcdef\nnext\n");
}

#[test]
fn what_was_lost_is_said_when_the_run_ends_if_it_can_be() {
    let mut bench = Bench::new(&Log::default());
    bench.faults.set().room = Some(0);
    bench.write("one\n");
    bench.finish();
    bench.faults.set().room = None;
    bench.pass(Duration::from_millis(1));
    bench.finish();
    assert!(
        bench
            .text("web.log")
            .starts_with("aplomb: lost 1 line (4 bytes)")
    );
    assert_eq!(lost(&mut bench), [Loss { lines: 1, bytes: 4 }]);
}

#[test]
fn a_file_renamed_under_us_gets_a_successor() {
    let mut bench = Bench::new(&Log::default());
    bench.write("one\n");
    fs::rename(bench.path("web.log"), bench.path("moved")).unwrap();
    bench.write("two\n");
    bench.pass(seconds(1));
    bench.write("three\n");
    assert_eq!(bench.text("moved"), "one\ntwo\n");
    assert_eq!(bench.text("web.log"), "three\n");
    assert_eq!(
        bench.facts(),
        [Fact::Replaced {
            file: bench.path("web.log")
        }]
    );
}

#[test]
fn a_removed_directory_comes_back() {
    let mut bench = Bench::new(&Log::default());
    let dir = bench.path("logs");
    bench.stream = Stream::new(Settings::from_spec(&Log::default(), "web", &dir).stdout);
    bench.write("one\n");
    fs::remove_dir_all(&dir).unwrap();
    bench.pass(seconds(1));
    bench.write("two\n");
    assert_eq!(bench.text("logs/web.log"), "two\n");
}

#[test]
fn a_file_emptied_under_us_goes_on_from_its_start() {
    let mut bench = Bench::new(&rotating_at(20));
    bench.write("123456789\n1234567\n");
    fs::write(bench.path("web.log"), "").unwrap();
    bench.pass(seconds(1));
    bench.write("123456789\n");
    assert_eq!(bench.all(), "123456789\n");
    assert_eq!(
        bench.facts(),
        [Fact::Replaced {
            file: bench.path("web.log")
        }]
    );
}

#[test]
fn a_torn_line_whose_file_is_gone_counts_as_lost() {
    let mut bench = Bench::new(&Log::default());
    bench.faults.set().room = Some(2);
    bench.write("one\n");
    fs::remove_file(bench.path("web.log")).unwrap();
    bench.faults.set().room = None;
    bench.live(seconds(1));
    assert_eq!(lost(&mut bench), [Loss { lines: 1, bytes: 2 }]);
}

#[test]
fn what_is_no_file_is_never_opened() {
    let mut bench = Bench::new(&Log::default());
    fs::create_dir(bench.path("web.log")).unwrap();
    bench.write("one\n");
    assert!(matches!(
        bench.facts()[..],
        [Fact::Dropping {
            fault: Fault::NotAFile,
            ..
        }]
    ));
}

#[test]
fn a_lost_index_loses_no_line() {
    let mut bench = Bench::new(&rotating_at(10));
    fs::create_dir(bench.path("web.log.times")).unwrap();
    bench.write("123456789\n2\n");
    bench.finish();
    assert_eq!(bench.text("web.log"), "2\n");
    assert_eq!(bench.all(), "123456789\n2\n");
}

#[test]
fn a_file_renamed_just_before_a_rotation_is_not_rotated_again() {
    let mut bench = Bench::new(&Log::default());
    bench.write("one\n");
    fs::rename(bench.path("web.log"), bench.path("moved")).unwrap();
    bench.stream.rotate_now(bench.now, &mut bench.desk);
    bench.write("two\n");
    let file = bench.path("web.log");
    assert_eq!(bench.facts(), [Fact::Replaced { file }]);
    assert_eq!(bench.names(), ["moved", "web.log"]);
    assert_eq!(bench.text("web.log"), "two\n");
}
