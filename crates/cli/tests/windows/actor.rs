//! Programs that behave as told. Each says in a line of output when it has arranged itself.

use std::io::Write;
use std::os::windows::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use crate::sys;

const ACTOR: &str = "--actor";
const DETACHED_PROCESS: u32 = 0x0000_0008;

/// The words of an actor, as a TOML array; its program is this one, or a copy of it.
pub(crate) fn command(program: &str, words: &[&str]) -> String {
    let head = [program, ACTOR];
    let all = head.iter().chain(words);
    let quoted: Vec<String> = all.map(|word| format!("'{word}'")).collect();
    format!("[{}]", quoted.join(", "))
}

pub(crate) fn own() -> String {
    let own = std::env::current_exe().unwrap();
    own.to_str().unwrap().to_owned()
}

/// Plays an actor where these words are for one.
pub(crate) fn play(words: &[String]) -> Option<ExitCode> {
    let [mode, name, rest @ ..] = words else {
        return None;
    };
    if mode != ACTOR {
        return None;
    }
    match name.as_str() {
        "exits" => std::process::exit(rest[0].parse().unwrap()),
        "says" => say(&rest.join(" ")),
        "sleeps" => {
            say("ready");
            sleep();
        }
        "ignores" => {
            sys::on_ctrl_c(None);
            say("ready");
            sleep();
        }
        "exits-on-ctrl-c" => {
            sys::on_ctrl_c(Some(rest[0].parse().unwrap()));
            say("ready");
            sleep();
        }
        // A window that nobody sees, as a program with a screen has; or messages without any window.
        "has-window" => {
            let window = sys::Window::open();
            say("ready");
            window.until_closed();
            say("closed");
        }
        "has-queue" => {
            sys::make_queue();
            say("ready");
            sys::until_quit();
            say("quit");
        }
        "ticks" => loop {
            say("tick");
            std::thread::sleep(Duration::from_millis(10));
        },
        // A grandchild without a console, that nothing ties to us but the job; its number goes into this file.
        "begets" => {
            beget(&rest[0]);
            say("ready");
            sleep();
        }
        // It holds our output and outlives us.
        "leaves" => {
            beget(&rest[0]);
            say("leaving");
            std::process::exit(3);
        }
        other => panic!("no actor `{other}`"),
    }
    Some(ExitCode::SUCCESS)
}

#[expect(
    clippy::zombie_processes,
    reason = "it is to outlive us, and Windows keeps nothing of the dead"
)]
fn beget(note: &str) {
    let grandchild = Command::new(own())
        .args([ACTOR, "ignores"])
        .creation_flags(DETACHED_PROCESS)
        .stdin(Stdio::null())
        .stdout(Stdio::inherit())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let half = PathBuf::from(format!("{note}.half"));
    std::fs::write(&half, grandchild.id().to_string()).unwrap();
    std::fs::rename(&half, note).unwrap();
}

fn say(what: &str) {
    let mut out = std::io::stdout();
    writeln!(out, "{what}").unwrap();
    out.flush().unwrap();
}

fn sleep() {
    std::thread::sleep(Duration::from_secs(1000));
}
