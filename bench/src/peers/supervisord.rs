//! supervisord, from PyPI: one Python process that polls and pumps all output itself.

use std::fmt::Write as _;
use std::fs;
use std::io;

use rustix::process::Signal;

use super::{Limit, Logger, Peer, Plan, Service, Site, Stop, words};
use crate::obtain::Tools;

pub(super) const SUPERVISORD: Peer = Peer {
    name: "supervisord",
    obtain: |shop| shop.python("supervisor", "supervisord"),
    stack: Some(|tools, site, services| stack(tools, site, services, "true")),
    limit: Limit::Of(
        1000,
        "starting 1,000 takes it tens of CPU seconds already, every turn of its loop visits every service",
    ),
    loggers: &[Logger {
        name: "supervisord",
        plan: |tools, site, service| stack(tools, site, std::slice::from_ref(service), "false"),
    }],
};

fn stack(tools: &Tools, site: &Site, services: &[Service], restart: &str) -> io::Result<Plan> {
    let files = services.len() * 6 + 1000;
    let mut text = format!(
        "[supervisord]\nnodaemon=true\nuser=root\nlogfile={0}/supervisord.log\npidfile={0}/supervisord.pid\nminfds={files}\n",
        site.directory.display()
    );
    for service in services {
        let name = &service.name;
        let _ = write!(
            text,
            "[program:{name}]\ncommand={}\nautorestart={restart}\nstartsecs=0\nredirect_stderr=true\nstdout_logfile={}/{name}.log\nstdout_logfile_maxbytes=16MB\nstdout_logfile_backups=200\n",
            service.line(),
            site.logs.display()
        );
    }
    fs::write(site.path("supervisord.conf"), text)?;
    Ok(Plan {
        argv: words([
            &tools.path("supervisord"),
            "-c",
            &site.text("supervisord.conf"),
        ]),
        environment: tools.environment.clone(),
        stop: vec![Stop::Signal(Signal::TERM)],
        ..Plan::default()
    })
}
