//! The physical limit: `probe/raw.c` and `probe/rawlog.c`, and `cat` for comparison.

use std::io;

use rustix::process::Signal;

use super::{Limit, Logger, Peer, Plan, Service, Site, Stop, piped, text, words};
use crate::obtain::{Shop, Tools};
use crate::trouble::Outcome;

/// The children with the least parent possible: what they take by themselves. Memory is compared with it.
pub(super) const BARE: Peer = Peer {
    name: crate::figures::CHILDREN_ALONE,
    obtain,
    stack: Some(|_, site, services| loop_of("bare", site, services)),
    limit: Limit::None,
    loggers: &[],
};

pub(super) const FORK: Peer = Peer {
    name: "raw fork",
    obtain,
    stack: Some(|_, site, services| loop_of("fork", site, services)),
    limit: Limit::None,
    loggers: &[
        Logger {
            name: "raw copy",
            plan: |_, site, service| Ok(copy("copy", site, service)),
        },
        Logger {
            name: "raw copy, 1 MiB pipe",
            plan: |_, site, service| Ok(copy("bigpipe", site, service)),
        },
        Logger {
            name: "raw splice",
            plan: |_, site, service| Ok(copy("splice", site, service)),
        },
        Logger {
            name: "cat, no rotation",
            plan: |_, site, service| {
                let file = site.logs.join("current");
                Ok(piped(service, &format!("cat > {}", file.display())))
            },
        },
    ],
};

pub(super) const VFORK: Peer = Peer {
    name: "raw vfork",
    obtain,
    stack: Some(|_, site, services| loop_of("vfork", site, services)),
    limit: Limit::None,
    loggers: &[],
};

pub(super) const CLONE3: Peer = Peer {
    name: "raw clone3",
    obtain,
    stack: Some(|_, site, services| loop_of("clone3", site, services)),
    limit: Limit::None,
    loggers: &[],
};

/// As `clone3`, without a copy of the parent's table of open files for every child.
pub(super) const LEAN: Peer = Peer {
    name: "raw clone3, files shared",
    obtain,
    stack: Some(|_, site, services| loop_of("lean", site, services)),
    limit: Limit::None,
    loggers: &[],
};

fn obtain(_: &Shop) -> Outcome<Tools> {
    Ok(Tools {
        version: "own, probe/*.c".into(),
        ..Tools::default()
    })
}

fn loop_of(mode: &str, site: &Site, services: &[Service]) -> io::Result<Plan> {
    let count = services.len().to_string();
    Ok(Plan {
        argv: words([
            &site.probe("raw"),
            mode,
            &text(&site.board),
            &site.probe("child"),
            &count,
        ]),
        stop: vec![Stop::Signal(Signal::TERM)],
        ..Plan::default()
    })
}

fn copy(mode: &str, site: &Site, service: &Service) -> Plan {
    let mut argv = words([&site.probe("rawlog"), mode, &text(&site.logs)]);
    argv.extend(service.argv.iter().cloned());
    Plan {
        argv,
        ..Plan::default()
    }
}
