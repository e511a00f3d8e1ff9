//! Sandbox keys of systemd.exec(5).

use aplomb_core::Spec;
use aplomb_core::spec::{Capabilities, PathRuleKind, ProtectHome, ProtectSystem, Sandbox};

use super::{Row, flag, row, same, set};

pub(super) const ROWS: &[Row] = &[
    row("NoNewPrivileges", &["NoNewPrivileges"], |s, t| {
        flag(sandbox(s).no_new_privileges, t)
    }),
    row("PrivateTmp", &["PrivateTmp"], |s, t| {
        flag(sandbox(s).private_tmp, t)
    }),
    row("PrivateDevices", &["PrivateDevices"], |s, t| {
        flag(sandbox(s).private_devices, t)
    }),
    row("PrivateNetwork", &["PrivateNetwork"], |s, t| {
        flag(sandbox(s).private_network, t)
    }),
    row("PrivateMounts", &["PrivateMounts"], |s, t| {
        flag(sandbox(s).private_mounts, t)
    }),
    row(
        "ProtectKernelTunables",
        &["ProtectKernelTunables"],
        |s, t| flag(sandbox(s).protect_kernel_tunables, t),
    ),
    row("ProtectKernelModules", &["ProtectKernelModules"], |s, t| {
        flag(sandbox(s).protect_kernel_modules, t)
    }),
    row("ProtectKernelLogs", &["ProtectKernelLogs"], |s, t| {
        flag(sandbox(s).protect_kernel_logs, t)
    }),
    row("ProtectControlGroups", &["ProtectControlGroups"], |s, t| {
        flag(sandbox(s).protect_control_groups, t)
    }),
    row("ProtectClock", &["ProtectClock"], |s, t| {
        flag(sandbox(s).protect_clock, t)
    }),
    row("ProtectHostname", &["ProtectHostname"], |s, t| {
        flag(sandbox(s).protect_hostname, t)
    }),
    row("ProtectSystem", &["ProtectSystem"], |s, t| {
        let ours = match sandbox(s).protect_system {
            ProtectSystem::Off => "no",
            ProtectSystem::Yes => "yes",
            ProtectSystem::Full => "full",
            ProtectSystem::Strict => "strict",
        };
        same(ours, t)
    }),
    row("ProtectHome", &["ProtectHome"], |s, t| {
        let ours = match sandbox(s).protect_home {
            ProtectHome::Off => "no",
            ProtectHome::Yes => "yes",
            ProtectHome::ReadOnly => "read-only",
            ProtectHome::Temporary => "tmpfs",
        };
        same(ours, t)
    }),
    row("ReadOnlyPaths", &["ReadOnlyPaths"], |s, t| {
        paths(s, PathRuleKind::ReadOnly, t)
    }),
    row("ReadWritePaths", &["ReadWritePaths"], |s, t| {
        paths(s, PathRuleKind::ReadWrite, t)
    }),
    row("InaccessiblePaths", &["InaccessiblePaths"], |s, t| {
        paths(s, PathRuleKind::Inaccessible, t)
    }),
    row("TemporaryFileSystem", &["TemporaryFileSystem"], |s, t| {
        paths(s, PathRuleKind::Temporary, t)
    }),
    row(
        "CapabilityBoundingSet",
        &["CapabilityBoundingSet"],
        |s, t| {
            let sandbox = sandbox(s);
            let bounding = sandbox.bounding.unwrap_or(Capabilities::ALL);
            capabilities(Capabilities(bounding.0 & !implied(&sandbox)), t)
        },
    ),
    row("AmbientCapabilities", &["AmbientCapabilities"], |s, t| {
        capabilities(sandbox(s).ambient, t)
    }),
];

fn sandbox(spec: &Spec) -> Sandbox {
    spec.process.sandbox.as_deref().cloned().unwrap_or_default()
}

fn paths(spec: &Spec, kind: PathRuleKind, theirs: &str) -> Option<(String, String)> {
    let ours = sandbox(spec)
        .paths
        .into_iter()
        .filter(|rule| rule.kind == kind);
    let ours = ours.map(|rule| format!("{}{}", if rule.optional { "-" } else { "" }, rule.path));
    let theirs = theirs
        .replace("-+", "-")
        .replace(['+', '"'], "")
        .replace(':', " ");
    let ours: Vec<String> = ours.collect();
    set(
        ours.join(" ").split_whitespace().map(str::to_owned),
        &theirs,
    )
}

fn capabilities(ours: Capabilities, theirs: &str) -> Option<(String, String)> {
    let mut mask = 0;
    for word in theirs.split_whitespace() {
        mask |= Capabilities::parse_one(word)?.0;
    }
    same(&format!("{:x}", ours.0), &format!("{mask:x}"))
}

/// Capabilities other keys take away too: whoever carries these out takes them away then.
fn implied(sandbox: &Sandbox) -> u64 {
    let takes: &[(bool, &[&str])] = &[
        (sandbox.private_devices, &["CAP_MKNOD", "CAP_SYS_RAWIO"]),
        (sandbox.protect_clock, &["CAP_SYS_TIME", "CAP_WAKE_ALARM"]),
        (sandbox.protect_kernel_modules, &["CAP_SYS_MODULE"]),
        (sandbox.protect_kernel_logs, &["CAP_SYSLOG"]),
    ];
    let taken = takes
        .iter()
        .filter(|(on, _)| *on)
        .flat_map(|(_, names)| *names);
    taken
        .filter_map(|name| Capabilities::parse_one(name))
        .fold(0, |mask, one| mask | one.0)
}
