//! daemontools: one supervise per service below svscan, which is ended first, then every service.

use std::fs;
use std::io;

use rustix::process::Signal;

use super::{Limit, Logger, Peer, Plan, Service, Site, Stop, piped, text, words};
use crate::files;
use crate::obtain::Tools;

pub(super) const DAEMONTOOLS: Peer = Peer {
    name: "daemontools",
    obtain: |shop| shop.debian("daemontools", "svscan"),
    stack: Some(stack),
    limit: Limit::Of(
        1000,
        "svscan starts 1,000 services at most, a constant of its source",
    ),
    loggers: &[
        Logger {
            name: "multilog",
            plan: |tools, site, service| Ok(logger(tools, site, service, "")),
        },
        Logger {
            name: "multilog, timestamps",
            plan: |tools, site, service| Ok(logger(tools, site, service, "t ")),
        },
    ],
};

fn stack(tools: &Tools, site: &Site, services: &[Service]) -> io::Result<Plan> {
    fs::create_dir_all(site.path("services"))?;
    let mut down = words([&tools.path("svc"), "-dx"]);
    for service in services {
        let directory = site.path("services").join(&service.name);
        files::script(&directory.join("run"), &service.shebang())?;
        down.push(text(&directory));
    }
    Ok(Plan {
        argv: words([&tools.path("svscan"), &site.text("services")]),
        environment: tools.environment.clone(),
        stop: vec![Stop::Signal(Signal::TERM), Stop::Run(down)],
        ..Plan::default()
    })
}

/// 16,777,215 is the largest size multilog takes.
fn logger(tools: &Tools, site: &Site, service: &Service, stamp: &str) -> Plan {
    let logger = format!(
        "{} {stamp}n200 s16777215 {}",
        tools.path("multilog"),
        text(&site.logs)
    );
    Plan {
        environment: tools.environment.clone(),
        ..piped(service, &logger)
    }
}
