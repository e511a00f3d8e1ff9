//! The questions about the machine that reading and checking units asks. Answered by the client, or by a test.

mod remembered;

use aplomb_core::Spec;

use crate::source::Field;

pub(crate) use remembered::Remembered;

/// The machine the units are meant for. Answers describe this moment; nothing is changed by asking.
pub trait World {
    /// What is at this absolute path, symbolic links followed.
    fn file(&self, path: &str) -> FileKind;

    /// The first bytes of a file, up to 256; `None` if it cannot be read.
    fn head(&self, path: &str) -> Option<Vec<u8>>;

    /// Directories as one search path. As it stands, the rule of Linux: between colons.
    fn search_path(&self, directories: &[String]) -> String {
        directories.join(":")
    }

    /// The program a bare name means in a search path, as the system looks it up when executing it. As it stands, the
    /// rule of Linux: directories between colons; Windows answers with its own.
    fn find_program(&self, name: &str, search_path: &str) -> Option<String> {
        search_path
            .split(':')
            .filter(|directory| !directory.is_empty())
            .map(|directory| format!("{}/{name}", directory.trim_end_matches('/')))
            .find(|path| matches!(self.file(path), FileKind::File { executable: true }))
    }

    /// All bytes of a file that belongs to a unit (a drop-in, an alias) or that tells something about the machine;
    /// `None` if it cannot be read. A world without files has none.
    fn read(&self, _path: &str) -> Option<Vec<u8>> {
        None
    }

    /// What the symbolic link at this path says, as written; `None` if there is none.
    fn link(&self, _path: &str) -> Option<String> {
        None
    }

    /// Paths that match a pattern with `*`, `?` and `[…]`, in order.
    fn glob(&self, pattern: &str) -> Vec<String>;

    /// Names of all that lies in a directory, in order; none if it cannot be read. Without a path it is the current
    /// directory. As it stands asked as a pattern, so it is wrong where the directory's own name holds `*`, `?` or
    /// `[`: a world with real directories answers with its own.
    fn list(&self, directory: &str) -> Vec<String> {
        let pattern = match directory {
            "" => "*".to_owned(),
            directory => format!("{}/*", directory.trim_end_matches('/')),
        };
        let paths = self.glob(&pattern).into_iter();
        paths
            .filter_map(|path| Some(path.rsplit(['/', '\\']).next()?.to_owned()))
            .collect()
    }

    /// Whether a service of this name, or with this family name, is there already, where these units are going to.
    fn has_service(&self, _name: &str) -> bool {
        false
    }

    /// Whether the machine knows a user of this name or number.
    fn user_exists(&self, name: &str) -> bool;

    /// Whether the machine knows a group of this name or number.
    fn group_exists(&self, name: &str) -> bool;

    /// A variable of the environment the engine will hand on.
    fn env(&self, name: &str) -> Option<String>;

    /// What the definition asks for and this system cannot perform. As it stands, a system that can perform everything.
    fn impossible(&self, _spec: &Spec) -> Vec<Impossible> {
        Vec::new()
    }

    /// Something the machine or its operator is called, or where things lie.
    fn fact(&self, fact: Fact) -> Option<String>;
}

/// Something a definition asks for that a system cannot perform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Impossible {
    /// Where it was said: a field and its value; `None`: somewhere in the unit.
    pub said: Option<(Field, String)>,
    /// What cannot be done; no full stop.
    pub what: String,
    /// What to do instead, in the imperative; no full stop.
    pub instead: String,
}

/// What lies at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    Missing,
    Directory,
    /// Whether anybody may execute it.
    File {
        executable: bool,
    },
    /// A socket, a device, a pipe.
    Other,
}

/// One thing known about the machine or the user we run as; what systemd.unit(5), "Specifiers", can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fact {
    HostName,
    MachineId,
    BootId,
    KernelRelease,
    Architecture,
    /// Of the operating system, from os-release(5).
    OsId,
    OsVersionId,
    OsBuildId,
    OsVariantId,
    UserName,
    UserId,
    UserGroupName,
    UserGroupId,
    UserHome,
    UserShell,
    RuntimeDirectory,
    StateDirectory,
    CacheDirectory,
    LogsDirectory,
    ConfigurationDirectory,
    TemporaryDirectory,
    PersistentTemporaryDirectory,
}
