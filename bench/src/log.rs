//! Log throughput: one service writes numbered lines as fast as it can, through each logger into files.
//!
//! Wall time runs from the first line to the last growth of the files, CPU time is the group's less the
//! writer's own. Then the logger is stopped as it should be, and every line accounted for.

use std::thread;
use std::time::Duration;

use rustix::process::{Signal, kill_process};

use crate::board::{Slot, after, now};
use crate::figures::{Figure, Sheet};
use crate::files;
use crate::launch::{Stack, Stage, Yard};
use crate::lines::{self, LINE};
use crate::obtain::Tools;
use crate::options::Options;
use crate::peers::{Logger, Peer, Service};
use crate::trouble::{Outcome, Trouble};

const PATIENCE: Duration = Duration::from_secs(300);
/// The files count as finished when they have not grown for this long.
const QUIET: Duration = Duration::from_millis(300);
const LOOK: Duration = Duration::from_millis(10);

/// How the service writes.
#[derive(Debug, Clone, Copy)]
struct Manner {
    bytes: u64,
    per_write: usize,
    figures: [Figure; 4],
}

/// Measures every logger of every competitor, round by round.
pub(crate) fn measure(
    peers: &[(&'static Peer, Tools)],
    yard: &Yard,
    options: &Options,
    sheet: &mut Sheet,
) {
    let manners = [
        Manner {
            bytes: options.bytes,
            per_write: 4096,
            figures: [
                Figure::BlockWall,
                Figure::BlockCpu,
                Figure::BlockTorn,
                Figure::BlockLost,
            ],
        },
        Manner {
            bytes: options.bytes / 10,
            per_write: LINE,
            figures: [
                Figure::LineWall,
                Figure::LineCpu,
                Figure::LineTorn,
                Figure::LineLost,
            ],
        },
    ];
    for round in 0..options.rounds {
        for (peer, tools) in peers {
            for logger in peer.loggers {
                eprintln!("round {} of {}: {}", round + 1, options.rounds, logger.name);
                for manner in &manners {
                    if let Err(trouble) = one(logger, tools, yard, manner, sheet) {
                        sheet.note(logger.name, trouble.to_string());
                    }
                }
            }
        }
    }
}

fn one(
    logger: &'static Logger,
    tools: &Tools,
    yard: &Yard,
    manner: &Manner,
    sheet: &mut Sheet,
) -> Outcome<()> {
    let count = manner.bytes / LINE as u64;
    let stage = Stage::prepare(yard, 1)?;
    let service = Service {
        name: "writer".into(),
        argv: vec![
            stage.site.probe("writer"),
            format!("{}:0", stage.board.path().display()),
            count.to_string(),
            manner.per_write.to_string(),
        ],
    };
    let plan = (logger.plan)(tools, &stage.site, &service)?;
    let mut stack = stage.launch(plan)?;
    let (wall, cpu) = pour(&stack)?;
    end_writer(&stack)?;
    stack.finish(Duration::from_secs(15))?;
    let account = lines::account(&files::below(&stack.site().logs)?, count)?;
    let gigabytes = manner.bytes as f64 / 1e9;
    let values = [
        wall as f64 / 1e9,
        cpu as f64 / 1e9 / gigabytes,
        account.torn as f64,
        account.lost as f64,
    ];
    for (figure, value) in manner.figures.into_iter().zip(values) {
        sheet.add(logger.name, figure, value);
    }
    if account.repeated > 0 {
        let repeated = account.repeated;
        sheet.note(logger.name, format!("{repeated} lines were stored twice"));
    }
    Ok(())
}

/// Lets the writer go and waits until all has arrived; wall and logger's CPU time in nanoseconds.
fn pour(stack: &Stack) -> Outcome<(u64, u64)> {
    let ready = stack.wait_for_all(0, Duration::from_secs(30))?;
    thread::sleep(Duration::from_millis(500));
    let before = stack.group().cpu()?;
    let writers = stack.processes_of(&ready)?;
    let writer = writers
        .first()
        .ok_or_else(|| Trouble::Unavailable("the writer has no process".into()))?;
    kill_process(*writer, Signal::USR1).map_err(std::io::Error::from)?;
    let (slot, grown) = wait_for_quiet(stack)?;
    let used = stack.group().cpu()? - before;
    Ok((
        grown.saturating_sub(slot.begun),
        used.saturating_sub(slot.cpu),
    ))
}

/// Until the writer is done and the files grow no more; returns its slot and when they last grew.
fn wait_for_quiet(stack: &Stack) -> Outcome<(Slot, u64)> {
    let deadline = after(PATIENCE);
    let (mut size, mut grown) = (0, now());
    loop {
        let seen = files::size(&files::below(&stack.site().logs)?);
        if seen != size {
            (size, grown) = (seen, now());
        }
        if let Some(slot) = stack.board().service(0)?
            && slot.ended > 0
            && now() > grown.max(slot.ended) + QUIET.as_nanos() as u64
        {
            return Ok((slot, grown.max(slot.ended)));
        }
        if stack
            .board()
            .service(0)?
            .is_some_and(|slot| slot.ended == 0)
            && stack.services_left()? == 0
        {
            return Err(Trouble::Unavailable(format!(
                "the writer was ended early{}",
                stack.said()
            )));
        }
        if now() > deadline {
            return Err(Trouble::Unavailable(format!(
                "not done after {} s, {size} bytes stored",
                PATIENCE.as_secs()
            )));
        }
        thread::sleep(LOOK);
    }
}

/// The writer sleeps when it is done; a logger behind a pipe ends when it does.
fn end_writer(stack: &Stack) -> Outcome<()> {
    let slots: Vec<Slot> = stack.board().services()?.into_iter().flatten().collect();
    for writer in stack.processes_of(&slots)? {
        kill_process(writer, Signal::TERM).map_err(std::io::Error::from)?;
    }
    Ok(())
}
