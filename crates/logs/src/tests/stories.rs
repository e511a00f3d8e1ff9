//! Long seeded stories: any mixture of faults, rotations, sheddings and pauses.

use std::collections::BTreeSet;

use super::*;

/// Lines are numbered; afterwards each is in the files once, in order, or counted as lost.
fn story(seed: u64) {
    let mut dice = Dice::new(seed);
    let mut log = rotating_at(200 + dice.below(3000) as u64);
    log.keep = None;
    log.keep_bytes = None;
    if dice.below(3) == 0 {
        log.rotate.age = Some(seconds(5));
    }
    let mut bench = Bench::new(&log);
    let mut number = 0;
    let mut finished = true;
    for _ in 0..300 {
        match dice.below(12) {
            0 => bench.faults.set().room = Some(dice.below(400)),
            1 | 2 => {
                let mut orders = bench.faults.set();
                (orders.room, orders.opens, orders.renames) = (None, None, None);
            }
            3 => bench.faults.set().breath = [None, Some(1), Some(7)][dice.below(3)],
            4 => bench.faults.set().interrupted = true,
            5 => bench.faults.set().renames = Some(io::ErrorKind::PermissionDenied),
            6 => bench.faults.set().opens = Some(io::ErrorKind::StorageFull),
            7 => bench.stream.shed(bench.now, &mut bench.desk),
            8 => bench.stream.rotate_now(bench.now, &mut bench.desk),
            9 => {
                bench.live(Duration::from_millis(dice.below(4000) as u64));
            }
            10 if dice.below(4) == 0 => {
                let back = i64::try_from(dice.below(10_000_000)).unwrap();
                bench.now.wall = Wall::from_micros(bench.now.wall.as_micros() - back);
            }
            _ => {
                let mut text = String::new();
                for _ in 0..dice.below(60) {
                    let end = if dice.below(40) == 0 { "" } else { "\n" };
                    text.push_str(&format!("{number}:{}{end}", "x".repeat(dice.below(90))));
                    number += 1;
                    finished = end == "\n";
                    if !finished {
                        break;
                    }
                }
                let at = dice.below(text.len() + 1);
                bench.write(&text[..at]);
                bench.write(&text[at..]);
                if !finished {
                    bench.finish();
                }
            }
        }
    }
    *bench.faults.set() = faulty::Orders::default();
    bench.live(seconds(20));
    bench.finish();

    let mut said = 0;
    let mut kept = Vec::new();
    for name in bench.names() {
        for line in bench.text(&name).lines() {
            if let Some(notice) = line.strip_prefix("aplomb: lost ") {
                let lines: usize = notice.split(' ').next().unwrap().parse().unwrap();
                assert!(
                    notice.contains(" from 20") && notice.ends_with("the disk is full"),
                    "seed {seed}: {line}"
                );
                said += lines;
            } else {
                let (number, text) = line
                    .split_once(':')
                    .unwrap_or_else(|| panic!("seed {seed}: torn: {line}"));
                assert!(
                    text.bytes().all(|byte| byte == b'x'),
                    "seed {seed}: torn: {line}"
                );
                kept.push(
                    number
                        .parse::<usize>()
                        .unwrap_or_else(|_| panic!("seed {seed}: torn: {line}")),
                );
            }
        }
    }
    assert!(kept.is_sorted(), "seed {seed}: out of order");
    let different: BTreeSet<usize> = kept.iter().copied().collect();
    assert_eq!(different.len(), kept.len(), "seed {seed}: doubled");
    assert_eq!(
        kept.len() + said,
        number,
        "seed {seed}: neither kept nor counted"
    );
}

#[test]
fn every_line_is_kept_once_in_order_or_counted_as_lost() {
    for seed in 0..80 {
        story(seed);
    }
}
