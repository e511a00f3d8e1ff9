//! systemd as PID 1 of namespaces of its own: a private process table, mounts and control group tree.
//!
//! It is stopped by the signal that halts a container. The kernel's settings are read-only for it: as a
//! PID 1 it would raise some for the whole machine.

use std::fs;
use std::io;

use super::{Limit, Peer, Pids, Plan, Service, Site, Stop, words};
use crate::files;
use crate::obtain::Tools;

pub(super) const SYSTEMD: Peer = Peer {
    name: "systemd",
    obtain: |shop| shop.systemd(),
    stack: Some(stack),
    limit: Limit::None,
    loggers: &[],
};

/// Beside the services: what to start, and what the halt signal pulls in.
const TARGETS: &[(&str, &str)] = &[
    ("shutdown.target", "[Unit]\nDefaultDependencies=no\n"),
    (
        "halt.target",
        "[Unit]\nDefaultDependencies=no\nRequires=shutdown.target\nAfter=shutdown.target\n",
    ),
];

/// SIGRTMIN+3 asks it to halt; as a number, because no shell's `kill` knows the name everywhere.
const HALT: &str = "kill -37 $(cat /proc/{pid}/task/{pid}/children)";

fn stack(_: &Tools, site: &Site, services: &[Service]) -> io::Result<Plan> {
    let units = site.path("units");
    fs::create_dir_all(&units)?;
    let mut target = String::from("[Unit]\nDefaultDependencies=no\nAllowIsolate=yes\n");
    for service in services {
        let unit = format!(
            "[Unit]\nDefaultDependencies=no\nConflicts=shutdown.target\nBefore=shutdown.target\nStartLimitIntervalSec=0\n[Service]\nExecStart={}\nRestart=always\nRestartSec=0\nStandardOutput=append:{}/{}.log\n",
            service.line(),
            site.logs.display(),
            service.name
        );
        fs::write(units.join(format!("{}.service", service.name)), unit)?;
        target += &format!("Wants={}.service\n", service.name);
    }
    fs::write(units.join("bench.target"), target)?;
    for (name, text) in TARGETS {
        fs::write(units.join(name), text)?;
    }
    let script = format!(
        "mount -t cgroup2 cgroup2 /sys/fs/cgroup && mount -t tmpfs tmpfs /run && \
         mount -o bind,ro /proc/sys /proc/sys && \
         exec env -i container=bench PATH=/usr/bin:/bin SYSTEMD_UNIT_PATH={} \
         /lib/systemd/systemd --system --unit=bench.target --log-target=console --log-level=err --show-status=no\n",
        units.display()
    );
    files::script(&site.path("init"), &script)?;
    Ok(Plan {
        argv: words([
            "/usr/bin/unshare",
            "--mount",
            "--pid",
            "--cgroup",
            "--fork",
            "--mount-proc",
            "/bin/sh",
            &site.text("init"),
        ]),
        stop: vec![Stop::Run(words(["/bin/sh", "-c", HALT]))],
        pids: Pids::Private,
        ..Plan::default()
    })
}
