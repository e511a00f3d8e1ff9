//! In a console: `run`, `up`, `down`.

use aplomb_core::spec::{Privilege, Process, Resources};
use aplomb_core::{End, ExitCode, Signal};
use aplomb_platform::windows::Windows;
use aplomb_platform::{Happened, Launch, Output, Platform};

use crate::actor;
use crate::home::{Home, program, text};

pub(crate) const STORIES: &[(&str, fn())] = &[
    ("run_ends_as_its_program_does", run_ends_as_its_program_does),
    (
        "run_hands_on_what_its_program_says",
        run_hands_on_what_its_program_says,
    ),
    ("up_brings_a_stack_up_and_down_takes_it_down", up_and_down),
    (
        "a_second_engine_at_the_same_pipe_is_refused",
        a_second_engine,
    ),
    ("ctrl_c_at_run_lets_the_program_answer", ctrl_c_at_run),
];

fn run_ends_as_its_program_does() {
    let home = Home::new();
    let own = actor::own();
    let ended = home.run(&["run", "--", &own, "--actor", "exits", "7"]);
    assert_eq!(ended.status.code(), Some(7), "{}", text(&ended.stderr));
}

fn run_hands_on_what_its_program_says() {
    let home = Home::new();
    let own = actor::own();
    let said = "Grüße — 你好, \"quoted\" and a\\b\\";
    let ended = home.run(&["run", "--", &own, "--actor", "says", said, ""]);
    assert_eq!(text(&ended.stdout), format!("{said} \n"));
    assert_eq!(ended.status.code(), Some(0));
}

fn up_and_down() {
    let home = Home::new();
    let command = actor::command(&actor::own(), &["sleeps"]);
    let stack = format!(
        "[service.first]\ncommand = {command}\nready = 'log ready'\n\
         [service.second]\ncommand = {command}\nrequires = ['first']\n"
    );
    home.write("stack.toml", &stack);
    let (logs, state) = (home.file("log"), home.file("state"));
    let up = home
        .command(&["up", "-d", "stack.toml", "--log-dir"])
        .arg(&logs)
        .arg("--state-dir")
        .arg(&state)
        .output()
        .unwrap();
    assert!(up.status.success(), "{}", text(&up.stderr));
    let status = text(&home.run(&["status", "--json"]).stdout);
    assert_eq!(status.matches("\"running\"").count(), 2, "{status}");
    let down = home.run(&["down"]);
    assert!(down.status.success(), "{}", text(&down.stderr));
    assert_eq!(home.run(&["status"]).status.code(), Some(69));
    let log = std::fs::read_to_string(logs.join("first.log")).unwrap();
    assert!(log.contains("ready"), "{log}");
}

fn a_second_engine() {
    let home = Home::new();
    let command = actor::command(&actor::own(), &["sleeps"]);
    home.write(
        "stack.toml",
        &format!("[service.only]\ncommand = {command}\n"),
    );
    let state = home.file("state");
    let up = home
        .command(&["up", "-d", "stack.toml", "--state-dir"])
        .arg(&state)
        .output()
        .unwrap();
    assert!(up.status.success(), "{}", text(&up.stderr));
    let other = home
        .command(&["engine", "--state-dir"])
        .arg(home.file("other"))
        .output()
        .unwrap();
    let words = text(&other.stderr);
    assert!(words.contains("another engine answers"), "{words}");
    assert!(home.run(&["down"]).status.success());
}

/// The platform itself is what begins the program here, and speaks into its console.
fn ctrl_c_at_run() {
    let home = Home::new();
    let mut platform = Windows::new().unwrap();
    let (mut pump, mut port) = platform.pump().unwrap();
    let stream = aplomb_platform::StreamId(1);
    pump.attach(stream).unwrap();
    let tree = platform.plant("run", &Resources::default()).unwrap();
    let own = actor::own();
    let argv = [
        program(),
        "run",
        "--",
        &own,
        "--actor",
        "exits-on-ctrl-c",
        "9",
    ];
    let argv = argv.map(str::to_owned);
    let process = Process {
        directory: Some(aplomb_core::spec::Directory {
            path: home.path().display().to_string(),
            optional: false,
        }),
        ..Process::default()
    };
    let env: Vec<(String, String)> = std::env::vars().collect();
    let launch = Launch {
        tree,
        program: program(),
        argv: &argv,
        env: &env,
        search_path: &[],
        process: &process,
        privilege: Privilege::Service,
        stdout: Output::Pump(stream),
        stderr: Output::SameAsStdout,
        sockets: &[],
        ready_fd: None,
    };
    let started = platform.spawn(&launch).unwrap();
    let mut said = Vec::new();
    while !text(&said).contains("ready") {
        let mut events = Vec::new();
        port.wait(Some(crate::home::PATIENCE), &mut events).unwrap();
        let mut buffer = [0; 512];
        let count = port.read(stream, &mut buffer).unwrap();
        assert_ne!(count, 0, "it ended and said {:?}", text(&said));
        said.extend(&buffer[..count]);
    }
    platform.signal(started.process, Signal::INT).unwrap();
    let until = platform.now() + crate::home::PATIENCE;
    let mut told = Vec::new();
    loop {
        platform.wait(Some(until), &mut told).unwrap();
        let end = told.iter().find_map(|one| {
            let Happened::Ended { process, end } = one else {
                return None;
            };
            (*process == started.process).then_some(*end)
        });
        if let Some(end) = end {
            assert_eq!(end, End::Code(ExitCode(9)));
            return;
        }
        assert!(platform.now() < until, "it lives; told was {told:?}");
    }
}
