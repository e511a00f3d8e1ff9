//! A long rehearsal of bad days: random operations on a real engine that is killed every few seconds, with services that
//! write numbered lines, crash and leave daemons behind. At the end everything must be accounted for.
//!
//! `soak PROGRAM SECONDS [SEED]`. What it finds it tells, and then ends with 1. The engine is told apart from services by
//! its name; nothing is assumed about which operation succeeds, for the engine may die under any of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Counters: each line says of which run it is, and its number in it.
const COUNTERS: usize = 4;
/// No operation may take longer.
const PATIENCE: Duration = Duration::from_secs(60);
const MARK: &str = "APLOMB_SOAK";

struct Soak {
    program: PathBuf,
    place: PathBuf,
    keeper: Child,
    chance: u64,
    /// Engines killed, operations asked for and how many of them were answered.
    killed: u32,
    asked: u32,
    answered: u32,
}

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let (Some(program), Some(seconds)) = (args.next(), args.next()) else {
        eprintln!("usage: soak PROGRAM SECONDS [SEED]");
        return ExitCode::from(2);
    };
    let seconds: u64 = seconds.parse().unwrap_or(60);
    let seed = args.next().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()));
    println!("seed {seed}, {seconds} s");
    let mut soak = Soak::begin(&program, seed);
    let faults = soak.play(Duration::from_secs(seconds));
    println!(
        "{} engines killed, {} of {} operations answered",
        soak.killed, soak.answered, soak.asked
    );
    if faults.is_empty() {
        let _gone = fs::remove_dir_all(&soak.place);
        println!("everything is accounted for");
        return ExitCode::SUCCESS;
    }
    for fault in &faults {
        println!("FAULT: {fault}");
    }
    println!("what there was is in {}", soak.place.display());
    ExitCode::FAILURE
}

impl Soak {
    fn begin(program: &str, seed: u64) -> Soak {
        let place = std::env::temp_dir().join(format!("aplomb-soak-{}", std::process::id()));
        fs::create_dir_all(place.join("n")).expect("a directory");
        fs::write(place.join("stack.toml"), stack(&place)).expect("written");
        let mut command = Command::new(program);
        command
            .args(["engine", "--socket"])
            .arg(place.join("socket"))
            .arg("--state-dir")
            .arg(place.join("state"))
            .arg("--log-dir")
            .arg(place.join("log"))
            .arg("--load")
            .arg(place.join("stack.toml"))
            .env(MARK, &place)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let keeper = command.spawn().expect("the engine begins");
        Soak {
            program: program.into(),
            place,
            keeper,
            chance: seed | 1,
            killed: 0,
            asked: 0,
            answered: 0,
        }
    }

    fn below(&mut self, end: u64) -> u64 {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        self.chance % end
    }

    fn play(&mut self, span: Duration) -> Vec<String> {
        let mut faults = Vec::new();
        let begun = Instant::now();
        let mut first = None;
        while begun.elapsed() < span {
            thread::sleep(Duration::from_millis(20 + self.below(200)));
            match self.below(12) {
                0..=2 => self.kill_engine(),
                3 => self.kill_service(),
                4 => self.upgrade(),
                operation => self.operate(operation),
            }
            if first.is_none() && begun.elapsed() > span / 4 {
                first = Some(self.measure());
            }
            if self.keeper.try_wait().ok().flatten().is_some() {
                faults.push("the keeper ended".to_owned());
                return faults;
            }
        }
        self.settle(&mut faults);
        let last = self.measure();
        let (fds, memory) = first.unwrap_or(last);
        println!(
            "descriptors {fds} → {}, private memory of the keeper {memory} → {} kB",
            last.0, last.1
        );
        if last.0 > fds + 16 {
            faults.push(format!("descriptors grew from {fds} to {}", last.0));
        }
        if last.1 > memory + 512 {
            faults.push(format!("the keeper grew from {memory} to {} kB", last.1));
        }
        self.end(&mut faults);
        faults
    }

    // ---- operations ----

    fn kill_engine(&mut self) {
        for engine in self.engines() {
            self.killed += 1;
            let _gone = kill(Pid::from_raw(engine), Signal::SIGKILL);
        }
    }

    fn kill_service(&mut self) {
        let services = self.present();
        let at = usize::try_from(self.below(services.len().max(1) as u64)).unwrap_or(0);
        let (signal, own) = (
            [Signal::SIGKILL, Signal::SIGTERM][usize::from(self.below(2) == 0)],
            self.own(),
        );
        if let Some(pid) = services.get(at).filter(|pid| !own.contains(pid)) {
            let _gone = kill(Pid::from_raw(*pid), signal);
        }
    }

    fn upgrade(&mut self) {
        let program = self.program.display().to_string();
        self.ask(&["upgrade", &program]);
    }

    fn operate(&mut self, operation: u64) {
        let name = match self.below(COUNTERS as u64 + 2) {
            at if at < COUNTERS as u64 => format!("counter@{at}"),
            at if at == COUNTERS as u64 => "crasher".to_owned(),
            _ => "daemon".to_owned(),
        };
        let verb = match operation {
            5 => "stop",
            6 | 7 => "restart",
            8 => "status",
            9 => "reset-failed",
            _ => "start",
        };
        self.ask(&[verb, &name]);
    }

    fn ask(&mut self, words: &[&str]) -> bool {
        self.asked += 1;
        let mut command = Command::new(&self.program);
        command
            .args(words)
            .arg("--socket")
            .arg(self.place.join("socket"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut child = command.spawn().expect("a client begins");
        let begun = Instant::now();
        loop {
            if let Some(status) = child.try_wait().expect("our child") {
                // Whether the engine died under it shows in the code; what it says of the service does not matter here.
                let answered = status.code().is_some_and(|code| code != 69);
                self.answered += u32::from(answered);
                return answered;
            }
            if begun.elapsed() > PATIENCE {
                let _gone = child.kill();
                let _ended = child.wait();
                println!("FAULT: {words:?} had no end");
                return false;
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    // ---- the end ----

    /// Everything up, and time for it.
    fn settle(&mut self, faults: &mut Vec<String>) {
        for at in 0..COUNTERS {
            let name = format!("counter@{at}");
            if !self.ask(&["restart", &name]) && !self.ask(&["restart", &name]) {
                faults.push(format!("`{name}` cannot be restarted"));
            }
        }
    }

    fn end(&mut self, faults: &mut Vec<String>) {
        if !self.ask(&["down"]) {
            faults.push("it cannot be taken down".to_owned());
        }
        let begun = Instant::now();
        loop {
            match self.keeper.try_wait().expect("our child") {
                Some(status) if status.success() => break,
                Some(status) => {
                    faults.push(format!("the keeper ended with {status}"));
                    break;
                }
                None if begun.elapsed() > PATIENCE => {
                    faults.push("the keeper does not end".to_owned());
                    let _gone = self.keeper.kill();
                    break;
                }
                None => thread::sleep(Duration::from_millis(10)),
            }
        }
        let left = self.present();
        for pid in &left {
            let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let words = String::from_utf8_lossy(&words).replace('\0', " ");
            faults.push(format!("left behind: {pid} {words}"));
            let _gone = kill(Pid::from_raw(*pid), Signal::SIGKILL);
        }
        for at in 0..COUNTERS {
            account(&self.place, &format!("counter@{at}"), faults);
        }
    }

    // ---- who is there ----

    fn own(&self) -> Vec<i32> {
        let keeper = i32::try_from(self.keeper.id()).expect("a pid");
        let mut own = self.engines();
        own.push(keeper);
        own
    }

    fn engines(&self) -> Vec<i32> {
        let keeper = self.keeper.id();
        let list = fs::read_to_string(format!("/proc/{keeper}/task/{keeper}/children"));
        let list = list.unwrap_or_default();
        let children = list.split_whitespace().filter_map(|pid| pid.parse().ok());
        children
            .filter(|pid: &i32| {
                let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
                name.trim() == "aplomb"
            })
            .collect()
    }

    /// All that carry our mark and live.
    fn present(&self) -> Vec<i32> {
        let mark = format!("{MARK}={}", self.place.display());
        let entries = fs::read_dir("/proc").expect("/proc").flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(|pid: &i32| {
            let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environ
                .split(|byte| *byte == 0)
                .any(|one| one == mark.as_bytes())
        })
        .collect()
    }

    /// Open descriptors, and the keeper's own memory in kB, when nothing is under way.
    fn measure(&mut self) -> (usize, u64) {
        self.ask(&["status"]);
        let keeper = self.keeper.id();
        let fds = fs::read_dir(format!("/proc/{keeper}/fd")).map_or(0, Iterator::count);
        let text = fs::read_to_string(format!("/proc/{keeper}/smaps_rollup")).unwrap_or_default();
        let private = text.lines().filter(|line| line.starts_with("Private_"));
        let numbers =
            private.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        (fds, numbers.sum())
    }
}

/// The services: counters that write down themselves how far they came, one that crashes, one that leaves a daemon.
fn stack(place: &Path) -> String {
    let place = place.display();
    let mut text = String::new();
    for at in 0..COUNTERS {
        // Half of them write faster than anybody reads, and are rotated often; one ends lines late.
        let pause = ["", "sleep 0.01;", "", "sleep 0.003;"][at % 4];
        // A line begun before the pump knows that the run before has ended counts as that one's last: so not at once.
        let first = if at == 3 { "sleep 0.5;" } else { "" };
        let line = match at {
            3 => r#"printf "$APLOMB_RUN "; echo "$n""#,
            _ => r#"echo "$APLOMB_RUN $n""#,
        };
        text.push_str(&format!(
            r#"
[service."counter@{at}"]
command = ["/bin/sh", "-c", 'exec 2>/dev/null; {first} n=0; while :; do n=$((n+1)); {line}; echo "$n" > {place}/n/$APLOMB_RUN.$((n%2)); {pause} done']
restart = {{ when = "always", delay = "20ms", limit = "none" }}
stop = {{ plan = ["TERM 2s"] }}
log = {{ to = "{place}/log", rotate = "256KiB", keep = "none", compress = false, timestamps = "none" }}
"#
        ));
    }
    text.push_str(
        r#"
[service.crasher]
command = ["/bin/sh", "-c", "sleep 0.2; exit 3"]
restart = { when = "always", delay = "50ms", limit = "none" }
[service.daemon]
command = ["/bin/sh", "-c", "setsid sleep 1000 & setsid sh -c 'sleep 1000 & wait' & wait"]
restart = { when = "always", delay = "50ms", limit = "none" }
stop = { plan = ["TERM 1s"] }
"#,
    );
    text
}

/// Every line a counter says it has written is in its files, once and in order.
fn account(place: &Path, name: &str, faults: &mut Vec<String>) {
    let current = format!("{name}.log");
    let stem = format!("{name}-");
    let entries = fs::read_dir(place.join("log"))
        .expect("a directory")
        .flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut files: Vec<_> = names
        .filter(|file| *file == current || (file.starts_with(&stem) && file.ends_with(".log")))
        .collect();
    files.sort_by_key(|file| (*file == current, file.clone()));
    let mut reached: BTreeMap<u64, u64> = BTreeMap::new();
    let (mut lines, mut odd) = (0_u64, 0);
    // A line begun before the pump knew that the run before had ended was taken for that one's last, and stands in two.
    let mut half: Option<u64> = None;
    for file in &files {
        let text = fs::read_to_string(place.join("log").join(file)).unwrap_or_default();
        for line in text.lines() {
            lines += 1;
            let numbers = line
                .split_once(' ')
                .and_then(|(run, n)| Some((run.parse::<u64>().ok()?, n.parse::<u64>().ok()?)));
            let rest = line.parse::<u64>().ok();
            let numbers = numbers.or(half.take().zip(rest));
            let Some((run, n)) = numbers else {
                half = line.trim_end().parse().ok();
                // A line its writer was killed in has no second half; nothing else is half.
                if line.trim_end().parse::<u64>().is_err() {
                    odd += 1;
                    faults.push(format!("`{name}`: {line:?} in {file} is no line of its"));
                }
                continue;
            };
            let last = reached.entry(run).or_default();
            if n != *last + 1 {
                faults.push(format!(
                    "`{name}`: line {n} of run {run} follows {last} in {file}"
                ));
            }
            *last = n;
            if faults.len() > 20 || odd > 20 {
                return;
            }
        }
    }
    for (run, last) in &reached {
        // Two places by turns: one of them may have been emptied, and its writer ended.
        let said = (0..2).map(|turn| {
            let file = place.join("n").join(format!("{run}.{turn}"));
            let text = fs::read_to_string(file).unwrap_or_default();
            text.trim().parse::<u64>().unwrap_or(0)
        });
        let said = said.max().unwrap_or(0);
        // It may have been ended between its line and its note.
        if *last != said && *last != said + 1 {
            faults.push(format!(
                "`{name}`: run {run} wrote {said} lines, and {last} are kept"
            ));
        }
    }
    println!(
        "{name}: {lines} lines of {} runs in {} files",
        reached.len(),
        files.len()
    );
}
