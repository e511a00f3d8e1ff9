//! `aplomb logs`: lines of several services, out of real files.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use aplomb_protocol::{Answer, State};

use crate::engine::{Engine, Reply, status};
use crate::home::Home;

/// Two services whose logs hold these lines.
fn home(web: &str, store: &str) -> Home {
    let home = Home::new();
    let files = [("web", web), ("store", store)].map(|(name, text)| {
        let file = home.write(&format!("{name}.log"), text);
        (name, file.display().to_string())
    });
    Engine::listen(&home, move |_| {
        let services = files.iter().map(|(name, file)| {
            let mut status = status(name, State::Running);
            status.log_files = vec![file.clone()];
            status
        });
        Reply::Answer(Answer::Status {
            services: services.collect(),
        })
    });
    home
}

/// Lines in order, whatever service they are of.
fn lines_of<'a>(text: &'a str, service: &str) -> Vec<&'a str> {
    let name = format!("{service:5} | ");
    text.lines()
        .filter_map(|line| line.strip_prefix(name.as_str()))
        .collect()
}

#[test]
fn every_line_is_there_once_even_the_last_without_an_end() {
    let home = home("a\nb\n", "1\n2\n3");
    let said = home.run(&["logs"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    assert_eq!(lines_of(&said.out, "web"), ["a", "b"]);
    assert_eq!(lines_of(&said.out, "store"), ["1", "2", "3"]);
}

#[test]
fn the_last_lines_and_those_that_match() {
    let home = home("", "alpha\nbeta\nalphabet\ngamma\n");
    assert_eq!(home.run(&["logs", "-n", "1"]).out, "store | gamma\n");
    let said = home.run(&["logs", "-n", "1", "--grep", "^al"]);
    assert_eq!(said.out, "store | alphabet\n");
    assert_eq!(home.run(&["logs", "--grep", "("]).code, 2);
    assert_eq!(home.run(&["logs", "-n", "many"]).code, 2);
    assert_eq!(home.run(&["logs", "-n", "0"]).out, "");
}

#[test]
fn moments_leave_lines_out() {
    let home = home("", "old\n");
    let file = OpenOptions::new()
        .write(true)
        .open(home.path().join("store.log"))
        .expect("opened");
    let year = std::time::Duration::from_secs(365 * 86_400);
    file.set_modified(std::time::SystemTime::now() - year)
        .expect("dated");
    assert_eq!(home.run(&["logs", "--since", "1h"]).out, "");
    assert_eq!(home.run(&["logs", "--until", "1h"]).out, "store | old\n");
    assert_eq!(home.run(&["logs", "--since", "soon"]).code, 2);
}

#[test]
fn following_shows_what_is_written_next() {
    let home = home("a\n", "");
    let mut child = home
        .command(&["logs", "-f"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("runs");
    let mut out = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut next = || out.next().expect("a line").expect("text");
    assert_eq!(next(), "web   | a");
    let mut file = OpenOptions::new()
        .append(true)
        .open(home.path().join("store.log"))
        .expect("opened");
    file.write_all(b"1\n2").expect("written");
    assert_eq!(next(), "store | 1");
    file.write_all(b"2\n").expect("written");
    assert_eq!(next(), "store | 22");
    child.kill().expect("killed");
    child.wait().expect("ended");
}

#[test]
fn a_log_nobody_may_read_is_named_and_the_others_are_shown() {
    let home = home("a\n", "");
    let file = home.path().join("store.log");
    fs::remove_file(&file).expect("removed");
    fs::create_dir(&file).expect("a directory instead");
    let said = home.run(&["logs"]);
    assert_eq!(said.out, "web   | a\n");
    assert!(
        said.err.contains("cannot read `HOME/store.log`"),
        "{}",
        said.err
    );
}
