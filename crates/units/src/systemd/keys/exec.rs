//! systemd.exec(5).

use aplomb_core::spec::{OwnDirectoryKind, PathRuleKind};

use super::super::{output, process, sandbox};
use super::{Key, OFF, carried, noted, refused};

const TERMINAL: &str = "services have no terminal";
const IMAGE: &str = "the program would see another file system";
const SECCOMP: &str = "system calls would not be filtered";
const CREDENTIALS: &str = "the program would miss its credentials";
const LABEL: &str = "the program would run without its label";
const NAMESPACE: &str = "the program would run in the machine's own namespace";
const JOURNAL: &str = "only the journal itself can do that";
const SCHEDULER: &str = "the program would be scheduled otherwise";

pub(super) const KEYS: &[Key] = &[
    carried("WorkingDirectory", "process.directory", process::directory),
    carried(
        "RootDirectory",
        "process.root_directory",
        process::root_directory,
    ),
    carried("Environment", "process.env", process::environment),
    carried(
        "EnvironmentFile",
        "process.env_files",
        process::environment_file,
    ),
    carried(
        "PassEnvironment",
        "process.pass_env",
        process::pass_environment,
    ),
    carried(
        "UnsetEnvironment",
        "process.unset_env",
        process::unset_environment,
    ),
    carried(
        "ExecSearchPath",
        "process.search_path",
        process::search_path,
    ),
    carried("User", "process.user", process::user),
    carried("Group", "process.group", process::group),
    carried(
        "SupplementaryGroups",
        "process.supplementary_groups",
        process::supplementary_groups,
    ),
    carried("UMask", "process.umask", process::umask),
    carried("Nice", "process.nice", process::nice),
    carried(
        "OOMScoreAdjust",
        "process.oom_score_adjust",
        process::oom_score,
    ),
    carried("CPUAffinity", "process.cpu_affinity", process::cpu_affinity),
    carried("IgnoreSIGPIPE", "process.ignore_sigpipe", |d, i| {
        d.spec.process.ignore_sigpipe = i.boolean()?;
        Ok(())
    }),
    carried("RuntimeDirectory", "process.own_directories", |d, i| {
        process::own_directory(d, i, OwnDirectoryKind::Runtime)
    }),
    carried("StateDirectory", "process.own_directories", |d, i| {
        process::own_directory(d, i, OwnDirectoryKind::State)
    }),
    carried("CacheDirectory", "process.own_directories", |d, i| {
        process::own_directory(d, i, OwnDirectoryKind::Cache)
    }),
    carried("LogsDirectory", "process.own_directories", |d, i| {
        process::own_directory(d, i, OwnDirectoryKind::Logs)
    }),
    carried(
        "ConfigurationDirectory",
        "process.own_directories",
        |d, i| process::own_directory(d, i, OwnDirectoryKind::Configuration),
    ),
    carried("RuntimeDirectoryMode", "process.own_directories", |d, i| {
        process::own_directory_mode(d, i, OwnDirectoryKind::Runtime)
    }),
    carried("StateDirectoryMode", "process.own_directories", |d, i| {
        process::own_directory_mode(d, i, OwnDirectoryKind::State)
    }),
    carried("CacheDirectoryMode", "process.own_directories", |d, i| {
        process::own_directory_mode(d, i, OwnDirectoryKind::Cache)
    }),
    carried("LogsDirectoryMode", "process.own_directories", |d, i| {
        process::own_directory_mode(d, i, OwnDirectoryKind::Logs)
    }),
    carried(
        "ConfigurationDirectoryMode",
        "process.own_directories",
        |d, i| process::own_directory_mode(d, i, OwnDirectoryKind::Configuration),
    ),
    carried(
        "RuntimeDirectoryPreserve",
        "process.own_directories",
        process::preserve,
    ),
    carried("StandardInput", "process.stdin", output::stdin),
    carried("StandardInputText", "process.stdin", output::stdin_text),
    carried("StandardInputData", "process.stdin", output::stdin_data),
    carried("StandardOutput", "log.to", output::stdout),
    carried("StandardError", "log.stderr", output::stderr),
    carried("SyslogIdentifier", "log.identifier", output::identifier),
    carried("SyslogLevel", "log.level", output::default_level),
    carried("SyslogLevelPrefix", "log.level_prefix", |d, i| {
        d.spec.log.level_prefix = i.boolean()?;
        Ok(())
    }),
    carried("LogLevelMax", "log.max_level", output::level_max),
    carried(
        "LogRateLimitIntervalSec",
        "log.rate_limit",
        output::rate_window,
    ),
    carried("LogRateLimitBurst", "log.rate_limit", output::rate_burst),
    carried("NoNewPrivileges", "process.sandbox", |d, i| {
        sandbox::switch(d, i, |s| &mut s.no_new_privileges)
    }),
    carried("PrivateTmp", "process.sandbox", |d, i| {
        sandbox::switch(d, i, |s| &mut s.private_tmp)
    }),
    carried("PrivateDevices", "process.sandbox", |d, i| {
        sandbox::switch(d, i, |s| &mut s.private_devices)
    }),
    carried("PrivateNetwork", "process.sandbox", |d, i| {
        sandbox::switch(d, i, |s| &mut s.private_network)
    }),
    carried("PrivateMounts", "process.sandbox", |d, i| {
        sandbox::switch(d, i, |s| &mut s.private_mounts)
    }),
    carried("ProtectSystem", "process.sandbox", sandbox::protect_system),
    carried("ProtectHome", "process.sandbox", sandbox::protect_home),
    carried("ProtectKernelTunables", "process.sandbox", |d, i| {
        sandbox::switch(d, i, |s| &mut s.protect_kernel_tunables)
    }),
    carried("ProtectKernelModules", "process.sandbox", |d, i| {
        sandbox::switch(d, i, |s| &mut s.protect_kernel_modules)
    }),
    carried("ProtectKernelLogs", "process.sandbox", |d, i| {
        sandbox::switch(d, i, |s| &mut s.protect_kernel_logs)
    }),
    carried("ProtectControlGroups", "process.sandbox", |d, i| {
        sandbox::switch(d, i, |s| &mut s.protect_control_groups)
    }),
    carried("ProtectClock", "process.sandbox", |d, i| {
        sandbox::switch(d, i, |s| &mut s.protect_clock)
    }),
    carried("ProtectHostname", "process.sandbox", |d, i| {
        sandbox::switch(d, i, |s| &mut s.protect_hostname)
    }),
    carried("ReadOnlyPaths", "process.sandbox", |d, i| {
        sandbox::paths(d, i, PathRuleKind::ReadOnly)
    }),
    carried("ReadWritePaths", "process.sandbox", |d, i| {
        sandbox::paths(d, i, PathRuleKind::ReadWrite)
    }),
    carried("InaccessiblePaths", "process.sandbox", |d, i| {
        sandbox::paths(d, i, PathRuleKind::Inaccessible)
    }),
    carried("TemporaryFileSystem", "process.sandbox", |d, i| {
        sandbox::paths(d, i, PathRuleKind::Temporary)
    }),
    carried(
        "CapabilityBoundingSet",
        "process.sandbox",
        sandbox::bounding,
    ),
    carried("AmbientCapabilities", "process.sandbox", sandbox::ambient),
    noted(
        "SetLoginEnvironment",
        "`HOME` and friends are set for a service with a user",
    ),
    noted(
        "CoredumpFilter",
        "core dumps are as large as the kernel's default",
    ),
    noted(
        "CoredumpReceive",
        "core dumps go where the kernel sends them",
    ),
    noted(
        "IOSchedulingClass",
        "disk access is scheduled as for everybody",
    ),
    noted(
        "IOSchedulingPriority",
        "disk access is scheduled as for everybody",
    ),
    noted("TimerSlackNSec", "timers are as exact as for everybody"),
    noted("NUMAPolicy", "memory is placed as for everybody"),
    noted("NUMAMask", "memory is placed as for everybody"),
    noted("SyslogFacility", "lines are stored without a facility"),
    noted("LogExtraFields", JOURNAL),
    noted("LogNamespace", JOURNAL),
    noted(
        "LogFilterPatterns",
        "every line is kept; filter when reading",
    ),
    noted("TTYPath", TERMINAL),
    noted("TTYReset", TERMINAL),
    noted("TTYVHangup", TERMINAL),
    noted("TTYVTDisallocate", TERMINAL),
    noted("TTYRows", TERMINAL),
    noted("TTYColumns", TERMINAL),
    noted("UtmpIdentifier", TERMINAL),
    noted("UtmpMode", TERMINAL),
    noted("TimeoutCleanSec", "nothing is cleaned on request"),
    noted(
        "MountAPIVFS",
        "`/proc`, `/sys` and `/dev` are those of the machine",
    ),
    noted("Capabilities", "systemd dropped it"),
    noted("TCPWrapName", "systemd dropped it"),
    refused("RootImage", IMAGE, &[]),
    refused("RootImageOptions", IMAGE, &[]),
    refused("RootImagePolicy", IMAGE, &[]),
    refused("RootHash", IMAGE, &[]),
    refused("RootHashSignature", IMAGE, &[]),
    refused("RootVerity", IMAGE, &[]),
    refused("RootEphemeral", IMAGE, OFF),
    refused("ExtensionDirectories", IMAGE, &[]),
    refused("ExtensionImages", IMAGE, &[]),
    refused("ExtensionImagePolicy", IMAGE, &[]),
    refused("MountImages", IMAGE, &[]),
    refused("MountImagePolicy", IMAGE, &[]),
    refused("BindPaths", IMAGE, &[]),
    refused("BindReadOnlyPaths", IMAGE, &[]),
    refused(
        "MountFlags",
        "mounts it makes would reach the machine",
        &["shared"],
    ),
    refused(
        "DynamicUser",
        "the program would run as the engine's own user",
        OFF,
    ),
    refused("PAMName", "no session would be opened for it", &[]),
    refused(
        "RemoveIPC",
        "shared memory of the user would stay behind",
        OFF,
    ),
    refused("CPUSchedulingPolicy", SCHEDULER, &["other"]),
    refused("CPUSchedulingPriority", SCHEDULER, &["0"]),
    refused("CPUSchedulingResetOnFork", SCHEDULER, OFF),
    refused("SecureBits", "the program could regain rights", &[]),
    refused(
        "Personality",
        "the program would see another kind of machine",
        &[],
    ),
    refused("LockPersonality", SECCOMP, OFF),
    refused(
        "KeyringMode",
        "the program would share the engine's keyring",
        &["inherit"],
    ),
    refused(
        "ProtectProc",
        "the program could see other users' processes",
        &["default"],
    ),
    refused(
        "ProcSubset",
        "the program could see more of `/proc`",
        &["all"],
    ),
    refused("PrivateUsers", NAMESPACE, OFF),
    refused("PrivateIPC", NAMESPACE, OFF),
    refused("PrivatePIDs", NAMESPACE, OFF),
    refused("NetworkNamespacePath", NAMESPACE, &[]),
    refused("IPCNamespacePath", NAMESPACE, &[]),
    refused("ExecPaths", "the program could execute more files", &[]),
    refused("NoExecPaths", "the program could execute more files", &[]),
    refused("SystemCallFilter", SECCOMP, &[]),
    refused("SystemCallErrorNumber", SECCOMP, &[]),
    refused("SystemCallArchitectures", SECCOMP, &[]),
    refused("SystemCallLog", SECCOMP, &[]),
    refused("RestrictAddressFamilies", SECCOMP, &[]),
    refused(
        "RestrictFileSystems",
        "the program could use other file systems",
        &[],
    ),
    refused("RestrictNamespaces", SECCOMP, OFF),
    refused("RestrictRealtime", SECCOMP, OFF),
    refused("RestrictSUIDSGID", SECCOMP, OFF),
    refused("MemoryDenyWriteExecute", SECCOMP, OFF),
    refused("SELinuxContext", LABEL, &[]),
    refused("AppArmorProfile", LABEL, &[]),
    refused("SmackProcessLabel", LABEL, &[]),
    refused("LoadCredential", CREDENTIALS, &[]),
    refused("LoadCredentialEncrypted", CREDENTIALS, &[]),
    refused("SetCredential", CREDENTIALS, &[]),
    refused("SetCredentialEncrypted", CREDENTIALS, &[]),
    refused("ImportCredential", CREDENTIALS, &[]),
];

/// `LimitCPU=` and its siblings.
pub(super) fn limits() -> Vec<Key> {
    LIMITS
        .iter()
        .map(|name| carried(name, "process.limits", process::limit))
        .collect()
}

const LIMITS: &[&str] = &[
    "LimitCPU",
    "LimitFSIZE",
    "LimitDATA",
    "LimitSTACK",
    "LimitCORE",
    "LimitRSS",
    "LimitNOFILE",
    "LimitAS",
    "LimitNPROC",
    "LimitMEMLOCK",
    "LimitLOCKS",
    "LimitSIGPENDING",
    "LimitMSGQUEUE",
    "LimitNICE",
    "LimitRTPRIO",
    "LimitRTTIME",
];
