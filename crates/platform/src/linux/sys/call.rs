//! System calls by number. Six words in, one out, no `errno`.

use std::io;

/// Issues a system call and returns what the kernel returned: a result, or a negated error number.
///
/// # Safety
/// As the call asks: every argument that is a pointer must be valid for what the kernel does with it.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(super) unsafe fn syscall(number: u32, args: [usize; 6]) -> isize {
    let result: isize;
    // SAFETY: the kernel's calling convention for x86-64; it clobbers rcx and r11 and nothing else.
    unsafe {
        core::arch::asm!(
            "syscall",
            inlateout("rax") number as isize => result,
            in("rdi") args[0],
            in("rsi") args[1],
            in("rdx") args[2],
            in("r10") args[3],
            in("r8") args[4],
            in("r9") args[5],
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    result
}

/// Issues a system call and returns what the kernel returned: a result, or a negated error number.
///
/// # Safety
/// As the call asks: every argument that is a pointer must be valid for what the kernel does with it.
#[cfg(target_arch = "aarch64")]
#[inline(always)]
pub(super) unsafe fn syscall(number: u32, args: [usize; 6]) -> isize {
    let result: isize;
    // SAFETY: the kernel's calling convention for AArch64; all other registers are preserved.
    unsafe {
        core::arch::asm!(
            "svc 0",
            in("x8") number as usize,
            inlateout("x0") args[0] => result,
            in("x1") args[1],
            in("x2") args[2],
            in("x3") args[3],
            in("x4") args[4],
            in("x5") args[5],
            options(nostack),
        );
    }
    result
}

/// The kernel's answer as a result. Errors are -1 to -4095.
pub(super) fn checked(result: isize) -> io::Result<usize> {
    match error_of(result) {
        Some(errno) => Err(io::Error::from_raw_os_error(errno)),
        None => Ok(result as usize),
    }
}

/// The error number in the kernel's answer, if it is one.
pub(super) fn error_of(result: isize) -> Option<i32> {
    (-4095..0).contains(&result).then(|| -result as i32)
}
