//! runit: one runsv per service below runsvdir; svlogd per service where logs are wanted.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::process::Signal;

use super::{Limit, Logger, Peer, Plan, Service, Site, Stop, piped, text, words};
use crate::files;
use crate::obtain::{Shop, Tools};
use crate::trouble::Outcome;

const LIMIT: Limit = Limit::Of(
    1000,
    "runsvdir starts 1,000 services at most, a constant of its source",
);

pub(super) const RUNIT: Peer = Peer {
    name: "runit",
    obtain,
    stack: Some(|tools, site, services| stack(tools, site, services, Logged::No)),
    limit: LIMIT,
    loggers: &[
        Logger {
            name: "svlogd",
            plan: |tools, site, service| logger(tools, site, service, ""),
        },
        Logger {
            name: "svlogd, timestamps",
            plan: |tools, site, service| logger(tools, site, service, "-tt "),
        },
    ],
};

pub(super) const RUNIT_LOGGED: Peer = Peer {
    name: "runit + svlogd",
    obtain,
    stack: Some(|tools, site, services| stack(tools, site, services, Logged::Yes)),
    limit: LIMIT,
    loggers: &[],
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Logged {
    No,
    Yes,
}

fn obtain(shop: &Shop) -> Outcome<Tools> {
    shop.debian("runit", "runsvdir")
}

fn stack(tools: &Tools, site: &Site, services: &[Service], logged: Logged) -> io::Result<Plan> {
    fs::create_dir_all(site.path("services"))?;
    for service in services {
        let directory = site.path("services").join(&service.name);
        files::script(&directory.join("run"), &service.shebang())?;
        if logged == Logged::Yes {
            let logs = site.logs.join(&service.name);
            fs::create_dir_all(&logs)?;
            let run = format!("#!{} {}\n", tools.path("svlogd"), logs.display());
            files::script(&directory.join("log/run"), &run)?;
        }
    }
    age(&site.path("services"))?;
    Ok(Plan {
        argv: words([&tools.path("runsvdir"), "-P", &site.text("services")]),
        environment: tools.environment.clone(),
        stop: vec![Stop::Signal(Signal::HUP)],
        ..Plan::default()
    })
}

/// runsvdir waits a second if its directory has changed in the present one: make it look older.
fn age(directory: &Path) -> io::Result<()> {
    File::open(directory)?.set_modified(SystemTime::now() - Duration::from_secs(10))
}

fn logger(tools: &Tools, site: &Site, service: &Service, stamp: &str) -> io::Result<Plan> {
    fs::write(site.logs.join("config"), "s16777216\nn200\n")?;
    let logger = format!("{} {stamp}{}", tools.path("svlogd"), text(&site.logs));
    Ok(Plan {
        environment: tools.environment.clone(),
        ..piped(service, &logger)
    })
}
