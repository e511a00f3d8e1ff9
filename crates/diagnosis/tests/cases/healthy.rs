//! Programs with which nothing is wrong: crying hang here would make every other answer worthless.

use crate::stage::Case;

fn healthy(names: &[&str]) {
    for name in names {
        Case::start("healthy.c", name).expect_idle();
    }
}

#[test]
fn who_sleeps_is_idle() {
    healthy(&["sleeps", "timer-loop"]);
}

#[test]
fn servers_without_questions_are_idle() {
    healthy(&[
        "epoll-server",
        "accepting",
        "poll-server",
        "select-server",
        "joins-acceptor",
    ]);
}

#[test]
fn an_answer_kept_back_on_purpose_is_no_hang() {
    healthy(&["long-poll"]);
}

#[test]
fn workers_without_work_are_idle() {
    healthy(&["pool", "self-pipe", "event-counter", "reads-stdin"]);
}

#[test]
fn who_waits_for_a_signal_is_idle() {
    healthy(&["until-signal", "sigwaits"]);
}

#[test]
fn busy_on_purpose_is_no_hang() {
    healthy(&["batch", "batch-of-threads"]);
}

#[test]
fn a_supervisor_of_a_server_is_idle() {
    healthy(&["supervises"]);
}

#[test]
fn a_server_under_load_and_its_clients_are_not_stuck() {
    let case = Case::start("healthy.c", "under-load");
    for _ in 0..4 {
        case.expect_idle();
        case.expect_idle_of(case.the("client"));
    }
}
