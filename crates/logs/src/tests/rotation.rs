//! One rotation per threshold, at a line's end, and no more kept than allowed.

use aplomb_core::Bytes;
use aplomb_core::spec::{Log, LogTo, RotateAt};

use super::*;
use crate::{Because, Fault};

fn rotations(facts: &[Fact]) -> Vec<Because> {
    facts
        .iter()
        .filter_map(|fact| {
            let Fact::Rotated { because, .. } = fact else {
                return None;
            };
            Some(*because)
        })
        .collect()
}

#[test]
fn a_file_never_grows_past_its_size_and_no_line_is_torn() {
    let mut bench = Bench::new(&rotating_at(100));
    for number in 0..25 {
        bench.write(format!("line {number:03}\n"));
    }
    let names = bench.names();
    assert_eq!(names.len(), 3, "{names:?}");
    assert_eq!(names[0], "web-20261122T152451.000Z.log");
    assert_eq!(names[1], "web-20261122T152451.001Z.log");
    assert_eq!(bench.text(&names[0]).len(), 99);
    assert_eq!(bench.text(&names[1]).len(), 99);
    assert_eq!(bench.all().lines().count(), 25);
}

#[test]
fn one_chunk_over_many_thresholds_rotates_once_for_each() {
    let mut log = rotating_at(10);
    log.keep = None;
    let mut bench = Bench::new(&log);
    bench.write("1234\n5678\nabcd\nmuch longer than ten\n\nx\n");
    let contents: Vec<String> = bench.names().iter().map(|name| bench.text(name)).collect();
    assert_eq!(
        contents,
        ["1234\n5678\n", "abcd\n", "much longer than ten\n", "\nx\n"]
    );
    assert_eq!(rotations(&bench.facts()), [Because::Size; 3]);
}

#[test]
fn a_file_exactly_full_is_rotated_by_the_next_line_only() {
    let mut bench = Bench::new(&rotating_at(10));
    bench.write("123456789\n");
    assert!(rotations(&bench.facts()).is_empty());
    bench.write("x\n");
    assert_eq!(rotations(&bench.facts()), [Because::Size]);
}

#[test]
fn age_rotates_a_silent_file_at_its_moment_and_once() {
    let mut log = Log::default();
    log.rotate.age = Some(seconds(3600));
    let mut bench = Bench::new(&log);
    bench.write("one\n");
    bench.live(seconds(3599));
    assert!(rotations(&bench.facts()).is_empty());
    bench.live(seconds(1));
    assert_eq!(rotations(&bench.facts()), [Because::Age]);
    assert_eq!(bench.live(seconds(1_000_000)), 0);
    bench.write("two\n");
    assert!(rotations(&bench.facts()).is_empty());
    bench.live(seconds(3600));
    assert_eq!(rotations(&bench.facts()), [Because::Age]);
}

#[test]
fn the_clock_on_the_wall_rotates_at_its_time() {
    let mut log = Log::default();
    log.rotate.at = Some(RotateAt::Hourly { minute: 30 });
    let mut bench = Bench::new(&log);
    bench.write("one\n");
    // 15:24:51 + 5:09 = 15:30
    bench.live(seconds(308));
    assert!(rotations(&bench.facts()).is_empty());
    bench.live(seconds(1));
    assert_eq!(rotations(&bench.facts()), [Because::Time]);
    bench.write("two\n");
    // Late by half an hour, the line itself brings the rotation with it.
    bench.pass(seconds(5400));
    bench.write("three\n");
    assert_eq!(rotations(&bench.facts()), [Because::Time]);
    let contents: Vec<String> = bench.names().iter().map(|name| bench.text(name)).collect();
    assert_eq!(contents, ["one\n", "two\n", "three\n"]);
}

#[test]
fn a_files_age_outlives_the_engine() {
    let mut log = Log::default();
    log.rotate.age = Some(seconds(3600));
    let mut bench = Bench::new(&log);
    bench.write("one\n");
    bench.finish();
    let mut next_life = Bench::at(bench.dir, &log);
    next_life.pass(seconds(3600));
    next_life.write("two\n");
    assert_eq!(rotations(&next_life.facts()), [Because::Age]);
    assert_eq!(next_life.text("web.log"), "two\n");
}

#[test]
fn names_stay_in_order_when_the_clock_goes_back() {
    let mut log = rotating_at(2);
    log.keep = None;
    log.rotate.age = Some(seconds(60));
    let mut bench = Bench::new(&log);
    for (number, back) in [0, 0, 5_000_000_000, 1, 0].into_iter().enumerate() {
        bench.now.wall = Wall::from_micros(bench.now.wall.as_micros() - back);
        bench.write(format!("{number}\n"));
    }
    assert_eq!(bench.all(), "0\n1\n2\n3\n4\n");
    let dir = std::mem::replace(&mut bench.dir, tempfile::tempdir().unwrap());
    let mut next_life = Bench::at(dir, &log);
    next_life.now.wall = Wall::from_micros(0);
    next_life.write("5\n");
    assert_eq!(next_life.all(), "0\n1\n2\n3\n4\n5\n");
}

#[test]
fn a_clock_set_back_does_not_stop_rotation_by_age() {
    let mut log = Log::default();
    log.rotate.age = Some(seconds(3600));
    let mut bench = Bench::new(&log);
    bench.write("one\n");
    bench.now.wall = Wall::from_micros(START - 1_000_000_000_000);
    bench.write("two\n");
    bench.live(seconds(3600));
    assert_eq!(rotations(&bench.facts()), [Because::Age]);
}

#[test]
fn asked_to_rotate_it_does_unless_there_is_nothing() {
    let mut bench = Bench::new(&Log::default());
    bench.stream.rotate_now(bench.now, &mut bench.desk);
    assert!(rotations(&bench.facts()).is_empty());
    bench.write("one\ntw");
    bench.stream.rotate_now(bench.now, &mut bench.desk);
    bench.write("o\n");
    assert_eq!(rotations(&bench.facts()), [Because::Asked]);
    assert_eq!(bench.text("web.log"), "two\n");
    assert_eq!(bench.all(), "one\ntwo\n");
}

#[test]
fn only_so_many_are_kept_with_their_indexes() {
    let mut log = rotating_at(2);
    log.keep = Some(3);
    let mut bench = Bench::new(&log);
    for number in 0..9 {
        bench.pass(seconds(1));
        bench.write(format!("{number}\n"));
    }
    assert_eq!(bench.all(), "5\n6\n7\n8\n");
    assert!(listed(bench.dir.path()).len() <= 8);
    let removed = bench
        .facts()
        .iter()
        .filter(|fact| matches!(fact, Fact::Removed { .. }))
        .count();
    assert_eq!(removed, 5);
}

#[test]
fn all_files_together_stay_within_their_bound() {
    for (keep_bytes, stderr) in [(50_000, false), (9_000, true)] {
        let mut log = rotating_at(4000);
        log.keep = None;
        log.keep_bytes = Some(Bytes(keep_bytes));
        if stderr {
            log.stderr = aplomb_core::spec::StderrTo::Own;
        }
        let mut bench = Bench::new(&log);
        let outputs = Settings::from_spec(&log, "web", bench.dir.path());
        let ways = std::iter::once(outputs.stdout).chain(outputs.stderr);
        let mut streams: Vec<Stream> = ways.map(Stream::new).collect();
        let mut most = 0;
        for number in 0..3000 {
            bench.pass(Duration::from_millis(7));
            for stream in &mut streams {
                stream.write(
                    format!("line {number:03}\n").as_bytes(),
                    bench.now,
                    &mut bench.desk,
                );
            }
            let lengths = fs::read_dir(bench.dir.path()).unwrap();
            let total: u64 = lengths
                .map(|entry| entry.unwrap().metadata().unwrap().len())
                .sum();
            most = most.max(total);
        }
        // A bound below two pages a stream leaves each its page and its index.
        assert!(most <= keep_bytes.max(24_000), "{most} of {keep_bytes}");
        assert!(most >= keep_bytes / 3, "{most} of {keep_bytes}");
    }
}

#[test]
fn without_a_size_the_bound_on_all_bounds_the_current_file() {
    let mut log = Log::default();
    log.rotate.size = None;
    log.keep_bytes = Some(Bytes(20_000));
    let mut bench = Bench::new(&log);
    for number in 0..5000 {
        bench.write(format!("line {number:04}\n"));
    }
    let total: u64 = bench
        .names()
        .iter()
        .map(|name| bench.text(name).len() as u64)
        .sum();
    assert!(total <= 20_000);
}

#[test]
fn old_files_go_at_their_moment_also_of_a_silent_service() {
    let mut log = rotating_at(2);
    log.keep_age = Some(seconds(100));
    let mut bench = Bench::new(&log);
    bench.write("1\n2\n");
    bench.finish();
    let mut next_life = Bench::at(bench.dir, &log);
    next_life.live(seconds(99));
    assert_eq!(next_life.names().len(), 2);
    next_life.live(seconds(1));
    assert_eq!(next_life.names(), ["web.log"]);
    assert_eq!(next_life.live(seconds(1_000_000)), 0);
}

#[test]
fn another_services_files_are_left_alone() {
    let mut log = rotating_at(2);
    log.keep = Some(0);
    let mut bench = Bench::new(&log);
    let others = [
        "web-2.log",
        "web-20261122T152451.000Z.txt",
        "web.err-20261122T152451.000Z.log",
        "web-20261122T152451.000Zx.log",
        "web%2D20261122T152451.000Z.log",
    ];
    for other in others {
        fs::write(bench.path(other), "x").unwrap();
    }
    bench.write("1\n2\n3\n");
    let names = bench.names();
    assert!(
        others
            .iter()
            .all(|other| names.contains(&(*other).to_owned()))
    );
    assert_eq!(names.len(), others.len() + 1);
}

#[test]
fn a_rotation_that_fails_loses_nothing_and_is_tried_again() {
    let mut bench = Bench::new(&rotating_at(10));
    bench.faults.set().renames = Some(io::ErrorKind::PermissionDenied);
    bench.write("123456789\n123456789\n");
    bench.write("123456789\n");
    let facts = bench.facts();
    assert!(
        matches!(
            facts[..],
            [Fact::NotRotated {
                fault: Fault::NoPermission,
                ..
            }]
        ),
        "{facts:?}"
    );
    bench.faults.set().renames = None;
    bench.pass(seconds(10));
    bench.write("4\n");
    assert_eq!(rotations(&bench.facts()), [Because::Size]);
    assert_eq!(bench.all(), "123456789\n123456789\n123456789\n4\n");
}

#[test]
fn if_no_new_file_can_be_opened_the_old_one_goes_on() {
    let mut bench = Bench::new(&rotating_at(10));
    bench.write("123456789\n");
    bench.faults.set().opens = Some(io::ErrorKind::StorageFull);
    bench.write("2\n");
    assert_eq!(bench.names(), ["web.log"]);
    assert_eq!(bench.all(), "123456789\n2\n");
    assert!(matches!(
        bench.facts()[..],
        [Fact::NotRotated {
            fault: Fault::DiskFull,
            ..
        }]
    ));
}

#[test]
fn truncate_empties_the_file_at_each_start() {
    let mut bench = Bench::new(&Log::default());
    let path = bench.path("run.log");
    let log = Log {
        to: LogTo::Truncate(path.to_str().unwrap().to_owned()),
        ..Log::default()
    };
    bench.stream = Stream::new(Settings::from_spec(&log, "web", bench.dir.path()).stdout);
    for run in ["one", "two"] {
        bench.stream.begin(bench.now, &mut bench.desk);
        bench.write(run);
        bench.finish();
        assert_eq!(bench.text("run.log"), run);
    }
}

#[test]
fn a_shed_stream_holds_no_file_and_goes_on_where_it_was() {
    let mut bench = Bench::new(&rotating_at(12));
    bench.write("one\ntwo");
    bench.stream.shed(bench.now, &mut bench.desk);
    assert!(!bench.stream.is_open());
    bench.write("\n");
    bench.stream.shed(bench.now, &mut bench.desk);
    bench.write("three\n");
    assert_eq!(bench.all(), "one\ntwo\nthree\n");
    assert_eq!(bench.names().len(), 2);
}

#[test]
fn a_name_already_taken_is_not_overwritten() {
    let mut bench = Bench::new(&rotating_at(2));
    bench.write("1\n2\n");
    let taken = bench.path("web-20261122T152451.001Z.log");
    fs::write(&taken, "other\n").unwrap();
    bench.write("3\n");
    assert_eq!(bench.all(), "1\nother\n2\n3\n");
    bench.live(seconds(10));
    bench.write("4\n");
    assert_eq!(bench.all(), "1\nother\n2\n3\n4\n");
    assert_eq!(fs::read_to_string(taken).unwrap(), "other\n");
}

#[test]
fn aged_files_go_also_while_the_disk_is_full() {
    let log = Log {
        keep_age: Some(seconds(100)),
        ..rotating_at(2)
    };
    let mut bench = Bench::new(&log);
    bench.write("1\n2\n");
    bench.faults.set().room = Some(0);
    bench.write("3\n");
    bench.live(seconds(110));
    assert_eq!(bench.names(), ["web.log"]);
}

#[test]
fn the_line_break_owed_to_a_last_line_counts() {
    let mut bench = Bench::new(&rotating_at(10));
    bench.write("12345");
    bench.finish();
    bench.write("678\n");
    assert_eq!(bench.names().len(), 1);
    bench.write("9");
    bench.finish();
    assert_eq!(bench.text("web.log"), "9");
    bench.write("1234567\n");
    assert_eq!(bench.text("web.log"), "9\n1234567\n");
    let mut bench = Bench::new(&rotating_at(10));
    bench.write("12345");
    bench.finish();
    bench.write("6789\n");
    assert_eq!(bench.text("web.log"), "6789\n");
}

#[test]
fn the_age_of_a_file_emptied_between_two_lives_begins_anew() {
    let mut log = Log::default();
    log.rotate.age = Some(seconds(3600));
    let mut bench = Bench::new(&log);
    bench.write("one\n");
    bench.finish();
    fs::write(bench.path("web.log"), "").unwrap();
    for later in [3000, 3600] {
        bench = Bench::at(bench.dir, &log);
        bench.pass(seconds(later));
        bench.write("more\n");
        bench.finish();
    }
    assert!(rotations(&bench.facts()).is_empty());
}
