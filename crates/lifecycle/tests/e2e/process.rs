//! A victim under way: its output line by line, its end, its report.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Nothing here takes this long unless it is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

pub(crate) struct Victim {
    child: Child,
    lines: Receiver<String>,
    pub(crate) seen: Vec<String>,
    report: PathBuf,
}

pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) took: Duration,
    pub(crate) report: serde_json::Value,
    pub(crate) output: Vec<String>,
}

impl Victim {
    pub(crate) fn start(mode: &str) -> Self {
        Self::start_with(mode, |command| command)
    }

    pub(crate) fn start_with(
        mode: &str,
        adjust: impl FnOnce(&mut Command) -> &mut Command,
    ) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        Self::spawn(adjust(&mut command), mode)
    }

    /// Starts any command whose environment reaches the victim.
    pub(crate) fn spawn(command: &mut Command, mode: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let unique = format!(
            "aplomb-{}-{}.json",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::SeqCst)
        );
        let report = std::env::temp_dir().join(unique);
        command
            .env("VICTIM", mode)
            .env("APLOMB_REPORT", &report)
            .env("RUST_BACKTRACE", "0");
        #[cfg(windows)]
        command.stdin(Stdio::piped());
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = child.stdout.take().unwrap();
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line.trim_end().to_owned()).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            lines,
            seen: Vec::new(),
            report,
        }
    }

    pub(crate) fn ready(mode: &str) -> Self {
        let mut victim = Self::start(mode);
        victim.line("READY");
        victim
    }

    #[cfg(unix)]
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    #[cfg(unix)]
    pub(crate) fn keyboard(&mut self) -> std::process::ChildStdin {
        self.child.stdin.take().unwrap()
    }

    /// Waits for a line with this anywhere in it: a terminal echoes what is typed in front.
    #[cfg(unix)]
    pub(crate) fn line_with(&mut self, part: &str) -> String {
        loop {
            let line = self.line("");
            if line.contains(part) {
                return line;
            }
        }
    }

    /// Waits for a line that begins like this, and returns it.
    pub(crate) fn line(&mut self, start: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            match self
                .lines
                .recv_timeout(until.saturating_duration_since(Instant::now()))
            {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if line.starts_with(start) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("no line `{start}` among {:#?}", self.seen)
                }
            }
        }
    }

    /// SIGTERM, or a word on standard input where there are no signals.
    pub(crate) fn ask_to_stop(&mut self) {
        #[cfg(unix)]
        self.signal("TERM");
        #[cfg(windows)]
        {
            use std::io::Write;
            writeln!(self.child.stdin.as_mut().unwrap(), "stop").unwrap();
        }
    }

    #[cfg(unix)]
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.pid().to_string())
            .status()
            .unwrap();
        assert!(sent.success(), "kill -{name}");
    }

    /// Ends it without asking.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        std::fs::remove_file(&self.report).ok();
    }

    pub(crate) fn end(mut self) -> Ended {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if begun.elapsed() > PATIENCE {
                self.child.kill().unwrap();
                panic!("still alive after {PATIENCE:?}: {:#?}", self.seen);
            }
            // Waiting for a process with a deadline has no other portable form.
            std::thread::sleep(Duration::from_millis(2));
        };
        let took = begun.elapsed();
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            self.seen.push(line);
        }
        let text = std::fs::read_to_string(&self.report).unwrap_or_default();
        std::fs::remove_file(&self.report).ok();
        let report = serde_json::from_str(&text).unwrap_or(serde_json::Value::Null);
        Ended {
            status,
            took,
            report,
            output: std::mem::take(&mut self.seen),
        }
    }
}

impl Ended {
    pub(crate) fn code(&self) -> i32 {
        self.status
            .code()
            .unwrap_or_else(|| panic!("ended by {:?}: {:#?}", self.status, self.output))
    }

    pub(crate) fn component(&self, name: &str) -> &serde_json::Value {
        let components = self.report["components"].as_array().unwrap();
        components
            .iter()
            .find(|component| component["name"] == name)
            .unwrap_or_else(|| panic!("no `{name}`"))
    }

    pub(crate) fn outcome(&self, name: &str) -> &str {
        self.component(name)["outcome"].as_str().unwrap_or("none")
    }
}
