//! Asking programs to end, in the ways that are no signal: Ctrl+C, Ctrl+Break, WM_CLOSE, WM_QUIT.
//!
//! To speak into another's console a process must give up its own, and hears what it says itself. So we have a copy of
//! ourselves do it, which lives for that only: the engine's console is never touched, and it does not load the library
//! of windows. The copy is given a handle to the very job or process, no number that could be another's by then.

use std::collections::BTreeMap;
use std::io;
use std::os::windows::io::{AsRawHandle, OwnedHandle, RawHandle};
use std::time::Duration;

use windows_sys::Win32::System::Threading::DETACHED_PROCESS;

use super::poller::{Poller, Source};
use super::sys::birth::{Birth, inheritable};
use super::sys::console::{self, Said};
use super::sys::job::Job;
use super::sys::process::{self, EndWatch};
use super::sys::user32::User32;
use super::{command_line, sys};
use crate::{Asking, Happened, TreeId};

/// The first word of such a copy's command line.
pub const VERB: &str = "ask-to-end";

/// What is to be asked, and on whose behalf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub way: Way,
    /// The engine's own word for it; `None`: it sent a signal.
    pub asked: Option<Asking>,
}

/// How somebody is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Only(Asking),
    /// Ctrl+C for who has a console, WM_CLOSE for who has none.
    Politely,
}

const WAYS: [(&str, Way); 5] = [
    ("ctrl-c", Way::Only(Asking::CtrlC)),
    ("ctrl-break", Way::Only(Asking::CtrlBreak)),
    ("close-windows", Way::Only(Asking::CloseWindows)),
    ("quit-threads", Way::Only(Asking::QuitThreads)),
    ("politely", Way::Politely),
];

impl Wanted {
    pub(crate) fn asked(asking: Asking) -> Wanted {
        Wanted {
            way: Way::Only(asking),
            asked: Some(asking),
        }
    }

    pub(crate) fn signalled(way: Way) -> Wanted {
        Wanted { way, asked: None }
    }
}
/// What the copy ends with where it could not do its work; below that it is the number of those it reached.
const FAILED: u32 = 200;
const TOOK_TOO_LONG: u32 = 201;
/// Joining a console whose carrier hangs takes for ever.
const PATIENCE: Duration = Duration::from_secs(5);

/// A program gets its console when its own code has begun; until then it is deaf.
const YOUNG: Duration = Duration::from_millis(500);
const A_MOMENT: Duration = Duration::from_millis(20);

/// Copies at work.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    under_way: BTreeMap<u64, Copy>,
    last: u64,
}

#[derive(Debug)]
struct Copy {
    tree: TreeId,
    wanted: Wanted,
    _watch: EndWatch,
    handle: OwnedHandle,
}

impl Requests {
    pub(crate) fn ask_tree(
        &mut self,
        poller: &Poller,
        tree: TreeId,
        job: &Job,
        wanted: Wanted,
    ) -> io::Result<()> {
        self.begin(poller, tree, wanted, "tree", job.raw())
    }

    pub(crate) fn ask_process(
        &mut self,
        poller: &Poller,
        tree: TreeId,
        process: Option<&OwnedHandle>,
        wanted: Wanted,
    ) -> io::Result<()> {
        let process = process.ok_or(io::ErrorKind::NotFound)?;
        self.begin(poller, tree, wanted, "process", process.as_raw_handle())
    }

    fn begin(
        &mut self,
        poller: &Poller,
        tree: TreeId,
        wanted: Wanted,
        scope: &str,
        whom: RawHandle,
    ) -> io::Result<()> {
        let whom = inheritable(whom)?;
        let own = std::env::current_exe()?;
        let own = own.to_str().ok_or(io::ErrorKind::InvalidInput)?;
        let number = whom.as_raw_handle().addr().to_string();
        let words = [own, VERB, name(wanted.way), scope, &number].map(str::to_owned);
        let copy = Birth {
            program: Some(own),
            command_line: &command_line::of(&words),
            environment: None,
            directory: None,
            standard: None,
            inherited: &[whom.as_raw_handle()],
            descriptors: &[],
            job: None,
            flags: DETACHED_PROCESS,
        };
        let born = copy.bear()?;
        self.last += 1;
        let packet = Source::Asked(self.last).packet();
        let watch = EndWatch::begin(&born.process, poller.poster(), packet)?;
        let copy = Copy {
            tree,
            wanted,
            _watch: watch,
            handle: born.process,
        };
        self.under_way.insert(self.last, copy);
        Ok(())
    }

    /// A copy has done its work: something to tell, where it reached nobody.
    pub(crate) fn over(&mut self, id: u64) -> Option<Happened> {
        let copy = self.under_way.remove(&id)?;
        let why = match (process::exit_code(&copy.handle), copy.wanted.way) {
            (Some(FAILED) | None, _) => "the system refused it",
            (Some(TOOK_TOO_LONG..), _) => "the carrier of its console does not answer",
            (Some(1..), _) => return None,
            (Some(0), Way::Only(Asking::CtrlC | Asking::CtrlBreak)) => "none of them has a console",
            (Some(0), Way::Only(Asking::CloseWindows)) => "none of them has a window",
            (Some(0), Way::Only(Asking::QuitThreads)) => "none of them waits for messages",
            (Some(0), Way::Politely) => "none of them has a console or a window",
        };
        Some(Happened::Unheard {
            tree: copy.tree,
            asking: copy.wanted.asked,
            why: format!("{} reached nobody: {why}", said(copy.wanted.way)),
        })
    }
}

fn name(way: Way) -> &'static str {
    let row = WAYS.iter().find(|(_, known)| *known == way);
    row.map_or("politely", |(name, _)| name)
}

/// A request in the words of people.
fn said(way: Way) -> &'static str {
    match way {
        Way::Only(Asking::CtrlC) => "Ctrl+C",
        Way::Only(Asking::CtrlBreak) => "Ctrl+Break",
        Way::Only(Asking::CloseWindows) => "WM_CLOSE",
        Way::Only(Asking::QuitThreads) => "WM_QUIT",
        Way::Politely => "the request to end",
    }
}

/// Does the work of a copy, where these words (without the program's own) are those of one: what to end with. To be
/// called first thing in the main function of every program that makes a [`super::Windows`].
pub fn run(words: &[String]) -> Option<i32> {
    let [verb, way, scope, handle] = words else {
        return None;
    };
    if verb != VERB {
        return None;
    }
    let (_, way) = WAYS.iter().find(|(name, _)| name == way)?;
    let handle: usize = handle.parse().ok()?;
    let watchdog = std::thread::Builder::new().spawn(|| {
        std::thread::sleep(PATIENCE);
        std::process::exit(TOOK_TOO_LONG.cast_signed());
    });
    let whom = sys::handed_down(handle);
    let reached = match watchdog {
        Ok(_) => whom
            .and_then(|whom| members(scope, whom))
            .and_then(|pids| ask(*way, &pids)),
        Err(error) => Err(error),
    };
    let code = match reached {
        Ok(count) => u32::try_from(count).unwrap_or(FAILED).min(FAILED - 1),
        Err(_) => FAILED,
    };
    Some(code.cast_signed())
}

fn members(scope: &str, whom: OwnedHandle) -> io::Result<Vec<u32>> {
    match scope {
        "tree" => Job::inherited(whom).pids(),
        _ => process::pid(&whom).map(|pid| vec![pid]),
    }
}

/// Asks these; tells how many were reached.
fn ask(way: Way, pids: &[u32]) -> io::Result<usize> {
    let pids = programs(pids);
    match way {
        Way::Only(Asking::CtrlC) => Ok(say(Said::CtrlC, &pids)?.len()),
        Way::Only(Asking::CtrlBreak) => Ok(say(Said::CtrlBreak, &pids)?.len()),
        Way::Only(Asking::CloseWindows) => Ok(User32::load()?.close_windows(&pids).len()),
        Way::Only(Asking::QuitThreads) => Ok(User32::load()?.quit_threads(&pids)?.len()),
        Way::Politely => {
            let heard = say(Said::CtrlC, &pids)?;
            let others: Vec<u32> = pids
                .into_iter()
                .filter(|pid| !heard.contains(pid))
                .collect();
            if others.is_empty() {
                return Ok(heard.len());
            }
            Ok(heard.len() + User32::load()?.close_windows(&others).len())
        }
    }
}

/// Those that are no carrier of a console: what they are told they would not understand.
fn programs(pids: &[u32]) -> Vec<u32> {
    let rows = sys::inspect::rows().unwrap_or_default();
    let carriers = rows
        .iter()
        .filter(|row| row.name.eq_ignore_ascii_case(super::trees::CONSOLE_HOST))
        .map(|row| row.pid);
    let carriers: Vec<u32> = carriers.collect();
    let programs = pids.iter().filter(|pid| !carriers.contains(pid));
    programs.copied().collect()
}

/// Speaks to these; again a little later where nobody has a console yet and one of them has only just begun.
fn say(what: Said, pids: &[u32]) -> io::Result<Vec<u32>> {
    loop {
        let heard = say_now(what, pids)?;
        if !heard.is_empty() || !pids.iter().any(|pid| is_young(*pid)) {
            return Ok(heard);
        }
        std::thread::sleep(A_MOMENT);
    }
}

/// Whether it may not have its console yet.
fn is_young(pid: u32) -> bool {
    let process = process::open(pid, process::Right::Look);
    let age = process.and_then(|process| sys::inspect::age(&process));
    age.is_ok_and(|age| age < YOUNG)
}

/// Speaks into each console of these once; tells who heard it.
fn say_now(what: Said, pids: &[u32]) -> io::Result<Vec<u32>> {
    let mut heard: Vec<u32> = Vec::new();
    for pid in pids {
        if heard.contains(pid) {
            continue;
        }
        console::leave();
        if console::attach(*pid).is_err() {
            // It has none, or is gone.
            continue;
        }
        console::ignore_events()?;
        let here = console::members();
        console::say(what)?;
        heard.push(*pid);
        heard.extend(here.iter().filter(|one| pids.contains(one)));
    }
    console::leave();
    heard.sort_unstable();
    heard.dedup();
    Ok(heard)
}
