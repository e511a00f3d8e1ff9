//! What the stories need of the system beyond the standard library: the service control manager's client, processes by
//! number, Ctrl+C.

use std::io;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicI32, Ordering};

use windows_sys::Win32::Foundation::{CloseHandle, HWND, WAIT_TIMEOUT};
use windows_sys::Win32::System::Console::SetConsoleCtrlHandler;
use windows_sys::Win32::System::Services::{
    CloseServiceHandle, ControlService, CreateServiceW, DeleteService, OpenSCManagerW,
    QueryServiceStatusEx, SC_HANDLE, SC_MANAGER_ALL_ACCESS, SC_STATUS_PROCESS_INFO,
    SERVICE_ALL_ACCESS, SERVICE_DEMAND_START, SERVICE_ERROR_NORMAL, SERVICE_STATUS,
    SERVICE_STATUS_PROCESS, SERVICE_WIN32_OWN_PROCESS, StartServiceW,
};
use windows_sys::Win32::System::Threading::{
    OpenProcess, PROCESS_SYNCHRONIZE, PROCESS_TERMINATE, TerminateProcess, WaitForSingleObject,
};
use windows_sys::Win32::UI::WindowsAndMessaging::{
    CreateWindowExW, DispatchMessageW, GetMessageW, MSG, PM_NOREMOVE, PeekMessageW, WM_CLOSE,
    WM_QUIT, WS_OVERLAPPEDWINDOW,
};
use windows_sys::core::BOOL;

/// Below zero: Ctrl+C is ignored.
static CODE: AtomicI32 = AtomicI32::new(-1);

/// From now on Ctrl+C ends us with this code, or not at all.
pub(crate) fn on_ctrl_c(code: Option<i32>) {
    CODE.store(code.unwrap_or(-1), Ordering::SeqCst);
    // SAFETY: a function that lives as long as the program. Fails only where there is no console to hear from.
    unsafe { SetConsoleCtrlHandler(Some(answer), 1) };
}

unsafe extern "system" fn answer(_: u32) -> BOOL {
    let code = CODE.load(Ordering::SeqCst);
    if code >= 0 {
        std::process::exit(code);
    }
    1
}

/// A top-level window of this thread's.
pub(crate) struct Window {
    handle: HWND,
}

impl Window {
    pub(crate) fn open() -> Window {
        let class = wide("STATIC");
        // SAFETY: a class of the system's own, terminated text, no parent and no menu.
        let handle = unsafe {
            CreateWindowExW(
                0,
                class.as_ptr(),
                class.as_ptr(),
                WS_OVERLAPPEDWINDOW,
                0,
                0,
                100,
                100,
                null_mut(),
                null_mut(),
                null_mut(),
                null(),
            )
        };
        assert!(!handle.is_null(), "{}", io::Error::last_os_error());
        Window { handle }
    }

    /// Carries messages until the window is told to close.
    pub(crate) fn until_closed(&self) {
        loop {
            let message = next_message();
            if message.hwnd == self.handle && message.message == WM_CLOSE {
                return;
            }
            // SAFETY: a message the system gave us.
            unsafe { DispatchMessageW(&raw const message) };
        }
    }
}

/// This thread waits for messages from now on.
pub(crate) fn make_queue() {
    let mut message = MSG::default();
    // SAFETY: written where we point; the call itself makes the queue.
    unsafe { PeekMessageW(&raw mut message, null_mut(), 0, 0, PM_NOREMOVE) };
}

/// Carries messages until told to quit.
pub(crate) fn until_quit() {
    while next_message().message != WM_QUIT {}
}

fn next_message() -> MSG {
    let mut message = MSG::default();
    // SAFETY: written where we point.
    let answer = unsafe { GetMessageW(&raw mut message, null_mut(), 0, 0) };
    assert_ne!(answer, -1, "{}", io::Error::last_os_error());
    message
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

/// Ends a process as if it had crashed.
pub(crate) fn kill(pid: u32) {
    // SAFETY: no pointer is passed.
    let process = unsafe { OpenProcess(PROCESS_TERMINATE, 0, pid) };
    assert!(!process.is_null(), "{}", io::Error::last_os_error());
    // SAFETY: an open handle with the right to do so.
    unsafe { TerminateProcess(process, 1) };
    // SAFETY: opened above, used no more.
    unsafe { CloseHandle(process) };
}

/// A service, removed whatever happens.
pub(crate) struct Service {
    manager: SC_HANDLE,
    service: SC_HANDLE,
}

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

impl Service {
    pub(crate) fn create(name: &str, command: &str) -> Service {
        // SAFETY: no names: this machine's own manager.
        let manager = unsafe { OpenSCManagerW(null(), null(), SC_MANAGER_ALL_ACCESS) };
        assert!(!manager.is_null(), "{}", io::Error::last_os_error());
        let (name, command) = (wide(name), wide(command));
        // SAFETY: an open manager and terminated texts; the rest is left to the system.
        let service = unsafe {
            CreateServiceW(
                manager,
                name.as_ptr(),
                name.as_ptr(),
                SERVICE_ALL_ACCESS,
                SERVICE_WIN32_OWN_PROCESS,
                SERVICE_DEMAND_START,
                SERVICE_ERROR_NORMAL,
                command.as_ptr(),
                null(),
                null_mut(),
                null(),
                null(),
                null(),
            )
        };
        assert!(!service.is_null(), "{}", io::Error::last_os_error());
        Service { manager, service }
    }

    pub(crate) fn start(&self, words: &[&str]) {
        let words: Vec<Vec<u16>> = words.iter().map(|word| wide(word)).collect();
        let pointers: Vec<*const u16> = words.iter().map(|word| word.as_ptr()).collect();
        let count = u32::try_from(pointers.len()).unwrap();
        // SAFETY: as many pointers to terminated texts as we say.
        let started = unsafe { StartServiceW(self.service, count, pointers.as_ptr()) };
        assert_ne!(started, 0, "{}", io::Error::last_os_error());
    }

    /// Sends a control; an error is the manager's refusal.
    pub(crate) fn control(&self, control: u32) -> io::Result<()> {
        let mut status = SERVICE_STATUS::default();
        // SAFETY: an open service; the answer is written where we point.
        let sent = unsafe { ControlService(self.service, control, &raw mut status) };
        if sent == 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    pub(crate) fn query(&self) -> SERVICE_STATUS_PROCESS {
        let mut status = SERVICE_STATUS_PROCESS::default();
        let (mut used, room) = (
            0,
            u32::try_from(size_of::<SERVICE_STATUS_PROCESS>()).unwrap(),
        );
        let pointer = (&raw mut status).cast();
        // SAFETY: an open service; the structure is of the size told.
        let answered = unsafe {
            QueryServiceStatusEx(
                self.service,
                SC_STATUS_PROCESS_INFO,
                pointer,
                room,
                &raw mut used,
            )
        };
        assert_ne!(answered, 0, "{}", io::Error::last_os_error());
        status
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let pid = self.query().dwProcessId;
        if pid != 0 && lives(pid) {
            kill(pid);
        }
        // SAFETY: an open service.
        unsafe { DeleteService(self.service) };
        // SAFETY: open, used no more.
        unsafe { CloseServiceHandle(self.service) };
        // SAFETY: open, used no more.
        unsafe { CloseServiceHandle(self.manager) };
    }
}
