//! Named pipes: serving ends, and who is at the other one.

use std::fs::OpenOptions;
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr::null;
use std::time::Duration;

use windows_sys::Win32::Foundation::{ERROR_ALREADY_EXISTS, GENERIC_WRITE, INVALID_HANDLE_VALUE};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_FIRST_PIPE_INSTANCE, FILE_FLAG_OVERLAPPED, FILE_READ_ATTRIBUTES, PIPE_ACCESS_DUPLEX,
    PIPE_ACCESS_INBOUND, SECURITY_IDENTIFICATION,
};
use windows_sys::Win32::System::IO::CancelIoEx;
use windows_sys::Win32::System::Pipes::{
    CreateNamedPipeW, GetNamedPipeClientProcessId, PIPE_READMODE_BYTE, PIPE_READMODE_MESSAGE,
    PIPE_REJECT_REMOTE_CLIENTS, PIPE_TYPE_BYTE, PIPE_TYPE_MESSAGE, PIPE_UNLIMITED_INSTANCES,
    PIPE_WAIT, WaitNamedPipeW,
};
use windows_sys::Win32::System::Threading::CreateMutexW;

use super::security::Security;
use super::{done, wide};

/// How a pipe carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carries {
    /// Bytes, towards us.
    Bytes,
    /// Bytes, both ways.
    BothWays,
    /// Whole messages, towards us.
    Messages,
}

/// Whether this is the end that claims the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Instance {
    /// The first and only one: refused where the name is taken.
    Only,
    /// The first of many: refused where the name is taken.
    First,
    /// One more of the same name.
    Further,
}

/// Claims a pipe's name for as long as the handle lives; `PermissionDenied` where another process has it. The flag of
/// the first instance says the same on Windows, and nothing under Wine.
pub(crate) fn claim(name: &str) -> io::Result<OwnedHandle> {
    let name = wide(&format!(r"Global\{}", name.replace('\\', "/")))?;
    // SAFETY: terminated text, no attributes. The error is set in either case, and read before anything else is called.
    let mutex = unsafe { CreateMutexW(null(), 0, name.as_ptr()) };
    let error = io::Error::last_os_error();
    if mutex.is_null() {
        return Err(error);
    }
    // SAFETY: opened just now, valid, owned by nobody else.
    let mutex = unsafe { OwnedHandle::from_raw_handle(mutex) };
    if error.raw_os_error() == Some(ERROR_ALREADY_EXISTS as i32) {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    Ok(mutex)
}

/// A serving end that waits for its client. Clients of other machines are refused.
pub(crate) fn serve(
    name: &str,
    carries: Carries,
    instance: Instance,
    room: u32,
    security: Option<&Security>,
) -> io::Result<OwnedHandle> {
    let name = wide(name)?;
    let access = match carries {
        Carries::Bytes | Carries::Messages => PIPE_ACCESS_INBOUND,
        Carries::BothWays => PIPE_ACCESS_DUPLEX,
    };
    let first = match instance {
        Instance::Only | Instance::First => FILE_FLAG_FIRST_PIPE_INSTANCE,
        Instance::Further => 0,
    };
    let mode = match carries {
        Carries::Bytes | Carries::BothWays => PIPE_TYPE_BYTE | PIPE_READMODE_BYTE,
        Carries::Messages => PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE,
    };
    let many = match instance {
        Instance::Only => 1,
        Instance::First | Instance::Further => PIPE_UNLIMITED_INSTANCES,
    };
    let attributes = security.map(Security::attributes);
    let attributes = attributes.as_ref().map_or(null(), std::ptr::from_ref);
    // SAFETY: the name is terminated, the attributes are null or live until the call has returned.
    let pipe = unsafe {
        CreateNamedPipeW(
            name.as_ptr(),
            access | FILE_FLAG_OVERLAPPED | first,
            mode | PIPE_WAIT | PIPE_REJECT_REMOTE_CLIENTS,
            many,
            room,
            room,
            0,
            attributes,
        )
    };
    if pipe == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: made just now, valid, owned by nobody else.
    Ok(unsafe { OwnedHandle::from_raw_handle(pipe) })
}

/// The writing end of a pipe of ours, for programs: plain calls on it wait until there is room.
pub(crate) fn writer(name: &str) -> io::Result<OwnedHandle> {
    let file = OpenOptions::new()
        .access_mode(GENERIC_WRITE | FILE_READ_ATTRIBUTES)
        .security_qos_flags(SECURITY_IDENTIFICATION)
        .open(name)?;
    Ok(file.into())
}

/// Our end of a pipe that somebody else serves, for transfers of both ways. Waits up to `patience` where all its ends
/// are taken. The server learns who we are, and may not act in our name.
pub(crate) fn connect(name: &str, patience: Duration) -> io::Result<OwnedHandle> {
    const ERROR_PIPE_BUSY: i32 = 231;
    let wide = wide(name)?;
    loop {
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(FILE_FLAG_OVERLAPPED)
            .security_qos_flags(SECURITY_IDENTIFICATION)
            .open(name);
        match opened {
            Err(error) if error.raw_os_error() == Some(ERROR_PIPE_BUSY) => {}
            Ok(file) => return Ok(file.into()),
            Err(error) => return Err(error),
        }
        let millis = u32::try_from(patience.as_millis()).unwrap_or(u32::MAX - 1);
        // SAFETY: terminated text.
        done(unsafe { WaitNamedPipeW(wide.as_ptr(), millis) })?;
    }
}

/// Cancels whatever is under way on a pipe, whoever began it.
pub(crate) fn cancel_all(pipe: &OwnedHandle) {
    // SAFETY: an open handle; without a structure all transfers on it are meant.
    unsafe { CancelIoEx(pipe.as_raw_handle(), null()) };
}

/// Who connected. The number is that of the moment of connecting; the process may be gone.
pub(crate) fn client(pipe: &OwnedHandle) -> io::Result<u32> {
    let mut pid = 0;
    // SAFETY: the pipe is open, the number ours.
    let answer = unsafe { GetNamedPipeClientProcessId(pipe.as_raw_handle(), &raw mut pid) };
    done(answer)?;
    Ok(pid)
}
