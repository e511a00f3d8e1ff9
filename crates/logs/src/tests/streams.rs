//! What arrives is what was written.

use aplomb_core::Bytes;
use aplomb_core::spec::{Level, Log, LogTo, StderrTo, Timestamps};

use super::*;
use crate::Sink;

fn text_of_dice(dice: &mut Dice, lines: usize) -> Vec<u8> {
    let mut text = Vec::new();
    for _ in 0..lines {
        let length = [0, 1, 7, 40, 300][dice.below(5)];
        for _ in 0..dice.below(length + 1) {
            text.push(b'a' + u8::try_from(dice.below(26)).unwrap());
        }
        text.push(b'\n');
    }
    text
}

/// Writes the text in pieces of random length, time standing still.
fn in_pieces(log: &Log, text: &[u8], dice: &mut Dice) -> Vec<(String, String)> {
    let mut bench = Bench::new(log);
    let mut text = text;
    while !text.is_empty() {
        let most = [1, 3, 50, 5000][dice.below(4)];
        let (piece, rest) = text.split_at((1 + dice.below(most)).min(text.len()));
        bench.write(piece);
        text = rest;
    }
    bench.finish();
    let names = bench.names();
    names
        .into_iter()
        .map(|name| (bench.text(&name), name))
        .collect()
}

fn in_one(log: &Log, text: &[u8]) -> Vec<(String, String)> {
    let mut bench = Bench::new(log);
    bench.write(text);
    bench.finish();
    let names = bench.names();
    names
        .into_iter()
        .map(|name| (bench.text(&name), name))
        .collect()
}

#[test]
fn a_silent_service_leaves_nothing_and_wakes_nobody() {
    let mut bench = Bench::new(&Log::default());
    assert_eq!(bench.live(seconds(1_000_000)), 0);
    bench.finish();
    assert!(listed(bench.dir.path()).is_empty());
    assert!(size_of::<Stream>() <= 96);
    assert!(size_of::<crate::file::LogFile>() <= 320);
}

#[test]
fn directories_are_made_with_the_first_line() {
    let log = Log {
        to: LogTo::Default,
        ..Log::default()
    };
    let mut bench = Bench::new(&log);
    let dir = bench.path("deep/er");
    bench.stream = Stream::new(Settings::from_spec(&log, "web", &dir).stdout);
    bench.write("one");
    assert!(!dir.exists());
    bench.write("\n");
    assert_eq!(bench.text("deep/er/web.log"), "one\n");
}

#[test]
fn a_partial_last_line_is_kept_and_ended_by_the_next() {
    let mut bench = Bench::new(&Log::default());
    bench.write("one\ntw");
    assert_eq!(bench.text("web.log"), "one\n");
    bench.write("o");
    bench.finish();
    assert_eq!(bench.text("web.log"), "one\ntwo");
    bench.finish();
    bench.write("three\n");
    assert_eq!(bench.text("web.log"), "one\ntwo\nthree\n");
    bench.write("four");
    bench.finish();

    let mut next_life = Bench::at(bench.dir, &Log::default());
    next_life.write("five\n");
    assert_eq!(next_life.text("web.log"), "one\ntwo\nthree\nfour\nfive\n");
}

#[test]
fn stored_bytes_do_not_depend_on_how_the_pipe_cut_them() {
    for seed in 0..60 {
        let mut dice = Dice::new(seed);
        let mut log = rotating_at(500 + dice.below(2000) as u64);
        log.keep = None;
        log.max_line = Bytes([1, 2, 16, 100, 1 << 20][dice.below(5)]);
        log.timestamps = [Timestamps::None, Timestamps::Utc][dice.below(2)];
        let lines = dice.below(80);
        let mut text = text_of_dice(&mut dice, lines);
        text.extend_from_slice([&b""[..], b"rest"][dice.below(2)]);
        assert_eq!(
            in_pieces(&log, &text, &mut dice),
            in_one(&log, &text),
            "seed {seed}"
        );
    }
}

#[test]
fn untouched_bytes_come_out_as_they_went_in() {
    for seed in 0..40 {
        let mut dice = Dice::new(seed);
        let mut log = rotating_at(1000);
        log.keep = None;
        let text = text_of_dice(&mut dice, 100);
        let stored: String = in_pieces(&log, &text, &mut dice)
            .into_iter()
            .map(|(text, _)| text)
            .collect();
        assert_eq!(stored.as_bytes(), text, "seed {seed}");
    }
}

#[test]
fn a_line_too_long_is_split_and_marked() {
    let log = Log {
        max_line: Bytes(4),
        ..Log::default()
    };
    let mut bench = Bench::new(&log);
    bench.write("1234\n12345\n123456789\n");
    assert_eq!(
        bench.text("web.log"),
        "1234\n\
         1234 [aplomb: line continues]\n5\n\
         1234 [aplomb: line continues]\n5678 [aplomb: line continues]\n9\n"
    );
}

#[test]
fn timestamps_stand_before_every_line() {
    let log = Log {
        timestamps: Timestamps::Utc,
        ..Log::default()
    };
    let mut bench = Bench::new(&log);
    bench.write("one\ntw");
    bench.pass(Duration::from_micros(1_000_001));
    bench.write("o\n\nthree");
    bench.finish();
    assert_eq!(
        bench.text("web.log"),
        "2026-11-22T15:24:51.000000Z one\n\
         2026-11-22T15:24:52.000001Z two\n\
         2026-11-22T15:24:52.000001Z \n\
         2026-11-22T15:24:52.000001Z three"
    );
}

#[test]
fn levels_are_taken_off_and_filter() {
    let log = Log {
        level_prefix: true,
        max_level: Level::Warning,
        level: (Level::Notice, Level::Error),
        max_line: Bytes(12),
        ..Log::default()
    };
    let mut bench = Bench::new(&log);
    bench.write("plain\n<3>error\n<6>info\n<4>\n<9>no level\n<2>split in two\n<7>debug in two\n<");
    bench.write("3>late\n");
    assert_eq!(
        bench.text("web.log"),
        "error\n\nsplit in  [aplomb: line continues]\ntwo\nlate\n"
    );
}

#[test]
fn the_rate_limit_counts_what_it_drops_and_says_so_once_a_window() {
    let log = Log {
        rate_limit: Some((2, seconds(10))),
        ..Log::default()
    };
    let mut bench = Bench::new(&log);
    bench.write("1\n2\n3\n");
    bench.pass(seconds(9));
    bench.write("44\n");
    assert_eq!(bench.text("web.log"), "1\n2\n");
    bench.live(seconds(60));
    bench.write("5\n6\n");
    bench.live(seconds(60));
    assert_eq!(
        bench.text("web.log"),
        "1\n2\naplomb: dropped 2 lines (5 bytes): more than 2 lines in 10s\n5\n6\n"
    );
}

#[test]
fn what_the_rate_limit_dropped_is_said_when_the_run_ends() {
    let log = Log {
        rate_limit: Some((1, seconds(10))),
        ..Log::default()
    };
    let mut bench = Bench::new(&log);
    bench.write("1\n2\n");
    bench.finish();
    bench.write("3\n");
    bench.live(seconds(10));
    assert_eq!(
        bench.text("web.log"),
        "1\naplomb: dropped 1 line (2 bytes): more than 1 lines in 10s\n\
         aplomb: dropped 1 line (2 bytes): more than 1 lines in 10s\n"
    );
}

#[test]
fn a_new_window_begins_with_the_line_that_follows_it() {
    let log = Log {
        rate_limit: Some((1, seconds(10))),
        ..Log::default()
    };
    let mut bench = Bench::new(&log);
    bench.write("1\n2\n");
    bench.pass(seconds(10));
    bench.write("3\n4\n");
    assert_eq!(
        bench.text("web.log"),
        "1\naplomb: dropped 1 line (2 bytes): more than 1 lines in 10s\n3\n"
    );
}

#[test]
fn the_journal_gets_one_entry_a_line_with_its_level() {
    let log = Log {
        to: LogTo::Journal,
        level_prefix: true,
        identifier: Some("w".to_owned()),
        ..Log::default()
    };
    let mut bench = Bench::new(&log);
    bench.write("one\n<3>tw");
    bench.write("o\nrest");
    bench.finish();
    let taken: Vec<String> = bench
        .basket
        .open()
        .datagrams
        .iter()
        .map(|datagram| String::from_utf8(datagram.clone()).unwrap())
        .collect();
    let entry = |text: &str, level: u8| {
        format!("MESSAGE={text}\nPRIORITY={level}\nSYSLOG_IDENTIFIER=w\nUNIT=web\n")
    };
    assert_eq!(taken, [entry("one", 6), entry("two", 3), entry("rest", 6)]);
    assert!(listed(bench.dir.path()).is_empty());
}

#[test]
fn what_the_journal_does_not_take_is_counted_and_said() {
    let log = Log {
        to: LogTo::Journal,
        ..Log::default()
    };
    let mut bench = Bench::new(&log);
    bench.basket.open().refuses = Some(io::ErrorKind::WouldBlock);
    bench.write("one\ntwo\n");
    bench.basket.open().refuses = None;
    bench.finish();
    bench.write("three\n");
    let facts = bench.facts();
    assert!(matches!(
        facts[0],
        Fact::Dropping {
            sink: Sink::Journal,
            ..
        }
    ));
    assert!(matches!(facts[1], Fact::Recovered { loss, .. } if loss.lines == 2));
    assert_eq!(facts.len(), 2);
    let taken = bench.basket.open();
    assert_eq!(taken.datagrams.len(), 2);
    assert!(taken.datagrams[0].starts_with(b"MESSAGE=aplomb: lost 2 lines (8 bytes) from "));
}

#[test]
fn the_engines_output_gets_whole_lines() {
    let log = Log {
        to: LogTo::Inherit,
        ..Log::default()
    };
    let mut bench = Bench::new(&log);
    bench.write("one\ntw");
    bench.write("o\n");
    assert_eq!(bench.basket.open().lines, b"one\ntwo\n");
}

#[test]
fn outputs_that_end_in_one_place_are_one_stream() {
    let dir = Path::new("logs");
    let ways = |to: LogTo, stderr: StderrTo| {
        let log = Log {
            to,
            stderr,
            ..Log::default()
        };
        let outputs = Settings::from_spec(&log, "a/b", dir);
        let sink = |settings: Arc<Settings>| settings.sink.clone();
        (sink(outputs.stdout), outputs.stderr.map(sink))
    };
    let file = |path: &str| Sink::File(PathBuf::from(path));
    let log = dir.join("a%2Fb.log");
    assert_eq!(
        ways(LogTo::Default, StderrTo::Same),
        (Sink::File(log.clone()), None)
    );
    assert_eq!(
        ways(LogTo::Default, StderrTo::Own),
        (
            Sink::File(log.clone()),
            Some(Sink::File(dir.join("a%2Fb.err.log")))
        )
    );
    let x = || LogTo::File("x.txt".to_owned());
    assert_eq!(ways(x(), StderrTo::To(x())), (file("x.txt"), None));
    assert_eq!(
        ways(x(), StderrTo::Own),
        (file("x.txt"), Some(file("x.err.txt")))
    );
    assert_eq!(
        ways(LogTo::Journal, StderrTo::To(LogTo::Default)),
        (Sink::Journal, Some(Sink::File(log)))
    );
}

#[test]
fn standard_error_of_its_own_has_a_file_also_beside_the_journal() {
    let log = Log {
        to: LogTo::Journal,
        stderr: StderrTo::Own,
        ..Log::default()
    };
    let outputs = Settings::from_spec(&log, "web", Path::new("logs"));
    let file = Path::new("logs").join("web.err.log");
    assert_eq!(outputs.stderr.unwrap().sink, Sink::File(file));
}

#[test]
fn a_level_of_its_own_sends_standard_error_through_its_own_pipe() {
    let mut log = Log {
        level: (Level::Info, Level::Error),
        ..Log::default()
    };
    let dir = tempfile::tempdir().unwrap();
    let unfiltered = Settings::from_spec(&log, "web", dir.path());
    assert_eq!(unfiltered.stderr, None);

    log.max_level = Level::Warning;
    let outputs = Settings::from_spec(&log, "web", dir.path());
    let mut bench = Bench::at(dir, &log);
    let mut stderr = Stream::new(outputs.stderr.unwrap());
    bench.write("info\n");
    stderr.write(b"error\n", bench.now, &mut bench.desk);
    assert_eq!(bench.text("web.log"), "error\n");
}

#[test]
fn two_services_may_share_a_file_through_its_rotations() {
    let mut bench = Bench::new(&Log::default());
    let mut log = rotating_at(40);
    log.keep = None;
    log.to = LogTo::File(bench.path("both.log").to_str().unwrap().to_owned());
    let mut streams = ["a", "b"]
        .map(|name| Stream::new(Settings::from_spec(&log, name, bench.dir.path()).stdout));
    let mut expected = String::new();
    for turn in 0..40 {
        let line = format!("line {turn}\n");
        expected.push_str(&line);
        bench.pass(Duration::from_millis(1));
        streams[turn % 2].write(line.as_bytes(), bench.now, &mut bench.desk);
    }
    assert_eq!(bench.all(), expected);
    for name in bench.names() {
        assert!(bench.text(&name).len() <= 40);
    }
}
