//! What every program of a service finds around it: directory, environment, identity, limits.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::Sandbox;
use crate::quantity::Bytes;

/// The surroundings of a service's programs.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Process {
    pub directory: Option<Directory>,
    /// Another root for the file system (`chroot`).
    pub root_directory: Option<String>,
    pub env_base: EnvBase,
    /// Variables of the engine handed on where `env_base` is `Clean`.
    pub pass_env: Vec<String>,
    /// In order; later ones win.
    pub env: Vec<(String, String)>,
    /// Read at each start, over `env`.
    pub env_files: Vec<EnvFile>,
    /// Removed last. A name, or `NAME=VALUE` for exactly that setting.
    pub unset_env: Vec<String>,
    /// Where bare program names are looked up; the service's `PATH` where empty.
    pub search_path: Vec<String>,
    /// Name or number, resolved at each start. Absent: the engine's own.
    pub user: Option<String>,
    /// Absent: the user's.
    pub group: Option<String>,
    pub supplementary_groups: Vec<String>,
    /// Octal permission bits taken away from new files. Default: the engine's, 0o022 for systemd units.
    pub umask: Option<u32>,
    /// -20 (first) to 19 (last).
    pub nice: Option<i8>,
    /// -1000 (never) to 1000 (first), see proc_pid_oom_score_adj(5).
    pub oom_score_adjust: Option<i16>,
    /// Processors it may use; empty: all.
    pub cpu_affinity: Vec<u16>,
    pub limits: Vec<Limit>,
    pub resources: Resources,
    pub stdin: Stdin,
    pub own_directories: Vec<OwnDirectory>,
    pub sandbox: Option<Box<Sandbox>>,
    /// SIGPIPE is ignored in the program (systemd's default for units).
    pub ignore_sigpipe: bool,
}

/// The working directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// Absolute, or `~` for the user's home.
    pub path: String,
    /// If it does not exist, `/` will do.
    pub optional: bool,
}

/// What the environment starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EnvBase {
    /// Everything the engine has.
    #[default]
    Inherit,
    /// Only what the engine sets for every service: `PATH`, `LANG`, and `HOME` and friends for a user.
    Clean,
}

/// A file of `NAME=VALUE` lines, as systemd.exec(5), `EnvironmentFile=`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvFile {
    /// Absolute; may hold `*` and `?`.
    pub path: String,
    /// If it does not exist, nothing is said.
    pub optional: bool,
}

/// One limit of setrlimit(2). `None` is "no limit".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    pub resource: LimitedResource,
    pub soft: Option<u64>,
    pub hard: Option<u64>,
}

/// The resources of setrlimit(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LimitedResource {
    Cpu,
    FileSize,
    Data,
    Stack,
    Core,
    ResidentSet,
    OpenFiles,
    AddressSpace,
    Processes,
    LockedMemory,
    FileLocks,
    PendingSignals,
    MessageQueues,
    Nice,
    RealTimePriority,
    RealTimeMicros,
}

impl LimitedResource {
    /// Every resource with the name the TOML dialect uses and systemd's key without `Limit`.
    pub const ALL: &[(LimitedResource, &str, &str)] = &[
        (LimitedResource::Cpu, "cpu-seconds", "CPU"),
        (LimitedResource::FileSize, "file-size", "FSIZE"),
        (LimitedResource::Data, "data", "DATA"),
        (LimitedResource::Stack, "stack", "STACK"),
        (LimitedResource::Core, "core", "CORE"),
        (LimitedResource::ResidentSet, "resident-set", "RSS"),
        (LimitedResource::OpenFiles, "open-files", "NOFILE"),
        (LimitedResource::AddressSpace, "address-space", "AS"),
        (LimitedResource::Processes, "processes", "NPROC"),
        (LimitedResource::LockedMemory, "locked-memory", "MEMLOCK"),
        (LimitedResource::FileLocks, "file-locks", "LOCKS"),
        (
            LimitedResource::PendingSignals,
            "pending-signals",
            "SIGPENDING",
        ),
        (LimitedResource::MessageQueues, "message-queues", "MSGQUEUE"),
        (LimitedResource::Nice, "nice", "NICE"),
        (
            LimitedResource::RealTimePriority,
            "real-time-priority",
            "RTPRIO",
        ),
        (
            LimitedResource::RealTimeMicros,
            "real-time-micros",
            "RTTIME",
        ),
    ];
}

/// Limits on the whole tree, through the control group where there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Resources {
    pub memory_max: Option<Bytes>,
    /// Above this the tree is slowed down and its memory taken back.
    pub memory_high: Option<Bytes>,
    /// Thousandths of one processor: 500 is half a processor, 2000 two.
    pub cpu_max: Option<u32>,
    /// Share against others, 1 to 10000; 100 is everybody's default.
    pub cpu_weight: Option<u32>,
    pub pids_max: Option<u32>,
}

/// What the program reads.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Stdin {
    #[default]
    Null,
    File(String),
    Text(Vec<u8>),
    /// The engine's own.
    Inherit,
}

/// A directory made for the service and owned by its user (systemd.exec(5), `RuntimeDirectory=` and friends).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnDirectory {
    pub kind: OwnDirectoryKind,
    /// Relative, without `..`.
    pub name: String,
    pub mode: u32,
    /// Only runtime directories are ever removed, when the service stops, unless this is set.
    pub preserve: bool,
}

/// Below which root an own directory lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OwnDirectoryKind {
    Runtime,
    State,
    Cache,
    Logs,
    Configuration,
}
