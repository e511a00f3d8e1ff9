//! From one program to another within the keeper's process: an exec that keeps every descriptor, and a way back.
//!
//! The new program is asked first, as a child, whether it can read what the old engine wrote. Then it is executed. The
//! old program stays open until an engine of the new one carries the services; one that does not is replaced by it.

use std::convert::Infallible;
use std::env;
use std::ffi::{CStr, CString, OsString};
use std::io::{self, Read};
use std::os::fd::{AsRawFd, IntoRawFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use aplomb_core::{End, ExitCode, Signal};

use super::{Keeper, Predecessor, Why, is_about_children};
use crate::linux::sys::keeping;

/// Tells the program that it goes on as a keeper, and with what.
const VARIABLE: &str = "APLOMB_KEEPER";
const FAILED: &str = "APLOMB_KEEPER_FAILED";
/// Asks a program, with the very words it is to be executed with, whether it reads records of this format.
const QUESTION: &str = "APLOMB_READS_STATE";
/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What came over an exec.
pub(super) struct HandedOver {
    pub(super) numbers: Vec<RawFd>,
    pub(super) fallback: Option<RawFd>,
    pub(super) predecessor: Predecessor,
    pub(super) failed: Option<String>,
}

/// What was left to this process before its exec.
pub(super) fn handed_over() -> Option<HandedOver> {
    let text = env::var(VARIABLE).ok()?;
    let mut fields = text.split(' ');
    let mut number = || fields.next()?.parse::<i64>().ok();
    if number()? != i64::from(std::process::id()) {
        return None;
    }
    let fallback = RawFd::try_from(number()?).ok().filter(|fd| *fd > 2);
    let pid = u32::try_from(number()?).ok()?;
    let why = match (number()?, number()?) {
        (0, _) => Why::Upgrade,
        (1, code) => Why::Died(End::Code(ExitCode(u32::try_from(code).ok()?))),
        (2, signal) => Why::Died(End::Signal {
            signal: Signal::from_number(u8::try_from(signal).ok()?)?,
            core_dumped: false,
        }),
        _ => Why::Died(End::Unknown),
    };
    let mut numbers = Vec::new();
    while let Some(fd) = number() {
        numbers.push(RawFd::try_from(fd).ok()?);
    }
    Some(HandedOver {
        numbers,
        fallback,
        predecessor: Predecessor { pid, why },
        failed: env::var(FAILED).ok().filter(|words| !words.is_empty()),
    })
}

impl Keeper {
    /// Executes another program in our place, if it says that it can go on.
    pub(super) fn execute(&mut self, program: &Path) -> io::Result<Infallible> {
        self.ask(program)?;
        let own = std::fs::File::open("/proc/self/exe")?;
        self.trial = Some(own.into());
        let failed = self.exec(&path_words(program)?, None);
        self.trial = None;
        self.estate.close_at_exec();
        Err(failed)
    }

    /// Back to the program before this one, if this one has not proven itself.
    pub(super) fn fall_back(&mut self) {
        let Some(before) = self.trial.take() else {
            return;
        };
        let words =
            "the new program could not take over what the old one had left; the old one goes on";
        let number = before.into_raw_fd();
        if let Ok(path) = CString::new(format!("/proc/self/fd/{number}")) {
            // If not even that can be, this one tries again.
            let _failed = self.exec(&path, Some(words));
        }
        keeping::close_abandoned(number);
    }

    fn exec(&mut self, program: &CStr, failed: Option<&str>) -> io::Error {
        let mut env: Vec<CString> = env::vars_os()
            .filter(|(name, _)| name != VARIABLE && name != FAILED && name != QUESTION)
            .filter_map(|(name, value)| variable(name, value))
            .collect();
        let fallback = self.trial.as_ref().map(AsRawFd::as_raw_fd);
        env.extend(CString::new(format!("{VARIABLE}={}", self.words(fallback))));
        env.extend(CString::new(format!("{FAILED}={}", failed.unwrap_or(""))));
        let argv: Vec<CString> = env::args_os()
            .filter_map(|word| CString::new(word.into_vec()).ok())
            .collect();
        self.estate.survive_exec();
        let argv: Vec<&CStr> = argv.iter().map(CString::as_c_str).collect();
        let env: Vec<&CStr> = env.iter().map(CString::as_c_str).collect();
        keeping::execute(program, &argv, &env)
    }

    /// Asks a program whether it reads what we write.
    fn ask(&mut self, program: &Path) -> io::Result<()> {
        let mut child = Command::new(program)
            .args(env::args_os().skip(1))
            .env(QUESTION, self.format.to_string())
            .env_remove(VARIABLE)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            let Some(left) = PATIENCE.checked_sub(begun.elapsed()) else {
                child.kill()?;
                child.wait()?;
                let why = format!("it did not say within {PATIENCE:?} what it can read");
                return Err(io::Error::other(why));
            };
            if let Some(info) = keeping::wait_for_signal(Some(left))?
                && !is_about_children(&info)
            {
                self.undelivered.push(info);
            }
        };
        let mut said = String::new();
        if let Some(mut out) = child.stdout.take() {
            out.read_to_string(&mut said)?;
        }
        if status.success() && said.trim_end() == answer(self.format) {
            return Ok(());
        }
        Err(io::Error::other(format!(
            "it does not say that it reads state of format {} (asked, it ended with {status})",
            self.format
        )))
    }

    fn words(&self, fallback: Option<RawFd>) -> String {
        let before = self.predecessor.unwrap_or(Predecessor {
            pid: 0,
            why: Why::Upgrade,
        });
        let (kind, detail) = match before.why {
            Why::Upgrade => (0, 0),
            Why::Died(End::Code(code)) => (1, i64::from(code.0)),
            Why::Died(End::Signal { signal, .. }) => (2, i64::from(signal.number())),
            Why::Died(End::Unknown | End::Unattended) => (3, 0),
        };
        let mut words = format!(
            "{} {} {} {kind} {detail}",
            std::process::id(),
            fallback.unwrap_or(-1),
            before.pid
        );
        for number in self.estate.numbers() {
            words.push_str(&format!(" {number}"));
        }
        words
    }
}

/// The format this program is asked about, if that is all that is wanted of it.
pub fn asked() -> Option<u32> {
    env::var(QUESTION).ok()?.parse().ok()
}

/// What a program answers that reads this format.
pub fn answer(format: u32) -> String {
    format!("reads state of format {format}")
}

fn path_words(program: &Path) -> io::Result<CString> {
    let path: PathBuf = program.to_owned();
    CString::new(path.into_os_string().into_vec()).map_err(io::Error::other)
}

fn variable(name: OsString, value: OsString) -> Option<CString> {
    let mut words = name.into_vec();
    words.push(b'=');
    words.extend(value.into_vec());
    CString::new(words).ok()
}
