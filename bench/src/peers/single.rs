//! Programs that run one other program: for N = 1 only.

use std::io;

use rustix::process::Signal;

use super::{Limit, Peer, Plan, Service, Site, Stop, words};
use crate::obtain::Tools;

const LIMIT: Limit = Limit::Of(1, "runs one program");

pub(super) const TINI: Peer = Peer {
    name: "tini",
    obtain: |shop| shop.debian("tini", "tini"),
    stack: Some(|tools, site, services| stack(&tools.path("tini"), tools, site, services)),
    limit: LIMIT,
    loggers: &[],
};

pub(super) const DUMB_INIT: Peer = Peer {
    name: "dumb-init",
    obtain: |shop| shop.debian("dumb-init", "dumb-init"),
    stack: Some(|tools, site, services| stack(&tools.path("dumb-init"), tools, site, services)),
    limit: LIMIT,
    loggers: &[],
};

fn stack(program: &str, tools: &Tools, _: &Site, services: &[Service]) -> io::Result<Plan> {
    let mut argv = words([program, "--"]);
    argv.extend(services[0].argv.iter().cloned());
    Ok(Plan {
        argv,
        environment: tools.environment.clone(),
        stop: vec![Stop::Signal(Signal::TERM)],
        ..Plan::default()
    })
}
