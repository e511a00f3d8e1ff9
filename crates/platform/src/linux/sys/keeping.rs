//! What a keeper needs of the kernel: a child that shares the table of descriptors, signals with who sent them, ends not
//! yet laid to rest, and memory that outlives whoever wrote into it.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use linux_raw_sys::general as nr;

use super::call::{checked, syscall};
use super::signals::SignalSet;

/// Which of the two one is after a birth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Parent { child: u32 },
    Child,
}

/// A child with a copy of our memory, as fork(2) makes it, that uses our very table of descriptors: what one of the two
/// opens or closes, the other has opened or closed, and it stays when one of them ends, however it ends.
///
/// Refused where this process has more than one thread: a copy of a lock another one holds would never be unlocked.
pub(crate) fn bear_sharing_descriptors() -> io::Result<Side> {
    if std::fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::other("more than one thread runs"));
    }
    let mut flags = nr::CLONE_FILES | nr::SIGCHLD;
    // The C library keeps the number of its thread where the kernel can write it.
    let tid = tid_address().unwrap_or(ptr::null_mut());
    if !tid.is_null() {
        flags |= nr::CLONE_CHILD_SETTID | nr::CLONE_CHILD_CLEARTID;
    }
    #[cfg(target_arch = "x86_64")]
    let args = [flags as usize, 0, 0, tid as usize, 0, 0];
    #[cfg(target_arch = "aarch64")]
    let args = [flags as usize, 0, 0, 0, tid as usize, 0];
    // SAFETY: without CLONE_VM and with no stack the child goes on here on its own copy of all memory; the only thread
    // there is holds no lock; the address is where the kernel cleared a number for this thread already.
    let result = unsafe { syscall(nr::__NR_clone, args) };
    checked(result).map(|pid| match pid {
        0 => Side::Child,
        child => Side::Parent {
            child: child as u32,
        },
    })
}

/// Where the C library wants the number of this thread written; `None` where the kernel does not tell.
fn tid_address() -> Option<*mut u32> {
    let mut address: *mut u32 = ptr::null_mut();
    let args = [
        linux_raw_sys::prctl::PR_GET_TID_ADDRESS as usize,
        &raw mut address as usize,
        0,
        0,
        0,
        0,
    ];
    // SAFETY: the kernel writes one pointer, for which there is room.
    let result = unsafe { syscall(nr::__NR_prctl, args) };
    checked(result).ok().map(|_| address)
}

/// The kernel's `siginfo_t`, of which few words are of interest.
#[repr(C, align(8))]
#[derive(Debug, Clone, Copy)]
pub(crate) struct SignalInfo {
    pub(crate) number: i32,
    _errno: i32,
    code: i32,
    _gap: i32,
    pub(crate) pid: u32,
    uid: u32,
    status: i32,
    _rest: [i32; 25],
}

const _: () = assert!(size_of::<SignalInfo>() == 128);

const SI_QUEUE: i32 = -1;
const CLD_EXITED: i32 = 1;
const CLD_DUMPED: i32 = 3;

impl SignalInfo {
    const EMPTY: SignalInfo = SignalInfo {
        number: 0,
        _errno: 0,
        code: 0,
        _gap: 0,
        pid: 0,
        uid: 0,
        status: 0,
        _rest: [0; 25],
    };
}

/// Waits for a blocked signal; `None`: the time is over, or something else woke us.
pub(crate) fn wait_for_signal(within: Option<Duration>) -> io::Result<Option<SignalInfo>> {
    let mut info = SignalInfo::EMPTY;
    let time = within.map(|span| [span.as_secs(), u64::from(span.subsec_nanos())]);
    let all = SignalSet::ALL;
    let args = [
        &raw const all.0 as usize,
        &raw mut info as usize,
        time.as_ref().map_or(0, |time| time.as_ptr() as usize),
        size_of::<u64>(),
        0,
        0,
    ];
    // SAFETY: the set is eight bytes, as said; the kernel writes one siginfo; the time is two words or none.
    let result = unsafe { syscall(nr::__NR_rt_sigtimedwait, args) };
    match checked(result) {
        Ok(_) => Ok(Some(info)),
        Err(error) => match error.raw_os_error().map(|errno| errno as u32) {
            Some(linux_raw_sys::errno::EAGAIN | linux_raw_sys::errno::EINTR) => Ok(None),
            _ => Err(error),
        },
    }
}

/// Hands a signal on to another process, sender and all.
pub(crate) fn hand_on(pid: u32, info: SignalInfo) -> io::Result<()> {
    // The kernel lets nobody pretend to be the kernel; from a process, any sender may be named.
    let by_the_kernel = info.code > 0;
    let info = SignalInfo {
        code: SI_QUEUE,
        pid: if by_the_kernel { 0 } else { info.pid },
        ..info
    };
    let args = [
        pid as usize,
        info.number as usize,
        &raw const info as usize,
        0,
        0,
        0,
    ];
    // SAFETY: the kernel reads one siginfo.
    let result = unsafe { syscall(nr::__NR_rt_sigqueueinfo, args) };
    checked(result).map(drop)
}

/// A child that has ended and is not laid to rest: its number, and its status as wait(2) gives it.
pub(crate) fn peek_at_ended() -> io::Result<Option<(u32, i32)>> {
    const P_ALL: usize = 0;
    let mut info = SignalInfo::EMPTY;
    let options = nr::WEXITED | nr::WNOHANG | nr::WNOWAIT;
    let args = [P_ALL, 0, &raw mut info as usize, options as usize, 0, 0];
    // SAFETY: the kernel writes one siginfo; the usage may be null.
    let result = unsafe { syscall(nr::__NR_waitid, args) };
    match checked(result) {
        Ok(_) if info.pid == 0 => Ok(None),
        Ok(_) => Ok(Some((info.pid, raw_status(info.code, info.status)))),
        Err(error) if error.raw_os_error() == Some(linux_raw_sys::errno::ECHILD as i32) => Ok(None),
        Err(error) => Err(error),
    }
}

fn raw_status(code: i32, status: i32) -> i32 {
    match code {
        CLD_EXITED => (status & 0xff) << 8,
        CLD_DUMPED => status | 0x80,
        _ => status,
    }
}

/// Executes a program in our place; comes back only if that failed.
pub(crate) fn execute(program: &CStr, argv: &[&CStr], env: &[&CStr]) -> io::Error {
    let words = |list: &[&CStr]| -> Vec<*const std::ffi::c_char> {
        let words = list.iter().map(|word| word.as_ptr());
        words.chain([ptr::null()]).collect()
    };
    let (argv, env) = (words(argv), words(env));
    let args = [
        program.as_ptr() as usize,
        argv.as_ptr() as usize,
        env.as_ptr() as usize,
        0,
        0,
        0,
    ];
    // SAFETY: three pointers to what lives over the call; both lists end with a null.
    let result = unsafe { syscall(nr::__NR_execve, args) };
    checked(result)
        .err()
        .unwrap_or_else(|| io::ErrorKind::Other.into())
}

/// Whether a descriptor of this number is closed at an exec, from now on.
pub(crate) fn close_at_exec(number: RawFd, closes: bool) -> io::Result<()> {
    let flags = if closes { nr::FD_CLOEXEC as usize } else { 0 };
    let args = [number as usize, nr::F_SETFD as usize, flags, 0, 0, 0];
    // SAFETY: fcntl takes numbers only for this command; a number that is not open is refused.
    let result = unsafe { syscall(nr::__NR_fcntl, args) };
    checked(result).map(drop)
}

/// Closes a descriptor that nobody in this process owns: left by a dead one that shared our table.
pub(crate) fn close_abandoned(number: RawFd) {
    // SAFETY: the caller names what no owner of this process has; at worst the number is not open.
    let _closed = unsafe { syscall(nr::__NR_close, [number as usize, 0, 0, 0, 0, 0]) };
}

/// Takes a descriptor that nobody in this process owns, by number; `None` if it is not open.
pub(crate) fn take_abandoned(number: RawFd) -> Option<OwnedFd> {
    let args = [number as usize, nr::F_GETFD as usize, 0, 0, 0, 0];
    // SAFETY: fcntl takes numbers only for this command.
    let result = unsafe { syscall(nr::__NR_fcntl, args) };
    checked(result).ok()?;
    // SAFETY: it is open, and nobody of this process owns it, as the caller knows.
    Some(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Gives back the memory that holds our program's instructions: who sleeps needs none of it, and it comes back from its
/// file where it is used again.
pub(crate) fn let_go_of_program() {
    unsafe extern "C" {
        // Given by the linker: where the program begins in memory, and where its instructions end.
        static __executable_start: u8;
        static etext: u8;
    }
    let page = rustix::param::page_size();
    let start = &raw const __executable_start as usize;
    let end = (&raw const etext as usize) / page * page;
    if !start.is_multiple_of(page) || end <= start {
        return;
    }
    let args = [start, end - start, nr::MADV_DONTNEED as usize, 0, 0, 0];
    // SAFETY: up to there nothing is ever written: no content is lost, and the next access reads the file's again.
    let _refused = unsafe { syscall(nr::__NR_madvise, args) };
}

/// A descriptor the keeper holds, which is open as long as this process lives.
pub(crate) fn for_good(held: BorrowedFd<'_>) -> BorrowedFd<'static> {
    // SAFETY: a keeper never closes what it holds, and in its engine nobody owns it.
    unsafe { BorrowedFd::borrow_raw(held.as_raw_fd()) }
}

/// Memory that is a file: whoever maps it next finds what the last one wrote, however he ended.
#[derive(Debug)]
pub(crate) struct SharedMemory {
    start: *mut u8,
    length: usize,
}

// SAFETY: the memory belongs to the one value that maps it; nothing in it is bound to a thread.
unsafe impl Send for SharedMemory {}

impl SharedMemory {
    /// Maps `length` bytes of a file from `offset` on, which must be as long; the offset at the beginning of a page.
    pub(crate) fn map(
        file: BorrowedFd<'_>,
        offset: usize,
        length: usize,
    ) -> io::Result<SharedMemory> {
        let protection = nr::PROT_READ | nr::PROT_WRITE;
        let args = [
            0,
            length,
            protection as usize,
            nr::MAP_SHARED as usize,
            file.as_raw_fd() as usize,
            offset,
        ];
        // SAFETY: asks for new memory wherever there is room; nothing of ours is replaced.
        let result = unsafe { syscall(nr::__NR_mmap, args) };
        Ok(SharedMemory {
            start: checked(result)? as *mut u8,
            length,
        })
    }

    /// All of it.
    pub(crate) fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: mapped for reading and writing, as long as this value lives, and borrowed from it alone.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.length) }
    }

    /// The eight bytes at word `at`, for what must not be written in another order than the program says.
    pub(crate) fn word(&self, at: usize) -> &AtomicU64 {
        assert!((at + 1) * size_of::<u64>() <= self.length, "inside");
        // SAFETY: inside the mapping, by the line above.
        let place = unsafe { self.start.add(at * size_of::<u64>()) };
        // SAFETY: aligned, for mappings begin at pages, and valid as long as this value lives.
        unsafe { AtomicU64::from_ptr(place.cast()) }
    }
}

impl Drop for SharedMemory {
    fn drop(&mut self) {
        let args = [self.start as usize, self.length, 0, 0, 0, 0];
        // SAFETY: mapped by us, and nobody has borrowed it any more.
        let _unmapped = unsafe { syscall(nr::__NR_munmap, args) };
    }
}
