//! The birth of a child that shares our memory until it executes its program.
//!
//! With `CLONE_VM` nothing is copied however large we are, and with `CLONE_FILES` neither is our table of descriptors:
//! the child's first call makes it one of its own, of the low ones it uses. Until then it must not open, close or
//! duplicate any, and other threads of ours may do so as they like. With `CLONE_VFORK` the kernel lets us go on when the
//! child has let go of our memory, at its exec or its end. Without it we could go on at once and be woken through a word
//! the kernel clears; measured, that is no faster, and two would run on one memory.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

use linux_raw_sys::general as nr;
use rustix::process::{Pid, WaitOptions, waitpid};

use super::call::{checked, error_of, syscall};
use super::script::Ready;

const STACK_BYTES: usize = 64 * 1024;

/// Where children are born: the stack they prepare themselves on.
#[derive(Debug)]
pub(crate) struct Nursery {
    stack: Vec<u128>,
    clone3: bool,
    shares_descriptors: bool,
}

/// Why a child never reached its program.
#[derive(Debug)]
pub(crate) struct Failed {
    /// The place of the failed call in the script.
    pub(crate) at: usize,
    pub(crate) source: io::Error,
}

/// How a birth went: a process number, or why there is none.
pub(crate) type Born = Result<u32, Failed>;

/// What both sides see.
struct Shared {
    script: *const Ready,
    /// Zero, or why the child gave up.
    errno: AtomicI32,
    /// Where it gave up.
    at: AtomicU32,
}

impl Nursery {
    pub(crate) fn new() -> Nursery {
        Nursery {
            stack: vec![0; STACK_BYTES / size_of::<u128>()],
            clone3: true,
            shares_descriptors: knows_close_range(),
        }
    }

    /// Whether children can be born into a control group; else they have to join it themselves.
    pub(crate) fn births_into_cgroups(&self) -> bool {
        self.clone3
    }

    /// From now on without clone3, which old kernels lack and strict seccomp filters forbid.
    pub(crate) fn forgo_clone3(&mut self) {
        self.clone3 = false;
    }

    /// From now on with a copy of our table of descriptors for each child.
    pub(crate) fn forgo_shared_descriptors(&mut self) {
        self.shares_descriptors = false;
    }

    /// Whether children begin with our very table of descriptors, and must make one of their own before they change it.
    /// Copying a table of thousands for each child, only to close them at its exec, would cost more than its birth.
    pub(crate) fn shares_descriptors(&self) -> bool {
        self.shares_descriptors
    }

    fn flags(&self) -> u32 {
        let files = if self.shares_descriptors {
            nr::CLONE_FILES
        } else {
            0
        };
        nr::CLONE_VM | nr::CLONE_VFORK | files
    }

    /// Bears a child that carries out `script`, and waits until it has executed its program or given up. With `cgroup` it
    /// is born into the group of that directory.
    ///
    /// The outer error is that of the birth itself, with no child. Every signal must be blocked in the calling thread,
    /// or a handler of ours might run in the child on our memory.
    pub(crate) fn bear(
        &mut self,
        script: &Ready,
        cgroup: Option<BorrowedFd<'_>>,
    ) -> io::Result<Born> {
        let shared = Shared {
            script,
            errno: AtomicI32::new(0),
            at: AtomicU32::new(0),
        };
        let pid = if self.clone3 {
            self.clone3(&shared, cgroup)?
        } else {
            self.clone_as_of_old(&shared)?
        };
        Ok(shared.outcome(pid))
    }

    fn clone3(&mut self, shared: &Shared, cgroup: Option<BorrowedFd<'_>>) -> io::Result<u32> {
        let into = if cgroup.is_some() {
            nr::CLONE_INTO_CGROUP
        } else {
            0
        };
        let args = nr::clone_args {
            flags: u64::from(self.flags()) | into,
            pidfd: 0,
            child_tid: 0,
            parent_tid: 0,
            exit_signal: u64::from(nr::SIGCHLD),
            stack: self.stack.as_mut_ptr() as u64,
            stack_size: size_of_val(&*self.stack) as u64,
            tls: 0,
            set_tid: 0,
            set_tid_size: 0,
            cgroup: cgroup.map_or(0, |fd| fd.as_raw_fd() as u64),
        };
        let words = [&raw const args as usize, size_of_val(&args), 0, 0, 0];
        // SAFETY: with CLONE_VFORK the call returns when the child has let go of our memory: until then the stack, the
        // arguments and the shared words are nobody else's.
        let pid = unsafe { fork_into(nr::__NR_clone3, words, shared) };
        checked(pid).map(|pid| pid as u32)
    }

    fn clone_as_of_old(&mut self, shared: &Shared) -> io::Result<u32> {
        let top = self.stack.as_mut_ptr_range().end as usize;
        let flags = (self.flags() | nr::SIGCHLD) as usize;
        let words = [flags, top, 0, 0, 0];
        // SAFETY: as for clone3.
        let pid = unsafe { fork_into(nr::__NR_clone, words, shared) };
        checked(pid).map(|pid| pid as u32)
    }
}

/// Whether this kernel (5.9 and later) can give a child a table of its own with only the lowest descriptors in it.
fn knows_close_range() -> bool {
    let nothing = [u32::MAX as usize, u32::MAX as usize, 0, 0, 0, 0];
    // SAFETY: closes the one descriptor that never exists.
    let result = unsafe { syscall(nr::__NR_close_range, nothing) };
    error_of(result).is_none()
}

impl Shared {
    fn outcome(&self, pid: u32) -> Born {
        match self.errno.load(Ordering::Acquire) {
            0 => Ok(pid),
            errno => {
                bury(pid);
                Err(Failed {
                    at: self.at.load(Ordering::Acquire) as usize,
                    source: io::Error::from_raw_os_error(errno),
                })
            }
        }
    }
}

/// Takes the end of a child that has given up, so that nobody else is told of it.
fn bury(pid: u32) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    // It has ended or is about to: this does not wait for anything but the scheduler.
    while let Err(rustix::io::Errno::INTR) = waitpid(pid, WaitOptions::empty()) {}
}

/// Issues a clone call whose child, on its new stack, goes to [`child`] with `shared`.
///
/// # Safety
/// The words are valid for the call, name a stack of the child's own, and that stack, `shared` and its script live until
/// the call returns.
#[cfg(target_arch = "x86_64")]
unsafe fn fork_into(number: u32, words: [usize; 5], shared: &Shared) -> isize {
    let result: isize;
    // SAFETY: in the parent this is one system call. The child has nothing on its stack; rbp is cleared to end stack
    // traces; `child` never returns, so nothing after it is reached.
    unsafe {
        core::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r12",
            "call {child}",
            "ud2",
            "2:",
            child = sym child,
            inlateout("rax") number as isize => result,
            in("rdi") words[0],
            in("rsi") words[1],
            in("rdx") words[2],
            in("r10") words[3],
            in("r8") words[4],
            in("r12") shared,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    result
}

/// Issues a clone call whose child, on its new stack, goes to [`child`] with `shared`.
///
/// # Safety
/// The words are valid for the call, name a stack of the child's own, and that stack, `shared` and its script live until
/// the call returns.
#[cfg(target_arch = "aarch64")]
unsafe fn fork_into(number: u32, words: [usize; 5], shared: &Shared) -> isize {
    let result: isize;
    // SAFETY: in the parent this is one system call. The child has nothing on its stack; x29 is cleared to end stack
    // traces; `child` never returns, so nothing after it is reached.
    unsafe {
        core::arch::asm!(
            "svc 0",
            "cbnz x0, 2f",
            "mov x29, xzr",
            "mov x0, x20",
            "bl {child}",
            "brk #1",
            "2:",
            child = sym child,
            in("x8") number as usize,
            inlateout("x0") words[0] => result,
            in("x1") words[1],
            in("x2") words[2],
            in("x3") words[3],
            in("x4") words[4],
            in("x20") shared,
            lateout("x30") _,
        );
    }
    result
}

/// The child's whole life before its program: carry out the script, or tell where it stopped and end.
///
/// Only system calls and plain memory: no allocation, no locks, no thread-local, no panic. The parent thread stands still,
/// but others of its process run.
unsafe extern "C" fn child(shared: *const Shared) -> ! {
    // SAFETY: `fork_into`'s caller keeps it alive until we have let go of the memory.
    let shared = unsafe { &*shared };
    // SAFETY: likewise.
    let script = unsafe { &*shared.script };
    let (at, errno) = script.carry_out();
    shared.at.store(at as u32, Ordering::Release);
    shared.errno.store(errno, Ordering::Release);
    loop {
        // SAFETY: ends this process; no memory is involved.
        let refused = unsafe { syscall(nr::__NR_exit_group, [127, 0, 0, 0, 0, 0]) };
        debug_assert!(error_of(refused).is_none());
    }
}
