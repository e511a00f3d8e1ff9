//! The real machine, as units ask about it: files, accounts, facts. Reads, changes nothing.
//!
//! Accounts come from `/etc/passwd` and `/etc/group` alone: a name service that hangs must not hang a service manager.

use std::fs;
use std::path::Path;

use aplomb_core::Spec;
use aplomb_platform::{Inability, Part};
use aplomb_units::world::{Fact, FileKind, Impossible};
use aplomb_units::{Field, World};

/// The machine this program runs on.
#[derive(Debug, Clone, Copy, Default)]
pub struct Machine;

/// A user's row in passwd(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub name: String,
    pub uid: String,
    pub gid: String,
    pub home: String,
    pub shell: String,
}

impl Machine {
    /// The account of this name or number.
    pub(crate) fn account(&self, name: &str) -> Option<Account> {
        let text = fs::read_to_string("/etc/passwd").ok()?;
        text.lines()
            .filter_map(account)
            .find(|account| account.name == name || account.uid == name)
    }

    fn own_account(&self) -> Option<Account> {
        self.account(&own_id("Uid")?)
    }
}

fn account(line: &str) -> Option<Account> {
    let fields: Vec<&str> = line.split(':').collect();
    let [name, _, uid, gid, _, home, shell] = fields.as_slice() else {
        return None;
    };
    let text = |field: &str| field.to_owned();
    Some(Account {
        name: text(name),
        uid: text(uid),
        gid: text(gid),
        home: text(home),
        shell: text(shell),
    })
}

/// Our own number as proc_pid_status(5) tells it.
fn own_id(which: &str) -> Option<String> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(which)?.strip_prefix(':'))?;
    line.split_ascii_whitespace().next().map(str::to_owned)
}

fn group_row(name: &str) -> Option<(String, String)> {
    let text = fs::read_to_string("/etc/group").ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (of, id) = (fields.next()?, fields.nth(1)?);
        (of == name || id == name).then(|| (of.to_owned(), id.to_owned()))
    })
}

fn is_number(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit())
}

impl World for Machine {
    fn file(&self, path: &str) -> FileKind {
        let Ok(metadata) = fs::metadata(path) else {
            // A program may be named without its ending.
            return match aplomb_platform::program_at(path) {
                Some(_) => FileKind::File { executable: true },
                None => FileKind::Missing,
            };
        };
        if metadata.is_dir() {
            FileKind::Directory
        } else if metadata.is_file() {
            FileKind::File {
                executable: aplomb_platform::is_executable(Path::new(path)),
            }
        } else {
            FileKind::Other
        }
    }

    fn search_path(&self, directories: &[String]) -> String {
        directories.join(aplomb_platform::variables::BETWEEN_PATHS)
    }

    fn find_program(&self, name: &str, search_path: &str) -> Option<String> {
        aplomb_platform::find_program(name, search_path)
    }

    fn head(&self, path: &str) -> Option<Vec<u8>> {
        use std::io::Read;
        let mut head = Vec::new();
        fs::File::open(path)
            .ok()?
            .take(256)
            .read_to_end(&mut head)
            .ok()?;
        Some(head)
    }

    fn read(&self, path: &str) -> Option<Vec<u8>> {
        fs::read(path).ok()
    }

    fn link(&self, path: &str) -> Option<String> {
        fs::read_link(path)
            .ok()?
            .into_os_string()
            .into_string()
            .ok()
    }

    fn glob(&self, pattern: &str) -> Vec<String> {
        let Ok(paths) = glob::glob(pattern) else {
            return Vec::new();
        };
        paths
            .filter_map(Result::ok)
            .filter_map(|path| path.into_os_string().into_string().ok())
            .collect()
    }

    fn list(&self, directory: &str) -> Vec<String> {
        let directory = match directory {
            "" => ".",
            named => named,
        };
        let entries = fs::read_dir(directory).into_iter().flatten();
        let mut names: Vec<String> = entries
            .filter_map(Result::ok)
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort_unstable();
        names
    }

    fn user_exists(&self, name: &str) -> bool {
        is_number(name) || self.account(name).is_some() || !aplomb_platform::lists_accounts()
    }

    fn group_exists(&self, name: &str) -> bool {
        is_number(name) || group_row(name).is_some()
    }

    fn env(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn impossible(&self, spec: &Spec) -> Vec<Impossible> {
        let inabilities = aplomb_platform::inabilities(spec);
        inabilities
            .into_iter()
            .map(|one| impossible(spec, one))
            .collect()
    }

    fn fact(&self, fact: Fact) -> Option<String> {
        let own = |root: &str, variable: &str, below_home: &str| {
            if own_id("Uid").as_deref() == Some("0") {
                return Some(root.to_owned());
            }
            let home = || Some(format!("{}/{below_home}", std::env::var("HOME").ok()?));
            std::env::var(variable).ok().or_else(home)
        };
        match fact {
            Fact::HostName => line_of("/proc/sys/kernel/hostname"),
            Fact::MachineId => line_of("/etc/machine-id"),
            Fact::BootId => {
                line_of("/proc/sys/kernel/random/boot_id").map(|id| id.replace('-', ""))
            }
            Fact::KernelRelease => line_of("/proc/sys/kernel/osrelease"),
            Fact::Architecture => Some(architecture().to_owned()),
            Fact::OsId => os_release("ID"),
            Fact::OsVersionId => os_release("VERSION_ID"),
            Fact::OsBuildId => os_release("BUILD_ID"),
            Fact::OsVariantId => os_release("VARIANT_ID"),
            Fact::UserName => self.own_account().map(|account| account.name),
            Fact::UserId => own_id("Uid"),
            Fact::UserGroupName => group_row(&own_id("Gid")?).map(|(name, _)| name),
            Fact::UserGroupId => own_id("Gid"),
            Fact::UserHome => self
                .own_account()
                .map(|account| account.home)
                .or_else(|| std::env::var("HOME").ok()),
            Fact::UserShell => self.own_account().map(|account| account.shell),
            Fact::RuntimeDirectory => own("/run", "XDG_RUNTIME_DIR", ".local/run"),
            Fact::StateDirectory => own("/var/lib", "XDG_STATE_HOME", ".local/state"),
            Fact::CacheDirectory => own("/var/cache", "XDG_CACHE_HOME", ".cache"),
            Fact::LogsDirectory => own("/var/log", "APLOMB_LOGS_HOME", ".local/state/log"),
            Fact::ConfigurationDirectory => own("/etc", "XDG_CONFIG_HOME", ".config"),
            Fact::TemporaryDirectory => Some("/tmp".to_owned()),
            Fact::PersistentTemporaryDirectory => Some("/var/tmp".to_owned()),
        }
    }
}

/// An inability of the platform with the place in a unit it is about.
fn impossible(spec: &Spec, inability: Inability) -> Impossible {
    let value = |value: &Option<String>| value.clone().unwrap_or_default();
    let said = match inability.part {
        Part::Unit => None,
        Part::StopPlan => Some((Field::StopPlan, String::new())),
        Part::Group => Some((Field::Group, value(&spec.process.group))),
        Part::Listen => None,
    };
    Impossible {
        said,
        what: inability.what,
        instead: inability.instead.to_owned(),
    }
}

/// The architecture in systemd's words (systemd.unit(5), `ConditionArchitecture=`).
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "x86-64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn line_of(path: &str) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned()).filter(|line| !line.is_empty())
}

fn os_release(key: &str) -> Option<String> {
    let text = fs::read_to_string("/etc/os-release")
        .or_else(|_| fs::read_to_string("/usr/lib/os-release"))
        .ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
    Some(line.trim_matches(['"', '\'']).to_owned())
}
