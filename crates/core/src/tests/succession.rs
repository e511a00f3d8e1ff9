//! One engine dies, the next goes on.

use std::vec;

use super::sim::{Sim, code, ms, s, service};
use crate::spec::{Ready, RestartWhen};
use crate::{Because, Do, RunEvent, Shown, Signal, Target};

const FROM: Because = Because::TakenOver { engine: 41 };

#[test]
fn what_runs_runs_on_and_says_since_whom() {
    let mut sim = Sim::up(service("web", |_| {}));
    let (run, since) = (sim.standing("web").run, sim.standing("web").since);
    sim.forget();
    sim.succeed(false);
    let standing = sim.standing("web");
    assert_eq!(
        (standing.shown, standing.run, standing.since),
        (Shown::Running, run, since)
    );
    assert_eq!(*standing.because, FROM);
    assert!(standing.settled && standing.arrived);
    assert!(sim.did("web").is_empty(), "nothing is done to it");
    sim.stop("web");
    sim.finish();
    assert_eq!(sim.shown("web"), Shown::Stopped);
}

#[test]
fn a_proof_is_looked_for_again_and_patience_goes_on() {
    let spec = service("web", |spec| {
        spec.ready = Ready::Fd(3);
        spec.start_timeout = Some(s(10));
    });
    let mut sim = Sim::of([spec]);
    sim.actor("web", |actor| actor.ready_in = None);
    sim.start("web");
    sim.pass(s(4));
    sim.forget();
    sim.succeed(false);
    assert_eq!(sim.did("web"), [Do::Prove]);
    sim.pass(s(5));
    assert_eq!(sim.shown("web"), Shown::StartPending);
    sim.pass(s(2));
    assert_ne!(sim.because("web"), FROM, "its ten seconds are over");
}

#[test]
fn a_stop_step_is_repeated_only_where_it_may_not_have_been_taken() {
    for (pending, signals) in [(false, 0), (true, 1)] {
        let mut sim = Sim::up(service("web", |_| {}));
        sim.actor("web", |actor| actor.dies_in = None);
        sim.stop("web");
        sim.forget();
        sim.succeed(pending);
        let term = Do::Signal(Signal::TERM, Target::Tree);
        let asked = sim.did("web").into_iter().filter(|act| *act == term);
        assert_eq!(asked.count(), signals);
        sim.finish();
        assert_eq!(sim.shown("web"), Shown::Stopped, "killed inside its budget");
    }
}

#[test]
fn waits_and_counts_of_restarts_go_on() {
    let spec = service("web", |spec| {
        spec.restart.when = RestartWhen::Always;
        spec.restart.delay = s(5);
        spec.restart.jitter = 0;
    });
    let mut sim = Sim::up(spec);
    sim.ends("web", code(1));
    sim.pass(s(2));
    sim.succeed(false);
    assert_eq!(
        (sim.shown("web"), sim.standing("web").restarts),
        (Shown::StartPending, 1)
    );
    sim.pass(s(2));
    assert_eq!(sim.shown("web"), Shown::StartPending);
    sim.pass(s(2));
    assert_eq!(
        (sim.shown("web"), sim.standing("web").restarts),
        (Shown::Running, 1)
    );
}

#[test]
fn an_end_nobody_saw_is_a_failure() {
    let spec = service("web", |spec| {
        spec.restart.when = RestartWhen::OnFailure;
        spec.restart.delay = ms(100);
    });
    let mut sim = Sim::up(spec);
    sim.succeed(false);
    sim.ends("web", crate::End::Unattended);
    let words = std::string::ToString::to_string(&sim.because("web"));
    assert!(words.contains("an unknown end while unattended"), "{words}");
    sim.pass(s(1));
    assert_eq!(sim.shown("web"), Shown::Running);
}

#[test]
fn what_expired_while_nobody_looked_expires_a_moment_later() {
    let spec = service("web", |spec| {
        spec.ready = Ready::Notify(crate::spec::NotifyFrom::Main);
        spec.watchdog = Some(s(2));
    });
    let mut sim = Sim::of([spec]);
    sim.start("web");
    assert_eq!(sim.shown("web"), Shown::Running);
    let run = sim.standing("web").run;
    // No engine lives, and what the program says waits to be read.
    sim.now = sim.now + s(30);
    sim.succeed(false);
    assert_eq!(sim.shown("web"), Shown::Running);
    sim.happens("web", RunEvent::Notify(crate::Notify::Watchdog));
    sim.pass(ms(1500));
    assert_eq!(sim.standing("web").run, run);
    sim.pass(s(5));
    assert_ne!(sim.standing("web").run, run, "and now it owed again");
}

#[test]
fn jobs_that_wait_for_others_go_on_waiting() {
    let store = service("store", |spec| spec.ready = Ready::Fd(3));
    let web = service("web", |spec| {
        spec.depends.requires = vec!["store".into()];
        spec.depends.after = vec!["store".into()];
    });
    let mut sim = Sim::of([store, web]);
    sim.actor("store", |actor| actor.ready_in = Some(s(3)));
    sim.start("web");
    sim.pass(s(1));
    sim.succeed(false);
    assert_eq!(sim.shown("web"), Shown::StartPending);
    sim.pass(s(5));
    assert_eq!(sim.shown("store"), Shown::Running);
    assert_eq!(sim.shown("web"), Shown::Running);
}
