//! What the kernel tells about a process through its pidfd, also after its end.

use std::os::fd::{AsRawFd, BorrowedFd};

use linux_raw_sys::general as nr;

use super::call::{checked, syscall};

/// `struct pidfd_info` of <linux/pidfd.h>, as of Linux 6.15.
#[derive(Debug, Default)]
#[repr(C)]
struct PidfdInfo {
    mask: u64,
    cgroupid: u64,
    ids: [u32; 11],
    exit_code: i32,
}

const _: () = assert!(size_of::<PidfdInfo>() == 64);

const MASK_CGROUPID: u64 = 1 << 2;
const MASK_EXIT: u64 = 1 << 3;
/// _IOWR(0xFF, 11, struct pidfd_info).
const PIDFD_GET_INFO: usize = 3 << 30 | size_of::<PidfdInfo>() << 16 | 0xFF << 8 | 11;

fn ask(pidfd: BorrowedFd<'_>) -> Option<PidfdInfo> {
    let mut info = PidfdInfo {
        mask: MASK_CGROUPID | MASK_EXIT,
        ..PidfdInfo::default()
    };
    let args = [
        pidfd.as_raw_fd() as usize,
        PIDFD_GET_INFO,
        &raw mut info as usize,
        0,
        0,
        0,
    ];
    // SAFETY: the kernel writes at most the size that is part of the request's number.
    let result = unsafe { syscall(nr::__NR_ioctl, args) };
    checked(result).ok().map(|_| info)
}

/// How a process ended that somebody has reaped; `None` if it lives, or the kernel (before 6.15) does not say.
pub(crate) fn end_of(pidfd: BorrowedFd<'_>) -> Option<i32> {
    ask(pidfd)
        .filter(|info| info.mask & MASK_EXIT != 0)
        .map(|info| info.exit_code)
}

/// The number of the control group a process is in, or was in at its end.
pub(crate) fn group_of(pidfd: BorrowedFd<'_>) -> Option<u64> {
    ask(pidfd)
        .filter(|info| info.mask & MASK_CGROUPID != 0)
        .map(|info| info.cgroupid)
}
