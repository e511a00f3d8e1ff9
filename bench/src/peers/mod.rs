//! Whom Aplomb is compared with: one row per competitor, one file per family.
//!
//! A row says how to get the programs, how to write a stack of services for them, and how to log through
//! them. Every one is set up as favourably as its own settings allow: no shell in between, no start delay,
//! no back-off, no start limit. Programs are fetched when measuring; none is part of this repository.

mod aplomb;
mod circus;
mod daemontools;
mod dinit;
mod horust;
mod pm2;
mod raw;
mod runit;
mod s6;
mod single;
mod supervisord;
mod systemd;

use std::io;
use std::path::{Path, PathBuf};

use rustix::process::Signal;

use crate::obtain::{Shop, Tools};
use crate::trouble::Outcome;

/// A competitor.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) obtain: fn(&Shop) -> Outcome<Tools>,
    /// Writes what it needs to run the services and says how to start and stop it.
    pub(crate) stack: Option<Stack>,
    pub(crate) limit: Limit,
    pub(crate) loggers: &'static [Logger],
}

pub(crate) type Stack = fn(&Tools, &Site, &[Service]) -> io::Result<Plan>;

/// How many services it can hold.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Limit {
    None,
    /// At most this many, for a reason of its own.
    Of(usize, &'static str),
}

/// A way of logging through the competitor.
#[derive(Debug)]
pub(crate) struct Logger {
    pub(crate) name: &'static str,
    /// `service` is the one that writes; its files go to the site's `logs`.
    pub(crate) plan: fn(&Tools, &Site, &Service) -> io::Result<Plan>,
}

/// What is to be supervised.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    pub(crate) name: String,
    /// Program and arguments; no word needs quoting anywhere.
    pub(crate) argv: Vec<String>,
}

impl Service {
    pub(crate) fn line(&self) -> String {
        self.argv.join(" ")
    }

    /// As the first line of a script: the interpreter and its one argument.
    pub(crate) fn shebang(&self) -> String {
        format!("#!{}\n", self.line())
    }
}

/// How a stack is started and stopped.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plan {
    pub(crate) argv: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) stop: Vec<Stop>,
    pub(crate) pids: Pids,
}

/// Which process numbers the services see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Pids {
    #[default]
    Shared,
    /// Those of a process namespace of their own: not ours to signal by.
    Private,
}

/// One step of a stop.
#[derive(Debug, Clone)]
pub(crate) enum Stop {
    /// To the process that was launched.
    Signal(Signal),
    /// Run to its end, with the plan's environment.
    Run(Vec<String>),
}

/// Where one stack lives: a directory of its own on tmpfs.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) directory: PathBuf,
    pub(crate) logs: PathBuf,
    /// Our own programs.
    pub(crate) probes: PathBuf,
    pub(crate) board: PathBuf,
}

impl Site {
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        text(&self.path(name))
    }

    pub(crate) fn probe(&self, name: &str) -> String {
        text(&self.probes.join(name))
    }
}

pub(crate) use aplomb::units as aplomb_units;

/// Every competitor, in the order of the tables.
pub(crate) const PEERS: &[Peer] = &[
    raw::BARE,
    raw::FORK,
    raw::VFORK,
    raw::CLONE3,
    raw::LEAN,
    aplomb::APLOMB,
    aplomb::RUN,
    s6::S6,
    s6::S6_LOGGED,
    runit::RUNIT,
    runit::RUNIT_LOGGED,
    daemontools::DAEMONTOOLS,
    dinit::DINIT,
    systemd::SYSTEMD,
    supervisord::SUPERVISORD,
    circus::CIRCUS,
    pm2::PM2,
    horust::HORUST,
    single::TINI,
    single::DUMB_INIT,
];

/// The loops that stand for the physical limit.
pub(crate) fn is_raw(name: &str) -> bool {
    name.starts_with("raw ")
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

/// `WRITER | LOGGER`: how a logger that reads its standard input is fed. It ends when the writer does.
fn piped(service: &Service, logger: &str) -> Plan {
    Plan {
        argv: words(["/bin/sh", "-c", &format!("{} | {logger}", service.line())]),
        ..Plan::default()
    }
}
