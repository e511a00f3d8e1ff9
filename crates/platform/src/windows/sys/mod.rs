//! The calls of Windows, each wrapped once, and nothing that decides: what comes out of here is safe to use.
//!
//! Handles are owned from the moment they exist. Text goes in as UTF-8 and is turned into the system's UTF-16 here.

pub(crate) mod birth;
pub(crate) mod console;
pub(crate) mod folder;
pub(crate) mod inspect;
pub(crate) mod job;
pub(crate) mod pipe;
pub(crate) mod port;
pub(crate) mod process;
pub(crate) mod security;
pub(crate) mod service;
pub(crate) mod socket;
pub(crate) mod transfer;
pub(crate) mod user32;

use std::io;
use std::os::windows::io::{FromRawHandle, OwnedHandle};

use windows_sys::Win32::Foundation::GetHandleInformation;
use windows_sys::core::BOOL;

/// The answer of a call that says `FALSE` when it failed.
fn done(answer: BOOL) -> io::Result<()> {
    if answer == 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Text as the system wants it, with its closing zero.
///
/// Errors: a zero inside would cut it short.
pub(crate) fn wide(text: &str) -> io::Result<Vec<u16>> {
    if text.contains('\0') {
        let why = "there is a zero character inside";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    Ok(text.encode_utf16().chain([0]).collect())
}

/// The size of a structure, as calls ask for it.
fn size_of<T>() -> u32 {
    u32::try_from(std::mem::size_of::<T>()).unwrap_or(u32::MAX)
}

/// A handle our parent has let us inherit, by the number it told us.
pub(crate) fn handed_down(number: usize) -> io::Result<OwnedHandle> {
    let handle = std::ptr::without_provenance_mut(number);
    let mut flags = 0;
    // SAFETY: a number that is no handle of ours is an error.
    done(unsafe { GetHandleInformation(handle, &raw mut flags) })?;
    // SAFETY: it is a handle of this process, made for it by its parent, and told to nobody else.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}
