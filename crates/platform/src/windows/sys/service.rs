//! Serving the service control manager: its calls, and the two callbacks it makes. They own nothing; what they hear they
//! post to the engine's port.

use std::ffi::c_void;
use std::io;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Mutex, OnceLock, PoisonError};

use windows_sys::Win32::Foundation::{ERROR_CALL_NOT_IMPLEMENTED, NO_ERROR};
use windows_sys::Win32::System::Services::{
    RegisterServiceCtrlHandlerExW, SERVICE_CONTROL_INTERROGATE, SERVICE_STATUS,
    SERVICE_TABLE_ENTRYW, SERVICE_WIN32_OWN_PROCESS, SetServiceStatus, StartServiceCtrlDispatcherW,
};
use windows_sys::core::PWSTR;

use super::port::{Packet, Poster};
use super::security::take_text;
use super::{done, wide};

/// What the callbacks need; set once, before the dispatcher runs.
static LINE: OnceLock<Line> = OnceLock::new();
/// Where reports go; null until the manager has begun the service.
static SERVICE: AtomicPtr<c_void> = AtomicPtr::new(null_mut());

#[derive(Debug)]
pub(crate) struct Line {
    pub poster: Poster,
    /// The key controls are posted under, their number as the amount.
    pub key: usize,
    /// Gets the start words when the manager has begun the service.
    pub begun: Mutex<Sender<Vec<String>>>,
    /// Lets the service's main function return, when the service has stopped.
    pub over: Mutex<Receiver<()>>,
    pub name: Vec<u16>,
    /// The first report is made by this: it is coming up.
    pub first: fn() -> SERVICE_STATUS,
}

/// A line to the manager for a service of this name.
pub(crate) fn name(name: &str) -> io::Result<Vec<u16>> {
    wide(name)
}

/// Serves the manager until the service has stopped; at once an error where it did not start us.
pub(crate) fn dispatch(line: Line) -> io::Result<()> {
    if LINE.set(line).is_err() {
        let why = "this process serves the service control manager already";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, why));
    }
    let name = LINE
        .get()
        .map_or(null_mut(), |line| line.name.as_ptr().cast_mut());
    let table = [
        SERVICE_TABLE_ENTRYW {
            lpServiceName: name,
            lpServiceProc: Some(on_begin),
        },
        SERVICE_TABLE_ENTRYW {
            lpServiceName: null_mut(),
            lpServiceProc: None,
        },
    ];
    // SAFETY: the table ends with an empty entry and outlives the call; the name is never let go of.
    done(unsafe { StartServiceCtrlDispatcherW(table.as_ptr()) })
}

/// Runs on a thread of the manager's, as long as the service does.
unsafe extern "system" fn on_begin(count: u32, words: *mut PWSTR) {
    let Some(line) = LINE.get() else { return };
    // SAFETY: the name is terminated and never let go of; the callback lives as long as the program.
    let handle =
        unsafe { RegisterServiceCtrlHandlerExW(line.name.as_ptr(), Some(on_control), null_mut()) };
    SERVICE.store(handle, Ordering::SeqCst);
    let _ = report(&(line.first)());
    let said = (0..count as usize).map(|at| {
        // SAFETY: the manager gives `count` pointers.
        let word = unsafe { words.wrapping_add(at).read() };
        // Each is to terminated text.
        take_text(word)
    });
    let said: Vec<String> = said.collect();
    let begun = line.begun.lock().unwrap_or_else(PoisonError::into_inner);
    if begun.send(said).is_err() {
        return;
    }
    drop(begun);
    let over = line.over.lock().unwrap_or_else(PoisonError::into_inner);
    // An error means that whoever would have said it is gone: the process ends.
    let _ = over.recv();
}

/// Runs on the dispatcher's thread; must return at once.
unsafe extern "system" fn on_control(control: u32, _: u32, _: *mut c_void, _: *mut c_void) -> u32 {
    if control == SERVICE_CONTROL_INTERROGATE {
        // What was reported last still holds, and the manager knows it.
        return NO_ERROR;
    }
    let Some(line) = LINE.get() else {
        return ERROR_CALL_NOT_IMPLEMENTED;
    };
    let posted = line.poster.post(Packet {
        key: line.key,
        operation: 1,
        amount: control,
    });
    if posted.is_ok() {
        NO_ERROR
    } else {
        ERROR_CALL_NOT_IMPLEMENTED
    }
}

/// Tells the manager how the service stands.
pub(crate) fn report(status: &SERVICE_STATUS) -> io::Result<()> {
    let service = SERVICE.load(Ordering::SeqCst);
    if service.is_null() {
        return Err(io::ErrorKind::NotConnected.into());
    }
    let status = SERVICE_STATUS {
        dwServiceType: SERVICE_WIN32_OWN_PROCESS,
        ..*status
    };
    // SAFETY: the handle of our registration, valid until STOPPED was reported, after which nothing is.
    done(unsafe { SetServiceStatus(service, &raw const status) })
}
