//! One look at the processes asked about and at everyone they wait for, and how two such looks become a scene.
//!
//! The first sweep only samples; the second, a tenth of a second later, also walks stacks. A thread whose turns on a
//! processor did not change in between did not run, so that everything read of it belongs to one moment. Nothing is
//! stopped, and nothing is asked of the processes themselves.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::between::Between;
use super::host::Host;
use super::hot::{self, Hot, Sampling};
use super::inference;
use super::proc::{Call, State};
use super::standing;
use super::target::{Clock, Sample, Target};
use super::waits;
use super::walk::{self, Times};
use crate::budget::Budget;
use crate::memory::Memory;
use crate::scene::{Frame, Holder, Lock, Pace, Process, Question, Scene, Thread, Wait};
use crate::stack::ModuleCache;
use crate::verdict::{Evidence, Strength};

/// Between the two sweeps. Long enough for a healthy thread to show itself, short enough for a person.
const PAUSE: Duration = Duration::from_millis(100);
/// As long as one waits to see a running thread often enough.
const LONGEST_PAUSE: Duration = Duration::from_millis(300);
/// For processes met only in the second sweep.
const SHORT_PAUSE: Duration = Duration::from_millis(40);
/// As many processes as are looked at.
const MOST_PROCESSES: usize = 32;
/// Of the window, how much a thread must have run, or wanted to, to count as busy.
const BUSY_PERCENT: u64 = 80;

/// What one sweep kept of a process.
#[derive(Debug)]
struct Early {
    at: Instant,
    started: u64,
    threads: BTreeMap<u32, EarlyThread>,
}

#[derive(Debug)]
struct EarlyThread {
    clock: Clock,
    gave_up: Option<u64>,
    call: Option<Call>,
    wait: Wait,
}

/// Looks at processes, and at everyone they wait for.
///
/// Processes that do not exist are left out of the scene; what could not be read is named in it.
pub fn look(question: Question, pids: &[u32], budget: Budget) -> Scene {
    let begun = Instant::now();
    let until = begun + budget.time;
    let mut early = BTreeMap::new();
    first(pids, until, &mut early);
    let pause = PAUSE.min(budget.time / 4);
    let sampling = Sampling::start(early.values().flat_map(Early::running));
    rest(begun + pause);
    while !sampling.is_enough() && begun.elapsed() < LONGEST_PAUSE.min(budget.time / 3) {
        rest(Instant::now() + SHORT_PAUSE / 2);
    }
    let hot = sampling.finish();
    let host = Host::new(until);
    let mut between = Between::new(&host);
    let mut sweep = Sweep {
        early,
        until,
        times: Times {
            frames: begun + budget.time / 10 * 6,
            lines: begun + budget.time / 4,
        },
        processes: BTreeMap::new(),
        unseen: Vec::new(),
        modules: ModuleCache::default(),
        hot,
    };
    sweep.second(pids, &mut between);
    let unseen = host.unseen().into_iter().chain(sweep.unseen).collect();
    let mut scene = Scene {
        question,
        asked: pids.to_vec(),
        processes: sweep.processes,
        unseen,
        snapshots: 2,
        ..Scene::default()
    };
    standing::complete(&mut scene, &mut between);
    scene.connections = between.connections;
    scene.pipes = between.pipes;
    scene.file_locks = between.file_locks;
    scene.took = begun.elapsed();
    scene
}

/// Until a moment; nothing here is worth spinning for.
fn rest(until: Instant) {
    let left = until.saturating_duration_since(Instant::now());
    if !left.is_zero() {
        std::thread::sleep(left);
    }
}

/// Samples the processes and everyone they wait for.
fn first(pids: &[u32], until: Instant, early: &mut BTreeMap<u32, Early>) {
    let host = Host::new(until);
    let mut between = Between::new(&host);
    let mut queue: VecDeque<u32> = pids.iter().copied().collect();
    while let Some(pid) = queue.pop_front() {
        if early.contains_key(&pid) || early.len() >= MOST_PROCESSES || Instant::now() > until {
            continue;
        }
        let Ok(target) = Target::read(pid) else {
            continue;
        };
        early.insert(pid, Early::of(&target, &mut between));
        queue.extend(std::mem::take(&mut between.met));
    }
}

impl Early {
    fn of(target: &Target, between: &mut Between<'_>) -> Early {
        let mut threads = BTreeMap::new();
        for sample in &target.threads {
            let wait = waits::wait_of(sample, target, between, &[]);
            let thread = EarlyThread {
                clock: sample.clock,
                gave_up: sample.gave_up,
                call: sample.call,
                wait,
            };
            threads.insert(sample.tid, thread);
        }
        Early {
            at: Instant::now(),
            started: target.stat.started,
            threads,
        }
    }

    /// The threads that ran.
    fn running(&self) -> impl Iterator<Item = u32> {
        let running = self
            .threads
            .iter()
            .filter(|(_, thread)| thread.wait == Wait::Nothing);
        running.map(|(tid, _)| *tid)
    }
}

struct Sweep {
    early: BTreeMap<u32, Early>,
    until: Instant,
    times: Times,
    processes: BTreeMap<u32, Process>,
    unseen: Vec<String>,
    modules: ModuleCache,
    /// Samples of threads that ran.
    hot: HashMap<u32, Vec<Hot>>,
}

impl Sweep {
    fn second(&mut self, pids: &[u32], between: &mut Between<'_>) {
        let mut queue: VecDeque<u32> = pids.iter().copied().collect();
        let mut seen = BTreeSet::new();
        while let Some(pid) = queue.pop_front() {
            if !seen.insert(pid) {
                continue;
            }
            if self.processes.len() >= MOST_PROCESSES || Instant::now() > self.until {
                self.unseen.push(format!(
                    "process {pid} was left out: the limit of this look is reached"
                ));
                continue;
            }
            if !self.early.contains_key(&pid) {
                self.catch_up(pid, between);
            }
            let Ok(target) = Target::read(pid) else {
                if pids.contains(&pid) {
                    self.unseen.push(format!(
                        "there is no process {pid}, or it may not be looked at"
                    ));
                }
                continue;
            };
            let process = self.process(&target, between);
            if !process.is_open {
                self.unseen.push(format!(
                    "process {pid} (`{}`): its memory and calls may not be read; as root, or as its user, they may",
                    process.name
                ));
            }
            self.processes.insert(pid, process);
            queue.extend(std::mem::take(&mut between.met));
        }
    }

    /// A process met late is sampled now, and once more a little later.
    fn catch_up(&mut self, pid: u32, between: &mut Between<'_>) {
        if let Ok(target) = Target::read(pid) {
            self.early.insert(pid, Early::of(&target, between));
            rest((Instant::now() + SHORT_PAUSE).min(self.until));
        }
    }

    fn process(&mut self, target: &Target, between: &mut Between<'_>) -> Process {
        let early = self.early.get(&target.pid);
        let early = early.filter(|early| early.started == target.stat.started);
        let memory = target.memory.as_ref().map(|memory| memory as &dyn Memory);
        let stacks = match memory {
            Some(memory) => walk::stacks(
                target,
                memory,
                &standing::maps(target.pid),
                &mut self.modules,
                &self.hot,
                self.times,
            ),
            None => Vec::new(),
        };
        let mut threads = Vec::with_capacity(target.threads.len());
        for (nth, sample) in target.threads.iter().enumerate() {
            let frames = stacks
                .get(nth)
                .map(|frames| frames.iter().map(|frame| frame.shown.clone()));
            let frames = frames.into_iter().flatten().collect();
            let mut thread = thread(sample, target, between, frames, early);
            let samples = self.hot.get(&thread.tid);
            if thread.pace == Pace::Busy && samples.is_some_and(|samples| hot::goes_round(samples))
            {
                thread.pace = Pace::Circling;
            }
            threads.push(thread);
        }
        if let Some(memory) = memory {
            inference::infer(&mut threads, &stacks, memory);
        }
        for thread in &mut threads {
            if let Wait::Lock(lock) = &thread.wait {
                thread.evidence.extend(lock_evidence(lock, target.pid));
            }
        }
        standing::process(target, threads, between)
    }
}

fn thread(
    sample: &Sample,
    target: &Target,
    between: &mut Between<'_>,
    frames: Vec<Frame>,
    early: Option<&Early>,
) -> Thread {
    let mut wait = waits::wait_of(sample, target, between, &frames);
    let before = early.and_then(|early| Some((early.at, early.threads.get(&sample.tid)?)));
    let pace = match &before {
        Some((at, before)) => pace(sample, before, at.elapsed()),
        None => Pace::Moving,
    };
    if let Wait::Lock(lock) = &mut wait {
        settle(lock, pace, before.map(|(_, before)| &before.wait));
    }
    Thread {
        tid: sample.tid,
        name: sample.name.clone(),
        pace,
        evidence: evidence(sample, target.pid),
        wait,
        frames,
    }
}

fn pace(sample: &Sample, before: &EarlyThread, window: Duration) -> Pace {
    let (now, then) = (sample.clock, before.clock);
    if now.turns == then.turns && now.ran == then.ran && sample.call == before.call {
        return match sample.state {
            State::Running => Pace::Busy,
            State::Sleeping | State::Deep | State::Stopped | State::Traced => Pace::Still,
            State::Zombie | State::Other => Pace::Still,
        };
    }
    // It never gave the processor up by itself: it wanted one all the time, whatever it got.
    if sample.gave_up.is_some() && sample.gave_up == before.gave_up {
        return Pace::Busy;
    }
    let wanted = (now.ran - then.ran.min(now.ran)) + (now.queued - then.queued.min(now.queued));
    let window = u64::try_from(window.as_nanos()).unwrap_or(u64::MAX);
    match wanted >= window / 100 * BUSY_PERCENT {
        true => Pace::Busy,
        false => Pace::Moving,
    }
}

/// An owner is believed if the lock named it in both looks, and the waiting thread waited through both.
fn settle(lock: &mut Lock, pace: Pace, before: Option<&Wait>) {
    let same = match before {
        Some(Wait::Lock(before)) => before.address == lock.address && before.holder == lock.holder,
        Some(_) | None => false,
    };
    let last = match lock.holder {
        Holder::Recorded { tid, .. } | Holder::Gone { tid } => Some(tid),
        Holder::Inferred { .. } | Holder::Unrecorded | Holder::Changing { .. } => None,
    };
    if last.is_some() && !(same && pace == Pace::Still) {
        lock.holder = Holder::Changing { last };
    }
}

fn evidence(sample: &Sample, pid: u32) -> Vec<Evidence> {
    let source = format!("/proc/{pid}/task/{}/syscall", sample.tid);
    let certain = |source: String, text: String| Evidence {
        source,
        text,
        strength: Strength::Certain,
    };
    let mut evidence = Vec::new();
    if let Some(Call::In { number, args, .. }) = sample.call {
        let place = match sample.channel.as_str() {
            "" => String::new(),
            channel => format!(", in {channel}"),
        };
        let text = format!(
            "{}({:#x}, {:#x}, {:#x}){place}",
            super::calls::name(number),
            args[0],
            args[1],
            args[2]
        );
        evidence.push(certain(source, text));
    }
    evidence
}

fn lock_evidence(lock: &Lock, pid: u32) -> Option<Evidence> {
    let (text, strength) = match &lock.holder {
        Holder::Recorded { tid, .. } => (
            format!(
                "the {} at {:#x} names thread {tid}",
                lock.kind.name(),
                lock.address
            ),
            Strength::Certain,
        ),
        Holder::Gone { tid } => (
            format!(
                "the {} at {:#x} names thread {tid}, which does not live",
                lock.kind.name(),
                lock.address
            ),
            Strength::Certain,
        ),
        Holder::Inferred { tid, why } => (
            format!(
                "the {} at {:#x} is held by thread {tid}: {why}",
                lock.kind.name(),
                lock.address
            ),
            Strength::Strong,
        ),
        Holder::Unrecorded | Holder::Changing { .. } => return None,
    };
    Some(Evidence {
        source: format!("memory of {pid}"),
        text,
        strength,
    })
}
