//! circus, from PyPI: one Python process that checks its watchers once a second.

use std::fmt::Write as _;
use std::fs;
use std::io;

use rustix::process::Signal;

use super::{Limit, Logger, Peer, Plan, Service, Site, Stop, words};
use crate::obtain::Tools;

pub(super) const CIRCUS: Peer = Peer {
    name: "circus",
    obtain: |shop| shop.python("circus", "circusd"),
    stack: Some(|tools, site, services| stack(tools, site, services, "True")),
    limit: Limit::Of(1000, "not tried: 1,000 take it seconds of CPU time"),
    loggers: &[Logger {
        name: "circus",
        plan: |tools, site, service| stack(tools, site, std::slice::from_ref(service), "False"),
    }],
};

fn stack(tools: &Tools, site: &Site, services: &[Service], restart: &str) -> io::Result<Plan> {
    let socket = |name| format!("ipc://{}/{name}.socket", site.directory.display());
    let mut text = format!(
        "[circus]\nendpoint = {}\npubsub_endpoint = {}\nstatsd = False\nwarmup_delay = 0\ncheck_delay = 1\n",
        socket("endpoint"),
        socket("events")
    );
    for service in services {
        let name = &service.name;
        let (program, arguments) = (&service.argv[0], service.argv[1..].join(" "));
        let _ = write!(
            text,
            "[watcher:{name}]\ncmd = {program}\nargs = {arguments}\nrespawn = {restart}\nmax_retry = -1\nwarmup_delay = 0\nstdout_stream.class = FileStream\nstdout_stream.filename = {}/{name}.log\nstdout_stream.max_bytes = 16777216\nstdout_stream.backup_count = 200\n",
            site.logs.display()
        );
    }
    fs::write(site.path("circus.ini"), text)?;
    Ok(Plan {
        argv: words([&tools.path("circusd"), &site.text("circus.ini")]),
        environment: tools.environment.clone(),
        stop: vec![Stop::Signal(Signal::TERM)],
        ..Plan::default()
    })
}
