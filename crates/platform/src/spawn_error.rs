//! Why a program could not be executed: told before the service counts as started.

use std::io;

/// Why a spawn failed. Each has one thing an operator can do about it, and systemd's number for scripts that know it.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    #[error("there is no program `{program}`")]
    NotFound { program: String },
    #[error("`{program}` may not be executed")]
    NotExecutable { program: String },
    #[error("`{program}` needs the interpreter `{interpreter}`, which is not there")]
    BadInterpreter {
        program: String,
        interpreter: String,
    },
    #[error("`{program}` is not in a format this system executes")]
    BadFormat { program: String },
    #[error("there is no user `{name}`")]
    NoUser { name: String },
    #[error("there is no group `{name}`")]
    NoGroup { name: String },
    #[error("cannot enter the directory `{path}`")]
    Directory { path: String, source: io::Error },
    #[error("the system has no room for another process")]
    NoRoom { source: io::Error },
    #[error("cannot {step}")]
    Setup { step: Step, source: io::Error },
}

/// What was being prepared when the system said no; named as the sentence "cannot …" wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Step {
    #[error("join the control group")]
    ControlGroup,
    #[error("open standard input")]
    Stdin,
    #[error("open standard output")]
    Stdout,
    #[error("hand over the sockets")]
    Sockets,
    #[error("set the nice value")]
    Nice,
    #[error("set the out-of-memory score")]
    OomScore,
    #[error("set the processor affinity")]
    CpuAffinity,
    #[error("set the resource limits")]
    Limits,
    #[error("change the group")]
    Group,
    #[error("change the user")]
    User,
    #[error("set the capabilities")]
    Capabilities,
    #[error("make the name spaces of the sandbox")]
    Sandbox,
    #[error("change the root directory")]
    RootDirectory,
    #[error("make the runtime directory")]
    RuntimeDirectory,
    #[error("make the state directory")]
    StateDirectory,
    #[error("make the cache directory")]
    CacheDirectory,
    #[error("make the log directory")]
    LogsDirectory,
    #[error("make the configuration directory")]
    ConfigurationDirectory,
    #[error("execute the program")]
    Execute,
}

impl SpawnError {
    /// The exit status systemd would have shown, systemd.exec(5), "Process Exit Codes".
    pub fn exit_status(&self) -> u32 {
        match self {
            SpawnError::NotFound { .. }
            | SpawnError::NotExecutable { .. }
            | SpawnError::BadInterpreter { .. }
            | SpawnError::BadFormat { .. } => 203,
            SpawnError::NoUser { .. } => 217,
            SpawnError::NoGroup { .. } => 216,
            SpawnError::Directory { .. } => 200,
            SpawnError::NoRoom { .. } => 1,
            SpawnError::Setup { step, .. } => step.exit_status(),
        }
    }
}

impl Step {
    fn exit_status(self) -> u32 {
        match self {
            Step::ControlGroup => 219,
            Step::Stdin => 208,
            Step::Stdout => 209,
            Step::Sockets => 202,
            Step::Nice => 201,
            Step::OomScore => 206,
            Step::CpuAffinity => 215,
            Step::Limits => 205,
            Step::Group => 216,
            Step::User => 217,
            Step::Capabilities => 218,
            Step::Sandbox => 226,
            Step::RootDirectory => 210,
            Step::RuntimeDirectory => 233,
            Step::StateDirectory => 238,
            Step::CacheDirectory => 239,
            Step::LogsDirectory => 240,
            Step::ConfigurationDirectory => 241,
            Step::Execute => 203,
        }
    }
}
