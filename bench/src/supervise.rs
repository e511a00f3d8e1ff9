//! Starting, restarting, stopping and doing nothing, with N services.
//!
//! Rounds are interleaved (A B C A B C), so that a disturbance of the machine meets everybody.
//! Figures that need a quiet wait of their own (idle, many services) are taken in the first round only.

use std::thread;
use std::time::Duration;

use crate::board::{Slot, after, now};
use crate::figures::{Figure, Sheet};
use crate::launch::{Stack, Stage, Yard};
use crate::obtain::Tools;
use crate::options::Options;
use crate::peers::{Limit, Peer};
use crate::process;
use crate::trouble::{Outcome, Trouble};

use rustix::process::{Pid, Signal, kill_process};

const LAUNCH_PATIENCE: Duration = Duration::from_secs(60);
const STOP_PATIENCE: Duration = Duration::from_secs(60);
/// Long enough for the supervisors that hold a service back if it lived less than a second.
const SETTLE: Duration = Duration::from_millis(1500);
/// After all run: work that is still due belongs to the start.
const AFTERGLOW: Duration = Duration::from_millis(500);
/// With a second of floor between runs, waiting for each new child in turn would take minutes.
const SLOW: Duration = Duration::from_millis(200);
const SPACING: Duration = Duration::from_millis(20);
const ONE_REPEATS: usize = 5;

/// Measures every competitor, round by round.
pub(crate) fn measure(
    peers: &[(&'static Peer, Tools)],
    yard: &Yard,
    options: &Options,
    sheet: &mut Sheet,
) {
    for round in 0..options.rounds {
        for (peer, tools) in peers.iter().filter(|(peer, _)| peer.stack.is_some()) {
            eprintln!("round {} of {}: {}", round + 1, options.rounds, peer.name);
            let mut subject = Subject {
                peer,
                tools,
                yard,
                sheet,
            };
            subject.round(round, options);
        }
    }
}

/// One competitor in one round.
struct Subject<'a> {
    peer: &'static Peer,
    tools: &'a Tools,
    yard: &'a Yard,
    sheet: &'a mut Sheet,
}

impl Subject<'_> {
    fn round(&mut self, round: usize, options: &Options) {
        if !self.attempt(1, Subject::one) {
            // Who cannot run one service need not be waited for with a thousand.
            return;
        }
        self.attempt(100, Subject::hundred);
        self.attempt(options.count, |subject, count| {
            subject.main(count, round, options)
        });
        if round == 0 && options.many > 0 {
            self.attempt(options.many, Subject::many);
        }
    }

    /// Runs a measurement if the competitor can hold so many services; notes why not. Whether nothing broke.
    fn attempt(
        &mut self,
        count: usize,
        measure: impl FnOnce(&mut Self, usize) -> Outcome<()>,
    ) -> bool {
        if let Limit::Of(most, why) = self.peer.limit
            && count > most
        {
            if most > 1 {
                self.sheet
                    .note(self.peer.name, format!("N = {count}: {why}"));
            }
            return true;
        }
        let outcome = measure(self, count);
        if let Err(trouble) = &outcome {
            self.sheet
                .note(self.peer.name, format!("N = {count}: {trouble}"));
        }
        outcome.is_ok()
    }

    fn launch(&self, count: usize) -> Outcome<(Stack, Vec<Slot>)> {
        let write = self
            .peer
            .stack
            .ok_or_else(|| Trouble::Unavailable("does not supervise".into()))?;
        let stage = Stage::prepare(self.yard, count)?;
        let plan = write(self.tools, &stage.site, &stage.children())?;
        let stack = stage.launch(plan)?;
        let slots = stack.wait_for_all(0, LAUNCH_PATIENCE)?;
        Ok((stack, slots))
    }

    fn add(&mut self, figure: Figure, value: f64) {
        self.sheet.add(self.peer.name, figure, value);
    }

    fn one(&mut self, count: usize) -> Outcome<()> {
        for _ in 0..ONE_REPEATS {
            let (mut stack, slots) = self.launch(count)?;
            let took = milliseconds(last(&slots) - stack.launched()?);
            self.add(Figure::OneStart, took);
            // Some lose a signal that comes while they are still setting themselves up.
            thread::sleep(AFTERGLOW);
            stack.stop(STOP_PATIENCE)?;
        }
        Ok(())
    }

    fn hundred(&mut self, count: usize) -> Outcome<()> {
        let (mut stack, slots) = self.launch(count)?;
        self.add(
            Figure::HundredStart,
            milliseconds(last(&slots) - stack.launched()?),
        );
        thread::sleep(AFTERGLOW);
        self.add(Figure::HundredCpu, seconds(stack.group().cpu()?));
        thread::sleep(SETTLE);
        if let Some(bytes) = stack.group().memory()? {
            self.add(Figure::HundredMemory, megabytes(bytes));
        }
        let took = stack.stop(STOP_PATIENCE)?;
        self.add(Figure::HundredStop, milliseconds(took));
        Ok(())
    }

    fn many(&mut self, count: usize) -> Outcome<()> {
        let (mut stack, slots) = self.launch(count)?;
        self.add(
            Figure::ManyStart,
            milliseconds(last(&slots) - stack.launched()?),
        );
        thread::sleep(SETTLE);
        let took = stack.stop(STOP_PATIENCE)?;
        self.add(Figure::ManyStop, milliseconds(took));
        Ok(())
    }

    fn main(&mut self, count: usize, round: usize, options: &Options) -> Outcome<()> {
        let (mut stack, slots) = self.launch(count)?;
        self.add(
            Figure::Start,
            milliseconds(last(&slots) - stack.launched()?),
        );
        thread::sleep(AFTERGLOW);
        self.add(Figure::StartCpu, seconds(stack.group().cpu()?));
        thread::sleep(SETTLE);
        self.footprint(&stack)?;
        if round == 0 && !options.idle.is_zero() {
            self.idle(&stack, options.idle)?;
        }
        if self.peer.name != crate::figures::CHILDREN_ALONE {
            // What fails here does not keep the stop from being measured.
            if let Err(trouble) = self.respawns(&stack, options.samples) {
                self.sheet
                    .note(self.peer.name, format!("restart: {trouble}"));
            }
        }
        let took = stack.stop(STOP_PATIENCE)?;
        self.add(Figure::Stop, milliseconds(took));
        Ok(())
    }

    fn footprint(&mut self, stack: &Stack) -> Outcome<()> {
        let managers = stack.managers()?;
        let pss = managers.iter().map(|pid| process::pss(*pid)).sum();
        self.add(Figure::Processes, managers.len() as f64);
        self.add(Figure::Pss, megabytes(pss));
        if let Some(bytes) = stack.group().memory()? {
            self.add(Figure::Memory, megabytes(bytes));
        }
        Ok(())
    }

    fn idle(&mut self, stack: &Stack, time: Duration) -> Outcome<()> {
        let switches =
            |managers: &[i32]| -> u64 { managers.iter().map(|pid| process::switches(*pid)).sum() };
        let managers = stack.managers()?;
        let (cpu, before) = (stack.group().cpu()?, switches(&managers));
        thread::sleep(time);
        let (used, after) = (stack.group().cpu()? - cpu, switches(&managers));
        self.add(Figure::IdleCpu, milliseconds(used));
        self.add(Figure::IdleSwitches, after.saturating_sub(before) as f64);
        Ok(())
    }

    fn respawns(&mut self, stack: &Stack, samples: usize) -> Outcome<()> {
        for took in respawn_latencies(stack, samples)? {
            self.add(Figure::Respawn, milliseconds(took));
        }
        thread::sleep(SETTLE);
        let slots: Vec<Slot> = stack.board().services()?.into_iter().flatten().collect();
        let victims = stack.processes_of(&slots)?;
        if victims.len() < stack.board().count() {
            let running = victims.len();
            let wanted = stack.board().count();
            return Err(Trouble::Unavailable(format!(
                "{running} of {wanted} services alive after single kills"
            )));
        }
        let begun = now();
        for victim in &victims {
            kill(*victim)?;
        }
        let back = stack.wait_for_all(begun, LAUNCH_PATIENCE)?;
        self.add(Figure::MassRespawn, milliseconds(last(&back) - begun));
        thread::sleep(SETTLE);
        Ok(())
    }
}

/// Kills one service after the other, each at most once, and says how long its successor took.
///
/// The next is killed when the successor of the last is there; if that takes long, every 20 ms, several
/// being awaited at a time: whoever needs a second is not disturbed by that.
fn respawn_latencies(stack: &Stack, samples: usize) -> Outcome<Vec<u64>> {
    let board = stack.board();
    let samples = samples.min(board.count());
    let stride = board.count() / samples.max(1);
    let mut killed: Vec<(usize, u64)> = Vec::new();
    for sample in 0..samples {
        let number = sample * stride;
        let slot: Vec<Slot> = board.service(number)?.into_iter().collect();
        let Some(victim) = stack.processes_of(&slot)?.pop() else {
            continue;
        };
        let begun = now();
        kill(victim)?;
        killed.push((number, begun));
        let patience = after(SLOW);
        let slow = sample >= 3 && killed_long_ago(board.service(killed[0].0)?, killed[0].1);
        let wait = if slow { after(SPACING) } else { patience };
        while now() < wait && !begun_after(board.service(number)?, begun) {
            thread::sleep(Duration::from_micros(200));
        }
        thread::sleep(Duration::from_millis(2));
    }
    collect_latencies(stack, &killed)
}

fn collect_latencies(stack: &Stack, killed: &[(usize, u64)]) -> Outcome<Vec<u64>> {
    let patience = Duration::from_secs(20);
    let deadline = after(patience);
    let mut latencies = Vec::new();
    for (number, begun) in killed {
        while !begun_after(stack.board().service(*number)?, *begun) {
            if now() > deadline {
                return Err(Trouble::Late {
                    what: "services back",
                    running: latencies.len(),
                    wanted: killed.len(),
                    seconds: patience.as_secs(),
                    said: String::new(),
                });
            }
            thread::sleep(Duration::from_millis(1));
        }
        let slot = stack.board().service(*number)?;
        latencies.extend(slot.map(|slot| slot.begun - begun));
    }
    Ok(latencies)
}

fn begun_after(slot: Option<Slot>, moment: u64) -> bool {
    slot.is_some_and(|slot| slot.begun > moment)
}

/// Whether the first victim's successor took longer than a fast supervisor needs.
fn killed_long_ago(slot: Option<Slot>, killed: u64) -> bool {
    slot.is_none_or(|slot| slot.begun <= killed || slot.begun - killed > SLOW.as_nanos() as u64)
}

fn kill(victim: Pid) -> Outcome<()> {
    Ok(kill_process(victim, Signal::KILL).map_err(std::io::Error::from)?)
}

/// When the last of them began.
fn last(slots: &[Slot]) -> u64 {
    slots.iter().map(|slot| slot.begun).max().unwrap_or(0)
}

fn milliseconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e6
}

fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
