//! pm2, from npm: a daemon of Node that is started and stopped by its client. It appends logs without rotation.

use std::fs;
use std::io;

use super::{Limit, Logger, Peer, Plan, Service, Site, Stop, words};
use crate::obtain::Tools;

pub(super) const PM2: Peer = Peer {
    name: "pm2",
    obtain: |shop| shop.node("pm2"),
    stack: Some(|tools, site, services| stack(tools, site, services, true)),
    limit: Limit::Of(1000, "not tried: 1,000 take it seconds of CPU time"),
    loggers: &[Logger {
        name: "pm2, no rotation",
        plan: |tools, site, service| stack(tools, site, std::slice::from_ref(service), false),
    }],
};

fn stack(tools: &Tools, site: &Site, services: &[Service], restart: bool) -> io::Result<Plan> {
    let apps: Vec<String> = services
        .iter()
        .map(|service| {
            let name = &service.name;
            format!(
                "{{\"name\":\"{name}\",\"script\":\"{}\",\"args\":\"{}\",\"interpreter\":\"none\",\"autorestart\":{restart},\"max_restarts\":100000,\"min_uptime\":0,\"out_file\":\"{logs}/{name}.log\",\"error_file\":\"{logs}/{name}.err\",\"pid_file\":\"{}/{name}.pid\"}}",
                service.argv[0],
                service.argv[1..].join(" "),
                site.directory.display(),
                logs = site.logs.display()
            )
        })
        .collect();
    let text = format!("{{\"apps\":[\n{}\n]}}\n", apps.join(",\n"));
    fs::write(site.path("stack.json"), text)?;
    let mut environment = tools.environment.clone();
    environment.push(("PM2_HOME".into(), site.text("pm2")));
    Ok(Plan {
        argv: words([&tools.path("pm2"), "start", &site.text("stack.json")]),
        environment,
        stop: vec![Stop::Run(words([&tools.path("pm2"), "kill"]))],
        ..Plan::default()
    })
}
