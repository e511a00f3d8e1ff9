//! Windows calls a story needs and no safe crate offers: service controls as an administrator's client sends them, and
//! console events.

use std::io;

use windows_sys::Win32::System::Console::{AllocConsole, FreeConsole, GenerateConsoleCtrlEvent};
use windows_sys::Win32::System::Services::{
    CloseServiceHandle, ControlService, OpenSCManagerW, OpenServiceW, QueryServiceStatus,
    SC_HANDLE, SC_MANAGER_CONNECT, SERVICE_ALL_ACCESS, SERVICE_STATUS, StartServiceW,
};

/// A service as its administrator sees it.
pub(crate) struct Service(SC_HANDLE);

fn checked<T: PartialEq + Default>(answer: T) -> io::Result<T> {
    if answer == T::default() {
        Err(io::Error::last_os_error())
    } else {
        Ok(answer)
    }
}

impl Service {
    pub(crate) fn open(name: &str) -> Self {
        let name: Vec<u16> = name.encode_utf16().chain([0]).collect();
        // SAFETY: null names mean this machine and its only database.
        let machine =
            unsafe { OpenSCManagerW(std::ptr::null(), std::ptr::null(), SC_MANAGER_CONNECT) };
        assert!(!machine.is_null(), "{}", io::Error::last_os_error());
        // SAFETY: the handle was opened above; the name ends with a zero and outlives the call.
        let service = unsafe { OpenServiceW(machine, name.as_ptr(), SERVICE_ALL_ACCESS) };
        assert!(!service.is_null(), "{}", io::Error::last_os_error());
        // SAFETY: the handle was opened above and is not used again.
        unsafe { CloseServiceHandle(machine) };
        Self(service)
    }

    pub(crate) fn start(&self) {
        // SAFETY: the handle is open; no arguments are passed.
        checked(unsafe { StartServiceW(self.0, 0, std::ptr::null()) }).unwrap();
    }

    pub(crate) fn control(&self, control: u32) -> io::Result<()> {
        let mut status = SERVICE_STATUS::default();
        // SAFETY: the handle is open and the status is valid for writing.
        checked(unsafe { ControlService(self.0, control, &raw mut status) }).map(drop)
    }

    pub(crate) fn status(&self) -> SERVICE_STATUS {
        let mut status = SERVICE_STATUS::default();
        // SAFETY: as above.
        checked(unsafe { QueryServiceStatus(self.0, &raw mut status) }).unwrap();
        status
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // SAFETY: the handle was opened by us and is not used again.
        unsafe { CloseServiceHandle(self.0) };
    }
}

/// Sends a console event to every process of our console.
pub(crate) fn console_event(event: u32) -> io::Result<()> {
    // SAFETY: takes two numbers; group 0 is everybody at our console.
    checked(unsafe { GenerateConsoleCtrlEvent(event, 0) }).map(drop)
}

/// Leaves the console of whoever started us, which the events must not reach, for one of our own.
pub(crate) fn own_console() -> io::Result<()> {
    // SAFETY: takes nothing; without a console it fails, and that is as well.
    unsafe { FreeConsole() };
    // SAFETY: takes nothing.
    checked(unsafe { AllocConsole() }).map(drop)
}
