//! From a spec to a program about to be executed: its words and its environment.

use std::env;

use aplomb_core::spec::{Command, EnvBase, Expansion, OwnDirectoryKind, Ready, Spec};
use aplomb_core::{Duration, End, RunId};
use aplomb_platform::variables;
use aplomb_units::World as _;
use aplomb_units::systemd::{env_file, expand};

use crate::Machine;

/// Our own variables, and those that speak to us and not to our children.
const NOT_HANDED_ON: &[&str] = &[
    "NOTIFY_SOCKET",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "INVOCATION_ID",
];

/// What is known when a command of a run is about to begin.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    pub spec: &'a Spec,
    pub run: RunId,
    pub main_pid: Option<u32>,
    /// The value of `NOTIFY_SOCKET`, where messages are wanted.
    pub notify: Option<&'a str>,
    pub watchdog: Option<Duration>,
    /// Names of the sockets handed over, in order.
    pub sockets: &'a [String],
    /// Variables that name the service's own directories, with their paths.
    pub directories: &'a [(&'static str, String)],
    /// How the main process ended, for commands after the stop.
    pub end: Option<End>,
    /// More variables, as hooks get them.
    pub extra: &'a [(String, String)],
}

/// A file of variables that cannot be read, and is not optional.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the environment file `{path}`: {why}")]
pub(crate) struct EnvFileError {
    path: String,
    why: String,
}

/// The complete environment of a command.
pub(crate) fn environment(
    facts: &Facts<'_>,
    machine: &Machine,
) -> Result<Vec<(String, String)>, EnvFileError> {
    let process = &facts.spec.process;
    let mut vars = base(process.env_base, &process.pass_env);
    if let Some(user) = &process.user
        && let Some(account) = machine.account(user)
    {
        set(&mut vars, "HOME", account.home);
        set(&mut vars, "LOGNAME", account.name.clone());
        set(&mut vars, "USER", account.name);
        set(&mut vars, "SHELL", account.shell);
    }
    own_variables(&mut vars, facts);
    for (name, value) in &process.env {
        set(&mut vars, name, value.clone());
    }
    for file in &process.env_files {
        read_file(&mut vars, &file.path, file.optional, machine)?;
    }
    for unset in &process.unset_env {
        match unset.split_once('=') {
            Some((name, value)) => {
                vars.retain(|(n, v)| !variables::same(n, name) || v != value);
            }
            None => vars.retain(|(n, _)| !variables::same(n, unset)),
        }
    }
    for (name, value) in facts.extra {
        set(&mut vars, name, value.clone());
    }
    Ok(vars)
}

fn base(base: EnvBase, pass: &[String]) -> Vec<(String, String)> {
    let ours = env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    match base {
        EnvBase::Inherit => ours.filter(|(name, _)| is_handed_on(name)).collect(),
        EnvBase::Clean => {
            let mut vars = variables::clean();
            let passed = |name: &str| pass.iter().any(|wanted| variables::same(wanted, name));
            for (name, value) in ours.filter(|(name, _)| passed(name)) {
                set(&mut vars, &name, value);
            }
            vars
        }
    }
}

fn is_handed_on(name: &str) -> bool {
    !NOT_HANDED_ON.contains(&name) && !name.starts_with("APLOMB_")
}

fn own_variables(vars: &mut Vec<(String, String)>, facts: &Facts<'_>) {
    set(vars, "APLOMB_SERVICE", facts.spec.name.clone());
    if let Some(label) = facts.spec.instance() {
        set(vars, "APLOMB_INSTANCE", label.to_owned());
    }
    set(vars, "APLOMB_RUN", facts.run.to_string());
    set(vars, "INVOCATION_ID", format!("{:032x}", facts.run.0));
    if let Some(address) = facts.notify {
        set(vars, "NOTIFY_SOCKET", address.to_owned());
    }
    if let Some(interval) = facts.watchdog {
        set(vars, "WATCHDOG_USEC", interval.as_micros().to_string());
    }
    if !facts.sockets.is_empty() {
        set(vars, "LISTEN_FDS", facts.sockets.len().to_string());
        set(vars, "LISTEN_FDNAMES", facts.sockets.join(":"));
    }
    if let Some(pid) = facts.main_pid {
        set(vars, "MAINPID", pid.to_string());
    }
    if let Some(end) = facts.end {
        for (name, value) in result_variables(end) {
            set(vars, name, value);
        }
    }
    for (name, paths) in facts.directories {
        set(vars, name, paths.clone());
    }
}

/// systemd.exec(5), `$SERVICE_RESULT`, `$EXIT_CODE`, `$EXIT_STATUS`.
fn result_variables(end: End) -> [(&'static str, String); 3] {
    let (result, how, status) = match end {
        End::Code(code) if code.0 == 0 => ("success", "exited", "0".to_owned()),
        End::Code(code) => ("exit-code", "exited", code.to_string()),
        End::Signal {
            signal,
            core_dumped,
        } => {
            let name = signal.to_string();
            let name = name.strip_prefix("SIG").unwrap_or(&name).to_owned();
            if core_dumped {
                ("core-dump", "dumped", name)
            } else {
                ("signal", "killed", name)
            }
        }
        End::Unknown => ("success", "exited", "0".to_owned()),
        // systemd.exec(5) has no word for it; `resources` is its word for what lies with the manager.
        End::Unattended => ("resources", "exited", "1".to_owned()),
    };
    [
        ("SERVICE_RESULT", result.to_owned()),
        ("EXIT_CODE", how.to_owned()),
        ("EXIT_STATUS", status),
    ]
}

/// The variable that names directories of this kind; systemd.exec(5), `RuntimeDirectory=`.
pub(crate) fn directory_variable(kind: OwnDirectoryKind) -> &'static str {
    match kind {
        OwnDirectoryKind::Runtime => "RUNTIME_DIRECTORY",
        OwnDirectoryKind::State => "STATE_DIRECTORY",
        OwnDirectoryKind::Cache => "CACHE_DIRECTORY",
        OwnDirectoryKind::Logs => "LOGS_DIRECTORY",
        OwnDirectoryKind::Configuration => "CONFIGURATION_DIRECTORY",
    }
}

fn read_file(
    vars: &mut Vec<(String, String)>,
    path: &str,
    optional: bool,
    machine: &Machine,
) -> Result<(), EnvFileError> {
    let is_pattern = path.contains(['*', '?', '[']);
    let paths = if is_pattern {
        machine.glob(path)
    } else {
        vec![path.to_owned()]
    };
    for path in paths {
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                for (name, value) in env_file::parse(&text).variables {
                    set(vars, &name, value);
                }
            }
            Err(_) if optional => {}
            Err(why) => {
                return Err(EnvFileError {
                    path,
                    why: why.to_string(),
                });
            }
        }
    }
    Ok(())
}

fn set(vars: &mut Vec<(String, String)>, name: &str, value: String) {
    match vars.iter_mut().find(|(n, _)| variables::same(n, name)) {
        Some((_, v)) => *v = value,
        None => vars.push((name.to_owned(), value)),
    }
}

/// The words of a command, its own name first.
pub(crate) fn words(command: &Command, env: &[(String, String)]) -> Vec<String> {
    let lookup = |name: &str| {
        env.iter()
            .find(|(n, _)| variables::same(n, name))
            .map(|(_, value)| value.clone())
    };
    let args = match command.expansion {
        Expansion::None => command.args.clone(),
        Expansion::Systemd => expand(&command.args, lookup),
    };
    let name = command
        .argv0
        .clone()
        .unwrap_or_else(|| command.program.clone());
    std::iter::once(name).chain(args).collect()
}

/// Whether the programs of this service may send us messages.
pub(crate) fn wants_notify(spec: &Spec) -> bool {
    matches!(spec.ready, Ready::Notify(_))
        || spec.watchdog.is_some()
        || matches!(spec.reload, aplomb_core::spec::Reload::Notify(_))
}
