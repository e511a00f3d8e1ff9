//! Which descriptors a program finds, and where.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use aplomb_core::spec::Stdin;
use rustix::fs::{MemfdFlags, Mode, OFlags, memfd_create};

use super::low::Loan;
use super::{Surroundings, setup};
use crate::linux::sys::script::{Fd, Script, Stage};
use crate::{Launch, Output, SpawnError, Step};

/// Which descriptor of ours goes where. It has to live until the exec.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    places: Vec<Place>,
    /// Files through which the child joins further groups.
    pub(super) doors: Vec<RawFd>,
    /// The network it is to join.
    pub(super) network: Option<RawFd>,
    #[expect(dead_code, reason = "the places point at what was opened for them")]
    opened: Vec<OwnedFd>,
    #[expect(dead_code, reason = "what was brought is there as long as the loan")]
    loan: Loan<'a>,
    /// Above all places.
    floor: RawFd,
    /// Above all descriptors of ours that the child uses.
    above: RawFd,
}

#[derive(Debug)]
struct Place {
    step: Step,
    from: RawFd,
    to: RawFd,
}

impl<'a> Plan<'a> {
    /// Sources that lie where something else is to lie are brought out of the way, and those that lie high are brought
    /// down, if the child would otherwise need a table as large as that.
    pub(super) fn new(
        launch: &Launch<'_>,
        around: &Surroundings<'a>,
    ) -> Result<Plan<'a>, SpawnError> {
        let mut opened = Vec::new();
        let mut places = places(launch, around, &mut opened)?;
        let floor = places.iter().map(|place| place.to + 1).max().unwrap_or(3);
        let end = if around.shared_descriptors {
            around.low.end()
        } else {
            RawFd::MAX
        };
        let mut loan = around.low.lend(floor..end);
        let mut bring = |from, step| loan.bring(from).map_err(|source| failed(step, source));
        for place in &mut places {
            let stays = place.from == place.to && place.from <= 2;
            if !stays {
                place.from = bring(place.from, place.step)?;
            }
        }
        let mut doors = Vec::with_capacity(around.doors.len());
        for door in around.doors {
            doors.push(bring(door.as_raw_fd(), Step::ControlGroup)?);
        }
        let network = around
            .network
            .map(|fd| bring(fd.as_raw_fd(), Step::Sandbox));
        let network = network.transpose()?;
        let used = places.iter().map(|place| place.from);
        let used = used.chain(doors.iter().copied()).chain(network);
        let used = used.chain(around.terminal.iter().map(AsRawFd::as_raw_fd));
        Ok(Plan {
            above: used.fold(floor, |above, fd| above.max(fd + 1)),
            places,
            doors,
            network,
            opened,
            loan,
            floor,
        })
    }

    /// The child's first call, where it shares our descriptors: none of the many we have, only the low ones it uses.
    pub(super) fn part(&self, script: &mut Script) {
        script.stage(Stage::Descriptors);
        script.own_descriptors(self.above);
    }

    /// Puts every descriptor in its place.
    pub(super) fn place(&self, script: &mut Script, around: &Surroundings<'_>) {
        for Place { step, from, to } in &self.places {
            script.stage(Stage::Setup(*step));
            if from != to {
                script.place(Fd::Known(*from), *to);
            }
        }
        close_gaps(script, around, self.floor);
        script.close_on_exec_from(self.floor);
    }
}

/// Want of descriptors, or what is wrong with this one.
fn failed(step: Step, source: io::Error) -> SpawnError {
    crate::linux::begin::no_room_or(step)(source)
}

fn places(
    launch: &Launch<'_>,
    around: &Surroundings<'_>,
    opened: &mut Vec<OwnedFd>,
) -> Result<Vec<Place>, SpawnError> {
    let null = around.low.null();
    let stdin = match &launch.process.stdin {
        Stdin::Null => null,
        Stdin::Inherit => 0,
        Stdin::File(path) => keep(open(path), opened)?,
        Stdin::Text(text) => keep(hold(text), opened)?,
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

fn keep(fd: io::Result<OwnedFd>, opened: &mut Vec<OwnedFd>) -> Result<RawFd, SpawnError> {
    let fd = fd.map_err(|source| failed(Step::Stdin, source))?;
    let number = fd.as_raw_fd();
    opened.push(fd);
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
