//! System calls, and the one function that runs in signal context.
//!
//! The handler writes a 16-byte record into a non-blocking pipe and calls an earlier handler, if there was one. Writes up
//! to PIPE_BUF are atomic, so records of several threads never mix; a full pipe (4096 unread signals) drops the record.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};
use std::time::Duration;

use libc::{c_int, c_void, siginfo_t};

/// What a signal carried. A zero `signal` only wakes the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
pub(crate) struct Record {
    pub(crate) signal: i32,
    pub(crate) code: i32,
    pub(crate) pid: i32,
    pub(crate) uid: u32,
}

pub(super) const RECORD: usize = size_of::<Record>();

/// Highest signal number we keep an earlier handler for (Linux real-time signals end at 64).
const SIGNALS: usize = 65;

static PIPE: AtomicI32 = AtomicI32::new(-1);
static EARLIER: [AtomicUsize; SIGNALS] = [const { AtomicUsize::new(0) }; SIGNALS];
static EARLIER_TAKES_INFO: [AtomicBool; SIGNALS] = [const { AtomicBool::new(false) }; SIGNALS];

impl Record {
    fn bytes(self) -> [u8; RECORD] {
        let mut bytes = [0; RECORD];
        bytes[0..4].copy_from_slice(&self.signal.to_ne_bytes());
        bytes[4..8].copy_from_slice(&self.code.to_ne_bytes());
        bytes[8..12].copy_from_slice(&self.pid.to_ne_bytes());
        bytes[12..16].copy_from_slice(&self.uid.to_ne_bytes());
        bytes
    }

    pub(super) fn parse(bytes: &[u8; RECORD]) -> Self {
        let word = |at: usize| [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        Self {
            signal: i32::from_ne_bytes(word(0)),
            code: i32::from_ne_bytes(word(4)),
            pid: i32::from_ne_bytes(word(8)),
            uid: u32::from_ne_bytes(word(12)),
        }
    }
}

/// Where the handler writes from now on; `None` silences it.
pub(super) fn aim(pipe: Option<RawFd>) {
    PIPE.store(pipe.unwrap_or(-1), Ordering::SeqCst);
}

/// Only async-signal-safe calls are made here: write(2), atomics, and whatever an earlier handler does.
pub(super) extern "C" fn on_signal(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let errno = errno();
    let mut record = Record {
        signal,
        ..Record::default()
    };
    if !info.is_null() {
        // SAFETY: with SA_SIGINFO the kernel passes a valid siginfo_t that lives until the handler returns.
        let info = unsafe { &*info };
        record.code = info.si_code;
        // SAFETY: the fields read are plain integers inside the structure; their meaning is judged by the reader.
        record.pid = unsafe { info.si_pid() };
        // SAFETY: as above.
        record.uid = unsafe { info.si_uid() };
    }
    let pipe = PIPE.load(Ordering::SeqCst);
    if pipe >= 0 {
        write_record(pipe, record);
    }
    chain(signal, info, context);
    set_errno(errno);
}

fn chain(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let Some(index) = usize::try_from(signal)
        .ok()
        .filter(|index| *index < SIGNALS)
    else {
        return;
    };
    let earlier = EARLIER[index].load(Ordering::SeqCst);
    if earlier == 0 {
        return;
    }
    if EARLIER_TAKES_INFO[index].load(Ordering::SeqCst) {
        // SAFETY: the address came from sigaction with SA_SIGINFO set, so it is a function of this type.
        let handler: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) =
            unsafe { std::mem::transmute(earlier) };
        handler(signal, info, context);
    } else {
        // SAFETY: the address came from sigaction without SA_SIGINFO and is neither SIG_DFL nor SIG_IGN.
        let handler: extern "C" fn(c_int) = unsafe { std::mem::transmute(earlier) };
        handler(signal);
    }
}

pub(super) fn write_record(pipe: RawFd, record: Record) {
    let bytes = record.bytes();
    // SAFETY: the buffer is valid for its length; an invalid descriptor only yields EBADF. A full pipe is ignored: what is
    // in it will wake the reader just as well.
    unsafe { libc::write(pipe, bytes.as_ptr().cast(), bytes.len()) };
}

/// A handler as it was before ours.
#[derive(Debug, Clone, Copy)]
pub(super) struct Earlier {
    pub(super) handler: usize,
    pub(super) flags: u64,
    pub(super) mask: u64,
}

impl Earlier {
    pub(super) fn is_ignore(self) -> bool {
        self.handler == libc::SIG_IGN
    }

    pub(super) fn remember(self, signal: i32) {
        let Some(index) = usize::try_from(signal)
            .ok()
            .filter(|index| *index < SIGNALS)
        else {
            return;
        };
        let real = self.handler != libc::SIG_DFL && self.handler != libc::SIG_IGN;
        let takes_info = self.flags & u64::try_from(libc::SA_SIGINFO).unwrap_or(0) != 0;
        EARLIER_TAKES_INFO[index].store(takes_info, Ordering::SeqCst);
        EARLIER[index].store(if real { self.handler } else { 0 }, Ordering::SeqCst);
    }
}

#[cfg(not(feature = "raw-signals"))]
mod action {
    //! The C library's sigaction.

    use super::{Earlier, io, on_signal};

    /// Puts our handler in place of what was there.
    pub(in crate::unix) fn catch(signal: i32) -> io::Result<Earlier> {
        let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) =
            on_signal;
        let flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
        set(signal, handler as usize, flags, 0)
    }

    pub(in crate::unix) fn restore(signal: i32, earlier: Earlier) -> io::Result<()> {
        let flags = libc::c_int::try_from(earlier.flags).unwrap_or(0);
        set(signal, earlier.handler, flags, earlier.mask).map(drop)
    }

    pub(in crate::unix) fn current(signal: i32) -> io::Result<Earlier> {
        // SAFETY: all-zero bytes are a valid sigaction (SIG_DFL, empty mask, no flags).
        let mut old: libc::sigaction = unsafe { std::mem::zeroed() };
        // SAFETY: a null new action only asks; `old` is valid for writing.
        let asked = unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut old) };
        if asked == 0 {
            Ok(earlier(&old))
        } else {
            Err(io::Error::last_os_error())
        }
    }

    fn set(signal: i32, handler: usize, flags: libc::c_int, mask: u64) -> io::Result<Earlier> {
        // SAFETY: all-zero bytes are a valid sigaction.
        let mut new: libc::sigaction = unsafe { std::mem::zeroed() };
        // SAFETY: as above.
        let mut old: libc::sigaction = unsafe { std::mem::zeroed() };
        new.sa_sigaction = handler;
        new.sa_flags = flags;
        for member in (1..=64).filter(|member| mask >> (member - 1) & 1 == 1) {
            // SAFETY: the mask is initialised and the signal number is in range.
            unsafe { libc::sigaddset(&raw mut new.sa_mask, member) };
        }
        // SAFETY: both structures are valid, and the handler is SIG_DFL, SIG_IGN or a function of the type the flags say.
        let done = unsafe { libc::sigaction(signal, &raw const new, &raw mut old) };
        if done == 0 {
            Ok(earlier(&old))
        } else {
            Err(io::Error::last_os_error())
        }
    }

    fn earlier(old: &libc::sigaction) -> Earlier {
        let mut mask = 0;
        for member in 1..=64 {
            // SAFETY: the kernel filled the mask; the signal number is in range.
            if unsafe { libc::sigismember(&raw const old.sa_mask, member) } == 1 {
                mask |= 1 << (member - 1);
            }
        }
        Earlier {
            handler: old.sa_sigaction,
            flags: u64::try_from(old.sa_flags).unwrap_or(0),
            mask,
        }
    }
}

#[cfg(not(feature = "raw-signals"))]
pub(super) use action::{catch, current, restore};

#[cfg(feature = "raw-signals")]
pub(super) use super::raw::{catch, current, restore};

/// Waits until `fd` can be read or `timeout` passes. An interruption by a signal counts as readable: the caller looks.
pub(super) fn wait_readable(fd: BorrowedFd<'_>, timeout: Option<Duration>) {
    let mut poll = libc::pollfd {
        fd: fd.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    // Rounded up, so that a deadline has truly passed when we return.
    let ms = timeout.map_or(-1, |time| {
        c_int::try_from(time.as_micros().div_ceil(1000)).unwrap_or(c_int::MAX)
    });
    // SAFETY: one valid pollfd is passed, and its count.
    unsafe { libc::poll(&raw mut poll, 1, ms) };
}

pub(super) fn set_nonblocking(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: the descriptor is open; F_GETFL takes no argument.
    let flags = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) };
    if flags < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: as above; F_SETFL takes the flags.
    let set = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK) };
    if set < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Lowers the backlog of a listening socket to nothing: the kernel queues no more connections, and keeps those it has.
#[cfg(feature = "http")]
pub(crate) fn close_backlog(socket: &std::net::TcpListener) -> io::Result<()> {
    // SAFETY: the descriptor is open; listen(2) on a listening socket only changes its backlog.
    let done = unsafe { libc::listen(socket.as_raw_fd(), 0) };
    if done < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Microseconds of the monotonic clock, as `RELOADING=1` must carry them.
pub(super) fn monotonic_usec() -> u64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `now` is valid for writing; this clock exists on every system.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000
        + u64::try_from(now.tv_nsec).unwrap_or(0) / 1_000
}

/// Ends the process without running destructors or exit handlers.
pub(crate) fn exit_now(code: u8) -> ! {
    // SAFETY: _exit never returns and touches no memory of ours.
    unsafe { libc::_exit(i32::from(code)) }
}

/// Ends the process by `signal` with its default action, so that a parent sees the signal.
pub(super) fn raise_default(signal: i32) {
    // SAFETY: SIG_DFL is a valid handler.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
    // SAFETY: raising a signal has no memory effects.
    unsafe { libc::raise(signal) };
}

fn errno() -> c_int {
    // SAFETY: the C library's errno location of this thread is always valid.
    unsafe { *location() }
}

fn set_errno(errno: c_int) {
    // SAFETY: as above.
    unsafe { *location() = errno };
}

fn location() -> *mut c_int {
    #[cfg(any(target_os = "linux", target_os = "dragonfly", target_os = "emscripten"))]
    // SAFETY: takes nothing, returns the address of this thread's errno.
    return unsafe { libc::__errno_location() };
    #[cfg(not(any(target_os = "linux", target_os = "dragonfly", target_os = "emscripten")))]
    // SAFETY: as above, under the name the BSDs and macOS use.
    return unsafe { libc::__error() };
}
