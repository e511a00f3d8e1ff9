//! The same three operations by the rt_sigaction system call itself, without the C library's wrapper.
//!
//! What it gains: no libc between the kernel's contract and ours, and a handler that is entered and left by code we can
//! read. What it costs: the kernel's structure and, on x86_64, our own return trampoline (the kernel refuses a handler
//! without one). Linux on x86_64 and aarch64 only.

use std::arch::asm;
use std::io;

use crate::unix::sys::{Earlier, on_signal};

#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
compile_error!("the feature `raw-signals` exists for Linux on x86_64 and aarch64 only");

/// `struct sigaction` as the kernel knows it (include/uapi/asm-generic/signal.h; the same layout on both architectures).
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
struct KernelAction {
    handler: usize,
    flags: u64,
    restorer: usize,
    mask: u64,
}

/// The kernel's set of 64 signals, in bytes; it refuses any other size.
const SET: usize = 8;
const SA_SIGINFO: u64 = 0x0000_0004;
const SA_ONSTACK: u64 = 0x0800_0000;
const SA_RESTART: u64 = 0x1000_0000;

#[cfg(target_arch = "x86_64")]
const SA_RESTORER: u64 = 0x0400_0000;

#[cfg(target_arch = "x86_64")]
std::arch::global_asm!(
    ".globl aplomb_lifecycle_sigreturn",
    ".type aplomb_lifecycle_sigreturn, @function",
    "aplomb_lifecycle_sigreturn:",
    // rt_sigreturn takes everything from the frame the kernel has put on the stack.
    "mov eax, 15",
    "syscall",
    "ud2",
    ".size aplomb_lifecycle_sigreturn, . - aplomb_lifecycle_sigreturn",
);

#[cfg(target_arch = "x86_64")]
unsafe extern "C" {
    fn aplomb_lifecycle_sigreturn();
}

pub(in crate::unix) fn catch(signal: i32) -> io::Result<Earlier> {
    let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = on_signal;
    let mut action = KernelAction {
        handler: handler as usize,
        flags: SA_SIGINFO | SA_RESTART | SA_ONSTACK,
        ..KernelAction::default()
    };
    with_restorer(&mut action);
    rt_sigaction(signal, Some(&action)).map(earlier)
}

pub(in crate::unix) fn restore(signal: i32, earlier: Earlier) -> io::Result<()> {
    let mut action = KernelAction {
        handler: earlier.handler,
        flags: earlier.flags,
        mask: earlier.mask,
        ..KernelAction::default()
    };
    with_restorer(&mut action);
    rt_sigaction(signal, Some(&action)).map(drop)
}

pub(in crate::unix) fn current(signal: i32) -> io::Result<Earlier> {
    rt_sigaction(signal, None).map(earlier)
}

fn earlier(action: KernelAction) -> Earlier {
    Earlier {
        handler: action.handler,
        flags: action.flags,
        mask: action.mask,
    }
}

/// x86_64 needs a trampoline to leave the handler by; aarch64 has one in the vDSO.
#[cfg(target_arch = "x86_64")]
fn with_restorer(action: &mut KernelAction) {
    let restorer: unsafe extern "C" fn() = aplomb_lifecycle_sigreturn;
    action.flags |= SA_RESTORER;
    action.restorer = restorer as usize;
}

#[cfg(target_arch = "aarch64")]
fn with_restorer(_: &mut KernelAction) {}

fn rt_sigaction(signal: i32, new: Option<&KernelAction>) -> io::Result<KernelAction> {
    let mut old = KernelAction::default();
    let new: *const KernelAction = new.map_or(std::ptr::null(), std::ptr::from_ref);
    let number =
        usize::try_from(signal).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let answer = syscall(number, new as usize, &raw mut old as usize);
    match i32::try_from(answer) {
        Ok(0) => Ok(old),
        Ok(error) => Err(io::Error::from_raw_os_error(-error)),
        Err(_) => Err(io::Error::from(io::ErrorKind::Other)),
    }
}

#[cfg(target_arch = "x86_64")]
fn syscall(signal: usize, new: usize, old: usize) -> isize {
    let answer;
    // SAFETY: rt_sigaction (13) reads `new` and writes `old`, both valid kernel structures or null; the handler in `new`
    // is a function of the type its flags say, and its restorer returns by rt_sigreturn.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") 13_isize => answer,
            in("rdi") signal,
            in("rsi") new,
            in("rdx") old,
            in("r10") SET,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    answer
}

#[cfg(target_arch = "aarch64")]
fn syscall(signal: usize, new: usize, old: usize) -> isize {
    let answer;
    // SAFETY: rt_sigaction (134), as above.
    unsafe {
        asm!(
            "svc 0",
            in("x8") 134_usize,
            inlateout("x0") signal.cast_signed() => answer,
            in("x1") new,
            in("x2") old,
            in("x3") SET,
            options(nostack),
        );
    }
    answer
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;
    use crate::unix::sys;
    use std::io::Read;

    /// The kernel's own account of what the C library sees must agree with what we set: one test, as signals are global.
    #[test]
    fn a_signal_caught_by_the_system_call_arrives_and_is_restored_as_it_was() {
        let signal = libc::SIGUSR2;
        let before = current(signal).unwrap();
        let (mut reader, writer) = io::pipe().unwrap();
        sys::aim(Some(writer.as_raw_fd()));
        let replaced = catch(signal).unwrap();
        assert_eq!(replaced.handler, before.handler);
        // SAFETY: raising a signal that is handled has no memory effects.
        unsafe { libc::raise(signal) };
        let mut bytes = [0; sys::RECORD];
        reader.read_exact(&mut bytes).unwrap();
        let record = sys::Record::parse(&bytes);
        assert_eq!(record.signal, signal);
        assert_eq!(u32::try_from(record.pid).unwrap(), std::process::id());
        restore(signal, replaced).unwrap();
        sys::aim(None);
        assert_eq!(current(signal).unwrap().handler, before.handler);
    }

    #[test]
    fn what_the_kernel_refuses_is_said() {
        assert_eq!(
            catch(libc::SIGKILL).unwrap_err().raw_os_error(),
            Some(libc::EINVAL)
        );
        assert_eq!(catch(0).unwrap_err().raw_os_error(), Some(libc::EINVAL));
    }
}
