//! Stories of Unix and of Linux: terminals, namespaces, children, the notify socket.

use std::io::Write;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use libtest_mimic::Trial;

use crate::process::{PATIENCE, Victim};
use crate::quota::Quota;
use crate::under_load;

/// Name, story, and what it needs of the machine besides us.
type Story = (&'static str, fn(), fn() -> bool);

pub(crate) fn all() -> Vec<Trial> {
    let stories: [Story; 15] = [
        (
            "ctrl_c_twice_forces_within_two_seconds",
            ctrl_c_twice,
            has_script,
        ),
        (
            "an_interrupt_that_was_ignored_stays_ignored",
            nohup,
            nothing,
        ),
        ("a_quit_says_what_is_waited_for", quit, nothing),
        ("two_terms_at_once_are_one_stop", double_term, nothing),
        (
            "a_sender_outside_the_pid_namespace_is_called_so",
            pid_namespace,
            has_namespaces,
        ),
        ("a_signal_brings_its_name_and_its_sender", sender, nothing),
        ("a_custom_signal_calls_and_does_not_stop", custom, nothing),
        ("children_do_not_inherit_a_signal_mask", child, nothing),
        ("a_clean_stop_may_end_by_its_signal", resignal, nothing),
        (
            "a_manager_is_told_and_grants_time_for_progress",
            notify,
            nothing,
        ),
        (
            "a_watchdog_is_pinged_only_while_the_runtime_turns",
            watchdog,
            nothing,
        ),
        (
            "a_stop_under_load_with_five_percent_cpu_loses_nothing",
            under_load::nothing_is_lost_when_starved,
            has_quotas,
        ),
        (
            "handlers_that_were_there_before_and_that_came_later_are_called_too",
            chained,
            nothing,
        ),
        (
            "what_is_left_behind_is_named_and_the_last_line_is_kept",
            leaves,
            is_linux,
        ),
        ("health_says_unready_until_the_very_end", health, nothing),
    ];
    let trial = |(name, story, possible): Story| {
        let run = move || {
            story();
            Ok(())
        };
        // Shown as ignored, not as passed, where the machine lacks what it needs.
        Trial::test(name, run).with_ignored_flag(!possible())
    };
    stories.into_iter().map(trial).collect()
}

fn nothing() -> bool {
    true
}

/// Leftovers are read from /proc.
fn is_linux() -> bool {
    cfg!(target_os = "linux")
}

fn has_script() -> bool {
    Command::new("script").arg("--version").output().is_ok()
}

/// A share of the processor needs a cgroup of our own.
fn has_quotas() -> bool {
    Quota::new(5).is_some()
}

/// PID namespaces need a privilege.
fn has_namespaces() -> bool {
    let tried = Command::new("unshare")
        .args(["--pid", "--fork", "true"])
        .stderr(Stdio::null())
        .status();
    tried.is_ok_and(|status| status.success())
}

/// `script` gives the victim a terminal of its own; what we write into it is typed.
fn ctrl_c_twice() {
    let own = std::env::current_exe().unwrap();
    let mut command = Command::new("script");
    command
        .args(["-q", "-e", "-c"])
        .arg(own)
        .arg("/dev/null")
        .stdin(Stdio::piped());
    let mut victim = Victim::spawn(&mut command, "thread-hang");
    let mut keyboard = victim.keyboard();
    victim.line("READY");
    keyboard.write_all(b"\x03").unwrap();
    let stopping = victim.line_with("STOPPING");
    assert!(
        stopping.contains("SIGINT from terminal; press again to force"),
        "{stopping}"
    );
    keyboard.write_all(b"\x03").unwrap();
    victim.line_with("FORCED");
    let ended = victim.end();
    assert_eq!(ended.code(), 130);
    assert!(ended.took < Duration::from_secs(2), "{:?}", ended.took);
    assert_eq!(ended.report["forced"], true);
}

/// What `nohup cmd &` and every `cmd &` of a plain shell does to SIGINT.
fn nohup() {
    let own = std::env::current_exe().unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' INT; exec \"$0\""]).arg(own);
    let mut victim = Victim::spawn(&mut command, "custom");
    victim.line("READY");
    victim.signal("INT");
    victim.signal("HUP");
    victim.line("CALLED");
    victim.signal("TERM");
    let ended = victim.end();
    assert_eq!(ended.report["cause"]["signal"], "SIGTERM");
}

fn quit() {
    let mut victim = Victim::ready("hang:400");
    victim.signal("QUIT");
    let said = victim.line("WAITING");
    assert!(said.starts_with("WAITING stopping 0 s"), "{said}");
    assert_eq!(victim.end().report["cause"]["signal"], "SIGQUIT");
}

fn double_term() {
    let victim = Victim::ready("hang:400");
    victim.signal("TERM");
    victim.signal("TERM");
    let ended = victim.end();
    assert_eq!(
        (ended.code(), &ended.report["forced"]),
        (124, &serde_json::Value::Bool(false))
    );
    assert_eq!(
        ended
            .output
            .iter()
            .filter(|line| line.starts_with("STOPPING"))
            .count(),
        1
    );
}

fn pid_namespace() {
    let own = std::env::current_exe().unwrap();
    let mut command = Command::new("unshare");
    command
        .args(["--pid", "--fork", "--kill-child=KILL"])
        .arg(own);
    let mut victim = Victim::spawn(&mut command, "custom");
    victim.line("READY");
    let children = format!("/proc/{0}/task/{0}/children", victim.pid());
    let inner = std::fs::read_to_string(children).unwrap();
    assert!(
        Command::new("kill")
            .arg("-TERM")
            .arg(inner.trim())
            .status()
            .unwrap()
            .success()
    );
    let ended = victim.end();
    assert_eq!(ended.code(), 0);
    assert_eq!(ended.report["cause"]["sender"], "outside-pid-namespace");
}

fn child() {
    let mut victim = Victim::start("child");
    let child = victim.line("CHILD ").split(' ').nth(1).unwrap().to_owned();
    victim.line("READY");
    let status = std::fs::read_to_string(format!("/proc/{child}/status")).unwrap();
    let blocked = status
        .lines()
        .find(|line| line.starts_with("SigBlk:"))
        .unwrap();
    assert_eq!(blocked, "SigBlk:\t0000000000000000");
    assert!(Command::new("kill").arg(&child).status().unwrap().success());
    victim.line("CHILD-ENDED signal: 15");
    victim.signal("TERM");
    assert_eq!(victim.end().code(), 0);
}

fn resignal() {
    let victim = Victim::ready("resignal");
    victim.signal("TERM");
    assert_eq!(victim.end().status.signal(), Some(15));
}

/// A manager's end of the notify socket.
struct Manager {
    socket: UnixDatagram,
    path: std::path::PathBuf,
}

impl Manager {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("aplomb-notify-{}-{name}", std::process::id()));
        std::fs::remove_file(&path).ok();
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, path }
    }

    fn message(&self) -> String {
        let mut bytes = [0; 4096];
        let length = self.socket.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    }

    fn until(&self, start: &str) -> (String, Vec<String>) {
        let mut before = Vec::new();
        loop {
            let message = self.message();
            if message.starts_with(start) {
                return (message, before);
            }
            before.push(message);
        }
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        std::fs::remove_file(&self.path).ok();
    }
}

fn notify() {
    let manager = Manager::new("progress");
    let victim = Victim::start_with("progress", |command| {
        command.env("NOTIFY_SOCKET", &manager.path)
    });
    assert_eq!(manager.message(), "READY=1");
    victim.signal("TERM");
    assert_eq!(manager.until("STOPPING=1").1.len(), 0);
    let (extension, before) = manager.until("EXTEND_TIMEOUT_USEC=");
    assert!(
        before
            .iter()
            .any(|message| message == "STATUS=stopping, stage drain"),
        "{before:?}"
    );
    let usec: u64 = extension.split('=').nth(1).unwrap().parse().unwrap();
    assert!((5_000_000..10_000_000).contains(&usec), "{usec}");
    let ended = victim.end();
    // The stop took longer than its grace period, and was not cut.
    assert_eq!((ended.code(), ended.outcome("upload")), (0, "closed"));
    assert!(
        ended.report["used_ms"].as_u64() > Some(3_500),
        "{}",
        ended.report["used_ms"]
    );
    assert_eq!(ended.report["extended_ms"], 5_000);
}

/// Pings come while the runtime turns. In the mode `blocked` it never turns again, and they end after the stuck time.
fn watchdog() {
    let manager = Manager::new("watchdog");
    let turning = Victim::start_with("custom", |command| {
        command
            .env("NOTIFY_SOCKET", &manager.path)
            .env("WATCHDOG_USEC", "200000")
    });
    manager.until("WATCHDOG=1");
    manager.until("WATCHDOG=1");
    turning.signal("TERM");
    assert_eq!(turning.end().code(), 0);

    let manager = Manager::new("blocked");
    let mut stuck = Victim::start_with("blocked", |command| {
        command
            .env("NOTIFY_SOCKET", &manager.path)
            .env("WATCHDOG_USEC", "200000")
    });
    stuck.line("READY");
    manager
        .socket
        .set_read_timeout(Some(Duration::from_secs(2)))
        .unwrap();
    let begun = std::time::Instant::now();
    let mut bytes = [0; 64];
    while manager.socket.recv(&mut bytes).is_ok() {
        assert!(
            begun.elapsed() < Duration::from_secs(15),
            "still pinged although the runtime is stuck"
        );
    }
    stuck.signal("KILL");
    drop(stuck.end());
}

fn health() {
    use std::io::Read;
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let ask = |path: &str| {
        let mut client = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        write!(client, "GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    let mut victim = Victim::ready(&format!("health:{port}"));
    assert_eq!(
        (ask("/readyz"), ask("/livez")),
        ("200".into(), "200".into())
    );
    victim.signal("TERM");
    victim.line("STOPPING");
    assert_eq!(
        (ask("/readyz"), ask("/livez")),
        ("503".into(), "200".into())
    );
    // Far into the stop, while a component hangs: still an answer, not a refusal.
    victim.line("WAITING");
    assert_eq!(ask("/readyz"), "503");
    assert_eq!(victim.end().code(), 124);
}

fn custom() {
    let mut victim = Victim::ready("custom");
    victim.signal("HUP");
    victim.line("CALLED");
    victim.signal("HUP");
    victim.line("CALLED");
    victim.signal("TERM");
    assert_eq!(victim.end().code(), 0);
}

fn sender() {
    let victim = Victim::ready("custom");
    victim.signal("TERM");
    let ended = victim.end();
    assert_eq!(ended.report["cause"]["signal"], "SIGTERM");
    let sender = &ended.report["cause"]["sender"]["process"];
    assert!(sender["pid"].as_u64() > Some(1), "{sender}");
    // A sender may be gone before its name is read; a wrong name it may not have.
    assert!(
        sender["name"].is_null() || sender["name"] == "kill",
        "{sender}"
    );
}

fn chained() {
    let mut victim = Victim::ready("chained");
    victim.signal("USR1");
    // In either order: both have threads of their own.
    let mut heard = [victim.line(""), victim.line("")];
    heard.sort_unstable();
    assert_eq!(heard, ["CALLED", "LATER HEARD"]);
    victim.signal("TERM");
    victim.line("EARLIER HEARD");
    let ended = victim.end();
    assert_eq!(ended.code(), 0);
    assert_eq!(ended.report["cause"]["signal"], "SIGTERM");
}

fn leaves() {
    let log = std::env::temp_dir().join(format!("aplomb-leaves-{}", std::process::id()));
    let mut victim = Victim::start_with("leaves", |command| command.env("LOG", &log));
    let left = victim.line("LEFT");
    let words: Vec<&str> = left.split(' ').collect();
    victim.line("READY");
    victim.signal("TERM");
    let ended = victim.end();
    assert!(
        Command::new("kill")
            .arg(words[1])
            .status()
            .unwrap()
            .success()
    );
    let written = std::fs::read_to_string(&log).unwrap();
    std::fs::remove_file(&log).unwrap();
    assert_eq!(ended.code(), 0);
    let report = &ended.report;
    assert_eq!(
        report["children_left"],
        serde_json::json!([format!("sleep (pid {})", words[1])])
    );
    let open = report["descriptors_left"].as_array().unwrap();
    assert!(
        open.contains(&format!("socket listening on {}", words[2]).into())
            && open.contains(&log.to_string_lossy().into()),
        "{open:?}"
    );
    assert_eq!(written, "stores are closed\n");
    assert_eq!(report["log_bytes_flushed"], written.len());
}
