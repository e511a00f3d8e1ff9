//! One program about to be executed, with everything decided: nothing is looked up in units any more.

use aplomb_core::spec::{Privilege, Process};

use crate::{SocketId, StreamId, TreeId};

/// What to execute, and what it finds around it.
#[derive(Debug)]
pub struct Launch<'a> {
    /// The tree it is born into, before its first instruction.
    pub tree: TreeId,
    /// Absolute path, or a bare name to be looked up in `search_path`.
    pub program: &'a str,
    /// Its own name first.
    pub argv: &'a [String],
    /// Complete; nothing but `LISTEN_PID` is added. In the order given, later ones win. Where the system cannot hold
    /// trees by itself, `APLOMB_RUN` in it tells whose an orphan is.
    pub env: &'a [(String, String)],
    /// Directories for a bare `program`; where empty, those of `PATH` in `env`, else the system's usual ones.
    pub search_path: &'a [String],
    /// Directory, identity, umask, nice, affinity, limits, standard input, own directories, sandbox. Its environment
    /// fields have been used to make `env` and are not looked at.
    pub process: &'a Process,
    pub privilege: Privilege,
    pub stdout: Output,
    pub stderr: Output,
    /// Handed over from file descriptor 3 on, in this order (sd_listen_fds(3)). The platform sets `LISTEN_PID`, the
    /// only variable that cannot be known before.
    pub sockets: &'a [SocketId],
    /// A pipe on this descriptor; a newline on it is reported as [`crate::Happened::ReadyLine`] (s6's protocol).
    pub ready_fd: Option<u32>,
}

/// Where one output stream of a program goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    Null,
    /// The engine's own.
    Inherit,
    /// Into a stream the pump reads.
    Pump(StreamId),
    /// Wherever standard output goes (only for standard error).
    SameAsStdout,
}
