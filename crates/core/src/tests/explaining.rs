//! Why it hangs is found out before force destroys the evidence, and that never takes long.

use super::sim::*;
use crate::spec::{NotifyFrom, Ready, Spec};
use crate::{Do, How, Question, Shown, Target, Wish};

/// Neither signals nor time end it; the kill does. `explained_in`: when it is known why.
fn stubborn(explained_in: Option<crate::Duration>, with: impl FnOnce(&mut Spec)) -> Sim {
    let mut sim = Sim::up(service("a", with));
    sim.actor("a", |a| {
        a.dies_in = None;
        a.explained_in = explained_in;
    });
    sim
}

fn place(sim: &Sim, wanted: &Do) -> Option<usize> {
    sim.did("a").iter().position(|did| did == wanted)
}

#[test]
fn what_is_killed_was_explained_before() {
    let mut sim = stubborn(Some(ms(0)), |_| {});
    sim.stop("a");
    sim.pass(s(28));
    assert_eq!(sim.shown("a"), Shown::Stopped);
    let explained = place(&sim, &Do::Explain(Question::Stop));
    let killed = place(&sim, &Do::Kill(Target::Tree));
    assert!(explained.is_some() && explained < killed);
}

#[test]
fn an_explanation_that_does_not_come_delays_the_kill_by_a_second_and_no_more() {
    let mut sim = stubborn(None, |_| {});
    sim.stop("a");
    sim.pass(ms(28_999));
    assert_eq!(place(&sim, &Do::Kill(Target::Tree)), None);
    sim.pass(ms(1));
    assert!(place(&sim, &Do::Kill(Target::Tree)).is_some());
}

#[test]
fn an_explanation_takes_half_of_a_short_kill_margin_at_most() {
    let mut sim = stubborn(None, |a| a.stop.kill_margin = ms(300));
    sim.stop("a");
    sim.pass(ms(29_849));
    assert_eq!(place(&sim, &Do::Kill(Target::Tree)), None);
    sim.pass(ms(1));
    assert!(place(&sim, &Do::Kill(Target::Tree)).is_some());
}

#[test]
fn who_asks_for_force_waits_for_no_explanation() {
    let mut sim = stubborn(None, |_| {});
    sim.stop("a");
    sim.pass(s(28));
    sim.wish("a", Wish::Stop(How::Force));
    sim.pass(ms(0));
    assert_eq!(sim.shown("a"), Shown::Stopped);
}

#[test]
fn what_is_not_ready_in_time_is_explained_before_it_is_asked_to_end() {
    let spec = service("a", |a| {
        a.ready = Ready::Notify(NotifyFrom::Main);
        a.start_timeout = Some(s(5));
    });
    let mut sim = Sim::of([spec]);
    sim.actor("a", |a| a.ready_in = None);
    sim.start("a");
    sim.pass(s(5));
    let explained = place(&sim, &Do::Explain(Question::Start));
    let asked = sim
        .did("a")
        .iter()
        .position(|did| matches!(did, Do::Signal(_, _)));
    assert!(
        explained.is_some() && explained < asked,
        "{:?}",
        sim.did("a")
    );
}

#[test]
fn what_gives_no_sign_of_life_is_explained_before_it_is_aborted() {
    let spec = service("a", |a| {
        a.ready = Ready::Notify(NotifyFrom::Main);
        a.watchdog = Some(s(5));
    });
    let mut sim = Sim::up(spec);
    sim.pass(s(5));
    let explained = place(&sim, &Do::Explain(Question::Hang));
    let asked = sim
        .did("a")
        .iter()
        .position(|did| matches!(did, Do::Signal(_, _)));
    assert!(
        explained.is_some() && explained < asked,
        "{:?}",
        sim.did("a")
    );
}
