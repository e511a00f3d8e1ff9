//! The client with the real engine behind it: one binary, two processes.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStderr, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::home::Home;

const STACK: &str = "\
[service.store]
command = [\"/bin/sh\", \"-c\", \"echo store up; touch ready; exec sleep 1000\"]
directory = \".\"
ready = \"file ready\"

[service.web]
command = [\"/bin/sh\", \"-c\", \"echo web up; exec sleep 1000\"]
requires = [\"store\"]
";

/// `up` in the foreground, with everything it makes inside the home.
fn up(home: &Home) -> (Child, BufReader<ChildStderr>) {
    home.write("aplomb.toml", STACK);
    let mut child = home
        .command(&["up", "--log-dir", "log", "--state-dir", "state"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("runs");
    let err = BufReader::new(child.stderr.take().expect("piped"));
    (child, err)
}

fn read_until(err: &mut impl BufRead, words: &str) -> String {
    let mut text = String::new();
    while !text.contains(words) {
        let read = err.read_line(&mut text).expect("text");
        assert!(read > 0, "it ended before `{words}`:\n{text}");
    }
    text
}

/// Follows the log of a service until it has written something; being ready may come before.
fn first_line(home: &Home, service: &str) -> String {
    let mut child = home
        .command(&["logs", "-f", service])
        .stdout(Stdio::piped())
        .spawn()
        .expect("runs");
    let mut line = String::new();
    let mut out = BufReader::new(child.stdout.take().expect("piped"));
    out.read_line(&mut line).expect("text");
    child.kill().expect("killed");
    child.wait().expect("ended");
    line
}

fn pid(number: impl TryInto<i32>) -> Pid {
    let number = number.try_into().ok().and_then(Pid::from_raw);
    number.expect("a pid")
}

/// The pid of the engine, as it says itself.
fn engine_pid(home: &Home) -> Pid {
    let said = home.run(&["status"]).out;
    let number = said
        .split("pid ")
        .nth(1)
        .and_then(|rest| rest.split(',').next());
    pid(number
        .and_then(|number| number.parse::<i32>().ok())
        .expect("a number"))
}

/// The number of a process' parent.
fn parent_of(child: Pid) -> Pid {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.as_raw_nonzero()));
    let stat = stat.expect("it lives");
    let fields = stat.rsplit_once(") ").expect("a name").1;
    let parent = fields
        .split(' ')
        .nth(1)
        .and_then(|field| field.parse().ok());
    let parent: i32 = parent.expect("a number");
    pid(parent)
}

#[test]
fn a_stack_comes_up_answers_and_goes_down_with_an_interrupt() {
    let home = Home::new();
    let (child, mut err) = up(&home);
    let start = read_until(&mut err, "2 services up after");
    let store = start.find("store: running").expect("told");
    let web = start.find("web: running").expect("told");
    assert!(store < web, "in order:\n{start}");

    assert_eq!(first_line(&home, "web"), "web up\n");
    let status = home.run(&["status", "web"]);
    assert_eq!(status.code, 0);
    assert!(status.out.ends_with("| web up\n"), "{}", status.out);
    let analyzed = home.run(&["analyze"]).out;
    assert!(analyzed.starts_with("2 services ready after"), "{analyzed}");
    let why = home.run(&["why", "web"]);
    assert_eq!(why.code, 0, "{}", why.err);
    assert!(why.out.starts_with("`web` "), "{}", why.out);
    let stopped = home.run(&["stop", "web"]);
    assert_eq!(stopped.code, 0, "{}", stopped.err);
    assert_eq!(home.run(&["status", "web"]).code, 3);
    assert_eq!(home.run(&["why", "web"]).code, 3);
    assert_eq!(home.run(&["status", "wbe"]).code, 4);

    kill_process(pid(child.id()), Signal::INT).expect("interrupted");
    read_until(&mut err, "store: stopped");
    let out = home.said(child.wait_with_output().expect("ends"));
    assert_eq!(out.code, 0);
    assert!(out.out.contains("store | store up\n"), "{}", out.out);
    assert!(out.out.contains("web   | web up\n"), "{}", out.out);
    assert_eq!(home.run(&["status"]).code, 69, "the engine is gone, too");
}

#[test]
fn an_engine_that_is_killed_is_succeeded_and_up_goes_on_with_the_next() {
    let home = Home::new();
    let (child, mut err) = up(&home);
    read_until(&mut err, "2 services up after");
    kill_process(engine_pid(&home), Signal::KILL).expect("killed");
    let told = read_until(&mut err, "the services run on");
    assert!(told.contains("another one"), "{told}");
    let status = home.run(&["status", "web"]).out;
    assert!(status.contains("taken over from engine"), "{status}");
    kill_process(pid(child.id()), Signal::INT).expect("interrupted");
    read_until(&mut err, "store: stopped");
    let out = home.said(child.wait_with_output().expect("ends"));
    assert_eq!(out.code, 0);
    assert_eq!(home.run(&["status"]).code, 69, "the engine is gone, too");
}

#[test]
fn an_engine_that_is_killed_with_its_keeper_is_named_with_what_killed_it() {
    let home = Home::new();
    let (child, mut err) = up(&home);
    read_until(&mut err, "2 services up after");
    let engine = engine_pid(&home);
    kill_process(parent_of(engine), Signal::KILL).expect("killed");
    kill_process(engine, Signal::KILL).expect("killed");
    let told = read_until(&mut err, "try:");
    assert!(
        told.contains("ended unexpectedly: signal: 9 (SIGKILL)"),
        "{told}"
    );
    let out = home.said(child.wait_with_output().expect("ends"));
    assert_eq!(out.code, 69);
}

#[test]
fn in_the_background_it_stays_until_it_is_taken_down() {
    let home = Home::new();
    home.write("aplomb.toml", STACK);
    let up = home.run(&["up", "-d", "--log-dir", "log", "--state-dir", "state"]);
    assert_eq!(up.code, 0, "{}", up.err);
    assert_eq!(first_line(&home, "web"), "web up\n");
    assert_eq!(home.run(&["logs", "web"]).out, "web up\n");
    let down = home.run(&["down"]);
    assert_eq!(down.code, 0, "{}", down.err);
    assert!(
        down.err
            .ends_with("all services are stopped, and the engine has ended\n"),
        "{}",
        down.err
    );
    assert_eq!(home.run(&["status"]).code, 69);
}

#[test]
fn files_with_faults_start_nothing_and_leave_no_engine() {
    let home = Home::new();
    home.write("aplomb.toml", "[service.web]\ncommand = [\"/missing\"]\n");
    let up = home.run(&["up", "--log-dir", "log", "--state-dir", "state"]);
    assert_eq!(up.code, 1);
    assert!(up.err.contains("`/missing` does not exist"), "{}", up.err);
    assert_eq!(home.run(&["status"]).code, 69);
}

#[test]
fn both_ways_of_starting_are_compared_by_real_runs() {
    let home = Home::new();
    let slow = "command = [\"/bin/sleep\", \"1000\"]\nready = \"delay 200ms\"\n";
    let stack: String = ["a", "b", "c"]
        .map(|name| format!("[service.{name}]\n{slow}"))
        .concat();
    home.write("stack.toml", &stack);
    let said = home.run(&["analyze", "--compare", "--json", "stack.toml"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let report: serde_json::Value = serde_json::from_str(&said.out).expect("JSON");
    let start = |way: &str| report["start"][way].as_u64().expect("a time");
    assert!(start("sequential_ns") >= 600_000_000, "{report}");
    assert!(start("parallel_ns") >= 200_000_000, "{report}");
    assert!(start("parallel_ns") < start("sequential_ns"), "{report}");
}
