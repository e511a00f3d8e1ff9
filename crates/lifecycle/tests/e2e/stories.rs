//! Stories that hold on every platform: the stop is asked for by SIGTERM, or by the program itself where there are no
//! signals.

use crate::process::Victim;
use crate::{http2, streams, under_load};

const STORIES: &[(&str, fn())] = &[
    (
        "a_panic_while_setting_up_stops_what_was_started",
        setup_panic,
    ),
    ("threads_and_blocking_resources_stop_clean", threads),
    (
        "a_nested_application_restarts_alone_and_stops_in_its_own_stages",
        nested,
    ),
    (
        "a_thread_that_ignores_the_stop_is_named_and_left",
        deaf_thread,
    ),
    ("a_setup_that_hangs_cannot_hold_the_exit", setup_hang),
    ("blocking_work_cannot_hold_the_exit", main_hang),
    ("a_dependency_that_never_comes_ends_with_75", no_start),
    ("a_blocked_runtime_is_still_ended_and_reported", blocked),
    ("install_inside_a_runtime_returns_the_report", install),
    (
        "panics_restart_and_failures_are_ignored_as_declared",
        restarts,
    ),
    (
        "an_operation_over_its_budget_is_named_its_connection_closed_and_the_rest_goes_on",
        bounded,
    ),
    (
        "a_pool_that_waits_says_what_is_out_and_where_it_was_taken",
        leaky_pool,
    ),
    (
        "connections_that_the_kernel_has_queued_are_answered",
        streams::the_queue_is_taken,
    ),
    (
        "an_upgraded_connection_is_told_and_waited_for",
        streams::an_upgrade_is_told,
    ),
    (
        "an_upgraded_connection_that_does_not_listen_ends_in_time",
        streams::a_deaf_upgrade_ends,
    ),
    (
        "an_upgraded_connection_that_does_not_listen_is_named",
        streams::a_deaf_upgrade_is_named,
    ),
    (
        "an_event_stream_is_told_and_ends_whole",
        streams::events_are_told,
    ),
    (
        "an_event_stream_that_does_not_listen_ends_whole_in_time",
        streams::deaf_events_end_whole,
    ),
    (
        "http2_gets_goaway_while_somebody_still_accepts_and_every_stream_ends",
        http2::goaway,
    ),
    #[cfg(unix)]
    (
        "a_stop_under_load_loses_nothing",
        under_load::nothing_is_lost,
    ),
    ("bad_clients_do_not_hold_the_stop", under_load::bad_clients),
];

const STAGES: [u16; 9] = [0, 100, 200, 300, 350, 400, 500, 600, 700];

type Story = (String, Box<dyn Fn() + Send>);

pub(crate) fn all() -> Vec<Story> {
    let plain = STORIES
        .iter()
        .map(|(name, story)| -> Story { ((*name).to_owned(), Box::new(story)) });
    let starts = [0, 1, 5, 9].map(|tenths| -> Story {
        let name = format!("a_stop_at_{tenths}0_percent_of_the_start_closes_what_was_open");
        (name, Box::new(move || stop_during_start(tenths)))
    });
    let panics = STAGES.map(|stage| -> Story {
        let name = format!("a_panic_in_stage_{stage}_is_reported");
        (name, Box::new(move || panic_in(stage)))
    });
    let hangs = STAGES.map(|stage| -> Story {
        let name = format!("a_hang_in_stage_{stage}_is_named_and_cut");
        (name, Box::new(move || hang_in(stage)))
    });
    plain.chain(starts).chain(panics).chain(hangs).collect()
}

fn threads() {
    let mut victim = Victim::ready("threads");
    victim.ask_to_stop();
    let ended = victim.end();
    assert_eq!(
        (ended.code(), ended.outcome("tail"), ended.outcome("db")),
        (0, "closed", "closed")
    );
    assert_eq!(ended.component("tail")["last_note"], "one left");
    assert!(ended.report["ready_after_ms"].is_u64());
}

fn nested() {
    let mut victim = Victim::ready("nested");
    // Once for the first life, once for the second.
    victim.line("CONSUMER-STOPS");
    victim.line("COMMIT-STOPS");
    victim.line("CONSUMER-RUNS");
    victim.ask_to_stop();
    victim.line("CONSUMER-STOPS");
    victim.line("COMMIT-STOPS");
    victim.line("OUTER-STOPS");
    let ended = victim.end();
    assert_eq!((ended.code(), ended.outcome("ingest")), (0, "closed"));
    assert_eq!(
        ended.component("ingest")["nested"]["cause"]["kind"],
        "parent"
    );
}

fn panic_in(stage: u16) {
    let mut victim = Victim::ready(&format!("panic:{stage}"));
    victim.ask_to_stop();
    let ended = victim.end();
    assert_eq!(
        (ended.code(), ended.outcome("bad"), ended.outcome("last")),
        (70, "panicked", "closed")
    );
    let error = ended.component("bad")["error"].as_str().unwrap();
    assert!(
        error.contains("victim") && error.contains("at the stop"),
        "{error}"
    );
}

fn setup_panic() {
    let ended = Victim::start("setup-panic").end();
    assert_eq!((ended.code(), ended.outcome("setup")), (70, "panicked"));
    let error = ended.component("setup")["error"].as_str().unwrap();
    assert!(error.ends_with("while setting up"), "{error}");
    // Up, or cancelled before it was: either way it is over and was not cut.
    assert!(["closed", "never-started"].contains(&ended.outcome("worker")));
}

fn hang_in(stage: u16) {
    let mut victim = Victim::ready(&format!("hang:{stage}"));
    victim.ask_to_stop();
    let ended = victim.end();
    assert_eq!(
        (ended.code(), ended.outcome("stuck"), ended.outcome("last")),
        (124, "aborted", "closed")
    );
    assert!(ended.took.as_millis() < 3_700, "{:?}", ended.took);
    let held = ended.component("stuck")["cut_off"][0].as_str().unwrap();
    assert!(
        held.starts_with("the long thing for") && held.contains("victim"),
        "{held}"
    );
    assert!(
        ended.output.iter().any(|line| line == "LAST"),
        "{:#?}",
        ended.output
    );
}

fn deaf_thread() {
    let mut victim = Victim::ready("thread-hang");
    victim.ask_to_stop();
    let waiting = victim.line("WAITING");
    assert!(
        waiting.contains("still waiting for: deaf") && waiting.contains("stage workers"),
        "{waiting}"
    );
    let ended = victim.end();
    assert_eq!((ended.code(), ended.outcome("deaf")), (124, "leaked"));
    #[cfg(target_os = "linux")]
    assert_eq!(ended.report["threads_left"][0], "deaf");
}

fn setup_hang() {
    let mut victim = Victim::start("setup-hang");
    victim.line("SETUP");
    victim.ask_to_stop();
    let ended = victim.end();
    assert_eq!((ended.code(), ended.outcome("setup")), (124, "leaked"));
}

fn main_hang() {
    let mut victim = Victim::ready("main-hang");
    victim.ask_to_stop();
    let ended = victim.end();
    assert_eq!(ended.code(), 0);
    assert!(ended.took.as_millis() < 2_000, "{:?}", ended.took);
}

fn stop_during_start(tenths: u8) {
    let mut victim = Victim::start("slow-start");
    // 0 % is the first line the program can say; signals that came before wait in the pipe.
    victim.line(&if tenths == 0 {
        "FAST-OPEN".to_owned()
    } else {
        format!("SLOW-{tenths}")
    });
    victim.ask_to_stop();
    let ended = victim.end();
    assert_eq!(ended.code(), 0, "{:#?}", ended.output);
    assert!(ended.took.as_millis() < 1_000, "{:?}", ended.took);
    assert!(!ended.output.iter().any(|line| line == "READY"));
    if tenths > 0 {
        assert_eq!(
            (ended.outcome("fast"), ended.outcome("slow")),
            ("closed", "never-started")
        );
        assert!(
            ended.output.iter().any(|line| line == "FAST-CLOSED"),
            "{:#?}",
            ended.output
        );
    }
}

fn no_start() {
    let ended = Victim::start("no-start").end();
    assert_eq!(
        (ended.code(), ended.outcome("db"), ended.outcome("worker")),
        (75, "failed", "closed")
    );
    let error = ended.component("db")["error"].as_str().unwrap();
    assert!(
        error.contains("connection refused") && error.contains("attempts"),
        "{error}"
    );
}

fn blocked() {
    let mut victim = Victim::start("blocked");
    victim.line("READY");
    victim.ask_to_stop();
    let waiting = victim.line("WAITING");
    assert!(waiting.contains("blocker-0"), "{waiting}");
    let ended = victim.end();
    assert_eq!((ended.code(), ended.outcome("blocker-0")), (124, "leaked"));
    assert!(ended.took.as_millis() < 4_500, "{:?}", ended.took);
}

fn install() {
    let mut victim = Victim::ready("lifecycle");
    victim.ask_to_stop();
    let ended = victim.end();
    assert_eq!((ended.code(), ended.outcome("worker")), (0, "closed"));
    assert!(ended.output.iter().any(|line| line == "AFTER"));
}

fn restarts() {
    let mut victim = Victim::start("restart");
    victim.line("LIFE-3");
    victim.ask_to_stop();
    let ended = victim.end();
    assert_eq!(
        (
            ended.code(),
            ended.outcome("moody"),
            ended.outcome("useless")
        ),
        (0, "closed", "failed")
    );
    assert_eq!(ended.component("moody")["attempts"], 3);
    assert_eq!(ended.component("useless")["error"], "no use");
}

fn bounded() {
    let mut victim = Victim::start("bounded");
    assert_eq!(
        victim.line("ERROR"),
        "ERROR `db` did not answer within 150 ms"
    );
    assert_eq!(victim.line("CLOSED"), "CLOSED after 1 byte");
    victim.line("GOES ON");
    victim.ask_to_stop();
    assert_eq!(victim.end().code(), 0);
}

fn leaky_pool() {
    let mut victim = Victim::ready("leaky-pool");
    victim.ask_to_stop();
    let ended = victim.end();
    assert_eq!((ended.code(), ended.outcome("db")), (124, "aborted"));
    let held = ended.component("db")["cut_off"][0].as_str().unwrap();
    assert!(
        held.starts_with("1 of 2 connections out, taken at ") && held.contains("victim"),
        "{held}"
    );
}
