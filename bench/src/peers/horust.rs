//! horust, from crates.io: threads and polling; output is copied to a file and rotated by size.

use std::fs;
use std::io;

use rustix::process::Signal;

use super::{Limit, Logger, Peer, Plan, Service, Site, Stop, words};
use crate::obtain::Tools;

pub(super) const HORUST: Peer = Peer {
    name: "horust",
    obtain: |shop| shop.cargo("horust"),
    stack: Some(|tools, site, services| stack(tools, site, services, "always")),
    limit: Limit::Of(1000, "not tried: 1,000 take it more than ten CPU seconds"),
    loggers: &[Logger {
        name: "horust",
        plan: |tools, site, service| stack(tools, site, std::slice::from_ref(service), "never"),
    }],
};

fn stack(tools: &Tools, site: &Site, services: &[Service], restart: &str) -> io::Result<Plan> {
    let directory = site.path("horust.d");
    fs::create_dir_all(&directory)?;
    for service in services {
        let name = &service.name;
        let text = format!(
            "command = \"{}\"\nstdout = \"{logs}/{name}.log\"\nstderr = \"{logs}/{name}.err\"\nstdout-rotate-size = \"16MB\"\nstart-delay = \"0s\"\n[restart]\nstrategy = \"{restart}\"\nbackoff = \"0s\"\nattempts = 1000\n[termination]\nsignal = \"TERM\"\nwait = \"5s\"\n",
            service.line(),
            logs = site.logs.display()
        );
        fs::write(directory.join(format!("{name}.toml")), text)?;
    }
    let mut environment = tools.environment.clone();
    environment.push(("HORUST_LOG".into(), "error".into()));
    Ok(Plan {
        argv: words([
            &tools.path("horust"),
            "--services-path",
            &site.text("horust.d"),
            "--uds-folder-path",
            &site.text(""),
        ]),
        environment,
        stop: vec![Stop::Signal(Signal::TERM)],
        ..Plan::default()
    })
}
