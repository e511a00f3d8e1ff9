//! What is taken away from a program before it runs. Only what plain system calls can do.

use alloc::string::String;
use alloc::vec::Vec;

/// Restrictions on every program of a service; systemd.exec(5), "Sandboxing".
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sandbox {
    /// No program it executes can gain rights (prctl(2), PR_SET_NO_NEW_PRIVS).
    pub no_new_privileges: bool,
    /// `/tmp` and `/var/tmp` of its own, empty at start and gone afterwards.
    pub private_tmp: bool,
    /// A `/dev` with only the pseudo devices.
    pub private_devices: bool,
    /// No network but a loopback of its own.
    pub private_network: bool,
    /// Mounts it makes stay its own.
    pub private_mounts: bool,
    pub protect_system: ProtectSystem,
    pub protect_home: ProtectHome,
    /// `/proc/sys`, `/sys` and friends are read-only.
    pub protect_kernel_tunables: bool,
    /// Module loading is impossible.
    pub protect_kernel_modules: bool,
    /// The kernel log cannot be read.
    pub protect_kernel_logs: bool,
    /// `/sys/fs/cgroup` is read-only.
    pub protect_control_groups: bool,
    /// The clock cannot be set.
    pub protect_clock: bool,
    /// The host name cannot be changed.
    pub protect_hostname: bool,
    /// In the order written.
    pub paths: Vec<PathRule>,
    /// Capabilities it can ever have; `None`: all the engine has.
    pub bounding: Option<Capabilities>,
    /// Capabilities it has although it is not root.
    pub ambient: Capabilities,
}

/// What one path looks like from inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathRule {
    pub kind: PathRuleKind,
    pub path: String,
    /// If it does not exist, nothing is said (systemd's `-`).
    pub optional: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathRuleKind {
    ReadOnly,
    ReadWrite,
    Inaccessible,
    /// An empty temporary file system of its own.
    Temporary,
}

/// How much of the system is read-only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProtectSystem {
    #[default]
    Off,
    /// `/usr` and the boot loader.
    Yes,
    /// `/etc` as well.
    Full,
    /// Everything but `/dev`, `/proc`, `/sys`.
    Strict,
}

/// What of the users' homes can be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProtectHome {
    #[default]
    Off,
    /// Nothing.
    Yes,
    ReadOnly,
    /// Empty ones.
    Temporary,
}

/// A set of capabilities(7), bit N for capability N.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities(pub u64);

impl Capabilities {
    /// In the order of their numbers.
    pub const NAMES: &[&str] = &[
        "CAP_CHOWN",
        "CAP_DAC_OVERRIDE",
        "CAP_DAC_READ_SEARCH",
        "CAP_FOWNER",
        "CAP_FSETID",
        "CAP_KILL",
        "CAP_SETGID",
        "CAP_SETUID",
        "CAP_SETPCAP",
        "CAP_LINUX_IMMUTABLE",
        "CAP_NET_BIND_SERVICE",
        "CAP_NET_BROADCAST",
        "CAP_NET_ADMIN",
        "CAP_NET_RAW",
        "CAP_IPC_LOCK",
        "CAP_IPC_OWNER",
        "CAP_SYS_MODULE",
        "CAP_SYS_RAWIO",
        "CAP_SYS_CHROOT",
        "CAP_SYS_PTRACE",
        "CAP_SYS_PACCT",
        "CAP_SYS_ADMIN",
        "CAP_SYS_BOOT",
        "CAP_SYS_NICE",
        "CAP_SYS_RESOURCE",
        "CAP_SYS_TIME",
        "CAP_SYS_TTY_CONFIG",
        "CAP_MKNOD",
        "CAP_LEASE",
        "CAP_AUDIT_WRITE",
        "CAP_AUDIT_CONTROL",
        "CAP_SETFCAP",
        "CAP_MAC_OVERRIDE",
        "CAP_MAC_ADMIN",
        "CAP_SYSLOG",
        "CAP_WAKE_ALARM",
        "CAP_BLOCK_SUSPEND",
        "CAP_AUDIT_READ",
        "CAP_PERFMON",
        "CAP_BPF",
        "CAP_CHECKPOINT_RESTORE",
    ];

    pub const ALL: Capabilities = Capabilities((1 << Capabilities::NAMES.len()) - 1);

    /// By name, upper or lower case.
    pub fn parse_one(name: &str) -> Option<Capabilities> {
        let at = Capabilities::NAMES
            .iter()
            .position(|known| known.eq_ignore_ascii_case(name))?;
        Some(Capabilities(1 << at))
    }
}
