//! The keeper: the parent of the engine, which does next to nothing and therefore does not fail.
//!
//! It is born before there are threads and bears the engine as a child that uses the same table of descriptors. So
//! whatever the engine opened is still open when it dies: pipes keep their readers, listening sockets their queues.
//! Orphans of the dead engine come to the keeper, who writes down how each ended, and bears the next engine, which finds
//! all of it. The keeper opens no descriptor while an engine lives, allocates nothing per service and decides nothing
//! about services. As process 1 it stays process 1, whatever happens to the engine.

mod birth;
mod errand;
mod estate;
mod trial;

use std::io;
use std::os::fd::{IntoRawFd, OwnedFd};
use std::time::{Duration, Instant};

use aplomb_core::Signal;

pub(crate) use self::birth::OrphanEnd;
pub use self::birth::{Birth, Predecessor, Why};
use self::errand::Errand;
use self::estate::Estate;
pub use self::trial::{answer, asked};
use super::processes::end_of;
use super::sys::keeping::{self, Side, SignalInfo};
use super::sys::signals::{self, SignalSet};

/// An engine that lived for less is in trouble, and the next one waits.
const LONG_LIFE: Duration = Duration::from_secs(10);
/// The wait after the second short life; doubled with each more.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// What a program panics with, where a panic does not abort it.
const PANICKED: i32 = 101;
/// How long an engine of a new program may take until it carries what the old one left.
const TRIAL: Duration = Duration::from_secs(30);

/// What became of [`Keeper::keep`], which returns in two processes.
#[derive(Debug)]
pub enum Kept {
    /// In the engine, once for each that is born.
    Engine(Birth),
    /// In the keeper, when the engine has ended in good order: with this code.
    Ended(u8),
}

/// One process' place in front of the engine.
#[derive(Debug)]
pub struct Keeper {
    estate: Estate,
    predecessor: Option<Predecessor>,
    /// A program that could not take over, and why.
    failed: Option<String>,
    /// The program before this one, as long as this one has not proven itself.
    trial: Option<OwnedFd>,
    /// Signals for an engine that is not born yet.
    undelivered: Vec<SignalInfo>,
    /// The format of what our engines write down.
    format: u32,
}

/// How an engine ended.
enum End {
    Orderly(u8),
    Crashed(i32),
    /// A new program did not take over in time.
    TookTooLong,
}

impl Keeper {
    /// This process becomes a keeper; `lock` is held for as long as it lives. A program that is to go on must read
    /// `format`.
    ///
    /// Errors: no descriptors left.
    pub fn new(lock: Option<OwnedFd>, format: u32) -> io::Result<Keeper> {
        Ok(Keeper {
            estate: Estate::new(lock)?,
            predecessor: None,
            failed: None,
            trial: None,
            undelivered: Vec::new(),
            format,
        })
    }

    /// Whether this process was a keeper before, and executed this program to go on as one.
    pub fn is_resumed() -> bool {
        trial::handed_over().is_some()
    }

    /// Goes on as the keeper this process was; `None` if it was none.
    pub fn resumed(format: u32) -> Option<Keeper> {
        let handed = trial::handed_over()?;
        Some(Keeper {
            estate: Estate::taken_over(handed.numbers)?,
            predecessor: Some(handed.predecessor),
            failed: handed.failed,
            trial: handed.fallback.and_then(keeping::take_abandoned),
            undelivered: Vec::new(),
            format,
        })
    }

    /// Bears engines, one after the other, until one ends in good order.
    ///
    /// Errors: another thread runs; no process can be made. With an engine dead before, only after many attempts.
    pub fn keep(mut self) -> io::Result<Kept> {
        signals::block(SignalSet::ALL)?;
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        if self.trial.is_some() || self.predecessor.is_some() {
            self.estate.close_at_exec();
        }
        let mut short_lives = 0;
        loop {
            let begun = Instant::now();
            Errand::Nothing.leave(&self.estate)?;
            let engine = match keeping::bear_sharing_descriptors() {
                Ok(Side::Child) => return Ok(Kept::Engine(self.into_birth())),
                Ok(Side::Parent { child }) => child,
                Err(error) if self.predecessor.is_none() => return Err(error),
                Err(_) => {
                    self.fall_back();
                    short_lives += 1;
                    self.pause(short_lives);
                    continue;
                }
            };
            self.failed = None;
            keeping::let_go_of_program();
            let end = self.watch_over(engine)?;
            let errand = Errand::left(&self.estate);
            let why = match (end, &errand) {
                (End::Orderly(_), Errand::Upgrade(_)) => Why::Upgrade,
                // It could not even begin, and there are services nobody carries.
                (End::Orderly(code), Errand::Nothing)
                    if code != 0 && self.predecessor.is_some() =>
                {
                    Why::Died(aplomb_core::End::Code(aplomb_core::ExitCode(code.into())))
                }
                (End::Orderly(code), Errand::Nothing | Errand::Settled) => {
                    return Ok(Kept::Ended(code));
                }
                (End::Crashed(status), _) => Why::Died(end_of(status)),
                (End::TookTooLong, _) => Why::Died(aplomb_core::End::Unknown),
            };
            self.predecessor = Some(Predecessor { pid: engine, why });
            match errand {
                Errand::Upgrade(program) => self.failed = Some(self.upgrade(&program)),
                Errand::Settled => self.trial = None,
                Errand::Nothing => self.fall_back(),
            }
            short_lives = if begun.elapsed() < LONG_LIFE {
                short_lives + 1
            } else {
                0
            };
            if why != Why::Upgrade {
                self.pause(short_lives);
            }
        }
    }

    fn into_birth(mut self) -> Birth {
        // A group of its own: what the terminal sends to ours comes to the keeper, who hands it on, once.
        let _leader_already = rustix::process::setpgid(None, None);
        // Not closed here: it is the keeper's, and there is one table.
        let spared = self.trial.take().map(IntoRawFd::into_raw_fd);
        Birth::new(self.estate, self.predecessor, self.failed, spared)
    }

    /// Until the engine has ended: lays orphans to rest, and hands signals on.
    fn watch_over(&mut self, engine: u32) -> io::Result<End> {
        for info in std::mem::take(&mut self.undelivered) {
            let _gone = keeping::hand_on(engine, info);
        }
        let begun = Instant::now();
        loop {
            if let Some(status) = self.lay_to_rest(Some(engine))? {
                return Ok(match status {
                    status if status & 0x7f != 0 => End::Crashed(status),
                    status if status >> 8 == PANICKED => End::Crashed(status),
                    status => End::Orderly(u8::try_from(status >> 8 & 0xff).unwrap_or(u8::MAX)),
                });
            }
            let patience = self
                .trial
                .as_ref()
                .map(|_| TRIAL.saturating_sub(begun.elapsed()));
            if patience == Some(Duration::ZERO) {
                if matches!(Errand::left(&self.estate), Errand::Settled) {
                    self.trial = None;
                } else {
                    let _gone = super::sys::kill(engine, Signal::KILL);
                    while self.lay_to_rest(Some(engine))?.is_none() {
                        keeping::wait_for_signal(None)?;
                    }
                    return Ok(End::TookTooLong);
                }
                continue;
            }
            match keeping::wait_for_signal(patience)? {
                Some(info) if is_about_children(&info) => {}
                // An engine that is gone by now leaves the signal to nobody: it was for its life.
                Some(info) => drop(keeping::hand_on(engine, info)),
                None => {}
            }
        }
    }

    /// Every child that has ended is written down and laid to rest; returns how the engine did, if it is among them.
    fn lay_to_rest(&mut self, engine: Option<u32>) -> io::Result<Option<i32>> {
        let mut ended = None;
        while let Some((pid, status)) = keeping::peek_at_ended()? {
            if Some(pid) == engine {
                ended = Some(status);
            } else {
                // Before it is laid to rest: from then on only what is written here tells how it ended.
                self.estate.write_end(pid, status);
            }
            let child = i32::try_from(pid)
                .ok()
                .and_then(rustix::process::Pid::from_raw);
            rustix::process::waitpid(child, rustix::process::WaitOptions::NOHANG)?;
        }
        Ok(ended)
    }

    /// Waits a while after short lives; a request to end is no time to wait.
    fn pause(&mut self, short_lives: u32) {
        let Some(doublings) = short_lives.checked_sub(2) else {
            return;
        };
        let wait = FIRST_WAIT
            .saturating_mul(1 << doublings.min(10))
            .min(LONGEST_WAIT);
        let begun = Instant::now();
        while let Some(left) = wait.checked_sub(begun.elapsed()) {
            let _ended = self.lay_to_rest(None);
            match keeping::wait_for_signal(Some(left)) {
                Ok(Some(info)) if !is_about_children(&info) => {
                    self.undelivered.push(info);
                    return;
                }
                Ok(Some(_) | None) | Err(_) => {}
            }
        }
    }

    /// Goes on as another program; comes back, with the reason, if that cannot be.
    fn upgrade(&mut self, program: &std::path::Path) -> String {
        match self.execute(program) {
            Ok(never) => match never {},
            Err(why) => format!("`{}` cannot take over: {why}", program.display()),
        }
    }
}

fn is_about_children(info: &SignalInfo) -> bool {
    info.number == i32::from(Signal::CHLD.number())
}
