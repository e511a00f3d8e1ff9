//! Builds the programs once, runs one of their cases, and asks what keeps it.
//!
//! A program says in a line what it is about to do, but not when it has done it: that is when its threads no longer run.
//! Where they never rest an answer may be early, and is asked for again; an early answer may say less, but never something
//! wrong that it is certain of.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aplomb_diagnosis::scene::Question;
use aplomb_diagnosis::{Answer, Budget, Report, Strength, VerdictKind, ask};

/// A loaded machine must not make a case of its own.
const PATIENT: Budget = Budget {
    time: Duration::from_secs(20),
    bytes: 2 << 20,
};
/// So often one asks before an answer counts.
const TRIES: u32 = 8;

/// A running case. It ends, with all it has begun, when this is dropped.
#[derive(Debug)]
pub(crate) struct Case {
    name: String,
    child: Child,
    /// Kept so that the program's end of it stays open.
    _stdin: Option<ChildStdin>,
    /// The same for what it writes.
    _output: BufReader<ChildStdout>,
    said: Vec<(String, u32)>,
}

/// The program built from a source below `programs`.
fn program(source: &str) -> PathBuf {
    // One compiler at a time, and each program once per run of the tests.
    static BUILDING: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
    let mut built = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/programs");
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(source.replace('.', "-"));
    if built.contains(&out) {
        return out;
    }
    let source = here.join(source);
    let ending = source.extension().and_then(|ending| ending.to_str());
    let mut compiler = match ending {
        Some("c") => Command::new("cc"),
        Some("cpp") => Command::new("c++"),
        Some("rs") => Command::new("rustc"),
        other => panic!("no compiler for {other:?}"),
    };
    match ending {
        Some("rs") => compiler.args(["--edition", "2024", "-O", "-g"]),
        _ => compiler.args(["-O1", "-g", "-pthread"]),
    };
    let status = compiler.arg(&source).arg("-o").arg(&out).status();
    assert!(
        status.expect("a compiler").success(),
        "{} does not build",
        source.display()
    );
    built.push(out.clone());
    out
}

impl Case {
    /// Starts a case of a program and waits until it says that it is ready.
    pub(crate) fn start(source: &str, name: &str) -> Case {
        let mut command = Command::new(program(source));
        command.arg(name);
        Case::run(name, command)
    }

    /// Starts any command that says `ready`.
    pub(crate) fn run(name: &str, mut command: Command) -> Case {
        use std::os::unix::process::CommandExt;
        command
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let stdin = child.stdin.take();
        let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut said = Vec::new();
        loop {
            let mut line = String::new();
            output.read_line(&mut line).expect("text");
            assert!(!line.is_empty(), "{name} ended before it was ready");
            for word in line.split_whitespace() {
                if let Some((key, value)) = word.split_once('=') {
                    said.push((key.to_owned(), value.parse().expect("a number")));
                }
            }
            if line.trim_end().ends_with("ready") {
                break;
            }
        }
        settle(child.id());
        Case {
            name: name.to_owned(),
            child,
            _stdin: stdin,
            _output: output,
            said,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The numbers the program said under a name.
    pub(crate) fn said(&self, key: &str) -> Vec<u32> {
        let said = self.said.iter().filter(|(known, _)| known == key);
        said.map(|(_, value)| *value).collect()
    }

    /// The one number it said under a name.
    pub(crate) fn the(&self, key: &str) -> u32 {
        *self
            .said(key)
            .first()
            .unwrap_or_else(|| panic!("{}: no {key}", self.name))
    }

    /// Asks until the answer is this one.
    pub(crate) fn expect(&self, kind: VerdictKind) -> Report {
        self.expect_of(self.pid(), Question::Hang, kind)
    }

    /// The same, of another process of the case or with another question.
    pub(crate) fn expect_of(&self, pid: u32, question: Question, kind: VerdictKind) -> Report {
        self.expect_that(pid, question, kind, |_| true)
    }

    /// The same, with more to be right than the verdict.
    pub(crate) fn expect_that(
        &self,
        pid: u32,
        question: Question,
        kind: VerdictKind,
        is_right: impl Fn(&Report) -> bool,
    ) -> Report {
        let mut last = None;
        for _ in 0..TRIES {
            let answer = ask(question, &[pid], PATIENT);
            let report = answer.report();
            if report.verdict == kind && is_right(&report) {
                return report;
            }
            let is_wrong = report.confidence == Strength::Certain;
            assert!(
                !is_wrong,
                "{}: certain and wrong\n{}{}",
                self.name,
                answer.page(),
                answer.raw()
            );
            last = Some(answer);
        }
        panic!("{}: not {}\n{}", self.name, kind.name(), shown(last));
    }

    /// Asks several times; each answer must be that nothing is wrong.
    pub(crate) fn expect_idle(&self) {
        self.expect_idle_of(self.pid());
    }

    /// The same of another process of the case.
    pub(crate) fn expect_idle_of(&self, pid: u32) {
        for _ in 0..3 {
            let answer = ask(Question::Hang, &[pid], PATIENT);
            let verdict = answer.report().verdict;
            assert_eq!(
                verdict,
                VerdictKind::Idle,
                "{}\n{}",
                self.name,
                shown(Some(answer))
            );
        }
    }

    /// The program ends when it is killed, and what it begot with it.
    fn end(&mut self) {
        let group = format!("-{}", self.child.id());
        let strays = self
            .said("stray")
            .iter()
            .map(u32::to_string)
            .collect::<Vec<_>>();
        let _ = Command::new("kill")
            .args(["-KILL", "--", &group])
            .args(strays)
            .status();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn shown(answer: Option<Answer>) -> String {
    answer.map_or_else(String::new, |answer| {
        format!("{}{}", answer.page(), answer.raw())
    })
}

impl Drop for Case {
    fn drop(&mut self) {
        self.end();
    }
}

/// Waits until no thread of a process has run for a moment; those that never rest are not waited for.
fn settle(pid: u32) {
    let turns = || -> Vec<String> {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task"))
            .into_iter()
            .flatten();
        let clocks = tasks.flatten().map(|task| task.path().join("schedstat"));
        clocks
            .filter_map(|clock| std::fs::read_to_string(clock).ok())
            .collect()
    };
    let mut last = turns();
    for _ in 0..20 {
        std::thread::sleep(Duration::from_millis(10));
        let now = turns();
        if now == last {
            return;
        }
        last = now;
    }
}

/// Whether a program can be run here.
pub(crate) fn has(program: &str) -> bool {
    let version = Command::new(program).arg("--version").output();
    version.is_ok_and(|output| output.status.success())
}

/// Process and thread of the root.
pub(crate) fn root(report: &Report) -> (Option<u32>, Option<u32>) {
    let root = report.root.as_ref();
    (
        root.and_then(|root| root.pid),
        root.and_then(|root| root.tid),
    )
}

/// The threads of the chain.
pub(crate) fn chain(report: &Report) -> Vec<u32> {
    report.chain.iter().filter_map(|actor| actor.tid).collect()
}

/// The threads of the circle, in ascending order.
pub(crate) fn cycle(report: &Report) -> Vec<u32> {
    let mut cycle: Vec<u32> = report.cycle.iter().filter_map(|actor| actor.tid).collect();
    cycle.sort_unstable();
    cycle
}
