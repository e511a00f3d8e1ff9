//! s6: one s6-supervise per service below s6-svscan; s6-log per service where logs are wanted.

use std::fs;
use std::io;

use rustix::process::Signal;

use super::{Limit, Logger, Peer, Plan, Service, Site, Stop, piped, text, words};
use crate::files;
use crate::obtain::{Shop, Tools};
use crate::trouble::Outcome;

pub(super) const S6: Peer = Peer {
    name: "s6",
    obtain,
    stack: Some(|tools, site, services| stack(tools, site, services, Logged::No)),
    limit: Limit::None,
    loggers: &[
        Logger {
            name: "s6-log",
            plan: |tools, site, service| Ok(logger(tools, site, service, "")),
        },
        Logger {
            name: "s6-log, timestamps",
            plan: |tools, site, service| Ok(logger(tools, site, service, "t ")),
        },
    ],
};

pub(super) const S6_LOGGED: Peer = Peer {
    name: "s6 + s6-log",
    obtain,
    stack: Some(|tools, site, services| stack(tools, site, services, Logged::Yes)),
    limit: Limit::None,
    loggers: &[],
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Logged {
    No,
    Yes,
}

fn obtain(shop: &Shop) -> Outcome<Tools> {
    shop.installed("s6", "s6-svscan")
}

fn stack(tools: &Tools, site: &Site, services: &[Service], logged: Logged) -> io::Result<Plan> {
    for service in services {
        let directory = site.path("scan").join(&service.name);
        files::script(&directory.join("run"), &service.shebang())?;
        if logged == Logged::Yes {
            let logs = site.logs.join(&service.name);
            // A shell here, because s6-supervise passes the service's name and s6-log minds.
            let run = format!(
                "#!/bin/sh\nexec {} {}\n",
                tools.path("s6-log"),
                logs.display()
            );
            files::script(&directory.join("log/run"), &run)?;
        }
    }
    fs::create_dir_all(site.path("scan"))?;
    let most = (services.len() * 2 + 100).to_string();
    Ok(Plan {
        argv: words([&tools.path("s6-svscan"), "-c", &most, &site.text("scan")]),
        environment: tools.environment.clone(),
        stop: vec![Stop::Signal(Signal::TERM)],
        ..Plan::default()
    })
}

fn logger(tools: &Tools, site: &Site, service: &Service, stamp: &str) -> Plan {
    let logger = format!(
        "{} {stamp}n200 s16777216 {}",
        tools.path("s6-log"),
        text(&site.logs)
    );
    Plan {
        environment: tools.environment.clone(),
        ..piped(service, &logger)
    }
}
