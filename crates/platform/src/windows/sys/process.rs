//! One process: its end, asked for and told; suspended and resumed.

use std::ffi::c_void;
use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr::null_mut;

use windows_sys::Win32::Foundation::{HANDLE, INVALID_HANDLE_VALUE, NTSTATUS, WAIT_OBJECT_0};
use windows_sys::Win32::System::Threading::{
    GetExitCodeProcess, GetProcessId, INFINITE, OpenProcess, PROCESS_QUERY_INFORMATION,
    PROCESS_QUERY_LIMITED_INFORMATION, PROCESS_SUSPEND_RESUME, PROCESS_SYNCHRONIZE,
    PROCESS_TERMINATE, RegisterWaitForSingleObject, TerminateProcess, UnregisterWaitEx,
    WT_EXECUTEINWAITTHREAD, WT_EXECUTEONLYONCE, WaitForSingleObject,
};

use super::done;
use super::port::{Packet, Poster};

/// What may be done with a process opened by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    /// Ask about it.
    Look,
    /// Wait for its end, and end it.
    Own,
    /// Suspend and resume it.
    Hold,
}

/// Opens a process by number. The number stays its own as long as the handle lives.
pub(crate) fn open(pid: u32, right: Right) -> io::Result<OwnedHandle> {
    let access = match right {
        Right::Look => PROCESS_QUERY_LIMITED_INFORMATION,
        Right::Own => PROCESS_QUERY_LIMITED_INFORMATION | PROCESS_SYNCHRONIZE | PROCESS_TERMINATE,
        Right::Hold => PROCESS_QUERY_LIMITED_INFORMATION | PROCESS_SUSPEND_RESUME,
    };
    // More than is needed where it can be had: Wine wants the full right to ask, which Windows gives to few.
    // SAFETY: no pointer is passed.
    let mut opened = unsafe { OpenProcess(access | PROCESS_QUERY_INFORMATION, 0, pid) };
    if opened.is_null() {
        // SAFETY: as above.
        opened = unsafe { OpenProcess(access, 0, pid) };
    }
    if opened.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: opened just now, valid, owned by nobody else.
    Ok(unsafe { OwnedHandle::from_raw_handle(opened) })
}

/// Its number.
pub(crate) fn pid(process: &OwnedHandle) -> io::Result<u32> {
    // SAFETY: an open handle.
    let pid = unsafe { GetProcessId(process.as_raw_handle()) };
    if pid == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(pid)
}

/// The exit code of a process that is over; `None` while it lives.
pub(crate) fn exit_code(process: &OwnedHandle) -> Option<u32> {
    let process = process.as_raw_handle();
    // SAFETY: an open handle that may be waited for. Asked first, because 259 is a code a process may end with.
    let over = unsafe { WaitForSingleObject(process, 0) } == WAIT_OBJECT_0;
    let mut code = 0;
    // SAFETY: an open handle; the code is written where we point.
    let answer = unsafe { GetExitCodeProcess(process, &raw mut code) };
    (over && answer != 0).then_some(code)
}

/// Ends one process with this exit code. Fails for one that is gone.
pub(crate) fn terminate(process: &OwnedHandle, code: u32) -> io::Result<()> {
    // SAFETY: an open handle; a process that is over refuses.
    done(unsafe { TerminateProcess(process.as_raw_handle(), code) })
}

#[link(name = "ntdll", kind = "raw-dylib")]
unsafe extern "system" {
    fn NtSuspendProcess(process: HANDLE) -> NTSTATUS;
    fn NtResumeProcess(process: HANDLE) -> NTSTATUS;
}

/// None of its threads runs until it is resumed as often as it was suspended.
pub(crate) fn suspend(process: &OwnedHandle) -> io::Result<()> {
    // SAFETY: an open handle with the right to suspend.
    nt(unsafe { NtSuspendProcess(process.as_raw_handle()) })
}

pub(crate) fn resume(process: &OwnedHandle) -> io::Result<()> {
    // SAFETY: an open handle with the right to resume.
    nt(unsafe { NtResumeProcess(process.as_raw_handle()) })
}

fn nt(status: NTSTATUS) -> io::Result<()> {
    if status >= 0 {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "the system answered {:#010x}",
        status.cast_unsigned()
    )))
}

/// Puts a packet into a port when a process ends. The system's own thread waits for up to 63 of them.
#[derive(Debug)]
pub(crate) struct EndWatch {
    wait: HANDLE,
    /// What the callback was given; ours again once the wait is taken back.
    bell: *mut Bell,
}

#[derive(Debug)]
struct Bell {
    poster: Poster,
    packet: Packet,
}

impl EndWatch {
    pub(crate) fn begin(
        process: &OwnedHandle,
        poster: Poster,
        packet: Packet,
    ) -> io::Result<EndWatch> {
        let bell = Box::into_raw(Box::new(Bell { poster, packet }));
        let mut wait = null_mut();
        // SAFETY: the process is kept open by who holds this watch; the bell lives until our drop, which waits until
        // the callback cannot run any more.
        let answer = unsafe {
            RegisterWaitForSingleObject(
                &raw mut wait,
                process.as_raw_handle(),
                Some(ring),
                bell.cast(),
                INFINITE,
                WT_EXECUTEONLYONCE | WT_EXECUTEINWAITTHREAD,
            )
        };
        if let Err(error) = done(answer) {
            // SAFETY: nobody else has seen it.
            drop(unsafe { Box::from_raw(bell) });
            return Err(error);
        }
        Ok(EndWatch { wait, bell })
    }
}

unsafe extern "system" fn ring(bell: *mut c_void, _timed_out: bool) {
    // SAFETY: what was given at the registration, alive until the wait is taken back.
    let bell = unsafe { &*bell.cast::<Bell>() };
    // A port that is gone has nobody who would hear.
    let _ = bell.poster.post(bell.packet);
}

impl Drop for EndWatch {
    fn drop(&mut self) {
        // SAFETY: registered by us and not yet taken back; returns when the callback is not running and never will.
        unsafe { UnregisterWaitEx(self.wait, INVALID_HANDLE_VALUE) };
        // SAFETY: made by `begin`, and the callback is over.
        drop(unsafe { Box::from_raw(self.bell) });
    }
}
