//! Sequential against parallel, by real runs: the same files in an engine of their own, started and stopped both ways.
//!
//! Times are the engine's own milestones, from the first service asked for to the last that arrived, so that the
//! client's share does not count. The engine lives in a directory that is removed afterwards, and on a lifeline.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use aplomb_protocol::{Answer, Ask, LoadFile, Milestones, Outcome, ServiceStatus, StopHow};
use serde::Serialize;

use crate::client::{Client, unexpected};
use crate::failure::Failure;
use crate::files;
use crate::host::endpoint::Endpoint;
use crate::host::{detach, directories};
use crate::ui::{Form, Ui};
use crate::watch;

/// Both ways, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Pair {
    pub(crate) sequential_ns: u64,
    pub(crate) parallel_ns: u64,
}

impl Pair {
    /// How many times longer the sequential way takes; `None` where the other takes no time at all.
    pub(crate) fn ratio(&self) -> Option<f64> {
        (self.parallel_ns > 0).then(|| self.sequential_ns as f64 / self.parallel_ns as f64)
    }
}

/// Medians of both ways.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Comparison {
    pub(crate) services: u64,
    pub(crate) runs: u32,
    pub(crate) start: Pair,
    pub(crate) stop: Pair,
}

/// How an engine goes about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Sequential,
    Parallel,
}

/// One start and one stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    services: u64,
    start: u64,
    stop: u64,
}

/// Runs both ways in turn, `runs` times each.
pub(crate) fn run(named: &[PathBuf], runs: u32, ui: &mut Ui) -> Result<Comparison, Failure> {
    let files = files::to_load(named)?;
    let (mut sequential, mut parallel) = (Vec::new(), Vec::new());
    for nth in 1..=runs {
        for (way, times, name) in [
            (Way::Sequential, &mut sequential, "sequential"),
            (Way::Parallel, &mut parallel, "parallel"),
        ] {
            if ui.form == Form::People {
                ui.region(vec![format!("run {nth} of {runs}, {name} …")]);
            }
            times.push(one(&files, way)?);
        }
    }
    ui.clear();
    let pair = |part: fn(&Run) -> u64| Pair {
        sequential_ns: median(&sequential, part),
        parallel_ns: median(&parallel, part),
    };
    Ok(Comparison {
        services: parallel.first().map_or(0, |run| run.services),
        runs,
        start: pair(|run| run.start),
        stop: pair(|run| run.stop),
    })
}

fn median(runs: &[Run], part: fn(&Run) -> u64) -> u64 {
    let mut times: Vec<u64> = runs.iter().map(part).collect();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or(0)
}

fn one(files: &[LoadFile], way: Way) -> Result<Run, Failure> {
    let place = Place::make()?;
    let endpoint = Endpoint::resolve(Some(&place.path.join("control.sock")));
    let started = detach::start_engine(&endpoint, &place.engine_args(way))?;
    let mut client = Client::of(started, &endpoint)?;
    client.ask(Ask::Lifeline)?;
    let times = start_and_stop(&mut client, files);
    // Also after a failure: the directory must not be taken away from under an engine at work.
    let ended = client.shut_down(StopHow::Plan);
    let times = times?;
    ended?;
    Ok(times)
}

fn start_and_stop(client: &mut Client, files: &[LoadFile]) -> Result<Run, Failure> {
    let Answer::Loaded { starting, .. } = client.ask(Ask::Load {
        files: files.to_vec(),
        lenient: false,
        start: true,
    })?
    else {
        return Err(unexpected("load"));
    };
    if starting.is_empty() {
        return Err(Failure::failed("nothing in these files starts by itself"));
    }
    let names = starting.clone();
    arrive(client, Ask::Start { names })?;
    let start = milestones(client, &starting)?;
    let names = starting.clone();
    let how = StopHow::Plan;
    arrive(client, Ask::Stop { names, how })?;
    let stop = milestones(client, &starting)?;
    Ok(Run {
        services: starting.len() as u64,
        start: span(&start, |at| at.asked, |at| at.ready),
        stop: span(&stop, |at| at.stop_asked, |at| at.stopped),
    })
}

fn arrive(client: &mut Client, ask: Ask) -> Result<(), Failure> {
    let Answer::Outcomes { outcomes } = client.ask(ask)? else {
        return Err(unexpected("what became of services"));
    };
    let missing: Vec<&Outcome> = outcomes.iter().filter(|one| !one.arrived).collect();
    match missing.first() {
        None => Ok(()),
        Some(one) => {
            watch::verdict(&outcomes).map(drop).map_err(|failure| {
                // The engine that could tell more is about to be gone.
                let failure = failure.because(&one.because);
                failure.action("start it with `aplomb up` to see more")
            })
        }
    }
}

fn milestones(client: &mut Client, names: &[String]) -> Result<Vec<Milestones>, Failure> {
    let names = names.to_vec();
    let detail = false;
    let Answer::Status { services } = client.ask(Ask::Status { names, detail })? else {
        return Err(unexpected("status"));
    };
    let of = |status: &ServiceStatus| status.milestones;
    Ok(services.iter().map(of).collect())
}

/// From the first `from` to the last `to`.
fn span(
    milestones: &[Milestones],
    from: fn(&Milestones) -> Option<u64>,
    to: fn(&Milestones) -> Option<u64>,
) -> u64 {
    let first = milestones.iter().filter_map(from).min().unwrap_or(0);
    let last = milestones.iter().filter_map(to).max().unwrap_or(first);
    last.saturating_sub(first)
}

/// A directory of our own, removed when dropped.
#[derive(Debug)]
struct Place {
    path: PathBuf,
}

impl Place {
    fn make() -> Result<Place, Failure> {
        let made = directories::make_private("aplomb-compare");
        let what = "cannot make a directory for the comparison";
        let path = made.map_err(|error| Failure::failed(what).because(error))?;
        Ok(Place { path })
    }

    fn engine_args(&self, way: Way) -> Vec<OsString> {
        let mut args: Vec<OsString> = vec![
            "--log-dir".into(),
            self.path.join("log").into(),
            "--state-dir".into(),
            self.path.join("state").into(),
        ];
        match way {
            Way::Sequential => args.push("--sequential".into()),
            Way::Parallel => {}
        }
        args
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}
