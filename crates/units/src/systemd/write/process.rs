//! `process` as keys of systemd.exec(5) and systemd.resource-control(5).

use aplomb_core::Bytes;
use aplomb_core::spec::{
    Capabilities, EnvBase, Limit, LimitedResource, OwnDirectory, OwnDirectoryKind, PathRuleKind,
    Process, ProtectHome, ProtectSystem, Resources, Sandbox, Stdin,
};

use super::super::process::DIRECTORY_MODE;
use super::super::sandbox::{PROTECT_HOME, PROTECT_SYSTEM};
use super::super::words::quoted;
use super::{Out, named, plain, yes_no};

pub(super) fn write(process: &Process, out: &mut Out) {
    places(process, out);
    environment(process, out);
    identity(process, out);
    for limit in &process.limits {
        limit_line(limit, out);
    }
    resources(&process.resources, out);
    stdin(&process.stdin, out);
    directories(&process.own_directories, out);
    if let Some(sandbox) = &process.sandbox {
        sandbox_keys(sandbox, out);
    }
    if !process.ignore_sigpipe {
        out.service("IgnoreSIGPIPE", yes_no(false));
    }
}

fn places(process: &Process, out: &mut Out) {
    if let Some(directory) = &process.directory
        && let Some(path) = out.text_of("WorkingDirectory", &directory.path)
    {
        let mark = if directory.optional { "-" } else { "" };
        out.service("WorkingDirectory", &format!("{mark}{path}"));
    }
    if let Some(path) = &process.root_directory
        && let Some(path) = out.text_of("RootDirectory", path)
    {
        out.service("RootDirectory", &path);
    }
    for path in &process.search_path {
        match plain(path).filter(|path| !path.contains(':')) {
            Some(path) => out.service("ExecSearchPath", &path),
            None => out.lose(&format!("`{path}` in the search path"), "move the programs"),
        }
    }
}

/// A word of a list with escapes, specifiers kept from being seen.
fn word(text: &str) -> String {
    quoted(&text.replace('%', "%%"))
}

fn environment(process: &Process, out: &mut Out) {
    if process.env_base == EnvBase::Inherit {
        out.lose(
            "the engine's whole environment",
            "name what is needed in `PassEnvironment=`",
        );
    }
    for name in &process.pass_env {
        out.service("PassEnvironment", &word(name));
    }
    for (name, value) in &process.env {
        out.service("Environment", &word(&format!("{name}={value}")));
    }
    for file in &process.env_files {
        if let Some(path) = out.text_of("EnvironmentFile", &file.path) {
            let mark = if file.optional { "-" } else { "" };
            out.service("EnvironmentFile", &format!("{mark}{path}"));
        }
    }
    for name in &process.unset_env {
        out.service("UnsetEnvironment", &word(name));
    }
}

fn identity(process: &Process, out: &mut Out) {
    for (key, name) in [("User", &process.user), ("Group", &process.group)] {
        if let Some(name) = name
            && let Some(name) = out.text_of(key, name)
        {
            out.service(key, &name);
        }
    }
    for group in &process.supplementary_groups {
        out.service("SupplementaryGroups", &word(group));
    }
    match process.umask {
        Some(0o022) => {}
        Some(umask) => out.service("UMask", &format!("{umask:04o}")),
        None => out.lose("the engine's own umask", "write the umask that is meant"),
    }
    if let Some(nice) = process.nice {
        out.service("Nice", &nice.to_string());
    }
    if let Some(score) = process.oom_score_adjust {
        out.service("OOMScoreAdjust", &score.to_string());
    }
    if !process.cpu_affinity.is_empty() {
        let list: Vec<String> = process.cpu_affinity.iter().map(u16::to_string).collect();
        out.service("CPUAffinity", &list.join(" "));
    }
}

fn limit_line(limit: &Limit, out: &mut Out) {
    let name = LimitedResource::ALL
        .iter()
        .find(|(resource, ..)| *resource == limit.resource)
        .map_or("", |(.., name)| name);
    let number =
        |value: Option<u64>| value.map_or_else(|| "infinity".to_owned(), |value| value.to_string());
    out.service(
        &format!("Limit{name}"),
        &format!("{}:{}", number(limit.soft), number(limit.hard)),
    );
}

fn resources(resources: &Resources, out: &mut Out) {
    for (key, value) in [
        ("MemoryMax", resources.memory_max),
        ("MemoryHigh", resources.memory_high),
    ] {
        if let Some(Bytes(bytes)) = value {
            out.service(key, &bytes.to_string());
        }
    }
    if let Some(permille) = resources.cpu_max {
        out.service("CPUQuota", &format!("{}.{}%", permille / 10, permille % 10));
    }
    if let Some(weight) = resources.cpu_weight {
        out.service("CPUWeight", &weight.to_string());
    }
    if let Some(tasks) = resources.pids_max {
        out.service("TasksMax", &tasks.to_string());
    }
}

fn stdin(stdin: &Stdin, out: &mut Out) {
    match stdin {
        Stdin::Null => {}
        Stdin::Inherit => out.lose("the engine's own input", "name a file: `file:/PATH`"),
        Stdin::File(path) => {
            if let Some(path) = out.text_of("StandardInput", path) {
                out.service("StandardInput", &format!("file:{path}"));
            }
        }
        Stdin::Text(bytes) => {
            out.service("StandardInput", "data");
            // Lines stay well below the longest a unit may have.
            for chunk in bytes.chunks(48) {
                out.service("StandardInputData", &base64(chunk));
            }
        }
    }
}

/// RFC 4648 text of some bytes.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * at) & 63) as usize];
            text.push(if at <= chunk.len() {
                letter.into()
            } else {
                '='
            });
        }
    }
    text
}

/// Each kind of directory with the beginning of its keys.
const KINDS: &[(OwnDirectoryKind, &str)] = &[
    (OwnDirectoryKind::Runtime, "Runtime"),
    (OwnDirectoryKind::State, "State"),
    (OwnDirectoryKind::Cache, "Cache"),
    (OwnDirectoryKind::Logs, "Logs"),
    (OwnDirectoryKind::Configuration, "Configuration"),
];

fn directories(directories: &[OwnDirectory], out: &mut Out) {
    for directory in directories {
        let key = format!("{}Directory", named(KINDS, &directory.kind));
        match directory.name.contains(':') {
            false => out.service(&key, &word(&directory.name)),
            true => out.lose("a directory with `:` in its name", "name it otherwise"),
        }
    }
    for (kind, name) in KINDS {
        let of_kind: Vec<_> = directories
            .iter()
            .filter(|directory| directory.kind == *kind)
            .collect();
        let Some(first) = of_kind.first() else {
            continue;
        };
        let same =
            |other: &&&OwnDirectory| other.mode == first.mode && other.preserve == first.preserve;
        if of_kind.iter().filter(same).count() != of_kind.len() {
            out.lose(
                "directories of one kind with different modes",
                "give them the same",
            );
        }
        if first.mode != DIRECTORY_MODE {
            out.service(
                &format!("{name}DirectoryMode"),
                &format!("{:04o}", first.mode),
            );
        }
        match (kind, first.preserve) {
            (OwnDirectoryKind::Runtime, true) => {
                out.service("RuntimeDirectoryPreserve", yes_no(true))
            }
            (_, true) => out.lose(
                "keeping a directory that is kept anyway",
                "leave `preserve` out",
            ),
            (_, false) => {}
        }
    }
}

fn sandbox_keys(sandbox: &Sandbox, out: &mut Out) {
    for (key, on) in [
        ("NoNewPrivileges", sandbox.no_new_privileges),
        ("PrivateTmp", sandbox.private_tmp),
        ("PrivateDevices", sandbox.private_devices),
        ("PrivateNetwork", sandbox.private_network),
        ("PrivateMounts", sandbox.private_mounts),
        ("ProtectKernelTunables", sandbox.protect_kernel_tunables),
        ("ProtectKernelModules", sandbox.protect_kernel_modules),
        ("ProtectKernelLogs", sandbox.protect_kernel_logs),
        ("ProtectControlGroups", sandbox.protect_control_groups),
        ("ProtectClock", sandbox.protect_clock),
        ("ProtectHostname", sandbox.protect_hostname),
    ] {
        if on {
            out.service(key, yes_no(true));
        }
    }
    if sandbox.protect_system != ProtectSystem::Off {
        out.service(
            "ProtectSystem",
            named(PROTECT_SYSTEM, &sandbox.protect_system),
        );
    }
    if sandbox.protect_home != ProtectHome::Off {
        out.service("ProtectHome", named(PROTECT_HOME, &sandbox.protect_home));
    }
    for rule in &sandbox.paths {
        let key = match rule.kind {
            PathRuleKind::ReadOnly => "ReadOnlyPaths",
            PathRuleKind::ReadWrite => "ReadWritePaths",
            PathRuleKind::Inaccessible => "InaccessiblePaths",
            PathRuleKind::Temporary => "TemporaryFileSystem",
        };
        if rule.kind == PathRuleKind::Temporary && (rule.optional || rule.path.contains(':')) {
            out.lose(
                "this temporary file system",
                "name a plain path that must exist",
            );
            continue;
        }
        let mark = if rule.optional { "-" } else { "" };
        out.service(key, &word(&format!("{mark}{}", rule.path)));
    }
    if let Some(bounding) = sandbox.bounding {
        out.service("CapabilityBoundingSet", &capabilities(bounding));
    }
    if sandbox.ambient != Capabilities::default() {
        out.service("AmbientCapabilities", &capabilities(sandbox.ambient));
    }
}

/// Names; the empty set is the empty value.
fn capabilities(set: Capabilities) -> String {
    let named = Capabilities::NAMES.iter().enumerate();
    let names: Vec<&str> = named
        .filter(|(at, _)| set.0 >> at & 1 == 1)
        .map(|(_, name)| *name)
        .collect();
    names.join(" ")
}
