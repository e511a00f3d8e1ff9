//! Which descriptors a program finds, and where.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use aplomb_core::spec::Stdin;
use rustix::fs::{MemfdFlags, Mode, OFlags, memfd_create};

use super::{Surroundings, setup};
use crate::linux::sys;
use crate::linux::sys::script::{Fd, Script, Stage};
use crate::{Launch, Output, SpawnError, Step};

/// Which descriptor of ours goes where.
#[derive(Debug)]
pub(super) struct Plan {
    places: Vec<Place>,
    /// Made for this launch, and needed until the exec.
    made: Made,
    /// Above all places.
    floor: RawFd,
    /// Above all descriptors of ours that the child uses.
    above: RawFd,
}

type Made = Vec<OwnedFd>;

#[derive(Debug)]
struct Place {
    step: Step,
    from: RawFd,
    to: RawFd,
}

impl Plan {
    /// Sources that lie where something else is to lie are lifted out of the way, those that lie high among the many
    /// long-lived ones are brought down from there.
    pub(super) fn new(launch: &Launch<'_>, around: &Surroundings<'_>) -> Result<Plan, SpawnError> {
        let mut made = Vec::new();
        let mut places = places(launch, around, &mut made)?;
        let floor = places.iter().map(|place| place.to + 1).max().unwrap_or(3);
        let mut moved: Vec<(RawFd, RawFd)> = Vec::new();
        for place in &mut places {
            let (from, step) = (place.from, place.step);
            let stays = from == place.to && from <= 2 || (floor..sys::PARKED_FROM).contains(&from);
            if stays {
                continue;
            }
            place.from = match moved.iter().find(|(before, _)| *before == from) {
                Some((_, after)) => *after,
                None => lift(from, floor, &mut made).map_err(|source| failed(step, source))?,
            };
            moved.push((from, place.from));
        }
        let others = around.doors.iter().map(AsRawFd::as_raw_fd);
        let others = others.chain(around.network.iter().map(AsRawFd::as_raw_fd));
        let others = others.chain(around.terminal.iter().map(AsRawFd::as_raw_fd));
        let used = others.chain(places.iter().map(|place| place.from)).max();
        Ok(Plan {
            places,
            made,
            floor,
            above: used.map_or(floor, |used| floor.max(used + 1)),
        })
    }

    /// The child's first call, where it shares our descriptors: none of the many we have, only the low ones it uses.
    pub(super) fn part(&self, script: &mut Script) {
        script.stage(Stage::Setup(Step::Sockets));
        script.own_descriptors(self.above);
    }

    /// Puts every descriptor in its place. Returns what has to live until the exec.
    pub(super) fn place(self, script: &mut Script, around: &Surroundings<'_>) -> Made {
        for Place { step, from, to } in self.places {
            script.stage(Stage::Setup(step));
            if from != to {
                script.place(Fd::Known(from), to);
            }
        }
        close_gaps(script, around, self.floor);
        script.close_on_exec_from(self.floor);
        self.made
    }
}

/// Want of descriptors, or what is wrong with this one.
fn failed(step: Step, source: io::Error) -> SpawnError {
    crate::linux::no_room_or(step)(source)
}

fn places(
    launch: &Launch<'_>,
    around: &Surroundings<'_>,
    made: &mut Made,
) -> Result<Vec<Place>, SpawnError> {
    let null = around.null.as_raw_fd();
    let stdin = match &launch.process.stdin {
        Stdin::Null => null,
        Stdin::Inherit => 0,
        Stdin::File(path) => keep(open(path), made)?,
        Stdin::Text(text) => keep(hold(text), made)?,
    };
    let stdout = output(launch.stdout, around, (null, 1, 1))?;
    let stderr = output(launch.stderr, around, (null, stdout, 2))?;
    let row = |step, from, to| Place { step, from, to };
    let mut places = vec![
        row(Step::Stdin, stdin, 0),
        row(Step::Stdout, stdout, 1),
        row(Step::Stdout, stderr, 2),
    ];
    for (socket, to) in around.sockets.iter().zip(3..) {
        places.push(row(Step::Sockets, socket.as_raw_fd(), to));
    }
    if let Some((fd, to)) = around.ready {
        places.push(row(Step::Sockets, fd.as_raw_fd(), to));
    }
    Ok(places)
}

fn output(
    output: Output,
    around: &Surroundings<'_>,
    (null, stdout, own): (RawFd, RawFd, RawFd),
) -> Result<RawFd, SpawnError> {
    let missing = || setup(Step::Stdout, io::ErrorKind::NotFound.into());
    match output {
        Output::Null => Ok(null),
        Output::Inherit => Ok(own),
        Output::SameAsStdout => Ok(stdout),
        Output::Pump(stream) => around
            .writers
            .get(&stream)
            .map(AsRawFd::as_raw_fd)
            .ok_or_else(missing),
    }
}

/// Between the sockets and a ready descriptor far behind them nothing of ours may stay open.
fn close_gaps(script: &mut Script, around: &Surroundings<'_>, floor: RawFd) {
    let after_sockets = 3 + around.sockets.len() as RawFd;
    if around.ready.is_some() && after_sockets < floor - 1 {
        script.close_on_exec(after_sockets, floor - 2);
    }
}

fn keep(fd: io::Result<OwnedFd>, made: &mut Made) -> Result<RawFd, SpawnError> {
    let fd = fd.map_err(|source| failed(Step::Stdin, source))?;
    let number = fd.as_raw_fd();
    made.push(fd);
    Ok(number)
}

fn open(path: &str) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NOCTTY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}

/// A text as a file nobody else has.
fn hold(text: &[u8]) -> io::Result<OwnedFd> {
    let mut file = File::from(memfd_create("standard input", MemfdFlags::CLOEXEC)?);
    file.write_all(text)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(file.into())
}

fn lift(from: RawFd, floor: RawFd, made: &mut Made) -> io::Result<RawFd> {
    let copy = sys::duplicate_from(from, floor)?;
    let number = copy.as_raw_fd();
    made.push(copy);
    Ok(number)
}
