//! Under the service control manager.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use windows_sys::Win32::System::Services::{
    SERVICE_CONTROL_CONTINUE, SERVICE_CONTROL_INTERROGATE, SERVICE_CONTROL_PAUSE,
    SERVICE_CONTROL_STOP, SERVICE_PAUSED, SERVICE_RUNNING, SERVICE_STATUS_PROCESS,
    SERVICE_STOP_PENDING, SERVICE_STOPPED,
};

use crate::actor;
use crate::home::{Home, program, until};
use crate::sys::{self, Service};

pub(crate) const STORIES: &[(&str, fn())] = &[
    (
        "verbs_find_a_services_process",
        verbs_find_a_services_process,
    ),
    ("the_verbs_of_every_day", the_verbs_of_every_day),
    ("a_service_runs_and_stops", a_service_runs_and_stops),
    (
        "a_failing_program_is_a_failure_with_its_code",
        a_failing_program,
    ),
    (
        "a_faulty_definition_is_a_failure_of_its_own",
        a_faulty_definition,
    ),
    (
        "what_ignores_its_stop_is_killed_and_told",
        what_ignores_its_stop,
    ),
    (
        "a_request_nobody_hears_costs_no_time",
        a_request_nobody_hears_costs_no_time,
    ),
    ("a_window_is_closed", a_window_is_closed),
    (
        "messages_without_a_window_end",
        messages_without_a_window_end,
    ),
    (
        "a_paused_service_does_nothing",
        a_paused_service_does_nothing,
    ),
    (
        "a_stop_takes_detached_grandchildren_along",
        a_stop_takes_grandchildren,
    ),
    (
        "a_dead_host_takes_its_tree_along",
        a_dead_host_takes_its_tree_along,
    ),
    (
        "who_holds_the_output_delays_no_restart",
        who_holds_the_output,
    ),
    (
        "start_arguments_reach_the_program",
        start_arguments_reach_the_program,
    ),
    ("control_128_rotates", control_128_rotates),
    (
        "names_and_paths_may_be_of_any_script",
        names_and_paths_of_any_script,
    ),
    (
        "a_go_program_finishes_its_clean_up",
        a_go_program_finishes_its_clean_up,
    ),
    (
        "real_windows_preshutdown_is_accepted",
        preshutdown_is_accepted,
    ),
    (
        "real_windows_ctrl_break_reaches_the_program",
        ctrl_break_reaches_the_program,
    ),
];

/// A service of this name, defined so, and where its log is.
struct Served {
    service: Service,
    log: PathBuf,
    _home: Home,
}

impl Served {
    fn new(name: &str, command: &str, more: &str) -> Served {
        let home = Home::new();
        let log = home.file("out.log");
        let definition = format!(
            "[service.'{name}']\ncommand = {command}\nlog = {{ to = 'file {}' }}\n{more}\n",
            log.display()
        );
        let file = home.write("definition.toml", &definition);
        Served::of(name, &file, home, log)
    }

    fn of(name: &str, file: &Path, home: Home, log: PathBuf) -> Served {
        let command = format!(
            "\"{}\" service \"{name}\" \"{}\"",
            program(),
            file.display()
        );
        Served {
            service: Service::create(name, &command),
            log,
            _home: home,
        }
    }

    fn state(&self, state: u32) -> SERVICE_STATUS_PROCESS {
        until(&format!("in state {state}, but {}", self.words()), || {
            Some(self.service.query()).filter(|status| status.dwCurrentState == state)
        })
    }

    fn words(&self) -> String {
        let status = self.service.query();
        format!(
            "state {}, code {}/{}",
            status.dwCurrentState, status.dwWin32ExitCode, status.dwServiceSpecificExitCode
        )
    }

    fn log(&self) -> String {
        std::fs::read(&self.log).map_or_else(|_| String::new(), |bytes| crate::home::text(&bytes))
    }

    fn says(&self, what: &str) {
        until(&format!("said: {what}"), || {
            self.log().contains(what).then_some(())
        });
    }

    fn start(&self) {
        self.service.start(&[]);
        self.state(SERVICE_RUNNING);
    }

    fn stop(&self) -> SERVICE_STATUS_PROCESS {
        self.service.control(SERVICE_CONTROL_STOP).unwrap();
        self.state(SERVICE_STOPPED)
    }
}

fn own_command(words: &[&str]) -> String {
    actor::command(&actor::own(), words)
}

fn a_service_runs_and_stops() {
    let served = Served::new("aplomb-plain", &own_command(&["exits-on-ctrl-c", "0"]), "");
    served.start();
    let host = served.service.query().dwProcessId;
    assert!(sys::lives(host));
    served.says("ready");
    served.service.control(SERVICE_CONTROL_INTERROGATE).unwrap();
    let status = served.stop();
    assert_eq!(
        (status.dwWin32ExitCode, status.dwServiceSpecificExitCode),
        (0, 0)
    );
    until("gone", || (!sys::lives(host)).then_some(()));
    // And once more: nothing of the first life stands in the way.
    served.start();
    served.stop();
}

/// `aplomb status` and `stop` find the process that carries the service, and a stop so asked is no failure.
fn verbs_find_a_services_process() {
    let name = "aplomb-found";
    let served = Served::new(name, &own_command(&["exits-on-ctrl-c", "5"]), "");
    served.start();
    served.says("ready");
    let run = |verb: &str| {
        let mut command = std::process::Command::new(program());
        command.args([verb, name]).env_remove("APLOMB_SOCKET");
        command.output().unwrap()
    };
    let status = run("status");
    let words = crate::home::text(&status.stdout);
    assert!(words.contains("running"), "{words}");
    let stop = run("stop");
    assert!(stop.status.success(), "{}", crate::home::text(&stop.stderr));
    let status = served.state(SERVICE_STOPPED);
    assert_eq!(status.dwWin32ExitCode, 0);
}

/// The five verbs of every day, as the manual has them.
fn the_verbs_of_every_day() {
    let name = "aplomb-every-day";
    let run = |words: &[&str]| {
        let mut command = std::process::Command::new(program());
        let done = command.args(words).env_remove("APLOMB_SOCKET").output();
        let done = done.unwrap();
        let said = crate::home::text(&[done.stdout, done.stderr].concat());
        (done.status.success(), said)
    };
    let own = actor::own();
    let installed = run(&[
        "install",
        "--force",
        name,
        &own,
        "--actor",
        "exits-on-ctrl-c",
        "0",
    ]);
    assert!(installed.0, "{}", installed.1);
    let verbs = [
        (&["start", name], ""),
        (&["status", name], "running"),
        (&["stop", name], ""),
        (&["start", name], ""),
        (&["status", name], "running"),
    ];
    let mut faults = Vec::new();
    for (words, expected) in verbs {
        let (fine, said) = run(words);
        if !fine || !said.contains(expected) {
            faults.push(format!("{words:?}: {said}"));
        }
    }
    let removed = run(&["remove", name]);
    assert!(removed.0 && faults.is_empty(), "{faults:#?} {}", removed.1);
}

fn a_failing_program() {
    let served = Served::new(
        "aplomb-failing",
        &own_command(&["exits", "3"]),
        "restart = 'never'",
    );
    served.service.start(&[]);
    let status = served.state(SERVICE_STOPPED);
    assert_eq!(
        (status.dwWin32ExitCode, status.dwServiceSpecificExitCode),
        (1066, 3)
    );
}

fn a_faulty_definition() {
    let home = Home::new();
    let file = home.write("definition.toml", "[service.x]\ncommend = 'x'\n");
    let log = home.file("none");
    let served = Served::of("aplomb-faulty", &file, home, log);
    served.service.start(&[]);
    let status = served.state(SERVICE_STOPPED);
    assert_eq!(
        (status.dwWin32ExitCode, status.dwServiceSpecificExitCode),
        (1066, 2)
    );
}

fn what_ignores_its_stop() {
    let served = Served::new(
        "aplomb-stubborn",
        &own_command(&["ignores"]),
        "stop = { budget = '6s', kill-margin = '1s' }",
    );
    served.start();
    served.says("ready");
    served.service.control(SERVICE_CONTROL_STOP).unwrap();
    let mut checkpoints = Vec::new();
    let mut last_rise = Instant::now();
    let status = until("stopped", || {
        let status = served.service.query();
        if status.dwCurrentState == SERVICE_STOP_PENDING
            && checkpoints.last() != Some(&status.dwCheckPoint)
        {
            let hint = Duration::from_millis(u64::from(status.dwWaitHint));
            assert!(
                last_rise.elapsed() < Duration::from_secs(5).max(hint),
                "a late sign of life"
            );
            last_rise = Instant::now();
            checkpoints.push(status.dwCheckPoint);
        }
        Some(status).filter(|status| status.dwCurrentState == SERVICE_STOPPED)
    });
    assert!(
        checkpoints.is_sorted() && checkpoints.len() >= 3,
        "{checkpoints:?}"
    );
    // No failure, so that nothing restarts what an operator stopped; but the code says that it was killed.
    assert_eq!(
        (status.dwWin32ExitCode, status.dwServiceSpecificExitCode),
        (0, 137)
    );
}

/// A console program without a window: what would be its twenty seconds is the next step's.
fn a_request_nobody_hears_costs_no_time() {
    let served = Served::new(
        "aplomb-unheard",
        &own_command(&["exits-on-ctrl-c", "0"]),
        "stop = { plan = ['close-windows 20s', 'ctrl-c 20s'], budget = '60s' }",
    );
    served.start();
    served.says("ready");
    let asked = Instant::now();
    let status = served.stop();
    assert!(
        asked.elapsed() < Duration::from_secs(15),
        "{:?}",
        asked.elapsed()
    );
    let codes = (status.dwWin32ExitCode, status.dwServiceSpecificExitCode);
    assert_eq!(codes, (0, 0));
}

fn a_window_is_closed() {
    let served = Served::new(
        "aplomb-window",
        &own_command(&["has-window"]),
        "stop = { plan = ['close-windows 20s'] }",
    );
    served.start();
    served.says("ready");
    let status = served.stop();
    assert!(served.log().contains("closed"), "{}", served.log());
    assert_eq!(status.dwServiceSpecificExitCode, 0);
}

fn messages_without_a_window_end() {
    let served = Served::new(
        "aplomb-queue",
        &own_command(&["has-queue"]),
        "stop = { plan = ['quit-threads 20s'] }",
    );
    served.start();
    served.says("ready");
    let status = served.stop();
    assert!(served.log().contains("quit"), "{}", served.log());
    assert_eq!(status.dwServiceSpecificExitCode, 0);
}

fn a_paused_service_does_nothing() {
    let served = Served::new("aplomb-paused", &own_command(&["ticks"]), "");
    served.start();
    served.says("tick");
    served.service.control(SERVICE_CONTROL_PAUSE).unwrap();
    served.state(SERVICE_PAUSED);
    // What was in the pipe is stored first.
    let still = until("still", || {
        let before = served.log().len();
        std::thread::sleep(Duration::from_millis(100));
        (served.log().len() == before).then_some(before)
    });
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(served.log().len(), still);
    served.service.control(SERVICE_CONTROL_CONTINUE).unwrap();
    served.state(SERVICE_RUNNING);
    until("going on", || (served.log().len() > still).then_some(()));
    served.stop();
}

/// The number the actor wrote down.
fn noted(note: &Path) -> u32 {
    until("noted", || std::fs::read_to_string(note).ok()?.parse().ok())
}

fn a_stop_takes_grandchildren() {
    let home = Home::new();
    let note = home.file("grandchild");
    let command = own_command(&["begets", note.to_str().unwrap()]);
    let served = Served::new(
        "aplomb-grandchildren",
        &command,
        "stop = { budget = '3s', kill-margin = '1s' }",
    );
    served.start();
    let grandchild = noted(&note);
    assert!(sys::lives(grandchild));
    served.stop();
    assert!(!sys::lives(grandchild));
}

fn a_dead_host_takes_its_tree_along() {
    let home = Home::new();
    let note = home.file("grandchild");
    let command = own_command(&["begets", note.to_str().unwrap()]);
    let served = Served::new("aplomb-dead-host", &command, "");
    served.start();
    let grandchild = noted(&note);
    sys::kill(served.service.query().dwProcessId);
    until("gone", || (!sys::lives(grandchild)).then_some(()));
}

fn who_holds_the_output() {
    let home = Home::new();
    let note = home.file("grandchild");
    let command = own_command(&["leaves", note.to_str().unwrap()]);
    let served = Served::new(
        "aplomb-holder",
        &command,
        "restart = { when = 'always', delay = '10ms' }\nstop = { budget = '3s', kill-margin = '1s', whom = 'main' }",
    );
    served.service.start(&[]);
    until("run three times", || {
        (served.log().matches("leaving").count() >= 3).then_some(())
    });
    let last = noted(&note);
    served.service.control(SERVICE_CONTROL_STOP).unwrap();
    served.state(SERVICE_STOPPED);
    // Those that live were let go of, as `whom` says; nothing of ours waited for their output.
    for pid in [last, noted(&note)] {
        if sys::lives(pid) {
            sys::kill(pid);
        }
    }
}

fn start_arguments_reach_the_program() {
    let served = Served::new(
        "aplomb-arguments",
        &own_command(&["says", "given"]),
        "restart = 'never'",
    );
    served.service.start(&["two words", "你好"]);
    served.says("given two words 你好");
    served.state(SERVICE_STOPPED);
}

fn control_128_rotates() {
    let served = Served::new("aplomb-rotating", &own_command(&["ticks"]), "");
    served.start();
    served.says("tick");
    let directory = served.log.parent().unwrap().to_owned();
    let logs = || {
        let files = std::fs::read_dir(&directory).unwrap().flatten();
        let names = files.map(|file| file.file_name().to_string_lossy().into_owned());
        names
            .filter(|name| name.contains("out") && !name.contains("times"))
            .count()
    };
    assert_eq!(logs(), 1);
    served.service.control(128).unwrap();
    until("rotated", || (logs() > 1).then_some(()));
    served.stop();
}

fn names_and_paths_of_any_script() {
    let home = Home::new();
    let directory = home.file("Ein Weg, mit Blanks & ünd 路径");
    std::fs::create_dir(&directory).unwrap();
    let program = directory.join("actor 程序.exe");
    std::fs::copy(actor::own(), &program).unwrap();
    let command = actor::command(program.to_str().unwrap(), &["says", "ich bin’s 你好"]);
    let served = Served::new("Grüße 服务", &command, "restart = 'never'");
    served.service.start(&[]);
    served.says("ich bin’s 你好");
    served.state(SERVICE_STOPPED);
}

/// The program's `signal.Notify` gets an interrupt, and its clean-up takes two seconds.
fn a_go_program_finishes_its_clean_up() {
    let program = std::env::var("APLOMB_GO_PROGRAM").expect("the path of the built `notify.go`");
    let served = Served::new("围棋-清理", &format!("['{program}']"), "");
    served.start();
    served.says("listening");
    let status = served.stop();
    let log = served.log();
    assert!(
        log.contains("got interrupt") && log.contains("clean"),
        "{log}"
    );
    assert_eq!(
        (status.dwWin32ExitCode, status.dwServiceSpecificExitCode),
        (0, 0)
    );
}

/// Wine never sends it and knows no time for it.
fn preshutdown_is_accepted() {
    const SERVICE_ACCEPT_PRESHUTDOWN: u32 = 0x100;
    let served = Served::new("aplomb-preshutdown", &own_command(&["sleeps"]), "");
    served.start();
    let accepted = served.service.query().dwControlsAccepted;
    assert_ne!(accepted & SERVICE_ACCEPT_PRESHUTDOWN, 0);
    served.stop();
}

/// Wine refuses to generate it.
fn ctrl_break_reaches_the_program() {
    let served = Served::new(
        "aplomb-break",
        &own_command(&["exits-on-ctrl-c", "0"]),
        "stop = { plan = ['ctrl-break 20s'] }",
    );
    served.start();
    served.says("ready");
    let status = served.stop();
    assert_eq!(
        (status.dwWin32ExitCode, status.dwServiceSpecificExitCode),
        (0, 0)
    );
}
