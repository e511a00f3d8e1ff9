//! Aplomb itself: an engine in the foreground with one file of units, and `aplomb run` for one program.

use std::fmt::Write as _;
use std::fs;
use std::io;

use rustix::process::Signal;

use super::{Limit, Logger, Peer, Plan, Service, Site, Stop, words};
use crate::obtain::Tools;

pub(super) const APLOMB: Peer = Peer {
    name: "aplomb",
    obtain: |shop| shop.aplomb(),
    stack: Some(|tools, site, services| engine(tools, site, &units(services))),
    limit: Limit::None,
    loggers: &[
        Logger {
            name: "aplomb",
            plan: |tools, site, service| engine(tools, site, &writer(service, "none")),
        },
        Logger {
            name: "aplomb, timestamps",
            plan: |tools, site, service| engine(tools, site, &writer(service, "utc")),
        },
    ],
};

pub(super) const RUN: Peer = Peer {
    name: "aplomb run",
    obtain: |shop| shop.aplomb(),
    stack: Some(run),
    limit: Limit::Of(1, "runs one program"),
    loggers: &[],
};

/// As TOML, restarted at once and without end.
pub(crate) fn units(services: &[Service]) -> String {
    let mut text = String::new();
    for service in services {
        let _ = write!(
            text,
            "[service.{}]\ncommand = {:?}\nrestart = {{ when = \"always\", delay = \"0s\", factor = 1, limit = \"none\" }}\n\n",
            service.name, service.argv
        );
    }
    text
}

fn writer(service: &Service, timestamps: &str) -> String {
    format!(
        "[service.{}]\ncommand = {:?}\nrestart = \"never\"\nlog = {{ rotate = {{ size = \"16MiB\" }}, keep = 200, keep-bytes = \"100GiB\", timestamps = \"{timestamps}\" }}\n",
        service.name, service.argv
    )
}

fn engine(tools: &Tools, site: &Site, units: &str) -> io::Result<Plan> {
    fs::write(site.path("stack.toml"), units)?;
    let (program, socket) = (tools.path("aplomb"), site.text("aplomb.socket"));
    Ok(Plan {
        argv: words([
            &program,
            "engine",
            "--socket",
            &socket,
            "--log-dir",
            &site.text("logs"),
            "--state-dir",
            &site.text("state"),
            "--load",
            &site.text("stack.toml"),
        ]),
        environment: tools.environment.clone(),
        stop: vec![Stop::Run(words([&program, "--socket", &socket, "down"]))],
        ..Plan::default()
    })
}

fn run(tools: &Tools, _: &Site, services: &[Service]) -> io::Result<Plan> {
    let mut argv = words([&tools.path("aplomb"), "run", "--"]);
    argv.extend(services[0].argv.iter().cloned());
    Ok(Plan {
        argv,
        environment: tools.environment.clone(),
        stop: vec![Stop::Signal(Signal::TERM)],
        ..Plan::default()
    })
}
