//! One process as `/proc` shows it now: cheap facts of every thread, and what is needed to understand their waits.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::futex::Tids;
use super::host;
use super::memory::ProcessMemory;
use super::proc::{self, Call, Descriptor, FdInfo, Stat, State, Status};

/// As many threads of one process as are looked at.
pub(super) const MOST_THREADS: usize = 10_000;

/// One process.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) pid: u32,
    pub(super) stat: Stat,
    pub(super) status: Status,
    pub(super) threads: Vec<Sample>,
    pub(super) descriptors: BTreeMap<u32, Descriptor>,
    pub(super) memory: Option<ProcessMemory>,
    /// Numbers of threads as the process itself knows them, to ours; empty where they are the same.
    inner: BTreeMap<u32, u32>,
}

/// One thread at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) tid: u32,
    pub(super) name: String,
    pub(super) state: State,
    pub(super) clock: Clock,
    /// How often it gave a processor up by itself; asked only of threads that run.
    pub(super) gave_up: Option<u64>,
    pub(super) call: Option<Call>,
    /// Where within the system it waits; empty if that is not told.
    pub(super) channel: String,
}

/// How much a thread has run, ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Clock {
    /// Nanoseconds on a processor.
    pub(super) ran: u64,
    /// Nanoseconds it wanted one and there was none.
    pub(super) queued: u64,
    /// How often it was given one. Unchanged: it did not run in between.
    pub(super) turns: u64,
}

impl Target {
    /// Reads it.
    ///
    /// # Errors
    /// As the system tells, if the process itself cannot be read: it has ended, as a rule. Threads that end meanwhile
    /// are left out.
    pub(super) fn read(pid: u32) -> io::Result<Target> {
        let root = format!("/proc/{pid}");
        let gone = || io::Error::from(io::ErrorKind::NotFound);
        let stat = Stat::parse(&proc::read(format!("{root}/stat"))?).ok_or_else(gone)?;
        let status = Status::parse(&proc::read(format!("{root}/status"))?);
        let mut tids = proc::numbers(format!("{root}/task"))?;
        tids.truncate(MOST_THREADS);
        // The first thread has the process's number, which need not be the lowest.
        tids.sort_by_key(|tid| (*tid != pid, *tid));
        let threads: Vec<Sample> = tids
            .iter()
            .filter_map(|tid| Sample::read(pid, *tid))
            .collect();
        let inner = match status.numbers.len() > 1 {
            true => inner(pid, &tids),
            false => BTreeMap::new(),
        };
        Ok(Target {
            pid,
            stat,
            status,
            threads,
            descriptors: host::descriptors(pid).unwrap_or_default(),
            memory: ProcessMemory::open(pid).ok(),
            inner,
        })
    }

    /// Whether its memory and the calls of its threads may be read.
    pub(super) fn is_open(&self) -> bool {
        self.memory.is_some()
    }

    /// Whether the memory at an address may be shared with other processes; it may if that cannot be told.
    pub(super) fn shares(&self, address: u64) -> bool {
        let Ok(maps) = proc::read(format!("/proc/{}/maps", self.pid)) else {
            return true;
        };
        proc::is_shared(&maps, address)
    }

    /// How a descriptor was opened, and what goes with it.
    pub(super) fn info(&self, fd: u32) -> Option<FdInfo> {
        let text = proc::read(format!("/proc/{}/fdinfo/{fd}", self.pid)).ok()?;
        Some(FdInfo::parse(&text))
    }
}

impl Tids for Target {
    fn member(&self, tid: u32) -> Option<(u32, u32)> {
        let tid = match self.inner.is_empty() {
            true => tid,
            false => *self.inner.get(&tid)?,
        };
        // One that was born since, or left out of the list, lives all the same.
        let is_listed = || self.threads.iter().any(|thread| thread.tid == tid);
        let is_ours = is_listed() || Path::new(&format!("/proc/{}/task/{tid}", self.pid)).exists();
        is_ours.then_some((self.pid, tid))
    }

    fn living(&self, tid: u32) -> Option<(u32, u32)> {
        if let Some(member) = self.member(tid) {
            return Some(member);
        }
        // A lock in shared memory may belong to a thread of another process. A zombie owns nothing any more.
        let stat = Stat::parse(&proc::read(format!("/proc/{tid}/stat")).ok()?)?;
        if stat.state == State::Zombie {
            return None;
        }
        let status = proc::read(format!("/proc/{tid}/status")).ok()?;
        let pid = status.lines().find_map(|line| line.strip_prefix("Tgid:"))?;
        let pid: u32 = pid.trim().parse().ok()?;
        // Not one of ours: else it would have been listed, and it has only just been born.
        (pid != self.pid).then_some((pid, tid))
    }
}

fn inner(pid: u32, tids: &[u32]) -> BTreeMap<u32, u32> {
    let mut inner = BTreeMap::new();
    for tid in tids {
        let Ok(text) = proc::read(format!("/proc/{pid}/task/{tid}/status")) else {
            continue;
        };
        if let Some(number) = Status::parse(&text).numbers.last() {
            inner.insert(*number, *tid);
        }
    }
    inner
}

impl Sample {
    fn read(pid: u32, tid: u32) -> Option<Sample> {
        let root = format!("/proc/{pid}/task/{tid}");
        let stat = Stat::parse(&proc::read(format!("{root}/stat")).ok()?)?;
        let clock = proc::read(format!("{root}/schedstat")).ok();
        let call = proc::read(format!("{root}/syscall")).ok();
        let channel = proc::read(format!("{root}/wchan")).unwrap_or_default();
        let gave_up = match stat.state {
            State::Running => proc::read(format!("{root}/status"))
                .ok()
                .and_then(|text| given_up(&text)),
            State::Sleeping
            | State::Deep
            | State::Stopped
            | State::Traced
            | State::Zombie
            | State::Other => None,
        };
        Some(Sample {
            tid,
            name: stat.name,
            state: stat.state,
            clock: clock
                .and_then(|text| Clock::parse(&text))
                .unwrap_or_default(),
            gave_up,
            call: call.and_then(|text| Call::parse(&text)),
            channel: match channel.as_str() {
                "0" => String::new(),
                _ => channel,
            },
        })
    }
}

/// Of `status`, how often a thread gave a processor up by itself.
fn given_up(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
    line.trim().parse().ok()
}

impl Clock {
    pub(super) fn parse(text: &str) -> Option<Clock> {
        let mut numbers = text.split_ascii_whitespace().map(str::parse);
        let mut next = || numbers.next()?.ok();
        Some(Clock {
            ran: next()?,
            queued: next()?,
            turns: next()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_has_three_numbers() {
        let clock = Clock {
            ran: 12,
            queued: 3,
            turns: 4,
        };
        assert_eq!(Clock::parse("12 3 4\n"), Some(clock));
        assert_eq!(Clock::parse("12 3"), None);
    }

    #[test]
    fn we_read_ourselves() {
        let target = Target::read(std::process::id()).expect("ourselves");
        assert!(target.is_open());
        assert_eq!(target.threads[0].tid, target.pid);
        assert!(target.descriptors.len() > 2);
        assert_eq!(target.living(target.pid), Some((target.pid, target.pid)));
    }
}
