//! What was written is read again: from the end, from a time, while it is written and rotated.

use std::sync::Arc;

use aplomb_core::Bytes;
use aplomb_core::spec::Log;

use super::*;
use crate::Progress;
use crate::index;
use crate::read::{Beginning, Line, Merge, Reader, Source};

fn source(bench: &Bench) -> Source {
    Source {
        service: Arc::from("web"),
        origin: Origin::Stdout,
        file: bench.path("web.log"),
    }
}

fn reader(bench: &Bench, beginning: Beginning) -> Reader {
    Reader::new(source(bench), beginning).unwrap()
}

fn text(line: &Line) -> String {
    String::from_utf8(line.bytes.clone()).unwrap()
}

fn drain(reader: &mut Reader) -> Vec<String> {
    std::iter::from_fn(|| reader.next().unwrap())
        .map(|line| text(&line))
        .collect()
}

fn read(bench: &Bench, beginning: Beginning) -> Vec<String> {
    drain(&mut reader(bench, beginning))
}

/// Compresses all that waits and removes the originals.
fn compress(bench: &mut Bench) {
    while bench.desk.compress(1000, bench.now) == Progress::More {}
    bench.pass(seconds(60));
    let idle = bench.desk.compress(1000, bench.now);
    assert_eq!(idle, Progress::Idle { until: None });
}

fn keeping_all(size: u64) -> Log {
    Log {
        keep: None,
        ..rotating_at(size)
    }
}

fn numbers(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|number| format!("line {number}")).collect()
}

fn write_numbers(bench: &mut Bench, range: std::ops::Range<u32>) {
    for line in numbers(range) {
        bench.pass(seconds(1));
        bench.write(line + "\n");
    }
    bench.finish();
}

#[test]
fn the_last_lines_are_found_over_rotated_and_compressed_files() {
    let log = Log {
        compress: true,
        ..keeping_all(100)
    };
    let mut bench = Bench::new(&log);
    write_numbers(&mut bench, 0..40);
    compress(&mut bench);
    write_numbers(&mut bench, 40..60);
    assert!(bench.names().iter().any(|name| name.ends_with(".gz")));
    assert!(
        bench
            .names()
            .iter()
            .filter(|name| name.ends_with("Z.log"))
            .count()
            >= 1
    );
    for count in 0..=60 {
        assert_eq!(
            read(&bench, Beginning::Last(u64::from(count))),
            numbers(60 - count..60),
            "last {count}"
        );
    }
    assert_eq!(read(&bench, Beginning::Last(1000)), numbers(0..60));
    assert_eq!(read(&bench, Beginning::Oldest), numbers(0..60));
}

#[test]
fn the_last_lines_of_a_long_file_are_found_from_its_end() {
    let mut bench = Bench::new(&Log::default());
    let filler = "x".repeat(100);
    for _ in 0..5000 {
        bench.write(format!("{filler}\n"));
    }
    bench.write(format!("{}\nlast", "y".repeat(200_000)));
    bench.finish();
    let mut reader = reader(&bench, Beginning::Last(3));
    assert_eq!(drain(&mut reader), [filler, "y".repeat(200_000)]);
    assert_eq!(text(&reader.rest().unwrap()), "last");
    assert!(reader.rest().is_none());
}

#[test]
fn since_and_until_go_by_the_time_a_line_arrived() {
    let log = Log {
        compress: true,
        ..keeping_all(100)
    };
    let mut bench = Bench::new(&log);
    let at = |second: i64| Wall::from_micros(START + second * 1_000_000);
    write_numbers(&mut bench, 0..40);
    for _ in 0..2 {
        for second in 0..42 {
            // Line n was written n + 1 seconds after the start.
            let first = u32::try_from((second - 1).max(0)).unwrap().min(40);
            assert_eq!(
                read(&bench, Beginning::Since(at(second))),
                numbers(first..40),
                "since {second}"
            );
            let mut until = reader(&bench, Beginning::Oldest).until(at(second));
            let end = u32::try_from(second).unwrap().min(40);
            assert_eq!(drain(&mut until), numbers(0..end), "until {second}");
        }
        compress(&mut bench);
    }
    let first = reader(&bench, Beginning::Oldest).next().unwrap().unwrap();
    assert_eq!(first.time, Some(at(1)));
}

#[test]
fn without_an_index_times_are_those_of_the_file() {
    let mut bench = Bench::new(&Log::default());
    bench.write("one\n");
    bench.finish();
    fs::write(bench.path("web.log.times"), [7; 100]).unwrap();
    let line = reader(&bench, Beginning::Oldest).next().unwrap().unwrap();
    let written = fs::metadata(bench.path("web.log"))
        .unwrap()
        .modified()
        .unwrap();
    assert_eq!(line.time, Some(Wall::from(written)));
    fs::remove_file(bench.path("web.log.times")).unwrap();
    assert_eq!(
        read(&bench, Beginning::Since(Wall::from_micros(0))),
        ["one"]
    );
}

#[test]
fn the_index_of_a_log_cut_short_between_two_lives_is_not_believed() {
    let mut bench = Bench::new(&Log::default());
    write_numbers(&mut bench, 0..50);
    fs::write(bench.path("web.log"), "line 0\n").unwrap();
    let mut next_life = Bench::at(bench.dir, &Log::default());
    next_life.pass(seconds(1000));
    next_life.write("line 1\n");
    next_life.finish();
    let last = reader(&next_life, Beginning::Last(1))
        .next()
        .unwrap()
        .unwrap();
    assert_eq!(
        (text(&last), last.time),
        ("line 1".to_owned(), Some(next_life.now.wall))
    );
}

#[test]
fn every_rotated_file_has_times_of_its_own() {
    let mut bench = Bench::new(&keeping_all(2));
    bench.write("1\n2\n3\n");
    bench.finish();
    let mut reader = reader(&bench, Beginning::Oldest);
    let times: Vec<_> = std::iter::from_fn(|| reader.next().unwrap())
        .map(|line| line.time)
        .collect();
    assert_eq!(times, [Some(bench.now.wall); 3]);
}

#[test]
fn a_torn_index_is_repaired_by_the_next_life() {
    let mut bench = Bench::new(&Log::default());
    bench.write("one\n");
    bench.finish();
    let mut index = fs::read(bench.path("web.log.times")).unwrap();
    index.extend_from_slice(b"torn");
    fs::write(bench.path("web.log.times"), index).unwrap();
    let mut next_life = Bench::at(bench.dir, &Log::default());
    next_life.pass(seconds(10));
    next_life.write("two\n");
    let last = reader(&next_life, Beginning::Last(1))
        .next()
        .unwrap()
        .unwrap();
    assert_eq!(last.time, Some(next_life.now.wall));
}

#[test]
fn what_somebody_removes_during_compression_stays_removed_and_what_is_left_stays() {
    let log = Log {
        compress: true,
        ..keeping_all(2)
    };
    let mut bench = Bench::new(&log);
    bench.write("1\n2\n");
    let rotated = bench.path("web-20261122T152451.000Z.log");
    // The first piece is the whole file; the next call ends it.
    bench.desk.compress(1, bench.now);
    fs::remove_file(&rotated).unwrap();
    compress(&mut bench);
    assert_eq!(bench.names(), ["web.log"]);

    bench.write("3\n");
    while bench.desk.compress(1000, bench.now) == Progress::More {}
    let gz = bench
        .names()
        .into_iter()
        .find(|name| name.ends_with(".gz"))
        .unwrap();
    fs::remove_file(bench.path(&gz)).unwrap();
    compress(&mut bench);
    assert_eq!(read(&bench, Beginning::Oldest), ["2", "3"]);
}

#[test]
fn times_are_followed_as_the_index_grows() {
    let mut bench = Bench::new(&Log::default());
    let mut reader = reader(&bench, Beginning::Oldest);
    for number in 0..600 {
        bench.pass(seconds(1));
        bench.write(format!("{number:060}\n"));
        if number % 7 == 0 {
            bench.finish();
            let mut last = None;
            while let Some(line) = reader.next().unwrap() {
                last = line.time;
            }
            assert_eq!(last, Some(bench.now.wall), "line {number}");
        }
    }
}

#[test]
fn a_burst_is_timed_within_a_second_of_its_writing() {
    let mut bench = Bench::new(&Log::default());
    for number in 0..500 {
        bench.pass(Duration::from_millis(1));
        bench.write(format!(
            "{number:03} and a line of ordinary length, as they are\n"
        ));
    }
    bench.live(seconds(1));
    let mut reader = reader(&bench, Beginning::Oldest);
    let mut last = None;
    for number in 0..500 {
        let line = reader.next().unwrap().unwrap();
        let written = START + (number + 1) * 1000;
        let late = written - line.time.unwrap().as_micros();
        assert!((0..100_000).contains(&late), "line {number} {late}");
        last = line.time;
    }
    assert!(last.unwrap().as_micros() > START + 450_000);
}

#[test]
fn an_emptied_file_is_followed_from_its_start() {
    let mut bench = Bench::new(&Log::default());
    let mut reader = reader(&bench, Beginning::Oldest);
    assert!(drain(&mut reader).is_empty());
    bench.write("one\ntwo\n");
    assert_eq!(drain(&mut reader), ["one", "two"]);
    fs::write(bench.path("web.log"), "").unwrap();
    bench.pass(seconds(1));
    bench.write("3\n");
    assert_eq!(drain(&mut reader), ["3"]);
}

/// Reader and writer take turns at random; compression, retention and renames go on meanwhile.
fn follow(seed: u64) {
    let mut dice = Dice::new(seed);
    let log = Log {
        compress: dice.below(2) == 0,
        ..keeping_all(60 + dice.below(300) as u64)
    };
    let mut bench = Bench::new(&log);
    let (mut written, mut seen) = (Vec::new(), Vec::new());
    let mut reader = None;
    for _ in 0..120 {
        match dice.below(8) {
            0 => bench.stream.rotate_now(bench.now, &mut bench.desk),
            1 if dice.below(4) == 0 => compress(&mut bench),
            2 => {
                bench.desk.compress(50, bench.now);
            }
            3 | 4 => {
                let reader = reader.get_or_insert_with(|| self::reader(&bench, Beginning::Oldest));
                for _ in 0..dice.below(40) {
                    seen.extend(reader.next().unwrap().map(|line| text(&line)));
                }
            }
            _ => {
                for _ in 0..dice.below(10) {
                    let line = format!("{}{}", written.len(), "x".repeat(dice.below(50)));
                    bench.write(&line);
                    bench.write("\n");
                    written.push(line);
                }
                bench.pass(Duration::from_millis(dice.below(2000) as u64));
            }
        }
    }
    let mut reader = reader.unwrap_or_else(|| self::reader(&bench, Beginning::Oldest));
    seen.extend(drain(&mut reader));
    assert!(
        seen == written,
        "seed {seed}: {} of {}",
        seen.len(),
        written.len()
    );
}

#[test]
fn following_loses_and_doubles_no_line() {
    for seed in 0..25 {
        follow(seed);
    }
}

#[test]
fn several_logs_are_interleaved_by_time_and_each_keeps_its_order() {
    let mut bench = Bench::new(&Log::default());
    let settings = |name: &str| Settings::from_spec(&Log::default(), name, bench.dir.path()).stdout;
    let mut streams = ["a", "b", "c"].map(|name| Stream::new(settings(name)));
    let mut expected = Vec::new();
    for number in 0..60 {
        bench.pass(Duration::from_millis(200));
        let line = format!("{number}");
        streams[number * 7 % 3].write(format!("{line}\n").as_bytes(), bench.now, &mut bench.desk);
        expected.push(line);
    }
    bench.now.wall = Wall::from_micros(START - 1);
    streams[0].write(b"back\n", bench.now, &mut bench.desk);
    expected.push("back".to_owned());
    for stream in &mut streams {
        stream.finish(bench.now, &mut bench.desk);
    }
    let readers = || {
        ["a", "b", "c"].map(|name| {
            let file = bench.path(&format!("{name}.log"));
            let source = Source {
                service: Arc::from(name),
                origin: Origin::Stdout,
                file,
            };
            Reader::new(source, Beginning::Oldest).unwrap()
        })
    };
    let mut merge = Merge::new(readers().into());
    assert!(merge.next().unwrap().is_none());
    merge.refresh().unwrap();
    let mut merged = Vec::new();
    while let Some(line) = merge.next().unwrap() {
        merged.push(text(&line));
    }
    // A line from before the clock went back follows its own log's last line at once.
    let back = merged.iter().position(|line| line == "back").unwrap();
    assert_eq!(merged[back - 1], "57");
    merged.remove(back);
    expected.pop();
    assert_eq!(merged, expected);

    let last = Merge::new(readers().into()).last(2).unwrap();
    assert_eq!(last.iter().map(text).collect::<Vec<_>>(), ["58", "59"]);
}

#[test]
fn a_crash_during_compression_loses_and_doubles_nothing() {
    let log = Log {
        compress: true,
        ..keeping_all(100)
    };
    let mut bench = Bench::new(&log);
    write_numbers(&mut bench, 0..20);
    fs::write(bench.path("web-20261122T152501.000Z.log.gz.tmp"), "half").unwrap();
    // Compressed, and the original is not gone yet.
    while bench.desk.compress(1000, bench.now) == Progress::More {}
    assert_eq!(read(&bench, Beginning::Oldest), numbers(0..20));
    let mut next_life = Bench::at(bench.dir, &log);
    next_life.pass(seconds(30));
    next_life.stream.on_time(next_life.now, &mut next_life.desk);
    compress(&mut next_life);
    assert_eq!(read(&next_life, Beginning::Oldest), numbers(0..20));
    let plain = next_life
        .names()
        .into_iter()
        .filter(|name| name.ends_with("Z.log"));
    assert_eq!(plain.count(), 0);
}

#[test]
fn a_full_disk_leaves_files_uncompressed_and_whole() {
    let log = Log {
        compress: true,
        ..keeping_all(100)
    };
    let mut bench = Bench::new(&log);
    write_numbers(&mut bench, 0..20);
    bench.faults.set().room = Some(15);
    compress(&mut bench);
    assert_eq!(read(&bench, Beginning::Oldest), numbers(0..20));
    assert!(!bench.names().iter().any(|name| name.contains(".gz")));
}

#[test]
fn a_removed_file_does_not_come_back_by_being_compressed() {
    let log = Log {
        compress: true,
        keep: Some(1),
        ..rotating_at(100)
    };
    let mut bench = Bench::new(&log);
    write_numbers(&mut bench, 0..13);
    bench.desk.compress(1, bench.now);
    write_numbers(&mut bench, 13..60);
    compress(&mut bench);
    assert_eq!(bench.names().len(), 2, "{:?}", bench.names());
}

#[test]
fn compressed_files_count_with_their_length_on_disk() {
    let log = Log {
        compress: true,
        keep_bytes: Some(Bytes(200_000)),
        ..keeping_all(20_000)
    };
    let mut bench = Bench::new(&log);
    for _ in 0..60 {
        bench.write("the same again\n".repeat(1200));
        compress(&mut bench);
    }
    assert!(bench.names().len() > 40, "{}", bench.names().len());
}

#[test]
fn any_bytes_are_an_index() {
    for seed in 0..200 {
        let mut dice = Dice::new(seed);
        let mut bytes: Vec<u8> = (0..dice.below(300))
            .map(|_| u8::try_from(dice.below(256)).unwrap())
            .collect();
        let mark = crate::Mark {
            time: Wall::from_micros(5),
            offset: 3,
        };
        let at = dice.below(bytes.len() + 1);
        bytes.splice(at..at, mark.encode());
        let found: Vec<_> = index::marks(&bytes, 0).collect();
        assert!(found.len() <= 1 + bytes.len() / 16);
        assert!(!at.is_multiple_of(16) || found.contains(&mark));
    }
}
