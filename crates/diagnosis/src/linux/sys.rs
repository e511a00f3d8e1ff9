//! The few system calls `/proc` has no file for, and the one place of this crate with `unsafe`.
//!
//! `perf_event_open` is called through the C library's `syscall`, because nobody wraps it; everything else is rustix.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
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

/// `perf_event_attr` as far as it is used, of its third size.
#[repr(C)]
#[derive(Default)]
struct Attributes {
    kind: u32,
    size: u32,
    config: u64,
    period: u64,
    sample: u64,
    read: u64,
    flags: u64,
    wakeup: u32,
    breakpoint_kind: u32,
    breakpoint: [u64; 2],
    branches: u64,
    registers: u64,
    stack: u32,
    clock: i32,
}

/// Samples a thread while it runs, without stopping it: the kernel notes where it is from time to time.
#[derive(Debug)]
pub(super) struct Sampler {
    /// Closing it ends the sampling; it must outlive nothing.
    _event: OwnedFd,
    ring: NonNull<u8>,
    length: usize,
}

const SOFTWARE: u32 = 1;
const CPU_CLOCK: u64 = 0;
const NO_KERNEL: u64 = 1 << 5 | 1 << 6;
const INSTRUCTION: u64 = 1;
const REGISTERS: u64 = 1 << 12;
const STACK: u64 = 1 << 13;
const CLOSE_ON_EXEC: libc::c_ulong = 8;
/// Where the first page of the ring tells how much was written.
const HEAD: usize = 1024;
/// Pages of the ring, besides the first; a power of two.
const PAGES: usize = 64;

impl Sampler {
    /// Begins, with a sample each `period` nanoseconds of running; `registers` as the kernel numbers them, and `stack`
    /// bytes from the top of the stack.
    ///
    /// # Errors
    /// As the system tells: `EACCES` without the right to trace that thread, or where sampling is not allowed at all.
    pub(super) fn start(tid: u32, period: u64, registers: u64, stack: u32) -> io::Result<Sampler> {
        let attributes = Attributes {
            kind: SOFTWARE,
            size: size_of::<Attributes>() as u32,
            config: CPU_CLOCK,
            period,
            sample: INSTRUCTION | REGISTERS | STACK,
            flags: NO_KERNEL,
            registers,
            stack,
            ..Attributes::default()
        };
        let tid = libc::pid_t::try_from(tid).map_err(io::Error::other)?;
        let attributes: *const Attributes = &raw const attributes;
        let (any_cpu, no_group): (libc::c_int, libc::c_int) = (-1, -1);
        // SAFETY: perf_event_open reads `size` bytes at the pointer, which is the structure's own size, and keeps none.
        let result = unsafe {
            libc::syscall(
                libc::SYS_perf_event_open,
                attributes,
                tid,
                any_cpu,
                no_group,
                CLOSE_ON_EXEC,
            )
        };
        let raw = i32::try_from(result).ok().filter(|fd| *fd >= 0);
        let raw = raw.ok_or_else(io::Error::last_os_error)?;
        // SAFETY: the call has just made this descriptor for us, and nobody else knows it.
        let event = unsafe { OwnedFd::from_raw_fd(raw) };
        let length = (1 + PAGES) * rustix::param::page_size();
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at a place the kernel chooses disturbs no memory of ours.
        let ring = unsafe {
            mmap(
                std::ptr::null_mut(),
                length,
                access,
                MapFlags::SHARED,
                &event,
                0,
            )
        }?;
        Ok(Sampler {
            _event: event,
            ring: NonNull::new(ring.cast()).ok_or(io::ErrorKind::OutOfMemory)?,
            length,
        })
    }

    /// What was noted until now: records as the kernel writes them. When the ring is full no more are noted.
    pub(super) fn records(&self) -> Vec<u8> {
        let page = rustix::param::page_size();
        let room = self.length - page;
        // SAFETY: the head lies within the first page of the ring, which is mapped as long as `self` lives.
        let head = unsafe { self.ring.add(HEAD) };
        // SAFETY: it is aligned to eight bytes, and the kernel, which alone writes it, writes it as a whole.
        let head = unsafe { AtomicU64::from_ptr(head.as_ptr().cast()) };
        let written = head.load(Ordering::Acquire);
        let written = usize::try_from(written).unwrap_or(room).min(room);
        let mut records = vec![0; written];
        // SAFETY: the pages behind the first are mapped as well, `written` bytes are within them.
        let first = unsafe { self.ring.add(page) };
        // SAFETY: `records` has room for `written` bytes and is our own. What the kernel has written it writes no more: we
        // never tell it that something was taken.
        unsafe {
            std::ptr::copy_nonoverlapping(first.as_ptr(), records.as_mut_ptr(), written);
        }
        records
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, of this length, and nothing borrowed from it is left.
        let unmapped = unsafe { munmap(self.ring.as_ptr().cast(), self.length) };
        // It fails only for a mapping that is none.
        debug_assert!(unmapped.is_ok());
    }
}
