//! What every platform promises, tried on each: Linux with all it has, Linux without clone3, Linux without control
//! groups, Windows, and the fake world.
//!
//! A platform takes over its whole process (signals, orphans), so each test runs in a process of its own: this program
//! starts itself again. Filters and `--list` are those of Rust's own harness.

#![expect(clippy::unwrap_used, reason = "a test ends where it is surprised")]

mod contract;
#[cfg(target_os = "linux")]
mod linux;
mod stage;
#[cfg(windows)]
mod windows;

use std::io::Read;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use stage::World;

/// One promise, and the worlds it is tried in.
struct Test {
    name: &'static str,
    world: World,
    run: fn(World),
}

/// No test needs a tenth of it, even on a busy machine.
const LONGEST: Duration = Duration::from_secs(60);
const ALONE: &str = "--alone";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    #[cfg(target_os = "linux")]
    if args.first().is_some_and(|mode| mode == linux::NOTIFY) {
        return linux::notify(&args[1..]);
    }
    #[cfg(windows)]
    if let Some(code) = windows::act(&args) {
        return code;
    }
    let tests = tests();
    if let [mode, name] = &args[..]
        && mode == ALONE
    {
        let test = tests.iter().find(|test| test.full_name() == *name);
        let Some(test) = test else {
            return ExitCode::from(2);
        };
        (test.run)(test.world);
        return ExitCode::SUCCESS;
    }
    let exact = args.iter().any(|arg| arg == "--exact");
    let filters: Vec<&String> = args.iter().filter(|arg| !arg.starts_with("--")).collect();
    let chosen = tests.iter().filter(|test| {
        let name = test.full_name();
        let hit = |filter: &&String| {
            if exact {
                name == **filter
            } else {
                name.contains(&***filter)
            }
        };
        filters.is_empty() || filters.iter().any(hit)
    });
    if args.iter().any(|arg| arg == "--list") {
        for test in chosen {
            println!("{}: test", test.full_name());
        }
        return ExitCode::SUCCESS;
    }
    run_all(chosen)
}

fn tests() -> Vec<Test> {
    let mut tests = Vec::new();
    for world in World::ALL {
        for (name, run) in contract::TESTS {
            tests.push(Test {
                name,
                world: *world,
                run: *run,
            });
        }
    }
    #[cfg(target_os = "linux")]
    for (name, worlds, run) in linux::tests() {
        for world in *worlds {
            tests.push(Test {
                name,
                world: *world,
                run: *run,
            });
        }
    }
    #[cfg(windows)]
    let wine = aplomb_platform::windows::is_wine();
    #[cfg(windows)]
    for (name, run) in windows::TESTS {
        // What only a real Windows shows is left out under Wine, by name.
        if wine && name.starts_with("real_windows_") {
            continue;
        }
        tests.push(Test {
            name,
            world: World::Windows,
            run: *run,
        });
    }
    tests
}

fn run_all<'a>(tests: impl Iterator<Item = &'a Test>) -> ExitCode {
    let mut failed = Vec::new();
    let mut count = 0;
    for test in tests {
        let name = test.full_name();
        count += 1;
        match run_alone(&name) {
            Ok(said) if said.is_empty() => println!("test {name} ... ok"),
            Ok(said) => println!("test {name} ... ok ({})", said.trim()),
            Err(said) => {
                println!("test {name} ... FAILED\n{said}");
                failed.push(name);
            }
        }
    }
    println!("\n{count} tests, {} failed", failed.len());
    for name in &failed {
        println!("    {name}");
    }
    if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Runs one test in a process of its own; returns what it printed, or what went wrong.
fn run_alone(name: &str) -> Result<String, String> {
    let own = std::env::current_exe().expect("we are a file");
    let mut child = Command::new(own)
        .args([ALONE, name])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("we can be started again");
    let mut stderr = child.stderr.take().expect("piped");
    let mut stdout = child.stdout.take().expect("piped");
    let errors = std::thread::spawn(move || {
        let mut text = String::new();
        let _ = stderr.read_to_string(&mut text);
        text
    });
    let watchdog = watch(child.id());
    let mut said = String::new();
    let _ = stdout.read_to_string(&mut said);
    let status = child.wait().expect("it is our child");
    let hung = !watchdog.called_off();
    let errors = errors.join().unwrap_or_default();
    match (status.success(), hung) {
        (true, false) => Ok(said),
        (_, true) => Err(format!("hung\n{said}{errors}")),
        (false, false) => Err(format!("{status}\n{said}{errors}")),
    }
}

/// Ends a test that hangs.
struct Watchdog {
    call_off: std::sync::mpsc::Sender<()>,
    thread: std::thread::JoinHandle<bool>,
}

fn watch(pid: u32) -> Watchdog {
    let (call_off, called_off) = std::sync::mpsc::channel();
    let until = Instant::now() + LONGEST;
    let thread = std::thread::spawn(move || {
        let left = until.saturating_duration_since(Instant::now());
        let in_time = called_off.recv_timeout(left).is_ok();
        if !in_time {
            let pid = pid.to_string();
            let mut kill = if cfg!(windows) {
                let mut kill = Command::new("taskkill");
                kill.args(["/F", "/PID", &pid]);
                kill
            } else {
                let mut kill = Command::new("kill");
                kill.args(["-KILL", &pid]);
                kill
            };
            let _ = kill.status();
        }
        in_time
    });
    Watchdog { call_off, thread }
}

impl Watchdog {
    /// Whether the test had ended by itself.
    fn called_off(self) -> bool {
        let _ = self.call_off.send(());
        self.thread.join().unwrap_or(false)
    }
}

impl Test {
    fn full_name(&self) -> String {
        format!("{}::{}", self.world.name(), self.name)
    }
}
