//! The few system calls `/proc` has no file for.

use std::io;

use rustix::pipe::fcntl_getpipe_size;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

/// How full a pipe is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fill {
    pub(super) bytes: u64,
    pub(super) room: u64,
}

/// Asks a pipe of another process how full it is, through a copy of the descriptor that is closed at once.
///
/// # Errors
/// As the system tells: `EPERM` without the right to trace that process, `ESRCH` if it has ended, `EBADF` if the
/// descriptor was closed meanwhile.
pub(super) fn pipe_fill(pid: u32, fd: u32) -> io::Result<Fill> {
    let number = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let process = pidfd_open(
        number.ok_or(io::ErrorKind::InvalidInput)?,
        PidfdFlags::empty(),
    )?;
    let fd = i32::try_from(fd).map_err(io::Error::other)?;
    let copy = pidfd_getfd(&process, fd, PidfdGetfdFlags::empty())?;
    Ok(Fill {
        bytes: rustix::io::ioctl_fionread(&copy)?,
        room: fcntl_getpipe_size(&copy)? as u64,
    })
}
