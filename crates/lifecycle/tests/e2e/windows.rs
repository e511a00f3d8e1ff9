//! Stories of Windows: services under their manager, consoles, and Aplomb's own notify pipe.
//!
//! `ControlService` cannot send SHUTDOWN and PRESHUTDOWN, only the system can; what they mean is tested in
//! `src/windows/host.rs`. What Wine does not do is marked `real_windows` and ignored there.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use tokio::io::AsyncReadExt;
use tokio::net::windows::named_pipe::{PipeMode, ServerOptions};
use windows_sys::Win32::System::Console::{CTRL_BREAK_EVENT, CTRL_C_EVENT};
use windows_sys::Win32::System::Services::{
    SERVICE_ACCEPT_PAUSE_CONTINUE, SERVICE_CONTROL_CONTINUE, SERVICE_CONTROL_INTERROGATE,
    SERVICE_CONTROL_PAUSE, SERVICE_CONTROL_STOP, SERVICE_PAUSED, SERVICE_RUNNING,
    SERVICE_START_PENDING, SERVICE_STATUS, SERVICE_STOP_PENDING, SERVICE_STOPPED,
};

use crate::process::{PATIENCE, Victim};
use crate::{sys, under_load};

pub(crate) fn all() -> Vec<Trial> {
    let stories: [(&str, fn(), bool); 11] = [
        ("a_service_runs_and_stops", stops, true),
        ("a_service_pauses_and_continues", pauses, true),
        ("of_two_stops_the_first_wins", two_stops, true),
        (
            "checkpoints_rise_while_a_start_makes_progress",
            start_checkpoints,
            true,
        ),
        (
            "checkpoints_rise_while_a_stop_makes_progress",
            stop_checkpoints,
            true,
        ),
        ("a_service_that_fails_says_its_code", fails, true),
        (
            "a_service_started_from_a_terminal_uses_the_console",
            terminal,
            true,
        ),
        ("a_manager_is_told_through_its_pipe", pipe, true),
        (
            // Over Wine's sockets this load loses connections long before any stop is asked for.
            "real_windows_a_stop_under_load_loses_nothing",
            under_load::nothing_is_lost,
            !is_wine(),
        ),
        ("ctrl_c_twice_forces", ctrl_c_twice, true),
        // Wine refuses to generate it.
        ("real_windows_ctrl_break_stops", ctrl_break, !is_wine()),
    ];
    let trial = |(name, story, possible): (&str, fn(), bool)| {
        let run = move || {
            story();
            Ok(())
        };
        Trial::test(name, run).with_ignored_flag(!possible)
    };
    stories.into_iter().map(trial).collect()
}

/// Wine says so in its registry; a real Windows has no such key.
fn is_wine() -> bool {
    let asked = Command::new("reg")
        .args(["query", r"HKCU\Software\Wine"])
        .output();
    asked.is_ok_and(|asked| asked.status.success())
}

fn sc(words: &[&str]) {
    Command::new("sc").args(words).output().unwrap();
}

/// An installed service; stopped and removed when dropped.
struct Installed {
    name: String,
    service: sys::Service,
    report: std::path::PathBuf,
}

impl Installed {
    fn new(mode: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::SeqCst);
        let name = format!("AplombLifecycle-{}-{number}", std::process::id());
        let report = std::env::temp_dir().join(format!("{name}.json"));
        let own = std::env::current_exe().unwrap();
        let command = format!(
            "\"{}\" --service={mode},{name},{}",
            own.display(),
            report.display()
        );
        sc(&["create", &name, "binPath=", &command]);
        let service = sys::Service::open(&name);
        Self {
            name,
            service,
            report,
        }
    }

    fn running(mode: &str) -> Self {
        let installed = Self::new(mode);
        installed.service.start();
        installed.until(SERVICE_RUNNING);
        installed
    }

    /// Asks until the service is in `state`, and returns each status that differed from the one before. The manager tells
    /// nobody; it has to be asked.
    fn until(&self, state: u32) -> Vec<SERVICE_STATUS> {
        let begun = Instant::now();
        let mut seen: Vec<SERVICE_STATUS> = Vec::new();
        loop {
            let now = self.service.status();
            let same = seen.last().is_some_and(|last| {
                (last.dwCurrentState, last.dwCheckPoint) == (now.dwCurrentState, now.dwCheckPoint)
            });
            if !same {
                seen.push(now);
            }
            if now.dwCurrentState == state {
                return seen;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "state {} instead of {state}",
                now.dwCurrentState
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn report(&self) -> serde_json::Value {
        serde_json::from_str(&std::fs::read_to_string(&self.report).unwrap()).unwrap()
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.report.with_extension("said")).unwrap_or_default()
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        sc(&["stop", &self.name]);
        sc(&["delete", &self.name]);
        std::fs::remove_file(&self.report).ok();
        std::fs::remove_file(self.report.with_extension("said")).ok();
    }
}

fn stops() {
    let installed = Installed::running("plain");
    installed
        .service
        .control(SERVICE_CONTROL_INTERROGATE)
        .unwrap();
    assert_eq!(installed.service.status().dwCurrentState, SERVICE_RUNNING);
    installed.service.control(SERVICE_CONTROL_STOP).unwrap();
    let seen = installed.until(SERVICE_STOPPED);
    let last = seen[seen.len() - 1];
    assert_eq!((last.dwWin32ExitCode, last.dwControlsAccepted), (0, 0));
    let report = installed.report();
    assert_eq!(
        (&report["cause"]["kind"], &report["cause"]["signal"]),
        (&"service-control".into(), &"STOP".into())
    );
    assert_eq!(report["exit"], 0);
}

fn pauses() {
    let installed = Installed::running("plain");
    let accepts = installed.service.status().dwControlsAccepted;
    assert_ne!(accepts & SERVICE_ACCEPT_PAUSE_CONTINUE, 0);
    installed.service.control(SERVICE_CONTROL_PAUSE).unwrap();
    installed.until(SERVICE_PAUSED);
    installed
        .service
        .control(SERVICE_CONTROL_INTERROGATE)
        .unwrap();
    assert_eq!(installed.service.status().dwCurrentState, SERVICE_PAUSED);
    installed.service.control(SERVICE_CONTROL_CONTINUE).unwrap();
    installed.until(SERVICE_RUNNING);
    installed.service.control(SERVICE_CONTROL_STOP).unwrap();
    installed.until(SERVICE_STOPPED);
    assert_eq!(installed.said(), "paused\ncontinued\n");
}

/// The second may be refused by the manager or dropped by us; it changes nothing either way.
fn two_stops() {
    let installed = Installed::running("slow-stop");
    installed.service.control(SERVICE_CONTROL_STOP).unwrap();
    installed.until(SERVICE_STOP_PENDING);
    installed.service.control(SERVICE_CONTROL_STOP).ok();
    installed.until(SERVICE_STOPPED);
    let report = installed.report();
    assert_eq!(
        (&report["forced"], &report["exit"]),
        (&false.into(), &0.into())
    );
    assert_eq!(report["components"][1]["outcome"], "closed");
}

/// The checkpoints seen in `state`, each higher than the one before.
fn rising(seen: &[SERVICE_STATUS], state: u32) -> usize {
    let checkpoints: Vec<u32> = seen
        .iter()
        .filter(|status| status.dwCurrentState == state)
        .map(|status| status.dwCheckPoint)
        .collect();
    assert!(checkpoints.is_sorted(), "{checkpoints:?}");
    checkpoints.len()
}

fn start_checkpoints() {
    let installed = Installed::new("slow-start");
    installed.service.start();
    let seen = installed.until(SERVICE_RUNNING);
    assert!(rising(&seen, SERVICE_START_PENDING) >= 3, "{}", seen.len());
    installed.service.control(SERVICE_CONTROL_STOP).unwrap();
    installed.until(SERVICE_STOPPED);
}

fn stop_checkpoints() {
    let installed = Installed::running("slow-stop");
    installed.service.control(SERVICE_CONTROL_STOP).unwrap();
    let seen = installed.until(SERVICE_STOPPED);
    assert!(rising(&seen, SERVICE_STOP_PENDING) >= 3, "{}", seen.len());
    let hints = seen
        .iter()
        .filter(|status| status.dwCurrentState == SERVICE_STOP_PENDING);
    assert!(hints.clone().all(|status| status.dwWaitHint > 0));
    assert_eq!(installed.report()["extended_ms"], 5_000);
}

fn fails() {
    let installed = Installed::new("fails");
    installed.service.start();
    let seen = installed.until(SERVICE_STOPPED);
    let last = seen[seen.len() - 1];
    // ERROR_SERVICE_SPECIFIC_ERROR, and our own code beside it.
    assert_eq!(
        (last.dwWin32ExitCode, last.dwServiceSpecificExitCode),
        (1066, 75)
    );
}

fn terminal() {
    let mut victim = Victim::start("as-service");
    victim.line("READY");
    victim.ask_to_stop();
    let ended = victim.end();
    assert_eq!((ended.code(), ended.outcome("worker")), (0, "closed"));
}

/// The engine's end: a pipe of message type, whose messages are those of `sd_notify`.
fn pipe() {
    let name = format!(r"\\.\pipe\aplomb-notify-{}", std::process::id());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let messages = runtime.block_on(async {
        let mut server = ServerOptions::new()
            .access_outbound(false)
            .pipe_mode(PipeMode::Message)
            .create(&name)
            .unwrap();
        let mut victim = Victim::start_with("progress", |command| {
            command
                .env("NOTIFY_SOCKET", &name)
                .env("WATCHDOG_USEC", "200000")
        });
        server.connect().await.unwrap();
        let mut messages: Vec<String> = Vec::new();
        let mut asked = false;
        loop {
            let mut bytes = [0; 4096];
            let Ok(length @ 1..) = server.read(&mut bytes).await else {
                break; // The process has ended.
            };
            messages.push(String::from_utf8_lossy(&bytes[..length]).into_owned());
            let is_alive = messages.iter().any(|message| message == "WATCHDOG=1");
            if is_alive && !asked {
                asked = true;
                victim.ask_to_stop();
            }
        }
        let ended = victim.end();
        assert_eq!((ended.code(), ended.outcome("upload")), (0, "closed"));
        assert_eq!(ended.report["extended_ms"], 5_000);
        messages
    });
    let at = |wanted: &str| {
        messages
            .iter()
            .position(|message| message.starts_with(wanted))
            .unwrap_or_else(|| panic!("no `{wanted}` among {messages:#?}"))
    };
    assert_eq!(messages[0], "READY=1");
    assert!(at("STOPPING=1") < at("STATUS=stopping, stage drain"));
    assert!(at("STATUS=stopping, stage drain") < at("EXTEND_TIMEOUT_USEC="));
}

/// The victim types at a console of its own.
fn ctrl_c_twice() {
    let mut victim = Victim::start(&format!("console:{CTRL_C_EVENT}"));
    victim.line("READY");
    let stopping = victim.line("STOPPING");
    assert!(
        stopping.contains("CTRL_C; press again to force"),
        "{stopping}"
    );
    victim.line("FORCED");
    let ended = victim.end();
    assert_eq!((ended.code(), &ended.report["forced"]), (130, &true.into()));
    assert!(ended.took < Duration::from_secs(2), "{:?}", ended.took);
}

fn ctrl_break() {
    let mut victim = Victim::start(&format!("console:{CTRL_BREAK_EVENT}"));
    victim.line("READY");
    let ended = victim.end();
    assert_eq!(ended.code(), 0);
    assert_eq!(ended.report["cause"]["signal"], "CTRL_BREAK");
}
