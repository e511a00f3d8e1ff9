//! What actors need of the system beyond the standard library.

use std::sync::atomic::{AtomicI32, Ordering};

use windows_sys::Win32::Foundation::{CloseHandle, WAIT_TIMEOUT};
use windows_sys::Win32::System::Console::SetConsoleCtrlHandler;
use windows_sys::Win32::System::Threading::{
    OpenProcess, PROCESS_SYNCHRONIZE, WaitForSingleObject,
};
use windows_sys::core::BOOL;

unsafe extern "C" {
    /// The C runtime's write to one of its own descriptors.
    fn _write(descriptor: i32, bytes: *const u8, count: u32) -> i32;
}

/// Writes to a descriptor of the C runtime, as a program in C would.
pub(crate) fn write_to_descriptor(descriptor: i32, bytes: &[u8]) -> bool {
    let count = u32::try_from(bytes.len()).expect("a few");
    // SAFETY: the bytes are as many as we say; a descriptor that is not open is an error.
    let written = unsafe { _write(descriptor, bytes.as_ptr(), count) };
    written == i32::try_from(count).expect("a few")
}

/// Below zero: Ctrl+C is ignored.
static CODE: AtomicI32 = AtomicI32::new(-1);

/// From now on Ctrl+C ends us with this code, or not at all.
pub(crate) fn on_ctrl_c(code: Option<i32>) {
    CODE.store(code.unwrap_or(-1), Ordering::SeqCst);
    // SAFETY: a function that lives as long as the program.
    let set = unsafe { SetConsoleCtrlHandler(Some(answer), 1) };
    assert_ne!(set, 0, "a handler");
}

unsafe extern "system" fn answer(_: u32) -> BOOL {
    let code = CODE.load(Ordering::SeqCst);
    if code >= 0 {
        std::process::exit(code);
    }
    1
}

/// Reads where nothing is.
pub(crate) fn crash() {
    // SAFETY: none; that is the point: nothing lies at the lowest addresses, and the system ends who reads there.
    unsafe { std::ptr::without_provenance::<u8>(16).read_volatile() };
}

/// Whether a process of this number lives.
pub(crate) fn lives(pid: u32) -> bool {
    // SAFETY: no pointer is passed.
    let process = unsafe { OpenProcess(PROCESS_SYNCHRONIZE, 0, pid) };
    if process.is_null() {
        return false;
    }
    // SAFETY: an open handle.
    let waited = unsafe { WaitForSingleObject(process, 0) };
    // SAFETY: opened above, used no more.
    unsafe { CloseHandle(process) };
    waited == WAIT_TIMEOUT
}
