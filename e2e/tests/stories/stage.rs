//! Where one story is played: a directory and a home of its own, the program under test, and an orderly end.
//!
//! Everything a story starts carries the stage's mark in its environment or names its directory in its arguments. When
//! the curtain falls, also in a panic, whatever still carries the mark is killed; a story that ended well must have
//! left nobody behind.

use std::env;
use std::fs;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Condvar, Mutex, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// How long anything may take that a quiet machine does in a blink.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// Stories played at the same time, however many threads the test program has.
const SEATS: usize = 4;

const MARK: &str = "STORY_STAGE";

static TAKEN: Mutex<usize> = Mutex::new(0);
static FREED: Condvar = Condvar::new();

/// One story's place.
pub(crate) struct Stage {
    directory: TempDir,
}

/// What a verb said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Stage {
    pub(crate) fn new() -> Stage {
        let mut taken = TAKEN.lock().expect("no story panics while taking its seat");
        while *taken >= SEATS {
            taken = FREED
                .wait(taken)
                .expect("no story panics while taking its seat");
        }
        *taken += 1;
        drop(taken);
        let directory = tempfile::Builder::new()
            .prefix("story")
            .tempdir()
            .expect("a directory");
        Stage { directory }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path("socket")
    }

    /// Writes a file; `ACTOR` in it is the actor's path, and `STAGE` the stage's directory.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let here = self.directory.path().to_str().expect("UTF-8");
        let text = text
            .replace("ACTOR", env!("CARGO_BIN_EXE_actor"))
            .replace("STAGE", here);
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("below the stage")).expect("made");
        fs::write(&path, text).expect("written");
        path
    }

    /// What a file holds; empty where there is none.
    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// The program under test with the stage's own places; `verb` and its options follow.
    pub(crate) fn aplomb(&self, verb: &[&str]) -> Command {
        let mut command = self.hermetic(Command::new(aplomb()));
        command.args(verb).arg("--socket").arg(self.socket());
        command
    }

    /// `aplomb engine`; files to load may follow.
    pub(crate) fn engine_command(&self) -> Command {
        let mut command = self.aplomb(&["engine"]);
        self.places(&mut command);
        command
    }

    /// `aplomb engine` as a user who may do nothing, with these files loaded; the stage is his from now on.
    pub(crate) fn as_nobody(&self, files: &[&str]) -> Command {
        use std::os::unix::process::CommandExt;
        const NOBODY: u32 = 65534;
        let mut command = self.engine_command();
        for file in files {
            command.arg("--load").arg(self.path(file));
        }
        let entries = fs::read_dir(self.directory.path()).expect("a directory");
        for path in entries.flatten().map(|entry| entry.path()) {
            std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).expect("given");
        }
        std::os::unix::fs::chown(self.directory.path(), Some(NOBODY), Some(NOBODY)).expect("given");
        command.uid(NOBODY).gid(NOBODY);
        command
    }

    /// The options that keep an engine's files on the stage.
    pub(crate) fn places(&self, command: &mut Command) {
        command.arg("--log-dir").arg(self.path("log"));
        command.arg("--state-dir").arg(self.path("state"));
    }

    /// A command that knows nothing of the machine's user and carries the stage's mark.
    pub(crate) fn hermetic(&self, mut command: Command) -> Command {
        command
            .env_clear()
            .env("PATH", env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.directory.path())
            .env("XDG_RUNTIME_DIR", self.directory.path())
            .env(MARK, self.directory.path())
            .current_dir(self.directory.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs a verb to its end.
    pub(crate) fn says(&self, verb: &[&str]) -> Said {
        finish(self.aplomb(verb))
    }

    /// Pids of all that carry the mark of this stage.
    pub(crate) fn present(&self) -> Vec<i32> {
        let name = self
            .directory
            .path()
            .file_name()
            .expect("named")
            .to_str()
            .expect("UTF-8");
        let own = i32::try_from(std::process::id()).expect("a pid");
        let numbers = fs::read_dir("/proc")
            .expect("/proc")
            .flatten()
            .filter_map(|entry| {
                entry
                    .file_name()
                    .to_str()?
                    .parse::<i32>()
                    .ok()
                    .filter(|pid| *pid != own)
            });
        numbers.filter(|pid| carries(*pid, name)).collect()
    }

    fn kill_all(&self) -> Vec<String> {
        let mut found = Vec::new();
        let until = Instant::now() + PATIENCE;
        loop {
            let present = self.present();
            if present.is_empty() || Instant::now() > until {
                return found;
            }
            for pid in present {
                found.push(command_line(pid));
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let left = self.kill_all();
        *TAKEN.lock().unwrap_or_else(|broken| broken.into_inner()) -= 1;
        FREED.notify_one();
        if !thread::panicking() {
            assert!(
                left.is_empty(),
                "the story ended and these were still there: {left:?}"
            );
        }
    }
}

/// Whether a process that still runs was started by the stage called `name`.
fn carries(pid: i32, name: &str) -> bool {
    let holds = |file: &str| {
        let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        bytes
            .windows(name.len())
            .any(|window| window == name.as_bytes())
    };
    holds("environ") || holds("cmdline")
}

fn command_line(pid: i32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    format!(
        "{pid} {}",
        String::from_utf8_lossy(&bytes).replace('\0', " ")
    )
}

/// Whether a process exists and is no zombie.
pub(crate) fn lives(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// Waits until `holds`; for what no event tells of.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "not within {PATIENCE:?}: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Runs a command to its end; one that has none is killed, and the story fails.
pub(crate) fn finish(mut command: Command) -> Said {
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("spawned");
    end_of(child)
}

/// Waits for a child whose output is piped.
pub(crate) fn end_of(mut child: Child) -> Said {
    let out = collect(child.stdout.take().expect("piped"));
    let err = collect(child.stderr.take().expect("piped"));
    let status = wait(&mut child);
    Said {
        code: status.code(),
        signal: status.signal(),
        out: out.join().expect("read"),
        err: err.join().expect("read"),
    }
}

fn collect(mut from: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// The status of a child that must end soon.
pub(crate) fn wait(child: &mut Child) -> std::process::ExitStatus {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().expect("our child") {
            return status;
        }
        if Instant::now() > end {
            let _ = child.kill();
            let _ = child.wait();
            panic!("the command did not end within {PATIENCE:?}");
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// Sends a child a signal.
pub(crate) fn signal(child: &Child, signal: Signal) {
    kill(
        Pid::from_raw(i32::try_from(child.id()).expect("a pid")),
        signal,
    )
    .expect("sent");
}

/// A port nobody has.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    listener.local_addr().expect("an address").port()
}

/// Whether we may do what only root may.
pub(crate) fn root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The program under test: beside this one, or built now.
pub(crate) fn aplomb() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| {
        let own = env::current_exe().expect("a path");
        let directory = own.ancestors().nth(2).expect("two levels up");
        let program = directory.join("aplomb");
        if !program.exists() {
            let built = Command::new(env!("CARGO"))
                .args(["build", "--package", "aplomb"])
                .status();
            assert!(
                built.is_ok_and(|status| status.success()),
                "aplomb cannot be built"
            );
        }
        program
    })
}
