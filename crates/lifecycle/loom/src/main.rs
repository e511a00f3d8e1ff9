//! The library's `cell.rs`, compiled against loom's mutex and condition variable instead of the standard library's: each
//! story here runs in every order in which its threads can meet.
//!
//! `cargo run --manifest-path crates/lifecycle/loom/Cargo.toml`. A crate of its own, because a `cfg(loom)` for the library
//! would reach its dependencies, which mean something else by it. The few types that `cell.rs` names from its
//! neighbours are repeated here. A program and not a test, as the unit tests inside `cell.rs` cannot run under loom.

#[expect(dead_code, reason = "the stories meet in a part of it")]
#[path = "../../src/cell.rs"]
mod cell;

mod sync {
    pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};
}

mod machine {
    #[expect(dead_code, reason = "named so that the order is the library's")]
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub(crate) enum Level {
        Run,
        Stop,
        Hurry,
        Abort,
    }

    pub(crate) type Run = u32;
}

mod os {
    #[derive(Debug)]
    pub(crate) struct Bell;

    impl Bell {
        pub(crate) fn ring(&mut self) {}
    }
}

use cell::{Cell, Start};
use loom::future::block_on;
use loom::thread::spawn;
use machine::Level;
use std::sync::Arc;

fn main() {
    let stories: [(&str, fn()); 6] = [
        (
            "a_future_that_waits_is_woken_whenever_the_stop_comes",
            a_future_that_waits_is_woken_whenever_the_stop_comes,
        ),
        (
            "a_thread_that_waits_is_woken_whenever_the_stop_comes",
            a_thread_that_waits_is_woken_whenever_the_stop_comes,
        ),
        (
            "one_change_wakes_those_who_wait_for_another",
            one_change_wakes_those_who_wait_for_another,
        ),
        (
            "a_level_never_falls_whoever_speaks_last",
            a_level_never_falls_whoever_speaks_last,
        ),
        (
            "work_that_lands_around_the_stop_is_counted_before_or_after_never_both",
            work_that_lands_around_the_stop_is_counted_before_or_after_never_both,
        ),
        (
            "who_waits_until_nothing_is_in_flight_learns_of_the_last_landing",
            who_waits_until_nothing_is_in_flight_learns_of_the_last_landing,
        ),
    ];
    for (name, story) in stories {
        story();
        println!("{name} ... ok");
    }
}

fn told(cell: &Arc<Cell>, level: Level) -> loom::thread::JoinHandle<()> {
    let cell = Arc::clone(cell);
    spawn(move || cell.tell(level, None))
}

fn a_future_that_waits_is_woken_whenever_the_stop_comes() {
    loom::model(|| {
        let cell = Cell::new("x".into());
        let teller = told(&cell, Level::Stop);
        block_on(cell.until(|seen| seen.level >= Level::Stop));
        teller.join().unwrap();
    });
}

fn a_thread_that_waits_is_woken_whenever_the_stop_comes() {
    loom::model(|| {
        let cell = Cell::new("x".into());
        let teller = told(&cell, Level::Stop);
        assert!(cell.wait(None, |seen| seen.level >= Level::Stop));
        teller.join().unwrap();
    });
}

fn one_change_wakes_those_who_wait_for_another() {
    loom::model(|| {
        let cell = Cell::new("x".into());
        let other = Arc::clone(&cell);
        let waiter = spawn(move || block_on(other.until(|seen| seen.start != Start::Pending)));
        let teller = told(&cell, Level::Stop);
        cell.set_start(Start::Up);
        waiter.join().unwrap();
        teller.join().unwrap();
    });
}

fn a_level_never_falls_whoever_speaks_last() {
    loom::model(|| {
        let cell = Cell::new("x".into());
        let tellers = [told(&cell, Level::Abort), told(&cell, Level::Stop)];
        for teller in tellers {
            teller.join().unwrap();
        }
        assert_eq!(cell.seen().level, Level::Abort);
    });
}

fn work_that_lands_around_the_stop_is_counted_before_or_after_never_both() {
    loom::model(|| {
        let cell = Cell::new("x".into());
        let key = cell.take_off("work".into(), None);
        let teller = told(&cell, Level::Stop);
        cell.land(key);
        teller.join().unwrap();
        let counts = cell.seen().counts;
        assert_eq!(counts.at_stop, counts.finished_after);
        assert!(cell.seen().flights.is_empty());
    });
}

fn who_waits_until_nothing_is_in_flight_learns_of_the_last_landing() {
    loom::model(|| {
        let cell = Cell::new("x".into());
        let key = cell.take_off("work".into(), None);
        let landing = Arc::clone(&cell);
        let lander = spawn(move || landing.land(key));
        block_on(cell.until(|seen| seen.flights.is_empty()));
        lander.join().unwrap();
    });
}
