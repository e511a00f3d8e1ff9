//! dinit: one process, one description file per service. It has no pump: output goes straight to a file.
//!
//! Debian does not have it, so it is measured where somebody has installed it.

use std::fs;
use std::io;

use rustix::process::Signal;

use super::{Limit, Peer, Plan, Service, Site, Stop, words};
use crate::obtain::Tools;

pub(super) const DINIT: Peer = Peer {
    name: "dinit",
    obtain: |shop| shop.path("dinit", "not in Debian; measured where `dinit` is on PATH"),
    stack: Some(stack),
    limit: Limit::None,
    loggers: &[],
};

fn stack(tools: &Tools, site: &Site, services: &[Service]) -> io::Result<Plan> {
    let directory = site.path("dinit.d");
    fs::create_dir_all(&directory)?;
    let mut boot = String::from("type = internal\n");
    for service in services {
        let description = format!(
            "type = process\ncommand = {}\nlogfile = {}/{}\nrestart = true\nrestart-delay = 0\nrestart-limit-count = 0\nsmooth-recovery = true\n",
            service.line(),
            site.logs.display(),
            service.name
        );
        fs::write(directory.join(&service.name), description)?;
        boot += &format!("waits-for: {}\n", service.name);
    }
    fs::write(directory.join("boot"), boot)?;
    Ok(Plan {
        argv: words([
            &tools.path("dinit"),
            "--user",
            "--quiet",
            "--socket-path",
            &site.text("dinit.socket"),
            "--services-dir",
            &site.text("dinit.d"),
        ]),
        environment: tools.environment.clone(),
        stop: vec![Stop::Signal(Signal::TERM)],
        ..Plan::default()
    })
}
