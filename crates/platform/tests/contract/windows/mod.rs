//! Windows' own part: its actors, and promises that only it can give.

mod endpoints;
mod launch;
mod sys;

use std::io::Write;
use std::os::windows::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use aplomb_core::End;

use crate::stage::{Actor, World, code};

type Row = (&'static str, fn(World));

pub(crate) const TESTS: &[Row] = &[
    (
        "a_living_endpoint_is_not_taken",
        endpoints::a_living_endpoint_is_not_taken,
    ),
    (
        "a_client_is_heard_and_answered",
        endpoints::a_client_is_heard_and_answered,
    ),
    (
        "a_long_answer_arrives_whole",
        endpoints::a_long_answer_arrives_whole,
    ),
    ("many_may_come_at_once", endpoints::many_may_come_at_once),
    (
        "a_tcp_server_is_reached",
        endpoints::a_tcp_server_is_reached,
    ),
    (
        "words_arrive_as_they_were_given",
        launch::words_arrive_as_they_were_given,
    ),
    (
        "a_batch_file_gets_its_words",
        launch::a_batch_file_gets_its_words,
    ),
    ("input_arrives", launch::input_arrives),
    (
        "variables_differ_by_more_than_case",
        launch::variables_differ_by_more_than_case,
    ),
    (
        "real_windows_a_limit_on_processes_holds",
        launch::a_limit_on_processes_holds,
    ),
    (
        "nobody_outlives_the_platform",
        launch::nobody_outlives_the_platform,
    ),
    (
        "who_holds_the_output_keeps_nobody_waiting",
        launch::who_holds_the_output_keeps_nobody_waiting,
    ),
    (
        "a_request_nobody_hears_is_told",
        launch::a_request_nobody_hears_is_told,
    ),
    (
        "our_directory_is_made_and_found_again",
        launch::our_directory_is_made_and_found_again,
    ),
    (
        "real_windows_our_directory_is_closed",
        launch::our_directory_is_closed,
    ),
];

const ACTOR: &str = "--actor";
const CREATE_NO_WINDOW: u32 = 0x0800_0000;

/// How a program ends that is told Ctrl+C and does nothing about it. Wine has it end with 0.
pub(crate) fn ended_by_ctrl_c() -> End {
    if aplomb_platform::windows::is_wine() {
        code(0)
    } else {
        code(0xc000_013a)
    }
}

/// The program that behaves so: ourselves.
pub(crate) fn cast(actor: Actor) -> (String, Vec<String>) {
    let own = own();
    let words: Vec<String> = match actor {
        Actor::Sleeps => words(&["sleeps"]),
        Actor::Exits(code) => words(&["exits", &code.to_string()]),
        Actor::Crashes => words(&["crashes"]),
        Actor::IgnoresTerm => words(&["ignores"]),
        Actor::ExitsOnTerm(code) => words(&["exits-on-ctrl-c", &code.to_string()]),
        Actor::HasChild => words(&["has-child"]),
        Actor::LeavesChild => words(&["leaves-child"]),
        Actor::Daemon => words(&["daemon"]),
        Actor::Prints(text) => words(&["prints", text]),
        Actor::Notifies(text) => words(&["notifies", text]),
    };
    let argv = [own.clone(), ACTOR.to_owned()].into_iter().chain(words);
    (own, argv.collect())
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn own() -> String {
    let own = std::env::current_exe().expect("we are a file");
    own.to_str().expect("UTF-8").to_owned()
}

/// Plays an actor, or the platform's own short-lived copy, where these words ask for one.
pub(crate) fn act(args: &[String]) -> Option<ExitCode> {
    if let Some(code) = aplomb_platform::windows::request::run(args) {
        std::process::exit(code);
    }
    let [mode, name, rest @ ..] = args else {
        return None;
    };
    if mode != ACTOR {
        return None;
    }
    let number = || rest[0].parse::<i32>().expect("a number");
    match name.as_str() {
        "sleeps" => ready_and_sleep(),
        "sleeps-quietly" => sleep(),
        "exits" => std::process::exit(number()),
        "crashes" => sys::crash(),
        "ignores" => {
            sys::on_ctrl_c(None);
            ready_and_sleep();
        }
        "exits-on-ctrl-c" => {
            sys::on_ctrl_c(Some(number()));
            ready_and_sleep();
        }
        "has-child" => {
            child(0);
            ready_and_sleep();
        }
        "leaves-child" => {
            child(0);
            ready();
        }
        // A console of its own: nothing ties it to us any more.
        "daemon" => {
            child(CREATE_NO_WINDOW);
            ready();
        }
        "prints" => print!("{}", rest[0]),
        "repeats" => print!("{rest:?}"),
        "copies" => drop(std::io::copy(&mut std::io::stdin(), &mut std::io::stdout())),
        "variable" => print!("{}", std::env::var(&rest[0]).expect("a variable")),
        "notifies" => {
            let mut speaker = Command::new(own());
            speaker.args([ACTOR, "says", &rest[0]]);
            assert!(speaker.status().expect("it starts").success());
            ready_and_sleep();
        }
        "says" => {
            let address = std::env::var("NOTIFY_SOCKET").expect("an address");
            let pipe = std::fs::OpenOptions::new().write(true).open(address);
            let said = pipe.and_then(|mut pipe| pipe.write_all(rest[0].as_bytes()));
            said.expect("a listener");
        }
        other => panic!("no actor `{other}`"),
    }
    Some(ExitCode::SUCCESS)
}

#[expect(
    clippy::zombie_processes,
    reason = "it is to outlive us, and Windows keeps nothing of the dead"
)]
fn child(flags: u32) {
    let quiet = Command::new(own())
        .args([ACTOR, "sleeps-quietly"])
        .creation_flags(flags)
        .stdin(Stdio::null())
        .stdout(Stdio::inherit())
        .stderr(Stdio::null())
        .spawn();
    quiet.expect("it starts");
}

fn ready() {
    assert!(sys::write_to_descriptor(3, b"\n"), "descriptor 3 is there");
}

fn ready_and_sleep() {
    ready();
    sleep();
}

fn sleep() {
    std::thread::sleep(Duration::from_secs(1000));
}
