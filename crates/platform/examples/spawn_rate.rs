//! How fast programs are begun, against the least this system needs for it, in one run.
//!
//! `cargo run --release -p aplomb-platform --example spawn_rate [COUNT [ROUNDS]]`
//!
//! The child is the smallest static program there is: it waits for ever. The least is a loop of posix_spawn(3) as Rust's
//! standard library makes it, with nothing set up; ours comes with a tree, an output pipe and everything else.

use std::io;
use std::process::{Command, Stdio};
use std::time::Instant;

use aplomb_core::spec::{Privilege, Process, Resources};
use aplomb_platform::linux::{Linux, Means};
use aplomb_platform::{Happened, Launch, Output, Platform, StreamId, TreeId};

/// Tells this program that it is one measurement: `MODE COUNT PROGRAM`.
const MODE: &str = "SPAWN_RATE_MODE";

fn main() -> io::Result<()> {
    if let Ok(mode) = std::env::var(MODE) {
        return measure(&mode.split(' ').collect::<Vec<_>>());
    }
    let mut args = std::env::args()
        .skip(1)
        .map(|arg| arg.parse().unwrap_or(1000));
    let count: u64 = args.next().unwrap_or(1000);
    let rounds: u64 = args.next().unwrap_or(5);
    let program = std::env::temp_dir().join(format!("spawn-rate-{}", std::process::id()));
    smallest_program(&program)?;
    println!(
        "{count} children; started in wall ms, stopped in wall ms, processor ms with the children's"
    );
    for _ in 0..rounds {
        let mut line = String::new();
        for mode in ["raw", "ours", "ours-without-groups"] {
            let request = format!("{mode} {count} {}", program.display());
            let mut command = Command::new(std::env::current_exe()?);
            let output = command
                .env(MODE, request)
                .stderr(Stdio::inherit())
                .output()?;
            line.push_str(&format!(
                "{mode}: {}   ",
                String::from_utf8_lossy(&output.stdout).trim()
            ));
        }
        println!("{line}");
    }
    std::fs::remove_file(program)
}

fn measure(request: &[&str]) -> io::Result<()> {
    let [mode, count, program] = request[..] else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let count = count.parse().map_err(io::Error::other)?;
    let [start, stop] = match mode {
        "raw" => raw(count, program)?,
        _ => ours(count, program, mode == "ours")?,
    };
    println!("{start:6.1} {stop:6.1} {:4}", processor_millis()?);
    Ok(())
}

fn raw(count: u64, program: &str) -> io::Result<[f64; 2]> {
    let begin = Instant::now();
    let mut children = Vec::new();
    for _ in 0..count {
        let mut command = Command::new(program);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        children.push(command.spawn()?);
    }
    let started = millis(begin);
    pause(count)?;
    let begin = Instant::now();
    for child in &mut children {
        child.kill()?;
    }
    for child in &mut children {
        child.wait()?;
    }
    Ok([started, millis(begin)])
}

fn ours(count: u64, program: &str, control_groups: bool) -> io::Result<[f64; 2]> {
    let means = Means {
        control_groups,
        ..Means::default()
    };
    let mut platform = Linux::with(means)?;
    let _as_far_as_it_goes = platform.make_room(count as usize);
    let (mut pump, _port) = platform.pump()?;
    let process = Process::default();
    let env: Vec<(String, String)> = std::env::vars().collect();
    let argv = [program.to_owned()];
    let begin = Instant::now();
    let mut trees: Vec<TreeId> = Vec::new();
    for number in 0..count {
        let tree = platform.plant(&format!("service-{number}"), &Resources::default())?;
        let stream = StreamId(number);
        pump.attach(stream)?;
        let started = platform.spawn(&Launch {
            tree,
            program,
            argv: &argv,
            env: &env,
            search_path: &[],
            process: &process,
            privilege: Privilege::Service,
            stdout: Output::Pump(stream),
            stderr: Output::SameAsStdout,
            sockets: &[],
            ready_fd: None,
        });
        started.map_err(io::Error::other)?;
        trees.push(tree);
    }
    let started = millis(begin);
    pause(count)?;
    let begin = Instant::now();
    for tree in &trees {
        platform.kill_tree(*tree)?;
    }
    let mut told = Vec::new();
    let mut open = trees.len();
    while open > 0 {
        platform.wait(None, &mut told)?;
        let empty = told
            .drain(..)
            .filter(|one| matches!(one, Happened::TreeEmpty { .. }));
        open -= empty.count();
    }
    Ok([started, millis(begin)])
}

/// Holds still for whoever measures memory from outside.
fn pause(count: u64) -> io::Result<()> {
    if std::env::var("SPAWN_RATE_PAUSE").is_ok() {
        eprintln!(
            "{} holds {count}; a line on standard input ends it",
            std::process::id()
        );
        io::stdin().read_line(&mut String::new())?;
    }
    Ok(())
}

fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

/// Time on processors of this process and of the children it has laid to rest; proc_pid_stat(5), to 10 ms.
fn processor_millis() -> io::Result<u64> {
    let text = std::fs::read_to_string("/proc/self/stat")?;
    let fields = text
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_ascii_whitespace();
    let ticks: u64 = fields
        .skip(11)
        .take(4)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Ok(ticks * 10)
}

/// A static program of one page that calls pause(2) for ever; where we do not speak the machine's language, a copy of
/// `sleep` has to do.
fn smallest_program(path: &std::path::Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    if cfg!(target_arch = "x86_64") {
        std::fs::write(path, waiter_for_x86_64())?;
    } else {
        std::fs::copy("/bin/sleep", path)?;
    }
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
}

/// An ELF file: its header, one program header that maps the whole file, and four instructions; elf(5).
fn waiter_for_x86_64() -> Vec<u8> {
    const BASE: u64 = 0x40_0000;
    const HEADERS: u64 = 64 + 56;
    // mov eax, 34 (pause); syscall; jmp back.
    const CODE: [u8; 9] = [0xb8, 34, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7];
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(16, 0);
    let size = HEADERS + CODE.len() as u64;
    for (bytes, value) in [
        (2, 2),
        (2, 62),
        (4, 1),
        (8, BASE + HEADERS),
        (8, 64),
        (8, 0),
        (4, 0),
        (2, 64),
        (2, 56),
        (2, 1),
        (2, 64),
        (2, 0),
        (2, 0),
        (4, 1),
        (4, 5),
        (8, 0),
        (8, BASE),
        (8, BASE),
        (8, size),
        (8, size),
        (8, 4096),
    ] {
        file.extend(&u64::to_le_bytes(value)[..bytes]);
    }
    file.extend(CODE);
    file
}
