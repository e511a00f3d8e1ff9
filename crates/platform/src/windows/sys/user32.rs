//! Windows and message queues of others. The library is loaded when it is first needed, so that the engine, which never
//! needs it, does without: it would double what the engine takes of memory.

use std::ffi::{CStr, c_void};
use std::io;
use std::ptr::null_mut;

use windows_sys::Win32::Foundation::{FARPROC, HMODULE, HWND, LPARAM, WPARAM};
use windows_sys::Win32::System::Diagnostics::ToolHelp::{
    CreateToolhelp32Snapshot, TH32CS_SNAPTHREAD, THREADENTRY32, Thread32First, Thread32Next,
};
use windows_sys::Win32::System::LibraryLoader::{
    GetProcAddress, LOAD_LIBRARY_SEARCH_SYSTEM32, LoadLibraryExW,
};
use windows_sys::core::BOOL;

use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};

use super::{size_of, wide};

const WM_CLOSE: u32 = 0x0010;
const WM_QUIT: u32 = 0x0012;
const WM_ENDSESSION: u32 = 0x0016;

type Visit = unsafe extern "system" fn(HWND, LPARAM) -> BOOL;
type EnumWindows = unsafe extern "system" fn(Visit, LPARAM) -> BOOL;
type WindowOwner = unsafe extern "system" fn(HWND, *mut u32) -> u32;
type PostWindow = unsafe extern "system" fn(HWND, u32, WPARAM, LPARAM) -> BOOL;
type PostThread = unsafe extern "system" fn(u32, u32, WPARAM, LPARAM) -> BOOL;

/// The library with the calls we need of it.
#[derive(Debug)]
pub(crate) struct User32 {
    enumerate: EnumWindows,
    owner: WindowOwner,
    post_window: PostWindow,
    post_thread: PostThread,
}

/// A top-level window and the process it belongs to.
#[derive(Debug, Clone, Copy)]
struct Window {
    handle: HWND,
    pid: u32,
}

impl User32 {
    pub(crate) fn load() -> io::Result<User32> {
        let name = wide("user32.dll")?;
        // SAFETY: terminated text; looked for in the system's own directory only.
        let library =
            unsafe { LoadLibraryExW(name.as_ptr(), null_mut(), LOAD_LIBRARY_SEARCH_SYSTEM32) };
        if library.is_null() {
            return Err(io::Error::last_os_error());
        }
        let enumerate = function(library, c"EnumWindows")?;
        let owner = function(library, c"GetWindowThreadProcessId")?;
        let post_window = function(library, c"PostMessageW")?;
        let post_thread = function(library, c"PostThreadMessageW")?;
        Ok(User32 {
            // SAFETY: the documented signature of the function of this name.
            enumerate: unsafe { std::mem::transmute::<*const c_void, EnumWindows>(enumerate) },
            // SAFETY: as above.
            owner: unsafe { std::mem::transmute::<*const c_void, WindowOwner>(owner) },
            // SAFETY: as above.
            post_window: unsafe { std::mem::transmute::<*const c_void, PostWindow>(post_window) },
            // SAFETY: as above.
            post_thread: unsafe { std::mem::transmute::<*const c_void, PostThread>(post_thread) },
        })
    }

    /// Posts WM_CLOSE and WM_ENDSESSION to every top-level window of these processes; tells whose took it.
    pub(crate) fn close_windows(&self, pids: &[u32]) -> Vec<u32> {
        let mut reached = Vec::new();
        for window in self.windows().iter().filter(|one| pids.contains(&one.pid)) {
            // SAFETY: a window that is gone by now is an error, and nothing happens.
            let closed = unsafe { (self.post_window)(window.handle, WM_CLOSE, 0, 0) };
            // SAFETY: as above. 1: the session is ending.
            unsafe { (self.post_window)(window.handle, WM_ENDSESSION, 1, 0) };
            if closed != 0 {
                reached.push(window.pid);
            }
        }
        reached.sort_unstable();
        reached.dedup();
        reached
    }

    /// Posts WM_QUIT to every thread of these processes; tells whose has a queue for it.
    pub(crate) fn quit_threads(&self, pids: &[u32]) -> io::Result<Vec<u32>> {
        let mut reached = Vec::new();
        for (thread, pid) in threads()? {
            if !pids.contains(&pid) {
                continue;
            }
            // SAFETY: a thread that is gone, or has no queue, is an error, and nothing happens.
            if unsafe { (self.post_thread)(thread, WM_QUIT, 0, 0) } != 0 {
                reached.push(pid);
            }
        }
        reached.sort_unstable();
        reached.dedup();
        Ok(reached)
    }

    fn windows(&self) -> Vec<Window> {
        let mut found: Vec<HWND> = Vec::new();
        // SAFETY: the callback is called only during the call, with the address of our list.
        unsafe { (self.enumerate)(note, (&raw mut found).expose_provenance() as LPARAM) };
        let owned = found.into_iter().map(|handle| {
            let mut pid = 0;
            // SAFETY: a window that is gone by now leaves the number 0.
            unsafe { (self.owner)(handle, &raw mut pid) };
            Window { handle, pid }
        });
        owned.collect()
    }
}

unsafe extern "system" fn note(window: HWND, list: LPARAM) -> BOOL {
    let list: *mut Vec<HWND> = std::ptr::with_exposed_provenance_mut(list.cast_unsigned());
    // SAFETY: the list of `windows`, which nobody else touches during the enumeration.
    let list = unsafe { &mut *list };
    list.push(window);
    1
}

fn function(library: HMODULE, name: &CStr) -> io::Result<*const c_void> {
    // SAFETY: an open library and terminated text.
    let found: FARPROC = unsafe { GetProcAddress(library, name.as_ptr().cast()) };
    let missing = || io::Error::other(format!("{} is missing", name.to_string_lossy()));
    let found = found.ok_or_else(missing)?;
    Ok(found as *const c_void)
}

/// Every thread there is, with the process it belongs to.
fn threads() -> io::Result<Vec<(u32, u32)>> {
    // SAFETY: no pointer is passed.
    let snapshot = unsafe { CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0) };
    if snapshot == windows_sys::Win32::Foundation::INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: made just now, valid, owned by nobody else.
    let snapshot = unsafe { OwnedHandle::from_raw_handle(snapshot) };
    let mut entry = THREADENTRY32 {
        dwSize: size_of::<THREADENTRY32>(),
        ..THREADENTRY32::default()
    };
    let mut threads = Vec::new();
    // SAFETY: the snapshot is open, the entry of the size it says.
    let mut more = unsafe { Thread32First(snapshot.as_raw_handle(), &raw mut entry) };
    while more != 0 {
        threads.push((entry.th32ThreadID, entry.th32OwnerProcessID));
        // SAFETY: as above.
        more = unsafe { Thread32Next(snapshot.as_raw_handle(), &raw mut entry) };
    }
    Ok(threads)
}
