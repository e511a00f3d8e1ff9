//! Windows calls and the callbacks they take.

use std::io;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering};

use windows_sys::Win32::Foundation::{
    ERROR_CALL_NOT_IMPLEMENTED, ERROR_SERVICE_SPECIFIC_ERROR, NO_ERROR,
};
use windows_sys::Win32::System::Console::{
    CTRL_BREAK_EVENT, CTRL_C_EVENT, CTRL_CLOSE_EVENT, CTRL_LOGOFF_EVENT, CTRL_SHUTDOWN_EVENT,
    SetConsoleCtrlHandler,
};
use windows_sys::Win32::System::Services::{
    RegisterServiceCtrlHandlerExW, SERVICE_ACCEPT_PAUSE_CONTINUE, SERVICE_ACCEPT_PRESHUTDOWN,
    SERVICE_ACCEPT_SHUTDOWN, SERVICE_ACCEPT_STOP, SERVICE_CONTINUE_PENDING,
    SERVICE_CONTROL_CONTINUE, SERVICE_CONTROL_INTERROGATE, SERVICE_CONTROL_PAUSE,
    SERVICE_CONTROL_PRESHUTDOWN, SERVICE_CONTROL_SHUTDOWN, SERVICE_CONTROL_STOP,
    SERVICE_PAUSE_PENDING, SERVICE_PAUSED, SERVICE_RUNNING, SERVICE_START_PENDING, SERVICE_STATUS,
    SERVICE_STOP_PENDING, SERVICE_STOPPED, SERVICE_TABLE_ENTRYW, SERVICE_WIN32_OWN_PROCESS,
    SetServiceStatus, StartServiceCtrlDispatcherW,
};
use windows_sys::Win32::System::Threading::ExitProcess;
use windows_sys::core::{BOOL, PWSTR};

use super::service::{self, State, What};
use super::{Control, signals};

const TRUE: BOOL = 1;
const FALSE: BOOL = 0;

/// What status reports are addressed to; null until the service has begun.
static SERVICE: AtomicPtr<core::ffi::c_void> = AtomicPtr::new(null_mut());
/// The service's name as the system wants it, leaked once: callbacks may look at it until the process ends.
static NAME: AtomicPtr<u16> = AtomicPtr::new(null_mut());

pub(super) fn catch_console() -> io::Result<()> {
    // SAFETY: the handler is a function of the type asked for and lives as long as the program.
    let set = unsafe { SetConsoleCtrlHandler(Some(on_console), TRUE) };
    if set == FALSE {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

pub(super) fn release_console() {
    // SAFETY: removes the handler set above; failing, it would only find nobody to post to.
    unsafe { SetConsoleCtrlHandler(Some(on_console), FALSE) };
}

/// Runs on a thread the system makes for it.
unsafe extern "system" fn on_console(event: u32) -> BOOL {
    let control = match event {
        CTRL_C_EVENT => Control::CtrlC,
        CTRL_BREAK_EVENT => Control::CtrlBreak,
        CTRL_CLOSE_EVENT => Control::ConsoleClose,
        CTRL_SHUTDOWN_EVENT => Control::ConsoleShutdown,
        // Somebody logs off; a service of the machine does not care, and a console gets CLOSE as well.
        CTRL_LOGOFF_EVENT => return TRUE,
        _ => return FALSE,
    };
    if !signals::post(control) {
        return FALSE;
    }
    if matches!(control, Control::ConsoleClose | Control::ConsoleShutdown) {
        // To return from these is to be ended at once; the stop under way ends the process.
        loop {
            std::thread::park();
        }
    }
    TRUE
}

/// Serves the service control manager until the service has stopped. An error when it did not start us.
pub(super) fn dispatch(name: &str) -> io::Result<()> {
    let wide: Vec<u16> = name.encode_utf16().chain([0]).collect();
    let name: *mut u16 = Box::leak(wide.into_boxed_slice()).as_mut_ptr();
    NAME.store(name, Ordering::SeqCst);
    let table = [
        SERVICE_TABLE_ENTRYW {
            lpServiceName: name,
            lpServiceProc: Some(on_service_main),
        },
        SERVICE_TABLE_ENTRYW {
            lpServiceName: null_mut(),
            lpServiceProc: None,
        },
    ];
    // SAFETY: the table ends with an empty entry and outlives the call, which returns when the service has stopped.
    let served = unsafe { StartServiceCtrlDispatcherW(table.as_ptr()) };
    if served == FALSE {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

unsafe extern "system" fn on_service_main(_: u32, _: *mut PWSTR) {
    let name = NAME.load(Ordering::SeqCst);
    // SAFETY: the name is a leaked, terminated string; the callback lives as long as the program and takes no context.
    let handle = unsafe { RegisterServiceCtrlHandlerExW(name, Some(on_control), null_mut()) };
    SERVICE.store(handle, Ordering::SeqCst);
    service::service_main();
}

/// Runs on the dispatcher's thread; must return quickly.
unsafe extern "system" fn on_control(
    control: u32,
    _: u32,
    _: *mut core::ffi::c_void,
    _: *mut core::ffi::c_void,
) -> u32 {
    let control = match control {
        SERVICE_CONTROL_STOP => Control::Stop,
        SERVICE_CONTROL_SHUTDOWN => Control::Shutdown,
        SERVICE_CONTROL_PRESHUTDOWN => Control::Preshutdown,
        SERVICE_CONTROL_PAUSE => Control::Pause,
        SERVICE_CONTROL_CONTINUE => Control::Continue,
        SERVICE_CONTROL_INTERROGATE => {
            service::interrogated();
            return NO_ERROR;
        }
        _ => return ERROR_CALL_NOT_IMPLEMENTED,
    };
    service::controlled(control);
    NO_ERROR
}

pub(super) fn report(state: &State) {
    let handle = SERVICE.load(Ordering::SeqCst);
    if handle.is_null() {
        return;
    }
    let controls = SERVICE_ACCEPT_STOP
        | SERVICE_ACCEPT_SHUTDOWN
        | SERVICE_ACCEPT_PRESHUTDOWN
        | SERVICE_ACCEPT_PAUSE_CONTINUE;
    let (current, accepted) = match state.what {
        // A service that is still starting can be asked to stop.
        What::StartPending => (SERVICE_START_PENDING, SERVICE_ACCEPT_STOP),
        What::Running => (SERVICE_RUNNING, controls),
        What::PausePending => (SERVICE_PAUSE_PENDING, controls),
        What::Paused => (SERVICE_PAUSED, controls),
        What::ContinuePending => (SERVICE_CONTINUE_PENDING, controls),
        What::StopPending => (SERVICE_STOP_PENDING, 0),
        What::Stopped => (SERVICE_STOPPED, 0),
    };
    let status = SERVICE_STATUS {
        dwServiceType: SERVICE_WIN32_OWN_PROCESS,
        dwCurrentState: current,
        dwControlsAccepted: accepted,
        dwWin32ExitCode: if state.code == 0 {
            NO_ERROR
        } else {
            ERROR_SERVICE_SPECIFIC_ERROR
        },
        dwServiceSpecificExitCode: u32::from(state.code),
        dwCheckPoint: state.checkpoint,
        dwWaitHint: u32::try_from(state.hint.as_millis()).unwrap_or(u32::MAX),
    };
    // SAFETY: the handle came from RegisterServiceCtrlHandlerExW and stays valid until STOPPED, after which `report` in
    // `service.rs` says nothing more; the status is a complete structure.
    unsafe { SetServiceStatus(handle, &raw const status) };
}

/// Ends the process at once.
pub(crate) fn exit_now(code: u8) -> ! {
    // SAFETY: ends the process; nothing of ours is touched afterwards.
    unsafe { ExitProcess(u32::from(code)) }
}
